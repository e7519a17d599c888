//! Delays between the tries of a run.

use chrono::TimeDelta;

/// Exponential back-off with a random multiplier (spec SM §20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest delay.
    pub base: TimeDelta,
    /// The multiplier stays below 2 to this power.
    pub max_exponent: u32,
}

impl Backoff {
    /// The largest exponent that counts.
    pub const MAX_EXPONENT: u32 = 30;

    /// How many values Styx draws the multiplier from: 2 to the number of failures, up to the limit.
    pub fn draws(&self, failures: u32) -> u64 {
        1 << failures.min(self.max_exponent).min(Self::MAX_EXPONENT)
    }

    /// Styx's multiplier of the base for a draw from `0..draws(failures)` (spec SM §20): zero counts as one.
    pub fn multiplier(draw: u64) -> u64 {
        draw.max(1)
    }

    /// How long to wait after that many failures: Styx's delay with jitter on it, so that what failed together
    /// doesn't come back together (W-16).
    ///
    /// `random` decides all. The result lies between the base and Styx's longest delay for as many failures, or
    /// twice the base where that is more.
    pub fn delay(&self, failures: u32, random: u64) -> TimeDelta {
        // The low bits draw Styx's multiplier (a power of two divides evenly), the high ones the jitter.
        let multiplier = Self::multiplier(random % self.draws(failures));
        let base = self.base.num_milliseconds().max(0);
        let jitter = (i128::from(base) * i128::from(random >> 32)) >> 32;
        let millis = match multiplier {
            1 => i128::from(base) + jitter,
            m => i128::from(base) * i128::from(m) - jitter,
        };
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        TimeDelta::try_milliseconds(millis).unwrap_or(TimeDelta::MAX)
    }
}
