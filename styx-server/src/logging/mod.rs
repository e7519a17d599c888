//! The log on standard error: lines for people, or JSON. Values of environment variables never get there.
//!
//! Logging never waits, never panics and never ends the process, whatever standard error is: a full disk, a pipe that nobody
//! reads, a terminal that is gone.

mod lines;

use std::{
    io::{self, IsTerminal, Write},
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, SecondsFormat, Utc};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    stdio::stderr,
};
use styx_host::terminal::log_line;
use tracing_subscriber::EnvFilter;

pub(crate) use self::lines::LeftOut;
use self::lines::Lines;
use crate::{cli::LogFormat, health::Watchdog};

/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

static LINES: OnceLock<Lines> = OnceLock::new();

/// Starts logging; `STYX_SERVER_LOG` says how much (`info` if it says nothing).
///
/// # Errors
///
/// When no thread can be started.
pub(crate) fn start(format: LogFormat) -> io::Result<()> {
    let lines = Lines::start(StandardError, move |count| notice(format, count, SystemTime::now().into()))?;
    // Only a second start in one process finds one, and then there is a log.
    let lines = LINES.get_or_init(|| lines);
    let filter = EnvFilter::try_from_env("STYX_SERVER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Its own errors would go to standard error with a macro that panics where that can't be written.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let _ = match format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty());
            let builder = builder.with_writer(move || TextEvents(lines));
            builder.compact().with_target(false).with_ansi(colours).try_init()
        }
        LogFormat::Json => builder.with_writer(move || lines).json().flatten_event(true).with_target(false).try_init(),
    };
    Ok(())
}

/// The end of the thread that writes the lines is the end of the process: nobody would learn of anything any more.
pub(crate) fn watch(watchdog: &Watchdog) {
    if let Some(lines) = LINES.get() {
        let watchdog = watchdog.clone();
        lines.when_ended(move |reason| watchdog.ended(Lines::THREAD, reason));
    }
}

/// Takes events of the text form as lines that are safe on a terminal: what an event holds of others looks like no other event.
struct TextEvents(&'static Lines);

/// One event is one write, as [`Lines`] has it.
impl Write for TextEvents {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.push(log_line(event).as_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A panic is a line of the log like any other, and says where it was.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("without a message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        tracing::error!(thread = name, place, "a thread panicked: {text}");
        if name == "main" {
            // The process ends with it.
            flush();
        }
    }));
}

/// Waits until what was logged is written, for a second at most: the process is about to end.
pub(crate) fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(LAST_LINES);
    }
}

/// Writes a line to standard error behind all that was logged, if there is a log; returns whether there is one.
pub(crate) fn tell(text: &str) -> bool {
    let Some(lines) = LINES.get() else { return false };
    lines.push(format!("{text}\n").as_bytes());
    lines.flush(LAST_LINES);
    true
}

/// How many lines were left out so far.
pub(crate) fn left_out() -> LeftOut {
    LINES.get().map(Lines::left_out).unwrap_or_default()
}

/// The line that reports how many were left out.
fn notice(format: LogFormat, count: u64, now: DateTime<Utc>) -> Vec<u8> {
    let now = now.to_rfc3339_opts(SecondsFormat::Micros, true);
    let text = "lines of the log were left out here, since standard error didn't take them";
    let line = match format {
        LogFormat::Text => format!("{now}  WARN {count} {text}\n"),
        LogFormat::Json => {
            format!(r#"{{"timestamp":"{now}","level":"WARN","message":"{count} {text}","left_out":{count}}}"#) + "\n"
        }
    };
    line.into_bytes()
}

/// Standard error itself, without the lock of the standard library: a write that hangs must hold up nobody else.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(stderr(), bytes) {
                // Another process may have set it so; it is waited for as if it hadn't.
                Err(Errno::AGAIN) => poll(&mut [PollFd::new(&stderr(), PollFlags::OUT)], None).map(drop)?,
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_has_the_form_of_the_log() {
        let notice = |format| String::from_utf8(notice(format, 12, DateTime::UNIX_EPOCH)).unwrap();
        let text = notice(LogFormat::Text);
        assert!(text.starts_with("1970-01-01T00:00:00.000000Z  WARN 12 lines of the log were left out"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&notice(LogFormat::Json)).unwrap();
        assert_eq!((&json["level"], &json["left_out"]), (&"WARN".into(), &12.into()));
        assert!([LogFormat::Text, LogFormat::Json].map(notice).iter().all(|line| line.ends_with('\n')));
    }
}
