//! The limit on executions is never exceeded outside. One that was lowered is exceeded only by those that lived already.

use std::collections::BTreeSet;

use styx_core::{id::ExecutionId, record::Record};

use super::{Check, Invariant, lives::Lives, settings::Settings};
use crate::sim::outside::OutsideFact;

pub(super) struct Limit {
    settings: Settings,
    /// The limit, or what lived when it was lowered and still does.
    allowed: usize,
    lives: Lives,
    running: BTreeSet<ExecutionId>,
}

impl Default for Limit {
    fn default() -> Self {
        Self { settings: Settings::default(), allowed: usize::MAX, lives: Lives::default(), running: BTreeSet::new() }
    }
}

impl Invariant for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn sentence(&self) -> &'static str {
        "no more executions run outside than the limit allows"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        let began = self.lives.record(record);
        self.settings.record(record);
        let living = self.lives.living.len();
        let limit = self.settings.limit().unwrap_or(usize::MAX);
        if began && living > limit {
            return Err(format!("record {} begins an execution, and {living} live of {limit}", record.position));
        }
        self.allowed = limit.max(self.allowed.min(living));
        Ok(())
    }

    fn happened(&mut self, fact: &OutsideFact) -> Check {
        match fact {
            OutsideFact::Over(id) => drop(self.running.remove(id)),
            OutsideFact::Started(id, _) => {
                self.running.insert(id.clone());
                let running = self.running.len();
                if running > self.allowed {
                    return Err(format!("{running} run outside, and {} may", self.allowed));
                }
            }
        }
        Ok(())
    }
}
