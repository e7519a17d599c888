//! Tells from records, answers and worlds which situations a simulation was in.

mod answers;
mod backfills;
mod limits;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    event::{Event, FailureClass, Trigger},
    execution::Phase,
    executor::Observed,
    id::{Epoch, InstanceId, Position, WorkflowId},
    now::Now,
    record::{Cause, CursorMove, Ending, ExecutionEvent, Fact, Record, RunEvent, WorkflowEvent, WorkflowSpec},
    run::State,
    world::{Workflow, World},
};

use self::backfills::is_of_backfill;
use super::{Coverage, Situation};

/// Follows the log with a world of its own.
#[derive(Default)]
pub(super) struct Marks {
    world: World,
    finished: BTreeSet<InstanceId>,
    cursors: BTreeMap<WorkflowId, DateTime<Utc>>,
    /// How many partitions were triggered at a time.
    burst: (Option<(DateTime<Utc>, Epoch)>, usize),
    /// The writer of the last record.
    epoch: Epoch,
    /// Requests that a key led to, and who wrote their records.
    keyed: BTreeMap<Position, (Arc<str>, Epoch)>,
    /// Requests that were answered.
    answered: BTreeSet<String>,
    /// Keys of requests that have changed nothing.
    tried: BTreeSet<Arc<str>>,
}

impl Marks {
    /// Looks at a record before it is folded, and folds it.
    pub(super) fn record(&mut self, record: &Record, coverage: &mut Coverage) {
        self.keyed(record);
        match &record.fact {
            Fact::Run(instance, RunEvent::Styx { event, .. }) => self.run(record, instance, event, coverage),
            Fact::Resource(id, event) => self.resource(id, event, coverage),
            Fact::Backfill(id, event) => self.backfill(record, id, event, coverage),
            Fact::Execution(id, ExecutionEvent::Ended(Ending::Operator)) => self.declared(record, id, coverage),
            Fact::Workflow(id, event) => self.workflow(id, event, coverage),
            Fact::Execution(_, ExecutionEvent::Ended(Ending::Exit { code })) => {
                coverage.reach(Situation::LateExit);
                if *code == Some(0) {
                    coverage.reach(Situation::LateSuccess);
                }
            }
            Fact::Execution(_, ExecutionEvent::Refused { .. }) => match &record.cause {
                Cause::Executor { what: Observed::Refused { retry_at, .. }, .. } if *retry_at <= record.now().wall => {
                    coverage.reach(Situation::RefusedLate);
                }
                _ => {}
            },
            Fact::Config(event) => self.config(record, event, coverage),
            _ => {}
        }
        // A log that is broken on purpose can hold what no world accepts.
        let _ = self.world.apply(record);
    }

    fn run(&mut self, record: &Record, instance: &InstanceId, event: &Event, coverage: &mut Coverage) {
        self.held_up(instance, event, coverage);
        self.operated(record, instance, event, coverage);
        if matches!(event, Event::TriggerExecution { trigger, .. } if is_of_backfill(trigger)) {
            self.triggered(record, instance, coverage);
        }
        let run = self.world.runs().get(instance);
        let delayed = run.is_some_and(|run| run.eligible_at.is_some());
        if matches!(event, Event::Dequeue { .. }) && delayed && record.wall_offset < TimeDelta::zero() {
            coverage.reach(Situation::DelayWhileBehind);
        }
        let living = self.world.index().living(instance).and_then(|id| self.world.executions().get(id));
        let situation = match event {
            Event::TriggerExecution { trigger, .. } => {
                if let (Trigger::AdHoc(_), Some(cursor)) =
                    (trigger, self.world.workflows().get(instance.workflow()).and_then(|workflow| workflow.cursor))
                    && instance.parameter().get(..10) > Some(&*record.at.format("%Y-%m-%d").to_string())
                    && cursor.instant > record.at
                {
                    coverage.reach(Situation::FutureAllowed);
                }
                if living.is_some() {
                    coverage.reach(Situation::WaitsForEarlier);
                }
                self.finished.contains(instance).then_some(Situation::InstanceAgain)
            }
            Event::Halt { .. } if matches!(record.cause, Cause::Timer) => Some(Situation::HaltedByAdmission),
            Event::Halt { .. } => living.map(|_| Situation::HaltWhileLiving),
            Event::Timeout { .. } => match living.map(|execution| execution.phase) {
                Some(Phase::Launching { .. }) => Some(Situation::TimeoutWhileLaunching),
                Some(Phase::Running) => Some(Situation::TimeoutWhileRunning),
                _ => None,
            },
            Event::RunError { message, class: FailureClass::Infrastructure } if message.contains("node") => {
                Some(Situation::Lost)
            }
            Event::Stop { reason: Some(reason) } if reason.contains("cost") => Some(Situation::CostLimit),
            Event::Stop { reason: Some(reason) } if reason.contains("divided by zero") => {
                Some(Situation::ConditionWithoutValue)
            }
            Event::Stop { reason: Some(reason) } if reason.contains("condition") => Some(Situation::ConditionNotMet),
            Event::Stop { .. } => Some(Situation::Unrecoverable),
            Event::RetryAfter { .. } => match run {
                Some(run) if run.state == State::Queued => Some(Situation::RetryOfQueued),
                Some(run) if run.infrastructure_failures > 0 => Some(Situation::InfrastructureRetry),
                Some(run) if run.retry_condition.is_some() => Some(Situation::ConditionMet),
                Some(run) if run.last_exit == Some(20) => Some(Situation::MissingDependencies),
                _ => None,
            },
            _ => None,
        };
        if let Some(situation) = situation {
            coverage.reach(situation);
        }
        if matches!(event, Event::Success | Event::Stop { .. } | Event::Halt { .. }) {
            self.finished.insert(instance.clone());
        }
    }

    fn workflow(&mut self, id: &WorkflowId, event: &WorkflowEvent, coverage: &mut Coverage) {
        let has_runs = || self.world.runs().keys().any(|instance| instance.workflow() == id);
        match event {
            WorkflowEvent::FileRemoved { .. } => coverage.reach(Situation::FileRemoved),
            WorkflowEvent::Deleted if has_runs() => coverage.reach(Situation::DeletedWhileActive),
            WorkflowEvent::Stored(stored) if self.world.workflows().contains_key(id) => {
                self.needs(id, &stored.spec, coverage);
                let before = self.world.workflows().get(id).map(|workflow| &workflow.spec);
                if before.is_some_and(|before| is_edit_of_text(before, &stored.spec)) {
                    coverage.reach(Situation::EditOfText);
                }
            }
            WorkflowEvent::Stored(_) if !self.world.workflows().contains_key(id) && has_runs() => {
                coverage.reach(Situation::RecreatedWhileActive);
            }
            WorkflowEvent::CursorSkipped { .. } => coverage.reach(Situation::EditSkips),
            WorkflowEvent::Owed { .. } => {
                coverage.reach(Situation::EditOwes);
                if self.world.workflows().get(id).is_some_and(|workflow| !workflow.owed.is_empty()) {
                    coverage.reach(Situation::EditsOwe);
                }
            }
            WorkflowEvent::OwedMoved { why: CursorMove::Triggered, .. } => coverage.reach(Situation::OwedTriggered),
            WorkflowEvent::CursorMoved { to, why, .. } => {
                match why {
                    CursorMove::AlreadyTriggered => coverage.reach(Situation::AlreadyTriggered),
                    CursorMove::AlreadyActive => coverage.reach(Situation::AlreadyActive),
                    CursorMove::AlreadyCompleted => coverage.reach(Situation::AlreadyCompleted),
                    CursorMove::NoExecution => coverage.reach(Situation::NoExecution),
                    CursorMove::Operator if to.map(|to| to.instant) < self.cursors.get(id).copied() => {
                        coverage.reach(Situation::CursorMovedBack);
                    }
                    _ => {}
                }
                if let Some(to) = to {
                    self.cursors.insert(id.clone(), to.instant);
                }
            }
            _ => {}
        }
    }

    /// Looks at what waits after a step.
    pub(super) fn waiting(&self, now: Now, coverage: &mut Coverage) {
        let config = self.world.config();
        let index = self.world.index();
        if config.scheduling && index.free_slots(config) == 0 && index.queue().demands() {
            coverage.reach(Situation::LimitReached);
        }
        let has_room = config.scheduling && index.free_slots(config) > 0;
        if has_room && index.queue().demands() && self.world.rate_allows_at().is_some_and(|at| at > now.at) {
            coverage.reach(Situation::RateReached);
        }
        self.backfills_wait(coverage);
        let natural_at = || self.world.workflows().values().filter_map(Workflow::natural_at);
        if !now.is_believed() && natural_at().any(|at| at <= now.wall) {
            coverage.reach(Situation::ClockHolds);
        }
        if now.is_believed() && natural_at().any(|at| now.wall < at && at <= now.at) {
            coverage.reach(Situation::ClockBehind);
        }
        let due = |(_, at): &(&WorkflowId, Option<DateTime<Utc>>)| at.is_some_and(|at| Some(at) <= now.natural());
        let workflows = self.world.workflows().iter().map(|(id, workflow)| (id, workflow.natural_at()));
        for (id, _) in workflows.filter(due) {
            if !config.scheduling {
                coverage.reach(Situation::SchedulingOff);
            } else if index.missed(id) >= config.catch_up.max(1) {
                coverage.reach(Situation::CatchUpPaced);
            }
        }
    }
}

fn is_edit_of_text(before: &WorkflowSpec, after: &WorkflowSpec) -> bool {
    (before.schedule != after.schedule || before.offset != after.offset) && before.fires_as(after)
}
