//! No execution id is started twice outside.

use std::collections::BTreeSet;

use styx_core::id::ExecutionId;

use super::{Check, Invariant};
use crate::sim::outside::OutsideFact;

#[derive(Default)]
pub(super) struct StartsOnce {
    started: BTreeSet<ExecutionId>,
}

impl Invariant for StartsOnce {
    fn name(&self) -> &'static str {
        "starts_once"
    }

    fn sentence(&self) -> &'static str {
        "no execution is started twice outside"
    }

    fn happened(&mut self, fact: &OutsideFact) -> Check {
        match fact {
            OutsideFact::Started(id, _) if !self.started.insert(id.clone()) => Err(format!("{id} was started again")),
            _ => Ok(()),
        }
    }
}
