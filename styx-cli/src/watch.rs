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
use styx_host::text::visible_lines;

/// Home, no wrapping of lines, no cursor.
const BEGIN: &str = "\x1b[?25l\x1b[?7l\x1b[H\x1b[2J";
const END: &str = "\x1b[?7h\x1b[?25h";
/// From here to the end of the line, and of the screen.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Which lines are shown where there is no room for all.
#[derive(Clone, Copy, Debug)]
enum Keep {
    First,
    /// Those at the end, below the header.
    Last {
        headers: usize,
    },
}

/// Shows once what `show` prints or, if that is wanted, until somebody stops it.
///
/// The first failure ends it. Later a server that is away for a moment is told of, and asked again.
pub(crate) fn watch(
    watch: &Watch,
    printer: &mut Printer,
    show: impl FnMut(&mut Printer) -> Result<(), Failure>,
) -> Result<(), Failure> {
    watch_part(watch, Keep::First, printer, show)
}

/// As [`watch`], for what grows at its end: that is what is seen.
pub(crate) fn watch_end(
    watch: &Watch,
    printer: &mut Printer,
    show: impl FnMut(&mut Printer) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let headers = if printer.has_header() { 1 } else { 0 };
    watch_part(watch, Keep::Last { headers }, printer, show)
}

fn watch_part(
    watch: &Watch,
    keep: Keep,
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
            let frame = trouble.map_or(frame, |trouble| visible_lines(&trouble).into());
            let (rows, begin) = (rows(), if is_first { BEGIN } else { "\x1b[H" });
            write(&format!("{begin}{}", fit(&frame, &title(interval), rows, keep)))?;
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
fn fit(frame: &str, title: &str, rows: usize, keep: Keep) -> String {
    let lines: Vec<_> = frame.lines().collect();
    let room = rows.saturating_sub(2).max(1);
    let shown = if lines.len() > room { room - 1 } else { lines.len() };
    let left_out = lines.len() - shown;
    let (told, before) = match keep {
        Keep::First => (format!("… and {left_out} lines more"), shown),
        Keep::Last { headers } => (format!("… {left_out} lines before"), headers.min(shown.saturating_sub(1))),
    };
    let (before, after) = (&lines[..before], &lines[before + left_out..]);
    let told = (left_out > 0).then_some(told.as_str());
    let lines = [title].into_iter().chain(before.iter().copied()).chain(told).chain(after.iter().copied());
    lines.map(|line| format!("{line}{CLEAR_LINE}\n")).chain([CLEAR_BELOW.into()]).collect()
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
            let text = fit(&frame, "title", rows, Keep::First);
            prop_assert!(text.lines().count() <= rows);
            prop_assert!(text.matches('\n').count() < rows);
            let told = text.lines().find_map(|line| line.strip_prefix("… and ")?.split(' ').next()?.parse::<usize>().ok());
            prop_assert_eq!(text.matches('\n').count() - 1 + told.map_or(0, |told| told - 1), lines);
        }

        #[test]
        fn the_end_is_seen_below_its_header(lines in 1..60_usize, rows in 3..50_usize, headers in 0..2_usize) {
            let frame: String = (0..lines).map(|line| format!("{line}\n")).collect();
            let text = fit(&frame, "title", rows, Keep::Last { headers }).replace(CLEAR_LINE, "").replace(CLEAR_BELOW, "");
            prop_assert!(text.matches('\n').count() < rows);
            let shown: Vec<_> = text.lines().skip(1).collect();
            if lines + 2 <= rows {
                prop_assert_eq!(shown.join("\n"), frame.trim_end());
            } else {
                let kept = rows - 3;
                let headers = headers.min(kept.saturating_sub(1));
                let told = format!("… {} lines before", lines - kept);
                let mut expected: Vec<_> = (0..headers).map(|line| line.to_string()).chain([told]).collect();
                expected.extend((lines - (kept - headers)..lines).map(|line| line.to_string()));
                prop_assert_eq!(shown, expected);
            }
        }
    }
}
