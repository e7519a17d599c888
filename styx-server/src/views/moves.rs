//! Where in the log a backfill triggered its partitions.

use std::{ops::ControlFlow, sync::Arc};

use chrono::{DateTime, Utc};
use styx_core::{
    id::Position,
    log::{LogError, LogReader},
    record::{BackfillEvent, BackfillMove, Fact, Record, Subject},
    schedule::Schedule,
    world::Backfill,
};

use super::for_each_record;

/// What became of each partition whose turn has come, as the backfill's own records tell it.
///
/// A backfill goes over its partitions in one direction, so a partition's record is found by halving the log. Some partitions
/// around it are kept, for whoever asks for one after the other; all of them may be millions.
pub(super) struct Moves {
    subject: Subject,
    schedule: Schedule,
    reverse: bool,
    /// How many partitions are kept.
    size: usize,
    window: Option<Window>,
}

/// What became of a partition of a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// It was triggered by the decision that begins here.
    TriggeredAt(Position),
    /// It was passed over.
    PassedOver,
}

/// What became of all partitions between two instants, both included.
struct Window {
    earliest: DateTime<Utc>,
    latest: DateTime<Utc>,
    /// Ascending by instant.
    moves: Vec<(DateTime<Utc>, Move)>,
    /// Behind the record of the last one.
    behind: Position,
}

impl Moves {
    /// Those of a backfill, by its schedule.
    pub(super) fn of(id: &str, backfill: &Backfill, schedule: Schedule) -> Self {
        let subject = Subject::Backfill(Arc::from(id));
        Self { subject, schedule, reverse: backfill.spec.reverse, size: 1_000, window: None }
    }

    /// What became of a partition; `None` where no record tells it.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(super) fn get(&mut self, reader: &dyn LogReader, partition: DateTime<Utc>) -> Result<Option<Move>, LogError> {
        let window = match self.window.take() {
            Some(known) if known.earliest <= partition && partition <= known.latest => known,
            // Forward, what follows in time follows in the log.
            Some(known) if !self.reverse && known.latest < partition => self.load(reader, partition, known.behind)?,
            _ => self.load(reader, partition, reader.first()?)?,
        };
        let found = window.moves.binary_search_by_key(&partition, |(instant, _)| *instant);
        let became = found.ok().map(|index| window.moves[index].1);
        self.window = Some(window);
        Ok(became)
    }

    /// Reads a partition and those after it in time, which are asked for next; its record lies at `low` or behind it.
    fn load(&self, reader: &dyn LogReader, partition: DateTime<Utc>, low: Position) -> Result<Window, LogError> {
        const PAGE: usize = 200;
        // In reverse the latest of them comes first in the log.
        let begin = if self.reverse {
            let latest = self.schedule.moved(partition, self.size as i64 - 1);
            latest.unwrap_or(DateTime::<Utc>::MAX_UTC)
        } else {
            partition
        };
        let mut behind = self.search(reader, begin, low)?;
        let mut moves = Vec::new();
        for_each_record(reader, &self.subject, behind, PAGE.min(self.size), |record| {
            behind = record.position.next();
            moves.extend(outcome(&record));
            if moves.len() < self.size { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let last = moves.last().filter(|_| moves.len() >= self.size).map(|(instant, _)| *instant);
        let (earliest, latest) = match self.reverse {
            true => (last.unwrap_or(DateTime::<Utc>::MIN_UTC).min(partition), begin),
            false => (begin, last.unwrap_or(DateTime::<Utc>::MAX_UTC)),
        };
        moves.sort_unstable_by_key(|(instant, _)| *instant);
        Ok(Window { earliest, latest, moves, behind })
    }

    /// Where the record of a partition is, or where that of the first one after it in the order of the backfill is, or a
    /// position before it behind which nothing else moves the backfill.
    fn search(&self, reader: &dyn LogReader, partition: DateTime<Utc>, low: Position) -> Result<Position, LogError> {
        let is_before = |instant| if self.reverse { instant > partition } else { instant < partition };
        let (mut low, mut high) = (low, reader.tail()?.next());
        // Often it is the next one.
        let mut middle = low;
        while low < high {
            match self.next(reader, middle)? {
                Some((position, instant)) if is_before(instant) => low = position.next(),
                _ => high = middle,
            }
            middle = Position(low.0 + high.0.saturating_sub(low.0) / 2);
        }
        Ok(low)
    }

    /// The first record from a position on that moves the backfill, and its partition.
    fn next(&self, reader: &dyn LogReader, from: Position) -> Result<Option<(Position, DateTime<Utc>)>, LogError> {
        let mut found = None;
        for_each_record(reader, &self.subject, from, 1, |record| match outcome(&record) {
            Some((instant, _)) => {
                found = Some((record.position, instant));
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        })?;
        Ok(found)
    }
}

/// The partition that a record is about, and what became of it.
fn outcome(record: &Record) -> Option<(DateTime<Utc>, Move)> {
    let Fact::Backfill(_, BackfillEvent::Advanced { instant, why, .. }) = &record.fact else { return None };
    let became = match why {
        BackfillMove::Triggered => Move::TriggeredAt(record.decision),
        BackfillMove::AlreadyActive => Move::PassedOver,
    };
    Some((*instant, became))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::TimeDelta;
    use proptest::prelude::*;
    use styx_core::{
        id::WorkflowId,
        log::{Batch, Log},
        record::{BackfillSpec, Cause, WorkflowEvent},
    };
    use styx_store::MemoryLog;

    use super::{super::counting::Counting, *};

    fn hour(number: usize) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(number as i64)
    }

    /// A log in which a backfill of hours has gone over `moved` of its partitions, among other records: a reader of it, the
    /// backfill and what became of each partition.
    fn backfill_of(
        partitions: usize,
        moved: usize,
        reverse: bool,
        between: &[u8],
    ) -> (Counting, Backfill, BTreeMap<DateTime<Utc>, Move>) {
        let mut log = MemoryLog::new();
        let epoch = log.begin_epoch().unwrap();
        let (mut records, mut expected) = (Vec::new(), BTreeMap::new());
        let mut add = |fact| {
            let position = Position(records.len() as u64 + 1);
            let (at, wall_offset) = (DateTime::UNIX_EPOCH, TimeDelta::zero());
            let cause = Cause::Engine;
            records.push(Record {
                position,
                decision: position,
                at,
                wall_offset,
                epoch,
                idempotency_key: None,
                cause,
                fact,
            });
            position
        };
        let spec = BackfillSpec {
            workflow: WorkflowId::new("c", "w"),
            start: hour(0),
            end: hour(partitions),
            reverse,
            schedule: "hours".into(),
            concurrency: 1,
            description: None,
            parameters: None,
            first: hour(0),
        };
        for number in 0..moved {
            for kind in
                std::iter::repeat_n(between[number % between.len()], usize::from(between[number % between.len()] % 4))
            {
                add(match kind % 2 {
                    0 => Fact::Workflow(WorkflowId::new("c", "w"), WorkflowEvent::Deleted),
                    _ => {
                        Fact::Backfill("mine".into(), BackfillEvent::Edited { concurrency: Some(2), description: None })
                    }
                });
            }
            let instant = hour(if reverse { partitions - 1 - number } else { number });
            let why = if number % 5 == 3 { BackfillMove::AlreadyActive } else { BackfillMove::Triggered };
            let advanced = BackfillEvent::Advanced { instant, next: instant, all_triggered: false, why };
            let position = add(Fact::Backfill("mine".into(), advanced));
            let became = match why {
                BackfillMove::Triggered => Move::TriggeredAt(position),
                BackfillMove::AlreadyActive => Move::PassedOver,
            };
            expected.insert(instant, became);
        }
        log.append(epoch, Position(0), &Batch { records, rows: Vec::new() }).unwrap();
        let backfill = Backfill {
            spec,
            concurrency: 1,
            description: None,
            next: hour(0),
            all_triggered: false,
            halted: None,
            halts_runs: false,
            created_at: hour(0),
            modified_at: hour(0),
        };
        (Counting::new(log.reader()), backfill, expected)
    }

    fn moves_of(backfill: &Backfill, size: usize) -> Moves {
        let schedule = Schedule::parse(&backfill.spec.schedule).unwrap();
        Moves { size, ..Moves::of("mine", backfill, schedule) }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_partition_is_what_its_record_says(
            (partitions, moved) in (1..80_usize).prop_flat_map(|count| (Just(count), 0..=count)),
            reverse in any::<bool>(),
            between in prop::collection::vec(any::<u8>(), 1..20),
            size in 1..20_usize,
            asked in prop::collection::vec(0..80_usize, 1..40),
        ) {
            let (reader, backfill, expected) = backfill_of(partitions, moved, reverse, &between);
            let mut moves = moves_of(&backfill, size);
            for number in asked.into_iter().chain(0..partitions) {
                let partition = hour(number);
                let became = moves.get(&reader, partition).unwrap();
                prop_assert_eq!(became, expected.get(&partition).copied(), "{}", partition);
                prop_assert!(moves.window.as_ref().is_some_and(|window| window.moves.len() <= size));
            }
        }
    }

    /// Whoever asks for all of them in order has each record read about once, and few of them kept.
    #[test]
    fn a_long_backfill_is_read_once_and_never_kept_as_a_whole() {
        const PARTITIONS: usize = 10_000;
        for reverse in [false, true] {
            let (reader, backfill, expected) = backfill_of(PARTITIONS, PARTITIONS, reverse, &[0, 2]);
            let mut moves = moves_of(&backfill, 1_000);
            for number in 0..PARTITIONS {
                let partition = hour(number);
                assert_eq!(moves.get(&reader, partition).unwrap(), expected.get(&partition).copied());
                assert!(moves.window.as_ref().unwrap().moves.len() <= 1_000);
            }
            let read = reader.records();
            assert!(read < PARTITIONS + 10 * (200 + 20), "{read} records were read");
            let mut one = moves_of(&backfill, 1_000);
            let before = reader.records();
            one.get(&reader, hour(7_000)).unwrap();
            let read = reader.records() - before;
            assert!(read <= 1_000 + 200 + 20, "{read} records were read for one");
        }
    }
}
