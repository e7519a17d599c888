//! How the wall clock stands, as of the engine's last look.

use std::sync::atomic::AtomicU64;

use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use styx_engine::clock::ClockStatus;

/// Gauges of the wall clock.
#[derive(Debug, Default)]
pub(crate) struct ClockMetrics {
    offset: Gauge<f64, AtomicU64>,
    believed: Gauge,
}

impl ClockMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let help =
            "How far the wall clock is ahead of the time that records carry, in seconds; negative when it was set back";
        registry.register("clock_offset_seconds", help, metrics.offset.clone());
        let help = "Whether the wall clock is believed: 0 or 1; while it isn't, natural triggers hold";
        registry.register("clock_believed", help, metrics.believed.clone());
        metrics.show(ClockStatus::Agrees);
        metrics
    }

    /// Shows how the clock stands.
    pub(crate) fn show(&self, status: ClockStatus) {
        let seconds = match status {
            ClockStatus::Agrees => 0.0,
            ClockStatus::Behind { by } => -by.as_seconds_f64(),
            ClockStatus::NotBelieved { by, .. } => by.as_seconds_f64(),
        };
        self.offset.set(seconds);
        self.believed.set(i64::from(!status.holds()));
    }
}
