//! Cut and flipped bytes: what is read is true, or nothing is read.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod folder;

use std::{fs, path::Path};

use styx_core::{id::Position, log::LogReader};
use styx_store::{
    OpenError,
    conformance::Story,
    open_read_only,
    rocks::{HIGH_WATER_FILE, RocksReader},
    verify,
};

/// Whatever can be read is a part of the truth, and a log that is verified as sound is a start of it.
fn assert_true(reader: &RocksReader, truth: &Story, tails: &[Position], case: &str) -> bool {
    let mut position = Position::FIRST;
    while let Ok(records) = reader.read(position, 1)
        && let Some(record) = records.first()
    {
        assert_eq!(Some(record), truth.records().get(position.0 as usize - 1), "{case}");
        position = position.next();
    }
    let Ok(report) = verify(reader, |_| {}) else { return false };
    if report.is_sound() {
        assert!(tails.contains(&report.tail), "{case}: half a batch, the tail is {}", report.tail);
        assert_eq!(position, report.tail.next(), "{case}");
    }
    report.is_sound()
}

#[test]
fn a_cut_tail_leaves_whole_batches_or_is_refused() {
    let (dir, work) = (folder::temporary(), folder::temporary());
    let mut story = Story::new(21);
    folder::tell(dir.path(), &mut story, 10, 4);
    let before_last = story.clone();
    let mut tails = folder::tell(dir.path(), &mut story, 3, 1);
    tails.insert(0, before_last.tail());
    let wal = folder::files(dir.path(), "", ".log").pop().unwrap();
    let name = wal.file_name().unwrap();
    let length = fs::metadata(&wal).unwrap().len();
    assert!(length < 8_000, "the last batches are in a small file of their own: {length}");
    let (mut seen, mut refused) = (Vec::new(), 0);
    for cut in (0..length).rev() {
        let case = format!("cut at {cut} of {length}");
        let copy = work.path().join(cut.to_string());
        folder::copy(dir.path(), &copy);
        fs::File::options().write(true).open(copy.join(name)).unwrap().set_len(cut).unwrap();
        // With the mark, nothing that was durable can be missing.
        match folder::open(&copy) {
            Err(OpenError::Shortened { durable, .. }) => assert_eq!(durable, story.tail(), "{case}"),
            Err(error) => panic!("{case}: {error}"),
            Ok(log) => panic!("{case}: opened with {:?}", log.opening()),
        }
        refused += 1;
        // Without it, what is left is a start of the truth.
        fs::remove_file(copy.join(HIGH_WATER_FILE)).unwrap();
        let log = folder::open(&copy).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(log.opening().rebuilt_rows, None, "{case}");
        assert!(assert_true(&log.rocks_reader(), &story, &tails, &case), "{case}");
        seen.push(log.opening().tail);
        drop(log);
        fs::remove_dir_all(copy).unwrap();
    }
    assert_eq!(refused, length);
    seen.dedup();
    assert_eq!(seen.len(), 3, "each of the last batches is lost in turn: {seen:?}");
}

/// A folder with table files and a WAL, and copies of it with flipped bytes.
fn flip(start: &str, end: &str, cases: usize) -> (usize, usize) {
    let (dir, work) = (folder::temporary(), folder::temporary());
    let mut story = Story::new(22);
    let mut tails = folder::tell(dir.path(), &mut story, 40, 8);
    tails.extend(folder::tell(dir.path(), &mut story, 12, 8));
    let targets: Vec<_> =
        folder::files(dir.path(), start, end).into_iter().filter(|path| path.metadata().unwrap().len() > 0).collect();
    assert!(!targets.is_empty(), "{start}*{end}");
    let (mut refused, mut opened) = (0, 0);
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for number in 0..cases {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let target = &targets[number % targets.len()];
        let mut bytes = fs::read(target).unwrap();
        let at = (random >> 8) as usize % bytes.len();
        bytes[at] ^= 1 << (random % 8);
        let name = target.file_name().unwrap().to_str().unwrap();
        let case = format!("case {number}: byte {at} of {name} ({} bytes)", bytes.len());
        let copy = work.path().join(number.to_string());
        folder::copy(dir.path(), &copy);
        fs::write(copy.join(name), &bytes).unwrap();
        if is_true_after_opening(&copy, &story, &tails, &case) {
            opened += 1
        } else {
            refused += 1
        }
        fs::remove_dir_all(copy).unwrap();
    }
    (refused, opened)
}

fn is_true_after_opening(copy: &Path, story: &Story, tails: &[Position], case: &str) -> bool {
    if let Ok(reader) = open_read_only(copy) {
        assert_true(&reader, story, tails, case);
    }
    match folder::open(copy) {
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{case}");
            false
        }
        Ok(log) => {
            let sound = assert_true(&log.rocks_reader(), story, tails, case);
            // What was durable is there: the mark, written on close, saw to it.
            assert!(!sound || log.opening().tail == story.tail(), "{case}: the tail is {}", log.opening().tail);
            sound
        }
    }
}

#[test]
fn a_flipped_bit_in_the_wal_gives_no_wrong_data() {
    let (refused, opened) = flip("", ".log", 150);
    assert!(refused > 100, "{refused} refused, {opened} opened");
}

#[test]
fn a_flipped_bit_in_a_table_gives_no_wrong_data() {
    let (refused, opened) = flip("", ".sst", 150);
    assert!(refused > 50, "{refused} refused, {opened} opened");
}

#[test]
fn a_flipped_bit_in_the_manifest_gives_no_wrong_data() {
    let (refused, opened) = flip("MANIFEST", "", 150);
    assert!(refused > 100, "{refused} refused, {opened} opened");
}

#[test]
fn a_flipped_bit_in_small_files_gives_no_wrong_data() {
    flip("CURRENT", "", 40);
    flip("IDENTITY", "", 10);
    let (refused, opened) = flip(HIGH_WATER_FILE, "", 40);
    assert_eq!((refused, opened), (40, 0));
}

#[test]
fn a_missing_file_gives_no_wrong_data() {
    let dir = folder::temporary();
    let mut story = Story::new(23);
    let mut tails = folder::tell(dir.path(), &mut story, 40, 8);
    tails.extend(folder::tell(dir.path(), &mut story, 12, 8));
    for file in folder::files(dir.path(), "", "") {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("LOG") || name.starts_with("OPTIONS") || name == HIGH_WATER_FILE {
            continue;
        }
        let work = folder::temporary();
        folder::copy(dir.path(), work.path());
        fs::remove_file(work.path().join(&name)).unwrap();
        let opened = is_true_after_opening(work.path(), &story, &tails, &name);
        assert_eq!(opened, name == "IDENTITY" || name == "styx.lock" || name == "LOCK", "{name}");
    }
}
