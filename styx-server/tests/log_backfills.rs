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

fn check(dir: &Path, args: &[&str], expected: &Expect) {
    expected.assert_eq(&done(dir, args));
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
    check(dir.path(), &["show"], &expect![[""]]);
}

#[test]
fn a_backfill_is_shown_with_its_runs_and_a_resource_alone() {
    let (dir, backfill) = story();
    let all = shown(dir.path(), &[]);
    let of_backfill = shown(dir.path(), &["--backfill", &backfill]);
    let of_workflow = shown(dir.path(), &["--workflow", "sales#report"]);
    let events = ["--backfill", &backfill, "--event", "created,advanced,edited,halted"];
    let own = shown(dir.path(), &events);
    let runs: Vec<u64> = of_backfill.iter().filter(|position| !own.contains(position)).copied().collect();
    // All runs of the workflow are the backfill's.
    let stored = shown(dir.path(), &["--workflow", "sales#report", "--event", "stored"]);
    assert_eq!(runs, of_workflow.into_iter().filter(|position| !stored.contains(position)).collect::<Vec<_>>());
    assert!(own.len() >= 5 && runs.len() > 15, "{own:?} {runs:?}");
    let of_resource = shown(dir.path(), &["--resource", "warehouse"]);
    assert_eq!(of_resource, [4, *all.last().unwrap()]);
    let nothing = run(dir.path(), &["show", "--backfill", "backfill-0"]);
    assert_eq!(nothing, (0, String::new(), "no such records\n".into()));
}

#[test]
fn records_as_json() {
    let (dir, _) = story();
    let json = |event: &str| done(dir.path(), &["show", "--format", "json", "--event", event]);
    expect![[""]].assert_eq(&json("operated,created,edited,halted"));
    expect![[""]].assert_eq(json("advanced").lines().next().unwrap());
}

#[test]
fn the_world_with_its_resources_and_backfills() {
    let (dir, backfill) = story();
    let positions = shown(dir.path(), &["--backfill", &backfill, "--event", "info"]);
    // Right after the second run was told that it waits.
    let at = positions[0].to_string();
    check(dir.path(), &["at", &at], &expect![[""]]);
    check(dir.path(), &["at", &at, "--resources"], &expect![[""]]);
    check(dir.path(), &["at", &at, "--resource", "warehouse"], &expect![[""]]);
    check(dir.path(), &["at", &at, "--resources", "--format", "json"], &expect![[""]]);
    check(dir.path(), &["at", &at, "--backfills"], &expect![[""]]);
    check(dir.path(), &["at", &at, "--backfill", &backfill], &expect![[""]]);
    check(dir.path(), &["at", &at, "--runs", "--explain"], &expect![[""]]);
    check(dir.path(), &["at", "end", "--backfill", &backfill, "--format", "json"], &expect![[""]]);
    check(dir.path(), &["at", "end", "--config", "--format", "json"], &expect![[""]]);
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
        refused(&["at", "3", "--backfill", &backfill]),
        format!("styx-server: backfill {backfill} didn't exist after record 3\n")
    );
    assert_eq!(
        refused(&["at", "end", "--resource", "warehouse"]).split(" after").next(),
        Some("styx-server: resource warehouse didn't exist")
    );
    assert_eq!(
        refused(&["at", "end", "--resource", "house"]),
        "styx-server: the log has nothing about resource house\n"
    );
}

#[test]
fn what_differs_and_what_is_verified() {
    let (dir, _) = story();
    check(dir.path(), &["diff", "3", "9"], &expect![[""]]);
    check(dir.path(), &["diff", "9", "end"], &expect![[""]]);
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
