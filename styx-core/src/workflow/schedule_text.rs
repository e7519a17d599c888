//! A schedule as a workflow holds it: text, valid or not.

use std::fmt;

use crate::schedule::Schedule;

/// A schedule in the form that Styx writes it: `hours`, `days`, … for the well-known ones, lower-case text for any
/// other.
///
/// The text need not be a schedule at all. A configuration that is wrong can be read, shown and refused with its
/// reasons, so only [`validate`](super::validate) looks at it.
///
/// ```
/// use styx_core::workflow::ScheduleText;
///
/// assert_eq!(ScheduleText::new("@Daily").as_str(), "days");
/// assert_eq!(ScheduleText::new("0 3 * * MON").as_str(), "0 3 * * mon");
/// assert_eq!(ScheduleText::new("Now and Then").as_str(), "now and then");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleText(String);

impl ScheduleText {
    /// Brings a text into the form that Styx writes.
    pub fn new(text: &str) -> Self {
        Self(canonical(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ScheduleText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for ScheduleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn canonical(text: &str) -> String {
    match Schedule::parse(text) {
        Ok(schedule) => schedule.as_json().to_owned(),
        Err(_) => text.to_lowercase(),
    }
}
