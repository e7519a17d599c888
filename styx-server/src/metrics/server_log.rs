//! Lines of the server's log that nobody can read, read when it is asked for.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
    },
};

use crate::logging::{self, LeftOut};

/// The log on standard error.
#[derive(Debug)]
pub(super) struct ServerLog {
    pub(super) run_lines_left_out: Counter,
}

impl Collector for ServerLog {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let LeftOut { waiting, refused } = logging::left_out();
        let help = "Lines of the server's own log that were left out, by why";
        let mut metric = encoder.encode_descriptor("server_log_lines_left_out", help, None, MetricType::Counter)?;
        let reasons = [("waiting", waiting), ("refused", refused), ("limited", self.run_lines_left_out.get())];
        for (reason, count) in reasons {
            ConstCounter::new(count).encode(metric.encode_family(&[("reason", reason)])?)?;
        }
        Ok(())
    }
}
