//! The rate of dequeues as Styx's token bucket has it: in any window no more than fit, compared window by window.

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::Rate,
    event::Event,
    record::{Fact, Record, RunEvent},
};

use super::settings::Settings;

/// The dequeues under the rate that counts.
#[derive(Default)]
pub(super) struct Pace {
    rate: Option<Rate>,
    times: Vec<DateTime<Utc>>,
}

impl Pace {
    /// Follows a record; `settings` have followed it already. Says whether it is a dequeue too many.
    pub(super) fn record(&mut self, record: &Record, settings: &Settings) -> bool {
        if self.rate != settings.rate() {
            self.rate = settings.rate();
            self.times.clear();
        }
        let dequeues = matches!(&record.fact, Fact::Run(_, RunEvent::Styx { event: Event::Dequeue { .. }, .. }));
        let exceeds = dequeues && !self.allows(record.at);
        if dequeues {
            self.times.push(record.at);
        }
        exceeds
    }

    /// Whether one more fits at `at`: into each window that ends there, what the rate gives in it and one second's burst.
    pub(super) fn allows(&self, at: DateTime<Utc>) -> bool {
        let Some(Rate(thousandths)) = self.rate else { return true };
        let interval = 1_000_000_000_000 / i64::from(thousandths.get());
        let burst = interval.max(1_000_000_000);
        let counts = (2_i64..).zip(self.times.iter().rev());
        counts.into_iter().all(|(count, begin)| nanoseconds(at - begin) + burst >= count * interval)
    }
}

fn nanoseconds(span: TimeDelta) -> i64 {
    span.num_nanoseconds().unwrap_or(i64::MAX / 2)
}
