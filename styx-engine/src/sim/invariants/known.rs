//! Nothing runs outside that the log doesn't know: an effect follows its record, never the other way round.

use std::collections::BTreeSet;

use styx_core::{id::ExecutionId, record::Record};

use super::{Check, End, Invariant, View, lives::Lives};
use crate::sim::{log::SimLog, outside::OutsideFact};
use styx_core::id::Position;

#[derive(Default)]
pub(super) struct Known {
    running: BTreeSet<ExecutionId>,
    lives: Lives,
    crashed: bool,
}

impl Known {
    /// After a crash the log may have less than was shown before.
    fn read_again(&mut self, log: &SimLog) {
        self.lives = Lives::default();
        for record in log.records_after(Position(0)) {
            self.lives.record(&record);
        }
    }

    fn check(&self) -> Check {
        let unknown = self.running.iter().find(|id| !self.lives.living.contains_key(id));
        unknown.map_or(Ok(()), |id| Err(format!("{id} runs, and for the log it doesn't")))
    }
}

impl Invariant for Known {
    fn name(&self) -> &'static str {
        "known"
    }

    fn sentence(&self) -> &'static str {
        "what runs outside lives in the log"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        self.lives.record(record);
        Ok(())
    }

    fn happened(&mut self, fact: &OutsideFact) -> Check {
        match fact {
            OutsideFact::Over(id) => self.running.remove(id),
            OutsideFact::Started(id, _) => self.running.insert(id.clone()),
        };
        Ok(())
    }

    fn crashed(&mut self) {
        self.crashed = true;
    }

    fn stepped(&mut self, view: &View<'_>) -> Check {
        if std::mem::take(&mut self.crashed) {
            self.read_again(view.log);
        }
        self.check()
    }

    fn ended(&mut self, _end: &End<'_>) -> Check {
        self.check()
    }
}
