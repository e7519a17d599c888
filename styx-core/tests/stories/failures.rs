//! Failures that cost nothing, and when they end a run.

use chrono::{DateTime, TimeDelta, Utc};
use expect_test::expect;
use styx_core::{
    config::{Config, FailureLimit},
    decide::Request,
    executor::Observed,
};

use crate::{
    teller::{Teller, instance},
    trigger,
};

/// Lets the executor lose the run's execution `times` times, each after `hours` at least.
fn lose(story: &mut Teller, times: u32, hours: i64) {
    for _ in 0..times {
        story.pass_seconds(hours * 3600);
        story.see("report", "2026-03-29T00", Observed::Lost { reason: "node gone".into() });
        if story.world().runs().is_empty() {
            return;
        }
        story.wait_for_next_due();
    }
}

fn failing(count: u32, hours: i64) -> Teller {
    let infrastructure_limit = FailureLimit { count, span: TimeDelta::hours(hours) };
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config { infrastructure_limit, ..Config::default() });
    story.store("report", "hours", None);
    story.ask(trigger("2026-03-29T00"));
    story
}

fn failures(story: &Teller) -> Option<u32> {
    story.world().runs().get(&instance("report", "2026-03-29T00")).map(|run| run.infrastructure_failures)
}

#[test]
fn failures_that_cost_nothing_end_a_run_when_they_are_many_and_last_long() {
    // Many, but not for long; and for long, but not many.
    let mut story = failing(3, 48);
    lose(&mut story, 9, 0);
    assert_eq!(failures(&story), Some(9));
    let mut story = failing(3, 4);
    lose(&mut story, 3, 10);
    assert_eq!(failures(&story), Some(3));
    story.forget();
    lose(&mut story, 1, 10);
    assert_eq!(failures(&story), None);
    expect![[r#"
        30 16:32:33 saw Lost { reason: "node gone" }: 2026-03-29T00 #15 runError node gone
        30 16:32:33   and: execution ended Lost
        30 16:32:33   and: 2026-03-29T00 #16 stop too many failures of the infrastructure in a row: 4 since 2026-03-29T10:30:00Z
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn the_defaults_are_200_failures_and_two_days() {
    let FailureLimit { count, span } = FailureLimit::default();
    assert_eq!((count, span), (200, TimeDelta::days(2)));
    let (limit, since) = (FailureLimit::default(), DateTime::UNIX_EPOCH);
    let late = since + span + TimeDelta::milliseconds(1);
    assert!(limit.is_passed(201, since, late));
    assert!(!limit.is_passed(200, since, late) && !limit.is_passed(201, since, since + span));
    // A clock at the edge, and a limit that is no limit.
    assert!(limit.is_passed(201, DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC));
    assert!(!FailureLimit { count: u32::MAX, ..limit }.is_passed(u32::MAX, since, late));
}

#[test]
fn an_end_of_its_own_begins_the_row_again() {
    let mut story = failing(3, 4);
    lose(&mut story, 3, 10);
    story.see("report", "2026-03-29T00", Observed::Exited { code: Some(20) });
    story.wait_for_next_due();
    lose(&mut story, 3, 10);
    assert_eq!(failures(&story), Some(3));
    lose(&mut story, 1, 10);
    assert_eq!(failures(&story), None);
}

#[test]
fn an_operator_who_ends_an_execution_never_ends_its_run_by_that() {
    let mut story = failing(3, 4);
    let end = |story: &mut Teller| {
        let run = &story.world().runs()[&instance("report", "2026-03-29T00")];
        let execution = run.execution.clone().expect("it has an execution");
        story.ask(Request::EndExecution { execution });
        story.wait_for_next_due();
    };
    for _ in 0..9 {
        story.pass_seconds(3600);
        end(&mut story);
    }
    // It costs nothing and is one of the row, so that what fails for ever has an end.
    assert_eq!(failures(&story), Some(9));
    lose(&mut story, 1, 1);
    assert_eq!(failures(&story), None);
}

#[test]
fn a_refusal_is_no_failure() {
    let mut config =
        Config { infrastructure_limit: FailureLimit { count: 0, span: TimeDelta::zero() }, ..Config::default() };
    config.timeouts.default = TimeDelta::days(1_000);
    let mut story = Teller::begin("2026-03-29T00:30:00Z", config);
    story.store("report", "hours", None);
    story.ask(trigger("2026-03-29T00"));
    for _ in 0..300 {
        story.pass_seconds(3600);
        let retry_at = story.now() + TimeDelta::seconds(10);
        story.see("report", "2026-03-29T00", Observed::Refused { retry_at, reason: "no room".into() });
    }
    assert_eq!(failures(&story), Some(0));
    story.pass_seconds(1);
    story.see("report", "2026-03-29T00", Observed::Lost { reason: "node gone".into() });
    story.wait_for_next_due();
    // The first of a row lasts no time; the second does.
    assert_eq!(failures(&story), Some(1));
    lose(&mut story, 1, 1);
    assert_eq!(failures(&story), None);
}

#[test]
fn a_delay_lies_between_the_base_and_the_longest_of_styx() {
    let backoff = Config::default().backoff;
    for failures in 0..6 {
        let draws = backoff.draws(failures);
        let longest = backoff.base * i32::try_from((draws - 1).max(2)).unwrap();
        for draw in 0..draws {
            for jitter in [0, 1, u64::from(u32::MAX) / 2, u64::from(u32::MAX)] {
                let delay = backoff.delay(failures, (jitter << 32) | draw);
                assert!(backoff.base <= delay && delay <= longest, "{failures} {draw} {jitter}: {delay}");
            }
        }
    }
}
