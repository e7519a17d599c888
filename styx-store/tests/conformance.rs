//! Both logs keep the contract.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use styx_core::{
    id::Position,
    log::{Batch, Log, LogError},
};
use styx_store::{
    MemoryLog, MemoryStorage, RocksLog,
    conformance::{self, Story, assert_tells},
};

#[test]
fn the_log_in_memory_keeps_the_contract() {
    let storage = MemoryStorage::new();
    conformance::run(|| Box::new(MemoryLog::open(&storage)));
}

#[test]
fn the_log_on_rocksdb_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    conformance::run(|| Box::new(RocksLog::open(dir.path().join("data")).unwrap()));
}

/// Only in memory can two writers have the storage open at once.
#[test]
fn a_writer_that_was_overtaken_is_fenced() {
    let storage = MemoryStorage::new();
    let mut story = Story::new(1);
    let (mut old, mut new) = (MemoryLog::open(&storage), MemoryLog::open(&storage));
    let mine = old.begin_epoch().unwrap();
    old.append(mine, Position(0), &story.next_batch(mine, 5)).unwrap();
    let newer = new.begin_epoch().unwrap();
    let batch = story.clone().next_batch(mine, 5);
    assert_eq!(old.append(mine, story.tail(), &batch), Err(LogError::Fenced { mine, newer }));
    let before = story.tail();
    let batch = story.next_batch(newer, 5);
    new.append(newer, before, &batch).unwrap();
    assert_tells(&*old.reader(), &story);
}

#[test]
fn an_epoch_that_has_not_begun_and_rows_without_a_record_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let in_memory = || Box::new(MemoryLog::new()) as Box<dyn Log>;
    let on_rocksdb = || Box::new(RocksLog::open(dir.path()).unwrap()) as Box<dyn Log>;
    for open in [&in_memory as &dyn Fn() -> Box<dyn Log>, &on_rocksdb] {
        let mut log = open();
        let epoch = log.begin_epoch().unwrap();
        assert!(log.append(epoch.next(), Position(0), &Batch::default()).is_err());
        drop(log);
        let mut log = open();
        let epoch = log.begin_epoch().unwrap();
        let rows = Story::new(1).next_batch(epoch, 1).rows;
        assert!(log.append(epoch, Position(0), &Batch { records: vec![], rows }).is_err());
    }
}
