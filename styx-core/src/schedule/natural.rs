//! Natural triggers: which instance a schedule starts next, and when.

use chrono::{DateTime, Utc};

use super::{Offset, Schedule};

/// An instance that a schedule starts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NaturalTrigger {
    /// The logical time, which becomes the parameter.
    pub instant: DateTime<Utc>,
    /// When it fires: the logical time plus the offset.
    pub fires_at: DateTime<Utc>,
}

impl Schedule {
    /// The first trigger of a workflow that is stored now, or gets this schedule or offset now:
    /// the first instant strictly after `now` minus the offset (T-30, TR-4).
    ///
    /// So an instance that would fire at exactly `now` is left out. `None` if the schedule never
    /// fires, or if a time lies outside the years 0000 to 9999.
    pub fn first_natural(&self, offset: &Offset, now: DateTime<Utc>) -> Option<NaturalTrigger> {
        self.following(offset, offset.subtract_from(now)?)
    }

    /// The trigger after the one with this logical time (T-31).
    pub fn following(&self, offset: &Offset, instant: DateTime<Utc>) -> Option<NaturalTrigger> {
        let instant = self.next(instant)?;
        Some(NaturalTrigger { instant, fires_at: offset.add_to(instant)? })
    }
}
