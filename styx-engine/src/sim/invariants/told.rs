//! A run that waits for a unit is told so once, with the resources that are full then and no others.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use styx_core::{
    event::{Event, MessageLevel},
    id::InstanceId,
    record::{Fact, Record, RunEvent},
};

use super::{Check, Invariant, View, settings::Settings, stock::Stock, waiting::Waiting};

#[derive(Default)]
pub(super) struct Told {
    settings: Settings,
    stock: Stock,
    waiting: Waiting,
    /// Those that were told since their last try ended.
    told: BTreeSet<InstanceId>,
    at: DateTime<Utc>,
}

impl Told {
    fn run(&mut self, instance: &InstanceId, event: &Event) -> Check {
        match event {
            Event::Info { message } => {
                let full: Vec<_> = self.stock.full(&self.stock.needs(instance.workflow())).into_iter().collect();
                let expected = format!("Resource limit reached for: [{}]", full.join(", "));
                if full.is_empty() || *message.line != expected || message.level != MessageLevel::Info {
                    return Err(format!("{instance} is told {message:?}, and {full:?} are full"));
                }
                if !self.waiting.contains(instance) || !self.told.insert(instance.clone()) {
                    return Err(format!("{instance} is told again, or doesn't wait"));
                }
            }
            Event::TriggerExecution { .. }
            | Event::Terminate { .. }
            | Event::RunError { .. }
            | Event::Timeout { .. } => drop(self.told.remove(instance)),
            _ => {}
        }
        Ok(())
    }
}

impl Invariant for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn sentence(&self) -> &'static str {
        "a run that waits for a unit is told once of which resources"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        if let Fact::Run(instance, RunEvent::Styx { event, .. }) = &record.fact {
            self.run(instance, event)?;
        }
        self.at = record.at;
        self.settings.record(record);
        self.stock.record(record);
        self.waiting.record(record);
        Ok(())
    }

    fn stepped(&mut self, view: &View<'_>) -> Check {
        if !view.settled || !self.settings.scheduling {
            return Ok(());
        }
        // Who became ready since the last record is told after the next one.
        let mut ready = self.waiting.ready(self.at, &self.stock.lives);
        let untold = ready.find(|instance| {
            !self.told.contains(instance) && !self.stock.full(&self.stock.needs(instance.workflow())).is_empty()
        });
        untold.map_or(Ok(()), |instance| Err(format!("{instance} waits for a unit and wasn't told")))
    }
}
