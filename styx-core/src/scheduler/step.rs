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
    /// Effects for the executor.
    pub effects: Vec<Effect>,
    /// Executions that need an effect and are out of reach: another executor has them, or they were launched under another
    /// log's name.
    pub foreign: BTreeSet<ExecutionId>,
    /// When to step again without an input, as [`Now::at`](crate::now::Now::at) will have it; at once when it has passed.
    pub wake: Option<DateTime<Utc>>,
    /// The executor that effects are for.
    pub(super) executor: Arc<str>,
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
            runner: Arc::clone(&self.executor),
            what,
            observed_at: None,
            evidence: b"{}".as_slice().into(),
            extensions: Extensions::default(),
        })
    }
}
