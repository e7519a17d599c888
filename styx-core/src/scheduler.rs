//! The scheduler: the core's one entry, for a program with a store, a clock and something that runs jobs.
//!
//! A step takes what happened and what was requested, and decides. Its [`batch`](Step::batch) is appended to the store, and
//! only [`durable`](Step::durable) gives its replies and effects: nothing is answered or done that isn't in the log.
//!
//! ```
//! use chrono::DateTime;
//! use styx_core::{
//!     config::Config,
//!     log::Rows,
//!     record::{Operator, Record},
//!     request::Request,
//!     scheduler::{LogName, Scheduler},
//! };
//! # struct Store(Vec<Record>);
//! # impl Rows for Store {
//! #     fn row(&self, _: &styx_core::world::RowKey) -> Result<Option<styx_core::world::Row>, styx_core::log::LogError> {
//! #         Ok(None)
//! #     }
//! #     fn record(&self, _: styx_core::id::Position) -> Result<Option<Record>, styx_core::log::LogError> {
//! #         Ok(None)
//! #     }
//! # }
//! # let mut store = Store(Vec::new());
//!
//! let bytes = [7; 32]; // from a random generator, outside of tests
//! let mut scheduler = Scheduler::begin(LogName::from_random_bytes(bytes), Config::default());
//! let request = Request::SetResource { id: "printer".into(), concurrency: 1 };
//! let step = scheduler.step(DateTime::UNIX_EPOCH, [Operator::named("ann").requests(request)], &store)?;
//! store.0.extend(step.batch().records.iter().cloned());
//! let done = step.durable();
//! assert_eq!(done.replies.len(), 1);
//! # Ok::<(), styx_core::scheduler::StepError>(())
//! ```
//!
//! Effects can't be had of a step that isn't durable:
//!
//! ```compile_fail,E0599
//! # use styx_core::scheduler::Step;
//! fn launch_too_early(step: &Step<'_>) -> usize {
//!     step.effects().len()
//! }
//! ```
//!
//! Nor is a step durable twice, or appended after it was:
//!
//! ```compile_fail,E0382
//! # use styx_core::scheduler::Step;
//! fn append_too_late(step: Step<'_>) -> usize {
//!     let _done = step.durable();
//!     step.batch().records.len()
//! }
//! ```

mod propose;
mod settling;
mod step;

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, SubsecRound, Utc};
use uuid::{Builder, Uuid};

use self::{propose::Overlay, settling::Settling};
pub use self::{
    propose::propose,
    step::{Done, Step},
};
use crate::{
    config::Config,
    decide::Input,
    effects::{self, EffectTracker, TrackerOptions},
    executor::{Effect, EffectKind, Launch},
    id::{Epoch, ExecutionId},
    log::{Batch, Definitions, LogError, Rows},
    now::Now,
    record::Record,
    request::Reply,
    world::{Row, RowKey, World},
};

/// A world, what its executor was asked for, and the step that is being decided.
///
/// It reads nothing but [`Rows`] and appends nothing: its holder appends what a [`Step`] has. It goes on only from what
/// is durable: once a step was dropped before [`Step::durable`], or ended by an error, its world is ahead of the log, and every
/// further call returns [`StepError::Poisoned`].
#[derive(Debug)]
pub struct Scheduler {
    world: World,
    epoch: Epoch,
    options: SchedulerOptions,
    /// The first decision of a log that hasn't begun.
    start: Option<Input>,
    tracker: EffectTracker,
    settling: Settling,
    definitions: Definitions,
    open: OpenStep,
    poisoned: bool,
}

/// The name of a new log and the seed of all its draws. Both must be random: two logs of one seed launch executions under the
/// same ids, and an executor takes those of a log with the same name for its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogName {
    log_id: Uuid,
    root_seed: Uuid,
}

impl LogName {
    /// The name and the seed that these random bytes make.
    pub fn from_random_bytes(bytes: [u8; 32]) -> Self {
        let uuid = |from: usize| Builder::from_random_bytes(std::array::from_fn(|at| bytes[from + at])).into_uuid();
        Self { log_id: uuid(0), root_seed: uuid(16) }
    }
}

/// How a scheduler behaves; not part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchedulerOptions {
    /// A trigger may only set environment variables that the workflow itself names; false by default.
    pub declared_env_only: bool,
    /// A step stops deciding about what is due after about as many records, and what is left comes with the next; 2,000 by
    /// default.
    pub max_records: usize,
    /// How long a refused launch waits.
    pub tracker: TrackerOptions,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self { declared_env_only: false, max_records: 2_000, tracker: TrackerOptions::default() }
    }
}

impl SchedulerOptions {
    /// Sets [`declared_env_only`](Self::declared_env_only).
    #[must_use]
    pub fn declared_env_only(mut self, only: bool) -> Self {
        self.declared_env_only = only;
        self
    }

    /// Sets [`max_records`](Self::max_records).
    #[must_use]
    pub fn max_records(mut self, max: usize) -> Self {
        self.max_records = max;
        self
    }

    /// Sets [`tracker`](Self::tracker).
    #[must_use]
    pub fn tracker(mut self, options: TrackerOptions) -> Self {
        self.tracker = options;
        self
    }
}

/// Why there is no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A step before this one was dropped, or ended by an error: what it decided is in the world and not in the log.
    #[error("an earlier step wasn't made durable: make a new scheduler from the log")]
    Poisoned,
    /// Something was asked of a log that hasn't begun; nothing has changed.
    #[error("the log is empty: the first input must be Input::Start, which gives it its name")]
    NotStarted,
    /// The store can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Scheduler {
    /// A scheduler of a new log, which gets its name with the first step.
    pub fn begin(name: LogName, config: Config) -> Self {
        let LogName { log_id, root_seed } = name;
        let start = Input::Start { log_id, root_seed, config: Arc::new(config) };
        Self { start: Some(start), ..Self::resume(World::default()) }
    }

    /// A scheduler of a log that exists: `world` is the one that its rows make, up to its last record.
    ///
    /// If that is the empty world, the first input must be [`Input::Start`].
    pub fn resume(world: World) -> Self {
        let options = SchedulerOptions::default();
        Self {
            settling: Settling::after(world.tail()),
            world,
            epoch: Epoch(1),
            options,
            start: None,
            tracker: EffectTracker::new(options.tracker),
            definitions: Definitions::default(),
            open: OpenStep::default(),
            poisoned: false,
        }
    }

    /// Sets the epoch that records carry; 1 otherwise. A store that lets one writer at a time append counts its writers.
    #[must_use]
    pub fn with_epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = epoch;
        self
    }

    /// Sets how it behaves.
    #[must_use]
    pub fn with_options(mut self, options: SchedulerOptions) -> Self {
        self.options = options;
        self.tracker = EffectTracker::new(options.tracker);
        self
    }

    /// The world as of the last step; while inputs are [taken](Self::take), as it will be.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// How many records the open step has so far.
    pub fn open_records(&self) -> usize {
        self.open.records.len()
    }

    /// Decides about the inputs in order, and about all that is due at `now`. `rows` has what is durable.
    ///
    /// What counts as `now` is the later of it and the last record's time, in whole milliseconds.
    ///
    /// # Errors
    ///
    /// When the store can't be read, the log hasn't begun, or an earlier step wasn't made durable.
    pub fn step<R: Rows + ?Sized>(
        &mut self,
        now: impl Into<Now>,
        inputs: impl IntoIterator<Item = impl Borrow<Input>>,
        rows: &R,
    ) -> Result<Step<'_>, StepError> {
        let now = now.into();
        for input in inputs {
            self.take(now, input.borrow(), rows)?;
        }
        self.finish(now, rows)
    }

    /// Decides about an input, as a part of the step that [`finish`](Self::finish) ends: for callers that gather inputs one by one.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn take<R: Rows + ?Sized>(&mut self, now: impl Into<Now>, input: &Input, rows: &R) -> Result<(), StepError> {
        let now = self.present(now.into())?;
        self.start_log(now, rows)?;
        if self.world.log_id().is_none() && !matches!(input, Input::Start { .. }) {
            return Err(StepError::NotStarted);
        }
        if let Input::Observed(observation) = input {
            let submitted = self.world.executions().get(&observation.execution);
            if submitted.is_some_and(|submitted| submitted.runner != observation.runner) {
                let source = (observation.execution.clone(), Arc::clone(&observation.runner));
                self.open.misattributed.push(source);
                return Ok(());
            }
            self.settling.observe(&observation.execution);
            self.tracker.observe(&self.world, observation, now);
        }
        self.decide(now, input, rows)
    }

    /// The executor has reported all that it knows, after the first effects: what is due waits for no execution any more. Without
    /// this, what is due waits until each execution of an earlier process was observed, or a minute has passed.
    pub fn all_reported(&mut self) {
        self.settling.end();
    }

    /// Ends a step: decides about all that is due.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn finish<R: Rows + ?Sized>(&mut self, now: impl Into<Now>, rows: &R) -> Result<Step<'_>, StepError> {
        let now = self.present(now.into())?;
        self.start_log(now, rows)?;
        while self.is_due(now) {
            let before = self.open.records.len();
            self.decide(now, &Input::Due, rows)?;
            assert!(self.open.records.len() > before, "something is due at {now:?} and nothing follows from it");
            if self.open.records.len() >= self.options.max_records {
                break;
            }
        }
        // Until the step is durable the world is ahead of the log.
        self.poisoned = true;
        let OpenStep { replies, misattributed, records, dirty, others } = std::mem::take(&mut self.open);
        let of_world = dirty.iter().map(|key| (key.clone(), self.world.row(key)));
        let rows_changed = if records.is_empty() { Vec::new() } else { of_world.chain(others).collect() };
        let batch = Batch { records, rows: rows_changed };
        if !self.tracker.has_begun() {
            self.settling.begin(&self.world, now.at);
        }
        let requests = self.tracker.requests(&self.world, dirty, now.at);
        let overlay = Overlay { rows, others: None, records: &batch.records };
        let mut effects = Vec::with_capacity(requests.effects.len());
        for (executor, execution, kind) in requests.unknown {
            effects.extend(self.effect(execution, kind, Some(executor), &overlay)?);
        }
        for (execution, kind) in requests.effects {
            effects.extend(self.effect(execution, kind, None, &overlay)?);
        }
        let wake = [self.tracker.next_wake(), self.next_due(now)].into_iter().flatten().min();
        let done = Done {
            replies,
            effects,
            foreign: requests.foreign,
            misattributed,
            wake: wake.map(whole_millisecond_after),
        };
        Ok(Step::new(&mut self.poisoned, batch, done))
    }

    /// The moment of a decision: no earlier than the last record, in whole milliseconds.
    fn present(&self, now: Now) -> Result<Now, StepError> {
        if self.poisoned {
            return Err(StepError::Poisoned);
        }
        let at = now.at.trunc_subsecs(3).max(self.world.at());
        let was_never_set = now.wall == now.at;
        Ok(Now { at, wall: if was_never_set { at } else { now.wall.trunc_subsecs(3) } })
    }

    fn start_log<R: Rows + ?Sized>(&mut self, now: Now, rows: &R) -> Result<(), StepError> {
        match self.start.take() {
            Some(start) => self.decide(now, &start, rows),
            None => Ok(()),
        }
    }

    fn decide<R: Rows + ?Sized>(&mut self, now: Now, input: &Input, rows: &R) -> Result<(), StepError> {
        // An error or a panic leaves a part of a decision behind.
        self.poisoned = true;
        let overlay = Overlay { rows, others: Some(&self.open.others), records: &self.open.records };
        let decisions = propose(&self.world, &overlay, input, now)?;
        for draft in decisions.drafts {
            let record = draft.into_record(&self.world, now, self.epoch);
            let mut changes = match self.world.apply(&record) {
                Ok(changes) => changes,
                Err(refused) => panic!("decided a record that the world refuses: {refused}: {record:?}"),
            };
            self.open.dirty.extend(std::mem::take(&mut changes.dirty));
            self.open.others.extend(changes.into_rows());
            self.open.records.push(record);
        }
        self.open.replies.extend(decisions.reply);
        self.poisoned = false;
        Ok(())
    }

    fn is_due(&self, now: Now) -> bool {
        let has_begun = self.world.log_id().is_some() && self.tracker.has_begun();
        has_begun && self.next_due(now).is_some_and(|due| due <= now.at)
    }

    /// When something falls due; not before the living executions have reported, or had the time to.
    fn next_due(&self, now: Now) -> Option<DateTime<Utc>> {
        self.world.next_due_by(now).map(|due| self.settling.not_before(due))
    }

    /// An effect with all that the executor needs to do it; `reported_by` is the executor that has what the world doesn't know.
    fn effect<R: Rows + ?Sized>(
        &self,
        execution: ExecutionId,
        kind: EffectKind,
        reported_by: Option<Arc<str>>,
        rows: &R,
    ) -> Result<Option<Effect>, LogError> {
        let submitted = self.world.executions().get(&execution);
        let submitted = submitted.map(|submitted| (Arc::clone(&submitted.runner), submitted.log_id));
        // What the world doesn't know runs under its log's name.
        let Some((executor, log_id)) = submitted.or_else(|| reported_by.zip(self.world.log_id())) else {
            return Ok(None);
        };
        Ok(match kind {
            EffectKind::Launch => self.launch(&execution, rows)?.map(|launch| Effect::Launch(Box::new(launch))),
            EffectKind::Adopt => Some(Effect::Adopt { executor, log_id, execution }),
            EffectKind::Stop => Some(Effect::Stop { executor, log_id, execution }),
            EffectKind::CleanUp => Some(Effect::CleanUp { executor, log_id, execution }),
        })
    }

    fn launch<R: Rows + ?Sized>(&self, execution: &ExecutionId, rows: &R) -> Result<Option<Launch>, LogError> {
        let Some(position) = effects::definition_of(&self.world, execution) else {
            return Ok(None);
        };
        let definition = self.definitions.get(rows, position)?;
        let configuration = definition
            .configuration()
            .map_err(|error| LogError::at_record(position, &format!("the workflow's JSON can't be read: {error}")))?;
        let origin = &definition.stored.spec.origin;
        Ok(effects::launch(&self.world, execution, configuration, origin, self.options.declared_env_only))
    }
}

/// Records that are decided and applied and not yet in a step, and what rests on them.
#[derive(Debug, Default)]
struct OpenStep {
    replies: Vec<Reply>,
    misattributed: Vec<(ExecutionId, Arc<str>)>,
    records: Vec<Record>,
    dirty: BTreeSet<RowKey>,
    /// Rows that aren't part of the world.
    others: BTreeMap<RowKey, Option<Row>>,
}

/// Decisions have whole milliseconds: what falls due within one is done at its end.
fn whole_millisecond_after(at: DateTime<Utc>) -> DateTime<Utc> {
    let whole = at.trunc_subsecs(3);
    if whole == at { at } else { whole.checked_add_signed(chrono::TimeDelta::milliseconds(1)).unwrap_or(at) }
}
