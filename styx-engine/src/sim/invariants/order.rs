//! Positions and each instance's counters have no gap, time never runs backwards along the log, and what was asked for under a
//! counter comes right after it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use styx_core::{
    decide::Request,
    id::{Counter, InstanceId, Position},
    record::{Cause, Fact, IdempotencyKey, Record, RunEvent},
};

use super::{Check, Invariant};

#[derive(Default)]
pub(super) struct Order {
    position: Position,
    decision: Position,
    at: DateTime<Utc>,
    counters: BTreeMap<InstanceId, Counter>,
    /// What requests expect.
    expected: BTreeMap<String, (InstanceId, Option<Counter>)>,
}

impl Invariant for Order {
    fn name(&self) -> &'static str {
        "order"
    }

    fn sentence(&self) -> &'static str {
        "positions and counters are gapless, time never runs backwards, and what expects a counter comes right after it"
    }

    fn asked(&mut self, id: &str, request: &Request, _key: Option<&IdempotencyKey>) {
        if let Request::Expecting { instance, counter, .. } = request {
            self.expected.insert(id.to_owned(), (instance.clone(), *counter));
        }
    }

    fn recorded(&mut self, record: &Record) -> Check {
        if let Cause::Operator(operator) = &record.cause
            && let Some((instance, counter)) = self.expected.get(&*operator.request_id)
            && self.counters.get(instance) != counter.as_ref()
        {
            let found = self.counters.get(instance);
            return Err(format!("record {} expects {instance} at {counter:?}, which is at {found:?}", record.position));
        }
        let Record { position, decision, at, .. } = record;
        if *position != self.position.next() {
            return Err(format!("{position} follows {}", self.position));
        }
        if *at < self.at {
            return Err(format!("record {position} is of {at}, the one before of {}", self.at));
        }
        let expected = if record.cause == Cause::Decision { self.decision } else { *position };
        if *decision != expected {
            return Err(format!("record {position} belongs to decision {decision}, not {expected}"));
        }
        (self.position, self.decision, self.at) = (*position, *decision, *at);
        if let Fact::Run(instance, RunEvent::Styx { counter, .. }) = &record.fact {
            let expected = self.counters.get(instance).map_or(Counter(0), |last| last.next());
            if *counter != expected {
                return Err(format!("{instance} is at {expected}, and record {position} says {counter}"));
            }
            self.counters.insert(instance.clone(), *counter);
        }
        Ok(())
    }
}
