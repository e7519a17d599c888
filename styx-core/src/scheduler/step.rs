//! A step: what must be appended, and what may be done once it is.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};

use crate::{
    decide::Input,
    executor::Effect,
    extensions::Extensions,
    id::{ExecutionId, Position},
    log::Batch,
    observation::{Observation, Observed},
    request::Reply,
};

/// What a step has decided. Its batch is to be appended, whole or not at all; then it is [`durable`](Self::durable).
///
/// Dropped before that, it poisons its scheduler, whose world is ahead of the log from then on.
#[derive(Debug)]
#[must_use = "a step that isn't made durable poisons its scheduler"]
pub struct Step<'a> {
    poisoned: &'a mut bool,
    batch: Batch,
    done: Done,
}

/// What may be answered and done, since what it rests on is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// The replies to the requests among the inputs, in their order.
    pub replies: Vec<Reply>,
    /// Effects, each for the executor that it names.
    pub effects: Vec<Effect>,
    /// Executions that need an effect and are out of reach: their executor isn't configured, or they were launched under another
    /// log's name.
    pub foreign: BTreeSet<ExecutionId>,
    /// Observations that changed nothing, as they came from an executor that the execution isn't with: the execution, and the
    /// executor that reported.
    pub misattributed: Vec<(ExecutionId, Arc<str>)>,
    /// When to step again without an input, as [`Now::at`](crate::now::Now::at) will have it; at once when it has passed.
    pub wake: Option<DateTime<Utc>>,
}

impl<'a> Step<'a> {
    pub(super) fn new(poisoned: &'a mut bool, batch: Batch, done: Done) -> Self {
        Self { poisoned, batch, done }
    }
}

impl Step<'_> {
    /// The records and rows that must be appended, in one piece. Without records there is nothing to append.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Where the log must end before the append; `None` when there is nothing to append.
    pub fn expected_tail(&self) -> Option<Position> {
        self.batch.records.first().map(|first| Position(first.position.0 - 1))
    }

    /// The batch is in the log, and no loss of power takes it back: what may be answered and done now.
    #[must_use]
    pub fn durable(self) -> Done {
        *self.poisoned = false;
        self.done
    }
}

impl Done {
    /// The input that says what became of an effect. Only this makes one of an execution and its executor.
    pub fn observed(&self, effect: &Effect, what: Observed) -> Input {
        Input::Observed(Observation {
            execution: effect.execution().clone(),
            runner: Arc::clone(effect.executor()),
            what,
            observed_at: None,
            evidence: b"{}".as_slice().into(),
            extensions: Extensions::default(),
        })
    }
}
