//! A run ends after a bounded number of tries: it is never tried again once its tries have cost all they may.

use std::collections::BTreeMap;

use styx_core::{
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
}

#[derive(Default)]
pub(super) struct Bounded {
    tallies: BTreeMap<InstanceId, Tally>,
    max: u32,
    highest: u32,
}

impl Invariant for Bounded {
    fn name(&self) -> &'static str {
        "bounded"
    }

    fn sentence(&self) -> &'static str {
        "a run is never tried again once its tries have cost all they may"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        if let Fact::Config(ConfigEvent::Set(config)) = &record.fact {
            self.max = config.max_cost_tenths;
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
            Event::Terminate { exit_code: Some(0) } => {}
            Event::Terminate { exit_code: Some(20) } => tally.cost += 1,
            Event::RunError { class: FailureClass::Infrastructure, .. } => tally.free += 1,
            Event::Terminate { .. } | Event::RunError { .. } | Event::Timeout { .. } => tally.cost += 10,
            Event::RetryAfter { .. } if !matches!(record.cause, Cause::Operator(_)) && tally.cost >= self.max => {
                return Err(format!("{instance} has cost {} tenths of {} and is tried again", tally.cost, self.max));
            }
            _ => {}
        }
        Ok(())
    }
}
