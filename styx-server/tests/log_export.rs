//! Exports a log, makes new ones of it, and replays it.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;
mod log_tools_story;

use std::{
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anstream::StripStream;
use clap::Parser;
use common::Server;
use log_tools_story::SECRET;
use serde_json::Value;
use styx_core::{
    event::Event,
    record::{Fact, RunEvent},
};
use styx_server::log_tools::{self, LogCommand};
use styx_store::json::{ExportReader, ExportWriter};
use tempfile::TempDir;

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: LogCommand,
}

/// What a command printed and how it exited; the folder of all reads as `DIR`.
fn run(dir: &Path, args: &[&str]) -> (u8, String, String) {
    let dir = dir.to_str().unwrap();
    let args = ["log"].into_iter().map(str::to_owned).chain(args.iter().map(|arg| arg.replace("DIR", dir)));
    let Cli { command } = Cli::parse_from(args);
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let code = log_tools::run_on(&command, &mut StripStream::new(&mut out), &mut notes).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(dir, "DIR");
    (code, text(out), text(notes))
}

/// A log in `DIR/data`.
fn story() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    log_tools_story::write(&dir.path().join("data"));
    dir
}

fn done(dir: &Path, args: &[&str]) -> String {
    let (code, out, notes) = run(dir, args);
    assert_eq!((code, notes.as_str()), (0, ""), "{args:?}");
    out
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_export_is_a_header_the_records_and_a_footer() {
    let dir = story();
    let out = done(dir.path(), &["export", "--data", "DIR/data"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 25);
    assert_eq!(
        lines[0],
        r#"{"styx_log":{"version":1,"log_id":"00000000-0000-0000-0000-000000000010","first":1,"last":23,"first_at":"2026-03-29T06:59:58.000Z","last_at":"2026-03-29T07:01:30.000Z","env":"redacted"}}"#
    );
    assert_eq!(
        lines[12],
        r#"{"position":12,"decision":12,"at":"2026-03-29T07:00:00.152Z","epoch":5,"fact":{"run":{"component":"examples","workflow":"best-product","parameter":"2026-03-29T06","counter":5,"event":{"terminate":{"exit_code":20}}}},"cause":{"executor":{"runner":"local","observed":{"exited":{"code":20}},"evidence":"{\"pid\":4711,\"env\":[{\"name\":\"TOKEN\",\"value\":\"***\"}]}"}}}"#
    );
    assert!(lines[24].starts_with(r#"{"end":{"records":23,"sha256":""#), "{}", lines[24]);
    assert!(out.contains("TOKEN") && !out.contains(SECRET), "{out}");
    assert_eq!(out, done(dir.path(), &["export", "--data", "DIR/data"]), "the same log gives the same bytes");
    let with_env = done(dir.path(), &["export", "--data", "DIR/data", "--with-env"]);
    assert!(with_env.contains(SECRET) && with_env.contains(r#""env":"included""#), "{with_env}");

    let part = done(dir.path(), &["export", "--data", "DIR/data", "--from", "5", "--to", "7"]);
    let positions: Vec<u64> =
        part.lines().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["position"].as_u64()).collect();
    assert_eq!(positions, [5, 6, 7]);
    let (code, out, notes) = run(dir.path(), &["export", "--data", "DIR/data", "--from", "24"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(notes, "styx-server: there is no record from 24 to 23: the log ends at 23\n");
}

#[test]
fn a_file_is_there_only_when_it_is_whole() {
    let dir = story();
    let file = dir.path().join("export.jsonl");
    done(dir.path(), &["export", "--data", "DIR/data", "--output", "DIR/export.jsonl"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), done(dir.path(), &["export", "--data", "DIR/data"]));
    let (code, _, notes) = run(dir.path(), &["export", "--data", "DIR/data", "--output", "DIR/no/export.jsonl"]);
    assert_eq!(code, 2);
    assert!(notes.starts_with("styx-server: writing DIR/no/export.jsonl: No such file"), "{notes}");
    let (code, ..) = run(dir.path(), &["export", "--data", "DIR/data", "--from", "99", "--output", "DIR/export.jsonl"]);
    assert_eq!((code, names(dir.path())), (2, vec!["data".to_owned(), "export.jsonl".to_owned()]));
}

#[test]
fn a_log_goes_round() {
    let dir = story();
    done(dir.path(), &["export", "--data", "DIR/data", "--with-env", "--output", "DIR/one"]);
    let out = done(dir.path(), &["import", "--data", "DIR/new", "DIR/one"]);
    let without_hash: Vec<&str> = out.lines().filter(|line| !line.starts_with("head hash")).collect();
    assert_eq!(
        without_hash,
        [
            "imported 23 records into DIR/new; the log ends at 23",
            "log id     00000000-0000-0000-0000-000000000010, as the log that was exported",
            "A server on it takes the executions of that log for its own. If the other log may still be used,",
            "import with --fork instead.",
        ]
    );
    done(dir.path(), &["export", "--data", "DIR/new", "--with-env", "--output", "DIR/two"]);
    assert_eq!(fs::read(dir.path().join("one")).unwrap(), fs::read(dir.path().join("two")).unwrap());
    assert!(done(dir.path(), &["verify", "--data", "DIR/new"]).ends_with("clean\n"));
    let show = |data: &str| done(dir.path(), &["show", "--format", "json", "--data", data]);
    assert_eq!(show("DIR/data"), show("DIR/new"));
    assert_eq!(names(dir.path()), ["data", "new", "one", "two"]);
}

/// Nothing on the way to standard output takes texts for colours or the like.
#[test]
fn an_export_is_written_byte_for_byte() {
    let dir = story();
    let story = done(dir.path(), &["export", "--data", "DIR/data"]);
    let mut reader = ExportReader::begin(story.as_bytes()).unwrap();
    let mut writer = ExportWriter::begin(Vec::new(), reader.header()).unwrap();
    while let Some(mut record) = reader.next_record().unwrap() {
        if let Fact::Run(_, RunEvent::Styx { event: Event::Halt { reason }, .. }) = &mut record.fact {
            *reason = Some("\u{9b}31m\u{1b}[31m\u{90}x\u{9c}\u{7f}\u{fffd}".into());
        }
        writer.add(&record).unwrap();
    }
    fs::write(dir.path().join("one"), writer.finish().unwrap()).unwrap();
    done(dir.path(), &["import", "--data", "DIR/new", "DIR/one"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx-server"));
    let output = command.args(["log", "export", "--data"]).arg(dir.path().join("new")).output().unwrap();
    assert_eq!(output.stdout, fs::read(dir.path().join("one")).unwrap());
}

#[test]
fn a_redacted_export_can_be_imported_and_a_fork_has_its_own_name() {
    let dir = story();
    done(dir.path(), &["export", "--data", "DIR/data", "--output", "DIR/one"]);
    let out = done(dir.path(), &["import", "--data", "DIR/new", "--fork", "DIR/one"]);
    assert!(out.contains("the log ends at 24\n"), "{out}");
    assert!(out.contains(", a fork of 00000000-0000-0000-0000-000000000010\n"), "{out}");
    assert!(out.contains("were redacted: *** stands in their place"), "{out}");
    let report: Value =
        serde_json::from_str(&done(dir.path(), &["verify", "--data", "DIR/new", "--format", "json"])).unwrap();
    assert_eq!((&report["clean"], &report["records"]["log.forked"]), (&true.into(), &1.into()));
    assert_ne!(report["log_id"], "00000000-0000-0000-0000-000000000010");
}

#[test]
fn what_is_not_right_is_refused_and_leaves_nothing() {
    let dir = story();
    let whole = done(dir.path(), &["export", "--data", "DIR/data"]);
    let refused = |text: &str| {
        fs::write(dir.path().join("one"), text).unwrap();
        let (code, out, notes) = run(dir.path(), &["import", "--data", "DIR/new", "DIR/one"]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert_eq!(names(dir.path()), ["data", "one"]);
        notes.strip_suffix("; nothing was imported\n").unwrap().strip_prefix("styx-server: ").unwrap().to_owned()
    };
    let cut: String = whole.split_inclusive('\n').take(20).collect();
    assert_eq!(
        refused(&cut),
        "DIR/one: the file ends after line 20 without the last line that an export has: it was cut"
    );
    let changed = refused(&whole.replace("by\\nann", "by\\nbob"));
    assert!(changed.starts_with("DIR/one: line 25: end.sha256: the lines before give "), "{changed}");
    assert_eq!(
        refused(&whole.replace(r#""exit_code":20"#, r#""exit_code":"20""#)),
        r#"DIR/one: line 13: fact.run.event.terminate.exit_code: invalid type: string "20", expected i32 (column 213)"#
    );
    // A record that can't follow: the run has started already.
    let again = whole.replace(r#"{"terminate":{"exit_code":20}}"#, r#""started""#);
    assert_eq!(
        refused(&again),
        "DIR/one: line 13: record 12: examples#best-product#2026-03-29T06 received started while in RUNNING"
    );
    let part = done(dir.path(), &["export", "--data", "DIR/data", "--from", "5"]);
    assert_eq!(
        refused(&part),
        "DIR/one: line 1: styx_log.first: the export begins with record 5, and a log can't be folded without the records \
         before: export it without --from"
    );
    fs::write(dir.path().join("one"), &whole).unwrap();
    let (code, _, notes) = run(dir.path(), &["import", "--data", "DIR/data", "DIR/one"]);
    assert_eq!(code, 2);
    assert!(notes.starts_with("styx-server: DIR/data isn't empty: name a folder that doesn't exist yet"), "{notes}");
    assert!(done(dir.path(), &["verify", "--data", "DIR/data"]).ends_with("clean\n"));
}

#[test]
fn an_import_that_is_killed_leaves_nothing_that_looks_like_a_log() {
    let dir = story();
    let whole = done(dir.path(), &["export", "--data", "DIR/data"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_styx-server"))
        .args(["log", "import", "--data"])
        .arg(dir.path().join("new"))
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // All but the last line, so that it waits with all records taken.
    let records = whole.split_inclusive('\n').take(24).collect::<String>();
    input.write_all(records.as_bytes()).unwrap();
    // The beginning of a last line, longer than a pipe: once it is written, the records before it have been taken.
    input.write_all(&vec![b' '; 1 << 20]).unwrap();
    while !names(dir.path()).iter().any(|name| name.starts_with("new.importing-")) {
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = names(dir.path());
    assert!(!left.contains(&"new".to_owned()), "{left:?}");
    let unfinished = format!("DIR/{}", left.iter().find(|name| name.starts_with("new.importing-")).unwrap());
    let (code, out, notes) = run(dir.path(), &["show", "--data", &unfinished]);
    assert!(code != 0 && out.is_empty(), "{out} {notes}");
    // The name is free, and the next import doesn't mind what is left.
    fs::write(dir.path().join("one"), whole).unwrap();
    done(dir.path(), &["import", "--data", "DIR/new", "DIR/one"]);
}

#[test]
fn an_import_into_an_empty_folder_fills_it_where_it_is() {
    let dir = story();
    let whole = done(dir.path(), &["export", "--data", "DIR/data"]);
    fs::write(dir.path().join("one"), &whole).unwrap();
    fs::write(dir.path().join("cut"), whole.split_inclusive('\n').take(9).collect::<String>()).unwrap();
    // A volume can't be renamed, and neither can what a link leads to under the link's name.
    let volume = dir.path().join("volume");
    fs::create_dir(&volume).unwrap();
    symlink("volume", dir.path().join("link")).unwrap();
    let before = fs::metadata(&volume).unwrap().ino();
    let (code, _, notes) = run(dir.path(), &["import", "--data", "DIR/link", "DIR/cut"]);
    assert!(code == 2 && notes.ends_with("; nothing was imported\n"), "{notes}");
    assert_eq!(names(&volume), Vec::<String>::new());
    done(dir.path(), &["import", "--data", "DIR/link", "DIR/one"]);
    assert_eq!(fs::metadata(&volume).unwrap().ino(), before);
    assert!(done(dir.path(), &["verify", "--data", "DIR/volume"]).ends_with("clean\n"));
}

const CONFIG: &str = "executor = \"fake\"\nmissing_dependencies_delay = \"PT0.1S\"\nbackoff.base = \"PT0.1S\"\n";

/// The log of a real server, on which runs were triggered, tried again and halted.
fn lived(dir: &Path) {
    let config = dir.join("styx.toml");
    fs::write(&config, CONFIG).unwrap();
    let data = dir.join("data");
    let folder = dir.join("workflows");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("f.yaml"), "id: w\nschedule: '* * * * *'\ndocker_image: busybox\n").unwrap();
    let args = ["--config", config.to_str().unwrap(), "--workflows", folder.to_str().unwrap()];
    let server = Server::start_with(&data, &args);
    server.store("c", "w", "hours", r#"{"STYX_FAKE_EXIT_CODES":"1,20,0"}"#);
    server.store("c", "long", "days", common::LONG);
    assert_eq!(server.ask("PATCH", "/api/v3/workflows/c/w/state", &[], Some(r#"{"enabled":true}"#)).status, 200);
    let minute = r#"{"next_natural_trigger":"2024-01-01T00:00:00Z"}"#;
    assert_eq!(server.ask("PATCH", "/api/v3/workflows/f/w/state", &[], Some(minute)).status, 200);
    assert_eq!(server.trigger("c", "w", "2024-01-01T05").status, 200);
    let body = r#"{"workflow_id":{"component_id":"c","id":"long"},"parameter":"2999-01-01T07:30:00Z"}"#;
    assert_eq!(server.post("/api/v3/scheduler/trigger?allowFuture=true", body).status, 200);
    let ended = |json: &Value| json["events"].as_array().unwrap().iter().any(|it| it["event"]["@type"] == "success");
    server.wait_for("/api/v3/status/events/c/w/2024-01-01T05", ended);
    let running = |json: &Value| json["events"].as_array().unwrap().len() == 5;
    server.wait_for("/api/v3/status/events/c/long/2999-01-01", running);
    assert!(server.stop().success());
    let server = Server::start_with(&data, &args);
    assert_eq!(
        server
            .post(
                "/api/v3/scheduler/halt",
                r#"{"workflow_id":{"component_id":"c","id":"long"},"parameter":"2999-01-01"}"#
            )
            .status,
        200
    );
    assert_eq!(server.ask("DELETE", "/api/v3/workflows/c/long", &[], None).status, 204);
    thread::sleep(Duration::from_millis(300));
    assert!(server.stop().success());
}

#[test]
fn a_replay_of_a_lived_log_shows_no_difference_and_a_changed_configuration_exactly_its_own() {
    let dir = tempfile::tempdir().unwrap();
    lived(dir.path());
    let out = done(dir.path(), &["replay", "--data", "DIR/data"]);
    assert!(out.ends_with("no difference\n") && !out.contains("not asked"), "{out}");
    let replayed = |config: &str| {
        fs::write(dir.path().join("other.toml"), config).unwrap();
        let args = ["replay", "--data", "DIR/data", "--config", "DIR/other.toml", "--format", "json"];
        let (code, out, notes) = run(dir.path(), &args);
        assert_eq!(notes, "");
        let mut lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summary = lines.pop().unwrap();
        assert_eq!(summary["summary"]["differences"], lines.len());
        assert_eq!(code, if lines.is_empty() { 0 } else { 3 });
        lines
    };
    assert_eq!(replayed(CONFIG), [] as [Value; 0]);
    assert_eq!(replayed(&CONFIG.replace("executor = \"fake\"\n", "")), [] as [Value; 0], "flags count as recorded");
    let found =
        replayed(&CONFIG.replace("missing_dependencies_delay = \"PT0.1S\"", "missing_dependencies_delay = \"PT9M\""));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["kind"], &found[0]["decided"][0]["event"]["exit_code"]), (&"changed".into(), &20.into()));
    assert_eq!(found[0]["decided"][1]["event"]["delay_millis"], 540_000);
    let (code, out, _) = run(dir.path(), &["replay", "--data", "DIR/data", "--config", "DIR/other.toml"]);
    assert!(
        code == 3 && out.contains("    - retryAfter  Delay (seconds): 0\n    + retryAfter  Delay (seconds): 540\n"),
        "{out}"
    );
    assert!(out.ends_with("\n1 difference\n"), "{out}");
    fs::write(dir.path().join("other.toml"), "catch_op = 3\n").unwrap();
    let (code, _, notes) = run(dir.path(), &["replay", "--data", "DIR/data", "--config", "DIR/other.toml"]);
    assert!(code == 2 && notes.contains("other.toml:1:1: ") && notes.contains("`catch_op`"), "{notes}");

    // An import replays like the log that it comes from.
    done(dir.path(), &["export", "--data", "DIR/data", "--with-env", "--output", "DIR/one"]);
    done(dir.path(), &["import", "--data", "DIR/new", "--fork", "DIR/one"]);
    let out = done(dir.path(), &["replay", "--data", "DIR/new"]);
    assert!(out.contains("not asked    1 imported or forks\n") && out.ends_with("no difference\n"), "{out}");
    assert!(done(dir.path(), &["replay", "--data", "DIR/new", "--rules", "ours"]).ends_with("no difference\n"));
}

#[test]
fn an_output_keeps_what_is_at_its_path() {
    let dir = story();
    let whole = done(dir.path(), &["export", "--data", "DIR/data"]);
    let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().mode() & 0o777;
    let export = |path: &str| done(dir.path(), &["export", "--data", "DIR/data", "--output", path]);
    // A new one is private.
    export("DIR/there");
    assert_eq!(mode("there"), 0o600);
    // A link stays one.
    symlink("there", dir.path().join("link")).unwrap();
    fs::write(dir.path().join("there"), "old").unwrap();
    export("DIR/link");
    assert_eq!(fs::read_link(dir.path().join("link")).unwrap(), Path::new("there"));
    assert_eq!(fs::read_to_string(dir.path().join("there")).unwrap(), whole);
    // Devices are written to.
    let before = fs::metadata("/dev/null").unwrap();
    export("/dev/null");
    let after = fs::metadata("/dev/null").unwrap();
    assert_eq!((after.ino(), after.rdev(), after.mode()), (before.ino(), before.rdev(), before.mode()));
    let (code, _, notes) = run(dir.path(), &["export", "--data", "DIR/data", "--output", "/dev/full"]);
    assert!(code == 2 && notes.contains("No space left"), "{notes}");
    // What can't hold an export is refused.
    let (code, _, notes) = run(dir.path(), &["export", "--data", "DIR/data", "--output", "DIR"]);
    assert!(code == 2 && notes.contains("it is a folder"), "{notes}");
    // So are the log's own files, by whatever name.
    symlink("data/CURRENT", dir.path().join("current")).unwrap();
    for own in ["DIR/data/CURRENT", "DIR/data/new.jsonl", "DIR/data/../data/styx.lock", "DIR/current"] {
        let (code, _, notes) = run(dir.path(), &["export", "--data", "DIR/data", "--output", own]);
        assert!(code == 2 && notes.contains("a file of the data folder"), "{own}: {notes}");
    }
    fs::remove_file(dir.path().join("current")).unwrap();
    done(dir.path(), &["verify", "--data", "DIR/data"]);
    // A FIFO is written to.
    let fifo = dir.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let reader = thread::spawn(move || fs::read_to_string(fifo).unwrap());
    export("DIR/fifo");
    assert_eq!(reader.join().unwrap(), whole);
    assert_eq!(names(dir.path()), ["data", "fifo", "link", "there"]);
}

#[test]
fn an_import_removes_nothing_that_it_did_not_make() {
    let dir = story();
    let whole = done(dir.path(), &["export", "--data", "DIR/data"]);
    let volume = dir.path().join("volume");
    fs::create_dir(&volume).unwrap();
    // Something comes into the folder while the import runs, which then fails.
    let mut child = Command::new(env!("CARGO_BIN_EXE_styx-server"))
        .args(["log", "import", "--data"])
        .arg(&volume)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(whole.split_inclusive('\n').take(9).collect::<String>().as_bytes()).unwrap();
    input.flush().unwrap();
    while names(&volume).is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    fs::write(volume.join("photo.jpg"), "dear").unwrap();
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(names(&volume), ["photo.jpg"]);
}

/// What another machine wrote is shown by every tool, however long its names are, and nothing of it acts on the terminal.
#[test]
fn a_foreign_log_is_shown_without_harm() {
    use sha2::{Digest, Sha256};
    fn rename(value: &mut Value, name: &str) {
        match value {
            Value::String(text) if text == "best-product" => *text = name.to_owned(),
            Value::Array(items) => items.iter_mut().for_each(|item| rename(item, name)),
            Value::Object(members) => members.values_mut().for_each(|value| rename(value, name)),
            _ => {}
        }
    }
    let dir = story();
    let name = format!("\u{1b}[2J\nrun x\u{202e}\u{9b}2J\u{200b}{}", "n".repeat(70_000));
    let whole = done(dir.path(), &["export", "--data", "DIR/data"]);
    let mut text = String::new();
    for line in whole.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        rename(&mut line, &name);
        if line.get("end").is_some() {
            let digest: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            line["end"]["sha256"] = digest.into();
        }
        text += &format!("{line}\n");
    }
    fs::write(dir.path().join("foreign"), text).unwrap();
    done(dir.path(), &["import", "--data", "DIR/new", "DIR/foreign"]);
    let workflow = format!("examples#{name}");
    let instance = format!("{workflow}#2026-03-29T05");
    for args in [
        &["show"][..],
        &["show", "--workflow", &workflow],
        &["show", "--workflow", "no\u{1b}[2J#such"],
        &["verify"],
        &["at", "23"],
        &["at", "23", "--runs"],
        &["at", "23", "--workflows"],
        &["at", "23", "--workflow", &workflow],
        &["at", "23", "--instance", &instance],
        &["diff", "1", "23"],
        &["step", "examples", &name, "2026-03-29T05", "--plain"],
        &["replay"],
        &["show", "--format", "json"],
        &["at", "23", "--workflows", "--format", "json"],
        &["diff", "1", "23", "--format", "json"],
    ] {
        let args = [&args[..1], &["--data", "DIR/new"], &args[1..]].concat();
        let (_, out, notes) = run(dir.path(), &args);
        for shown in [out, notes] {
            let acts = |letter: char| letter.is_control() && letter != '\n' || "\u{202e}\u{200b}".contains(letter);
            assert!(!shown.contains(acts), "{}: {:?}", args[0], shown.chars().find(|letter| acts(*letter)));
            assert!(!shown.lines().any(|line| line.starts_with("run x")), "{}: a line is forged", args[0]);
        }
    }
}
