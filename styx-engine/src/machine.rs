//! The machine: a log, its scheduler and its clock, driven by a synchronous step. Threads and channels are outside.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use styx_core::{
    decide::{Input, Reply, Request, RuntimePatch},
    executor::Effect,
    id::{Epoch, ExecutionId},
    log::{Log, LogError, LogReader, for_each_row},
    now::Now,
    scheduler::{Done, Scheduler, SchedulerOptions, StepError},
    world::{RowScope, World},
};

use crate::clock::{ClockStatus, Reading, TrustedClock, WallLimits};

/// Names an input, so that its answer finds back.
pub type Ticket = u64;

/// The writer of a log: takes inputs, has them decided, appends, and only then says what is to be answered and done.
pub struct Machine {
    scheduler: Scheduler,
    log: Box<dyn Log>,
    reader: Box<dyn LogReader>,
    epoch: Epoch,
    max_records: usize,
    clock: TrustedClock,
    /// Of the requests in the open step, in their order.
    tickets: Vec<Ticket>,
}

/// How a machine behaves; not part of the log.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct MachineOptions {
    /// How its scheduler behaves.
    pub scheduler: SchedulerOptions,
    /// How far the wall clock is believed.
    pub wall_limits: WallLimits,
}

impl MachineOptions {
    /// Sets [`scheduler`](Self::scheduler).
    #[must_use]
    pub fn scheduler(mut self, options: SchedulerOptions) -> Self {
        self.scheduler = options;
        self
    }

    /// Sets [`wall_limits`](Self::wall_limits).
    #[must_use]
    pub fn wall_limits(mut self, limits: WallLimits) -> Self {
        self.wall_limits = limits;
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
    /// Executions that need an effect and are out of reach: their executor isn't configured, or the log they were launched under
    /// was another one.
    pub foreign: BTreeSet<ExecutionId>,
    /// Observations that changed nothing, as they came from an executor that the execution isn't with: the execution, and the
    /// executor that reported.
    pub misattributed: Vec<(ExecutionId, Arc<str>)>,
}

/// Why a machine can't go on. The process must stop: what was decided last may or may not be in the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The log can't be written or read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// There is no step: the log can't be read, or hasn't begun, or an earlier step failed.
    #[error(transparent)]
    Step(#[from] StepError),
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
            scheduler: Scheduler::resume(world).with_epoch(epoch).with_options(options.scheduler),
            log,
            reader,
            epoch,
            max_records: options.scheduler.max_records,
            clock: TrustedClock::new(options.wall_limits, last),
            tickets: Vec::new(),
        })
    }

    /// The world as the log has it; within a step, as it will have it.
    pub fn world(&self) -> &World {
        self.scheduler.world()
    }

    /// Something that reads the log from other threads.
    pub fn reader(&self) -> Box<dyn LogReader> {
        self.log.reader()
    }

    /// Whether the log is empty: then [`Input::Start`] must come first.
    pub fn is_new(&self) -> bool {
        self.world().log_id().is_none()
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
        let reading = reading.into();
        let now = self.now(reading);
        match acceptance(input) {
            Some(_) if self.clock.status().holds() => self.accept_clock(reading, input)?,
            // There is nothing to accept.
            Some(without) => self.decide(now, &without)?,
            None => self.decide(now, input)?,
        }
        self.tickets.extend(matches!(input, Input::Asked(..) | Input::AskedOnce(..)).then_some(ticket));
        Ok(())
    }

    /// The executor has reported all that it knows: what is due waits for no execution any more.
    pub fn all_reported(&mut self) {
        self.scheduler.all_reported();
    }

    /// Whether the step has taken as many inputs as one may: what comes now is for the next. A quarter of its records is for
    /// what is due, however many inputs there are.
    pub fn is_full(&self) -> bool {
        let max = self.max_records;
        self.scheduler.open_records() >= (max - max / 4).max(1)
    }

    /// Ends a step: decides about all that is due, appends the records in one batch, and returns what is to be answered and
    /// done.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn finish(&mut self, reading: impl Into<Reading>) -> Result<Outputs, MachineError> {
        let now = self.now(reading);
        let step = self.scheduler.finish(now, self.reader.as_ref())?;
        if let Some(expected_tail) = step.expected_tail() {
            self.log.append(self.epoch, expected_tail, step.batch())?;
        }
        let appended = step.batch().records.len();
        let Done { replies, effects, foreign, misattributed, wake, .. } = step.durable();
        assert_eq!(replies.len(), self.tickets.len(), "every request has one reply");
        let answers = self.tickets.drain(..).zip(replies).collect();
        Ok(Outputs { answers, effects, wake, appended, left: Vec::new(), foreign, misattributed })
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
    fn accept_clock(&mut self, reading: Reading, input: &Input) -> Result<(), MachineError> {
        let mut accepted = self.clock.clone();
        let (now, before) = (accepted.accept(reading), self.scheduler.open_records());
        self.decide(now, input)?;
        if self.scheduler.open_records() > before {
            self.clock = accepted;
        }
        Ok(())
    }

    fn decide(&mut self, now: Now, input: &Input) -> Result<(), MachineError> {
        Ok(self.scheduler.take(now, input, self.reader.as_ref())?)
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
