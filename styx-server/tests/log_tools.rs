//! Shows and verifies a log that was written for it.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod closed;
mod log_command;
mod log_tools_story;

use std::{fs, io, path::Path};

use clap::Parser;
use closed::Closed;
use log_command::{Cli, run};
use log_tools_story::{FIRST, SECOND, SECRET};
use styx_server::log_tools;
use styx_store::rocks::RocksLog;

fn story() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    log_tools_story::write(dir.path());
    dir
}

/// The positions that are shown with these arguments.
fn shown(dir: &Path, args: &[&str]) -> Vec<u64> {
    let (code, out, notes) = run(dir, &[&["show", "--format", "json"], args].concat());
    assert_eq!((code, notes.as_str()), (0, ""), "{args:?}");
    let position = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["position"].as_u64().unwrap();
    out.lines().map(position).collect()
}

#[test]
fn a_table_for_people() {
    let dir = story();
    fs::create_dir_all(dir.path().join("runs").join(FIRST)).unwrap();
    let (code, out, notes) = run(dir.path(), &["show", "--execution", FIRST]);
    assert_eq!((code, notes.as_str()), (0, ""));
    let expected = "
  POSITION  TIME (UTC)               SUBJECT                                                  CAUSE           EVENT       INFO
         9  2026-03-29 07:00:00.000  run examples#best-product#2026-03-29T06                  schedule        submit      Execution description: record 3, id: styx-run-00000000-0000-4000-8000-000000000001, runner id: local
        10  2026-03-29 07:00:00.012  run examples#best-product#2026-03-29T06                  executor local  submitted   Execution id: styx-run-00000000-0000-4000-8000-000000000001, runner id: local, output: DATA/runs/styx-run-00000000-0000-4000-8000-000000000001/
      └ 11  2026-03-29 07:00:00.012  run examples#best-product#2026-03-29T06                                  started
        12  2026-03-29 07:00:00.152  run examples#best-product#2026-03-29T06                  executor local  terminate   Exit code: 20
      └ 13  2026-03-29 07:00:00.152  run examples#best-product#2026-03-29T06                                  retryAfter  Delay (seconds): 10
        14  2026-03-29 07:00:00.155  execution styx-run-00000000-0000-4000-8000-000000000001  executor local  cleaned
";
    assert_eq!(out, expected.trim_start_matches('\n'));
    let (_, out, _) = run(dir.path(), &["show", "--from", "22"]);
    let expected = "
  POSITION  TIME (UTC)               SUBJECT                              CAUSE         EVENT             INFO
        22  2026-03-29 07:01:00.000  run examples#best-product#2026-03-29T05  operator ann  triggerExecution  Trigger id: ad-hoc-cli-1774767660000-00042, Parameters: {\"env\":{\"TOKEN\":\"***\"}}
        23  2026-03-29 07:01:30.000  run examples#best-product#2026-03-29T05  operator ann  halt              by ann
";
    let expected = expected
        .replace("SUBJECT                              CAUSE", "SUBJECT                                  CAUSE");
    assert_eq!(out, expected.trim_start_matches('\n'));
}

#[test]
fn json_lines_have_a_stable_form() {
    let dir = story();
    let line = |position: &str| run(dir.path(), &["show", "--format", "json", "--from", position, "--limit", "1"]).1;
    let expected = r##"{"position":6,"at":"2026-03-29T07:00:00.000Z","decision":6,"subject":{"kind":"run","id":"examples#best-product#2026-03-29T06","component":"examples","workflow":"best-product","parameter":"2026-03-29T06"},"event":{"name":"triggerExecution","info":"Trigger id: natural-trigger, Parameters: {\"env\":{}}","counter":0,"trigger":{"kind":"natural","id":"natural-trigger"},"parameters":{"env":{}},"missed":false},"cause":{"kind":"schedule"}}"##;
    assert_eq!(line("6").trim_end(), expected);
    let expected = r##"{"position":12,"at":"2026-03-29T07:00:00.152Z","decision":12,"subject":{"kind":"run","id":"examples#best-product#2026-03-29T06","component":"examples","workflow":"best-product","parameter":"2026-03-29T06"},"event":{"name":"terminate","info":"Exit code: 20","counter":5,"exit_code":20},"cause":{"kind":"executor","runner":"local","observed":"exited","observed_at":null,"evidence":{"pid":4711,"env":[{"name":"TOKEN","value":"***"}]}}}"##;
    assert_eq!(line("12").trim_end(), expected);
    let expected = r##"{"position":23,"at":"2026-03-29T07:01:30.000Z","decision":23,"subject":{"kind":"run","id":"examples#best-product#2026-03-29T05","component":"examples","workflow":"best-product","parameter":"2026-03-29T05"},"event":{"name":"halt","info":"by ann","counter":1,"reason":"by\nann"},"cause":{"kind":"operator","actor":"ann","request_id":"r-1","request":{"halt":"best-product"}}}"##;
    assert_eq!(line("23").trim_end(), expected);
}

#[test]
fn no_value_of_an_environment_is_ever_shown() {
    let dir = story();
    for format in ["table", "json"] {
        let (_, out, _) = run(dir.path(), &["show", "--format", format]);
        assert!(out.contains("TOKEN") && !out.contains(SECRET), "{out}");
    }
}

#[test]
fn records_are_chosen() {
    let dir = story();
    let shown = |args: &[&str]| shown(dir.path(), args);
    let range = |range: std::ops::RangeInclusive<u64>| range.collect::<Vec<_>>();
    assert_eq!(shown(&[]), range(1..=23));
    assert_eq!(shown(&["--from", "4", "--limit", "2"]), [4, 5]);
    assert_eq!(shown(&["--workflow", "examples#best-product"]), range(3..=23));
    assert_eq!(shown(&["--workflow", "examples#best-product", "--from", "14", "--limit", "1"]), [14]);
    let run = [range(6..=6), range(8..=21)].concat();
    assert_eq!(shown(&["--instance", "examples#best-product#2026-03-29T06"]), run);
    assert_eq!(shown(&["--execution", FIRST]), range(9..=14));
    assert_eq!(shown(&["--execution", SECOND]), range(16..=21));
    assert_eq!(shown(&["--since", "2026-03-29T07:00:10Z", "--until", "2026-03-29T07:01"]), range(15..=21));
    assert_eq!(shown(&["--since", "2026-03-29"]), range(1..=23));
    assert_eq!(shown(&["--since", "2026-03-29T07:01:30Z", "--from", "2"]), [23]);

    let nothing = run_show(dir.path(), &["--workflow", "examples#unknown"]);
    assert_eq!(nothing, (0, String::new(), "no such records\n".into()));
    assert_eq!(run_show(dir.path(), &["--since", "2027-01-01"]), nothing);
    assert_eq!(run_show(dir.path(), &["--execution", "styx-run-unknown"]), nothing);
}

fn run_show(dir: &Path, args: &[&str]) -> (u8, String, String) {
    run(dir, &[&["show"], args].concat())
}

#[test]
fn a_reader_that_goes_away_is_told_apart() {
    let dir = story();
    let run = |args: &[&str]| {
        let args = [&["log"], args, &["--data", dir.path().to_str().unwrap()]].concat();
        log_tools::run_on(&Cli::parse_from(args).command, &mut Closed, &mut io::sink())
    };
    assert_eq!(run(&["show"]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(run(&["show", "--format", "json"]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    // What a verification or a replay exits with is asked for even where its text isn't.
    assert_eq!(run(&["verify"]).unwrap(), 0);
    assert_eq!(run(&["replay"]).unwrap(), 3, "nobody decided this story");
}

#[test]
fn a_range_without_records_is_refused() {
    let dir = story();
    for (range, said) in [
        (["--from", "9", "--to", "5"], "there is no record from 9 to 5: the log ends at 23"),
        (["--from", "100000", "--to", "100001"], "there is no record from 100000 to 100001: the log ends at 23"),
        (["--from", "0", "--to", "0"], "there is no record from 1 to 0: the log ends at 23"),
    ] {
        for command in ["replay", "export"] {
            let refused = (2, String::new(), format!("styx-server: {said}\n"));
            assert_eq!(run(dir.path(), &[&[command], &range[..]].concat()), refused, "{command}");
        }
    }
}

#[test]
fn a_missing_end_is_told_of_by_all_tools() {
    let dir = story();
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let wal = files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap();
    let wal = fs::File::options().write(true).open(wal).unwrap();
    wal.set_len(wal.metadata().unwrap().len() - 10).unwrap();
    for (command, code) in [(&["show"][..], 0), (&["at", "end"], 0), (&["export"], 1), (&["export", "--to", "5"], 0)] {
        let (exit, out, notes) = run(dir.path(), command);
        assert_eq!(exit, code, "{command:?}: {notes}");
        assert!(notes.contains("the end of this log isn't as it was written"), "{command:?}: {notes}");
        assert!(!out.is_empty());
    }
}

#[test]
fn what_cannot_be_opened_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["show", "verify"] {
        assert_eq!(run(dir.path(), &[command]), (2, String::new(), "styx-server: DATA holds no log\n".into()));
    }
}

#[test]
fn a_log_in_use_is_refused() {
    let dir = story();
    let _server = RocksLog::open(dir.path()).unwrap();
    for command in ["show", "verify"] {
        let line = format!(
            "styx-server: data folder DATA is in use by another process (pid {}): a log is read only while nobody \
             writes to it; look at a copy (styx-server log checkpoint), or stop the server\n",
            std::process::id()
        );
        assert_eq!(run(dir.path(), &[command]), (2, String::new(), line));
    }
}

#[test]
fn a_sound_log_is_clean() {
    let dir = story();
    let (code, out, notes) = run(dir.path(), &["verify"]);
    assert_eq!((code, notes.as_str()), (0, ""));
    let without_hash: String = out.split_inclusive('\n').filter(|line| !line.starts_with("head hash")).collect();
    let expected = "
data folder     DATA
log id          00000000-0000-0000-0000-000000000010
last record     23 in 12 batches
time span       2026-03-29T06:59:58Z to 2026-03-29T07:01:30Z
at its end      1 workflow, 0 active runs, 0 executions

RECORDS                    COUNT
config.set                     1
execution.cleaned              2
log.started                    1
run.dequeue                    2
run.halt                       1
run.retryAfter                 1
run.started                    2
run.submit                     2
run.submitted                  2
run.success                    1
run.terminate                  2
run.triggerExecution           2
workflow.cursorMoved           2
workflow.stored                1
workflow.switched              1
all                           23

clean
";
    assert_eq!(without_hash, expected.trim_start_matches('\n'));
    let (code, out, _) = run(dir.path(), &["verify", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["clean"], &report["tail"]), (0, &true.into(), &23.into()));
    assert_eq!(report["damages"], serde_json::json!([]));
}

#[test]
fn a_quick_look_is_at_the_end_only() {
    let dir = story();
    let (code, out, notes) = run(dir.path(), &["verify", "--quick"]);
    assert_eq!((code, notes.as_str()), (0, ""));
    assert!(out.starts_with("data folder     DATA\nlast record     23\nhead hash       "), "{out}");
    assert!(out.ends_with("\n\nits end is clean; what comes before wasn't looked at\n"), "{out}");
    change_last_file(dir.path(), |bytes| bytes.truncate(bytes.len() / 2));
    let (code, out, _) = run(dir.path(), &["verify", "--quick", "--format", "json"]);
    assert!(code == 1 && out.starts_with(r#"{"clean":false,"#) && out.contains("but 23 was durable before"), "{out}");
}

#[test]
fn records_that_are_gone_are_missed() {
    let dir = story();
    change_last_file(dir.path(), |bytes| bytes.truncate(bytes.len() / 2));
    let (code, out, _) = run(dir.path(), &["verify"]);
    assert!(code == 1 && out.contains("DAMAGED: 1 damage\n"), "{out}");
    assert!(
        out.contains("but 23 was durable before") && out.contains("Records that had been written are gone"),
        "{out}"
    );
}

#[test]
fn a_changed_byte_is_damage() {
    let dir = story();
    change_last_file(dir.path(), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
    });
    let (code, out, _) = run(dir.path(), &["verify"]);
    assert!(code == 1 && out.starts_with("DAMAGED: 1 damage\n"), "{out}");
    let (code, out, _) = run(dir.path(), &["verify", "--format", "json"]);
    assert!(code == 1 && out.starts_with(r#"{"clean":false,"#), "{out}");
    let (code, out, notes) = run(dir.path(), &["show"]);
    assert!((code, out.as_str()) == (1, "") && notes.lines().count() == 1 && notes.contains("damaged"), "{notes}");
}

/// Changes the file that RocksDB wrote last: it holds all of a small log.
fn change_last_file(dir: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let file = logs.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}
