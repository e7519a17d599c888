//! Every acknowledged request is in the log exactly once; a refused one isn't in it, and one without an answer at most once.

use std::collections::BTreeMap;

use styx_core::{
    decide::Reply,
    event::Event,
    id::Position,
    record::{BackfillEvent, Cause, Fact, Record, RunEvent, WorkflowEvent},
};

use super::{Check, End, Invariant};

#[derive(Default)]
pub(super) struct Acknowledged {
    answers: BTreeMap<String, Reply>,
}

impl Invariant for Acknowledged {
    fn name(&self) -> &'static str {
        "acknowledged"
    }

    fn sentence(&self) -> &'static str {
        "an acknowledged request is in the log exactly once"
    }

    fn answered(&mut self, request: &str, reply: &Reply) -> Check {
        match self.answers.insert(request.to_owned(), reply.clone()) {
            Some(_) => Err(format!("{request} was answered twice")),
            None => Ok(()),
        }
    }

    fn ended(&mut self, end: &End<'_>) -> Check {
        let mut found: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in end.log.records_after(Position(0)) {
            if let Cause::Operator(operator) = &record.cause {
                found.entry(operator.request_id.to_string()).or_default().push(record);
            }
        }
        if let Some((id, _)) = found.iter().find(|(_, records)| records.len() > 1) {
            return Err(format!("{id} is in the log twice"));
        }
        for (id, reply) in &self.answers {
            let record = found.get(id).and_then(|records| records.first());
            let fits = match reply {
                Reply::Done => record.is_some(),
                Reply::Stored(stored) => record.is_some_and(|record| match &record.fact {
                    Fact::Workflow(_, WorkflowEvent::Stored(found)) => found == stored,
                    _ => false,
                }),
                Reply::Nothing | Reply::Refused(_) | Reply::Repeated { .. } => record.is_none(),
                Reply::BackfillCreated { id } => record.is_some_and(|record| match &record.fact {
                    Fact::Backfill(made, BackfillEvent::Created(_)) => made == id,
                    _ => false,
                }),
                Reply::Triggered { instance, trigger_id } => record.is_some_and(|record| match &record.fact {
                    Fact::Run(id, RunEvent::Styx { event: Event::TriggerExecution { trigger, .. }, .. }) => {
                        id == instance && trigger.id() == &**trigger_id
                    }
                    _ => false,
                }),
            };
            if !fits {
                return Err(format!("{id} was answered with {reply:?}, and the log has {record:?}"));
            }
        }
        Ok(())
    }
}
