//! No run waits that could go on: when a step has settled, each ready run lacks a unit, a slot or the rate. Of a workflow the
//! run with the smallest parameter goes first.

use styx_core::{
    event::Event,
    record::{Fact, Record, RunEvent},
};

use super::{Check, Invariant, View, pace::Pace, settings::Settings, stock::Stock, waiting::Waiting};

#[derive(Default)]
pub(super) struct Waits {
    settings: Settings,
    stock: Stock,
    pace: Pace,
    waiting: Waiting,
}

impl Invariant for Waits {
    fn name(&self) -> &'static str {
        "waits"
    }

    fn sentence(&self) -> &'static str {
        "a run that may go on doesn't wait, and the smallest parameter of a workflow goes first"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        if let Fact::Run(instance, RunEvent::Styx { event: Event::Dequeue { .. }, .. }) = &record.fact {
            let mut ready = self.waiting.ready(record.at, &self.stock.lives);
            let first = ready.find(|other| other.workflow() == instance.workflow());
            if let Some(first) = first.filter(|first| *first < instance) {
                return Err(format!("{instance} goes on before {first}"));
            }
        }
        self.settings.record(record);
        self.stock.record(record);
        self.pace.record(record, &self.settings);
        self.waiting.record(record);
        Ok(())
    }

    fn stepped(&mut self, view: &View<'_>) -> Check {
        if !view.settled || !self.settings.scheduling {
            return Ok(());
        }
        let has_slot = self.settings.limit().is_none_or(|max| self.stock.lives.living.len() < max);
        let may_go = has_slot && self.pace.allows(view.now);
        for instance in self.waiting.ready(view.now, &self.stock.lives) {
            let needs = self.stock.needs(instance.workflow());
            if self.stock.lacks(&needs) {
                return Err(format!("{instance} waits for {needs:?}, and not all of them are defined"));
            }
            if may_go && self.stock.full(&needs).is_empty() {
                return Err(format!("{instance} waits at {} and nothing holds it up", view.now));
            }
        }
        Ok(())
    }
}
