//! Group commit: how long a step waits for others, so that one sync carries them all.

use std::time::Duration;

/// Whom the last step answered, and how long its sync took.
///
/// Clients ask again as soon as they are answered. A step that went off at once would leave them behind: they would split into
/// groups that wait for each other's syncs, and each sync would carry one group only.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gather {
    answered: usize,
    sync: Duration,
}

impl Gather {
    /// The longest wait, however slow the disk is.
    const MOST: Duration = Duration::from_millis(10);

    /// After a step whose sync took so long, and which answered so many.
    pub(crate) fn after(sync: Duration, answered: usize) -> Self {
        Self { answered, sync }
    }

    /// How long after the last step the next one may wait until it goes off, now that it has so many inputs, of which so many
    /// were there when the last step ended.
    ///
    /// As long as those who were answered haven't all come back, and no longer than half of a sync: that is what somebody who
    /// waits with it for nobody loses, and half of what the others win if they come.
    pub(crate) fn patience(&self, waiting: usize, taken: usize) -> Duration {
        if taken < waiting.saturating_add(self.answered) { (self.sync / 2).min(Self::MOST) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn those_who_were_answered_are_waited_for_beside_those_who_wait() {
        let gather = Gather::after(Duration::from_millis(5), 3);
        let half = Duration::from_micros(2_500);
        assert_eq!([2, 3, 4, 5].map(|taken| gather.patience(2, taken)), [half, half, half, Duration::ZERO]);
    }

    proptest! {
        #[test]
        fn no_wait_without_somebody_to_wait_for_and_none_beyond_half_of_a_sync(
            micros in 0_u64..200_000,
            answered in 0_usize..2_000,
            waiting in 0_usize..2_000,
            taken in 0_usize..2_000,
        ) {
            let sync = Duration::from_micros(micros);
            let patience = Gather::after(sync, answered).patience(waiting, taken);
            prop_assert!(patience <= sync / 2 && patience <= Gather::MOST);
            prop_assert_eq!(patience.is_zero(), taken >= waiting + answered || (sync / 2).is_zero());
        }
    }
}
