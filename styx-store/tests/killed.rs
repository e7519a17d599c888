//! A writer that is killed, or whose disk fails, leaves whole batches and everything that it had acknowledged.
//!
//! The writer is this test's own binary, started again with `STYX_STORE_CHILD` naming the folder.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use styx_core::{id::Position, log::Log};
use styx_store::{
    RocksLog,
    conformance::{Story, assert_tells},
    verify,
};

const SEED: u64 = 77;
const LONGEST: usize = 20;

/// Writes until it is killed or fails, and says what is durable.
#[test]
fn child_writer() {
    let Some(dir) = env::var_os("STYX_STORE_CHILD") else { return };
    let mut log = RocksLog::open(dir).unwrap();
    let epoch = log.begin_epoch().unwrap();
    let mut story = Story::resume(SEED, &log.reader().read(Position(0), usize::MAX).unwrap());
    loop {
        let before = story.tail();
        let batch = story.next_batch(epoch, LONGEST);
        match log.append(epoch, before, &batch) {
            Ok(tail) => println!("\nack {tail}"),
            Err(error) => {
                assert!(log.append(epoch, before, &batch).is_err(), "a failed write ends the writer");
                assert!(log.begin_epoch().is_err(), "a failed write ends the writer");
                println!("\nfailed {error}");
                std::io::stdout().flush().unwrap();
                return;
            }
        }
        std::io::stdout().flush().unwrap();
    }
}

/// What is in the folder is the story, in whole batches, up to `acknowledged` at least.
fn assert_nothing_is_lost(dir: &Path, acknowledged: Position) -> Position {
    let log = RocksLog::open(dir).unwrap();
    assert_eq!(log.opening().rebuilt_rows, None, "rows and records are one write");
    let reader = log.rocks_reader();
    let records = log.reader().read(Position(0), usize::MAX).unwrap();
    assert!(records.len() as u64 >= acknowledged.0, "{} records, {acknowledged} acknowledged", records.len());
    let mut story = Story::new(SEED);
    while let Some(next) = records.get(story.records().len()) {
        story.next_batch(next.epoch, LONGEST);
    }
    assert_tells(&*log.reader(), &story);
    let report = verify(&reader, |_| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.damages);
    story.tail()
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut total = Position(0);
    for round in 0..12_u64 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_writer", "--nocapture"])
            .env("STYX_STORE_CHILD", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ack = |line: &String| line.strip_prefix("ack ").map(|tail| Position(tail.parse().unwrap()));
        let first = lines.by_ref().find_map(|line| ack(&line.unwrap())).expect("the child writes");
        let reader = thread::spawn(move || lines.filter_map(|line| ack(&line.ok()?)).last());
        thread::sleep(Duration::from_micros(round * round * 331 % 40_000));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        let acknowledged = reader.join().unwrap().unwrap_or(first);
        assert!(acknowledged > total, "round {round} wrote");
        total = assert_nothing_is_lost(dir.path(), acknowledged);
    }
}

/// The file system takes no more: the append fails, the writer has ended, and what it had acknowledged is there.
#[test]
fn a_write_that_fails_ends_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 256; exec "$0" --exact child_writer --nocapture"#])
        .arg(env::current_exe().unwrap())
        .env("STYX_STORE_CHILD", dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\nfailed "), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let last = text.lines().filter_map(|line| line.strip_prefix("ack ")).next_back().unwrap();
    assert_nothing_is_lost(dir.path(), Position(last.parse().unwrap()));
}
