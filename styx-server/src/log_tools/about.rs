//! The way through the log to the records that may be about something: by the index, or past all of them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    io,
    ops::{ControlFlow, RangeInclusive},
    sync::Arc,
};

use styx_core::{
    id::{ExecutionId, InstanceId, Position},
    log::{LogError, LogReader},
    record::{Fact, LogEvent, Record, Subject},
};
use styx_store::rocks::RocksReader;
use uuid::Uuid;

use super::{choice::About, facets::Facets};

/// How many records are read at a time.
pub(super) const PAGE: usize = 512;

/// By the index a record costs some ten times what it costs in passing. So a workflow of which more than this part of the log
/// is about is found by reading all of it.
const WORTH_AN_INDEX: u64 = 16;

/// The most positions that are kept in memory.
const MOST_POSITIONS: u64 = 8_000_000;

/// Why not all records were visited.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The log can't be read from this position on.
    Log(Position, LogError),
    /// The visitor can't write.
    Output(io::Error),
}

/// What a visitor says to a record: go on, or that it has enough.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&Record) -> io::Result<ControlFlow<()>>;

/// Visits, in order, at least all records that are about something, and of those without an `about` the ones in `range`.
pub(super) fn visit(
    reader: &RocksReader,
    about: Option<&About>,
    range: RangeInclusive<Position>,
    visit: Visit<'_>,
) -> Result<(), Stopped> {
    let Some(about) = about else { return pass(reader, range, visit) };
    let tail = reader.tail().map_err(|error| Stopped::Log(Position::FIRST, error))?;
    let most = (tail.0 / WORTH_AN_INDEX).min(MOST_POSITIONS);
    match Walk::begin(reader, about, usize::try_from(most).unwrap_or(usize::MAX))? {
        Some(walk) => walk.visit(*range.end(), visit),
        None => pass(reader, Position::FIRST..=*range.end(), visit),
    }
}

/// Reads the records of a range page by page; before a damage record by record, so that all before it is seen. It ends early
/// where the log does, or when `take` has enough.
pub(super) fn pages<E: From<Stopped>>(
    reader: &dyn LogReader,
    range: RangeInclusive<Position>,
    mut take: impl FnMut(Vec<Record>) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let (mut next, end) = (*range.start().max(&Position::FIRST), *range.end());
    let mut limit = PAGE;
    while next <= end {
        let left = usize::try_from(end.0 - next.0).unwrap_or(usize::MAX).saturating_add(1);
        let page = match reader.read(next, limit.min(left)) {
            Ok(page) => page,
            Err(_) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(error) => return Err(Stopped::Log(next, error).into()),
        };
        let Some(last) = page.last() else { return Ok(()) };
        next = last.position.next();
        if take(page)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// Visits all records of a range.
fn pass(reader: &RocksReader, range: RangeInclusive<Position>, visit: Visit<'_>) -> Result<(), Stopped> {
    pages(reader, range, |page| {
        for record in &page {
            if visit(record).map_err(Stopped::Output)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// The names that a log has had, each with its root seed and the position from which on it had it.
pub(super) type Names = Vec<(Position, (Uuid, Uuid))>;

/// All names of a log, in order.
pub(super) fn names(reader: &dyn LogReader) -> Result<Names, Stopped> {
    let unreadable = |error| Stopped::Log(Position::FIRST, error);
    let records = reader.history(&Subject::Log, Position::FIRST, usize::MAX).map_err(unreadable)?;
    let name = |record: Record| match record.fact {
        Fact::Log(LogEvent::Started { log_id, root_seed } | LogEvent::Forked { log_id, root_seed }) => {
            Some((record.position, (log_id, root_seed)))
        }
        _ => None,
    };
    Ok(records.into_iter().filter_map(name).collect())
}

/// Records found by the index, in order. Only their positions are in memory, and as they are read, those of the executions
/// that begin with them.
struct Walk<'a> {
    reader: &'a RocksReader,
    next: BinaryHeap<Reverse<Position>>,
    /// What is still to be found with what is read.
    wanted: Wanted,
}

enum Wanted {
    /// Every execution that begins.
    Executions,
    /// Whose execution this is.
    RunOf(ExecutionId),
    Nothing,
}

impl<'a> Walk<'a> {
    /// Nothing when more than `most` records are about runs of a workflow: then it is cheaper to read the whole log.
    fn begin(reader: &'a RocksReader, about: &About, most: usize) -> Result<Option<Self>, Stopped> {
        let unreadable = |error| Stopped::Log(Position::FIRST, error);
        let of = |subject: &Subject| reader.positions(subject, Position::FIRST).map_err(unreadable);
        let (positions, wanted) = match about {
            About::Workflow(id) => {
                let Some(mut positions) = reader.run_positions(id, most).map_err(unreadable)? else {
                    return Ok(None);
                };
                positions.extend(of(&Subject::Workflow(id.clone()))?);
                (positions, Wanted::Executions)
            }
            About::Instance(id) => (of(&Subject::Run(id.clone()))?, Wanted::Executions),
            About::Execution(id) => (of(&Subject::Execution(id.clone()))?, Wanted::RunOf(id.clone())),
            About::Backfill(id) => match runs_of_backfill(reader, id, most)? {
                Some(positions) => (positions, Wanted::Executions),
                None => return Ok(None),
            },
            About::Resource(id) => (of(&Subject::Resource(Arc::clone(id)))?, Wanted::Nothing),
        };
        Ok(Some(Self { reader, next: positions.into_iter().map(Reverse).collect(), wanted }))
    }

    fn visit(mut self, end: Position, visit: Visit<'_>) -> Result<(), Stopped> {
        let mut last = Position(0);
        while let Some(Reverse(position)) = self.next.pop().filter(|Reverse(position)| *position <= end) {
            if position == last {
                continue;
            }
            last = position;
            let record = self.reader.record(position).map_err(|error| Stopped::Log(position, error))?;
            self.follow(&record)?;
            if visit(&record).map_err(Stopped::Output)?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn follow(&mut self, record: &Record) -> Result<(), Stopped> {
        let (Fact::Run(run, _), Some(begins)) = (&record.fact, Facets::of(record).begins) else { return Ok(()) };
        let found = match &self.wanted {
            Wanted::Executions => Subject::Execution(begins),
            Wanted::RunOf(id) if *id == begins => {
                self.wanted = Wanted::Nothing;
                Subject::Run(run.clone())
            }
            _ => return Ok(()),
        };
        let positions = self.reader.positions(&found, record.position.next());
        let positions = positions.map_err(|error| Stopped::Log(record.position, error))?;
        self.next.extend(positions.into_iter().map(Reverse));
        Ok(())
    }
}

/// Where the records about a backfill and about the instances are that it triggered, from their triggers on; `None` when there
/// are more than `most`.
fn runs_of_backfill(reader: &RocksReader, id: &Arc<str>, most: usize) -> Result<Option<Vec<Position>>, Stopped> {
    let unreadable = |error| Stopped::Log(Position::FIRST, error);
    let own = reader.positions(&Subject::Backfill(Arc::clone(id)), Position::FIRST).map_err(unreadable)?;
    let mut triggered = BTreeMap::new();
    let mut read_to = Position(0);
    for position in &own {
        let record = reader.record(*position).map_err(|error| Stopped::Log(*position, error))?;
        // A partition is triggered in the decision that moves the backfill on.
        let from = record.decision.max(read_to.next());
        let count = usize::try_from(position.0.saturating_sub(from.0)).unwrap_or(usize::MAX);
        read_to = *position;
        for record in reader.read(from, count).map_err(|error| Stopped::Log(from, error))? {
            if let (Fact::Run(instance, _), Some(of)) = (&record.fact, Facets::of(&record).backfill)
                && *of == **id
            {
                triggered.entry(instance.clone()).or_insert(record.position);
            }
        }
    }
    let mut positions = own;
    for (instance, from) in triggered {
        positions.extend(reader.positions(&Subject::Run(instance), from).map_err(unreadable)?);
        if positions.len() > most {
            return Ok(None);
        }
    }
    Ok(Some(positions))
}

/// All records about the runs of an instance and their executions, in order.
pub(super) fn records_of(reader: &RocksReader, instance: &InstanceId) -> Result<Vec<Record>, Stopped> {
    let mut records = Vec::new();
    let about = About::Instance(instance.clone());
    visit(reader, Some(&about), Position::FIRST..=Position(u64::MAX), &mut |record| {
        records.push(record.clone());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::log_tools::{
        backfill_story,
        choice::{Choice, ChoiceArgs},
        stories::told,
    };

    /// The positions that are chosen among those that are visited.
    fn chosen(args: &ChoiceArgs, visit: impl FnOnce(Visit<'_>) -> Result<(), Stopped>) -> Vec<Position> {
        let mut choice = Choice::new(args);
        let mut positions = Vec::new();
        let visited = visit(&mut |record| {
            if choice.takes(&Facets::of(record), || None) {
                positions.push(record.position);
            }
            Ok(ControlFlow::Continue(()))
        });
        visited.unwrap();
        positions
    }

    #[test]
    fn the_index_leads_from_a_backfill_to_its_runs() {
        let dir = tempfile::tempdir().unwrap();
        let backfill = backfill_story::write(dir.path());
        let reader = styx_store::open_read_only(dir.path()).unwrap();
        let all = Position::FIRST..=Position(u64::MAX);
        let args = ChoiceArgs { backfill: Some(backfill), ..ChoiceArgs::default() };
        let about = args.about().remove(0);
        let by_scan = chosen(&args, |visit| pass(&reader, all.clone(), visit));
        let walk = Walk::begin(&reader, &about, usize::MAX).unwrap().unwrap();
        assert_eq!(chosen(&args, |visit| walk.visit(*all.end(), visit)), by_scan);
        assert!(by_scan.len() > 25, "{by_scan:?}");
    }

    #[test]
    fn the_index_leads_to_the_same_records_as_reading_all_of_them() {
        let all = Position::FIRST..=Position(u64::MAX);
        let (mut workflows, mut instances, mut executions, mut resources) = (0, 0, 0, 0);
        for seed in 0..6 {
            let dir = tempfile::tempdir().unwrap();
            let (story, reader) = told(dir.path(), seed);
            let subjects: BTreeSet<_> = story.records().iter().flat_map(Record::subjects).collect();
            for subject in subjects {
                let mut args = ChoiceArgs::default();
                match subject {
                    Subject::Workflow(id) => args.workflow = Some(id),
                    Subject::Run(id) => args.instance = Some(id),
                    Subject::Execution(id) => args.execution = Some(id),
                    Subject::Resource(id) => args.resource = Some(id),
                    _ => continue,
                }
                let about = args.about().remove(0);
                let by_scan = chosen(&args, |visit| pass(&reader, all.clone(), visit));
                let walk = Walk::begin(&reader, &about, usize::MAX).unwrap().unwrap();
                assert_eq!(chosen(&args, |visit| walk.visit(*all.end(), visit)), by_scan, "{about:?}");
                let count = match about {
                    About::Workflow(_) => &mut workflows,
                    About::Instance(_) => &mut instances,
                    About::Execution(_) => &mut executions,
                    About::Resource(_) => &mut resources,
                    About::Backfill(_) => unreachable!("none is asked for"),
                };
                *count += by_scan.len();
            }
        }
        assert!(workflows > 1000 && instances > 1000 && executions > 500, "{workflows} {instances} {executions}");
        assert!(resources > 20, "{resources}");
    }
}
