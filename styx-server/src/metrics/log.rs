//! How long a write of the log takes, and how much is in it.

use std::time::Duration;

use prometheus_client::{
    metrics::histogram::{Histogram, exponential_buckets},
    registry::{Registry, Unit},
};

/// Measures the writes of the log.
#[derive(Debug, Clone)]
pub(crate) struct LogMetrics {
    append: Histogram,
    batch: Histogram,
}

impl Default for LogMetrics {
    fn default() -> Self {
        Self {
            // From a twentieth of a millisecond to two seconds.
            append: Histogram::new(exponential_buckets(0.000_05, 2.0, 16)),
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
        }
    }
}

impl LogMetrics {
    /// Puts them into a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "How long it takes to append a batch to the log and to sync it";
        registry.register_with_unit("log_append_duration", help, Unit::Seconds, self.append.clone());
        registry.register("log_batch_records", "Records that are appended with one sync", self.batch.clone());
    }

    /// Measures a batch that was appended.
    pub(crate) fn appended(&self, records: usize, took: Duration) {
        self.append.observe(took.as_secs_f64());
        self.batch.observe(records as f64);
    }
}
