//! The life of an instance, record by record: found by the index, folded as the whole log is, and without the rest of it.

use std::collections::BTreeMap;

use styx_core::{
    event::{Description, Event},
    execution::Execution,
    id::{Counter, ExecutionId, InstanceId, Position},
    record::{Cause, Fact, Origin, Record, RunEvent, StoredWorkflow},
    run::Run,
    workflow::WorkflowConfiguration,
    world::{LogRow, Row, RowKey, Workflow, World},
};
use styx_store::rocks::RocksReader;
use uuid::Uuid;

use super::about::{Stopped, names, records_of};

/// A record of an instance's life, and what it changed.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) record: Record,
    /// The cause of its decision.
    pub(super) cause: Cause,
    /// The run before and after it; one that begins was NEW, and one that has ended stays to be seen.
    pub(super) run: Both<Run>,
    /// The execution that it is about.
    pub(super) execution: Option<(ExecutionId, Both<Execution>)>,
    /// Why it can't follow from what was before.
    pub(super) refused: Option<String>,
}

/// What was and what is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Both<T> {
    pub(super) before: Option<T>,
    pub(super) after: Option<T>,
}

/// All steps of an instance's life up to a position, in order.
pub(super) fn of(reader: &RocksReader, instance: &InstanceId, to: Position) -> Result<Vec<Step>, Stopped> {
    let names = names(reader)?;
    let mut life = Life { instance, run: None, executions: BTreeMap::new() };
    let mut steps: Vec<Step> = Vec::new();
    for record in records_of(reader, instance)?.into_iter().take_while(|record| record.position <= to) {
        let is_its = match &record.fact {
            Fact::Run(of, _) => of == instance,
            _ => true,
        };
        if !is_its {
            continue;
        }
        let cause = match (&record.cause, steps.last()) {
            (Cause::Decision, Some(last)) if last.record.decision == record.decision => last.cause.clone(),
            (Cause::Decision, _) => {
                let leader = reader.record(record.decision);
                leader.map_err(|error| Stopped::Log(record.decision, error))?.cause
            }
            (cause, _) => cause.clone(),
        };
        let name = names.iter().rev().find(|(from, _)| *from < record.position).map(|(_, name)| *name);
        steps.push(life.step(record, cause, name));
    }
    Ok(steps)
}

/// What is known of an instance while its records are folded.
struct Life<'a> {
    instance: &'a InstanceId,
    /// The last run, also when it has ended.
    run: Option<Run>,
    executions: BTreeMap<ExecutionId, Execution>,
}

impl Life<'_> {
    fn step(&mut self, record: Record, cause: Cause, name: Option<(Uuid, Uuid)>) -> Step {
        let mut world = World::from_rows(self.rows(&record, name)).expect("rows that are made for their keys");
        let active = self.run.clone().filter(|run| run.state.is_active());
        let refused = world.apply(&record).err().map(|refused| refused.to_string());
        let mut run = Both { before: self.run.clone(), after: self.run.clone() };
        if let (Fact::Run(_, event), None) = (&record.fact, &refused) {
            run.before = active.or_else(|| begun(event, &record));
            run.after = world.runs().get(self.instance).cloned().or_else(|| ended(run.before.clone(), event, &record));
            // An imported event that is ignored may be all that there is.
            run.after = run.after.or_else(|| self.run.clone());
            self.run.clone_from(&run.after);
        }
        let of = |id: ExecutionId| {
            let both = Both { before: self.executions.get(&id).cloned(), after: world.executions().get(&id).cloned() };
            (both.before.is_some() || both.after.is_some()).then_some((id, both))
        };
        let execution = match &record.fact {
            Fact::Execution(id, _) => Some(id.clone()),
            _ => run.after.as_ref().and_then(|run| run.execution.clone()),
        };
        let execution = execution.and_then(of);
        self.executions.clone_from(world.executions());
        Step { record, cause, run, execution, refused }
    }

    /// All that the fold of the record looks at: this instance, and a place in the log right before it.
    fn rows(&self, record: &Record, name: Option<(Uuid, Uuid)>) -> Vec<(RowKey, Row)> {
        let decision = if record.cause == Cause::Decision { record.decision } else { Position(0) };
        let tail = Position(record.position.0 - 1);
        let log = LogRow { identity: name, tail, at: record.at, decision, ..LogRow::default() };
        let mut rows = vec![
            (RowKey::Log, Row::Log(log)),
            (RowKey::Workflow(self.instance.workflow().clone()), Row::Workflow(workflow(record))),
        ];
        let active = self.run.iter().filter(|run| run.state.is_active());
        rows.extend(active.map(|run| (RowKey::Run(self.instance.clone()), Row::Run(run.clone()))));
        let executions = self.executions.iter();
        rows.extend(executions.map(|(id, row)| (RowKey::Execution(id.clone()), Row::Execution(row.clone()))));
        rows
    }
}

/// A workflow that a record about one of its runs fits: that it does was checked when it was written.
fn workflow(record: &Record) -> Workflow {
    let stored_at = match &record.fact {
        Fact::Run(_, RunEvent::Styx { event: Event::Submit { description: Description::Stored(at), .. }, .. }) => *at,
        _ => Position::FIRST,
    };
    let StoredWorkflow { spec, .. } = StoredWorkflow::new(&WorkflowConfiguration::new("any", "daily"), Origin::Api);
    Workflow {
        stored_at,
        deployed_at: record.at,
        json_digest: Uuid::nil(),
        spec,
        enabled: false,
        cursor: None,
        chosen_cursor: false,
        owed: Vec::new(),
    }
}

/// The run that an event begins, before it.
fn begun(event: &RunEvent, record: &Record) -> Option<Run> {
    match event {
        RunEvent::Styx { counter, .. } => Some(Run::new(counter.0.checked_sub(1).map(Counter), record.happened_at())),
        RunEvent::Ignored { .. } => None,
    }
}

/// The run after the event that ended it: the world doesn't hold it any more.
fn ended(run: Option<Run>, event: &RunEvent, record: &Record) -> Option<Run> {
    let RunEvent::Styx { counter, event } = event else { return run };
    let mut run = run?;
    run.apply(event, record.happened_at(), record.rules()).ok()?;
    run.counter = run.counter.max(Some(*counter));
    Some(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_tools::stories::told;

    #[test]
    fn an_instance_by_itself_is_folded_as_in_the_whole_log() {
        let (mut runs, mut executions, mut ends) = (0, 0, 0);
        for seed in 0..6 {
            let dir = tempfile::tempdir().unwrap();
            let (story, reader) = told(dir.path(), seed);
            let mut lives = BTreeMap::new();
            let mut world = World::default();
            for record in story.records() {
                let changes = world.apply(record).unwrap();
                let Fact::Run(id, _) = &record.fact else { continue };
                let steps = lives.entry(id.clone()).or_insert_with(|| of(&reader, id, Position(u64::MAX)).unwrap());
                let step = steps.iter().find(|step| step.record.position == record.position).unwrap();
                assert_eq!((&step.record, &step.refused), (record, &None));
                runs += 1;
                match (world.runs().get(id), &step.run.after) {
                    (Some(run), after) => assert_eq!(Some(run), after.as_ref(), "record {}", record.position),
                    (None, Some(after)) => {
                        assert!(!after.state.is_active());
                        if let Some((_, finished)) = changes.finished.as_deref() {
                            assert_eq!(finished.0, *after);
                            ends += 1;
                        }
                    }
                    (None, None) => assert!(matches!(record.fact, Fact::Run(_, RunEvent::Ignored { .. }))),
                }
                if let Some((id, both)) = &step.execution {
                    assert_eq!(world.executions().get(id), both.after.as_ref(), "record {}", record.position);
                    executions += 1;
                }
            }
        }
        assert!(runs > 1000 && executions > 500 && ends > 50, "{runs} {executions} {ends}");
    }
}
