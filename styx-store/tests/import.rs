//! A log taken over from another one, and copies of a log that is being written.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod folder;

use std::{fs, path::Path, thread};

use proptest::prelude::*;
use styx_core::{
    id::{Epoch, Position},
    log::{Log, LogReader},
    record::Record,
};
use styx_store::{
    OpenError, RocksLog,
    conformance::{Story, assert_tells},
    json::{EnvValues, ExportReader, ExportWriter, Header},
    open_read_only,
    rocks::{AddError, Importer, Mark},
    verify,
};

fn records(dir: &Path) -> Vec<Record> {
    open_read_only(dir).unwrap().read(Position::FIRST, usize::MAX).unwrap()
}

fn export(records: &[Record]) -> Vec<u8> {
    let (first, last) = (&records[0], &records[records.len() - 1]);
    let header = Header {
        log_id: uuid::Uuid::from_u128(7),
        first: first.position,
        last: last.position,
        first_at: first.at,
        last_at: last.at,
        env: EnvValues::Included,
    };
    let mut writer = ExportWriter::begin(Vec::new(), &header).unwrap();
    records.iter().for_each(|record| writer.add(record).unwrap());
    writer.finish().unwrap()
}

fn import(dir: &Path, export: &[u8]) -> Mark {
    let mut reader = ExportReader::begin(export).unwrap();
    let mut importer = Importer::create(dir).unwrap();
    while let Some(record) = reader.next_record().unwrap() {
        importer.add(record).unwrap();
    }
    importer.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Exported, imported and exported again: the same records, the same world, the same rows, the same bytes.
    #[test]
    fn a_log_comes_back_as_it_was(seed: u64, batches in 1..60_usize, longest in 1..40_usize, starts in 1..4) {
        let dir = folder::temporary();
        let mut story = Story::new(seed);
        for _ in 0..starts {
            folder::tell(&dir.path().join("one"), &mut story, batches, longest);
        }
        let exported = export(&records(&dir.path().join("one")));
        let head = import(&dir.path().join("two"), &exported);
        prop_assert_eq!(head.tail, story.tail());
        let reader = open_read_only(dir.path().join("two")).unwrap();
        assert_tells(&reader, &story);
        let report = verify(&reader, |_| {}).unwrap();
        prop_assert!(report.is_sound(), "{:?}", report.damages);
        prop_assert_eq!(report.head, Some(head.hash));
        drop(reader);
        prop_assert_eq!(export(&records(&dir.path().join("two"))), exported);
        // A writer goes on where it ends, in an epoch of its own.
        let last = story.records().last().unwrap().epoch;
        let mut log = folder::open(&dir.path().join("two")).unwrap();
        prop_assert!(log.opening().rebuilt_rows.is_none());
        let epoch = log.begin_epoch().unwrap();
        prop_assert!(epoch > last);
        let tail = story.tail();
        log.append(epoch, tail, &story.next_batch(epoch, 5)).unwrap();
    }
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let dir = folder::temporary();
    fs::write(dir.path().join("notes"), "mine").unwrap();
    assert!(matches!(Importer::create(dir.path()), Err(OpenError::NotEmpty { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn an_unfinished_one_is_no_log() {
    let dir = folder::temporary();
    let mut story = Story::new(1);
    folder::tell(&dir.path().join("one"), &mut story, 300, 40);
    let mut importer = Importer::create(dir.path().join("two")).unwrap();
    for record in story.records() {
        importer.add(record.clone()).unwrap();
    }
    drop(importer);
    let error = open_read_only(dir.path().join("two")).err().unwrap().to_string();
    assert!(error.contains("the format is damaged: it is missing"), "{error}");
    assert!(folder::open(&dir.path().join("two")).is_err());
}

#[test]
fn records_that_do_not_follow_are_refused_and_change_nothing() {
    let dir = folder::temporary();
    let mut story = Story::new(2);
    story.next_batch(Epoch(3), 1);
    story.next_batch(Epoch(3), 1);
    let [first, second] = story.records() else { panic!("two batches of one record") };
    let mut importer = Importer::create(dir.path().join("one")).unwrap();
    let gap = importer.add(second.clone()).unwrap_err();
    assert!(matches!(gap, AddError::Refused(_)), "{gap}");
    let last = importer.add(Record { epoch: Epoch(u64::MAX), ..first.clone() }).unwrap_err();
    assert!(matches!(last, AddError::OutOfBounds(_)), "{last}");
    importer.add(first.clone()).unwrap();
    let older = importer.add(Record { epoch: Epoch(2), ..second.clone() }).unwrap_err();
    assert_eq!(older.to_string(), "epoch 2 follows epoch 3");
    importer.add(second.clone()).unwrap();
    importer.finish().unwrap();
    assert_eq!(records(&dir.path().join("one")), story.records());
}

#[test]
fn a_checkpoint_holds_all_that_was_durable() {
    let dir = folder::temporary();
    let data = dir.path().join("data");
    let mut story = Story::new(5);
    folder::tell(&data, &mut story, 50, 20);
    let mut log = folder::open(&data).unwrap();
    let reader = log.rocks_reader();
    let epoch = log.begin_epoch().unwrap();
    let writer = thread::spawn(move || {
        for _ in 0..400 {
            let tail = story.tail();
            log.append(epoch, tail, &story.next_batch(epoch, 20)).unwrap();
        }
        (log, story)
    });
    let mut marks = Vec::new();
    for number in 0.. {
        let durable = reader.tail().unwrap();
        let path = dir.path().join(format!("checkpoint-{number}"));
        let mark = reader.checkpoint(&path).unwrap();
        assert!(mark.tail >= durable, "{mark:?} {durable}");
        assert_eq!(Mark::read(&path).unwrap(), Some(mark));
        marks.push((path, mark));
        if writer.is_finished() && number > 2 {
            break;
        }
    }
    let (log, story) = writer.join().unwrap();
    assert!(reader.checkpoint(&marks[0].0).is_err(), "what is there is never written over");
    drop(log);
    drop(reader);
    for (path, mark) in marks {
        let copy = open_read_only(&path).unwrap();
        let report = verify(&copy, |_| {}).unwrap();
        assert!(report.is_sound(), "{:?}", report.damages);
        assert_eq!((report.tail, report.head), (mark.tail, Some(mark.hash)));
        let read = copy.read(Position::FIRST, usize::MAX).unwrap();
        assert_eq!(read, story.records()[..mark.tail.0 as usize]);
        drop(copy);
        // It is a data folder like any other.
        assert_eq!(RocksLog::open(&path).unwrap().head(), mark);
    }
}
