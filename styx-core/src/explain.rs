//! Why a run waits, and for what: a function of the world, never recorded.

use std::{cell::LazyCell, fmt, sync::Arc};

use chrono::{DateTime, Utc};

use crate::{
    config::Config,
    eligibility::{run_obstacle, workflow_obstacle},
    event::Trigger,
    execution::{Execution, Phase},
    graph::State,
    id::{ExecutionId, InstanceId, WorkflowId},
    run::Run,
    stored_workflow::Runs,
    world::{Ahead, Backfill, Workflow, World},
};

/// One thing that a run or a workflow waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Scheduling is switched off.
    SchedulingOff,
    /// A delay: a retry that isn't due yet.
    Delay {
        /// When it is over.
        until: DateTime<Utc>,
    },
    /// An earlier execution of the same instance still lives and is being stopped.
    EarlierExecution {
        /// Which.
        execution: ExecutionId,
    },
    /// As many executions live as may.
    Limit {
        /// How many may.
        max: u32,
        /// How many runs that need the same resources come first.
        ahead: Ahead,
    },
    /// Resources that it needs have no free unit.
    Resources {
        /// Which.
        full: Vec<Arc<str>>,
        /// How many runs that need the same come first.
        ahead: Ahead,
    },
    /// Resources that it needs aren't defined: it fails when its turn comes.
    UnknownResources {
        /// Which.
        ids: Vec<Arc<str>>,
    },
    /// Runs leave the queue at a limited rate.
    Rate {
        /// When the next may.
        until: DateTime<Utc>,
        /// How many runs that need the same come first.
        ahead: Ahead,
    },
    /// Nothing: its turn comes with the next decisions.
    Next,
    /// It is halted with its backfill by the next decisions.
    Halting {
        /// Which backfill.
        backfill: Arc<str>,
    },
    /// Its execution, or an earlier one of the same instance, is with an executor that isn't configured: nobody reports about it.
    ExecutorMissing {
        /// Which execution.
        execution: ExecutionId,
        /// The executor.
        executor: Arc<str>,
    },
    /// The executor is to launch its execution.
    Launch,
    /// The executor has refused to launch its execution for now.
    Refused {
        /// When it was asked first.
        since: DateTime<Utc>,
        /// When it was to be asked again, at the first refusal for this reason; later ones have no record.
        retry_at: DateTime<Utc>,
        /// What it said.
        reason: Arc<str>,
    },
    /// The executor has it and it doesn't run yet, or it runs.
    Execution {
        /// SUBMITTED or RUNNING.
        state: State,
        /// When it is given up.
        until: DateTime<Utc>,
    },
    /// The workflow is disabled.
    Disabled,
    /// As many runs that make up for missed instants are active as may be.
    CatchUp {
        /// How many may.
        max: u32,
    },
    /// The next natural trigger fires then.
    NextTrigger {
        /// When.
        at: DateTime<Utc>,
    },
    /// What was due under an earlier schedule is triggered first.
    Owed {
        /// The earlier schedule.
        schedule: Arc<str>,
        /// The next instance.
        next: Arc<str>,
        /// How many instants there are at most: those that were triggered under another schedule are passed over.
        count: u64,
        /// Until when they fired.
        until: DateTime<Utc>,
    },
    /// The schedule has no further instant.
    NoInstant,
    /// The instants of a workflow are skipped, since it runs nothing that can be run.
    Skipped {
        /// Why it can't.
        why: Arc<str>,
    },
    /// A run will be halted when its turn comes (spec SM §16.3).
    HaltedInstead {
        /// Why it may not start.
        why: Arc<str>,
    },
    /// The runs of a workflow are halted before they begin an execution, since the executor can't run them.
    Halted {
        /// Why it can't.
        why: Arc<str>,
    },
}

/// What an active run waits for at `now`, all reasons at once; `None` when the instance isn't active.
pub fn explain(world: &World, instance: &InstanceId, now: DateTime<Utc>) -> Option<Vec<Reason>> {
    let run = world.runs().get(instance)?;
    let config = world.config();
    let execution = run.execution.as_ref().and_then(|id| world.executions().get(id));
    let backfill = backfill_of(run).and_then(|id| world.backfills().get(id));
    if let Some(reason) = explain_without_line(config, run, execution, backfill) {
        return Some(vec![reason]);
    }
    let mut reasons = Vec::new();
    let workflow = world.workflows().get(instance.workflow());
    if let Some(why) = run_obstacle(world, instance, run, workflow) {
        reasons.push(Reason::HaltedInstead { why });
    }
    let since = run.eligible_at.unwrap_or(run.since);
    if since > now {
        reasons.push(Reason::Delay { until: since });
    }
    if !config.scheduling {
        reasons.push(Reason::SchedulingOff);
    }
    if let Some(id) = world.index().living(instance) {
        let missing = world.executions().get(id).and_then(|execution| executor_missing(config, id, execution));
        reasons.push(missing.unwrap_or_else(|| Reason::EarlierExecution { execution: id.clone() }));
    }
    let none = Arc::default();
    let needed = workflow.map_or(&none, |workflow| &workflow.spec.resources);
    let queue = world.index().queue();
    let ahead = LazyCell::new(|| queue.ahead(needed, instance, now));
    let unknown: Vec<_> = queue.unknown(needed).cloned().collect();
    let full: Vec<_> = queue.full(needed).cloned().collect();
    if !unknown.is_empty() {
        reasons.push(Reason::UnknownResources { ids: unknown });
    } else if !full.is_empty() {
        reasons.push(Reason::Resources { full, ahead: *ahead });
    }
    if let Some(max) = config.execution_limit().filter(|_| world.index().free_slots(config) == 0) {
        reasons.push(Reason::Limit { max, ahead: *ahead });
    }
    if let Some(until) = world.rate_allows_at().filter(|at| *at > now) {
        reasons.push(Reason::Rate { until, ahead: *ahead });
    }
    if reasons.is_empty() {
        reasons.push(Reason::Next);
    }
    Some(reasons)
}

/// What a run waits for that stands in no line; `None` for a queued run, whose place in its line only a world knows.
/// `execution` is the one that the run follows, `backfill` the one that triggered it.
pub fn explain_without_line(
    config: &Config,
    run: &Run,
    execution: Option<&Execution>,
    backfill: Option<&Backfill>,
) -> Option<Reason> {
    if let Some(id) = backfill_of(run).filter(|_| backfill.is_some_and(|backfill| backfill.halts_runs)) {
        return Some(Reason::Halting { backfill: Arc::clone(id) });
    }
    let followed = run.execution.as_ref().zip(execution).filter(|_| run.state != State::Queued);
    if let Some(missing) = followed.and_then(|(id, execution)| executor_missing(config, id, execution)) {
        return Some(missing);
    }
    match run.state {
        State::Queued => None,
        State::Submitting => {
            let refused = execution.and_then(|execution| match execution.phase {
                Phase::Launching { retry_at } => Some((execution.since, retry_at?, execution.refusal.clone()?)),
                _ => None,
            });
            Some(match refused {
                Some((since, retry_at, reason)) => Reason::Refused { since, retry_at, reason },
                None => Reason::Launch,
            })
        }
        state => {
            let until = config.timeouts.deadline(state, run.since, run.running_timeout)?;
            Some(Reason::Execution { state, until })
        }
    }
}

/// A living execution with an executor that isn't configured.
fn executor_missing(config: &Config, id: &ExecutionId, execution: &Execution) -> Option<Reason> {
    let is_missing = execution.is_alive() && !config.has_executor(&execution.runner);
    is_missing.then(|| Reason::ExecutorMissing { execution: id.clone(), executor: Arc::clone(&execution.runner) })
}

/// The backfill that triggered a run.
pub fn backfill_of(run: &Run) -> Option<&Arc<str>> {
    match &run.trigger {
        Some(Trigger::Backfill(id)) => Some(id),
        _ => None,
    }
}

/// What a workflow's next natural trigger waits for; `None` when there is no such workflow.
pub fn explain_workflow(world: &World, id: &WorkflowId) -> Option<Vec<Reason>> {
    let workflow = world.workflows().get(id)?;
    Some(explain_schedule(world.config(), id, workflow, world.index().missed(id)))
}

/// What the next natural trigger of a workflow waits for, of which so many runs that make up for missed instants are active.
pub fn explain_schedule(config: &Config, id: &WorkflowId, workflow: &Workflow, missed: u32) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !workflow.enabled {
        reasons.push(Reason::Disabled);
    }
    if !config.scheduling {
        reasons.push(Reason::SchedulingOff);
    }
    if missed >= config.catch_up.max(1) {
        reasons.push(Reason::CatchUp { max: config.catch_up });
    }
    if let Some(refusal) = workflow_obstacle(config, id, workflow) {
        let why = refusal.to_string().into();
        let is_skipped = workflow.spec.runs != Runs::Image;
        reasons.push(if is_skipped { Reason::Skipped { why } } else { Reason::Halted { why } });
    }
    for owed in &workflow.owed {
        if let (Ok((schedule, _)), Some(instants)) = (owed.triggers(), owed.instants()) {
            let next = schedule.parameter(owed.next.instant).into();
            let schedule = Arc::clone(&owed.schedule);
            reasons.push(Reason::Owed { schedule, next, count: instants.count, until: owed.until });
        }
    }
    // A disabled workflow has no next trigger: enabling moves a cursor that has passed.
    if workflow.enabled {
        reasons.push(workflow.cursor.map_or(Reason::NoInstant, |cursor| Reason::NextTrigger { at: cursor.fires_at }));
    }
    reasons
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SchedulingOff => f.write_str("scheduling is switched off"),
            Self::Delay { until } => write!(f, "waits for its delay until {}", Second(*until)),
            Self::EarlierExecution { execution } => {
                write!(f, "waits until the earlier execution {execution} has ended")
            }
            Self::Limit { max: 0, .. } => f.write_str("no execution may begin: the limit is 0"),
            Self::Limit { max, ahead } => {
                write!(f, "waits for one of {max} executions to end, {ahead} that need the same come first")
            }
            Self::Resources { full, ahead } => {
                write!(f, "waits for a unit of {}, {ahead} that need the same come first", full.join(", "))
            }
            Self::UnknownResources { ids } => write!(f, "needs resources that aren't defined: {}", ids.join(", ")),
            Self::Rate { until, ahead } => {
                write!(
                    f,
                    "waits for the rate of dequeues until {}, {ahead} that need the same come first",
                    Second(*until)
                )
            }
            Self::Next => f.write_str("is next"),
            Self::Halting { backfill } => write!(f, "is halted with its backfill {backfill}"),
            Self::ExecutorMissing { execution, executor } => write!(
                f,
                "its execution {execution} is with the executor `{executor}`, which isn't configured: configure it again, halt the \
                 run, or declare the execution over"
            ),
            Self::Launch => f.write_str("waits for the executor to take it"),
            Self::Refused { since, retry_at, reason } => write!(
                f,
                "has waited since {} for the executor, which refuses it for now ({reason}); it is requested again from {} on",
                Second(*since),
                Second(*retry_at)
            ),
            Self::Execution { state: State::Submitted, until } => {
                write!(f, "waits for its execution to start, until {}", Second(*until))
            }
            Self::Execution { until, .. } => write!(f, "waits for its execution to end, until {}", Second(*until)),
            Self::Disabled => f.write_str("the workflow is disabled"),
            Self::CatchUp { max } => {
                write!(f, "{max} runs that make up for missed instants are active, as many as may be")
            }
            Self::NextTrigger { at } => write!(f, "the next natural trigger fires at {}", Second(*at)),
            Self::Owed { schedule, next, count: 1, until } => write!(
                f,
                "{next}, an instant of the earlier schedule {schedule} that fired until {}, is still owed",
                Second(*until)
            ),
            Self::Owed { schedule, next, count, until } => write!(
                f,
                "up to {count} instants of the earlier schedule {schedule} that fired until {} are still owed, next {next}",
                Second(*until)
            ),
            Self::NoInstant => f.write_str("the schedule has no further instant"),
            Self::Skipped { why } => write!(f, "its instants are skipped: {why}"),
            Self::HaltedInstead { why } => write!(f, "will be halted when its turn comes: {why}"),
            Self::Halted { why } => write!(f, "its runs are halted: {why}"),
        }
    }
}

/// A time in whole seconds.
struct Second(DateTime<Utc>);

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M:%SZ"))
    }
}
