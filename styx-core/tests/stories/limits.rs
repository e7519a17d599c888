//! Resources: what is full, lowered or gone (spec (c)).

use chrono::TimeDelta;
use expect_test::expect;
use styx_core::{
    config::{Config, Limit, Rate},
    decide::{Request, RuntimePatch, Setting},
    effects::desired,
    event::TriggerParameters,
    executor::{EffectKind, Observed},
    explain::explain,
    record::Origin,
    workflow::WorkflowConfiguration,
    world::RowKey,
};

use crate::teller::{Teller, id, instance};

/// A story with resources, and workflows that need them.
fn begin(resources: &[(&str, i64)], workflows: &[(&str, &[&str])]) -> Teller {
    begin_with(Config::default(), resources, workflows)
}

fn begin_with(config: Config, resources: &[(&str, i64)], workflows: &[(&str, &[&str])]) -> Teller {
    let mut story = Teller::begin("2026-03-29T05:30:00Z", config);
    for (id, concurrency) in resources {
        story.ask(set(id, *concurrency));
    }
    for (name, needed) in workflows {
        let mut configuration = WorkflowConfiguration::new(*name, "hours");
        configuration.docker_image = Some("busybox".to_owned());
        configuration.resources = needed.iter().map(|id| (*id).to_owned()).collect();
        story.store_configuration(&configuration, Origin::Api);
    }
    story.forget();
    story
}

fn set(id: &str, concurrency: i64) -> Request {
    Request::SetResource { id: id.into(), concurrency }
}

fn trigger(story: &mut Teller, name: &str, hour: &str) {
    let (workflow, parameter) = (id(name), format!("2026-03-29T{hour}").into());
    let parameters = TriggerParameters::default();
    story.ask(Request::Trigger { workflow, parameter, parameters, allow_future: false });
    story.pass_seconds(1);
}

fn ends(story: &mut Teller, name: &str, hour: &str) {
    story.see(name, &format!("2026-03-29T{hour}"), Observed::Exited { code: Some(0) });
    story.pass_seconds(1);
}

fn why(story: &Teller, name: &str, hour: &str) -> String {
    let reasons = explain(story.world(), &instance(name, &format!("2026-03-29T{hour}")), story.now());
    reasons.into_iter().flatten().map(|reason| reason.to_string()).collect::<Vec<_>>().join("; ")
}

#[test]
fn one_unit_goes_to_who_waits_longest_and_of_a_workflow_to_the_smallest_parameter() {
    let mut story = begin(&[("db", 1)], &[("report", &["db"]), ("mail", &["db"])]);
    trigger(&mut story, "report", "04");
    trigger(&mut story, "report", "03");
    trigger(&mut story, "mail", "00");
    trigger(&mut story, "report", "02");
    // Of report 02 goes before 03, which waits for longer; and mail's run before it, since it waits for longer than 02.
    let waiting = [("report", "03"), ("report", "02"), ("mail", "00")].map(|(name, hour)| why(&story, name, hour));
    expect![[r#"
        waits for a unit of db, 2 runs that need the same come first
        waits for a unit of db, 1 runs that need the same come first
        waits for a unit of db, 0 runs that need the same come first"#]]
    .assert_eq(&waiting.join("\n"));
    story.pass_seconds(600);
    ends(&mut story, "report", "04");
    ends(&mut story, "mail", "00");
    ends(&mut story, "report", "02");
    expect![[r#"
        29 05:30:00 ann: 2026-03-29T04 #0 triggerExecution adhoc
        29 05:30:00   and: 2026-03-29T04 #1 dequeue db
        29 05:30:00   and: 2026-03-29T04 #2 submit
        29 05:30:01 ann: 2026-03-29T03 #0 triggerExecution adhoc
        29 05:30:02 timer: 2026-03-29T03 #1 info Resource limit reached for: [db]
        29 05:30:02 ann: 2026-03-29T00 #0 triggerExecution adhoc
        29 05:30:03 timer: 2026-03-29T00 #1 info Resource limit reached for: [db]
        29 05:30:03 ann: 2026-03-29T02 #0 triggerExecution adhoc
        29 05:30:04 timer: 2026-03-29T02 #1 info Resource limit reached for: [db]
        29 05:40:04 saw Exited { code: Some(0) }: 2026-03-29T04 #3 submitted
        29 05:40:04   and: 2026-03-29T04 #4 started
        29 05:40:04   and: 2026-03-29T04 #5 terminate Some(0)
        29 05:40:04   and: 2026-03-29T04 #6 success
        29 05:40:05 timer: 2026-03-29T00 #2 dequeue db
        29 05:40:05   and: 2026-03-29T00 #3 submit
        29 05:40:05 saw Exited { code: Some(0) }: 2026-03-29T00 #4 submitted
        29 05:40:05   and: 2026-03-29T00 #5 started
        29 05:40:05   and: 2026-03-29T00 #6 terminate Some(0)
        29 05:40:05   and: 2026-03-29T00 #7 success
        29 05:40:06 timer: 2026-03-29T02 #2 dequeue db
        29 05:40:06   and: 2026-03-29T02 #3 submit
        29 05:40:06 saw Exited { code: Some(0) }: 2026-03-29T02 #4 submitted
        29 05:40:06   and: 2026-03-29T02 #5 started
        29 05:40:06   and: 2026-03-29T02 #6 terminate Some(0)
        29 05:40:06   and: 2026-03-29T02 #7 success
        29 05:40:07 timer: 2026-03-29T03 #2 dequeue db
        29 05:40:07   and: 2026-03-29T03 #3 submit
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn a_run_that_lacks_a_unit_blocks_none_that_lacks_nothing() {
    let mut story = begin(&[("db", 0), ("fs", 1)], &[("report", &["db", "fs"]), ("mail", &["fs"])]);
    trigger(&mut story, "report", "00");
    trigger(&mut story, "mail", "00");
    // It is told again only after another try: what it lacks now is explained.
    story.ask(set("db", 1));
    story.pass_seconds(1);
    let now = why(&story, "report", "00");
    expect!["waits for a unit of fs, 0 runs that need the same come first"].assert_eq(&now);
    ends(&mut story, "mail", "00");
    expect![[r#"
        29 05:30:00 ann: 2026-03-29T00 #0 triggerExecution adhoc
        29 05:30:01 timer: 2026-03-29T00 #1 info Resource limit reached for: [db]
        29 05:30:01 ann: 2026-03-29T00 #0 triggerExecution adhoc
        29 05:30:01   and: 2026-03-29T00 #1 dequeue fs
        29 05:30:01   and: 2026-03-29T00 #2 submit
        29 05:30:02 ann: resource db has 1
        29 05:30:03 saw Exited { code: Some(0) }: 2026-03-29T00 #3 submitted
        29 05:30:03   and: 2026-03-29T00 #4 started
        29 05:30:03   and: 2026-03-29T00 #5 terminate Some(0)
        29 05:30:03   and: 2026-03-29T00 #6 success
        29 05:30:04 timer: 2026-03-29T00 #2 dequeue db, fs
        29 05:30:04   and: 2026-03-29T00 #3 submit
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn a_lowered_limit_ends_nothing_and_lets_nobody_on_until_less_is_in_use() {
    let mut story = begin(&[("db", 3)], &[("report", &["db"])]);
    for hour in ["00", "01", "02"] {
        trigger(&mut story, "report", hour);
    }
    story.ask(set("db", 1));
    story.forget();
    trigger(&mut story, "report", "03");
    assert_eq!(story.world().index().queue().used("db"), 3);
    for hour in ["00", "01", "02"] {
        ends(&mut story, "report", hour);
    }
    expect![[r#"
        29 05:30:03 ann: 2026-03-29T03 #0 triggerExecution adhoc
        29 05:30:04 timer: 2026-03-29T03 #1 info Resource limit reached for: [db]
        29 05:30:04 saw Exited { code: Some(0) }: 2026-03-29T00 #3 submitted
        29 05:30:04   and: 2026-03-29T00 #4 started
        29 05:30:04   and: 2026-03-29T00 #5 terminate Some(0)
        29 05:30:04   and: 2026-03-29T00 #6 success
        29 05:30:05 saw Exited { code: Some(0) }: 2026-03-29T01 #3 submitted
        29 05:30:05   and: 2026-03-29T01 #4 started
        29 05:30:05   and: 2026-03-29T01 #5 terminate Some(0)
        29 05:30:05   and: 2026-03-29T01 #6 success
        29 05:30:06 saw Exited { code: Some(0) }: 2026-03-29T02 #3 submitted
        29 05:30:06   and: 2026-03-29T02 #4 started
        29 05:30:06   and: 2026-03-29T02 #5 terminate Some(0)
        29 05:30:06   and: 2026-03-29T02 #6 success
        29 05:30:07 timer: 2026-03-29T03 #2 dequeue db
        29 05:30:07   and: 2026-03-29T03 #3 submit
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn a_halted_run_s_unit_is_free_when_its_execution_has_ended() {
    let mut story = begin(&[("db", 1)], &[("report", &["db"])]);
    trigger(&mut story, "report", "00");
    trigger(&mut story, "report", "01");
    story.forget();
    story.ask(Request::Halt { instance: instance("report", "2026-03-29T00") });
    story.pass_seconds(1);
    story.see_halted(Observed::Exited { code: Some(143) });
    story.pass_seconds(1);
    expect![[r#"
        29 05:30:02 ann: 2026-03-29T00 #3 halt halted by ann
        29 05:30:03 saw Exited { code: Some(143) }: execution ended Exit { code: Some(143) }
        29 05:30:04 timer: 2026-03-29T01 #2 dequeue db
        29 05:30:04   and: 2026-03-29T01 #3 submit
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn a_resource_that_is_gone_fails_who_needs_it_and_takes_nothing_from_who_has_it() {
    let mut story = begin(&[("db", 1), ("fs", 1)], &[("report", &["db", "fs"])]);
    trigger(&mut story, "report", "00");
    trigger(&mut story, "report", "01");
    story.forget();
    story.ask(Request::DeleteResource { id: "fs".into() });
    story.ask(Request::DeleteResource { id: "db".into() });
    story.ask(Request::DeleteResource { id: "db".into() });
    story.pass_seconds(1);
    // What still holds the old units counts when the resource comes back.
    story.ask(set("db", 1));
    story.ask(set("fs", 5));
    story.pass_seconds(600);
    assert_eq!(why(&story, "report", "01"), "waits for a unit of db, 0 runs that need the same come first");
    ends(&mut story, "report", "00");
    expect![[r#"
        29 05:30:02 ann: resource fs deleted
        29 05:30:02 ann: resource db deleted
        29 05:30:02 nothing to do
        29 05:30:03 timer: 2026-03-29T01 #2 runError Referenced resources not found: [db, fs]
        29 05:30:03   and: 2026-03-29T01 #3 retryAfter 201631 ms
        29 05:30:03 ann: resource db has 1
        29 05:30:03 ann: resource fs has 5
        29 05:40:03 timer: 2026-03-29T01 #4 info Resource limit reached for: [db]
        29 05:40:03 saw Exited { code: Some(0) }: 2026-03-29T00 #3 submitted
        29 05:40:03   and: 2026-03-29T00 #4 started
        29 05:40:03   and: 2026-03-29T00 #5 terminate Some(0)
        29 05:40:03   and: 2026-03-29T00 #6 success
        29 05:40:04 timer: 2026-03-29T01 #5 dequeue db, fs
        29 05:40:04   and: 2026-03-29T01 #6 submit
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn what_is_left_of_an_execution_is_kept_while_debug_is_on() {
    let mut story = begin(&[], &[("report", &[])]);
    let debug = |on: bool| Request::Operate(RuntimePatch { debug: Some(on), ..RuntimePatch::default() });
    trigger(&mut story, "report", "04");
    ends(&mut story, "report", "04");
    let id = story.world().executions().keys().next().expect("it isn't cleaned up yet").clone();
    let kind = |story: &Teller| desired(story.world(), &RowKey::Execution(id.clone())).map(|(_, kind)| kind);
    assert_eq!(kind(&story), Some(EffectKind::CleanUp));
    story.ask(debug(true));
    assert_eq!(kind(&story), None);
    story.ask(debug(false));
    assert_eq!(kind(&story), Some(EffectKind::CleanUp));
}

#[test]
fn a_delay_that_is_over_counts_before_there_is_another_record() {
    let mut story = begin(&[("db", 0)], &[("report", &["db"])]);
    trigger(&mut story, "report", "00");
    story.ask(Request::Retry { instance: instance("report", "2026-03-29T00"), delay_millis: 10_000 });
    let counts = |seconds: i64| {
        let (queue, now) = (story.world().index().queue(), story.now() + TimeDelta::seconds(seconds));
        (queue.demanded("db", now), queue.held_up(now), queue.failing(now))
    };
    assert_eq!((counts(9), counts(10)), ((0, 0, 0), (1, 1, 0)));
}

#[test]
fn a_run_that_may_not_start_is_explained_so() {
    let mut story = begin(&[("db", 0)], &[("report", &["db"])]);
    trigger(&mut story, "report", "00");
    let mut configuration = WorkflowConfiguration::new("report", "hours");
    configuration.resources = vec!["db".to_owned()];
    story.store_configuration(&configuration, Origin::Api);
    expect![[r#"
        will be halted when its turn comes: Workflow is missing execution configuration; waits for a unit of db, 0 runs that need the same come first"#]]
    .assert_eq(&why(&story, "report", "00"));
    story.ask(Request::Operate(RuntimePatch {
        max_executions: Some(Setting::Value(Limit::AtMost(0))),
        ..Default::default()
    }));
    assert!(why(&story, "report", "00").ends_with("; no execution may begin: the limit is 0"));
}

#[test]
fn a_natural_run_that_waits_is_halted_when_its_workflow_is_disabled() {
    let mut story = begin(&[("db", 0)], &[("report", &["db"])]);
    story.enable("report", true);
    story.until("2026-03-29T06:00:00Z");
    trigger(&mut story, "report", "03");
    story.forget();
    story.enable("report", false);
    story.pass_seconds(60);
    // The run that a person asked for isn't the schedule's, and goes on.
    story.ask(set("db", 2));
    story.pass_seconds(60);
    expect![[r#"
        29 06:00:01 ann: sales#report enabled: false
        29 06:01:01 ann: resource db has 2
        29 06:02:01 timer: 2026-03-29T03 #2 dequeue db
        29 06:02:01   and: 2026-03-29T03 #3 submit
        29 06:02:01 timer: 2026-03-29T05 #2 halt workflow disabled
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn only_a_dequeue_uses_up_the_rate_and_a_faster_rate_forgets_what_a_slower_one_used() {
    let per_minute = |count: f64| Rate::per_second(count / 60.0);
    let mut story = begin(&[], &[("report", &[])]);
    story.ask(Request::Operate(RuntimePatch {
        dequeue_rate: Some(Setting::Value(per_minute(1.0).unwrap())),
        ..RuntimePatch::default()
    }));
    story.forget();
    for hour in ["00", "01", "02", "03"] {
        trigger(&mut story, "report", hour);
    }
    // Its end takes nothing of the next minute's.
    ends(&mut story, "report", "00");
    story.pass_seconds(60);
    // Another setting with the same rate leaves its use as it is.
    story.ask(Request::SwitchScheduling { enabled: true });
    story.pass_seconds(1);
    story.ask(Request::Operate(RuntimePatch {
        dequeue_rate: Some(Setting::Value(per_minute(60.0).unwrap())),
        ..RuntimePatch::default()
    }));
    story.pass_seconds(2);
    expect![[r#"
        29 05:30:00 ann: 2026-03-29T00 #0 triggerExecution adhoc
        29 05:30:00   and: 2026-03-29T00 #1 dequeue
        29 05:30:00   and: 2026-03-29T00 #2 submit
        29 05:30:01 ann: 2026-03-29T01 #0 triggerExecution adhoc
        29 05:30:02 ann: 2026-03-29T02 #0 triggerExecution adhoc
        29 05:30:03 ann: 2026-03-29T03 #0 triggerExecution adhoc
        29 05:30:04 saw Exited { code: Some(0) }: 2026-03-29T00 #3 submitted
        29 05:30:04   and: 2026-03-29T00 #4 started
        29 05:30:04   and: 2026-03-29T00 #5 terminate Some(0)
        29 05:30:04   and: 2026-03-29T00 #6 success
        29 05:31:05 timer: 2026-03-29T01 #1 dequeue
        29 05:31:05   and: 2026-03-29T01 #2 submit
        29 05:31:05 nothing to do
        29 05:31:06 ann: configured
        29 05:31:08 timer: 2026-03-29T02 #1 dequeue
        29 05:31:08   and: 2026-03-29T02 #2 submit
    "#]]
    .assert_eq(&story.told());
}

/// Workflows that fire at the same moment, under a limit of executions and units of a resource.
fn fire_together(max_executions: Option<u32>, units: i64) -> Teller {
    let workflows = ["a", "b", "c", "d"].map(|name| (name, &["db"][..]));
    let config = Config { max_executions, ..Config::default() };
    let mut story = begin_with(config, &[("db", units)], &workflows);
    for (name, _) in workflows {
        story.enable(name, true);
    }
    story.until("2026-03-29T06:10:00Z");
    story
}

#[test]
fn runs_that_begin_in_one_decision_take_room_from_each_other() {
    for (max_executions, units, begun) in
        [(None, 9, 4), (Some(2), 9, 2), (None, 2, 2), (Some(3), 2, 2), (Some(0), 9, 0)]
    {
        let story = fire_together(max_executions, units);
        let living = story.world().index().living_count();
        assert_eq!((story.world().runs().len(), living), (4, begun), "{max_executions:?} {units}");
        // Who waits has no room, whatever else falls due: an hour later the others have fired, too.
        let queue = story.world().index().queue();
        assert_eq!(queue.demands(), units > begun as i64 && begun < 4, "{max_executions:?} {units}");
    }
    // Without a resource it is the same.
    let mut story = Teller::begin("2026-03-29T05:30:00Z", Config { max_executions: Some(1), ..Config::default() });
    for name in ["a", "b"] {
        story.store(name, "hours", None);
        assert!(!story.world().index().queue().demands());
        story.enable(name, true);
    }
    story.until("2026-03-29T06:10:00Z");
    assert!(story.world().index().queue().demands());
    assert_eq!(story.world().index().living_count(), 1);
    story.until("2026-03-29T07:10:00Z");
    assert_eq!((story.world().runs().len(), story.world().index().living_count()), (4, 1));
}
