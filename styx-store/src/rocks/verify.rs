//! Verifying a log from its first byte to its last: checksums, order, chain, index, fold and rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use styx_core::{
    event::EventKind,
    id::Position,
    log::LogError,
    record::{
        BackfillEvent, Bounds, ConfigEvent, ExecutionEvent, Fact, LogEvent, Record, ResourceEvent, RunEvent,
        WorkflowEvent,
    },
    world::{Row, RowKey},
};
use uuid::Uuid;

use super::{
    chain::{BatchEntry, ChainHash, Link},
    high_water::{HIGH_WATER_FILE, Mark},
    index,
    options::family,
    reader::{RocksReader, Store, decode_record},
    view::Entries,
};
use crate::{
    codec::{self, CodecError, ROW_VERSION},
    fold::Fold,
    keys::{self, hex},
};

/// How many damages a report spells out.
const MAX_DAMAGES: usize = 100;

/// After how many records progress is reported.
const STEP: u64 = 4096;

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records that are verified.
    pub done: Position,
    /// The last record.
    pub of: Position,
}

/// Something that isn't as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where: a position, a key or a file.
    pub place: String,
    /// What is wrong.
    pub problem: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What is wrong, the first damage first; at most a hundred.
    pub damages: Vec<Damage>,
    /// How many damages more there are.
    pub more_damages: u64,
    /// The log's name, after its last fork.
    pub log_id: Option<Uuid>,
    /// The last record.
    pub tail: Position,
    /// The hash of all up to it.
    pub head: Option<ChainHash>,
    /// Batches.
    pub batches: u64,
    /// Time of the first and the last record.
    pub span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Records by kind, such as `run.submit`.
    pub records: BTreeMap<&'static str, u64>,
    /// Workflows at the end of the log.
    pub workflows: u64,
    /// Active runs at its end.
    pub active_runs: u64,
    /// Executions at its end that aren't cleaned up.
    pub executions: u64,
    /// Backfills at its end, also those that are done.
    pub backfills: u64,
    /// Resources at its end.
    pub resources: u64,
    /// Instances and kinds of trigger with a finished run.
    pub finished: u64,
    /// Requests that named themselves with a key.
    pub answered: u64,
}

impl Report {
    /// Whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    fn damage(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        if self.damages.len() < MAX_DAMAGES {
            self.damages.push(Damage { place: place.into(), problem: problem.into() });
        } else {
            self.more_damages += 1;
        }
    }

    fn error(&mut self, error: LogError) {
        match error {
            LogError::Corrupt { place, reason } => self.damage(place, reason),
            other => self.damage("the folder", other.to_string()),
        }
    }
}

/// Verifies all that a folder holds, while nobody writes to it. Damage is in the report; it goes on behind it as far as
/// that makes sense.
///
/// # Errors
///
/// When not even the end of the log can be read.
pub fn verify(reader: &RocksReader, progress: impl FnMut(Progress)) -> Result<Report, LogError> {
    let store = &*reader.store;
    let tail = store.now().tail()?;
    let mut verification = Verification {
        store,
        tail,
        report: Report { tail, ..Report::default() },
        fold: Some(Fold::default()),
        outside: BTreeMap::new(),
        entries: 0,
        progress,
    };
    verification.records();
    verification.index();
    verification.rows();
    verification.high_water();
    Ok(verification.report)
}

struct Verification<'a, P> {
    store: &'a Store,
    tail: Position,
    report: Report,
    /// Until a record can't be folded.
    fold: Option<Fold>,
    /// The rows that aren't part of the world, by key: their hashes, since there may be millions.
    outside: BTreeMap<Vec<u8>, RowHash>,
    /// How many records the index by subject must name, each as often as it is found.
    entries: u64,
    progress: P,
}

impl<P: FnMut(Progress)> Verification<'_, P> {
    /// Every record in order, and the batches beside them.
    fn records(&mut self) {
        let mut batches = self.store.now().entries(family::BATCHES, &[], None);
        let mut chain = Chain { open: None, hash: ChainHash::EMPTY, ended: false };
        let mut entries = self.store.now().entries(family::LOG, &[], None);
        let mut expected = Position::FIRST;
        loop {
            let (key, value) = match entries.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(error) => {
                    self.report.damage(format!("record {expected}"), error.to_string());
                    self.fold = None;
                    break;
                }
            };
            let Ok(position) = keys::parse_position(key) else {
                self.report.damage(format!("log key {}", hex(key)), "it is no position");
                continue;
            };
            if position != expected {
                self.report.damage(format!("record {expected}"), format!("it is missing; {position} follows"));
                self.fold = None;
            }
            chain.add(position, value, &mut batches, &mut self.report);
            match decode_record(position, value) {
                Ok(record) => self.record(&record),
                Err(error) => {
                    self.report.error(error);
                    self.fold = None;
                }
            }
            if position.0 % STEP == 0 {
                (self.progress)(Progress { done: position, of: self.tail });
            }
            expected = position.next();
        }
        chain.finish(&mut batches, &mut self.report);
        self.report.head = (!chain.ended).then_some(chain.hash);
        (self.progress)(Progress { done: self.tail, of: self.tail });
    }

    /// A record by itself, in time, in the index and in the fold.
    fn record(&mut self, record: &Record) {
        let place = || format!("record {}", record.position);
        *self.report.records.entry(kind(&record.fact)).or_default() += 1;
        match &mut self.report.span {
            Some((_, last)) if record.at < *last => {
                self.report.damage(place(), "it is older than the record before it")
            }
            Some((_, last)) => *last = record.at,
            span => *span = Some((record.at, record.at)),
        }
        if let Err(error) = Bounds::STORED.check(record) {
            self.report.damage(place(), error.to_string());
        }
        for subject in record.subjects() {
            self.entries += 1;
            match self.store.now().is_indexed(&subject, record.position) {
                Ok(true) => {}
                Ok(false) => self.report.damage(place(), format!("it isn't in the index of {subject}")),
                Err(error) => self.report.error(error),
            }
        }
        let Some(fold) = &mut self.fold else { return };
        match fold.apply(record) {
            Ok(changes) => {
                for (key, row) in changes.into_rows() {
                    let is_new = match row.as_ref().map(row_hash).transpose() {
                        Ok(Some(hash)) => self.outside.insert(keys::row(&key), hash).is_none(),
                        Ok(None) => false,
                        Err(error) => {
                            self.report.damage(place(), error.to_string());
                            false
                        }
                    };
                    match key {
                        RowKey::Finished(..) => self.report.finished += u64::from(is_new),
                        RowKey::Answered(_) => self.report.answered += u64::from(is_new),
                        _ => {}
                    }
                }
            }
            Err(refused) => {
                self.report.damage(place(), format!("it doesn't follow from those before it: {refused}"));
                self.fold = None;
            }
        }
    }

    /// Nothing is in the index that isn't in the log; that all of the log is in the index is seen at each record.
    fn index(&mut self) {
        let mut entries = self.store.now().entries(family::BY_SUBJECT, &[], None);
        let mut count = 0_u64;
        loop {
            match entries.next() {
                Ok(Some((key, value))) => match index::parse(key, value) {
                    Ok((subject, positions)) => {
                        count += positions.len() as u64;
                        let there = Position::FIRST..=self.tail;
                        if let Some(position) = positions.iter().find(|position| !there.contains(position)) {
                            let problem = format!("it names record {position}, which isn't there");
                            self.report.damage(format!("index of {subject}"), problem);
                        }
                    }
                    Err(error) => self.report.error(error),
                },
                Ok(None) => break,
                Err(error) => {
                    self.report.damage("index by subject", error.to_string());
                    return;
                }
            }
        }
        if count > self.entries {
            self.report.damage("index by subject", format!("it names {count} records instead of {}", self.entries));
        }
    }

    /// The stored rows are those that the log folds to: their bytes have the same hash.
    fn rows(&mut self) {
        let Some(fold) = self.fold.take() else {
            self.report.damage("rows", "not verified, since the log can't be folded to its end");
            return;
        };
        let world = fold.world();
        self.report.log_id = world.log_id();
        self.report.workflows = world.workflows().len() as u64;
        self.report.active_runs = world.runs().len() as u64;
        self.report.executions = world.executions().len() as u64;
        self.report.backfills = world.backfills().len() as u64;
        self.report.resources = world.resources().len() as u64;
        match self.store.rows_version() {
            Ok(Some(ROW_VERSION)) => {}
            Ok(version) => {
                let found = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
                self.report
                    .damage("rows", format!("their version is {found}, not {ROW_VERSION}: opening rebuilds them"));
                return;
            }
            Err(error) => return self.report.error(error),
        }
        let outside = std::mem::take(&mut self.outside);
        let of_world = fold.rows().map(|(key, row)| (keys::row(&key), row_hash(&row).unwrap_or_default()));
        let mut expected = of_world.chain(outside).peekable();
        let mut stored = self.store.now().entries(family::ROWS, &[], None);
        loop {
            let entry = match stored.next() {
                Ok(entry) => entry,
                Err(error) => {
                    self.report.damage("rows", error.to_string());
                    return;
                }
            };
            let Some((key, value)) = entry else { break };
            while let Some((missing, _)) = expected.next_if(|(wanted, _)| wanted.as_slice() < key) {
                self.report.damage(row_place(&missing), "it is missing");
            }
            match expected.next_if(|(wanted, _)| wanted == key) {
                Some((_, hash)) if hash == hash_of(value) => {}
                Some(_) => self.report.damage(row_place(key), "it isn't what the log folds to"),
                None => self.report.damage(row_place(key), "it should be gone"),
            }
        }
        for (missing, _) in expected {
            self.report.damage(row_place(&missing), "it is missing");
        }
    }

    fn high_water(&mut self) {
        let mark = match Mark::read(&self.store.dir) {
            Ok(Some(mark)) => mark,
            Ok(None) => return,
            Err(error) => return self.report.damage(HIGH_WATER_FILE, error.to_string()),
        };
        if mark.tail > self.tail {
            let problem = format!("the log ends at {}, but {} was durable before", self.tail, mark.tail);
            return self.report.damage(HIGH_WATER_FILE, problem);
        }
        match self.store.batch_at(mark.tail) {
            Ok(Some(batch)) if batch.last() == mark.tail && batch.hash == mark.hash => {}
            Ok(_) => {
                let problem = format!("the log up to {} isn't the one that was durable before", mark.tail);
                self.report.damage(HIGH_WATER_FILE, problem);
            }
            Err(error) => self.report.error(error),
        }
    }
}

/// The chain, as it goes along the records.
struct Chain {
    open: Option<(BatchEntry, Link)>,
    hash: ChainHash,
    /// A batch couldn't be read: those behind it aren't compared.
    ended: bool,
}

impl Chain {
    fn add(&mut self, position: Position, record: &[u8], batches: &mut Entries<'_>, report: &mut Report) {
        if self.ended {
            return;
        }
        if self.open.as_ref().is_none_or(|(batch, _)| position > batch.last()) {
            self.close(report);
            match batches.next().and_then(|entry| entry.map(|(key, value)| BatchEntry::parse(key, value)).transpose()) {
                Ok(Some(batch)) if batch.first == position => {
                    report.batches += 1;
                    self.open = Some((batch, Link::new(&self.hash, batch.first)));
                }
                Ok(batch) => {
                    let found = batch.map_or_else(|| "none".to_owned(), |batch| batch.first.to_string());
                    report.damage(format!("batch {position}"), format!("it is missing; the next is {found}"));
                    self.ended = true;
                }
                Err(error) => {
                    report.error(error);
                    self.ended = true;
                }
            }
        }
        if let Some((_, link)) = &mut self.open {
            link.add(record);
        }
    }

    /// Compares the hash, and goes on from the stored one, so that a damage shows once.
    fn close(&mut self, report: &mut Report) {
        let Some((batch, link)) = self.open.take() else { return };
        let found = link.finish();
        if found != batch.hash {
            let problem = format!("its chain hash is {}, but its records give {found}", batch.hash);
            report.damage(format!("batch {}", batch.first), problem);
        }
        self.hash = batch.hash;
    }

    fn finish(&mut self, batches: &mut Entries<'_>, report: &mut Report) {
        if let Some((batch, _)) = &self.open
            && batch.last() > report.tail
        {
            report.damage(format!("batch {}", batch.first), format!("it ends at {}, behind the log", batch.last()));
        }
        self.close(report);
        match batches.next() {
            Ok(Some((key, _))) if !self.ended => {
                report.damage(format!("batch {}", hex(key)), "it has no records");
            }
            Ok(_) => {}
            Err(error) => report.error(error),
        }
    }
}

/// A hash of a row's bytes.
type RowHash = [u8; 32];

fn row_hash(row: &Row) -> Result<RowHash, CodecError> {
    codec::encode_row(row).map(|bytes| hash_of(&bytes))
}

fn hash_of(bytes: &[u8]) -> RowHash {
    Sha256::digest(bytes).into()
}

fn row_place(key: &[u8]) -> String {
    keys::parse_row(key).map_or_else(|error| format!("row {}", error), |key| format!("row {key:?}"))
}

/// A record's kind: its subject and its event.
fn kind(fact: &Fact) -> &'static str {
    match fact {
        Fact::Log(LogEvent::Started { .. }) => "log.started",
        Fact::Log(LogEvent::Forked { .. }) => "log.forked",
        Fact::Config(ConfigEvent::Set(_)) => "config.set",
        Fact::Config(ConfigEvent::SchedulingSwitched { .. }) => "config.schedulingSwitched",
        Fact::Config(ConfigEvent::Operated(_)) => "config.operated",
        Fact::Config(ConfigEvent::ClockAccepted) => "config.clockAccepted",
        Fact::Workflow(_, WorkflowEvent::Stored(_)) => "workflow.stored",
        Fact::Workflow(_, WorkflowEvent::Deleted) => "workflow.deleted",
        Fact::Workflow(_, WorkflowEvent::FileRemoved { .. }) => "workflow.fileRemoved",
        Fact::Workflow(_, WorkflowEvent::Switched { .. }) => "workflow.switched",
        Fact::Workflow(_, WorkflowEvent::CursorMoved { .. }) => "workflow.cursorMoved",
        Fact::Workflow(_, WorkflowEvent::CursorSkipped { .. }) => "workflow.cursorSkipped",
        Fact::Workflow(_, WorkflowEvent::Owed { .. }) => "workflow.owed",
        Fact::Workflow(_, WorkflowEvent::OwedMoved { .. }) => "workflow.owedMoved",
        Fact::Execution(_, ExecutionEvent::Ended(_)) => "execution.ended",
        Fact::Execution(_, ExecutionEvent::Cleaned) => "execution.cleaned",
        Fact::Execution(_, ExecutionEvent::Refused { .. }) => "execution.refused",
        Fact::Backfill(_, BackfillEvent::Created(_)) => "backfill.created",
        Fact::Backfill(_, BackfillEvent::Edited { .. }) => "backfill.edited",
        Fact::Backfill(_, BackfillEvent::Advanced { .. }) => "backfill.advanced",
        Fact::Backfill(_, BackfillEvent::Halted { .. }) => "backfill.halted",
        Fact::Resource(_, ResourceEvent::Set { .. }) => "resource.set",
        Fact::Resource(_, ResourceEvent::Deleted) => "resource.deleted",
        Fact::Run(_, RunEvent::Ignored { .. }) => "run.ignored",
        Fact::Run(_, RunEvent::Styx { event, .. }) => match event.kind() {
            EventKind::TriggerExecution => "run.triggerExecution",
            EventKind::Info => "run.info",
            EventKind::Dequeue => "run.dequeue",
            EventKind::Submit => "run.submit",
            EventKind::Submitted => "run.submitted",
            EventKind::Started => "run.started",
            EventKind::Terminate => "run.terminate",
            EventKind::RunError => "run.runError",
            EventKind::Success => "run.success",
            EventKind::RetryAfter => "run.retryAfter",
            EventKind::Stop => "run.stop",
            EventKind::Timeout => "run.timeout",
            EventKind::Halt => "run.halt",
            EventKind::TimeTrigger => "run.timeTrigger",
            EventKind::Created => "run.created",
            EventKind::Retry => "run.retry",
        },
    }
}
