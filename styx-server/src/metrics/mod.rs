//! What `/metrics` shows, in the text form of Prometheus. `docs/metrics.md` has every name.
//!
//! Whatever happened to runs, executions and workflows is counted from the records of the log by a consumer that follows it, so
//! nothing is counted twice and nothing is missed between the start and the end of a process. What a log can't tell (requests,
//! how long a write takes) is measured where it happens.

mod clock;
mod counts;
mod folded;
mod http;
mod log;
mod process;
mod server_log;
mod tally;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, prometheus_text},
    metrics::{MetricType, counter::Counter, family::Family, gauge::ConstGauge, histogram::Histogram},
    registry::Registry,
};
use styx_core::{
    executor::{Effect, EffectKind},
    id::Position,
    log::{LogError, LogReader},
    record::Record,
    world::{RefusedRecord, World},
};

use self::{clock::ClockMetrics, folded::Folded, process::Process, server_log::ServerLog};
pub(crate) use self::{http::HttpMetrics, log::LogMetrics};

/// The type of the text that [`Metrics::encode`] makes.
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Names and values of labels.
type Labels<const N: usize> = [(&'static str, &'static str); N];
/// Histograms of time, one for each set of labels.
type Spans<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// All that is measured.
pub(crate) struct Metrics {
    registry: Registry,
    folded: Arc<Mutex<Folded>>,
    /// Of requests and connections.
    pub(crate) http: HttpMetrics,
    /// Of the wall clock.
    pub(crate) clock: ClockMetrics,
    /// Effects that the executor was asked for.
    effects: Family<Labels<1>, Counter>,
    /// Lines about runs that were left out.
    pub(crate) run_lines_left_out: Counter,
    /// Why the log isn't followed any more.
    stopped: OnceLock<String>,
}

impl Metrics {
    /// Begins to count; gauges are those of `world`, from which the log is followed. `log` is measured by its writer, and
    /// `http` by the connections.
    pub(crate) fn new(world: World, log: &LogMetrics, http: HttpMetrics) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        let styx = registry.sub_registry_with_prefix("styx");
        let folded = Arc::new(Mutex::new(Folded::new(world, styx)));
        styx.register_collector(Box::new(Gauges(Arc::clone(&folded))));
        http.register(styx);
        log.register(styx);
        let clock = ClockMetrics::register(styx);
        let effects = Family::default();
        styx.register("effects", "Effects that the executor was asked for, by kind", effects.clone());
        let run_lines_left_out = Counter::default();
        styx.register_collector(Box::new(ServerLog { run_lines_left_out: run_lines_left_out.clone() }));
        Self { registry, folded, http, clock, effects, run_lines_left_out, stopped: OnceLock::new() }
    }

    /// All of it as text.
    ///
    /// # Errors
    ///
    /// Never: the text is put into memory.
    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// The counts of the log go on no more: a scrape is refused with the reason from now on.
    pub(crate) fn stop(&self, why: &str) {
        let _ = self.stopped.set(why.to_owned());
    }

    /// Why the counts of the log go on no more, if they don't: what they show isn't so any longer.
    pub(crate) fn stopped(&self) -> Option<&str> {
        self.stopped.get().map(String::as_str)
    }

    /// Counts what the executor is asked for.
    pub(crate) fn count_effect(&self, effect: &Effect) {
        let kind = match effect.kind() {
            EffectKind::Launch => "launch",
            EffectKind::Adopt => "adopt",
            EffectKind::Stop => "stop",
            EffectKind::CleanUp => "clean_up",
        };
        self.effects.get_or_create(&[("kind", kind)]).inc();
    }

    /// How many executions the executor was asked to adopt.
    pub(crate) fn adopted(&self) -> u64 {
        self.effects.get_or_create(&[("kind", "adopt")]).get()
    }

    /// Reads what the world doesn't hold of its workflows.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(crate) fn read_workflows(&self, reader: &dyn LogReader) -> Result<(), LogError> {
        self.folded().read_workflows(reader)
    }

    /// The next record that isn't counted yet.
    pub(crate) fn next(&self) -> Position {
        self.folded().next()
    }

    /// Counts the next records, after `look` has seen each with the world before it; returns which one comes next.
    ///
    /// # Errors
    ///
    /// When they aren't the next ones, or one can't be folded.
    pub(crate) fn take(
        &self,
        records: &[Record],
        mut look: impl FnMut(&Record, &World),
    ) -> Result<Position, RefusedRecord> {
        let mut folded = self.folded();
        for record in records {
            look(record, folded.world());
            folded.take(record)?;
        }
        Ok(folded.next())
    }

    fn folded(&self) -> MutexGuard<'_, Folded> {
        lock(&self.folded)
    }
}

/// Whoever panicked while it held the lock left at worst a count that is one short.
fn lock(folded: &Mutex<Folded>) -> MutexGuard<'_, Folded> {
    folded.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gauges are made when they are asked for, from counts that are kept: however much is active, none of it is looked at.
struct Gauges(Arc<Mutex<Folded>>);

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        lock(&self.0).encode(encoder, std::time::SystemTime::now().into())
    }
}

/// Writes a gauge, a line for each label set.
fn gauge<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, f64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Writes a gauge of one line.
fn single_gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use styx_core::{
        id::{InstanceId, WorkflowId},
        run::{Run, State},
        world::{LogRow, Row, RowKey, visits},
    };

    use super::*;

    fn with_active_runs(count: usize) -> Metrics {
        let runs = (0..count).map(|number| {
            let mut run = Run::new(None, DateTime::UNIX_EPOCH);
            run.state = [State::Queued, State::Running][number % 2];
            let instance = InstanceId::new(WorkflowId::new("c", "w"), format!("{number:06}"));
            (RowKey::Run(instance), Row::Run(run))
        });
        let log = (RowKey::Log, Row::Log(LogRow::default()));
        Metrics::new(
            World::from_rows(std::iter::once(log).chain(runs)).unwrap(),
            &LogMetrics::default(),
            HttpMetrics::new(),
        )
    }

    /// How many entries of the world it looks at.
    fn scrape(metrics: &Metrics) -> u64 {
        let before = visits();
        metrics.encode().unwrap();
        visits() - before
    }

    #[test]
    fn a_scrape_looks_at_no_more_however_many_runs_are_active() {
        let (few, many) = (with_active_runs(10), with_active_runs(10_000));
        let text = many.encode().unwrap();
        let name = "styx_active_states_per_runstate_per_trigger_count";
        assert!(text.contains(&format!("{name}{{state=\"RUNNING\",trigger=\"none\"}} 5000")), "{text}");
        assert!(text.contains("styx_queue_length{reason=\"next\"} 5000"), "{text}");
        assert_eq!(scrape(&many), scrape(&few));
        // The count counts.
        let before = visits();
        drop(with_active_runs(10_000));
        assert!(visits() - before >= 10_000);
    }
}
