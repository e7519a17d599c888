//! The log on standard error: lines for people, or JSON. Values of environment variables never get there.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// Starts logging; `STYX_SERVER_LOG` says how much (`info` if it says nothing).
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("STYX_SERVER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => {
            let colours =
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty());
            builder.compact().with_target(false).with_ansi(colours).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).with_target(false).try_init(),
    };
    // Only a second start in one process can fail, and then there is a log.
    let _ = started;
}

/// A panic is a line of the log like any other, and says where it was.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("without a message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(thread = thread.name().unwrap_or("unnamed"), place, "a thread panicked: {text}");
    }));
}
