//! How far the wall clock is believed: from readings of the clock to the present, without a clock.

use std::{fmt, time::Duration};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use styx_core::{now::Now, text::HumanSpan};

use super::Reading;

/// What is no setting of a clock: two clocks that differ by no more are one.
const TOLERANCE: TimeDelta = TimeDelta::seconds(1);

/// How long a start lasts, from when the two clocks first agree: many machines without a battery begin where the clock stood
/// when they were switched off, and are set right a little later.
const START: Duration = Duration::from_secs(600);

/// How far the wall clock may be ahead of the time that records carry, and still be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallLimits {
    /// While the process runs: how far it may jump.
    pub max_jump: TimeDelta,
    /// At start, and until the two have agreed for ten minutes: how long nothing may have been recorded.
    pub max_outage: TimeDelta,
}

impl WallLimits {
    /// The smallest limit that makes sense: what is within a second is no jump.
    pub const MIN: TimeDelta = TimeDelta::minutes(1);
}

impl Default for WallLimits {
    /// A day, and a year.
    fn default() -> Self {
        Self { max_jump: TimeDelta::days(1), max_outage: TimeDelta::days(366) }
    }
}

/// How the wall clock stands to the time that records carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockStatus {
    /// They agree.
    Agrees,
    /// The wall clock is behind: it was set back, or the log's last record is from a time that it hasn't reached. Natural
    /// triggers fire by it, all that waits goes on by the time that elapses.
    Behind {
        /// How far.
        by: TimeDelta,
    },
    /// The wall clock is too far ahead: natural triggers hold, all that waits goes on by the time that elapses.
    NotBelieved {
        /// What it shows.
        wall: DateTime<Utc>,
        /// How far that is ahead.
        by: TimeDelta,
        /// How far it might be.
        limit: TimeDelta,
    },
}

/// The present, from what a clock shows: what records carry never goes back and goes on with the time that elapses, and no
/// wild wall clock is believed.
///
/// ```
/// use std::time::Duration;
///
/// use chrono::{DateTime, TimeDelta};
/// use styx_engine::clock::{ClockStatus, Reading, TrustedClock, WallLimits};
///
/// let begin = DateTime::UNIX_EPOCH;
/// let mut clock = TrustedClock::new(WallLimits::default(), None);
/// clock.now(Reading { wall: begin, elapsed: Duration::from_secs(7) });
/// // The clock is set back by an hour; ten seconds elapse.
/// let wall = begin - TimeDelta::hours(1);
/// let now = clock.now(Reading { wall, elapsed: Duration::from_secs(17) });
/// assert_eq!((now.at, now.wall), (begin + TimeDelta::seconds(10), wall));
/// assert!(matches!(clock.status(), ClockStatus::Behind { .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedClock {
    limits: WallLimits,
    /// What records carry, to the nanosecond, so that nothing is lost with each reading; none before the first reading of
    /// an empty log.
    at: Option<DateTime<Utc>>,
    /// The time that had elapsed then; none before the first reading.
    elapsed: Option<Duration>,
    /// The time that had elapsed when the two clocks first agreed in this process; none before.
    met: Option<Duration>,
    /// The start is over: from here on the wall clock can only jump.
    has_started: bool,
    status: ClockStatus,
}

impl TrustedClock {
    /// A clock for a log whose last record is from `last`; `None` when it is empty.
    pub fn new(limits: WallLimits, last: Option<DateTime<Utc>>) -> Self {
        let has_started = last.is_none();
        Self { limits, at: last, elapsed: None, met: None, has_started, status: ClockStatus::Agrees }
    }

    /// The present.
    pub fn now(&mut self, reading: Reading) -> Now {
        let expected = self.expect(reading);
        let ahead = reading.wall - expected;
        self.has_started |= self.met.is_some_and(|met| reading.elapsed.saturating_sub(met) >= START);
        let limit = if self.has_started { self.limits.max_jump } else { self.limits.max_outage };
        if ahead > limit {
            return self.disbelieve(reading.wall, expected, limit);
        }
        if ahead < -TOLERANCE {
            self.at = Some(expected);
            self.status = ClockStatus::Behind { by: -ahead };
            return Now { at: expected.trunc_subsecs(3), wall: reading.wall.trunc_subsecs(3) };
        }
        self.believe(reading.wall)
    }

    /// The present, and the wall clock counts from here on whatever it shows: an operator has said so.
    pub fn accept(&mut self, reading: Reading) -> Now {
        let expected = self.expect(reading);
        if reading.wall < expected { self.now(reading) } else { self.believe(reading.wall) }
    }

    /// How the wall clock stands, as of the last reading.
    pub fn status(&self) -> ClockStatus {
        self.status
    }

    /// What records would carry if only the elapsed time counted.
    fn expect(&mut self, reading: Reading) -> DateTime<Utc> {
        let before = self.elapsed.unwrap_or(reading.elapsed);
        self.elapsed = Some(before.max(reading.elapsed));
        let passed = TimeDelta::from_std(reading.elapsed.saturating_sub(before)).unwrap_or(TimeDelta::MAX);
        let last = self.at.unwrap_or(reading.wall);
        last.checked_add_signed(passed).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The clocks agree. By less than the tolerance the wall clock may be behind: then the other waits for it.
    fn believe(&mut self, wall: DateTime<Utc>) -> Now {
        let at = self.at.map_or(wall, |before| before.max(wall));
        (self.at, self.status) = (Some(at), ClockStatus::Agrees);
        self.met = self.met.or(self.elapsed);
        at.trunc_subsecs(3).into()
    }

    fn disbelieve(&mut self, wall: DateTime<Utc>, expected: DateTime<Utc>, limit: TimeDelta) -> Now {
        self.at = Some(expected);
        self.status = ClockStatus::NotBelieved { wall, by: wall - expected, limit };
        Now { at: expected.trunc_subsecs(3), wall: wall.trunc_subsecs(3) }
    }
}

impl ClockStatus {
    /// Whether natural triggers hold.
    pub fn holds(self) -> bool {
        matches!(self, Self::NotBelieved { .. })
    }

    /// Whether it is worth a word after `before`: it is another one, or the clock was set once more, by a minute at least.
    pub fn is_news_after(self, before: Self) -> bool {
        match (before, self) {
            (Self::Agrees, Self::Agrees) => false,
            (Self::Behind { by: before }, Self::Behind { by })
            | (Self::NotBelieved { by: before, .. }, Self::NotBelieved { by, .. }) => {
                (by - before).abs() >= TimeDelta::minutes(1)
            }
            _ => true,
        }
    }
}

impl fmt::Display for ClockStatus {
    /// What is so, and what follows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agrees => f.write_str("the wall clock is right"),
            Self::Behind { by } => write!(
                f,
                "the wall clock is {} behind the records' time: what waits goes on by elapsed time, natural triggers wait \
                 for the wall clock",
                HumanSpan(*by)
            ),
            Self::NotBelieved { wall, by, limit } => write!(
                f,
                "the wall clock shows {}, which is {} ahead of the records' time and more than {}: it isn't believed, and \
                 natural triggers hold; set it right, or accept it with `styx config set clock accept`",
                wall.format("%Y-%m-%dT%H:%M:%SZ"),
                HumanSpan(*by),
                HumanSpan(*limit)
            ),
        }
    }
}

#[cfg(test)]
mod tests;
