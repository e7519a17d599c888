//! What is wrong with a file, and where.

use std::fmt;

use styx_core::decide::Refusal;

use crate::tree::{Place, Tree};

/// Line and column of the fields that decide when a workflow fires, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriggerPlaces {
    /// Its schedule.
    pub schedule: (u64, u64),
    /// Its offset; `None` when it has none of its own.
    pub offset: Option<(u64, u64)>,
}

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

    /// A workflow that was refused because it has no first trigger, at the field that is to blame: no rule refuses it,
    /// the clock does.
    pub fn no_first_trigger(path: &str, schedule: &str, places: TriggerPlaces, refusal: &Refusal) -> Option<Self> {
        let (place, field, text) = match refusal {
            Refusal::NoInstant => (places.schedule, "schedule", format!("invalid schedule: `{schedule}` never fires")),
            // Without an offset of its own the schedule's leads out of the calendar.
            Refusal::OffsetLeadsOut(_) => match places.offset {
                Some(place) => (place, "offset", refusal.to_string()),
                None => (places.schedule, "schedule", refusal.to_string()),
            },
            _ => return None,
        };
        Some(Self { place: Some(place), field: Some(field.into()), ..Self::whole(path, text) })
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

/// Something that is taken as it is written, though it may mean something else than its author thinks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWarning {
    /// Line and column, counted from 1.
    pub place: (u64, u64),
    /// The field.
    pub field: String,
    /// What is doubtful, and what to do.
    pub text: String,
}

impl FileWarning {
    pub(crate) fn new(tree: &Tree, field: &str, text: impl Into<String>) -> Self {
        Self { place: tree.place.into(), field: field.into(), text: text.into() }
    }
}

/// What is wrong at a place of a text that is being read.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) place: Option<Place>,
    pub(crate) field: Option<String>,
    pub(crate) text: String,
    pub(crate) rule: Option<&'static str>,
}
