//! What is wrong with a file, and where.

use std::fmt;

use crate::tree::Place;

/// What is wrong with a file. Shown as `FILE:LINE:COLUMN: FIELD: TEXT [RULE]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileError {
    /// The file, relative to the folder, with `/`.
    pub path: String,
    /// Line and column, counted from 1; `None` when the error is about the file as a whole.
    pub place: Option<(u64, u64)>,
    /// The field, names within other fields joined by dots; `None` when the text isn't YAML.
    pub field: Option<String>,
    /// What is wrong.
    pub text: String,
    /// The rule of Styx that is broken, such as `V-14`.
    pub rule: Option<&'static str>,
}

impl FileError {
    /// An error about a file as a whole.
    pub fn whole(path: &str, text: impl Into<String>) -> Self {
        Self { path: path.into(), place: None, field: None, text: text.into(), rule: None }
    }

    /// A schedule without an instant to come, where it stands: no rule refuses it, the clock does.
    pub fn never_fires(path: &str, place: (u64, u64), schedule: &str) -> Self {
        let text = format!("invalid schedule: `{schedule}` never fires");
        Self { place: Some(place), field: Some("schedule".into()), ..Self::whole(path, text) }
    }

    pub(crate) fn at(path: &str, problem: Problem) -> Self {
        let Problem { place, field, text, rule } = problem;
        Self { path: path.into(), place: place.map(Place::into), field, text, rule }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ": {field}")?;
        }
        write!(f, ": {}", self.text)?;
        match self.rule {
            Some(rule) => write!(f, " [{rule}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FileError {}

/// What is wrong at a place of a text that is being read.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) place: Option<Place>,
    pub(crate) field: Option<String>,
    pub(crate) text: String,
    pub(crate) rule: Option<&'static str>,
}
