//! The clock: the only place that asks what time it is.

mod trust;

use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::time::{ClockId, clock_gettime};

pub use self::trust::{ClockStatus, TrustedClock, WallLimits};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The wall clock's time.
    fn now(&self) -> DateTime<Utc>;

    /// How much time has elapsed since some moment: it goes on evenly whatever the wall clock is set to, also while the machine
    /// sleeps.
    fn elapsed(&self) -> Duration;

    /// Both, as close together as they can be read.
    fn read(&self) -> Reading {
        let elapsed = self.elapsed();
        Reading { wall: self.now(), elapsed }
    }
}

/// What a clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock's time.
    pub wall: DateTime<Utc>,
    /// The time that has elapsed, since the same moment in all readings of a process.
    pub elapsed: Duration,
}

impl From<DateTime<Utc>> for Reading {
    /// The reading of a clock that is never set.
    fn from(wall: DateTime<Utc>) -> Self {
        let since = wall.signed_duration_since(DateTime::<Utc>::MIN_UTC);
        Self { wall, elapsed: since.to_std().unwrap_or_default() }
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from(std::time::SystemTime::now())
    }

    fn elapsed(&self) -> Duration {
        // Unlike the monotonic clock it counts the time in which the machine slept.
        let read = clock_gettime(ClockId::Boottime);
        Duration::new(read.tv_sec.try_into().unwrap_or_default(), read.tv_nsec.try_into().unwrap_or_default())
    }
}
