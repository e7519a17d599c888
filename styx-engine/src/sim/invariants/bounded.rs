//! A run ends after a bounded number of tries: it is never tried again once its tries have cost all they may, or those that cost
//! nothing have failed too often for too long.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use styx_core::{
    config::FailureLimit,
    event::{Event, FailureClass},
    id::InstanceId,
    record::{Cause, ConfigEvent, Fact, Record, RunEvent},
};

use super::{Check, Invariant};

#[derive(Default)]
struct Tally {
    cost: u32,
    submits: u32,
    free: u32,
    /// Failures of the infrastructure in a row, and when the first of them was.
    row: u32,
    since: Option<DateTime<Utc>>,
}

#[derive(Default)]
pub(super) struct Bounded {
    tallies: BTreeMap<InstanceId, Tally>,
    max: u32,
    highest: u32,
    limit: FailureLimit,
}

impl Invariant for Bounded {
    fn name(&self) -> &'static str {
        "bounded"
    }

    fn sentence(&self) -> &'static str {
        "a run is never tried again once its tries have cost all they may, or failed without cost too often for too long"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        if let Fact::Config(ConfigEvent::Set(config)) = &record.fact {
            self.max = config.max_cost_tenths;
            self.limit = config.infrastructure_limit;
            self.highest = self.highest.max(self.max);
        }
        let Fact::Run(instance, RunEvent::Styx { event, .. }) = &record.fact else {
            return Ok(());
        };
        let tally = self.tallies.entry(instance.clone()).or_default();
        match event {
            Event::TriggerExecution { .. } => *tally = Tally::default(),
            Event::Submit { .. } => {
                tally.submits += 1;
                // The cheapest failure costs a tenth; those of the infrastructure cost nothing.
                if tally.submits > self.highest + tally.free + 1 {
                    return Err(format!("{instance} is tried for the {}th time", tally.submits));
                }
            }
            Event::Terminate { .. } | Event::Timeout { .. } | Event::RunError { class: FailureClass::User, .. } => {
                (tally.row, tally.since) = (0, None);
                tally.cost += match event {
                    Event::Terminate { exit_code: Some(0) } => 0,
                    Event::Terminate { exit_code: Some(20) } => 1,
                    _ => 10,
                };
            }
            Event::RunError { class: FailureClass::Infrastructure, .. } => {
                tally.free += 1;
                tally.row += 1;
                tally.since.get_or_insert(record.at);
            }
            Event::RetryAfter { .. }
                if !matches!(record.cause, Cause::Operator(_))
                    && tally.row > self.limit.count
                    && tally.since.is_some_and(|since| record.at - since > self.limit.span) =>
            {
                return Err(format!("{instance} has failed {} times without cost and is tried again", tally.row));
            }
            Event::RetryAfter { .. } if !matches!(record.cause, Cause::Operator(_)) && tally.cost >= self.max => {
                return Err(format!("{instance} has cost {} tenths of {} and is tried again", tally.cost, self.max));
            }
            _ => {}
        }
        Ok(())
    }
}
