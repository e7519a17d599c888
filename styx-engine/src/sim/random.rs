//! The one source of chance: everything that a simulation draws comes from its seed.

use chrono::TimeDelta;

/// A splitmix64 generator.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// A stream of its own for each purpose, so that one more draw here disturbs none there.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut random = Self { state: seed ^ purpose.wrapping_mul(0xD1B5_4A32_D192_ED03) };
        random.state = random.next();
        random
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; zero when there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = end.max(1) as u128;
        ((u128::from(self.next()) * end) >> 64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(usize::try_from(high - low + 1).unwrap_or(1)) as i64
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the values.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub(super) fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    /// A span in milliseconds from `low` to `high`.
    pub(super) fn millis(&mut self, low: i64, high: i64) -> TimeDelta {
        TimeDelta::milliseconds(self.between(low, high))
    }

    /// A span in seconds from `low` to `high`.
    pub(super) fn seconds(&mut self, low: i64, high: i64) -> TimeDelta {
        TimeDelta::seconds(self.between(low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_and_a_purpose_give_a_stream() {
        let draw = |seed, purpose| -> Vec<u64> {
            let mut random = Random::new(seed, purpose);
            (0..4).map(|_| random.next()).collect()
        };
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(1, 2));
        assert_ne!(draw(1, 1), draw(2, 1));
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut random = Random::new(7, 0);
        assert!((0..1_000).all(|_| (3..=5).contains(&random.between(3, 5))));
        assert!((0..1_000).all(|_| !random.chance(0) && random.chance(100)));
    }
}
