//! The machine: log and world and what is owed, driven by a synchronous step. Threads, clocks and channels are outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    decide::{Facts, Input, Reply, Request, RuntimePatch, decide, needs},
    effects::{self, EffectTracker, TrackerOptions},
    executor::{Effect, EffectKind},
    id::{Epoch, ExecutionId, Position},
    log::{Batch, Definitions, Log, LogError, LogReader, for_each_row},
    now::Now,
    record::Record,
    seed::Seed,
    world::{Row, RowKey, RowScope, World},
};
use uuid::Uuid;

use crate::clock::{ClockStatus, Reading, TrustedClock, WallLimits};

/// Names an input, so that its answer finds back.
pub type Ticket = u64;

/// The writer of a log: takes inputs, decides, appends, and only then says what is to be answered and done.
pub struct Machine {
    world: World,
    log: Box<dyn Log>,
    reader: Box<dyn LogReader>,
    epoch: Epoch,
    options: MachineOptions,
    clock: TrustedClock,
    open: OpenStep,
    /// What the executor was asked for in this process, and what it is asked for again when.
    tracker: EffectTracker,
    /// Where the log ended when it was opened.
    opened_at: Position,
    /// Executions of an earlier process that haven't reported yet, and until when nothing falls due because of that.
    settling: Option<Settling>,
    /// What launches need of workflows.
    definitions: Definitions,
}

/// A start after an outage: how the living executions stand comes first, so that what ended well meanwhile isn't timed out.
struct Settling {
    awaited: BTreeSet<ExecutionId>,
    until: DateTime<Utc>,
}

/// How long a start waits for the living executions to report.
const SETTLE: TimeDelta = TimeDelta::seconds(10);

/// How a machine behaves; not part of the log.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct MachineOptions {
    /// A trigger may only set environment variables that the workflow itself names.
    pub declared_env_only: bool,
    /// A step stops deciding after about as many records; what is left comes with the next step.
    pub max_records: usize,
    /// How far the wall clock is believed.
    pub wall_limits: WallLimits,
    /// How long a refused launch waits until it is asked for again.
    pub tracker: TrackerOptions,
}

impl Default for MachineOptions {
    fn default() -> Self {
        Self {
            declared_env_only: false,
            max_records: 2_000,
            wall_limits: WallLimits::default(),
            tracker: TrackerOptions::default(),
        }
    }
}

impl MachineOptions {
    /// Sets [`declared_env_only`](Self::declared_env_only).
    #[must_use]
    pub fn declared_env_only(mut self, only: bool) -> Self {
        self.declared_env_only = only;
        self
    }

    /// Sets [`wall_limits`](Self::wall_limits).
    #[must_use]
    pub fn wall_limits(mut self, limits: WallLimits) -> Self {
        self.wall_limits = limits;
        self
    }

    /// Sets [`tracker`](Self::tracker).
    #[must_use]
    pub fn tracker(mut self, options: TrackerOptions) -> Self {
        self.tracker = options;
        self
    }
}

/// What a step leads to. All of it rests on records that are durable.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Answers to whoever asked.
    pub answers: Vec<(Ticket, Reply)>,
    /// Effects for the executor.
    pub effects: Vec<Effect>,
    /// When to step again without an input, as [`Now::at`] will have it; at once when it has passed.
    pub wake: Option<DateTime<Utc>>,
    /// How many records were appended.
    pub appended: usize,
    /// Inputs that this step had no room for: give them to the next one, first.
    pub left: Vec<(Ticket, Input)>,
    /// Living executions that this process must leave alone: another executor has them, or the log they were launched under
    /// was another one.
    pub foreign: Vec<ExecutionId>,
}

/// Why a machine can't go on. The process must stop: what was decided last may or may not be in the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The log can't be written or read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Something was asked of a log that hasn't begun.
    #[error("the log is empty: the first input must be Input::Start, which gives it its name")]
    NotStarted,
    /// The rows of the world don't make one.
    #[error("the rows of the world don't fit together: {0}")]
    Rows(String),
}

impl Machine {
    /// Opens a log as its writer: fences every older writer and takes the world from the rows.
    ///
    /// # Errors
    ///
    /// When the log can't be read, or its rows don't make a world that ends where the log does.
    pub fn open(mut log: Box<dyn Log>, options: MachineOptions) -> Result<Self, MachineError> {
        let epoch = log.begin_epoch()?;
        let reader = log.reader();
        let world = read_world(reader.as_ref())?;
        let tail = reader.tail()?;
        if world.tail() != tail {
            let text = format!("they end at {}, the log at {tail}", world.tail());
            return Err(MachineError::Rows(text));
        }
        let last = world.log_id().map(|_| world.at());
        Ok(Self {
            world,
            log,
            reader,
            epoch,
            options,
            clock: TrustedClock::new(options.wall_limits, last),
            open: OpenStep::default(),
            tracker: EffectTracker::new(options.tracker),
            opened_at: tail,
            settling: None,
            definitions: Definitions::default(),
        })
    }

    /// The world as the log has it; within a step, as it will have it.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Something that reads the log from other threads.
    pub fn reader(&self) -> Box<dyn LogReader> {
        self.log.reader()
    }

    /// Whether the log is empty: then [`Input::Start`] must come first.
    pub fn is_new(&self) -> bool {
        self.world.log_id().is_none()
    }

    /// Decides about the inputs in order and about all that is due, appends the records in one batch, and returns what is to
    /// be answered and done.
    ///
    /// # Errors
    ///
    /// When the append failed. Nothing of this step may be answered or done, and the machine can't be used again.
    pub fn step(&mut self, reading: impl Into<Reading>, inputs: Vec<(Ticket, Input)>) -> Result<Outputs, MachineError> {
        let reading = reading.into();
        let mut inputs = inputs.into_iter();
        while !self.is_full()
            && let Some((ticket, input)) = inputs.next()
        {
            self.take(reading, ticket, &input)?;
        }
        let mut outputs = self.finish(reading)?;
        outputs.left = inputs.collect();
        if !outputs.left.is_empty() {
            let now = self.now(reading).at;
            outputs.wake = Some(outputs.wake.map_or(now, |wake| wake.min(now)));
        }
        Ok(outputs)
    }

    /// Decides about an input, as a part of the step that [`finish`](Self::finish) ends. Until then nothing of it is durable,
    /// and the world is ahead of the log.
    ///
    /// # Errors
    ///
    /// When the log can't be read, or hasn't begun and this isn't [`Input::Start`]. The machine can't be used again.
    pub fn take(&mut self, reading: impl Into<Reading>, ticket: Ticket, input: &Input) -> Result<(), MachineError> {
        if self.is_new() && !matches!(input, Input::Start { .. }) {
            return Err(MachineError::NotStarted);
        }
        let reading = reading.into();
        let now = self.now(reading);
        if let Input::Observed(observation) = input {
            self.settle(&observation.execution);
            self.tracker.observe(&self.world, observation, now);
        }
        let reply = match acceptance(input) {
            Some(_) if self.clock.status().holds() => self.accept_clock(reading, input)?,
            // There is nothing to accept.
            Some(without) => self.decide_one(now, &without)?,
            None => self.decide_one(now, input)?,
        };
        self.open.answers.extend(reply.map(|reply| (ticket, reply)));
        Ok(())
    }

    /// Whether the step has taken as many inputs as one may: what comes now is for the next. A quarter of its records is for
    /// what is due, however many inputs there are.
    pub fn is_full(&self) -> bool {
        let due = self.options.max_records / 4;
        self.open.records.len() >= (self.options.max_records - due).max(1)
    }

    /// Ends a step: decides about all that is due, appends the records in one batch, and returns what is to be answered and
    /// done.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn finish(&mut self, reading: impl Into<Reading>) -> Result<Outputs, MachineError> {
        let now = self.now(reading);
        while self.is_due(now) {
            let before = self.open.records.len();
            self.decide_one(now, &Input::Due)?;
            assert!(self.open.records.len() > before, "something is due at {now:?} and nothing follows from it");
            if self.open.records.len() >= self.options.max_records {
                break;
            }
        }
        let OpenStep { answers, records, dirty, others } = std::mem::take(&mut self.open);
        let mut outputs = Outputs { answers, appended: records.len(), ..Outputs::default() };
        self.commit(records, &dirty, others)?;
        self.collect_effects(now.at, dirty, &mut outputs)?;
        outputs.wake = [self.tracker.next_wake(), self.next_due(now)].into_iter().flatten().min();
        Ok(outputs)
    }

    /// The present by what the clock shows. What records carry never goes back, and a wild wall clock isn't believed.
    pub fn now(&mut self, reading: impl Into<Reading>) -> Now {
        self.clock.now(reading.into())
    }

    /// How the wall clock stands to the time that records carry, as of the last reading.
    pub fn clock_status(&self) -> ClockStatus {
        self.clock.status()
    }

    /// Decides that the wall clock counts whatever it shows. It does from here on if the decision is one: not when the request
    /// came before.
    fn accept_clock(&mut self, reading: Reading, input: &Input) -> Result<Option<Reply>, MachineError> {
        let mut accepted = self.clock.clone();
        let (now, before) = (accepted.accept(reading), self.open.records.len());
        let reply = self.decide_one(now, input)?;
        if self.open.records.len() > before {
            self.clock = accepted;
        }
        Ok(reply)
    }

    fn is_due(&self, now: Now) -> bool {
        !self.is_new() && self.tracker.has_begun() && self.next_due(now).is_some_and(|due| due <= now.at)
    }

    /// When something falls due; not before the living executions have reported, or had the time to.
    fn next_due(&self, now: Now) -> Option<DateTime<Utc>> {
        let due = self.world.next_due_by(now);
        due.map(|due| self.settling.as_ref().map_or(due, |settling| due.max(settling.until)))
    }

    /// An execution has reported.
    fn settle(&mut self, execution: &ExecutionId) {
        if let Some(settling) = &mut self.settling {
            settling.awaited.remove(execution);
            if settling.awaited.is_empty() {
                self.settling = None;
            }
        }
    }

    fn decide_one(&mut self, now: Now, input: &Input) -> Result<Option<Reply>, MachineError> {
        let seed = Seed(self.world.root_seed().unwrap_or(Uuid::nil()));
        let facts = self.facts(needs(&self.world, input, now))?;
        let decisions = decide(&self.world, &facts, input, now, seed);
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
        Ok(decisions.reply)
    }

    fn facts(&self, keys: Vec<RowKey>) -> Result<Facts, LogError> {
        let read = |key: RowKey| {
            let row = match self.open.others.get(&key) {
                Some(row) => row.clone(),
                None => self.reader.get(&key)?,
            };
            Ok(row.map(|row| (key, row)))
        };
        keys.into_iter().filter_map(|key| read(key).transpose()).collect()
    }

    /// Appends what was decided, with the rows of the world that changed and those that aren't part of it.
    fn commit(
        &mut self,
        records: Vec<Record>,
        dirty: &BTreeSet<RowKey>,
        others: BTreeMap<RowKey, Option<Row>>,
    ) -> Result<(), MachineError> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let expected_tail = Position(first.position.0 - 1);
        let rows = dirty.iter().map(|key| (key.clone(), self.world.row(key)));
        let batch = Batch { rows: rows.chain(others).collect(), records };
        self.log.append(self.epoch, expected_tail, &batch)?;
        Ok(())
    }

    /// The effects that are to be requested now.
    fn collect_effects(
        &mut self,
        now: DateTime<Utc>,
        dirty: BTreeSet<RowKey>,
        outputs: &mut Outputs,
    ) -> Result<(), MachineError> {
        if !self.tracker.has_begun() {
            let earlier = self.world.executions().iter().filter(|(_, it)| it.submitted_by <= self.opened_at);
            let is_reachable = |id: &&ExecutionId| effects::is_reachable(&self.world, id);
            let awaited: BTreeSet<_> = earlier.map(|(id, _)| id).filter(is_reachable).cloned().collect();
            let until = now.checked_add_signed(SETTLE).unwrap_or(DateTime::<Utc>::MAX_UTC);
            self.settling = Some(Settling { awaited, until }).filter(|s| !s.awaited.is_empty());
        }
        let requests = self.tracker.requests(&self.world, dirty, now);
        outputs.foreign.extend(requests.foreign);
        for (execution, kind) in requests.effects {
            outputs.effects.extend(self.effect(execution, kind)?);
        }
        Ok(())
    }

    /// An effect with all that the executor needs to do it.
    fn effect(&mut self, execution: ExecutionId, kind: EffectKind) -> Result<Option<Effect>, MachineError> {
        // What the world doesn't know runs under its log's name.
        let of_execution = self.world.executions().get(&execution).map(|execution| execution.log_id);
        let Some(log_id) = of_execution.or(self.world.log_id()) else {
            return Ok(None);
        };
        Ok(match kind {
            EffectKind::Launch => self.launch(&execution)?.map(|launch| Effect::Launch(Box::new(launch))),
            EffectKind::Adopt => Some(Effect::Adopt { log_id, execution }),
            EffectKind::Stop => Some(Effect::Stop { log_id, execution }),
            EffectKind::CleanUp => Some(Effect::CleanUp { log_id, execution }),
        })
    }

    fn launch(&mut self, execution: &ExecutionId) -> Result<Option<styx_core::executor::Launch>, MachineError> {
        let Some(position) = effects::definition_of(&self.world, execution) else {
            return Ok(None);
        };
        let definition = self.definitions.get(self.reader.as_ref(), position)?;
        let configuration = definition
            .configuration()
            .map_err(|error| LogError::at_record(position, &format!("the workflow's JSON can't be read: {error}")))?;
        let origin = &definition.stored.spec.origin;
        Ok(effects::launch(&self.world, execution, configuration, origin, self.options.declared_env_only))
    }
}

/// An input that asks for the wall clock to count, without that.
fn acceptance(input: &Input) -> Option<Input> {
    let without = |request: &Request| match request {
        Request::Operate(patch) if patch.accept_clock => {
            Some(Request::Operate(RuntimePatch { accept_clock: false, ..patch.clone() }))
        }
        _ => None,
    };
    Some(match input {
        Input::Asked(request, operator) => Input::Asked(without(request)?, Arc::clone(operator)),
        Input::AskedOnce(request, operator, key) => {
            Input::AskedOnce(without(request)?, Arc::clone(operator), key.clone())
        }
        _ => return None,
    })
}

/// A step that goes on: records that are decided and applied, and not yet in the log, and what waits for them to be there.
#[derive(Default)]
struct OpenStep {
    answers: Vec<(Ticket, Reply)>,
    records: Vec<Record>,
    dirty: BTreeSet<RowKey>,
    /// Rows that aren't part of the world.
    others: BTreeMap<RowKey, Option<Row>>,
}

/// The world that a log's rows make.
///
/// # Errors
///
/// When a row can't be read or doesn't fit its key.
pub fn read_world(reader: &dyn LogReader) -> Result<World, MachineError> {
    let mut rows = Vec::new();
    for_each_row(reader, &RowScope::World, |key, row| {
        rows.push((key, row));
        Ok(())
    })?;
    World::from_rows(rows).map_err(|error| MachineError::Rows(error.to_string()))
}
