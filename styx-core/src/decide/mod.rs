//! All policy: what follows from an input, given the world. Nothing is performed and the answer is the same every time.

mod admission;
mod condition;
mod files;
mod observed;
mod operator;
mod plan;
mod timeouts;
mod triggers;
mod workflows;

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use self::plan::Plan;
pub(crate) use self::plan::{obstacle, unfit};
pub use self::workflows::first_cursor;
use crate::{
    config::Config,
    event::TriggerParameters,
    executor::Observation,
    id::{Counter, Epoch, InstanceId, WorkflowId},
    record::{Cause, ConfigEvent, Fact, LogEvent, Operator, Record, StoredWorkflow},
    run::IllegalTransition,
    seed::Seed,
    world::{Finished, RowKey, TriggerKind, World},
};

/// The most runs or workflows that one decision moves: what is left asks again at once.
pub const BOUND: usize = 64;

/// What a decision is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The log is empty: give it a name and a seed.
    Start {
        /// The log's name.
        log_id: Uuid,
        /// What all draws are made from.
        root_seed: Uuid,
        /// The configuration to begin with.
        config: Arc<Config>,
    },
    /// Something may be due.
    Due,
    /// An executor saw something.
    Observed(Observation),
    /// A person or a program asks for something.
    Asked(Request, Arc<Operator>),
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Follow these values from here on; the switch of scheduling stays as it is.
    Configure(Arc<Config>),
    /// Turn scheduling as a whole on or off.
    SwitchScheduling {
        /// On or off.
        enabled: bool,
    },
    /// Create or replace a workflow that is valid; refused while a file of the workflow folder defines it.
    StoreWorkflow {
        /// Which.
        id: WorkflowId,
        /// The new definition.
        workflow: Arc<StoredWorkflow>,
    },
    /// Remove a workflow; refused while a file of the workflow folder defines it.
    DeleteWorkflow {
        /// Which.
        id: WorkflowId,
    },
    /// Take over what a file of the workflow folder says, all of it or nothing. A file that is gone defines nothing.
    LoadFile {
        /// The file, relative to the folder, with `/`.
        path: Arc<str>,
        /// All that it defines, valid, each once; their origin names the file.
        workflows: Arc<[(WorkflowId, Arc<StoredWorkflow>)]>,
        /// Workflows that another file defines now: if it was this one before, the other takes them over as they are.
        elsewhere: Arc<[WorkflowId]>,
    },
    /// Change a workflow's switch or cursor; `None` leaves a value as it is (E-12).
    PatchWorkflow {
        /// Which.
        id: WorkflowId,
        /// Natural triggers on or off.
        enabled: Option<bool>,
        /// The logical instant of the next natural trigger.
        next_instant: Option<DateTime<Utc>>,
        /// When it fires.
        next_fires_at: Option<DateTime<Utc>>,
    },
    /// Begin a run (E-26).
    Trigger {
        /// Of which workflow.
        workflow: WorkflowId,
        /// The parameter as sent; floored to the schedule.
        parameter: Arc<str>,
        /// What the run's environment gets on top.
        parameters: TriggerParameters,
        /// Whether the instant may lie in the future.
        allow_future: bool,
    },
    /// End a run (E-27).
    Halt {
        /// Of which instance.
        instance: InstanceId,
    },
    /// Try a run again after a delay (E-28).
    Retry {
        /// Of which instance.
        instance: InstanceId,
        /// The delay; negative is accepted.
        delay_millis: i64,
    },
}

/// What a decision sees besides the world: rows of what has finished, as [`needs`] named them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The rows that exist, by key.
    pub finished: BTreeMap<RowKey, Finished>,
}

impl Facts {
    fn of(&self, instance: &InstanceId, kind: TriggerKind) -> Option<&Finished> {
        self.finished.get(&RowKey::Finished(instance.clone(), kind))
    }

    /// Where the counter of an instance goes on.
    fn next_counter(&self, instance: &InstanceId) -> Counter {
        let last = TriggerKind::ALL.into_iter().filter_map(|kind| self.of(instance, kind)).map(|row| row.counter).max();
        last.map_or(Counter(0), Counter::next)
    }
}

/// What follows from an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Records to append, in one batch.
    pub drafts: Vec<Draft>,
    /// What to answer whoever asked, once the records are durable.
    pub reply: Option<Reply>,
    /// The bound was reached or more became due: ask again at once.
    pub again: bool,
}

/// A record that has no place yet. One whose cause isn't [`Cause::Decision`] begins a decision; those after it belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What happened.
    pub fact: Fact,
    /// Who or what caused it.
    pub cause: Cause,
}

impl Draft {
    /// The record that follows what `world` holds.
    pub fn into_record(self, world: &World, at: DateTime<Utc>, epoch: Epoch) -> Record {
        let Self { fact, cause } = self;
        let position = world.tail().next();
        let decision = if cause == Cause::Decision { world.decision() } else { position };
        Record { position, decision, at, epoch, idempotency_key: None, cause, fact }
    }
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done and recorded.
    Done,
    /// There was nothing to do; nothing was recorded.
    Nothing,
    /// A run began.
    Triggered {
        /// Its instance.
        instance: InstanceId,
        /// The id that was made for the trigger.
        trigger_id: Arc<str>,
    },
    /// It can't be done; nothing was recorded.
    Refused(Refusal),
}

/// Why a request is refused. The texts are those of Styx's API where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A trigger names no known workflow.
    #[error("The specified workflow is not found in the scheduler")]
    TriggerOfUnknownWorkflow,
    /// A request names no known workflow.
    #[error("workflow not found")]
    UnknownWorkflow,
    /// The workflow names nothing that can be run.
    #[error("Workflow is missing execution configuration")]
    NotRunnable,
    /// The parameter can't be read.
    #[error("Cannot parse time parameter {parameter} - {reason}")]
    BadParameter {
        /// As sent.
        parameter: Arc<str>,
        /// Why.
        reason: String,
    },
    /// The instant lies in the future.
    #[error("Cannot trigger an instance of the future")]
    Future,
    /// The instance is active.
    #[error("This workflow instance is already triggered. Did you want to `retry` running it instead?")]
    AlreadyActive,
    /// The graph has no such edge.
    #[error("{instance} {transition}")]
    Illegal {
        /// Whose run it is.
        instance: InstanceId,
        /// What was tried.
        transition: IllegalTransition,
    },
    /// The schedule never fires.
    #[error("invalid schedule: no matching instant")]
    NoInstant,
    /// The schedule or the offset can't be read.
    #[error("{0}")]
    BadSchedule(String),
    /// A cursor that isn't an instant of the schedule.
    #[error("next_natural_trigger not aligned with schedule")]
    UnalignedCursor,
    /// It runs in Flyte.
    #[error("Flyte workflows can't be run yet")]
    Flyte,
    /// The executor can't mount the workflow's secret.
    #[error("the {runner} executor can't mount a secret")]
    Secret {
        /// The executor.
        runner: Arc<str>,
    },
    /// The executor runs only workflows of the folder.
    #[error(
        "the {runner} executor runs only workflows of the workflow folder: start the server with --run-api-workflows \
         to let it run workflows made through the API"
    )]
    ApiWorkflow {
        /// The executor.
        runner: Arc<str>,
    },
    /// The executor runs only workflows of the folder, and the file of this one was removed.
    #[error(
        "the file {path} that defined the workflow was removed, and the {runner} executor runs only workflows of the \
         workflow folder: put the file back, or start the server with --run-api-workflows"
    )]
    RemovedFile {
        /// The file.
        path: Arc<str>,
        /// The executor.
        runner: Arc<str>,
    },
    /// A file of the workflow folder defines the workflow.
    #[error("the workflow is defined by the file {path} of the workflow folder: change it there")]
    OwnedByFile {
        /// The file.
        path: Arc<str>,
    },
    /// A workflow of a file can't be stored, so nothing of the file is.
    #[error("workflow {workflow}: {reason}")]
    InFile {
        /// Which.
        workflow: WorkflowId,
        /// Why.
        reason: Box<Refusal>,
    },
}

/// The rows of finished runs that a decision about `input` must see.
pub fn needs(world: &World, input: &Input, now: DateTime<Utc>) -> Vec<RowKey> {
    let instances = match input {
        Input::Due => triggers::due_instances(world, now),
        Input::Asked(Request::Trigger { workflow, parameter, .. }, _) => {
            triggers::asked_instance(world, workflow, parameter).into_iter().collect()
        }
        _ => Vec::new(),
    };
    let keys = |instance: InstanceId| TriggerKind::ALL.map(|kind| RowKey::Finished(instance.clone(), kind));
    instances.into_iter().flat_map(keys).collect()
}

/// What follows from `input` at `now`. What it drafts, [`World::apply`] accepts.
///
/// `seed` decides execution ids, trigger ids and the jitter of delays; what was drawn stands in the drafts.
pub fn decide(world: &World, facts: &Facts, input: &Input, now: DateTime<Utc>, seed: Seed) -> Decisions {
    let mut out = Decisions::default();
    let context = Context { world, facts, now, seed };
    match input {
        Input::Start { log_id, root_seed, config } => {
            if world.log_id().is_none() {
                let started = LogEvent::Started { log_id: *log_id, root_seed: *root_seed };
                out.draft(Fact::Log(started), Cause::Engine);
                out.draft(Fact::Config(ConfigEvent::Set(Arc::clone(config))), Cause::Decision);
            }
        }
        Input::Due => {
            timeouts::due(context, &mut out);
            let admitted = admission::due(context, &mut out);
            triggers::due(context, admitted, &mut out);
            out.again = !out.drafts.is_empty();
        }
        Input::Observed(observation) => observed::observed(context, observation, &mut out),
        Input::Asked(request, operator) => {
            let cause = Cause::Operator(Arc::clone(operator));
            let reply = asked(context, request, &cause, &mut out).unwrap_or_else(Reply::Refused);
            if matches!(reply, Reply::Refused(_)) {
                out.drafts.clear();
            }
            out.reply = Some(reply);
        }
    }
    out
}

fn asked(context: Context<'_>, request: &Request, cause: &Cause, out: &mut Decisions) -> Result<Reply, Refusal> {
    match request {
        Request::Configure(config) => {
            let before = context.world.config();
            if (Config { scheduling: before.scheduling, ..Config::clone(config) }) == **before {
                return Ok(Reply::Nothing);
            }
            out.draft(Fact::Config(ConfigEvent::Set(Arc::clone(config))), cause.clone());
            Ok(Reply::Done)
        }
        Request::SwitchScheduling { enabled } if *enabled == context.world.config().scheduling => Ok(Reply::Nothing),
        Request::SwitchScheduling { enabled } => {
            out.draft(Fact::Config(ConfigEvent::SchedulingSwitched { enabled: *enabled }), cause.clone());
            Ok(Reply::Done)
        }
        Request::StoreWorkflow { id, workflow } => workflows::store(context, id, workflow, cause, out),
        Request::DeleteWorkflow { id } => workflows::delete(context, id, cause, out),
        Request::LoadFile { path, workflows, elsewhere } => {
            let file = files::File { path, workflows, elsewhere };
            files::load(context, file, cause, out)
        }
        Request::PatchWorkflow { id, enabled, next_instant, next_fires_at } => {
            let patch = workflows::Patch { enabled: *enabled, instant: *next_instant, fires_at: *next_fires_at };
            workflows::patch(context, id, patch, cause, out)
        }
        Request::Trigger { workflow, parameter, parameters, allow_future } => {
            let asked = triggers::Asked { workflow, parameter, parameters, allow_future: *allow_future };
            triggers::asked(context, asked, cause, out)
        }
        Request::Halt { instance } => operator::halt(context, instance, cause, out),
        Request::Retry { instance, delay_millis } => operator::retry(context, instance, *delay_millis, cause, out),
    }
}

/// All that a policy may look at.
#[derive(Clone, Copy)]
struct Context<'a> {
    world: &'a World,
    facts: &'a Facts,
    now: DateTime<Utc>,
    seed: Seed,
}

impl Decisions {
    fn draft(&mut self, fact: Fact, cause: Cause) {
        self.drafts.push(Draft { fact, cause });
    }

    /// Drafts what an operator asked for: the first record of the answer carries who it was, the others belong to it.
    fn draft_asked(&mut self, fact: Fact, cause: &Cause) {
        let cause = if self.drafts.is_empty() { cause.clone() } else { Cause::Decision };
        self.draft(fact, cause);
    }
}
