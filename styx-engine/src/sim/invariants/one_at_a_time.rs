//! Two executions of one instance never run at the same time outside.

use std::collections::BTreeMap;

use styx_core::id::{ExecutionId, InstanceId};

use super::{Check, Invariant};
use crate::sim::outside::OutsideFact;

#[derive(Default)]
pub(super) struct OneAtATime {
    running: BTreeMap<ExecutionId, InstanceId>,
}

impl Invariant for OneAtATime {
    fn name(&self) -> &'static str {
        "one_at_a_time"
    }

    fn sentence(&self) -> &'static str {
        "two executions of one instance never run at the same time outside"
    }

    fn happened(&mut self, fact: &OutsideFact) -> Check {
        match fact {
            OutsideFact::Over(id) => drop(self.running.remove(id)),
            OutsideFact::Started(id, instance) => {
                let other = self.running.iter().find(|(other, its)| *other != id && *its == instance);
                if let Some((other, _)) = other {
                    return Err(format!("{id} of {instance} started while {other} ran"));
                }
                self.running.insert(id.clone(), instance.clone());
            }
        }
        Ok(())
    }
}
