//! What is wrong with a template.

use std::fmt;

/// A field of a template that is refused, and why.
///
/// It never repeats a value, which may be a secret; names only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// The field, names joined by dots, places in lists in brackets, such as `spec.containers[0].image`; empty for the whole
    /// template.
    pub path: String,
    /// What is wrong, and what to do.
    pub text: String,
}

impl TemplateError {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "pod template" } else { &self.path };
        write!(f, "{path}: {}", self.text)
    }
}

impl std::error::Error for TemplateError {}

/// The path of a member of what is at a path.
pub(super) fn member(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}
