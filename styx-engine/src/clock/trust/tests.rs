use proptest::prelude::*;

use super::*;

/// A machine's clock, and what is done to it.
struct Host {
    true_time: DateTime<Utc>,
    skew: TimeDelta,
    clock: TrustedClock,
}

impl Host {
    fn new(last: Option<DateTime<Utc>>) -> Self {
        let true_time = "2026-03-29T00:00:00Z".parse().unwrap();
        Self { true_time, skew: TimeDelta::zero(), clock: TrustedClock::new(WallLimits::default(), last) }
    }

    /// One that runs, and whose clock has been right so far.
    fn running() -> Self {
        let mut host = Self::new(None);
        host.after(TimeDelta::zero());
        host
    }

    fn reading(&self) -> Reading {
        let elapsed = (self.true_time - DateTime::UNIX_EPOCH).to_std().unwrap();
        Reading { wall: self.true_time + self.skew, elapsed }
    }

    fn after(&mut self, passed: TimeDelta) -> Now {
        self.true_time += passed;
        let reading = self.reading();
        self.clock.now(reading)
    }

    fn set(&mut self, by: TimeDelta) -> Now {
        self.skew += by;
        self.after(TimeDelta::zero())
    }
}

#[test]
fn a_clock_that_is_set_back_holds_up_nothing() {
    let mut host = Host::running();
    let begin = host.true_time;
    let back = host.set(TimeDelta::hours(-2));
    assert_eq!((back.at, back.natural()), (begin, Some(begin - TimeDelta::hours(2))));
    let later = host.after(TimeDelta::seconds(10));
    assert_eq!(later.at, begin + TimeDelta::seconds(10));
    assert_eq!(host.clock.status(), ClockStatus::Behind { by: TimeDelta::hours(2) });
    let right = host.set(TimeDelta::hours(2));
    assert_eq!(right, Now::from(begin + TimeDelta::seconds(10)));
    assert_eq!(host.clock.status(), ClockStatus::Agrees);
}

#[test]
fn a_wild_jump_is_not_believed_until_it_is_right_or_accepted() {
    for accepted in [false, true] {
        let mut host = Host::running();
        let begin = host.true_time;
        let wild = host.set(TimeDelta::days(174 * 365));
        assert_eq!((wild.at, wild.natural(), wild.present()), (begin, None, begin));
        let later = host.after(TimeDelta::hours(5));
        assert_eq!((later.at, later.natural()), (begin + TimeDelta::hours(5), None));
        assert!(host.clock.status().holds());
        if accepted {
            let reading = host.reading();
            assert_eq!(host.clock.accept(reading), Now::from(reading.wall));
            assert_eq!(host.after(TimeDelta::seconds(1)), Now::from(reading.wall + TimeDelta::seconds(1)));
        } else {
            assert_eq!(host.set(TimeDelta::days(-174 * 365)), Now::from(begin + TimeDelta::hours(5)));
        }
        assert_eq!(host.clock.status(), ClockStatus::Agrees);
    }
}

#[test]
fn a_sleep_is_no_jump() {
    let mut host = Host::running();
    let awake = host.after(TimeDelta::days(20));
    assert_eq!(awake, Now::from(host.true_time));
}

#[test]
fn limits_are_what_they_say() {
    let jump = |days: i64, more: i64| {
        let mut host = Host::running();
        host.set(TimeDelta::days(days) + TimeDelta::milliseconds(more)).is_believed()
    };
    assert!(jump(1, 0) && !jump(1, 1));
    let start = |days: i64| {
        let mut host = Host::new(None);
        host.clock = TrustedClock::new(WallLimits::default(), Some(host.true_time - TimeDelta::days(days)));
        host.after(TimeDelta::zero()).is_believed()
    };
    assert!(start(0) && start(366) && !start(367));
}

#[test]
fn a_start_before_the_clock_was_set_waits_for_it() {
    // Without a battery: the log ends three days ago, the machine begins in 1970 and is right a minute later.
    let mut host = Host::new(None);
    let last = host.true_time - TimeDelta::days(3);
    host.clock = TrustedClock::new(WallLimits::default(), Some(last));
    let right = host.true_time;
    host.skew = DateTime::UNIX_EPOCH - right;
    assert_eq!(host.after(TimeDelta::zero()).at, last);
    assert_eq!(host.after(TimeDelta::minutes(1)).at, last + TimeDelta::minutes(1));
    let now = host.set(right - DateTime::UNIX_EPOCH);
    assert_eq!(now, Now::from(right + TimeDelta::minutes(1)));
    // When the start is over, a jump is one.
    host.after(TimeDelta::minutes(10));
    assert!(!host.set(TimeDelta::days(3)).is_believed());
}

#[test]
fn a_start_where_the_clock_stood_when_the_machine_was_switched_off_waits_for_it() {
    let start = |minutes: i64| {
        let mut host = Host::new(None);
        // The log ends a weekend ago, and the machine begins where it stopped.
        let outage = TimeDelta::hours(60);
        let stopped = host.true_time - outage;
        host.clock = TrustedClock::new(WallLimits::default(), Some(stopped));
        host.skew = -outage;
        assert_eq!(host.after(TimeDelta::zero()), Now::from(stopped));
        host.after(TimeDelta::minutes(minutes));
        host.set(outage)
    };
    assert_eq!(start(3).natural(), Some(start(3).at));
    assert!(start(9).is_believed() && !start(10).is_believed());
}

#[test]
fn many_readings_lose_no_time() {
    let mut host = Host::running();
    let begin = host.true_time;
    host.set(TimeDelta::hours(-1));
    for _ in 0..10_000 {
        host.after(TimeDelta::microseconds(700));
    }
    assert_eq!(host.after(TimeDelta::zero()).at, begin + TimeDelta::seconds(7));
}

#[test]
fn what_is_said_names_times_and_remedy() {
    let text = |status: ClockStatus| status.to_string();
    let behind = text(ClockStatus::Behind { by: TimeDelta::seconds(7_205) });
    assert!(behind.starts_with("the wall clock is 2 h behind the records' time"), "{behind}");
    let (wall, by, limit) = (DateTime::UNIX_EPOCH, TimeDelta::minutes(1_530), TimeDelta::days(1));
    let wild = text(ClockStatus::NotBelieved { wall, by, limit });
    assert!(wild.contains("1970-01-01T00:00:00Z, which is 1 d 1 h ahead"), "{wild}");
    assert!(
        wild.contains("more than 1 d: it isn't believed") && wild.contains("styx config set clock accept"),
        "{wild}"
    );
    assert_eq!(text(ClockStatus::Agrees), "the wall clock is right");
}

#[test]
fn a_clock_is_told_of_once() {
    let behind = |minutes: i64| ClockStatus::Behind { by: TimeDelta::minutes(minutes) };
    assert!(behind(5).is_news_after(ClockStatus::Agrees) && ClockStatus::Agrees.is_news_after(behind(5)));
    assert!(!behind(5).is_news_after(behind(5)) && behind(6).is_news_after(behind(5)));
    assert!(!ClockStatus::Agrees.is_news_after(ClockStatus::Agrees));
}

proptest! {
    /// Whatever is done to the clock: the time of records never goes back, goes on with what elapses, and follows the wall
    /// clock only as far as that is believed.
    #[test]
    fn time_goes_on_and_follows_no_wild_clock(
        steps in prop::collection::vec((0..100_000_000_i64, -200_000_000..200_000_000_i64, prop::bool::weighted(0.3)), 1..60),
    ) {
        let mut host = Host::running();
        let limit = WallLimits::default().max_jump;
        let mut before = host.after(TimeDelta::zero()).at;
        for (passed, by, sets) in steps {
            let passed = TimeDelta::milliseconds(passed);
            if sets {
                host.skew += TimeDelta::milliseconds(by);
            }
            let now = host.after(passed);
            let (expected, wall) = (before + passed, host.reading().wall);
            prop_assert!(now.at >= before, "{now:?} after {before}");
            if wall > expected + limit {
                prop_assert_eq!((now.at, now.wall, now.natural()), (expected, wall, None));
            } else if wall < expected - TOLERANCE {
                prop_assert_eq!((now.at, now.natural()), (expected, Some(wall)));
            } else {
                prop_assert_eq!(now, Now::from(wall.max(before)));
                prop_assert!(now.at >= expected - TOLERANCE);
            }
            before = now.at;
        }
    }
}
