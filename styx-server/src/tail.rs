//! Where the log ends, what decisions follow and whether workflows were stored, for whoever waits for it, and how long writes
//! take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use chrono::{DateTime, SecondsFormat, Utc};
use styx_core::{
    config::Config,
    decide::LOOKED_UP,
    id::{Epoch, Position},
    log::{Batch, Log, LogError, LogReader},
    record::{CursorMove, Fact, Record, SkipReason, WorkflowEvent},
    schedule::Instants,
    world::{Owed, Row, RowKey, Workflow},
};
use tokio::sync::watch;

use crate::metrics::LogMetrics;

/// A log that says how far it is after every append, and measures them.
pub(crate) struct WatchedLog<L> {
    log: L,
    tail: watch::Sender<Position>,
    config: watch::Sender<Arc<Config>>,
    revision: Arc<Revision>,
    metrics: LogMetrics,
}

/// What is told after every append.
pub(crate) struct Watched {
    /// Where the log ends.
    pub(crate) tail: watch::Receiver<Position>,
    /// What decisions follow.
    pub(crate) config: watch::Receiver<Arc<Config>>,
    /// Of what workflows are.
    pub(crate) revision: Arc<Revision>,
}

/// Counts the writes that store or delete workflows, at their begin and at their end: whatever was read at a revision holds
/// until there is another one.
#[derive(Debug, Default)]
pub(crate) struct Revision(AtomicU64);

impl Revision {
    /// The present one; `None` while such a write is under way.
    pub(crate) fn settled(&self) -> Option<u64> {
        Some(self.0.load(Ordering::SeqCst)).filter(|count| count % 2 == 0)
    }

    fn step(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl<L: Log> WatchedLog<L> {
    /// Around a log.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(crate) fn new(log: L, metrics: LogMetrics) -> Result<(Self, Watched), LogError> {
        let reader = log.reader();
        let config = match reader.get(&RowKey::Config)? {
            Some(Row::Config(config)) => config,
            _ => Arc::default(),
        };
        let (tail, watched_tail) = watch::channel(reader.tail()?);
        let (config, watched_config) = watch::channel(config);
        let revision = Arc::new(Revision::default());
        let watched = Watched { tail: watched_tail, config: watched_config, revision: Arc::clone(&revision) };
        Ok((Self { log, tail, config, revision, metrics }, watched))
    }
}

impl<L: Log> Log for WatchedLog<L> {
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        let records = batch.records.len();
        // Debug only: at the usual level it costs nothing.
        let _span = tracing::debug_span!("append", records).entered();
        let defines = batch.records.iter().any(defines);
        if defines {
            self.revision.step();
        }
        let silent = batch.records.iter().filter(|record| passes_over(record));
        let passed: Vec<String> = silent.filter_map(|record| passed_over(&*self.reader(), record)).collect();
        let began = Instant::now();
        // After an error nothing is read at a revision any more: the process ends.
        let tail = self.log.append(epoch, expected_tail, batch)?;
        if defines {
            self.revision.step();
            batch.records.iter().for_each(log_edit);
        }
        passed.iter().for_each(|text| tracing::info!("{text}"));
        self.metrics.appended(records, began.elapsed());
        self.tail.send_replace(tail);
        let config = batch.rows.iter().find_map(|(key, row)| match (key, row) {
            (RowKey::Config, Some(Row::Config(config))) => Some(Arc::clone(config)),
            _ => None,
        });
        if let Some(config) = config {
            self.config.send_replace(config);
        }
        Ok(tail)
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        self.log.begin_epoch()
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.log.reader()
    }
}

/// An instant as in the API.
fn second(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// How many instants there are; of many, those that were triggered before are counted too.
fn instants(count: u64) -> String {
    match count {
        1 => "1 instant".to_owned(),
        count if count > LOOKED_UP => format!("up to {count} instants"),
        count => format!("{count} instants"),
    }
}

/// Whether a record may pass over instants without a record of their own.
fn passes_over(record: &Record) -> bool {
    let Fact::Workflow(_, event) = &record.fact else { return false };
    matches!(
        event,
        WorkflowEvent::CursorMoved { why: CursorMove::Enabled | CursorMove::Edited, .. } | WorkflowEvent::Deleted
    )
}

/// The instants that a record passes over without a record of their own: those that fired while a workflow was disabled or
/// before, when it is enabled or edited, and those that a deleted workflow owes.
fn passed_over(reader: &dyn LogReader, record: &Record) -> Option<String> {
    let Fact::Workflow(id, event) = &record.fact else { return None };
    let before = || match reader.get(&RowKey::Workflow(id.clone())) {
        Ok(Some(Row::Workflow(before))) => Some(before),
        _ => None,
    };
    let overdue = |before: &Workflow| before.overdue(record.now().present());
    match event {
        WorkflowEvent::CursorMoved { why: why @ (CursorMove::Enabled | CursorMove::Edited), to, .. } => {
            let before = before().filter(|before| !before.enabled)?;
            let Instants { first, last, count } = overdue(&before)?;
            let what = if *why == CursorMove::Enabled { "enabled" } else { "changed" };
            let to = to.map_or_else(|| "none".to_owned(), |to| second(&to.instant));
            let (first, last) = (second(&first), second(&last));
            Some(format!(
                "{id}: {what}; skipped: {} from {first} to {last}, which fired while it was disabled or before; the next \
                 instant is {to}",
                instants(count)
            ))
        }
        WorkflowEvent::Deleted => {
            let before = before()?;
            let owed = before.owed.iter().filter_map(Owed::instants).map(|owed| owed.count).sum::<u64>();
            let own = overdue(&before).filter(|_| before.enabled).map_or(0, |own| own.count);
            let count = owed + own;
            (count > 0).then(|| {
                format!("{id}: deleted; dropped with it: up to {count} instants that had fired and weren't triggered")
            })
        }
        _ => None,
    }
}

/// Logs what an edit of schedule or offset owes and skips.
fn log_edit(record: &Record) {
    let Fact::Workflow(id, event) = &record.fact else { return };
    match event {
        WorkflowEvent::Owed { schedule, offset, next, until, count } => {
            let offset = offset.as_ref().map_or_else(String::new, |offset| format!(" with offset {offset}"));
            tracing::info!(
                "{id}: schedule or offset changed; owed under the earlier schedule {schedule}{offset}: {} that fired until {}; \
                 they are triggered first, from {} on, paced as a catch-up",
                instants(*count),
                second(until),
                second(&next.instant)
            );
        }
        WorkflowEvent::CursorSkipped { first, last, count, reason } => {
            let why = match reason {
                SkipReason::Edited => "the change makes them neither due nor owed",
                SkipReason::TooManyOwed => "as many earlier schedules as may be are owed already",
            };
            tracing::warn!(
                "{id}: schedule or offset changed; skipped: {} from {} to {}, since {why}",
                instants(*count),
                second(first),
                second(last)
            );
        }
        _ => {}
    }
}

/// Whether a record changes what a workflow is, beyond its switch and its cursor.
fn defines(record: &Record) -> bool {
    matches!(record.fact, Fact::Workflow(_, WorkflowEvent::Stored(_) | WorkflowEvent::Deleted))
}

#[cfg(test)]
mod tests {
    use std::sync::{OnceLock, atomic::AtomicBool};

    use styx_store::{MemoryLog, conformance::Story};

    use super::*;

    /// Notes whether the revision is settled while it is written to.
    struct Probe {
        log: MemoryLog,
        revision: Arc<OnceLock<Arc<Revision>>>,
        is_settled: Arc<AtomicBool>,
    }

    impl Log for Probe {
        fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
            let revision = self.revision.get().unwrap();
            self.is_settled.store(revision.settled().is_some(), Ordering::SeqCst);
            self.log.append(epoch, expected_tail, batch)
        }

        fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
            self.log.begin_epoch()
        }

        fn reader(&self) -> Box<dyn LogReader> {
            self.log.reader()
        }
    }

    #[test]
    fn a_revision_ends_before_a_workflow_is_written_and_another_begins_after_it() {
        let (revision, is_settled) = (Arc::default(), Arc::default());
        let probe =
            Probe { log: MemoryLog::new(), revision: Arc::clone(&revision), is_settled: Arc::clone(&is_settled) };
        let (mut log, watched) = WatchedLog::new(probe, LogMetrics::default()).unwrap();
        revision.set(watched.revision).unwrap();
        let revision = revision.get().unwrap();
        let (epoch, mut story) = (log.begin_epoch().unwrap(), Story::new(7));
        let mut defining = 0;
        for _ in 0..200 {
            let (before, tail) = (revision.settled().unwrap(), log.reader().tail().unwrap());
            let batch = story.next_batch(epoch, 4);
            let defines = batch.records.iter().any(|record| {
                matches!(&record.fact, Fact::Workflow(_, WorkflowEvent::Stored(_) | WorkflowEvent::Deleted))
            });
            defining += usize::from(defines);
            log.append(epoch, tail, &batch).unwrap();
            assert_eq!(is_settled.load(Ordering::SeqCst), !defines);
            assert_eq!(revision.settled().unwrap() != before, defines);
        }
        assert!((10..190).contains(&defining), "{defining} of 200");
    }
}
