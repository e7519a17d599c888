//! What every log holds, as a suite that any implementation runs: each function is a sentence of the contract.
//!
//! ```
//! use styx_store::{conformance, memory::{MemoryLog, MemoryStorage}};
//!
//! let storage = MemoryStorage::new();
//! conformance::run(|| Box::new(MemoryLog::open(&storage)));
//! ```

mod story;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use styx_core::{
    id::{Epoch, Position},
    log::{Batch, Log, LogError, LogReader},
    record::{Record, Subject},
    world::{Row, RowKey, RowScope, World},
};

pub use self::story::Story;

/// The seed of the suite's story; any other must do as well.
const SEED: u64 = 20_240_506;

/// Runs the suite. The storage is empty at first; `open` opens it, and opens the same again whenever it is called. What was
/// opened before is dropped by then, with its readers.
///
/// # Panics
///
/// When the log breaks its contract.
pub fn run(mut open: impl FnMut() -> Box<dyn Log>) {
    let mut suite = Suite { story: Story::new(SEED), open: &mut open };
    suite.an_empty_log_holds_nothing();
    suite.a_batch_is_there_when_append_returns();
    suite.an_empty_batch_changes_nothing();
    suite.what_was_read_reads_the_same_after_a_reopen();
    suite.another_tail_is_a_conflict_and_ends_the_writer();
    suite.records_of_another_place_or_epoch_fail_and_nothing_of_the_batch_is_there();
    suite.rows_alone_are_refused();
    suite.an_older_epoch_is_fenced();
    suite.each_epoch_is_newer_than_all_before();
    suite.readers_on_other_threads_see_whole_batches();
    suite.rows_are_replaced_and_removed();
    suite.a_snapshot_stays_as_it_is();
}

/// Compares everything that a reader gives with a story.
///
/// # Panics
///
/// When anything differs.
pub fn assert_tells(reader: &dyn LogReader, story: &Story) {
    assert_eq!(reader.tail(), Ok(story.tail()), "the tail");
    assert_eq!(reader.first(), Ok(Position::FIRST), "nothing was archived");
    assert_records(reader, story);
    assert_histories(reader, story);
    assert_rows(reader, story);
}

struct Suite<'a> {
    story: Story,
    open: &'a mut dyn FnMut() -> Box<dyn Log>,
}

impl Suite<'_> {
    fn open(&mut self) -> (Box<dyn Log>, Epoch) {
        let mut log = (self.open)();
        let epoch = log.begin_epoch().expect("an epoch begins");
        (log, epoch)
    }

    fn tell(&mut self, log: &mut dyn Log, epoch: Epoch, batches: usize, longest: usize) {
        for _ in 0..batches {
            let before = self.story.tail();
            let batch = self.story.next_batch(epoch, longest);
            let tail = log.append(epoch, before, &batch).expect("the batch follows");
            assert_eq!(tail, self.story.tail(), "append returns the new tail");
            assert_eq!(log.reader().tail(), Ok(tail), "a reader sees it at once");
        }
    }

    fn an_empty_log_holds_nothing(&mut self) {
        let (log, _) = self.open();
        assert_tells(&*log.reader(), &self.story);
    }

    fn a_batch_is_there_when_append_returns(&mut self) {
        let (mut log, epoch) = self.open();
        for _ in 0..8 {
            self.tell(&mut *log, epoch, 4, 6);
            assert_tells(&*log.reader(), &self.story);
        }
    }

    fn an_empty_batch_changes_nothing(&mut self) {
        let (mut log, epoch) = self.open();
        let tail = self.story.tail();
        assert_eq!(log.append(epoch, tail, &Batch::default()), Ok(tail));
        assert_tells(&*log.reader(), &self.story);
    }

    fn what_was_read_reads_the_same_after_a_reopen(&mut self) {
        let (log, _) = self.open();
        assert_tells(&*log.reader(), &self.story);
        let from_rows = World::from_rows(scan_all(&*log.reader(), &RowScope::World)).expect("rows fit their keys");
        assert_eq!(from_rows, *self.story.world(), "the world from its rows");
    }

    fn another_tail_is_a_conflict_and_ends_the_writer(&mut self) {
        for wrong in [Position(0), Position(self.story.tail().0 - 1), self.story.tail().next()] {
            let (mut log, epoch) = self.open();
            let found = self.story.tail();
            let batch = self.story.clone().next_batch(epoch, 3);
            let answer = log.append(epoch, wrong, &batch);
            assert_eq!(answer, Err(LogError::Conflict { expected: wrong, found }));
            assert_ended(&mut *log, epoch, found, &batch);
            drop(log);
            let (log, _) = self.open();
            assert_tells(&*log.reader(), &self.story);
        }
    }

    fn records_of_another_place_or_epoch_fail_and_nothing_of_the_batch_is_there(&mut self) {
        type Change = fn(&mut [Record]);
        let changes: [Change; 5] = [
            |records| records.iter_mut().for_each(|record| record.position = record.position.next()),
            |records| records[2..].iter_mut().for_each(|record| record.position = record.position.next()),
            |records| records[3].position = records[2].position,
            |records| records[1].epoch = Epoch(records[1].epoch.0 - 1),
            |records| records[3].epoch = records[3].epoch.next(),
        ];
        for change in changes {
            let (mut log, epoch) = self.open();
            let tail = self.story.tail();
            let mut batch = self.story.clone().next_batch(epoch, 1);
            for _ in 0..3 {
                let mut next = batch.records[0].clone();
                next.position = Position(tail.0 + 1 + batch.records.len() as u64);
                batch.records.push(next);
            }
            change(&mut batch.records);
            let answer = log.append(epoch, tail, &batch);
            assert!(matches!(answer, Err(LogError::Failed { .. })), "{answer:?}");
            assert_ended(&mut *log, epoch, tail, &self.story.clone().next_batch(epoch, 1));
            drop(log);
            let (log, _) = self.open();
            assert_tells(&*log.reader(), &self.story);
        }
    }

    fn rows_alone_are_refused(&mut self) {
        let (mut log, epoch) = self.open();
        let tail = self.story.tail();
        let rows = self.story.rows().keys().map(|key| (key.clone(), None)).collect();
        let answer = log.append(epoch, tail, &Batch { records: Vec::new(), rows });
        assert!(matches!(answer, Err(LogError::Failed { .. })), "{answer:?}");
        assert_ended(&mut *log, epoch, tail, &self.story.clone().next_batch(epoch, 1));
        drop(log);
        let (log, _) = self.open();
        assert_tells(&*log.reader(), &self.story);
    }

    fn an_older_epoch_is_fenced(&mut self) {
        let (mut log, mine) = self.open();
        let newer = log.begin_epoch().expect("an epoch begins");
        assert!(newer > mine);
        let tail = self.story.tail();
        let batch = self.story.clone().next_batch(mine, 3);
        assert_eq!(log.append(mine, tail, &batch), Err(LogError::Fenced { mine, newer }));
        assert_ended(&mut *log, newer, tail, &self.story.clone().next_batch(newer, 3));
        drop(log);
        let (mut log, epoch) = self.open();
        assert_tells(&*log.reader(), &self.story);
        self.tell(&mut *log, epoch, 1, 3);
    }

    fn each_epoch_is_newer_than_all_before(&mut self) {
        let mut last = Epoch(0);
        for _ in 0..3 {
            let (mut log, epoch) = self.open();
            assert!(epoch > last, "{epoch} follows {last}");
            self.tell(&mut *log, epoch, 1, 2);
            last = log.begin_epoch().expect("an epoch begins");
            assert!(last > epoch);
        }
    }

    fn readers_on_other_threads_see_whole_batches(&mut self) {
        let (mut log, epoch) = self.open();
        let done = Arc::new(AtomicBool::new(false));
        let mut ends = BTreeSet::from([self.story.tail()]);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (reader, done) = (log.reader(), Arc::clone(&done));
                thread::spawn(move || {
                    let mut tails = BTreeSet::new();
                    while !done.load(Ordering::Acquire) {
                        let tail = reader.tail().expect("the tail can be read");
                        assert!(tails.last().is_none_or(|last| *last <= tail), "the tail never goes back");
                        tails.insert(tail);
                        let last = reader.read(tail, 1).expect("the last record can be read");
                        assert_eq!(last[0].position, tail);
                    }
                    tails
                })
            })
            .collect();
        for _ in 0..40 {
            self.tell(&mut *log, epoch, 1, 8);
            ends.insert(self.story.tail());
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            let tails = reader.join().expect("the reader saw nothing wrong");
            assert!(tails.is_subset(&ends), "no reader sees a part of a batch");
        }
        assert_tells(&*log.reader(), &self.story);
    }

    fn rows_are_replaced_and_removed(&mut self) {
        let mut keys: BTreeSet<RowKey> = self.story.rows().keys().cloned().collect();
        let (mut log, epoch) = self.open();
        self.tell(&mut *log, epoch, 60, 10);
        keys.extend(self.story.rows().keys().cloned());
        let removed = keys.iter().filter(|key| !self.story.rows().contains_key(key)).count();
        assert!(removed > 0, "the story removes rows");
        for key in &keys {
            assert_eq!(log.reader().get(key), Ok(self.story.rows().get(key).cloned()), "{key:?}");
        }
        assert_tells(&*log.reader(), &self.story);
        drop(log);
        let (log, _) = self.open();
        assert_tells(&*log.reader(), &self.story);
    }

    fn a_snapshot_stays_as_it_is(&mut self) {
        let (mut log, epoch) = self.open();
        let mut held = Vec::new();
        for _ in 0..3 {
            let snapshot = log.reader().snapshot();
            held.push((self.story.clone(), snapshot.snapshot(), snapshot));
            self.tell(&mut *log, epoch, 20, 10);
            for (story, nested, snapshot) in &held {
                assert_tells(&**snapshot, story);
                assert_tells(&**nested, story);
            }
        }
        let changed = self.story.rows().iter().filter(|(key, row)| held[0].0.rows().get(*key) != Some(*row)).count();
        assert!(changed > 0, "the story changes rows");
        // Snapshots are free to move, and outlive the writer and the reader that they were taken of.
        drop(log);
        let readers = held.into_iter().map(|(story, nested, snapshot)| {
            thread::spawn(move || {
                assert_tells(&*snapshot, &story);
                assert_tells(&*nested, &story);
            })
        });
        for reader in readers.collect::<Vec<_>>() {
            reader.join().expect("the snapshot is as it was");
        }
        let (log, _) = self.open();
        assert_tells(&*log.reader(), &self.story);
    }
}

fn assert_ended(log: &mut dyn Log, epoch: Epoch, tail: Position, batch: &Batch) {
    assert!(log.append(epoch, tail, batch).is_err(), "an error ends the writer");
    assert!(log.append(epoch, tail, &Batch::default()).is_err(), "an error ends the writer for good");
}

fn assert_records(reader: &dyn LogReader, story: &Story) {
    let all = story.records();
    assert_eq!(reader.read(Position(0), usize::MAX).as_deref(), Ok(all), "all records");
    assert_eq!(reader.read(Position::FIRST, 0), Ok(vec![]), "a limit of zero");
    assert_eq!(reader.read(story.tail().next(), 10), Ok(vec![]), "behind the tail");
    assert_eq!(reader.read(Position(u64::MAX), 10), Ok(vec![]), "at the end of all positions");
    for from in (0..all.len()).step_by(7) {
        let page = reader.read(Position(from as u64 + 1), 5);
        assert_eq!(page.as_deref(), Ok(&all[from..all.len().min(from + 5)]), "five records from {}", from + 1);
    }
}

fn assert_histories(reader: &dyn LogReader, story: &Story) {
    let subjects: BTreeSet<Subject> = story.records().iter().flat_map(|record| record.subjects()).collect();
    let absent = [Subject::Backfill("c".into()), Subject::Resource("c".into())];
    for subject in subjects.iter().chain(&absent) {
        let about: Vec<_> =
            story.records().iter().filter(|record| record.subjects().any(|found| found == *subject)).cloned().collect();
        assert_eq!(reader.history(subject, Position(0), usize::MAX), Ok(about.clone()), "history of {subject}");
        assert_eq!(reader.history(subject, Position(0), 0), Ok(vec![]), "a limit of zero");
        for (index, record) in about.iter().enumerate().step_by(3) {
            let page = about[index..about.len().min(index + 2)].to_vec();
            assert_eq!(reader.history(subject, record.position, 2), Ok(page), "two records about {subject}");
            let rest = about[index + 1..].to_vec();
            assert_eq!(reader.history(subject, record.position.next(), usize::MAX), Ok(rest), "the rest");
        }
    }
}

fn assert_rows(reader: &dyn LogReader, story: &Story) {
    for (key, row) in story.rows() {
        assert_eq!(reader.get(key).as_ref(), Ok(&Some(row.clone())), "row {key:?}");
    }
    let mut scopes = vec![RowScope::World, RowScope::Executions, RowScope::Backfills, RowScope::Resources];
    scopes.push(RowScope::Workflows { component: None });
    scopes.push(RowScope::Runs { component: None, workflow: None });
    for key in story.rows().keys() {
        let workflow = match key {
            RowKey::Workflow(id) => id,
            RowKey::Finished(id, _) | RowKey::Run(id) => id.workflow(),
            _ => continue,
        };
        let component = Some(Arc::from(workflow.component()));
        let scopes_of = [
            RowScope::Workflows { component: component.clone() },
            RowScope::Runs { component: component.clone(), workflow: None },
            RowScope::Runs { component, workflow: Some(workflow.workflow().into()) },
            RowScope::Finished { workflow: workflow.clone() },
        ];
        scopes.extend(scopes_of.into_iter().filter(|scope| !scopes.contains(scope)).collect::<Vec<_>>());
    }
    for scope in &scopes {
        let expected: Vec<(RowKey, Row)> = story
            .rows()
            .iter()
            .filter(|(key, _)| is_in_scope(scope, key))
            .map(|(key, row)| (key.clone(), row.clone()))
            .collect();
        assert_eq!(reader.scan(scope, None, usize::MAX), Ok(expected.clone()), "{scope:?}");
        assert_eq!(reader.scan(scope, None, 0), Ok(vec![]), "a limit of zero");
        assert_eq!(scan_all(reader, scope), expected, "{scope:?}, page by page");
        // Paging goes on from any key, also one that isn't there or lies outside.
        for (after, _) in story.rows().iter().step_by(5) {
            let rest: Vec<_> = expected.iter().filter(|(key, _)| key > after).take(3).cloned().collect();
            assert_eq!(reader.scan(scope, Some(after), 3), Ok(rest), "{scope:?} after {after:?}");
        }
    }
}

fn scan_all(reader: &dyn LogReader, scope: &RowScope) -> Vec<(RowKey, Row)> {
    let mut rows: Vec<(RowKey, Row)> = Vec::new();
    loop {
        let after = rows.last().map(|(key, _)| key.clone());
        let page = reader.scan(scope, after.as_ref(), 3).expect("rows can be read");
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

/// What the documentation of the scopes says, in its own words here: the suite shall not share a mistake of the stores.
fn is_in_scope(scope: &RowScope, key: &RowKey) -> bool {
    match (scope, key) {
        (RowScope::World, RowKey::Finished(..) | RowKey::Answered(_)) => false,
        (RowScope::World, _)
        | (RowScope::Executions, RowKey::Execution(_))
        | (RowScope::Backfills, RowKey::Backfill(_))
        | (RowScope::Resources, RowKey::Resource(_)) => true,
        (RowScope::Workflows { component: None }, RowKey::Workflow(_)) => true,
        (RowScope::Workflows { component: Some(component) }, RowKey::Workflow(id)) => **component == *id.component(),
        (RowScope::Runs { component, workflow }, RowKey::Run(id)) => {
            component.as_ref().is_none_or(|component| **component == *id.workflow().component())
                && workflow.as_ref().is_none_or(|workflow| **workflow == *id.workflow().workflow())
        }
        (RowScope::Finished { workflow }, RowKey::Finished(id, _)) => id.workflow() == workflow,
        _ => false,
    }
}
