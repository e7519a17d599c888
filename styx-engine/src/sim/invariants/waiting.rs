//! Who is in the queue and from when on, told from the records alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use styx_core::{
    event::Event,
    id::InstanceId,
    record::{Fact, Record, RunEvent},
    run::saturating_add_millis,
};

use super::lives::Lives;

/// Runs in QUEUED.
#[derive(Default)]
pub(super) struct Waiting {
    /// From when on they may go on.
    queued: BTreeMap<InstanceId, DateTime<Utc>>,
}

impl Waiting {
    /// Follows a record.
    pub(super) fn record(&mut self, record: &Record) {
        let Fact::Run(instance, RunEvent::Styx { event, .. }) = &record.fact else { return };
        match event {
            Event::TriggerExecution { .. } => drop(self.queued.insert(instance.clone(), record.at)),
            Event::RetryAfter { delay_millis } => {
                self.queued.insert(instance.clone(), saturating_add_millis(record.at, *delay_millis));
            }
            Event::Info { .. } => {}
            _ => drop(self.queued.remove(instance)),
        }
    }

    pub(super) fn contains(&self, instance: &InstanceId) -> bool {
        self.queued.contains_key(instance)
    }

    /// Runs whose delay is over at `now`, and that wait for no earlier execution, ascending.
    pub(super) fn ready<'a>(&'a self, now: DateTime<Utc>, lives: &'a Lives) -> impl Iterator<Item = &'a InstanceId> {
        let living: BTreeSet<&InstanceId> = lives.living.values().collect();
        let ready = self.queued.iter().filter(move |(id, at)| **at <= now && !living.contains(id));
        ready.map(|(id, _)| id)
    }
}
