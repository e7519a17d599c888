//! The secrets that a template names.

use serde_json::Value;

use super::error::{TemplateError, member};
use crate::secrets;

/// Fields whose texts are the job's own and name nothing in Kubernetes.
const FREE_TEXTS: [&str; 3] = ["value", "command", "args"];
/// Fields that hold a reference to a secret, with the secret's `name`. A projected volume has `secret` so; another volume's
/// `secret` has a `secretName`.
const REFERENCES: [&str; 4] = ["secretRef", "secretKeyRef", "nodePublishSecretRef", "secret"];

/// Which secrets workflows may name (decision 58): patterns in which `*` stands for any text.
///
/// Those with keys of service accounts, which Styx manages, are never among them: each belongs to the workflows of one account.
///
/// ```
/// use styx_k8s::template::SecretPatterns;
///
/// let patterns = SecretPatterns::new(["team-*", "shared"]);
/// assert!(patterns.check("secret.name", "team-a").is_ok());
/// assert!(patterns.check("secret.name", "other").is_err());
/// assert!(SecretPatterns::all().check("secret.name", "styx-wf-sa-keys-2609-9c63").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPatterns(Vec<String>);

impl SecretPatterns {
    /// Secrets that match one of these patterns.
    pub fn new<T: Into<String>>(patterns: impl IntoIterator<Item = T>) -> Self {
        Self(patterns.into_iter().map(Into::into).collect())
    }

    /// All secrets but Styx's own.
    pub fn all() -> Self {
        Self::new(["*"])
    }

    /// Checks the name of a secret that stands in a field.
    ///
    /// # Errors
    ///
    /// When it is one of Styx's own, or matches no pattern.
    pub fn check(&self, path: &str, name: &str) -> Result<(), TemplateError> {
        if name.starts_with(secrets::PREFIX) {
            return Err(own(path));
        }
        if self.0.iter().any(|pattern| matches(pattern, name)) {
            return Ok(());
        }
        let text = format!("the secret {name:?} isn't among the executor's allowed_secrets ({})", self.0.join(", "));
        Err(TemplateError::new(path, text))
    }
}

/// Finds references to secrets that aren't allowed, wherever they stand.
pub(super) fn check(template: &Value, allowed: &SecretPatterns) -> Vec<TemplateError> {
    let mut errors = Vec::new();
    if let Some(spec) = template.get("spec") {
        walk(spec, "spec", &mut |path, key, value| match value {
            // Whatever it is the name of: a secret, or the volume with the keys. Later fields of Kubernetes are met so, too.
            Value::String(text) if text.starts_with(secrets::PREFIX) && !FREE_TEXTS.contains(&key) => {
                errors.push(own(path));
            }
            Value::String(name) if key == "secretName" => errors.extend(allowed.check(path, name).err()),
            Value::Object(reference) if REFERENCES.contains(&key) => {
                let name =
                    reference.get("name").and_then(Value::as_str).filter(|name| !name.starts_with(secrets::PREFIX));
                let path = member(path, "name");
                errors.extend(name.and_then(|name| allowed.check(&path, name).err()));
            }
            _ => {}
        });
    }
    errors
}

/// Shows each value with its path and the name of the field that it is in.
fn walk<'a>(value: &'a Value, path: &str, see: &mut impl FnMut(&str, &str, &'a Value)) {
    fn below<'a>(value: &'a Value, path: &str, key: &str, see: &mut impl FnMut(&str, &str, &'a Value)) {
        see(path, key, value);
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    below(value, &member(path, name), name, see);
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    below(item, &format!("{path}[{at}]"), key, see);
                }
            }
            _ => {}
        }
    }
    below(value, path, "", see);
}

fn own(path: &str) -> TemplateError {
    let text = format!(
        "names that begin with {} are those of the keys that Styx manages: no workflow may use them",
        secrets::PREFIX
    );
    TemplateError::new(path, text)
}

/// Whether a text matches a pattern in which each `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    match rest.rsplit_once('*') {
        None => text.ends_with(rest),
        Some((middle, end)) => {
            let Some(mut text) = text.strip_suffix(end) else { return false };
            middle.split('*').all(|part| match text.split_once(part) {
                Some((_, behind)) => {
                    text = behind;
                    true
                }
                None => false,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "a", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*b*c", "a-b-b-c", true),
            ("a**c", "abc", true),
            ("*b*b*", "b", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
        }
    }
}
