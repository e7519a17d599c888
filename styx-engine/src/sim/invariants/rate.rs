//! Runs never leave the queue faster than the rate allows: in no window more than it gives and the burst of one second.

use styx_core::record::Record;

use super::{Check, Invariant, pace::Pace, settings::Settings};

#[derive(Default)]
pub(super) struct Rate {
    settings: Settings,
    pace: Pace,
}

impl Invariant for Rate {
    fn name(&self) -> &'static str {
        "rate"
    }

    fn sentence(&self) -> &'static str {
        "in no window more runs leave the queue than the rate and its burst allow"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        self.settings.record(record);
        if self.pace.record(record, &self.settings) {
            let rate = self.settings.rate().map(styx_core::config::Rate::to_per_second);
            return Err(format!("record {} is a dequeue too many for {rate:?} a second", record.position));
        }
        Ok(())
    }
}
