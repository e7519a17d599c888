//! A writer that is killed, whose machine loses its power, or whose disk fails leaves whole batches and everything that it had
//! acknowledged.
//!
//! The writer is this test's own binary, started again with `STYX_STORE_CHILD` naming the folder. What a loss of power leaves,
//! `power_loss` says.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use power_loss::{Disk, Loss, syncs_so_far};
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
#[ignore = "no test: the writer that the tests here start and kill"]
fn child_writer() {
    let dir = env::var_os("STYX_STORE_CHILD").expect("only the tests here start it");
    let mut log = RocksLog::open(dir).unwrap();
    let epoch = syncs_once(|| log.begin_epoch().unwrap());
    let mut story = Story::resume(SEED, &log.reader().read(Position(0), usize::MAX).unwrap());
    loop {
        let before = story.tail();
        let batch = story.next_batch(epoch, LONGEST);
        match syncs_once(|| log.append(epoch, before, &batch)) {
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

/// Does it, and sees to it that this synced one WAL file, once: so many calls came to the operating system. Only on a disk that
/// counts them.
fn syncs_once<T>(act: impl FnOnce() -> T) -> T {
    let count = || {
        let syncs = syncs_so_far()?;
        Some(syncs.iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")).count())
    };
    let before = count();
    let result = act();
    assert_eq!(count(), before.map(|before| before + 1), "syncs of the WAL");
    result
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

fn spawn(command: &mut Command, dir: &Path) -> Child {
    let child = command.args(["--exact", "child_writer", "--ignored", "--nocapture"]).env("STYX_STORE_CHILD", dir);
    child.stdout(Stdio::piped()).spawn().unwrap()
}

/// What a writer acknowledges.
fn acknowledgements(child: &mut Child) -> impl Iterator<Item = Position> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.filter_map(|line| Some(Position(line.ok()?.strip_prefix("ack ")?.parse().unwrap())))
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut total = Position(0);
    for round in 0..12_u64 {
        let mut child = spawn(&mut Command::new(env::current_exe().unwrap()), dir.path());
        let mut acknowledged = acknowledgements(&mut child);
        let first = acknowledged.next().expect("the child writes");
        let reader = thread::spawn(move || acknowledged.last());
        thread::sleep(Duration::from_micros(round * round * 331 % 40_000));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        let acknowledged = reader.join().unwrap().unwrap_or(first);
        assert!(acknowledged > total, "round {round} wrote");
        total = assert_nothing_is_lost(dir.path(), acknowledged);
    }
}

/// In the first round the folder itself is new. Each round opens what the one before left, so its start is on this disk too, and
/// in every third the power goes before the start is over.
#[test]
fn a_loss_of_power_takes_nothing_that_was_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let (root, copy) = (place.path().join("disk"), place.path().join("copy"));
    std::fs::create_dir(&root).unwrap();
    let (disk, data) = (Disk::new(&root), root.join("data"));
    let mut total = Position(0);
    for round in 0..18_u16 {
        let mut child = spawn(Command::new(env::current_exe().unwrap()).envs(disk.environment()), &data);
        let mut acknowledged = acknowledgements(&mut child);
        let first = if round % 3 == 2 { total } else { acknowledged.next().expect("the child writes") };
        let reader = thread::spawn(move || acknowledged.last());
        thread::sleep(Duration::from_micros(u64::from(round) * u64::from(round) * 331 % 40_000));
        disk.lose_power(match round % 4 {
            0 | 1 => Loss::AllUnsynced,
            2 => Loss::Contents,
            _ => Loss::PartOfAppends(round * 317 % 1000),
        });
        assert_eq!(child.wait().unwrap().signal(), Some(9), "the writer ended by itself");
        let acknowledged = reader.join().unwrap().unwrap_or(first);
        // A look at the log writes: what is opened next shall be what was left.
        let copied = Command::new("cp").arg("-a").args([&data, &copy]).status().unwrap();
        assert!(copied.success());
        total = assert_nothing_is_lost(&copy, acknowledged);
        std::fs::remove_dir_all(&copy).unwrap();
    }
    assert!(total > Position(0), "no round wrote");
}

/// The file system takes no more: the append fails, the writer has ended, and what it had acknowledged is there.
#[test]
fn a_write_that_fails_ends_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 256; exec "$0" --exact child_writer --ignored --nocapture"#])
        .arg(env::current_exe().unwrap())
        .env("STYX_STORE_CHILD", dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\nfailed "), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let last = text.lines().filter_map(|line| line.strip_prefix("ack ")).next_back().unwrap();
    assert_nothing_is_lost(dir.path(), Position(last.parse().unwrap()));
}
