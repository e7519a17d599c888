//! What the log has beside what the present code drafts.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    decide::Draft,
    event::{Event, Trigger},
    id::{Counter, InstanceId, Position, WorkflowId},
    record::{Cause, Cursor, Fact, Record, RunEvent},
    world::World,
};

/// What a decision about something due is about, in the state that it was in: the same thing in the same state is due once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stake {
    /// A run that has been in its state for too long.
    Timeout(InstanceId, Option<Counter>),
    /// A run that may leave the queue.
    Admission(InstanceId, Option<Counter>),
    /// A workflow's next natural trigger.
    Natural(WorkflowId, Option<Cursor>),
    /// A backfill's next partition.
    Backfill(Arc<str>, Option<DateTime<Utc>>),
    /// Nothing that falls due.
    Other(String),
}

/// What a decision that begins with `fact` is about, in `world`, which is that before it.
pub(super) fn stake(world: &World, fact: &Fact) -> Stake {
    let natural = |id: &WorkflowId| {
        let cursor = world.workflows().get(id).and_then(|workflow| workflow.next_natural()).map(|next| next.cursor);
        Stake::Natural(id.clone(), cursor)
    };
    let counter = |id: &InstanceId| world.runs().get(id).and_then(|run| run.counter);
    let partition = |id: &Arc<str>| {
        let next = world.backfills().get(id).map(|backfill| backfill.next);
        Stake::Backfill(Arc::clone(id), next)
    };
    match fact {
        Fact::Run(id, RunEvent::Styx { event: Event::TriggerExecution { trigger, .. }, .. }) => match trigger {
            Trigger::Backfill(id) => partition(id),
            _ => natural(id.workflow()),
        },
        Fact::Run(id, RunEvent::Styx { event: Event::Timeout { .. }, .. }) => Stake::Timeout(id.clone(), counter(id)),
        Fact::Run(id, _) => Stake::Admission(id.clone(), counter(id)),
        Fact::Workflow(id, _) => natural(id),
        Fact::Backfill(id, _) => partition(id),
        Fact::Log(_) | Fact::Config(_) | Fact::Execution(..) | Fact::Resource(..) => {
            Stake::Other(fact.subject().to_string())
        }
    }
}

/// Drafts by the decision that they belong to.
pub(super) fn split(drafts: Vec<Draft>) -> Vec<Vec<Draft>> {
    let mut decisions: Vec<Vec<Draft>> = Vec::new();
    for draft in drafts {
        match decisions.last_mut() {
            Some(decision) if draft.cause == Cause::Decision => decision.push(draft),
            _ => decisions.push(vec![draft]),
        }
    }
    decisions
}

/// Whether a recorded decision says what was drafted now.
pub(super) fn is_same(records: &[Record], drafts: &[Draft]) -> bool {
    let is_same = |(record, draft): (&Record, &Draft)| record.fact == draft.fact && record.cause == draft.cause;
    records.len() == drafts.len() && records.iter().zip(drafts).all(is_same)
}

/// Drafts as records in the place of a decision that begins with `leader`.
pub(super) fn decided(drafts: Vec<Draft>, leader: &Record) -> Vec<Record> {
    let record = |(position, Draft { fact, cause, idempotency_key })| Record {
        position: Position(position),
        decision: leader.position,
        at: leader.at,
        wall_offset: if position == leader.position.0 { leader.wall_offset } else { TimeDelta::zero() },
        epoch: leader.epoch,
        idempotency_key,
        cause,
        fact,
    };
    (leader.position.0..).zip(drafts).map(record).collect()
}
