//! How many lines about runs are logged: a burst of each kind, then a rate; what is more is counted.

use std::time::Duration;

/// What a line is about. Each kind has an allowance of its own: a flood of runs that are done hides none that is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A run ended well.
    Done,
    /// A run was ended from outside.
    Halted,
    /// A run is tried again.
    Retried,
    /// A run is tried no more.
    GivenUp,
}

impl Kind {
    /// How many there are.
    pub(super) const COUNT: usize = 4;
    /// All of them, in the order of the counts.
    pub(super) const ALL: [Self; Self::COUNT] = [Self::Done, Self::Halted, Self::Retried, Self::GivenUp];

    /// As lines have it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Halted => "halted",
            Self::Retried => "retried",
            Self::GivenUp => "given up",
        }
    }
}

/// Decides which lines are logged. Times are those since any one moment, and don't go back.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    /// When the allowance of a kind will be whole again.
    whole_at: [Duration; Kind::COUNT],
    left_out: [u64; Kind::COUNT],
    /// When what was left out is to be reported.
    report_at: Option<Duration>,
}

impl Limiter {
    /// So many lines of a kind may come at once.
    const BURST: u32 = 100;
    /// After that, one in this time: ten a second.
    const EACH: Duration = Duration::from_millis(100);
    /// What was left out is reported so long after the first of it.
    const REPORT: Duration = Duration::from_secs(10);

    /// Whether a line of this kind is logged now; otherwise it is counted.
    pub(super) fn admits(&mut self, kind: Kind, now: Duration) -> bool {
        let index = kind as usize;
        let whole_at = self.whole_at[index].max(now) + Self::EACH;
        if whole_at - now <= Self::EACH * Self::BURST {
            self.whole_at[index] = whole_at;
            return true;
        }
        self.left_out[index] += 1;
        self.report_at.get_or_insert(now + Self::REPORT);
        false
    }

    /// When [`report`](Self::report) has something.
    pub(super) fn report_at(&self) -> Option<Duration> {
        self.report_at
    }

    /// How many lines of each kind were left out since the last report, if it is time for one.
    pub(super) fn report(&mut self, now: Duration) -> Option<[(Kind, u64); Kind::COUNT]> {
        self.report_at.take_if(|at| *at <= now)?;
        let counts = std::mem::take(&mut self.left_out);
        Some(Kind::ALL.map(|kind| (kind, counts[kind as usize])))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_logged_and_then_ten_a_second() {
        let mut limiter = Limiter::default();
        let admitted = |limiter: &mut Limiter, now| (0..1_000).filter(|_| limiter.admits(Kind::Done, now)).count();
        assert_eq!(admitted(&mut limiter, SECOND), 100);
        assert_eq!(admitted(&mut limiter, SECOND * 2), 10);
        assert!(limiter.admits(Kind::GivenUp, SECOND * 2), "other kinds aren't kept back");
        assert_eq!((limiter.report_at(), limiter.report(SECOND * 10)), (Some(SECOND * 11), None));
        let report = limiter.report(SECOND * 11).unwrap();
        assert_eq!(report.map(|(_, count)| count), [900 + 990, 0, 0, 0]);
        assert_eq!((limiter.report_at(), limiter.report(SECOND * 99)), (None, None));
        assert_eq!(admitted(&mut limiter, SECOND * 99), 100);
    }

    proptest! {
        /// Whatever comes when: each line is logged or counted once, and no more are logged than the allowance.
        #[test]
        fn every_line_is_logged_or_counted(lines in prop::collection::vec((0_u64..400, 0_usize..Kind::COUNT), 0..2_000)) {
            let (mut limiter, mut now) = (Limiter::default(), Duration::ZERO);
            let (mut logged, mut reported, mut came) = ([0_u64; Kind::COUNT], [0; Kind::COUNT], [0; Kind::COUNT]);
            for (wait, index) in lines {
                now += Duration::from_millis(wait / 8);
                came[index] += 1;
                logged[index] += u64::from(limiter.admits(Kind::ALL[index], now));
                for (kind, count) in limiter.report(now).into_iter().flatten() {
                    reported[kind as usize] += count;
                }
                let allowed = 100 + now.as_millis() as u64 / 100;
                prop_assert!(logged.iter().all(|logged| *logged <= allowed));
            }
            for (kind, count) in limiter.report(now + SECOND * 10).into_iter().flatten() {
                reported[kind as usize] += count;
            }
            let accounted: Vec<u64> = logged.iter().zip(reported).map(|(logged, reported)| logged + reported).collect();
            prop_assert_eq!(accounted, came.to_vec());
        }
    }
}
