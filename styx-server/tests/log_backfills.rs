//! The log tools on resources, backfills and what operators set while a server runs.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod log_backfill_story;
mod log_command;

use std::{path::Path, sync::Arc};

use expect_test::{Expect, expect};
use log_backfill_story::SECRET;
use log_command::run;
use serde_json::Value;
use tempfile::TempDir;

fn story() -> (TempDir, Arc<str>) {
    let dir = tempfile::tempdir().unwrap();
    let backfill = log_backfill_story::write(dir.path());
    (dir, backfill)
}

fn done(dir: &Path, args: &[&str]) -> String {
    let (code, out, notes) = run(dir, args);
    assert_eq!((code, notes.as_str()), (0, ""), "{args:?}");
    assert!(!out.contains(SECRET), "{args:?}: {out}");
    out
}

/// The line with the command keeps the table's own margin: what all lines begin with is cut from an expectation.
fn check(dir: &Path, args: &[&str], expected: &Expect) {
    expected.assert_eq(&format!("$ log {}\n{}", args.join(" "), done(dir, args)));
}

/// The positions of the records that are shown.
fn shown(dir: &Path, args: &[&str]) -> Vec<u64> {
    let out = done(dir, &[&["show", "--format", "json"], args].concat());
    let position = |line: &str| serde_json::from_str::<Value>(line).unwrap()["position"].as_u64().unwrap();
    out.lines().map(position).collect()
}

#[test]
fn all_that_happened() {
    let (dir, _) = story();
    check(
        dir.path(),
        &["show"],
        &expect![[r#"
            $ log show
              POSITION  TIME (UTC)               SUBJECT                                                  CAUSE             EVENT             INFO
                     1  2026-03-29 07:00:00.000  log                                                      engine            started           Log id: 00000000-0000-0000-0000-000000000010
                   └ 2  2026-03-29 07:00:00.000  config                                                                     set               Max executions: no limit, dequeues: 1000 a second, catch-up: 10, max cost: 50.0, back-off: PT3M, missing dependencies: PT10M, executor: default
                     3  2026-03-29 07:00:01.000  workflow sales#report                                    operator ann      stored            Schedule: days, from: the API
                   └ 4  2026-03-29 07:00:01.000  workflow sales#report                                                      cursorMoved       Next: 2026-03-29T00:00:00Z, fires: 2026-03-30T00:00:00Z (edited)
                     5  2026-03-29 07:00:02.000  resource warehouse                                       operator ann      set               Concurrency: 1
                     6  2026-03-29 07:00:03.000  config                                                   operator ann      operated          Max executions: 40, dequeues: 2 a second, blocked clients: styx-cli/1.0, debug: off
                     7  2026-03-29 07:00:04.000  backfill backfill-1774767604000-12340                    operator ann      created           Workflow: sales#report, from 2026-03-25T00:00:00Z to 2026-03-28T00:00:00Z, concurrency: 2, description: again, with the right prices, Parameters: {"env":{"TOKEN":"***"}}
                     8  2026-03-29 07:00:04.000  run sales#report#2026-03-25                              engine            triggerExecution  Trigger id: backfill-1774767604000-12340, Parameters: {"env":{"TOKEN":"***"}}
                   └ 9  2026-03-29 07:00:04.000  backfill backfill-1774767604000-12340                                      advanced          Partition: 2026-03-25T00:00:00Z, next: 2026-03-26T00:00:00Z (triggered)
                    10  2026-03-29 07:00:04.000  run sales#report#2026-03-26                              engine            triggerExecution  Trigger id: backfill-1774767604000-12340, Parameters: {"env":{"TOKEN":"***"}}
                  └ 11  2026-03-29 07:00:04.000  backfill backfill-1774767604000-12340                                      advanced          Partition: 2026-03-26T00:00:00Z, next: 2026-03-27T00:00:00Z (triggered)
                    12  2026-03-29 07:00:04.000  run sales#report#2026-03-25                              timer             dequeue           Resources: GLOBAL_STYX_CLUSTER, warehouse
                  └ 13  2026-03-29 07:00:04.000  run sales#report#2026-03-25                                                submit            Execution description: record 3, id: styx-run-31d9a714-7027-4172-96c6-faa4181cc194, runner id: default
                    14  2026-03-29 07:00:04.000  run sales#report#2026-03-26                              timer             info              Resource limit reached for: [warehouse]
                    15  2026-03-29 07:00:04.500  run sales#report#2026-03-25                              executor default  submitted         Execution id: styx-run-31d9a714-7027-4172-96c6-faa4181cc194, runner id: default
                    16  2026-03-29 07:00:05.000  run sales#report#2026-03-25                              executor default  started
                    17  2026-03-29 07:00:05.500  run sales#report#2026-03-25                              executor default  terminate         Exit code: 0
                  └ 18  2026-03-29 07:00:05.500  run sales#report#2026-03-25                                                success
                    19  2026-03-29 07:00:05.500  run sales#report#2026-03-26                              timer             dequeue           Resources: GLOBAL_STYX_CLUSTER, warehouse
                  └ 20  2026-03-29 07:00:05.500  run sales#report#2026-03-26                                                submit            Execution description: record 3, id: styx-run-b67621a2-41ad-44f1-a305-efa65a7cb449, runner id: default
                    21  2026-03-29 07:00:05.500  run sales#report#2026-03-27                              engine            triggerExecution  Trigger id: backfill-1774767604000-12340, Parameters: {"env":{"TOKEN":"***"}}
                  └ 22  2026-03-29 07:00:05.500  backfill backfill-1774767604000-12340                                      advanced          Partition: 2026-03-27T00:00:00Z, next: none (triggered)
                    23  2026-03-29 07:00:05.500  run sales#report#2026-03-27                              timer             info              Resource limit reached for: [warehouse]
                    24  2026-03-29 07:00:06.000  execution styx-run-31d9a714-7027-4172-96c6-faa4181cc194  executor default  cleaned
                    25  2026-03-29 07:00:07.000  backfill backfill-1774767604000-12340                    operator ann      edited            Concurrency: 1, Description: with the right prices
                    26  2026-03-29 07:00:07.500  run sales#report#2026-03-26                              executor default  submitted         Execution id: styx-run-b67621a2-41ad-44f1-a305-efa65a7cb449, runner id: default
                    27  2026-03-29 07:00:08.000  run sales#report#2026-03-26                              executor default  started
                    28  2026-03-29 07:00:08.500  run sales#report#2026-03-26                              executor default  terminate         Exit code: 0
                  └ 29  2026-03-29 07:00:08.500  run sales#report#2026-03-26                                                success
                    30  2026-03-29 07:00:08.500  run sales#report#2026-03-27                              timer             dequeue           Resources: GLOBAL_STYX_CLUSTER, warehouse
                  └ 31  2026-03-29 07:00:08.500  run sales#report#2026-03-27                                                submit            Execution description: record 3, id: styx-run-30bfbed8-ee70-42c5-96ee-9cc4da133b3f, runner id: default
                    32  2026-03-29 07:00:09.000  execution styx-run-b67621a2-41ad-44f1-a305-efa65a7cb449  executor default  cleaned
                    33  2026-03-29 07:00:10.000  backfill backfill-1774767604000-12340                    operator ann      halted            halted by ann, with its active runs
                    34  2026-03-29 07:00:10.000  run sales#report#2026-03-27                              engine            halt              backfill-1774767604000-12340 halted by ann
                    35  2026-03-29 07:00:11.000  resource warehouse                                       operator ann      deleted
        "#]],
    );
}

#[test]
fn a_backfill_is_shown_with_its_runs_and_a_resource_alone() {
    let (dir, backfill) = story();
    let of_backfill = shown(dir.path(), &["--backfill", &backfill]);
    let of_workflow = shown(dir.path(), &["--workflow", "sales#report"]);
    let events = ["--backfill", &backfill, "--event", "created,advanced,edited,halted"];
    let own = shown(dir.path(), &events);
    let runs: Vec<u64> = of_backfill.iter().filter(|position| !own.contains(position)).copied().collect();
    // All runs of the workflow are the backfill's.
    let stored = shown(dir.path(), &["--workflow", "sales#report", "--event", "stored,cursorMoved"]);
    assert_eq!(runs, of_workflow.into_iter().filter(|position| !stored.contains(position)).collect::<Vec<_>>());
    assert!(own.len() >= 5 && runs.len() > 15, "{own:?} {runs:?}");
    let of_resource = done(dir.path(), &["show", "--resource", "warehouse"]);
    let events: Vec<_> = of_resource.lines().skip(1).filter_map(|line| line.split_whitespace().nth(7)).collect();
    assert_eq!(events, ["set", "deleted"], "{of_resource}");
    let nothing = run(dir.path(), &["show", "--backfill", "backfill-0"]);
    assert_eq!(nothing, (0, String::new(), "no such records\n".into()));
}

#[test]
fn records_as_json() {
    let (dir, _) = story();
    let json = |event: &str| done(dir.path(), &["show", "--format", "json", "--event", event]);
    expect![[r#"
        {"position":6,"at":"2026-03-29T07:00:03.000Z","decision":6,"subject":{"kind":"config"},"event":{"name":"operated","info":"Max executions: 40, dequeues: 2 a second, blocked clients: styx-cli/1.0, debug: off","max_executions":40,"dequeue_rate":2.0,"blocked_clients":["styx-cli/1.0"],"debug":false},"cause":{"kind":"operator","actor":"ann","request_id":"r-1","request":{}}}
        {"position":7,"at":"2026-03-29T07:00:04.000Z","decision":7,"subject":{"kind":"backfill","id":"backfill-1774767604000-12340"},"event":{"name":"created","info":"Workflow: sales#report, from 2026-03-25T00:00:00Z to 2026-03-28T00:00:00Z, concurrency: 2, description: again, with the right prices, Parameters: {\"env\":{\"TOKEN\":\"***\"}}","component":"sales","workflow":"report","start":"2026-03-25T00:00:00Z","end":"2026-03-28T00:00:00Z","reverse":false,"schedule":"days","concurrency":2,"description":"again, with the right prices","parameters":{"env":{"TOKEN":"***"}},"first":"2026-03-25T00:00:00Z"},"cause":{"kind":"operator","actor":"ann","request_id":"r-1","request":{}},"idempotency_key":"ann 42"}
        {"position":25,"at":"2026-03-29T07:00:07.000Z","decision":25,"subject":{"kind":"backfill","id":"backfill-1774767604000-12340"},"event":{"name":"edited","info":"Concurrency: 1, Description: with the right prices","concurrency":1,"description":"with the right prices"},"cause":{"kind":"operator","actor":"ann","request_id":"r-1","request":{}}}
        {"position":33,"at":"2026-03-29T07:00:10.000Z","decision":33,"subject":{"kind":"backfill","id":"backfill-1774767604000-12340"},"event":{"name":"halted","info":"halted by ann, with its active runs","runs":true,"reason":"halted by ann"},"cause":{"kind":"operator","actor":"ann","request_id":"r-1","request":{}}}
    "#]].assert_eq(&json("operated,created,edited,halted"));
    expect![[r#"{"position":9,"at":"2026-03-29T07:00:04.000Z","decision":8,"subject":{"kind":"backfill","id":"backfill-1774767604000-12340"},"event":{"name":"advanced","info":"Partition: 2026-03-25T00:00:00Z, next: 2026-03-26T00:00:00Z (triggered)","instant":"2026-03-25T00:00:00Z","next":"2026-03-26T00:00:00Z","all_triggered":false,"why":"triggered"},"cause":{"kind":"decision"}}"#]].assert_eq(json("advanced").lines().next().unwrap());
}

#[test]
fn the_world_with_its_resources_and_backfills() {
    let (dir, backfill) = story();
    let positions = shown(dir.path(), &["--backfill", &backfill, "--event", "info"]);
    // Right after the second run was told that it waits.
    let at = positions[0].to_string();
    check(
        dir.path(),
        &["at", &at],
        &expect![[r#"
            $ log at 14
            at (UTC)     2026-03-29 07:00:04.000
            last record  14 of 2026-03-29 07:00:04.000
            log id       00000000-0000-0000-0000-000000000010
            scheduling   on
            workflows    1, 0 enabled
            active runs  2: 1 QUEUED, 1 SUBMITTING
            executions   1 living, 0 to be cleaned up
            resources    1
            backfills    1, 1 open
            due next     2026-03-31 07:00:04.000 the time-out of sales#report#2026-03-25
        "#]],
    );
    check(
        dir.path(),
        &["at", &at, "--resources"],
        &expect![[r#"
            $ log at 14 --resources
            RESOURCE             UNITS  HELD  WAITING  INSTANCE                 EXECUTION
            GLOBAL_STYX_CLUSTER  -      1     0        sales#report#2026-03-25  styx-run-31d9a714-7027-4172-96c6-faa4181cc194
            warehouse            1      1     1        sales#report#2026-03-25  styx-run-31d9a714-7027-4172-96c6-faa4181cc194
        "#]],
    );
    check(
        dir.path(),
        &["at", &at, "--resource", "warehouse"],
        &expect![[r#"
            $ log at 14 --resource warehouse
            resource     warehouse
            concurrency  1
            held         1
            waiting      1
            held by      sales#report#2026-03-25 styx-run-31d9a714-7027-4172-96c6-faa4181cc194
        "#]],
    );
    check(
        dir.path(),
        &["at", &at, "--resources", "--format", "json"],
        &expect![[r#"
            $ log at 14 --resources --format json
            {"resource":"GLOBAL_STYX_CLUSTER","concurrency":null,"held":1,"waiting":0,"by":[{"instance":"sales#report#2026-03-25","execution":"styx-run-31d9a714-7027-4172-96c6-faa4181cc194"}]}
            {"resource":"warehouse","concurrency":1,"held":1,"waiting":1,"by":[{"instance":"sales#report#2026-03-25","execution":"styx-run-31d9a714-7027-4172-96c6-faa4181cc194"}]}
        "#]],
    );
    check(
        dir.path(),
        &["at", &at, "--backfills"],
        &expect![[r#"
            $ log at 14 --backfills
            BACKFILL                      WORKFLOW      START                 END                   NEXT                  ACTIVE  CONCURRENCY  STATE
            backfill-1774767604000-12340  sales#report  2026-03-25T00:00:00Z  2026-03-28T00:00:00Z  2026-03-27T00:00:00Z  2       2            open
        "#]],
    );
    check(
        dir.path(),
        &["at", &at, "--backfill", &backfill],
        &expect![[r#"
            $ log at 14 --backfill backfill-1774767604000-12340
            backfill       backfill-1774767604000-12340
            workflow       sales#report
            start          2026-03-25T00:00:00Z
            end            2026-03-28T00:00:00Z
            reverse        false
            schedule       days
            concurrency    2
            description    again, with the right prices
            parameters     {"env":{"TOKEN":"***"}}
            next           2026-03-27T00:00:00Z
            all_triggered  false
            halted         -
            halts_runs     false
            created_at     2026-03-29T07:00:04.000Z
            modified_at    2026-03-29T07:00:04.000Z
            active_runs    ["sales#report#2026-03-25","sales#report#2026-03-26"]
        "#]],
    );
    check(
        dir.path(),
        &["at", &at, "--runs", "--explain"],
        &expect![[r#"
            $ log at 14 --runs --explain
            INSTANCE                 STATE       SINCE (UTC)              TRIES  COST  EXECUTION                                      WAITS FOR
            sales#report#2026-03-25  SUBMITTING  2026-03-29 07:00:04.000  0      0.0   styx-run-31d9a714-7027-4172-96c6-faa4181cc194  waits for the executor to take it
            sales#report#2026-03-26  QUEUED      2026-03-29 07:00:04.000  0      0.0   -                                              waits for a unit of warehouse, 0 runs that need the same come first
        "#]],
    );
    check(
        dir.path(),
        &["at", "end", "--backfill", &backfill, "--format", "json"],
        &expect![[r#"
            $ log at end --backfill backfill-1774767604000-12340 --format json
            {"backfill":"backfill-1774767604000-12340","workflow":"sales#report","start":"2026-03-25T00:00:00Z","end":"2026-03-28T00:00:00Z","reverse":false,"schedule":"days","concurrency":1,"description":"with the right prices","parameters":{"env":{"TOKEN":"***"}},"next":null,"all_triggered":true,"halted":"halted by ann","halts_runs":true,"created_at":"2026-03-29T07:00:04.000Z","modified_at":"2026-03-29T07:00:10.000Z","active_runs":[]}
        "#]],
    );
    check(
        dir.path(),
        &["at", "end", "--config", "--format", "json"],
        &expect![[r#"
            $ log at end --config --format json
            {"scheduling":true,"max_executions":null,"dequeue_rate":1000.0,"catch_up":10,"max_cost":50.0,"missing_dependencies_delay":"PT10M","backoff":{"base":"PT3M","max_exponent":4},"infrastructure_backoff":{"base":"PT30S","max_exponent":5},"infrastructure_limit":{"failures":200,"span":"PT48H"},"timeouts":{"default":"PT48H","max_running":"PT48H","new":"PT30M","submitted":"PT10M","running":"PT24H","terminated":"PT30M","failed":"PT30M"},"runner":"default","runs_api_workflows":true,"mounts_secrets":true,"operated":{"max_executions":40,"dequeue_rate":2.0,"blocked_clients":["styx-cli/1.0"],"debug":false}}
        "#]],
    );
}

#[test]
fn what_there_is_not() {
    let (dir, backfill) = story();
    let refused = |args: &[&str]| {
        let (code, out, notes) = run(dir.path(), args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        notes
    };
    assert_eq!(
        refused(&["at", "4", "--backfill", &backfill]),
        format!("styx-server: backfill {backfill} didn't exist after record 4\n")
    );
    assert_eq!(
        refused(&["at", "4", "--resource", "warehouse"]),
        "styx-server: resource warehouse didn't exist after record 4\n"
    );
    // Deleted, and its unit is still held.
    let held = done(dir.path(), &["at", "end", "--resource", "warehouse"]);
    assert!(held.starts_with("resource     warehouse\nconcurrency  -\nheld         1\n"), "{held}");
    assert_eq!(
        refused(&["at", "end", "--resource", "house"]),
        "styx-server: the log has nothing about resource house\n"
    );
}

#[test]
fn what_differs_and_what_is_verified() {
    let (dir, _) = story();
    check(
        dir.path(),
        &["diff", "3", "9"],
        &expect![[r#"
            $ log diff 3 9
            from  record 3 at 2026-03-29 07:00:01.000 UTC
            to    record 9 at 2026-03-29 07:00:04.000 UTC

            CONFIGURATION
                operated.max_executions   - -> 40
                operated.dequeue_rate     - -> 2.0
                operated.blocked_clients  [] -> ["styx-cli/1.0"]

            WORKFLOWS
            ~ sales#report
                next_natural_trigger         - -> 2026-03-29T00:00:00Z
                next_natural_offset_trigger  - -> 2026-03-30T00:00:00Z

            RUNS
            + sales#report#2026-03-25  QUEUED since 2026-03-29T07:00:04.000Z, 0 tries

            BACKFILLS
            + backfill-1774767604000-12340  of sales#report, from 2026-03-25T00:00:00Z to 2026-03-28T00:00:00Z

            RESOURCES
            + warehouse  concurrency 1
        "#]],
    );
    check(
        dir.path(),
        &["diff", "9", "end"],
        &expect![[r#"
            $ log diff 9 end
            from  record 9 at 2026-03-29 07:00:04.000 UTC
            to    record 35 at 2026-03-29 07:00:11.000 UTC

            RUNS
            - sales#report#2026-03-25  was QUEUED, ended DONE at 2026-03-29T07:00:05.500Z after 1 try

            EXECUTIONS
            + styx-run-30bfbed8-ee70-42c5-96ee-9cc4da133b3f  launching since 2026-03-29T07:00:08.500Z, of sales#report#2026-03-27

            BACKFILLS
            ~ backfill-1774767604000-12340
                concurrency    2 -> 1
                description    again, with the right prices -> with the right prices
                next           2026-03-26T00:00:00Z -> -
                all_triggered  false -> true
                halted         - -> halted by ann
                halts_runs     false -> true
                modified_at    2026-03-29T07:00:04.000Z -> 2026-03-29T07:00:10.000Z

            RESOURCES
            - warehouse  was concurrency 1

            runs that ended in between: 2 DONE, 1 ERROR
        "#]],
    );
    let verified = done(dir.path(), &["verify"]);
    assert!(verified.contains("1 backfill, 0 resources\n") && verified.ends_with("clean\n"), "{verified}");
    let report: Value = serde_json::from_str(&done(dir.path(), &["verify", "--format", "json"])).unwrap();
    assert_eq!((&report["answered"], &report["backfills"]), (&Value::from(1), &Value::from(1)));
}

#[test]
fn the_same_is_decided_again() {
    let (dir, _) = story();
    let replayed = done(dir.path(), &["replay"]);
    assert!(replayed.ends_with("no difference\n"), "{replayed}");
}

#[test]
fn an_export_has_no_value_of_a_backfills_environment() {
    let (dir, _) = story();
    let out = done(dir.path(), &["export"]);
    assert!(out.contains(r#""description":"again, with the right prices","env":{"TOKEN":"***"}"#), "{out}");
    let (_, out, _) = run(dir.path(), &["export", "--with-env"]);
    assert!(out.contains(SECRET));
}
