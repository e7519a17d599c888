//! Backfills: how they move from partition to partition (spec (b), BF-1 to BF-13).

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use expect_test::expect;
use styx_core::{
    config::Config,
    decide::{Input, Request},
    event::TriggerParameters,
    executor::Observed,
    world::Backfill,
};

use crate::teller::{Teller, id, instance, time};

fn begin() -> Teller {
    let mut story = Teller::begin("2026-03-29T12:30:00Z", Config::default());
    // Disabled, as every new workflow: backfills run all the same (BF-12).
    story.store("report", "hours", None);
    story.forget();
    story
}

/// Partitions from one hour of the day to before another.
fn backfill(hours: std::ops::Range<u32>, concurrency: u32, reverse: bool) -> Request {
    let at = |hour: u32| time("2026-03-29T00:00:00Z") + chrono::TimeDelta::hours(i64::from(hour));
    between(at(hours.start), at(hours.end), concurrency, reverse)
}

pub(crate) fn between(start: DateTime<Utc>, end: DateTime<Utc>, concurrency: u32, reverse: bool) -> Request {
    let env = BTreeMap::from([("MODE".to_owned(), "again".to_owned())]);
    let parameters = Some(TriggerParameters { env: Arc::new(env) });
    let (workflow, description, allow_future) = (id("report"), None, true);
    Request::CreateBackfill { workflow, start, end, concurrency, reverse, description, parameters, allow_future }
}

fn only(story: &Teller) -> (Arc<str>, &Backfill) {
    let (id, backfill) = story.world().backfills().first_key_value().expect("there is one");
    (Arc::clone(id), backfill)
}

fn ends(story: &mut Teller, hour: &str) {
    story.see("report", &format!("2026-03-29T{hour}"), Observed::Exited { code: Some(0) });
    story.settle();
}

fn trigger(hour: &str) -> Request {
    let (workflow, parameter) = (id("report"), format!("2026-03-29T{hour}").into());
    Request::Trigger { workflow, parameter, parameters: TriggerParameters::default(), allow_future: true }
}

#[test]
fn partitions_run_in_order_as_many_as_may_and_an_active_one_is_passed_over() {
    let mut story = begin();
    story.ask(trigger("03"));
    story.forget();
    story.ask(backfill(0..6, 2, false));
    story.ask(backfill(4..9, 2, false));
    story.ask(trigger("06"));
    story.settle();
    let run = &story.world().runs()[&instance("report", "2026-03-29T04")];
    assert_eq!(run.parameters.as_ref().map(|parameters| &*parameters.env["MODE"]), Some("again"));
    ends(&mut story, "05");
    ends(&mut story, "04");
    ends(&mut story, "06");
    ends(&mut story, "08");
    let (_, backfill) = only(&story);
    assert!(backfill.all_triggered && backfill.next == backfill.spec.end, "{backfill:?}");
    expect![[r#"
        29 12:30:00 refused: these partitions are already active: 2026-03-29T03
        29 12:30:00 ann: backfill made
        29 12:30:00 ann: 2026-03-29T06 #0 triggerExecution adhoc
        29 12:30:00   and: 2026-03-29T06 #1 dequeue
        29 12:30:00   and: 2026-03-29T06 #2 submit
        29 12:30:00 engine: 2026-03-29T04 #0 triggerExecution backfill
        29 12:30:00   and: backfill at 29T05:00 (Triggered)
        29 12:30:00 engine: 2026-03-29T05 #0 triggerExecution backfill
        29 12:30:00   and: backfill at 29T06:00 (Triggered)
        29 12:30:00 timer: 2026-03-29T04 #1 dequeue
        29 12:30:00   and: 2026-03-29T04 #2 submit
        29 12:30:00 timer: 2026-03-29T05 #1 dequeue
        29 12:30:00   and: 2026-03-29T05 #2 submit
        29 12:30:00 saw Exited { code: Some(0) }: 2026-03-29T05 #3 submitted
        29 12:30:00   and: 2026-03-29T05 #4 started
        29 12:30:00   and: 2026-03-29T05 #5 terminate Some(0)
        29 12:30:00   and: 2026-03-29T05 #6 success
        29 12:30:00 engine: backfill at 29T07:00 (AlreadyActive)
        29 12:30:00 engine: 2026-03-29T07 #0 triggerExecution backfill
        29 12:30:00   and: backfill at 29T08:00 (Triggered)
        29 12:30:00 timer: 2026-03-29T07 #1 dequeue
        29 12:30:00   and: 2026-03-29T07 #2 submit
        29 12:30:00 saw Exited { code: Some(0) }: 2026-03-29T04 #3 submitted
        29 12:30:00   and: 2026-03-29T04 #4 started
        29 12:30:00   and: 2026-03-29T04 #5 terminate Some(0)
        29 12:30:00   and: 2026-03-29T04 #6 success
        29 12:30:00 engine: 2026-03-29T08 #0 triggerExecution backfill
        29 12:30:00   and: backfill at 29T09:00 (Triggered, the last)
        29 12:30:00 timer: 2026-03-29T08 #1 dequeue
        29 12:30:00   and: 2026-03-29T08 #2 submit
        29 12:30:00 saw Exited { code: Some(0) }: 2026-03-29T06 #3 submitted
        29 12:30:00   and: 2026-03-29T06 #4 started
        29 12:30:00   and: 2026-03-29T06 #5 terminate Some(0)
        29 12:30:00   and: 2026-03-29T06 #6 success
        29 12:30:00 saw Exited { code: Some(0) }: 2026-03-29T08 #3 submitted
        29 12:30:00   and: 2026-03-29T08 #4 started
        29 12:30:00   and: 2026-03-29T08 #5 terminate Some(0)
        29 12:30:00   and: 2026-03-29T08 #6 success
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn in_reverse_the_last_partition_comes_first_and_the_end_is_before_the_start() {
    let mut story = begin();
    story.ask(backfill(1..4, 2, true));
    story.settle();
    ends(&mut story, "03");
    let (_, backfill) = only(&story);
    assert_eq!((backfill.all_triggered, backfill.next), (true, time("2026-03-29T00:00:00Z")));
    expect![[r#"
        29 12:30:00 ann: backfill made
        29 12:30:00 engine: 2026-03-29T03 #0 triggerExecution backfill
        29 12:30:00   and: backfill at 29T02:00 (Triggered)
        29 12:30:00 engine: 2026-03-29T02 #0 triggerExecution backfill
        29 12:30:00   and: backfill at 29T01:00 (Triggered)
        29 12:30:00 timer: 2026-03-29T02 #1 dequeue
        29 12:30:00   and: 2026-03-29T02 #2 submit
        29 12:30:00 timer: 2026-03-29T03 #1 dequeue
        29 12:30:00   and: 2026-03-29T03 #2 submit
        29 12:30:00 saw Exited { code: Some(0) }: 2026-03-29T03 #3 submitted
        29 12:30:00   and: 2026-03-29T03 #4 started
        29 12:30:00   and: 2026-03-29T03 #5 terminate Some(0)
        29 12:30:00   and: 2026-03-29T03 #6 success
        29 12:30:00 engine: 2026-03-29T01 #0 triggerExecution backfill
        29 12:30:00   and: backfill at 29T00:00 (Triggered, the last)
        29 12:30:00 timer: 2026-03-29T01 #1 dequeue
        29 12:30:00   and: 2026-03-29T01 #2 submit
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn one_decision_triggers_ten_partitions_and_no_more_than_may_run() {
    let mut story = begin();
    story.ask(backfill(0..12, 50, false));
    let count = |story: &Teller| story.world().runs().len();
    story.take(&Input::Due);
    assert_eq!(count(&story), 10);
    story.settle();
    assert_eq!(count(&story), 12);
    let mut story = begin();
    story.ask(backfill(0..12, 3, false));
    story.settle();
    assert_eq!((count(&story), story.world().next_due() > Some(story.now())), (3, true));
    let (id, _) = only(&story);
    story.ask(Request::EditBackfill { id, concurrency: Some(4), description: None });
    story.settle();
    assert_eq!(count(&story), 4);
}

#[test]
fn what_may_not_be_run_any_more_halts_its_backfill_once() {
    let mut story = begin();
    story.ask(backfill(0..4, 1, false));
    story.settle();
    story.forget();
    story.ask(Request::DeleteWorkflow { id: id("report") });
    story.settle();
    ends(&mut story, "00");
    let (gone, _) = only(&story);
    story.ask(Request::HaltBackfill { id: gone, graceful: true });
    // One whose workflow can't be run halts itself; scheduling was off when that came about.
    story.store("report", "hours", None);
    story.ask(Request::SwitchScheduling { enabled: false });
    story.ask(backfill(0..4, 1, false));
    let mut config = Config::default();
    config.executor.runs_api_workflows = false;
    story.ask(Request::Configure(Arc::new(config)));
    story.ask(Request::SwitchScheduling { enabled: true });
    story.settle();
    expect![[r#"
        29 12:30:00 ann: sales#report deleted
        29 12:30:00   and: backfill workflow deleted, runs too: false
        29 12:30:00 saw Exited { code: Some(0) }: 2026-03-29T00 #3 submitted
        29 12:30:00   and: 2026-03-29T00 #4 started
        29 12:30:00   and: 2026-03-29T00 #5 terminate Some(0)
        29 12:30:00   and: 2026-03-29T00 #6 success
        29 12:30:00 refused: workflow not found
        29 12:30:00 ann: sales#report stored
        29 12:30:00   and: sales#report cursor 29T12:00 fires 29T13:00 (Edited)
        29 12:30:00 ann: configured
        29 12:30:00 ann: backfill made
        29 12:30:00 ann: configured
        29 12:30:00 ann: configured
        29 12:30:00 engine: backfill halted: the default executor runs only workflows of the workflow folder: start the server with --run-api-workflows to let it run workflows made through the API, runs too: false
    "#]].assert_eq(&story.told());
}

#[test]
fn a_graceful_halt_leaves_the_runs_and_another_one_halts_them() {
    let mut story = begin();
    story.ask(backfill(0..6, 3, false));
    story.settle();
    story.forget();
    let (id, _) = only(&story);
    story.ask(Request::HaltBackfill { id: Arc::clone(&id), graceful: true });
    story.settle();
    ends(&mut story, "00");
    story.ask(Request::HaltBackfill { id: Arc::clone(&id), graceful: false });
    story.settle();
    assert_eq!(story.world().runs().len(), 0);
    expect![[r#"
        29 12:30:00 ann: backfill halted by ann, runs too: false
        29 12:30:00 saw Exited { code: Some(0) }: 2026-03-29T00 #3 submitted
        29 12:30:00   and: 2026-03-29T00 #4 started
        29 12:30:00   and: 2026-03-29T00 #5 terminate Some(0)
        29 12:30:00   and: 2026-03-29T00 #6 success
        29 12:30:00 ann: backfill halted by ann, runs too: true
        29 12:30:00 engine: 2026-03-29T01 #3 halt backfill-1774787400000-91900 halted by ann
        29 12:30:00 engine: 2026-03-29T02 #3 halt backfill-1774787400000-91900 halted by ann
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn a_halt_with_its_runs_ends_them_and_nothing_more_is_triggered() {
    let mut story = begin();
    story.ask(backfill(0..6, 2, false));
    story.ask(trigger("05"));
    story.settle();
    story.see("report", "2026-03-29T00", Observed::Started);
    story.forget();
    let (id, _) = only(&story);
    story.ask(Request::HaltBackfill { id, graceful: false });
    // Halts don't wait for scheduling to be on.
    story.ask(Request::SwitchScheduling { enabled: false });
    story.settle();
    story.see_halted(Observed::Exited { code: Some(143) });
    expect![[r#"
        29 12:30:00 ann: backfill halted by ann, runs too: true
        29 12:30:00 ann: configured
        29 12:30:00 engine: 2026-03-29T00 #5 halt backfill-1774787400000-91900 halted by ann
        29 12:30:00 engine: 2026-03-29T01 #3 halt backfill-1774787400000-91900 halted by ann
        29 12:30:00 saw Exited { code: Some(143) }: execution ended Exit { code: Some(143) }
    "#]]
    .assert_eq(&story.told());
    assert_eq!(story.world().runs().len(), 1, "what somebody triggered by hand goes on");
}

#[test]
fn a_backfill_in_reverse_leaves_its_cursor_where_an_instant_has_a_form() {
    let mut story = Teller::begin("2026-03-29T12:30:00Z", Config::default());
    story.store("report", "years", None);
    story.forget();
    for (start, reverse) in [("0000", true), ("0001", true), ("0000", false)] {
        let at = |year: &str| time(&format!("{year}-01-01T00:00:00Z"));
        story.ask(between(at(start), at("0003"), 1, reverse));
    }
    let told = story.told();
    assert!(
        told.lines()
            .next()
            .is_some_and(|line| line
                .ends_with("refused: a backfill in reverse must start after the first instant of the year 0000")),
        "{told}"
    );
    assert_eq!(story.world().backfills().len(), 2, "{told}");
}

#[test]
fn a_backfill_of_the_future_needs_leave_and_a_finished_instance_goes_on_counting() {
    let mut story = begin();
    let ask = |story: &mut Teller, hours, may| {
        let mut request = backfill(hours, 1, false);
        if let Request::CreateBackfill { allow_future, .. } = &mut request {
            *allow_future = may;
        }
        story.forget();
        story.ask(request);
        story.told()
    };
    // It is 12:30: the partition of 13 is of the future, also as the last of a range.
    for hours in [13..15, 11..14] {
        assert!(ask(&mut story, hours.clone(), false).contains("refused: "), "{hours:?}");
    }
    assert!(!ask(&mut story, 13..15, true).contains("refused: "));
    story.ask(trigger("03"));
    ends(&mut story, "03");
    assert!(!ask(&mut story, 3..4, false).contains("refused: "));
    story.settle();
    let told = story.told();
    assert!(told.contains("engine: 2026-03-29T03 #7 triggerExecution backfill"), "{told}");
}

#[test]
fn only_active_runs_of_a_range_s_own_partitions_are_in_the_way() {
    let daily = |schedule: &str| {
        let mut story = Teller::begin("2026-03-29T12:30:00Z", Config::default());
        story.store("report", schedule, None);
        story.forget();
        story
    };
    let of = |parameter: &str| {
        let (workflow, parameters) = (id("report"), TriggerParameters::default());
        Request::Trigger { workflow, parameter: parameter.into(), parameters, allow_future: true }
    };
    let ask = |story: &mut Teller, start: &str, end: &str| {
        story.forget();
        story.ask(between(time(start), time(end), 1, false));
        story.told().trim().to_owned()
    };
    let mut story = daily("0 6 * * *");
    // A name of an earlier schedule's form, of an instant that lies within the range.
    story.store("report", "hours", None);
    story.ask(of("2026-03-28T06"));
    story.store("report", "0 6 * * *", None);
    assert_eq!(ask(&mut story, "2026-03-27T06:00:00Z", "2026-03-29T06:00:00Z"), "29 12:30:00 ann: backfill made");

    let mut story = daily("0 6 * * *");
    story.ask(of("2026-03-29T06:00:00Z"));
    // The end isn't part of the range, and neither is what comes after it.
    assert_eq!(ask(&mut story, "2026-03-27T06:00:00Z", "2026-03-29T06:00:00Z"), "29 12:30:00 ann: backfill made");
    let refused = "29 12:30:00 refused: these partitions are already active: 2026-03-29T06:00:00Z";
    assert_eq!(ask(&mut story, "2026-03-27T06:00:00Z", "2026-03-30T06:00:00Z"), refused);

    // Names from the year 10000 on aren't in the order of time, and no run has one.
    let mut story = daily("days");
    assert_eq!(ask(&mut story, "9999-12-30T00:00:00Z", "+10000-01-03T00:00:00Z"), "29 12:30:00 ann: backfill made");
}
