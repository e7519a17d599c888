//! Which records are asked for, and the way through the log to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::ControlFlow,
};

use chrono::{DateTime, Utc};
use styx_core::{
    event::{Event, EventKind},
    id::{ExecutionId, InstanceId, Position, WorkflowId},
    log::{LogError, LogReader},
    record::{Fact, Record, RunEvent, Subject},
};

/// How many records are read at a time.
const PAGE: usize = 512;

/// What the records are about.
#[derive(Debug, Clone)]
pub(super) enum About {
    /// Anything.
    Everything,
    /// A workflow, its runs and their executions.
    Workflow(WorkflowId),
    /// The runs of an instance and their executions.
    Instance(InstanceId),
    /// An execution, and what its run says while it is the run's.
    Execution(ExecutionId),
}

/// Why not all records were visited.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The log can't be read from this position on.
    Log(Position, LogError),
    /// The visitor can't write.
    Output(io::Error),
}

/// What a visitor says to a record: go on, or that it has enough.
type Visit<'a> = &'a mut dyn FnMut(&Record) -> io::Result<ControlFlow<()>>;

impl About {
    /// Shows the records to `visit`, in order, those from `from` on.
    pub(super) fn visit(&self, reader: &dyn LogReader, from: Position, visit: Visit<'_>) -> Result<(), Stopped> {
        match self {
            Self::Everything => stream(|next, limit| reader.read(next, limit), from, visit),
            Self::Workflow(id) => of_workflow(reader, id, from, visit),
            Self::Instance(id) => visit_all(of_instance(reader, id)?, from, visit),
            Self::Execution(id) => visit_all(of_execution(reader, id)?, from, visit),
        }
    }
}

/// The first position whose record isn't older than `since`: times never decrease along the log.
pub(super) fn first_since(reader: &dyn LogReader, since: DateTime<Utc>) -> Result<Position, Stopped> {
    let damaged_at = |position| move |error| Stopped::Log(position, error);
    let mut low = reader.first().map_err(damaged_at(Position::FIRST))?.0;
    let mut high = reader.tail().map_err(damaged_at(Position::FIRST))?.0 + 1;
    while low < high {
        let middle = Position(low + (high - low) / 2);
        let record = reader.read(middle, 1).map_err(damaged_at(middle))?;
        match record.first() {
            Some(record) if record.at < since => low = middle.0 + 1,
            _ => high = middle.0,
        }
    }
    Ok(Position(low))
}

/// Reads page by page; before a damage record by record, so that all before it is seen.
fn stream(
    read: impl Fn(Position, usize) -> Result<Vec<Record>, LogError>,
    from: Position,
    visit: Visit<'_>,
) -> Result<(), Stopped> {
    let mut next = from.max(Position::FIRST);
    let mut limit = PAGE;
    loop {
        let page = match read(next, limit) {
            Ok(page) => page,
            Err(_) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(error) => return Err(Stopped::Log(next, error)),
        };
        let Some(last) = page.last() else { return Ok(()) };
        next = last.position.next();
        for record in &page {
            if visit(record).map_err(Stopped::Output)?.is_break() {
                return Ok(());
            }
        }
    }
}

/// No index leads from a workflow to its instances, so the whole log is read.
fn of_workflow(reader: &dyn LogReader, id: &WorkflowId, from: Position, visit: Visit<'_>) -> Result<(), Stopped> {
    let mut executions = BTreeSet::new();
    let mut choose = |record: &Record| {
        let is_its = match &record.fact {
            Fact::Workflow(of, _) => of == id,
            Fact::Run(of, event) => {
                let is_its = of.workflow() == id;
                executions.extend(begun(event).filter(|_| is_its).cloned());
                is_its
            }
            Fact::Execution(of, _) => executions.contains(of),
            Fact::Log(_) | Fact::Config(_) => false,
        };
        if is_its && record.position >= from { visit(record) } else { Ok(ControlFlow::Continue(())) }
    };
    stream(|next, limit| reader.read(next, limit), Position::FIRST, &mut choose)
}

fn of_instance(reader: &dyn LogReader, id: &InstanceId) -> Result<BTreeMap<Position, Record>, Stopped> {
    let mut records = history(reader, &Subject::Run(id.clone()), Position::FIRST, |_| true)?;
    let executions: BTreeSet<_> = records.values().filter_map(|record| begun_by(record).cloned()).collect();
    for execution in executions {
        records.extend(history(reader, &Subject::Execution(execution), Position::FIRST, |_| true)?);
    }
    Ok(records)
}

fn of_execution(reader: &dyn LogReader, id: &ExecutionId) -> Result<BTreeMap<Position, Record>, Stopped> {
    let mut records = history(reader, &Subject::Execution(id.clone()), Position::FIRST, |_| true)?;
    let submit = records.values().find(|record| begun_by(record) == Some(id));
    if let Some((Fact::Run(instance, _), position)) = submit.map(|record| (&record.fact, record.position)) {
        // Until the run turns to its next execution, or the instance to its next run.
        let is_its = |record: &Record| {
            let kind = match &record.fact {
                Fact::Run(_, RunEvent::Styx { event, .. }) => Some(event.kind()),
                _ => None,
            };
            record.position == position
                || !matches!(kind, Some(EventKind::TriggerExecution | EventKind::Dequeue | EventKind::Submit))
        };
        records.extend(history(reader, &Subject::Run(instance.clone()), position, is_its)?);
    }
    Ok(records)
}

/// Records about a subject, up to the first one for which `is_its` is false.
fn history(
    reader: &dyn LogReader,
    subject: &Subject,
    from: Position,
    is_its: impl Fn(&Record) -> bool,
) -> Result<BTreeMap<Position, Record>, Stopped> {
    let mut records = BTreeMap::new();
    let mut keep = |record: &Record| {
        if !is_its(record) {
            return Ok(ControlFlow::Break(()));
        }
        records.insert(record.position, record.clone());
        Ok(ControlFlow::Continue(()))
    };
    stream(|next, limit| reader.history(subject, next, limit), from, &mut keep)?;
    Ok(records)
}

fn visit_all(records: BTreeMap<Position, Record>, from: Position, visit: Visit<'_>) -> Result<(), Stopped> {
    for record in records.range(from..).map(|(_, record)| record) {
        if visit(record).map_err(Stopped::Output)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn begun_by(record: &Record) -> Option<&ExecutionId> {
    match &record.fact {
        Fact::Run(_, event) => begun(event),
        _ => None,
    }
}

/// The execution that a run's event begins.
fn begun(event: &RunEvent) -> Option<&ExecutionId> {
    match event {
        RunEvent::Styx { event: Event::Submit { execution, .. }, .. } => execution.as_ref(),
        _ => None,
    }
}
