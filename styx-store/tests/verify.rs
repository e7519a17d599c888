//! Opening, reading without writing, and what a verification says.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod folder;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
    time::{Duration, SystemTime},
};

use styx_core::{
    id::Position,
    log::Log,
    record::{Fact, LogEvent},
};
use styx_store::{
    OpenError, RocksLog,
    conformance::{Story, assert_tells},
    open_read_only,
    rocks::{HIGH_WATER_FILE, Mark, OpenOptions, Progress, free_bytes},
    verify,
};

#[test]
fn a_report_counts_what_is_there() {
    let dir = folder::temporary();
    let mut story = Story::new(3);
    let batches = folder::tell(dir.path(), &mut story, 300, 12).len() - 1;
    let reader = open_read_only(dir.path()).unwrap();
    let mut steps: Vec<Progress> = Vec::new();
    let report = verify(&reader, |progress| steps.push(progress)).unwrap();
    assert!(report.is_sound(), "{:?}", report.damages);
    assert_eq!(report.tail, story.tail());
    assert_eq!(report.batches, batches as u64);
    assert_eq!(report.records.values().sum::<u64>(), story.tail().0);
    assert!(report.records["run.submit"] > 10, "{:?}", report.records);
    assert_eq!(report.workflows, story.world().workflows().len() as u64);
    assert_eq!(report.active_runs, story.world().runs().len() as u64);
    assert_eq!(report.executions, story.world().executions().len() as u64);
    let of_world = story.world().rows().count() as u64;
    assert_eq!(report.backfills, story.world().backfills().len() as u64);
    assert_eq!(report.resources, story.world().resources().len() as u64);
    assert_eq!(report.finished + report.answered, story.rows().len() as u64 - of_world);
    assert!(report.finished > 0 && report.answered > 0 && report.backfills > 0, "{report:?}");
    assert_eq!(report.log_id, story.world().log_id());
    let (first, last) = (story.records().first().unwrap(), story.records().last().unwrap());
    assert!(matches!(first.fact, Fact::Log(LogEvent::Started { .. })));
    assert_eq!(report.span, Some((first.at, last.at)));
    assert_eq!(report.head, Mark::read(dir.path()).unwrap().map(|mark| mark.hash));
    assert_eq!(steps.last(), Some(&Progress { done: story.tail(), of: story.tail() }));
}

#[test]
fn an_empty_log_is_sound() {
    let dir = folder::temporary();
    drop(folder::open(dir.path()).unwrap());
    let report = verify(&open_read_only(dir.path()).unwrap(), |_| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.damages);
    assert_eq!(report.tail, Position(0));
}

/// Names, contents and times of all files.
fn state(dir: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let files = fs::read_dir(dir).unwrap().map(|file| {
        let file = file.unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        (file.file_name().into_string().unwrap(), (fs::read(file.path()).unwrap(), modified))
    });
    files.collect()
}

#[test]
fn reading_changes_nothing_in_the_folder() {
    let dir = folder::temporary();
    let mut story = Story::new(4);
    folder::tell(dir.path(), &mut story, 20, 5);
    folder::tell(dir.path(), &mut story, 20, 5);
    let before = state(dir.path());
    let folder_before = fs::metadata(dir.path()).unwrap().modified().unwrap();
    let reader = open_read_only(dir.path()).unwrap();
    assert_tells(&reader, &story);
    assert!(verify(&reader, |_| {}).unwrap().is_sound());
    drop(reader);
    assert!(state(dir.path()) == before, "no file differs");
    assert_eq!(fs::metadata(dir.path()).unwrap().modified().unwrap(), folder_before);
}

#[test]
fn a_folder_has_one_writer_or_readers() {
    let dir = folder::temporary();
    let mut story = Story::new(5);
    folder::tell(dir.path(), &mut story, 2, 5);
    let in_use = |error: OpenError| {
        let dir = dir.path().display();
        let expected = format!("data folder {dir} is in use by another process (pid {})", std::process::id());
        assert_eq!(error.to_string(), expected);
    };
    let log = folder::open(dir.path()).unwrap();
    in_use(folder::open(dir.path()).unwrap_err());
    in_use(open_read_only(dir.path()).map(drop).unwrap_err());
    let reader = log.reader();
    drop(log);
    in_use(folder::open(dir.path()).unwrap_err());
    drop(reader);
    let (one, two) = (open_read_only(dir.path()).unwrap(), open_read_only(dir.path()).unwrap());
    in_use(folder::open(dir.path()).unwrap_err());
    drop((one, two));
    folder::open(dir.path()).unwrap();
}

/// What can be tried by the administrator only.
fn is_administrator() -> bool {
    fs::metadata("/proc/self").is_ok_and(|of_this| of_this.uid() == 0)
}

#[test]
fn a_log_of_another_user_is_read_but_not_written() {
    if !is_administrator() {
        // Not by eprintln, which a test that passes doesn't show.
        let said = b"a_log_of_another_user_is_read_but_not_written: NOT run, only root can give files away\n";
        std::io::Write::write_all(&mut std::io::stderr(), said).unwrap();
        return;
    }
    let dir = folder::temporary();
    drop(folder::open(dir.path()).unwrap());
    for name in ["styx.lock", "CURRENT"] {
        let path = dir.path().join(name);
        chown(&path, Some(65_534), None).unwrap();
        let error = folder::open(dir.path()).unwrap_err();
        assert!(matches!(&error, OpenError::NotOurs { owner: 65_534, user: 0, .. }), "{error}");
        assert!(error.to_string().contains("run this as user 65534"), "{error}");
        assert_eq!(fs::metadata(&path).unwrap().uid(), 65_534);
        drop(open_read_only(dir.path()).unwrap());
        chown(&path, Some(0), None).unwrap();
    }
    folder::open(dir.path()).unwrap();
}

#[test]
fn what_may_not_be_looked_into_is_not_said_to_hold_no_log() {
    let dir = folder::temporary();
    // A link to itself leads nowhere, for the administrator too.
    let data = dir.path().join("data");
    symlink("data", &data).unwrap();
    let error = open_read_only(&data).map(drop).unwrap_err().to_string();
    assert!(error.starts_with(&format!("looking into {}: ", data.display())), "{error}");
}

#[test]
fn a_new_folder_is_private_and_a_folder_without_a_log_is_named() {
    let dir = folder::temporary();
    let data = dir.path().join("a/data");
    let error = open_read_only(&data).map(drop).unwrap_err();
    assert_eq!(error.to_string(), format!("{} holds no log", data.display()));
    assert!(folder::open(&data).unwrap().opening().created);
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!folder::open(&data).unwrap().opening().created);
    assert!(free_bytes(&data).unwrap() > 0);
}

#[test]
fn another_format_is_refused_in_one_line() {
    let dir = folder::temporary();
    let mut story = Story::new(6);
    folder::tell(dir.path(), &mut story, 2, 5);
    let newer = "has format 7; this program knows format 4: use a newer program";
    let older = "has format 3, of an unreleased version before 0.1.0: export it with the program that wrote it and \
                 import that, or begin anew in another folder";
    for (format, expected) in [(7_u32, newer), (3, older)] {
        with_database(dir.path(), |db| {
            db.put_cf(db.cf_handle("meta").unwrap(), b"format", format.to_be_bytes()).unwrap();
        });
        let expected = format!("data folder {} {expected}", dir.path().display());
        assert_eq!(folder::open(dir.path()).unwrap_err().to_string(), expected);
        assert_eq!(open_read_only(dir.path()).map(drop).unwrap_err().to_string(), expected);
    }
}

/// Changes a folder behind the log's back.
fn with_database(dir: &Path, change: impl FnOnce(&rocksdb::DB)) {
    let names = rocksdb::DB::list_cf(&rocksdb::Options::default(), dir).unwrap();
    let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir, names).unwrap();
    change(&db);
}

#[test]
fn rows_of_another_version_are_rebuilt() {
    for change in [
        |db: &rocksdb::DB| db.put_cf(db.cf_handle("meta").unwrap(), b"rows", [0]).unwrap(),
        |db: &rocksdb::DB| db.delete_cf(db.cf_handle("meta").unwrap(), b"rows").unwrap(),
        |db: &rocksdb::DB| db.delete_range_cf(db.cf_handle("rows").unwrap(), [0], [255]).unwrap(),
        |db: &rocksdb::DB| db.put_cf(db.cf_handle("rows").unwrap(), [1], [255; 20]).unwrap(),
    ] {
        let dir = folder::temporary();
        let mut story = Story::new(7);
        folder::tell(dir.path(), &mut story, 200, 12);
        with_database(dir.path(), change);
        assert!(!verify(&open_read_only(dir.path()).unwrap(), |_| {}).unwrap().is_sound());
        let mut notices = Vec::new();
        let log = RocksLog::open_with(dir.path(), &OpenOptions::default(), &mut |notice| notices.push(notice)).unwrap();
        assert!(log.opening().rebuilt_rows.is_some());
        assert!(notices.last().unwrap().to_string().starts_with("rebuilding the rows from the log, since "));
        assert_tells(&*log.reader(), &story);
        drop(log);
        let report = verify(&open_read_only(dir.path()).unwrap(), |_| {}).unwrap();
        assert!(report.is_sound(), "{:?}", report.damages);
        assert_eq!(folder::open(dir.path()).unwrap().opening().rebuilt_rows, None);
    }
}

#[test]
fn records_without_rows_get_them_on_open() {
    let dir = folder::temporary();
    let mut story = Story::new(8);
    let mut log = folder::open(dir.path()).unwrap();
    let epoch = log.begin_epoch().unwrap();
    for _ in 0..50 {
        let before = story.tail();
        let mut batch = story.next_batch(epoch, 12);
        batch.rows.clear();
        log.append(epoch, before, &batch).unwrap();
    }
    drop(log);
    let log = folder::open(dir.path()).unwrap();
    assert_eq!(log.opening().rebuilt_rows.as_deref(), Some("they are missing"));
    assert_tells(&*log.reader(), &story);
}

#[test]
fn each_damage_is_named() {
    type Change = fn(&rocksdb::DB);
    let cases: [(Change, &str, &str); 9] = [
        (|db| db.delete_cf(db.cf_handle("log").unwrap(), 9_u64.to_be_bytes()).unwrap(), "record 9", "it is missing"),
        (
            |db| {
                let log = db.cf_handle("log").unwrap();
                let mut bytes = db.get_cf(log, 9_u64.to_be_bytes()).unwrap().unwrap();
                bytes[20] ^= 1;
                db.put_cf(log, 9_u64.to_be_bytes(), bytes).unwrap();
            },
            "record 9",
            "the checksum is",
        ),
        (
            |db| {
                let log = db.cf_handle("log").unwrap();
                let other = db.get_cf(log, 10_u64.to_be_bytes()).unwrap().unwrap();
                db.put_cf(log, 9_u64.to_be_bytes(), other).unwrap();
            },
            "record 9",
            "record 10 stands there",
        ),
        (
            |db| {
                let batches = db.cf_handle("batches").unwrap();
                let mut value = db.get_cf(batches, 1_u64.to_be_bytes()).unwrap().unwrap();
                value[35] ^= 1;
                db.put_cf(batches, 1_u64.to_be_bytes(), value).unwrap();
            },
            "batch 1",
            "its chain hash is",
        ),
        (|db| db.delete_cf(db.cf_handle("batches").unwrap(), 1_u64.to_be_bytes()).unwrap(), "batch 1", "it is missing"),
        (
            |db| {
                let key = [&[1_u8][..], &1_u64.to_be_bytes()].concat();
                db.delete_cf(db.cf_handle("by_subject").unwrap(), key).unwrap();
            },
            "record 1",
            "it isn't in the index of log",
        ),
        (
            |db| {
                let key = [&[2_u8][..], &1_u64.to_be_bytes()].concat();
                db.put_cf(db.cf_handle("by_subject").unwrap(), key, []).unwrap();
            },
            "index by subject",
            "records instead of",
        ),
        (|db| db.delete_cf(db.cf_handle("rows").unwrap(), [2]).unwrap(), "row Config", "it is missing"),
        (
            |db| {
                let rows = db.cf_handle("rows").unwrap();
                let (key, _) = db.iterator_cf(rows, rocksdb::IteratorMode::End).next().unwrap().unwrap();
                db.put_cf(rows, key, [1, 2, 3]).unwrap();
            },
            "row Answered(",
            "it isn't what the log folds to",
        ),
    ];
    for (change, place, problem) in cases {
        let dir = folder::temporary();
        let mut story = Story::new(9);
        folder::tell(dir.path(), &mut story, 100, 8);
        with_database(dir.path(), change);
        let report = verify(&open_read_only(dir.path()).unwrap(), |_| {}).unwrap();
        let damage = report.damages.first().expect("the damage is found");
        assert!(damage.place.starts_with(place), "{damage:?} at {place}");
        assert!(damage.problem.contains(problem), "{damage:?}: {problem}");
        assert_eq!(report.tail, story.tail(), "it goes on behind the damage");
    }
}

#[test]
fn a_log_that_is_shorter_than_it_was_durable_is_refused() {
    let (dir, copy) = (folder::temporary(), folder::temporary());
    let mut story = Story::new(10);
    folder::tell(dir.path(), &mut story, 5, 5);
    let shorter = story.tail();
    folder::copy(dir.path(), copy.path());
    folder::tell(dir.path(), &mut story, 5, 5);
    let longer = story.tail();
    fs::copy(dir.path().join(HIGH_WATER_FILE), copy.path().join(HIGH_WATER_FILE)).unwrap();
    let error = folder::open(copy.path()).unwrap_err();
    assert!(matches!(error, OpenError::Shortened { tail, durable, .. } if tail == shorter && durable == longer));
    let start = format!("the log ends at {shorter}, but {longer} was durable before: records are missing");
    assert!(error.to_string().starts_with(&start), "{error}");
    let report = verify(&open_read_only(copy.path()).unwrap(), |_| {}).unwrap();
    assert_eq!(report.damages[0].place, HIGH_WATER_FILE);
    fs::remove_file(copy.path().join(HIGH_WATER_FILE)).unwrap();
    assert_eq!(folder::open(copy.path()).unwrap().opening().tail, shorter);
}

#[test]
fn another_history_than_the_durable_one_is_refused() {
    let (one, two) = (folder::temporary(), folder::temporary());
    let (mut first, mut second) = (Story::new(11), Story::new(12));
    folder::tell(one.path(), &mut first, 5, 1);
    folder::tell(two.path(), &mut second, 9, 1);
    fs::copy(one.path().join(HIGH_WATER_FILE), two.path().join(HIGH_WATER_FILE)).unwrap();
    let error = folder::open(two.path()).unwrap_err();
    assert!(matches!(error, OpenError::Rewritten { durable: Position(5), .. }), "{error}");
}

#[test]
fn the_mark_follows_the_log_within_its_time() {
    let dir = folder::temporary();
    let options = OpenOptions::default().high_water_every(Duration::from_millis(1));
    let mut log = RocksLog::open_with(dir.path(), &options, &mut |_| {}).unwrap();
    let epoch = log.begin_epoch().unwrap();
    let mut story = Story::new(13);
    log.append(epoch, Position(0), &story.next_batch(epoch, 3)).unwrap();
    let deadline = SystemTime::now() + Duration::from_secs(20);
    while Mark::read(dir.path()).unwrap() != Some(log.head()) {
        assert!(SystemTime::now() < deadline, "the mark is written while the log is idle");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(log.head().tail, log.reader().tail().unwrap());
}
