//! The log as a debugger: the world as it was, the life of an instance, and what differs.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod log_tools_story;

use std::{fs, io, path::Path};

use clap::Parser;
use expect_test::{Expect, expect};
use log_tools_story::{Cli, FIRST, SECOND, SECRET, run};
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
    assert_eq!(shown(&["--instance", instance, "--execution", FIRST, "--workflow", "examples#best-product"]), [
        9, 10, 11, 12, 13, 14
    ]);
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
    check(dir.path(), &["at", "14"], expect![[]]);
    check(dir.path(), &["at", "2026-03-29T07:00:05"], expect![[]]);
    check(dir.path(), &["at", "end"], expect![[]]);
    let summary = json(dir.path(), &["at", "14"]).remove(0);
    expect![[]].assert_eq(&summary.to_string());
}

#[test]
fn a_run_as_it_was() {
    let dir = story();
    let late = "examples#best-product#2026-03-29T06";
    check(dir.path(), &["at", "14", "--instance", late], expect![[]]);
    // It runs: what it waits for is its end.
    let run = json(dir.path(), &["at", "11", "--instance", late]).remove(0);
    assert_eq!((&run["state"], &run["execution"]), (&"RUNNING".into(), &FIRST.into()));
    assert_eq!(run["waits_for"], serde_json::json!(["waits for its execution to end, until 2026-03-30T07:00:00Z"]));
    // It has ended: how, says its history.
    let run = json(dir.path(), &["at", "21", "--instance", late]).remove(0);
    assert_eq!((&run["state"], &run["tries"], &run["waits_for"]), (&"DONE".into(), &2.into(), &serde_json::json!([])));
    check(dir.path(), &["at", "11", "--runs"], expect![[]]);
    check(dir.path(), &["at", "14", "--runs", "--explain", "--component", "examples"], expect![[]]);
    assert_eq!(json(dir.path(), &["at", "14", "--runs", "--workflow", "examples#other"]), Vec::<Value>::new());
}

#[test]
fn workflows_executions_and_the_configuration_as_they_were() {
    let dir = story();
    check(dir.path(), &["at", "14", "--workflow", "examples#best-product"], expect![[]]);
    check(dir.path(), &["at", "14", "--workflows"], expect![[]]);
    check(dir.path(), &["at", "11", "--executions"], expect![[]]);
    check(dir.path(), &["at", "11", "--execution", FIRST], expect![[]]);
    check(dir.path(), &["at", "2", "--config"], expect![[]]);
    check(dir.path(), &["at", "14", "--explain"], expect![[]]);
    let (code, out, notes) = run(dir.path(), &["at", "11", "--resources"]);
    assert_eq!((code, out.as_str(), notes.as_str()), (0, "", "no resources are held\n"));
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
    check(dir.path(), &["step", "examples", "best-product", "2026-03-29T05"], expect![[]]);
    check(dir.path(), &["step", "examples", "best-product", "2026-03-29T06", "--plain"], expect![[]]);
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
    expect![[]].assert_eq(&steps[4].to_string());
}

/// Sets a field that may lie within others.
fn put(object: &mut Value, field: &str, value: Value) {
    let place = field.split('.').fold(object, |place, name| &mut place[name]);
    *place = value;
}

#[test]
fn what_differs() {
    let dir = story();
    check(dir.path(), &["diff", "5", "14"], expect![[]]);
    check(dir.path(), &["diff", "2", "5"], expect![[]]);
    check(dir.path(), &["diff", "14", "end"], expect![[]]);
    check(dir.path(), &["diff", "14", "14"], expect![[]]);
    // Backwards, all is the other way round.
    check(dir.path(), &["diff", "2026-03-29T07:00:05", "3"], expect![[]]);
    let difference = json(dir.path(), &["diff", "10", "12"]).remove(0);
    expect![[]].assert_eq(&difference.to_string());
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
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
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
