//! The exit code of a job that has ended (scheduler and runner, d: "Exit code").

use serde::Deserialize;

use crate::{
    lenient::{Lenient, Read},
    verdict::cause::with_message,
    view::{PodView, Termination},
};

/// What was wrong with a termination log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTrouble {
    /// It isn't there.
    Missing,
    /// It is no JSON object with a whole number as `exit_code`.
    Invalid,
    /// It has another code than the container.
    Mismatch,
}

impl LogTrouble {
    /// The name of the metric that counts it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "termination_log_missing",
            Self::Invalid => "termination_log_invalid",
            Self::Mismatch => "exit_code_mismatch",
        }
    }
}

/// The exit code of a real end: the container's or, with docker termination logging, its log's.
pub(super) fn exit_code(pod: &PodView, end: &Termination) -> (Option<i32>, Option<LogTrouble>) {
    let container = end.exit_code;
    if !pod.has_termination_logging() {
        return (container, None);
    }
    // Without a code in the log, a container's 0 isn't believed.
    let without_log = container.filter(|code| *code != 0);
    let Some(message) = &end.message else {
        return (without_log, Some(LogTrouble::Missing));
    };
    match in_log(message) {
        None => (without_log, Some(LogTrouble::Invalid)),
        Some(code) => {
            let trouble = (container != Some(code)).then_some(LogTrouble::Mismatch);
            (if code == 0 { container.or(Some(0)) } else { Some(code) }, trouble)
        }
    }
}

/// The end of a container in words.
pub(super) fn in_words(code: Option<i32>, container: &str, end: &Termination) -> String {
    let code = code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
    let reason = end.reason.as_deref().unwrap_or("none");
    let text = format!("container {container} ended, exit code: {code}, reason: {reason}");
    with_message(text, end.message.as_deref())
}

/// The `exit_code` of a log. What stands behind the object is ignored, and so is a byte order mark before it.
fn in_log(message: &str) -> Option<i32> {
    let text = message.trim_start_matches('\u{feff}');
    let mut deserializer = serde_json::Deserializer::from_str(text);
    TerminationLog::deserialize(&mut deserializer).ok()?.exit_code?.0.0
}

/// The log; other members are the job's business. One that is there twice is an error.
#[derive(Deserialize)]
struct TerminationLog {
    exit_code: Option<Read<Code>>,
}

/// An exit code in the forms that Styx 2.x takes: a number, of which a fraction is cut off, or a text with a whole number.
#[derive(Default)]
struct Code(Option<i32>);

impl Lenient for Code {
    fn from_number(number: i64) -> Self {
        Self(i32::try_from(number).ok())
    }

    fn from_fraction(number: f64) -> Self {
        let whole = number.trunc();
        let is_in_range = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&whole);
        #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range")]
        Self(is_in_range.then_some(whole as i32))
    }

    fn from_text(text: &str) -> Self {
        Self(text.trim().parse().ok())
    }
}
