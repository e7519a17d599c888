//! Situations of requests and their answers.

use styx_core::{
    decide::{Refusal, Reply},
    event::Event,
    id::{ExecutionId, InstanceId},
    record::{Cause, Record},
    run::State,
};

use super::Marks;
use crate::sim::{Coverage, Situation, process::Asked};

impl Marks {
    /// Looks at an answer.
    pub(in crate::sim) fn answer(&mut self, asked: &Asked, reply: &Reply, coverage: &mut Coverage) {
        if let Reply::Refused(refusal) = reply
            && let Some(situation) = refused(refusal)
        {
            coverage.reach(situation);
        }
        if asked.expects && *reply == Reply::Done {
            coverage.reach(Situation::CounterFits);
        }
        if let Some(key) = &asked.key {
            let is_done = !matches!(reply, Reply::Nothing | Reply::Refused(_) | Reply::Repeated { .. });
            let changed_nothing = matches!(reply, Reply::Nothing | Reply::Refused(_));
            if is_done && self.tried.contains(key) {
                coverage.reach(Situation::KeyDecidedAgain);
            }
            if changed_nothing {
                self.tried.insert(key.clone());
            }
        }
        if let Reply::Repeated { by } = reply {
            coverage.reach(Situation::Repeated);
            if let Some((request, epoch)) = self.keyed.get(by) {
                if *epoch != self.epoch {
                    coverage.reach(Situation::RepeatedLater);
                }
                if !self.answered.contains(&**request) {
                    coverage.reach(Situation::RepeatedUnanswered);
                }
            }
        }
        self.answered.insert(asked.id.clone());
    }

    /// A record that follows from a request with a key.
    pub(super) fn keyed(&mut self, record: &Record) {
        self.epoch = record.epoch;
        if let (Some(_), Cause::Operator(operator)) = (&record.idempotency_key, &record.cause) {
            self.keyed.insert(record.position, (operator.request_id.clone(), record.epoch));
        }
    }

    /// What operators do to runs and executions beside what users do.
    pub(super) fn operated(&mut self, record: &Record, instance: &InstanceId, event: &Event, coverage: &mut Coverage) {
        if !matches!(record.cause, Cause::Operator(_)) {
            return;
        }
        match (event, self.world.runs().get(instance).map(|run| run.state)) {
            (Event::Timeout { .. }, Some(State::Queued)) => coverage.reach(Situation::TimedOutInQueue),
            (Event::Timeout { .. }, _) => coverage.reach(Situation::TimedOutByOperator),
            (Event::RunError { .. }, _) => coverage.reach(Situation::DeclaredOver),
            _ => {}
        }
    }

    /// An execution has ended by itself.
    pub(super) fn declared(&mut self, record: &Record, id: &ExecutionId, coverage: &mut Coverage) {
        if matches!(record.cause, Cause::Operator(_)) && !self.world.is_followed(id) {
            coverage.reach(Situation::DeclaredOverLate);
        }
    }
}

/// What a refusal shows.
fn refused(refusal: &Refusal) -> Option<Situation> {
    Some(match refusal {
        Refusal::ApiWorkflow { .. } => Situation::ApiWorkflowRefused,
        Refusal::Flyte => Situation::FlyteRefused,
        Refusal::Secret { .. } | Refusal::Pod { .. } => Situation::SecretRefused,
        Refusal::OwnedByFile { .. } => Situation::OwnedByFile,
        Refusal::Future => Situation::FutureRefused,
        Refusal::BadParameter { .. } => Situation::BadParameter,
        Refusal::AlreadyActive => Situation::TriggerOfActive,
        Refusal::PartitionsActive { .. } => Situation::BackfillOverlaps,
        Refusal::FutureBackfill => Situation::BackfillOfFuture,
        Refusal::Unaligned { .. } => Situation::BackfillUnaligned,
        Refusal::NoSuchExecution { .. } => Situation::NoSuchExecution,
        Refusal::Stale { .. } => Situation::CounterStale,
        Refusal::KeyOfAnother => Situation::KeyOfAnother,
        _ => return None,
    })
}
