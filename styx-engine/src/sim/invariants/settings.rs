//! What files and operators set, told from the records alone.

use std::sync::Arc;

use styx_core::{
    config::{Limit, Rate, Runtime},
    record::{ConfigEvent, Fact, Record},
};

/// The values of the configuration that count.
pub(super) struct Settings {
    pub(super) scheduling: bool,
    max: Option<u32>,
    rate: Option<Rate>,
    runtime: Arc<Runtime>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { scheduling: true, max: None, rate: None, runtime: Arc::default() }
    }
}

impl Settings {
    /// Follows a record.
    pub(super) fn record(&mut self, record: &Record) {
        match &record.fact {
            Fact::Config(ConfigEvent::Set(config)) => {
                (self.max, self.rate) = (config.max_executions, config.dequeue_rate)
            }
            Fact::Config(ConfigEvent::SchedulingSwitched { enabled }) => self.scheduling = *enabled,
            Fact::Config(ConfigEvent::Operated(runtime)) => self.runtime = Arc::clone(runtime),
            _ => {}
        }
    }

    /// How many executions may live: what operators set comes first.
    pub(super) fn limit(&self) -> Option<usize> {
        let max = match self.runtime.max_executions {
            Some(Limit::AtMost(max)) => Some(max),
            Some(Limit::Unlimited) => None,
            None => self.max,
        };
        max.map(|max| max as usize)
    }

    /// How fast runs may leave the queue: what operators set comes first.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.runtime.dequeue_rate.or(self.rate)
    }
}
