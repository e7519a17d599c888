//! The present: two readings of the clock, which every decision takes as an argument.

use chrono::{DateTime, TimeDelta, Utc};

/// How far the wall clock may be behind, and new cursors still begin by it. A machine without a battery starts in an earlier
/// year: a cursor that began there would fire all instants since, as soon as the clock is set.
pub const MAX_LAG: TimeDelta = TimeDelta::days(1);

/// The present by two readings of the clock. They are the same unless the wall clock was set.
///
/// Whoever makes it keeps `at` from going back, and from lying before a wall clock that is believed. So a wall clock that is
/// ahead of `at` is one that isn't believed.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use styx_core::now::Now;
///
/// let at = DateTime::UNIX_EPOCH + TimeDelta::hours(5);
/// let set_back = Now { at, wall: at - TimeDelta::hours(2) };
/// assert_eq!(set_back.natural(), Some(set_back.wall));
/// let wild = Now { at, wall: at + TimeDelta::days(60_000) };
/// assert_eq!(wild.natural(), None);
/// assert_eq!(wild.present(), at);
/// let unset = Now { at, wall: at - TimeDelta::days(20_000) };
/// assert_eq!((unset.natural(), unset.present()), (Some(unset.wall), at));
/// assert_eq!(Now::from(at).natural(), Some(at));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The time that records carry, and by which delays, time-outs and rates end: it goes on with the time that elapses,
    /// whatever the wall clock is set to.
    pub at: DateTime<Utc>,
    /// What the wall clock shows.
    pub wall: DateTime<Utc>,
}

impl Now {
    /// Whether the wall clock is believed.
    pub fn is_believed(self) -> bool {
        self.wall <= self.at
    }

    /// Up to when natural triggers fire; `None` while the wall clock isn't believed: then they hold.
    pub fn natural(self) -> Option<DateTime<Utc>> {
        self.is_believed().then_some(self.wall)
    }

    /// What schedules take for the present: new cursors begin after it, and later instants lie in the future. It is the wall
    /// clock's time; it is `at` while the wall clock isn't believed, or is more than [`MAX_LAG`] behind.
    pub fn present(self) -> DateTime<Utc> {
        let lags = self.at - self.wall > MAX_LAG;
        if lags || !self.is_believed() { self.at } else { self.wall }
    }

    /// How far the wall clock is ahead of `at`; negative when it was set back.
    pub fn wall_offset(self) -> TimeDelta {
        self.wall - self.at
    }
}

impl From<DateTime<Utc>> for Now {
    /// The present by a clock that was never set.
    fn from(at: DateTime<Utc>) -> Self {
        Self { at, wall: at }
    }
}
