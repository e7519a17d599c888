//! Records as JSON, with everything that they hold, and whole logs as JSON lines: for moving a log, and for other tools.
//!
//! `docs/export-format.md` specifies every member. What is written reads back as an equal record:
//!
//! ```
//! use styx_core::record::Record;
//! use styx_store::json::{record_from_json, record_to_json};
//!
//! let line = r#"{"position":7,"decision":7,"at":"2026-03-29T07:00:00.000Z","epoch":1,"fact":{"run":{"component":"c","workflow":"w","parameter":"2026-03-29","counter":4,"event":"started"}},"cause":"engine"}"#;
//! let record: Record = record_from_json(line)?;
//! assert_eq!(record.position.0, 7);
//! assert_eq!(record_to_json(&record), line);
//!
//! let error = record_from_json(&line.replace("\"counter\":4", "\"counter\":-4")).unwrap_err();
//! assert_eq!(error.path, "fact.run.counter");
//! # Ok::<(), styx_store::json::JsonError>(())
//! ```

mod backfill;
mod cause;
mod config;
mod export;
mod import;
mod parts;
mod record;
mod values;

use serde::de::DeserializeOwned;
use styx_core::record::Record;

use self::record::RecordJson;
pub use self::{
    export::{EnvValues, ExportWriter, Header},
    import::{ExportReader, ImportError},
};

/// The version of the form; a newer one is refused.
pub const VERSION: u32 = 1;

/// A text that isn't the JSON form of a record, or of another line of an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct JsonError {
    /// Which member, such as `fact.run.counter`; empty when it is the whole.
    pub path: String,
    /// What is wrong: the value that was found, and what was expected.
    pub problem: String,
}

/// A record as a JSON object on one line, without the line's end.
///
/// Equal records have equal texts.
pub fn record_to_json(record: &Record) -> String {
    to_json(&RecordJson::from(record))
}

/// Reads a record.
///
/// # Errors
///
/// When the text isn't JSON, a member is missing, unknown or not what it should be, or the decision lies behind the record.
pub fn record_from_json(text: &str) -> Result<Record, JsonError> {
    let json: RecordJson = from_json(text)?;
    if json.decision > json.position {
        let problem = format!("{} lies behind the record, which is at {}", json.decision, json.position);
        return Err(JsonError { path: "decision".into(), problem });
    }
    Ok(json.into())
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("all keys are texts, and no value has an error of its own")
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        JsonError {
            path: if matches!(path.as_str(), "." | "?") { String::new() } else { path },
            problem: problem(error.inner()),
        }
    })?;
    deserializer.end().map_err(|error| JsonError { path: String::new(), problem: problem(&error) })?;
    Ok(value)
}

/// The parser counts lines from the start of its text, which is a single line of a file.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((problem, _)) => format!("{problem} (column {})", error.column()),
        None => text,
    }
}
