//! Shows something again and again: drawn over itself on a terminal, one after the other in a pipe.

use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::Watch;
use crate::aside::tell;
use crate::failure::Failure;
use crate::output::Printer;

/// Home, no wrapping of lines, no cursor.
const BEGIN: &str = "\x1b[?25l\x1b[?7l\x1b[H\x1b[2J";
const END: &str = "\x1b[?7h\x1b[?25h";
/// From here to the end of the line, and of the screen.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Shows once what `show` prints or, if that is wanted, until somebody stops it.
///
/// The first failure ends it. Later a server that is away for a moment is told of, and asked again.
pub(crate) fn watch(
    watch: &Watch,
    printer: &mut Printer,
    mut show: impl FnMut(&mut Printer) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(interval) = watch.watch else {
        return show(printer);
    };
    let is_terminal = io::stdout().is_terminal();
    end_cleanly(is_terminal)?;
    let mut is_first = true;
    loop {
        printer.hold();
        let result = show(printer);
        let frame = printer.release();
        let trouble = match result {
            Ok(()) => None,
            Err(failure) if !is_first && failure.is_passing() => Some(failure.to_string()),
            Err(failure) => {
                if is_terminal && !is_first {
                    write(END)?;
                }
                return Err(failure);
            }
        };
        if is_terminal {
            let frame = trouble.unwrap_or(frame);
            let (rows, begin) = (rows(), if is_first { BEGIN } else { "\x1b[H" });
            write(&format!("{begin}{}", fit(&frame, &title(interval), rows)))?;
        } else if let Some(trouble) = trouble {
            tell(trouble);
        } else {
            write(&frame)?;
        }
        is_first = false;
        thread::sleep(interval);
    }
}

/// Has Ctrl-C end the process as if all had been shown: it is what ends this.
fn end_cleanly(is_terminal: bool) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            if is_terminal {
                let _ = write(&format!("{END}\n"));
            }
            std::process::exit(0);
        }
    });
    Ok(())
}

fn title(interval: Duration) -> String {
    let now = DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("{now}, every {} s; Ctrl-C ends", interval.as_secs_f64())
}

fn rows() -> usize {
    terminal_size::terminal_size().map_or(24, |(_, terminal_size::Height(rows))| rows.into())
}

/// As much of a frame as there is room for, under a title.
fn fit(frame: &str, title: &str, rows: usize) -> String {
    let lines: Vec<_> = frame.lines().collect();
    let room = rows.saturating_sub(2).max(1);
    let mut text = format!("{title}{CLEAR_LINE}\n");
    let shown = if lines.len() > room { room - 1 } else { lines.len() };
    for line in &lines[..shown] {
        text.push_str(&format!("{line}{CLEAR_LINE}\n"));
    }
    if shown < lines.len() {
        text.push_str(&format!("… and {} lines more{CLEAR_LINE}\n", lines.len() - shown));
    }
    text + CLEAR_BELOW
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_never_scrolls(lines in 0..60_usize, rows in 3..50_usize) {
            let frame: String = (0..lines).map(|line| format!("{line}\n")).collect();
            let text = fit(&frame, "title", rows);
            prop_assert!(text.lines().count() <= rows);
            prop_assert!(text.matches('\n').count() < rows);
            let told = text.lines().find_map(|line| line.strip_prefix("… and ")?.split(' ').next()?.parse::<usize>().ok());
            prop_assert_eq!(text.matches('\n').count() - 1 + told.map_or(0, |told| told - 1), lines);
        }
    }
}
