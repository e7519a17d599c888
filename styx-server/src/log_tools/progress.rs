//! Progress bars: on standard error, and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar is drawn again while nothing moves it.
const TICK: Duration = Duration::from_millis(200);

/// A bar over so many records, with an estimate of the time that is left.
pub(super) fn bar(doing: &'static str, records: u64) -> ProgressBar {
    let bar = ProgressBar::new(records).with_message(doing);
    let template = "{msg} {bar:40} {percent}% {human_pos}/{human_len} records, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK);
    }
    bar
}
