//! The two lives in the world: how a record moves runs and executions, and the sets that order them.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Changes, Finished, Index, LogRow, RefusedRecord, RowKey, TriggerKind, Workflow, World,
    counted::Map,
    index::{Place, held_by, needed},
    unfit,
};
use crate::{
    config::Config,
    event::{Description, Event, Trigger},
    execution::{Ending, Execution, Phase},
    graph::{EventKind, Rules, State},
    id::{Counter, ExecutionId, InstanceId, WorkflowId},
    record::{ExecutionEvent, Record, RunEvent},
    run::Run,
};

/// A finished run, as [`Changes`] hand it out.
type FinishedRow = Box<(RowKey, Finished)>;

impl World {
    pub(super) fn apply_run(
        &mut self,
        record: &Record,
        id: &InstanceId,
        event: &RunEvent,
        changes: &mut Changes,
    ) -> Result<(), RefusedRecord> {
        let (at, rules) = (record.happened_at(), record.rules());
        if rules == Rules::Styx2 && self.index.living(id).is_some() {
            return Err(unfit(format!("run {id}"), "has an execution of ours that lives: nothing can be imported"));
        }
        changes.dirty.push(RowKey::Run(id.clone()));
        let (counter, event) = match event {
            RunEvent::Styx { counter, event } => (*counter, event),
            RunEvent::Ignored { .. } if rules == Rules::Ours => {
                return Err(unfit(format!("run {id}"), "ignores only what was imported"));
            }
            RunEvent::Ignored { counter, .. } => {
                if let Some(run) = self.runs.get_mut(id) {
                    run.counter = run.counter.max(Some(*counter));
                }
                return Ok(());
            }
        };
        // In imported histories the end of a run may be lost: a trigger begins afresh then (SM-108).
        let begins_afresh = rules == Rules::Styx2 && event.kind() == EventKind::TriggerExecution;
        let state = match self.runs.get_mut(id) {
            Some(run) if !begins_afresh => {
                let mut lives = Lives {
                    log: &mut self.log,
                    config: &self.config,
                    workflows: &self.workflows,
                    executions: &mut self.executions,
                    index: &mut self.index,
                };
                lives.advance_run(record, id, run, counter, event, at, rules, changes)?;
                run.state
            }
            _ => {
                let (state, displaced) = self.begin_run(id, counter, event, at, rules, record.at)?;
                changes.finished = displaced;
                state
            }
        };
        if state.is_terminal() {
            changes.finished = self.finish_run(id, record.at);
        }
        Ok(())
    }

    fn begin_run(
        &mut self,
        id: &InstanceId,
        counter: Counter,
        event: &Event,
        at: DateTime<Utc>,
        rules: Rules,
        now: DateTime<Utc>,
    ) -> Result<(State, Option<FinishedRow>), RefusedRecord> {
        if rules == Rules::Ours && event.kind() != EventKind::TriggerExecution {
            return Err(unfit(format!("run {id}"), "isn't active"));
        }
        if rules == Rules::Ours && !self.workflows.contains_key(id.workflow()) {
            return Err(unfit(format!("workflow {}", id.workflow()), "doesn't exist"));
        }
        let mut run = Run::new(counter.0.checked_sub(1).map(Counter), at);
        run.apply(event, at, rules)
            .map_err(|transition| RefusedRecord::Illegal { instance: id.clone(), transition })?;
        let displaced = self.finish_run(id, now);
        let is = self.index.place_of(&self.config, id, &run);
        self.index.move_run(id, &needed(&self.workflows, id.workflow()), Place::default(), is, now);
        self.count_run(id, &run, true);
        let state = run.state;
        self.runs.insert(id.clone(), run);
        Ok((state, displaced))
    }

    /// Takes a run that has ended out of the world.
    fn finish_run(&mut self, id: &InstanceId, now: DateTime<Utc>) -> Option<FinishedRow> {
        let run = self.remove_run(id, now)?;
        run.counter?;
        let key = RowKey::Finished(id.clone(), TriggerKind::of(run.trigger.as_ref()));
        Some(Box::new((key, Finished(run))))
    }

    fn remove_run(&mut self, id: &InstanceId, now: DateTime<Utc>) -> Option<Run> {
        let run = self.runs.remove(id)?;
        let was = self.index.place_of(&self.config, id, &run);
        self.index.move_run(id, &needed(&self.workflows, id.workflow()), was, Place::default(), now);
        self.count_run(id, &run, false);
        Some(run)
    }

    /// Counts a run that begins or ends: of a catch-up, of a backfill.
    fn count_run(&mut self, id: &InstanceId, run: &Run, begins: bool) {
        if run.missed {
            let natural_at = self.workflows.get(id.workflow()).and_then(Workflow::natural_at);
            let by = if begins { 1 } else { -1 };
            self.index.count_missed(&self.config, id.workflow(), natural_at, by);
        }
        self.index.count_run(id, run, begins);
        if let Some(Trigger::Backfill(id)) = &run.trigger
            && let Some(backfill) = self.backfills.get(id)
        {
            self.index.place_backfill(id, backfill);
        }
    }

    pub(super) fn apply_execution(
        &mut self,
        record: &Record,
        id: &ExecutionId,
        event: &ExecutionEvent,
    ) -> Result<(), RefusedRecord> {
        let refuse = |problem| Err(unfit(format!("execution {id}"), problem));
        let followed = self.is_followed(id);
        let Some(execution) = self.executions.get_mut(id) else {
            return refuse("doesn't exist");
        };
        match event {
            ExecutionEvent::Ended(_) if !execution.is_alive() => return refuse("has ended already"),
            ExecutionEvent::Ended(_) if followed => return refuse("ends with an event of its run, which follows it"),
            ExecutionEvent::Ended(ending) => {
                execution.phase = Phase::Ended(*ending);
                execution.since = record.at;
                execution.refusal = None;
                let instance = execution.instance.clone();
                self.index.end_execution(&instance, id, &execution.runner);
                self.index.queue_mut().release(&execution.resources);
                // A run that was waiting for this end may be ready now.
                if let Some(run) = self.runs.get(&instance) {
                    let is = self.index.place_of(&self.config, &instance, run);
                    let needed = needed(&self.workflows, instance.workflow());
                    self.index.move_run(&instance, &needed, Place::default(), is, record.at);
                }
            }
            ExecutionEvent::Refused { retry_at, reason } if matches!(execution.phase, Phase::Launching { .. }) => {
                execution.phase = Phase::Launching { retry_at: Some(*retry_at) };
                execution.refusal = Some(Arc::clone(reason));
            }
            ExecutionEvent::Refused { .. } => return refuse("was taken already"),
            ExecutionEvent::Cleaned if execution.is_alive() => return refuse("hasn't ended"),
            ExecutionEvent::Cleaned => {
                self.executions.remove(id);
                self.index.clean_execution(id);
            }
        }
        Ok(())
    }
}

/// What a run's event reads and changes beside the run: all of the world but the runs.
struct Lives<'a> {
    log: &'a mut LogRow,
    config: &'a Config,
    workflows: &'a Map<WorkflowId, Workflow>,
    executions: &'a mut Map<ExecutionId, Execution>,
    index: &'a mut Index,
}

impl Lives<'_> {
    #[expect(clippy::too_many_arguments, reason = "one record taken apart, once")]
    fn advance_run(
        &mut self,
        record: &Record,
        id: &InstanceId,
        run: &mut Run,
        counter: Counter,
        event: &Event,
        at: DateTime<Utc>,
        rules: Rules,
        changes: &mut Changes,
    ) -> Result<(), RefusedRecord> {
        let expected = run.counter.map(Counter::next);
        if rules == Rules::Ours && expected != Some(counter) {
            return Err(RefusedRecord::WrongCounter { instance: id.clone(), expected, found: counter });
        }
        let illegal = |transition| RefusedRecord::Illegal { instance: id.clone(), transition };
        if rules == Rules::Ours {
            run.check(event, rules).map_err(illegal)?;
            self.check_execution(id, run, event)?;
        }
        let was = self.index.place_of(self.config, id, run);
        let followed = run.execution.clone();
        let was_imported = run.imported;
        let held = held_by(run).cloned();
        run.apply(event, at, rules).map_err(illegal)?;
        run.counter = match rules {
            Rules::Ours => Some(counter),
            Rules::Styx2 => Some(counter).max(run.counter),
        };
        if rules == Rules::Ours {
            self.advance_execution(record, id, run, event, at);
            changes.dirty.extend(run.execution.clone().or(followed).map(RowKey::Execution));
        }
        self.index.queue_mut().hold(held_by(run).map_or(&[], |held| held));
        self.index.queue_mut().release(held.as_ref().map_or(&[], |held| held));
        if rules == Rules::Ours
            && event.kind() == EventKind::Dequeue
            && let Some(rate) = self.config.rate()
        {
            self.log.rate_used = rate.after_one(self.log.rate_used, at);
        }
        if was_imported && !run.imported {
            self.index.count_run(id, run, true);
        }
        let is = self.index.place_of(self.config, id, run);
        if was != is {
            self.index.move_run(id, &needed(self.workflows, id.workflow()), was, is, record.at);
        }
        Ok(())
    }

    /// Whether run, execution and workflow agree that `event` can happen to the run.
    fn check_execution(&self, id: &InstanceId, run: &Run, event: &Event) -> Result<(), RefusedRecord> {
        let refuse = |problem| Err(unfit(format!("run {id}"), problem));
        let id_after = match event {
            Event::Submit { execution, .. } => execution,
            _ => &run.execution,
        };
        let execution = id_after.as_ref().and_then(|execution| self.executions.get(execution));
        match event {
            Event::Submit { description: Description::Stored(position), .. } => {
                let workflow = self.workflows.get(id.workflow());
                if execution.is_some() {
                    refuse("submits an execution that exists already")
                } else if self.index.living(id).is_some() {
                    refuse("has an earlier execution that still lives")
                } else if workflow.is_none_or(|workflow| workflow.stored_at != *position) {
                    refuse("submits a workflow that isn't the one stored last")
                } else {
                    Ok(())
                }
            }
            Event::Submitted { runner, .. } => match execution {
                Some(execution) if execution.is_alive() && Some(&execution.runner) == runner.as_ref() => Ok(()),
                _ => refuse("has no execution that lives with this executor"),
            },
            Event::Started | Event::Terminate { .. } => match execution {
                Some(execution) if execution.is_alive() => Ok(()),
                _ => refuse("has no execution that lives"),
            },
            _ => Ok(()),
        }
    }

    /// How far its run's event brings the execution that it follows.
    fn advance_execution(&mut self, record: &Record, id: &InstanceId, run: &Run, event: &Event, at: DateTime<Utc>) {
        let Some(execution_id) = &run.execution else {
            return;
        };
        let phase = match event {
            Event::Submit { runner, .. } => {
                let execution = Execution {
                    instance: id.clone(),
                    submitted_by: record.position,
                    log_id: self.log.identity.map(|(log_id, _)| log_id).unwrap_or_default(),
                    runner: runner.clone().unwrap_or_default(),
                    resources: run.resources.clone().unwrap_or_default(),
                    refusal: None,
                    phase: Phase::Launching { retry_at: None },
                    since: at,
                };
                self.index.begin_execution(id, execution_id, &execution.runner);
                self.index.queue_mut().hold(&execution.resources);
                self.executions.insert(execution_id.clone(), execution);
                return;
            }
            Event::Submitted { .. } => Phase::Launched,
            Event::Started => Phase::Running,
            Event::Terminate { exit_code } => Phase::Ended(Ending::Exit { code: *exit_code }),
            _ => return,
        };
        if let Some(execution) = self.executions.get_mut(execution_id) {
            execution.phase = phase;
            execution.since = at;
            execution.refusal = None;
            if !execution.is_alive() {
                self.index.end_execution(id, execution_id, &execution.runner);
                self.index.queue_mut().release(&execution.resources);
            }
        }
    }
}

impl State {
    /// Whether a run here waits for what becomes of its execution.
    pub(super) fn follows_execution(self) -> bool {
        matches!(self, Self::Submitting | Self::Submitted | Self::Running)
    }
}
