//! The log as a debugger: the world as it was, the life of an instance, and what differs.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod closed;
mod log_command;
mod log_tools_story;

use std::{fs, io, path::Path};

use clap::Parser;
use closed::Closed;
use expect_test::{Expect, expect};
use log_command::{Cli, run};
use log_tools_story::{FIRST, SECOND, SECRET};
use serde_json::Value;
use styx_server::log_tools;

fn story() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    log_tools_story::write(dir.path());
    dir
}

/// What a command prints when all is well.
fn check(dir: &Path, args: &[&str], expected: Expect) {
    let (code, out, notes) = run(dir, args);
    assert_eq!((code, notes.as_str()), (0, ""), "{args:?}");
    expected.assert_eq(&out);
}

/// What a command prints as JSON.
fn json(dir: &Path, args: &[&str]) -> Vec<Value> {
    let (code, out, _) = run(dir, &[args, &["--format", "json"]].concat());
    assert_eq!(code, 0, "{args:?}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The positions that are shown with these arguments.
fn shown(dir: &Path, args: &[&str]) -> Vec<u64> {
    json(dir, &[&["show"], args].concat()).iter().map(|record| record["position"].as_u64().unwrap()).collect()
}

#[test]
fn records_are_chosen_by_what_caused_them_and_what_they_say() {
    let dir = story();
    let shown = |args: &[&str]| shown(dir.path(), args);
    // A record belongs to the cause of its decision, whether it says so itself or not.
    assert_eq!(shown(&["--cause", "schedule"]), [6, 7, 8, 9]);
    assert_eq!(shown(&["--cause", "timer,operator"]), [15, 16, 22, 23]);
    assert_eq!(shown(&["--cause", "timer", "--cause", "operator", "--from", "16", "--to", "22"]), [16, 22]);
    assert_eq!(shown(&["--actor", "ann"]), [22, 23]);
    assert_eq!(shown(&["--event", "terminate,halt"]), [12, 19, 23]);
    assert_eq!(shown(&["--event", "TERMINATE", "--execution", SECOND]), [19]);
    let instance = "examples#best-product#2026-03-29T06";
    assert_eq!(shown(&["--instance", instance, "--cause", "executor", "--to", "13"]), [10, 11, 12, 13]);
    assert_eq!(
        shown(&["--instance", instance, "--execution", FIRST, "--workflow", "examples#best-product"]),
        [9, 10, 11, 12, 13, 14]
    );
    assert_eq!(shown(&["--tail", "2"]), [22, 23]);
    assert_eq!(shown(&["--tail", "2", "--to", "9"]), [8, 9]);
    assert_eq!(shown(&["--tail", "3", "--limit", "1"]), [21]);
    assert_eq!(shown(&["--tail", "2", "--until", "2026-03-29T07:00"]), [4, 5]);
    assert_eq!(shown(&["--tail", "2", "--instance", instance, "--event", "started,dequeue"]), [15, 18]);
    assert_eq!(shown(&["--since", "-1000w", "--to", "1"]), [1]);

    let nothing = (0, String::new(), "no such records\n".to_owned());
    for args in [
        &["--actor", "bob"][..],
        &["--instance", instance, "--workflow", "examples#other"],
        &["--instance", "examples#best-product#2026-03-29T05", "--execution", FIRST],
        &["--from", "24"],
        &["--to", "0"],
        &["--since", "-1s"],
    ] {
        assert_eq!(run(dir.path(), &[&["show"], args].concat()), nothing, "{args:?}");
    }
}

#[test]
fn the_world_as_it_was() {
    let dir = story();
    check(
        dir.path(),
        &["at", "14"],
        expect![[r#"
            at (UTC)     2026-03-29 07:00:00.155
            last record  14 of 2026-03-29 07:00:00.155
            log id       00000000-0000-0000-0000-000000000010
            scheduling   on
            workflows    1, 1 enabled
            active runs  1: 1 QUEUED
            executions   0 living, 0 to be cleaned up
            resources    0
            backfills    0, 0 open
            due next     2026-03-29 07:00:10.152 the next try of examples#best-product#2026-03-29T06
        "#]],
    );
    check(
        dir.path(),
        &["at", "2026-03-29T07:00:05"],
        expect![[r#"
            at (UTC)     2026-03-29 07:00:05.000
            last record  14 of 2026-03-29 07:00:00.155
            log id       00000000-0000-0000-0000-000000000010
            scheduling   on
            workflows    1, 1 enabled
            active runs  1: 1 QUEUED
            executions   0 living, 0 to be cleaned up
            resources    0
            backfills    0, 0 open
            due next     2026-03-29 07:00:10.152 the next try of examples#best-product#2026-03-29T06
        "#]],
    );
    check(
        dir.path(),
        &["at", "end"],
        expect![[r#"
            at (UTC)     2026-03-29 07:01:30.000
            last record  23 of 2026-03-29 07:01:30.000
            log id       00000000-0000-0000-0000-000000000010
            scheduling   on
            workflows    1, 1 enabled
            active runs  0
            executions   0 living, 0 to be cleaned up
            resources    0
            backfills    0, 0 open
            due next     2026-03-29 08:00:00.000 the natural trigger of examples#best-product
        "#]],
    );
    let summary = json(dir.path(), &["at", "14"]).remove(0);
    expect![[r#"{"position":14,"at":"2026-03-29T07:00:00.155Z","last_record_at":"2026-03-29T07:00:00.155Z","log_id":"00000000-0000-0000-0000-000000000010","scheduling":true,"workflows":1,"enabled_workflows":1,"active_runs":1,"active_runs_by_state":{"QUEUED":1},"living_executions":0,"ended_executions":0,"resources":0,"backfills":0,"open_backfills":0,"next_due_at":"2026-03-29T07:00:10.152Z","next_due":"the next try of examples#best-product#2026-03-29T06"}"#]].assert_eq(&summary.to_string());
}

#[test]
fn a_run_as_it_was() {
    let dir = story();
    let late = "examples#best-product#2026-03-29T06";
    check(
        dir.path(),
        &["at", "14", "--instance", late],
        expect![[r#"
            instance                 examples#best-product#2026-03-29T06
            state                    QUEUED
            since                    2026-03-29T07:00:00.152Z
            began_at                 2026-03-29T07:00:00.000Z
            trigger                  {"kind":"natural","id":"natural-trigger"}
            parameters               {"env":{}}
            missed                   false
            imported                 false
            tries                    1
            consecutive_failures     0
            infrastructure_failures  0
            infrastructure_since     -
            retry_cost               0.1
            last_exit                20
            retry_delay_millis       10000
            eligible_at              2026-03-29T07:00:10.152Z
            execution                -
            runner                   local
            description              -
            running_timeout          -
            retry_condition          -
            resources                -
            message                  Exit code: 20
            counter                  6
            last_event_at            2026-03-29T07:00:00.152Z
            waits_for                waits for its delay until 2026-03-29T07:00:10Z
        "#]],
    );
    // It runs: what it waits for is its end.
    let run = json(dir.path(), &["at", "11", "--instance", late]).remove(0);
    assert_eq!((&run["state"], &run["execution"]), (&"RUNNING".into(), &FIRST.into()));
    assert_eq!(run["waits_for"], serde_json::json!(["waits for its execution to end, until 2026-03-30T07:00:00Z"]));
    // It has ended: how, says its history.
    let run = json(dir.path(), &["at", "21", "--instance", late]).remove(0);
    assert_eq!((&run["state"], &run["tries"], &run["waits_for"]), (&"DONE".into(), &2.into(), &serde_json::json!([])));
    check(
        dir.path(),
        &["at", "11", "--runs"],
        expect![[r#"
        INSTANCE                             STATE    SINCE (UTC)              TRIES  COST  EXECUTION                                      MESSAGE
        examples#best-product#2026-03-29T06  RUNNING  2026-03-29 07:00:00.012  1      0.0   styx-run-00000000-0000-4000-8000-000000000001
    "#]],
    );
    check(
        dir.path(),
        &["at", "14", "--runs", "--explain", "--component", "examples"],
        expect![[r#"
        INSTANCE                             STATE   SINCE (UTC)              TRIES  COST  EXECUTION  WAITS FOR
        examples#best-product#2026-03-29T06  QUEUED  2026-03-29 07:00:00.152  1      0.1   -          waits for its delay until 2026-03-29T07:00:10Z
    "#]],
    );
    assert_eq!(json(dir.path(), &["at", "14", "--runs", "--workflow", "examples#other"]), Vec::<Value>::new());
}

#[test]
fn workflows_executions_and_the_configuration_as_they_were() {
    let dir = story();
    check(
        dir.path(),
        &["at", "14", "--workflow", "examples#best-product"],
        expect![[r#"
            workflow                     examples#best-product
            enabled                      true
            next_natural_trigger         2026-03-29T07:00:00Z
            next_natural_offset_trigger  2026-03-29T08:00:00Z
            schedule                     hours
            offset                       -
            running_timeout              -
            runs                         image
            resources                    []
            retry_condition              -
            mounts_secret                false
            origin                       file examples.yaml
            stored_at                    3
            deployed_at                  2026-03-29T06:59:59.000Z
            configuration_digest         163d048a-cae6-5dae-8011-f4f480fff2ad
            active_runs                  1
            waits_for                    the next natural trigger fires at 2026-03-29T08:00:00Z
            configuration.id             best-product
            configuration.schedule       hours
            configuration.env            {"TOKEN":"***"}
        "#]],
    );
    check(
        dir.path(),
        &["at", "14", "--workflows"],
        expect![[r#"
        WORKFLOW               ENABLED  SCHEDULE  NEXT                  FIRES                 ORIGIN
        examples#best-product  yes      hours     2026-03-29T07:00:00Z  2026-03-29T08:00:00Z  file examples.yaml
    "#]],
    );
    check(
        dir.path(),
        &["at", "11", "--executions"],
        expect![[r#"
        EXECUTION                                      PHASE    SINCE (UTC)              RUNNER  INSTANCE
        styx-run-00000000-0000-4000-8000-000000000001  running  2026-03-29 07:00:00.012  local   examples#best-product#2026-03-29T06
    "#]],
    );
    check(
        dir.path(),
        &["at", "11", "--execution", FIRST],
        expect![[r#"
        execution            styx-run-00000000-0000-4000-8000-000000000001
        instance             examples#best-product#2026-03-29T06
        phase                running
        since                2026-03-29T07:00:00.012Z
        ending               -
        exit_code            -
        retry_at             -
        refusal              -
        runner               local
        resources            []
        submitted_by         9
        log_id               00000000-0000-0000-0000-000000000010
        followed_by_its_run  true
        owed                 adopt
    "#]],
    );
    check(
        dir.path(),
        &["at", "2", "--config"],
        expect![[r#"
            scheduling                           true
            max_executions                       8
            dequeue_rate                         1000.0
            catch_up                             10
            max_cost                             50.0
            missing_dependencies_delay           PT10M
            backoff.base                         PT3M
            backoff.max_exponent                 4
            infrastructure_backoff.base          PT30S
            infrastructure_backoff.max_exponent  5
            infrastructure_limit.failures        200
            infrastructure_limit.span            PT48H
            timeouts.default                     PT48H
            timeouts.max_running                 PT48H
            timeouts.new                         PT30M
            timeouts.submitted                   PT10M
            timeouts.running                     PT24H
            timeouts.terminated                  PT30M
            timeouts.failed                      PT30M
            runner                               local
            runs_api_workflows                   true
            mounts_secrets                       true
            operated.max_executions              -
            operated.dequeue_rate                -
            operated.blocked_clients             []
            operated.debug                       false
        "#]],
    );
    check(
        dir.path(),
        &["at", "14", "--explain"],
        expect![[r#"
        INSTANCE                             STATE   SINCE (UTC)              TRIES  COST  EXECUTION  WAITS FOR
        examples#best-product#2026-03-29T06  QUEUED  2026-03-29 07:00:00.152  1      0.1   -          waits for its delay until 2026-03-29T07:00:10Z

        WORKFLOW               ENABLED  SCHEDULE  NEXT                  FIRES                 WAITS FOR
        examples#best-product  yes      hours     2026-03-29T07:00:00Z  2026-03-29T08:00:00Z  the next natural trigger fires at 2026-03-29T08:00:00Z
    "#]],
    );
    let (code, out, notes) = run(dir.path(), &["at", "11", "--resources"]);
    assert_eq!((code, out.as_str(), notes.as_str()), (0, "", "no resources\n"));
}

#[test]
fn a_moment_that_isnt_there_names_what_is() {
    let dir = story();
    let refused = |args: &[&str]| {
        let (code, out, notes) = run(dir.path(), args);
        assert_eq!((code, out.as_str(), notes.lines().count()), (2, "", 1), "{args:?}: {notes}");
        notes
    };
    let range = "the log has the records 1 to 23, from 2026-03-29T06:59:58Z to 2026-03-29T07:01:30Z\n";
    assert_eq!(refused(&["at", "24"]), format!("styx-server: there is no record 24: {range}"));
    assert_eq!(refused(&["at", "0"]), format!("styx-server: there is no record 0: {range}"));
    assert_eq!(refused(&["diff", "1", "99"]), format!("styx-server: there is no record 99: {range}"));
    let early = format!("styx-server: at 2026-03-29T00:00:00Z nothing was recorded yet: {range}");
    assert_eq!(refused(&["at", "2026-03-29"]), early);
    assert_eq!(refused(&["diff", "2026-03-29", "3"]), early);
}

#[test]
fn what_isnt_there_is_said_with_what_is_near() {
    let dir = story();
    let refused = |args: &[&str]| {
        let (code, out, notes) = run(dir.path(), args);
        assert_eq!((code, out.as_str(), notes.lines().count()), (2, "", 1), "{args:?}: {notes}");
        notes
    };
    assert_eq!(
        refused(&["step", "examples", "best-product", "2026-03-29T04"]),
        "styx-server: workflow examples#best-product has no instance 2026-03-29T04: did you mean 2026-03-29T05, \
         2026-03-29T06?\n"
    );
    assert_eq!(
        refused(&["step", "examples", "best-product", "x"]),
        "styx-server: workflow examples#best-product has no instance x: its 2 instances are 2026-03-29T05 to \
         2026-03-29T06\n"
    );
    let unknown = "styx-server: the log has nothing about workflow examples#best-prodcut: did you mean \
                   examples#best-product?\n";
    assert_eq!(refused(&["step", "examples", "best-prodcut", "2026-03-29T05"]), unknown);
    assert_eq!(refused(&["at", "5", "--workflow", "examples#best-prodcut"]), unknown);
    assert_eq!(
        refused(&["at", "2", "--workflow", "examples#best-product"]),
        "styx-server: workflow examples#best-product didn't exist after record 2\n"
    );
    assert_eq!(
        refused(&["at", "21", "--instance", "examples#best-product#2026-03-29T05"]),
        "styx-server: examples#best-product#2026-03-29T05 wasn't triggered yet\n"
    );
    assert!(refused(&["at", "21", "--execution", FIRST]).contains("was cleaned up"));
}

#[test]
fn a_moment_within_a_decision_is_pointed_out() {
    let dir = story();
    let (code, out, notes) = run(dir.path(), &["at", "6"]);
    assert_eq!(code, 0);
    assert!(out.contains("1 QUEUED"), "{out}");
    assert_eq!(notes, "note: record 6 is in the middle of a decision, which ends with record 9\n");
}

#[test]
fn a_life_record_by_record() {
    let dir = story();
    check(
        dir.path(),
        &["step", "examples", "best-product", "2026-03-29T05"],
        expect![[r#"
        record 22  2026-03-29 07:01:00.000  (1 of 2)
          event      triggerExecution  Trigger id: ad-hoc-cli-1774767660000-00042, Parameters: {"env":{"TOKEN":"***"}}
          cause      operator ann, request r-1
          asked      {"trigger_parameters":{"env":{"TOKEN":"***"}}}
          state      NEW -> QUEUED
            trigger     - -> {"kind":"adhoc","id":"ad-hoc-cli-1774767660000-00042"}
            parameters  - -> {"env":{"TOKEN":"***"}}

        record 23  2026-03-29 07:01:30.000  (2 of 2)
          event      halt  by ann
          cause      operator ann, request r-1
          asked      {"halt":"best-product"}
          state      QUEUED -> ERROR
    "#]],
    );
    check(
        dir.path(),
        &["step", "examples", "best-product", "2026-03-29T06", "--plain"],
        expect![[r#"
        record 6  2026-03-29 07:00:00.000  (1 of 15)
          event      triggerExecution  Trigger id: natural-trigger, Parameters: {"env":{}}
          cause      schedule: a natural trigger was due
          state      NEW -> QUEUED
            trigger     - -> {"kind":"natural","id":"natural-trigger"}
            parameters  - -> {"env":{}}

        record 8  2026-03-29 07:00:00.000  (2 of 15)
          event      dequeue
          cause      schedule: a natural trigger was due (decided with record 6)
          state      QUEUED -> PREPARE
            resources  - -> []

        record 9  2026-03-29 07:00:00.000  (3 of 15)
          event      submit  Execution description: record 3, id: styx-run-00000000-0000-4000-8000-000000000001, runner id: local
          cause      schedule: a natural trigger was due (decided with record 6)
          state      PREPARE -> SUBMITTING
            execution    - -> styx-run-00000000-0000-4000-8000-000000000001
            description  - -> {"record":3}
          execution  styx-run-00000000-0000-4000-8000-000000000001: nothing -> launching

        record 10  2026-03-29 07:00:00.012  (4 of 15)
          event      submitted  Execution id: styx-run-00000000-0000-4000-8000-000000000001, runner id: local
          cause      executor local saw: started
          evidence   {"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}
          state      SUBMITTING -> SUBMITTED
            tries   0 -> 1
            runner  - -> local
          execution  styx-run-00000000-0000-4000-8000-000000000001: launching -> launched

        record 11  2026-03-29 07:00:00.012  (5 of 15)
          event      started
          cause      executor local saw: started (decided with record 10)
          evidence   {"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}
          state      SUBMITTED -> RUNNING
          execution  styx-run-00000000-0000-4000-8000-000000000001: launched -> running

        record 12  2026-03-29 07:00:00.152  (6 of 15)
          event      terminate  Exit code: 20
          cause      executor local saw: exited
          evidence   {"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}
          state      RUNNING -> TERMINATED
            retry_cost  0.0 -> 0.1
            last_exit   - -> 20
            message     - -> Exit code: 20
          execution  styx-run-00000000-0000-4000-8000-000000000001: running -> ended
            ending     - -> exit
            exit_code  - -> 20

        record 13  2026-03-29 07:00:00.152  (7 of 15)
          event      retryAfter  Delay (seconds): 10
          cause      executor local saw: exited (decided with record 12)
          evidence   {"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}
          state      TERMINATED -> QUEUED
            retry_delay_millis  - -> 10000
            eligible_at         - -> 2026-03-29T07:00:10.152Z
            execution           styx-run-00000000-0000-4000-8000-000000000001 -> -
            description         {"record":3} -> -
            resources           [] -> -

        record 14  2026-03-29 07:00:00.155  (8 of 15)
          event      cleaned
          of         execution styx-run-00000000-0000-4000-8000-000000000001
          cause      executor local saw: cleaned
          evidence   {"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}
          state      QUEUED, as before
          execution  styx-run-00000000-0000-4000-8000-000000000001: ended -> gone

        record 15  2026-03-29 07:00:10.000  (9 of 15)
          event      dequeue
          cause      timer: its time had come
          state      QUEUED -> PREPARE
            retry_delay_millis  10000 -> -
            eligible_at         2026-03-29T07:00:10.152Z -> -
            resources           - -> []

        record 16  2026-03-29 07:00:10.000  (10 of 15)
          event      submit  Execution description: record 3, id: styx-run-00000000-0000-4000-8000-000000000002, runner id: local
          cause      timer: its time had come (decided with record 15)
          state      PREPARE -> SUBMITTING
            execution    - -> styx-run-00000000-0000-4000-8000-000000000002
            description  - -> {"record":3}
          execution  styx-run-00000000-0000-4000-8000-000000000002: nothing -> launching

        record 17  2026-03-29 07:00:10.012  (11 of 15)
          event      submitted  Execution id: styx-run-00000000-0000-4000-8000-000000000002, runner id: local
          cause      executor local saw: started
          evidence   {"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}
          state      SUBMITTING -> SUBMITTED
            tries  1 -> 2
          execution  styx-run-00000000-0000-4000-8000-000000000002: launching -> launched

        record 18  2026-03-29 07:00:10.012  (12 of 15)
          event      started
          cause      executor local saw: started (decided with record 17)
          evidence   {"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}
          state      SUBMITTED -> RUNNING
          execution  styx-run-00000000-0000-4000-8000-000000000002: launched -> running

        record 19  2026-03-29 07:00:10.152  (13 of 15)
          event      terminate  Exit code: 0
          cause      executor local saw: exited
          evidence   {"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}
          state      RUNNING -> TERMINATED
            last_exit     20 -> 0
            message.line  Exit code: 20 -> Exit code: 0
          execution  styx-run-00000000-0000-4000-8000-000000000002: running -> ended
            ending     - -> exit
            exit_code  - -> 0

        record 20  2026-03-29 07:00:10.152  (14 of 15)
          event      success
          cause      executor local saw: exited (decided with record 19)
          evidence   {"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}
          state      TERMINATED -> DONE

        record 21  2026-03-29 07:00:10.155  (15 of 15)
          event      cleaned
          of         execution styx-run-00000000-0000-4000-8000-000000000002
          cause      executor local saw: cleaned
          evidence   {"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}
          state      DONE, as before
          execution  styx-run-00000000-0000-4000-8000-000000000002: ended -> gone
    "#]],
    );
}

#[test]
fn a_life_as_json_goes_on_where_it_was() {
    let dir = story();
    let steps = json(dir.path(), &["step", "examples", "best-product", "2026-03-29T06"]);
    let positions: Vec<_> = steps.iter().map(|step| step["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, shown(dir.path(), &["--instance", "examples#best-product#2026-03-29T06"]));
    for pair in steps.windows(2) {
        assert_eq!(pair[0]["after"], pair[1]["before"]);
    }
    for step in &steps {
        let mut before = step["before"].clone();
        for change in step["changes"].as_array().unwrap() {
            put(&mut before, change["field"].as_str().unwrap(), change["after"].clone());
        }
        assert_eq!(before, step["after"]);
    }
    expect![[r#"{"position":11,"at":"2026-03-29T07:00:00.012Z","decision":10,"subject":{"kind":"run","id":"examples#best-product#2026-03-29T06","component":"examples","workflow":"best-product","parameter":"2026-03-29T06"},"event":{"name":"started","info":"","counter":4},"cause":{"kind":"executor","runner":"local","observed":"started","observed_at":null,"evidence":{"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}},"before":{"state":"SUBMITTED","since":"2026-03-29T07:00:00.012Z","began_at":"2026-03-29T07:00:00.000Z","trigger":{"kind":"natural","id":"natural-trigger"},"parameters":{"env":{}},"missed":false,"imported":false,"tries":1,"consecutive_failures":0,"infrastructure_failures":0,"infrastructure_since":null,"retry_cost":0.0,"last_exit":null,"retry_delay_millis":null,"eligible_at":null,"execution":"styx-run-00000000-0000-4000-8000-000000000001","runner":"local","description":{"record":3},"running_timeout":null,"retry_condition":null,"resources":[],"message":null,"counter":3,"last_event_at":"2026-03-29T07:00:00.012Z"},"after":{"state":"RUNNING","since":"2026-03-29T07:00:00.012Z","began_at":"2026-03-29T07:00:00.000Z","trigger":{"kind":"natural","id":"natural-trigger"},"parameters":{"env":{}},"missed":false,"imported":false,"tries":1,"consecutive_failures":0,"infrastructure_failures":0,"infrastructure_since":null,"retry_cost":0.0,"last_exit":null,"retry_delay_millis":null,"eligible_at":null,"execution":"styx-run-00000000-0000-4000-8000-000000000001","runner":"local","description":{"record":3},"running_timeout":null,"retry_condition":null,"resources":[],"message":null,"counter":4,"last_event_at":"2026-03-29T07:00:00.012Z"},"changes":[{"field":"state","before":"SUBMITTED","after":"RUNNING"},{"field":"counter","before":3,"after":4}],"execution":{"id":"styx-run-00000000-0000-4000-8000-000000000001","before":{"instance":"examples#best-product#2026-03-29T06","phase":"launched","since":"2026-03-29T07:00:00.012Z","ending":null,"exit_code":null,"retry_at":null,"refusal":null,"runner":"local","resources":[],"submitted_by":9,"log_id":"00000000-0000-0000-0000-000000000010"},"after":{"instance":"examples#best-product#2026-03-29T06","phase":"running","since":"2026-03-29T07:00:00.012Z","ending":null,"exit_code":null,"retry_at":null,"refusal":null,"runner":"local","resources":[],"submitted_by":9,"log_id":"00000000-0000-0000-0000-000000000010"},"changes":[{"field":"phase","before":"launched","after":"running"}]},"refused":null}"#]].assert_eq(&steps[4].to_string());
}

/// Sets a field that may lie within others.
fn put(object: &mut Value, field: &str, value: Value) {
    let place = field.split('.').fold(object, |place, name| &mut place[name]);
    *place = value;
}

#[test]
fn what_differs() {
    let dir = story();
    check(
        dir.path(),
        &["diff", "5", "14"],
        expect![[r#"
        from  record 5 at 2026-03-29 06:59:59.000 UTC
        to    record 14 at 2026-03-29 07:00:00.155 UTC

        WORKFLOWS
        ~ examples#best-product
            next_natural_trigger         2026-03-29T06:00:00Z -> 2026-03-29T07:00:00Z
            next_natural_offset_trigger  2026-03-29T07:00:00Z -> 2026-03-29T08:00:00Z

        RUNS
        + examples#best-product#2026-03-29T06  QUEUED since 2026-03-29T07:00:00.152Z, 1 try
    "#]],
    );
    check(
        dir.path(),
        &["diff", "2", "5"],
        expect![[r#"
        from  record 2 at 2026-03-29 06:59:58.000 UTC
        to    record 5 at 2026-03-29 06:59:59.000 UTC

        WORKFLOWS
        + examples#best-product  schedule hours, enabled true, from file examples.yaml
    "#]],
    );
    check(
        dir.path(),
        &["diff", "14", "end"],
        expect![[r#"
        from  record 14 at 2026-03-29 07:00:00.155 UTC
        to    record 23 at 2026-03-29 07:01:30.000 UTC

        RUNS
        - examples#best-product#2026-03-29T06  was QUEUED, ended DONE at 2026-03-29T07:00:10.152Z after 2 tries

        runs that ended in between: 1 DONE, 1 ERROR
    "#]],
    );
    check(
        dir.path(),
        &["diff", "14", "14"],
        expect![[r#"
        from  record 14 at 2026-03-29 07:00:00.155 UTC
        to    record 14 at 2026-03-29 07:00:00.155 UTC

        nothing differs
    "#]],
    );
    // Backwards, all is the other way round.
    check(
        dir.path(),
        &["diff", "2026-03-29T07:00:05", "3"],
        expect![[r#"
        from  record 14 at 2026-03-29 07:00:05.000 UTC
        to    record 3 at 2026-03-29 06:59:59.000 UTC

        WORKFLOWS
        ~ examples#best-product
            enabled                      true -> false
            next_natural_trigger         2026-03-29T07:00:00Z -> -
            next_natural_offset_trigger  2026-03-29T08:00:00Z -> -

        RUNS
        - examples#best-product#2026-03-29T06  was QUEUED since 2026-03-29T07:00:00.152Z, 1 try
    "#]],
    );
    let difference = json(dir.path(), &["diff", "10", "12"]).remove(0);
    expect![[r#"{"from":{"position":10,"at":"2026-03-29T07:00:00.012Z"},"to":{"position":12,"at":"2026-03-29T07:00:00.152Z"},"config":null,"workflows":[],"runs":[{"id":"examples#best-product#2026-03-29T06","before":{"state":"SUBMITTED","since":"2026-03-29T07:00:00.012Z","began_at":"2026-03-29T07:00:00.000Z","trigger":{"kind":"natural","id":"natural-trigger"},"parameters":{"env":{}},"missed":false,"imported":false,"tries":1,"consecutive_failures":0,"infrastructure_failures":0,"infrastructure_since":null,"retry_cost":0.0,"last_exit":null,"retry_delay_millis":null,"eligible_at":null,"execution":"styx-run-00000000-0000-4000-8000-000000000001","runner":"local","description":{"record":3},"running_timeout":null,"retry_condition":null,"resources":[],"message":null,"counter":3,"last_event_at":"2026-03-29T07:00:00.012Z"},"after":{"state":"TERMINATED","since":"2026-03-29T07:00:00.152Z","began_at":"2026-03-29T07:00:00.000Z","trigger":{"kind":"natural","id":"natural-trigger"},"parameters":{"env":{}},"missed":false,"imported":false,"tries":1,"consecutive_failures":0,"infrastructure_failures":0,"infrastructure_since":null,"retry_cost":0.1,"last_exit":20,"retry_delay_millis":null,"eligible_at":null,"execution":"styx-run-00000000-0000-4000-8000-000000000001","runner":"local","description":{"record":3},"running_timeout":null,"retry_condition":null,"resources":[],"message":{"level":"WARNING","line":"Exit code: 20"},"counter":5,"last_event_at":"2026-03-29T07:00:00.152Z"},"changes":[{"field":"state","before":"SUBMITTED","after":"TERMINATED"},{"field":"since","before":"2026-03-29T07:00:00.012Z","after":"2026-03-29T07:00:00.152Z"},{"field":"retry_cost","before":0.0,"after":0.1},{"field":"last_exit","before":null,"after":20},{"field":"message","before":null,"after":{"level":"WARNING","line":"Exit code: 20"}},{"field":"counter","before":3,"after":5},{"field":"last_event_at","before":"2026-03-29T07:00:00.012Z","after":"2026-03-29T07:00:00.152Z"}],"outcome":null}],"executions":[{"id":"styx-run-00000000-0000-4000-8000-000000000001","before":{"instance":"examples#best-product#2026-03-29T06","phase":"launched","since":"2026-03-29T07:00:00.012Z","ending":null,"exit_code":null,"retry_at":null,"refusal":null,"runner":"local","resources":[],"submitted_by":9,"log_id":"00000000-0000-0000-0000-000000000010"},"after":{"instance":"examples#best-product#2026-03-29T06","phase":"ended","since":"2026-03-29T07:00:00.152Z","ending":"exit","exit_code":20,"retry_at":null,"refusal":null,"runner":"local","resources":[],"submitted_by":9,"log_id":"00000000-0000-0000-0000-000000000010"},"changes":[{"field":"phase","before":"launched","after":"ended"},{"field":"since","before":"2026-03-29T07:00:00.012Z","after":"2026-03-29T07:00:00.152Z"},{"field":"ending","before":null,"after":"exit"},{"field":"exit_code","before":null,"after":20}],"outcome":null}],"backfills":[],"resources":[],"runs_done_between":0,"runs_failed_between":0}"#]].assert_eq(&difference.to_string());
}

#[test]
fn no_value_of_an_environment_is_ever_shown() {
    let dir = story();
    let (first, second) = ("examples#best-product#2026-03-29T06", "examples#best-product#2026-03-29T05");
    for args in [
        &["at", "22", "--instance", second][..],
        &["at", "22", "--runs"],
        &["at", "22", "--workflow", "examples#best-product"],
        &["at", "22", "--workflows"],
        &["at", "11", "--instance", first],
        &["step", "examples", "best-product", "2026-03-29T05"],
        &["step", "examples", "best-product", "2026-03-29T06"],
        &["diff", "1", "22"],
        &["diff", "22", "3"],
    ] {
        for format in ["text", "json"] {
            let (code, out, _) = run(dir.path(), &[args, &["--format", format]].concat());
            assert!(code == 0 && !out.contains(SECRET), "{args:?}: {out}");
        }
    }
    let (_, out, _) = run(dir.path(), &["step", "examples", "best-product", "2026-03-29T05"]);
    assert!(out.contains(r#"{"TOKEN":"***"}"#), "{out}");
}

#[test]
fn a_reader_that_goes_away_is_told_apart_and_what_cannot_be_opened_is_one_line() {
    let (dir, empty) = (story(), tempfile::tempdir().unwrap());
    let commands =
        [&["at", "5"][..], &["step", "examples", "best-product", "2026-03-29T05"], &["diff", "1", "5"], &["show"]];
    for command in commands {
        let args = [&["log"], command, &["--data", dir.path().to_str().unwrap()]].concat();
        let failed = log_tools::run_on(&Cli::parse_from(args).command, &mut Closed, &mut io::sink());
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::BrokenPipe, "{command:?}");
        assert_eq!(run(empty.path(), command), (2, String::new(), "styx-server: DATA holds no log\n".into()));
    }
}

#[test]
fn damage_is_named() {
    let dir = story();
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let file = logs.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(file, bytes).unwrap();
    for command in [&["at", "5"][..], &["step", "examples", "best-product", "2026-03-29T05"], &["diff", "1", "5"]] {
        let (code, out, notes) = run(dir.path(), command);
        assert!((code, out.as_str()) == (1, "") && notes.lines().count() == 1 && notes.contains("damaged"), "{notes}");
    }
}
