//! Stories: what is decided, record by record, in the situations that the rules are about.

#[path = "stories/accepts.rs"]
mod accepts;
#[path = "stories/backfills.rs"]
mod backfills;
#[path = "stories/edit_laws.rs"]
mod edit_laws;
#[path = "stories/edits.rs"]
mod edits;
#[path = "stories/executors.rs"]
mod executors;
#[path = "stories/failures.rs"]
mod failures;
#[path = "stories/limits.rs"]
mod limits;
#[path = "stories/teller.rs"]
mod teller;

use expect_test::expect;
use styx_core::{
    config::Config,
    decide::Request,
    event::TriggerParameters,
    executor::Observed,
    explain::{Reason, explain, explain_workflow},
    record::Origin,
    workflow::{FlyteExecConf, FlyteIdentifier, PodTemplate, Secret, WorkflowConfiguration},
};

use teller::{Teller, id, instance};

fn trigger(parameter: &str) -> Request {
    let parameters = TriggerParameters::default();
    Request::Trigger { workflow: id("report"), parameter: parameter.into(), parameters, allow_future: false }
}

/// Reasons as people read them.
fn said(reasons: Option<Vec<Reason>>) -> Vec<String> {
    reasons.into_iter().flatten().map(|reason| reason.to_string()).collect()
}

#[test]
fn a_partition_runs_when_its_hour_is_over_and_is_tried_again() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config::default());
    story.store("report", "hours", None);
    story.enable("report", true);
    story.until("2026-03-29T01:00:00Z");
    story.see("report", "2026-03-29T00", Observed::Launched);
    story.see("report", "2026-03-29T00", Observed::Started);
    story.see("report", "2026-03-29T00", Observed::Exited { code: Some(1) });
    story.until("2026-03-29T01:10:00Z");
    story.see("report", "2026-03-29T00", Observed::Exited { code: Some(0) });
    expect![[r#"
        29 00:30:00 engine: log started
        29 00:30:00   and: configured
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report cursor 29T00:00 fires 29T01:00 (Edited)
        29 00:30:00 ann: sales#report enabled: true
        29 01:00:00 schedule: 2026-03-29T00 #0 triggerExecution natural
        29 01:00:00   and: sales#report cursor 29T01:00 fires 29T02:00 (Triggered)
        29 01:00:00   and: 2026-03-29T00 #1 dequeue
        29 01:00:00   and: 2026-03-29T00 #2 submit
        29 01:00:00 saw Launched: 2026-03-29T00 #3 submitted
        29 01:00:00 saw Started: 2026-03-29T00 #4 started
        29 01:00:00 saw Exited { code: Some(1) }: 2026-03-29T00 #5 terminate Some(1)
        29 01:00:00   and: 2026-03-29T00 #6 retryAfter 182069 ms
        29 01:03:02 timer: 2026-03-29T00 #7 dequeue
        29 01:03:02   and: 2026-03-29T00 #8 submit
        29 01:10:00 saw Exited { code: Some(0) }: 2026-03-29T00 #9 submitted
        29 01:10:00   and: 2026-03-29T00 #10 started
        29 01:10:00   and: 2026-03-29T00 #11 terminate Some(0)
        29 01:10:00   and: 2026-03-29T00 #12 success
    "#]]
    .assert_eq(&story.told());
}

/// A workflow whose tries are repeated under a condition.
fn conditional(story: &mut Teller, condition: &str) {
    let mut configuration = WorkflowConfiguration::new("report", "hours");
    configuration.docker_image = Some("busybox".to_owned());
    configuration.retry_condition = Some(condition.to_owned());
    story.store_configuration(&configuration, Origin::Api);
}

#[test]
fn the_condition_that_submit_recorded_decides() {
    let mut story = Teller::begin("2026-03-29T01:30:00Z", Config::default());
    conditional(&mut story, "#exitCode == 1 && #tries < 2");
    story.ask(trigger("2026-03-29T00"));
    // Too late for the try that runs.
    conditional(&mut story, "false");
    story.forget();
    story.see("report", "2026-03-29T00", Observed::Exited { code: Some(1) });
    // A lost node doesn't ask; what the workflow says now counts for this try.
    story.wait_for_next_due();
    story.see("report", "2026-03-29T00", Observed::Lost { reason: "the node is gone".into() });
    story.wait_for_next_due();
    story.see("report", "2026-03-29T00", Observed::Exited { code: Some(1) });
    expect![[r#"
        29 01:30:00 saw Exited { code: Some(1) }: 2026-03-29T00 #3 submitted
        29 01:30:00   and: 2026-03-29T00 #4 started
        29 01:30:00   and: 2026-03-29T00 #5 terminate Some(1)
        29 01:30:00   and: 2026-03-29T00 #6 retryAfter 182069 ms
        29 01:33:02 timer: 2026-03-29T00 #7 dequeue
        29 01:33:02   and: 2026-03-29T00 #8 submit
        29 01:33:02 saw Lost { reason: "the node is gone" }: 2026-03-29T00 #9 runError the node is gone
        29 01:33:02   and: execution ended Lost
        29 01:33:02   and: 2026-03-29T00 #10 retryAfter 47529 ms
        29 01:33:49 timer: 2026-03-29T00 #11 dequeue
        29 01:33:49   and: 2026-03-29T00 #12 submit
        29 01:33:49 saw Exited { code: Some(1) }: 2026-03-29T00 #13 submitted
        29 01:33:49   and: 2026-03-29T00 #14 started
        29 01:33:49   and: 2026-03-29T00 #15 terminate Some(1)
        29 01:33:49   and: 2026-03-29T00 #16 stop retry condition not met: `false` with exitCode 1, tries 2, consecutiveFailures 2, triggerType adhoc
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn a_condition_that_has_no_value_is_not_met_and_says_why() {
    let mut story = Teller::begin("2026-03-29T01:30:00Z", Config::default());
    conditional(&mut story, "#triggerType == 'adhoc' && 10 / (#tries - 1) > 1");
    story.ask(trigger("2026-03-29T00"));
    story.forget();
    story.see("report", "2026-03-29T00", Observed::NotLaunchable { reason: "no such image".into() });
    conditional(&mut story, "#tries < 3");
    story.ask(trigger("2026-03-29T00"));
    story.see("report", "2026-03-29T00", Observed::Exited { code: Some(50) });
    story.ask(trigger("2026-03-29T00"));
    story.see("report", "2026-03-29T00", Observed::Exited { code: Some(0) });
    story.ask(trigger("2026-03-29T01"));
    story.see("report", "2026-03-29T01", Observed::Exited { code: Some(20) });
    conditional(&mut story, "#tries / 0 == 1");
    story.wait_for_next_due();
    story.see("report", "2026-03-29T01", Observed::Exited { code: Some(20) });
    expect![[r#"
        29 01:30:00 saw NotLaunchable { reason: "no such image" }: 2026-03-29T00 #3 runError no such image
        29 01:30:00   and: execution ended NeverStarted
        29 01:30:00   and: 2026-03-29T00 #4 stop retry condition not met: `#triggerType == 'adhoc' && 10 / (#tries - 1) > 1` with exitCode null, tries 0, consecutiveFailures 1, triggerType adhoc
        29 01:30:00 ann: sales#report stored
        29 01:30:00 ann: 2026-03-29T00 #5 triggerExecution adhoc
        29 01:30:00   and: 2026-03-29T00 #6 dequeue
        29 01:30:00   and: 2026-03-29T00 #7 submit
        29 01:30:00 saw Exited { code: Some(50) }: 2026-03-29T00 #8 submitted
        29 01:30:00   and: 2026-03-29T00 #9 started
        29 01:30:00   and: 2026-03-29T00 #10 terminate Some(50)
        29 01:30:00   and: 2026-03-29T00 #11 stop exit code 50: unrecoverable
        29 01:30:00 ann: 2026-03-29T00 #12 triggerExecution adhoc
        29 01:30:00   and: 2026-03-29T00 #13 dequeue
        29 01:30:00   and: 2026-03-29T00 #14 submit
        29 01:30:00 saw Exited { code: Some(0) }: 2026-03-29T00 #15 submitted
        29 01:30:00   and: 2026-03-29T00 #16 started
        29 01:30:00   and: 2026-03-29T00 #17 terminate Some(0)
        29 01:30:00   and: 2026-03-29T00 #18 success
        29 01:30:00 ann: 2026-03-29T01 #0 triggerExecution adhoc
        29 01:30:00   and: 2026-03-29T01 #1 dequeue
        29 01:30:00   and: 2026-03-29T01 #2 submit
        29 01:30:00 saw Exited { code: Some(20) }: 2026-03-29T01 #3 submitted
        29 01:30:00   and: 2026-03-29T01 #4 started
        29 01:30:00   and: 2026-03-29T01 #5 terminate Some(20)
        29 01:30:00   and: 2026-03-29T01 #6 retryAfter 600000 ms
        29 01:30:00 ann: sales#report stored
        29 01:40:00 timer: 2026-03-29T01 #7 dequeue
        29 01:40:00   and: 2026-03-29T01 #8 submit
        29 01:40:00 saw Exited { code: Some(20) }: 2026-03-29T01 #9 submitted
        29 01:40:00   and: 2026-03-29T01 #10 started
        29 01:40:00   and: 2026-03-29T01 #11 terminate Some(20)
        29 01:40:00   and: 2026-03-29T01 #12 stop retry condition not met, column 8: a whole number is divided by zero: `#tries / 0 == 1` with exitCode 20, tries 2, consecutiveFailures 0, triggerType adhoc
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn what_no_executor_can_run_is_refused_or_skipped_and_explained() {
    let mut config = Config::default();
    config.executor.runner = "local".into();
    config.executor.mounts_secrets = false;
    let mut story = Teller::begin("2026-03-29T00:30:00Z", config);
    let mut configuration = WorkflowConfiguration::new("report", "hours");
    let (resource_type, project) = ("LAUNCH_PLAN".to_owned(), "ml".to_owned());
    let (domain, name, version) = ("production".to_owned(), "score".to_owned(), "1".to_owned());
    let reference_id = FlyteIdentifier { resource_type, project, domain, name, version };
    configuration.flyte_exec_conf = Some(FlyteExecConf { reference_id, input_fields: Default::default() });
    story.store_configuration(&configuration, Origin::Api);
    story.forget();
    story.ask(trigger("2026-03-28T00"));
    story.enable("report", true);
    story.load_configuration("sales.yaml", &configuration);
    story.until("2026-03-29T01:00:00Z");
    assert_eq!(
        said(explain_workflow(story.world(), &id("report")))[0],
        "its instants are skipped: Flyte workflows can't be run yet"
    );
    configuration.flyte_exec_conf = None;
    configuration.docker_image = Some("busybox".to_owned());
    configuration.secret = Some(Secret { name: "key".into(), mount_path: "/etc/key".into() });
    story.load_configuration("sales.yaml", &configuration);
    story.ask(trigger("2026-03-28T00"));
    story.until("2026-03-29T02:00:00Z");
    assert_eq!(
        said(explain_workflow(story.world(), &id("report")))[0],
        "its runs are halted: the local executor can't mount a secret"
    );
    configuration.secret = None;
    configuration.pod = Some(PodTemplate::from_json(r#"{"spec":{}}"#).unwrap());
    story.load_configuration("sales.yaml", &configuration);
    story.ask(trigger("2026-03-28T00"));
    expect![[r#"
        29 00:30:00 refused: Flyte workflows can't be run yet
        29 00:30:00 refused: Flyte workflows can't be run yet
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report enabled: true
        29 01:00:00 schedule: sales#report cursor 29T01:00 fires 29T02:00 (NoExecution)
        29 01:00:00 ann: sales#report stored
        29 01:00:00 refused: the local executor can't mount a secret
        29 02:00:00 schedule: 2026-03-29T01 #0 triggerExecution natural
        29 02:00:00   and: sales#report cursor 29T02:00 fires 29T03:00 (Triggered)
        29 02:00:00   and: 2026-03-29T01 #1 halt the local executor can't mount a secret
        29 02:00:00 ann: sales#report stored
        29 02:00:00 refused: the local executor can't use a pod template
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn nothing_fires_before_its_time_and_nothing_late_is_lost() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config { catch_up: 2, ..Config::default() });
    story.store("report", "hours", None);
    story.enable("report", true);
    story.at("2026-03-29T00:59:59.999Z");
    assert_eq!(story.next_due().as_deref(), Some("2026-03-29T01:00:00Z"));
    // Four hours later: three instants were overtaken by the next one, and two of them run at a time.
    story.at("2026-03-29T04:15:00Z");
    expect![[r#"
        29 00:30:00 engine: log started
        29 00:30:00   and: configured
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report cursor 29T00:00 fires 29T01:00 (Edited)
        29 00:30:00 ann: sales#report enabled: true
        29 04:15:00 schedule: 2026-03-29T00 #0 triggerExecution natural, missed
        29 04:15:00   and: sales#report cursor 29T01:00 fires 29T02:00 (Triggered)
        29 04:15:00   and: 2026-03-29T00 #1 dequeue
        29 04:15:00   and: 2026-03-29T00 #2 submit
        29 04:15:00 schedule: 2026-03-29T01 #0 triggerExecution natural, missed
        29 04:15:00   and: sales#report cursor 29T02:00 fires 29T03:00 (Triggered)
        29 04:15:00   and: 2026-03-29T01 #1 dequeue
        29 04:15:00   and: 2026-03-29T01 #2 submit
    "#]]
    .assert_eq(&story.told());
    let reasons = said(explain_workflow(story.world(), &id("report")));
    expect!["2 runs that make up for missed instants are active, as many as may be; the next natural trigger fires at 2026-03-29T03:00:00Z"].assert_eq(&reasons.join("; "));
    story.see("report", "2026-03-29T00", Observed::Exited { code: Some(0) });
    story.see("report", "2026-03-29T01", Observed::Exited { code: Some(0) });
    story.at("2026-03-29T04:15:00Z");
    assert_eq!(story.world().runs().len(), 2, "the third missed one and the one that is just due");
}

#[test]
fn what_was_missed_while_disabled_is_not_made_up_for() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config::default());
    story.store("report", "hours", None);
    story.until("2026-03-29T05:10:00Z");
    story.enable("report", true);
    story.at("2026-03-29T05:10:00Z");
    expect![[r#"
        29 00:30:00 engine: log started
        29 00:30:00   and: configured
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report cursor 29T00:00 fires 29T01:00 (Edited)
        29 05:10:00 ann: sales#report cursor 29T05:00 fires 29T06:00 (Enabled)
        29 05:10:00   and: sales#report enabled: true
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn a_partition_that_completed_by_schedule_is_not_run_by_schedule_again() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config::default());
    story.store("report", "hours", Some("PT0S"));
    story.enable("report", true);
    story.until("2026-03-29T01:00:00Z");
    story.see("report", "2026-03-29T01", Observed::Exited { code: Some(0) });
    // A later offset brings the same instant back (TR-9).
    story.store("report", "hours", Some("PT2H"));
    story.forget();
    story.until("2026-03-29T03:00:00Z");
    expect![[r#"
        29 02:00:00 schedule: 2026-03-29T00 #0 triggerExecution natural
        29 02:00:00   and: sales#report cursor 29T01:00 fires 29T03:00 (Triggered)
        29 02:00:00   and: 2026-03-29T00 #1 dequeue
        29 02:00:00   and: 2026-03-29T00 #2 submit
        29 03:00:00 schedule: sales#report cursor 29T02:00 fires 29T04:00 (AlreadyCompleted)
    "#]]
    .assert_eq(&story.told());
    // By hand it may run again; its counter goes on.
    story.forget();
    story.ask(trigger("2026-03-29T01"));
    expect![[r#"
        29 03:00:00 ann: 2026-03-29T01 #7 triggerExecution adhoc
        29 03:00:00   and: 2026-03-29T01 #8 dequeue
        29 03:00:00   and: 2026-03-29T01 #9 submit
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn a_halted_run_leaves_an_execution_that_must_end_before_the_next_one_begins() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config { max_executions: Some(1), ..Config::default() });
    story.store("report", "hours", None);
    story.ask(trigger("2026-03-29T00"));
    story.see("report", "2026-03-29T00", Observed::Started);
    story.forget();
    story.ask(Request::Halt { instance: instance("report", "2026-03-29T00") });
    story.ask(trigger("2026-03-29T00"));
    let reasons = said(explain(story.world(), &instance("report", "2026-03-29T00"), story.now()));
    expect![[r#"
        waits until the earlier execution styx-run-01037d35-d59f-4792-a186-fccfefa3974e has ended
        waits for one of 1 executions to end, 0 runs that need the same come first"#]]
    .assert_eq(&reasons.join("\n"));
    // The exit code is evidence, not a success: its run is over.
    story.see_halted(Observed::Exited { code: Some(0) });
    story.at("2026-03-29T00:31:00Z");
    expect![[r#"
        29 00:30:00 ann: 2026-03-29T00 #5 halt halted by ann
        29 00:30:00 ann: 2026-03-29T00 #6 triggerExecution adhoc
        29 00:30:00 saw Exited { code: Some(0) }: execution ended Exit { code: Some(0) }
        29 00:31:00 timer: 2026-03-29T00 #7 dequeue GLOBAL_STYX_CLUSTER
        29 00:31:00   and: 2026-03-29T00 #8 submit
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn a_run_that_takes_too_long_fails_and_waits_for_the_end() {
    let mut config = Config::default();
    config.timeouts.by_state.insert(styx_core::run::State::Running, chrono::TimeDelta::minutes(5));
    let mut story = Teller::begin("2026-03-29T00:30:00Z", config);
    story.store("report", "hours", None);
    story.ask(trigger("2026-03-29T00"));
    story.see("report", "2026-03-29T00", Observed::Started);
    story.forget();
    story.until("2026-03-29T01:00:00Z");
    story.see_halted(Observed::Exited { code: Some(143) });
    story.until("2026-03-29T01:00:01Z");
    expect![[r#"
        29 00:35:00 timer: 2026-03-29T00 #5 timeout in RUNNING since 2026-03-29T00:30:00Z
        29 00:35:00   and: 2026-03-29T00 #6 retryAfter 182069 ms
        29 01:00:00 saw Exited { code: Some(143) }: execution ended Exit { code: Some(143) }
        29 01:00:00 timer: 2026-03-29T00 #7 dequeue
        29 01:00:00   and: 2026-03-29T00 #8 submit
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn the_one_that_waits_longest_goes_first_and_is_told_why_it_waits() {
    let mut story = Teller::begin("2026-03-29T05:30:00Z", Config { max_executions: Some(1), ..Config::default() });
    story.store("report", "hours", None);
    for parameter in ["2026-03-29T03", "2026-03-29T01", "2026-03-29T02"] {
        story.ask(trigger(parameter));
        story.pass_seconds(1);
    }
    let told: Vec<_> = ["03", "01", "02"]
        .map(|hour| explain(story.world(), &instance("report", &format!("2026-03-29T{hour}")), story.now()))
        .into_iter()
        .map(|reasons| said(reasons).join("; "))
        .collect();
    expect![[r#"
        waits for the executor to take it
        waits for one of 1 executions to end, 0 runs that need the same come first
        waits for one of 1 executions to end, 1 runs that need the same come first"#]]
    .assert_eq(&told.join("\n"));
    story.forget();
    story.see("report", "2026-03-29T03", Observed::Exited { code: Some(20) });
    story.settle();
    expect![[r#"
        29 05:30:03 saw Exited { code: Some(20) }: 2026-03-29T03 #3 submitted
        29 05:30:03   and: 2026-03-29T03 #4 started
        29 05:30:03   and: 2026-03-29T03 #5 terminate Some(20)
        29 05:30:03   and: 2026-03-29T03 #6 retryAfter 600000 ms
        29 05:30:03 timer: 2026-03-29T01 #1 dequeue GLOBAL_STYX_CLUSTER
        29 05:30:03   and: 2026-03-29T01 #2 submit
    "#]]
    .assert_eq(&story.told());
    let delayed = said(explain(story.world(), &instance("report", "2026-03-29T03"), story.now()));
    expect!["waits for its delay until 2026-03-29T05:40:03Z; waits for one of 1 executions to end, 1 runs that need the same come first"]
        .assert_eq(&delayed.join("; "));
}

#[test]
fn an_outage_of_the_executor_costs_nothing() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config::default());
    story.store("report", "hours", None);
    story.ask(trigger("2026-03-29T00"));
    for _ in 0..100 {
        story.see("report", "2026-03-29T00", Observed::Lost { reason: "node gone".into() });
        story.wait_for_next_due();
    }
    let run = &story.world().runs()[&instance("report", "2026-03-29T00")];
    assert_eq!((run.cost_tenths, run.consecutive_failures, run.infrastructure_failures), (0, 0, 100));
}

#[test]
fn requests_that_can_t_be_done_say_why_and_change_nothing() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config::default());
    story.ask(trigger("2026-03-29T00"));
    story.ask(Request::Halt { instance: instance("report", "2026-03-29T00") });
    story.store("report", "0 0 30 2 *", None);
    story.store("report", "hours", None);
    story.ask(trigger("2026-03-29T24"));
    story.ask(trigger("2026-03-29T01"));
    story.ask(trigger("2026-03-29T00"));
    story.ask(trigger("2026-03-29T00:17"));
    story.ask(Request::Retry { instance: instance("report", "2026-03-29T00"), delay_millis: 0 });
    story.ask(Request::Halt { instance: instance("report", "2026-03-28T00") });
    expect![[r#"
        29 00:30:00 engine: log started
        29 00:30:00   and: configured
        29 00:30:00 refused: The specified workflow is not found in the scheduler
        29 00:30:00 refused: workflow not found
        29 00:30:00 refused: invalid schedule: no matching instant
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report cursor 29T00:00 fires 29T01:00 (Edited)
        29 00:30:00 refused: Cannot parse time parameter 2026-03-29T24 - hour: `24` at column 12 is refused, expected 00-23; the nearest is 2026-03-30T00
        29 00:30:00 refused: Cannot trigger an instance of the future
        29 00:30:00 ann: 2026-03-29T00 #0 triggerExecution adhoc
        29 00:30:00   and: 2026-03-29T00 #1 dequeue
        29 00:30:00   and: 2026-03-29T00 #2 submit
        29 00:30:00 refused: This workflow instance is already triggered. Did you want to `retry` running it instead?
        29 00:30:00 refused: sales#report#2026-03-29T00 received retryAfter while in SUBMITTING
        29 00:30:00 nothing to do
    "#]].assert_eq(&story.told());
}

#[test]
fn the_folder_s_switch_counts_at_first_sight_and_when_its_line_changes() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config::default());
    let mut load = |schedule, enabled| story.load("sales.yaml", &[("report", schedule, enabled)]);
    load("hours", true);
    load("hours", true);
    load("days", false);
    load("days", true);
    story.enable("report", false);
    story.load("sales.yaml", &[("report", "hours", true)]);
    story.load("sales.yaml", &[("report", "hours", false)]);
    story.load("sales.yaml", &[("report", "hours", true)]);
    expect![[r#"
        29 00:30:00 engine: log started
        29 00:30:00   and: configured
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report cursor 29T00:00 fires 29T01:00 (Edited)
        29 00:30:00   and: sales#report enabled: true
        29 00:30:00 nothing to do
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report cursor 29T00:00 fires 30T00:00 (Edited)
        29 00:30:00   and: sales#report enabled: false
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report enabled: true
        29 00:30:00 ann: sales#report enabled: false
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report cursor 29T00:00 fires 29T01:00 (Edited)
        29 00:30:00 ann: sales#report stored
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report enabled: true
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn what_a_file_defines_no_more_is_disabled_until_it_comes_back() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config::default());
    story.load("sales.yaml", &[("report", "hours", true), ("mail", "hours", false)]);
    story.ask(Request::DeleteWorkflow { id: id("report") });
    story.store("report", "days", None);
    story.load("sales.yaml", &[]);
    story.store("mail", "days", None);
    story.ask(Request::DeleteWorkflow { id: id("mail") });
    story.at("2026-03-29T06:30:00Z");
    story.load("sales.yaml", &[("report", "hours", true)]);
    story.load("sales.yaml", &[("report", "hours", true), ("mail", "0 0 31 2 *", true)]);
    expect![[r#"
        29 00:30:00 engine: log started
        29 00:30:00   and: configured
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report cursor 29T00:00 fires 29T01:00 (Edited)
        29 00:30:00   and: sales#report enabled: true
        29 00:30:00   and: sales#mail stored
        29 00:30:00   and: sales#mail cursor 29T00:00 fires 29T01:00 (Edited)
        29 00:30:00 refused: the workflow is defined by the file sales.yaml of the workflow folder: change it there
        29 00:30:00 refused: the workflow is defined by the file sales.yaml of the workflow folder: change it there
        29 00:30:00 ann: sales#mail isn't in sales.yaml any more
        29 00:30:00   and: sales#report isn't in sales.yaml any more
        29 00:30:00   and: sales#report enabled: false
        29 00:30:00 ann: sales#mail stored
        29 00:30:00   and: sales#mail cursor 29T00:00 fires 30T00:00 (Edited)
        29 00:30:00 ann: sales#mail deleted
        29 06:30:00 ann: sales#report stored
        29 06:30:00   and: sales#report cursor 29T06:00 fires 29T07:00 (Enabled)
        29 06:30:00   and: sales#report enabled: true
        29 06:30:00 refused: workflow sales#mail: invalid schedule: no matching instant
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn a_workflow_moves_from_one_file_to_another_without_being_disabled() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config::default());
    story.load("eu/sales.yaml", &[("report", "hours", true), ("mail", "hours", true)]);
    story.load_beside("eu/sales.yaml", &[("mail", "hours", true)], &["report"]);
    story.load_beside("us/sales.yaml", &[("report", "hours", true)], &["mail"]);
    story.load("eu/sales.yaml", &[]);
    expect![[r#"
        29 00:30:00 engine: log started
        29 00:30:00   and: configured
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report cursor 29T00:00 fires 29T01:00 (Edited)
        29 00:30:00   and: sales#report enabled: true
        29 00:30:00   and: sales#mail stored
        29 00:30:00   and: sales#mail cursor 29T00:00 fires 29T01:00 (Edited)
        29 00:30:00   and: sales#mail enabled: true
        29 00:30:00 nothing to do
        29 00:30:00 ann: sales#report stored
        29 00:30:00 ann: sales#mail isn't in eu/sales.yaml any more
        29 00:30:00   and: sales#mail enabled: false
    "#]]
    .assert_eq(&story.told());
}

#[test]
fn the_local_executor_runs_only_what_is_in_the_folder_now() {
    let mut config = Config::default();
    config.executor.runs_api_workflows = false;
    let mut story = Teller::begin("2026-03-29T00:30:00Z", config);
    story.load("sales.yaml", &[("report", "hours", true)]);
    story.load("sales.yaml", &[]);
    story.enable("report", true);
    let parameters = TriggerParameters::default();
    let trigger =
        Request::Trigger { workflow: id("report"), parameter: "2026-03-29T00".into(), parameters, allow_future: false };
    story.ask(trigger);
    expect![[r#"
        29 00:30:00 engine: log started
        29 00:30:00   and: configured
        29 00:30:00 ann: sales#report stored
        29 00:30:00   and: sales#report cursor 29T00:00 fires 29T01:00 (Edited)
        29 00:30:00   and: sales#report enabled: true
        29 00:30:00 ann: sales#report isn't in sales.yaml any more
        29 00:30:00   and: sales#report enabled: false
        29 00:30:00 refused: the file sales.yaml that defined the workflow was removed, and the default executor runs only workflows of the workflow folder: put the file back, or start the server with --run-api-workflows
        29 00:30:00 refused: the file sales.yaml that defined the workflow was removed, and the default executor runs only workflows of the workflow folder: put the file back, or start the server with --run-api-workflows
    "#]].assert_eq(&story.told());
}
