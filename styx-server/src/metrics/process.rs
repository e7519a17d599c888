//! What the process takes of the machine, under the names that Prometheus has for it; read when it is asked for.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use super::single_gauge;

/// This process.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        let help = "Time of processors that was used, in seconds";
        let metric = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        ConstCounter::new(seconds).encode(metric)?;
        // Whatever can't be read is left out.
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kilobytes = |name: &str| number_after(&status, name).map(|kilobytes| kilobytes * 1024.0);
        if let Some(bytes) = kilobytes("VmRSS:") {
            single_gauge(encoder, "process_resident_memory_bytes", "Memory that is in use", bytes)?;
        }
        if let Some(bytes) = kilobytes("VmSize:") {
            single_gauge(encoder, "process_virtual_memory_bytes", "Addresses that are in use", bytes)?;
        }
        if let Some(threads) = number_after(&status, "Threads:") {
            single_gauge(encoder, "process_threads", "Threads", threads)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the folder that is being read.
            let open = open.count().saturating_sub(1);
            single_gauge(encoder, "process_open_fds", "File descriptors that are open", open as f64)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            single_gauge(encoder, "process_max_fds", "File descriptors that may be open", most as f64)?;
        }
        Ok(())
    }
}

/// The number that follows a name at the beginning of a line.
fn number_after(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
