//! The instants of a schedule between two of them.

use std::iter::FusedIterator;

use chrono::{DateTime, Utc};

use super::Schedule;

/// The aligned instants from one (included) to another (excluded), in either direction.
///
/// Made by [`Schedule::range`] and [`Schedule::reversed_range`].
#[derive(Clone, Debug)]
pub struct Range<'a> {
    schedule: &'a Schedule,
    next: Option<DateTime<Utc>>,
    end: DateTime<Utc>,
    is_backwards: bool,
}

impl<'a> Range<'a> {
    pub(super) fn forwards(schedule: &'a Schedule, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Self, RangeError> {
        check(schedule, from, to)?;
        Ok(Self { schedule, next: Some(from), end: to, is_backwards: false })
    }

    pub(super) fn backwards(
        schedule: &'a Schedule,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Self, RangeError> {
        check(schedule, to, from)?;
        Ok(Self { schedule, next: Some(from), end: to, is_backwards: true })
    }
}

impl Iterator for Range<'_> {
    type Item = DateTime<Utc>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.end;
        let is_backwards = self.is_backwards;
        let at = self.next.filter(|at| if is_backwards { *at > end } else { *at < end });
        self.next = at.and_then(|at| if is_backwards { self.schedule.previous(at) } else { self.schedule.next(at) });
        at
    }
}

impl FusedIterator for Range<'_> {}

/// Why there is no range between two instants. The texts are those of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// This end of the range is not aligned with the schedule.
    #[error("unaligned instant")]
    Unaligned {
        /// The end that is not aligned.
        instant: DateTime<Utc>,
    },
    /// The range ends before it begins.
    #[error("last instant should not be before first instant")]
    Backward,
}

fn check(schedule: &Schedule, first: DateTime<Utc>, last: DateTime<Utc>) -> Result<(), RangeError> {
    for instant in [first, last] {
        if !schedule.is_aligned(instant) {
            return Err(RangeError::Unaligned { instant });
        }
    }
    if last < first {
        return Err(RangeError::Backward);
    }
    Ok(())
}
