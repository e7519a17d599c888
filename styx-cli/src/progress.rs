//! Bars for long work: on standard error, and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use styx_host::text::{shortened, visible};

/// How much of what is done is shown.
const LONGEST: usize = 60;
/// How often a bar is drawn again while nothing moves it.
const TICK: Duration = Duration::from_millis(200);

/// A bar over so many things. Of one thing there is none to see.
pub(crate) fn bar(doing: impl Into<String>, things: usize) -> ProgressBar {
    if things <= 1 {
        return ProgressBar::hidden();
    }
    let doing: String = doing.into();
    let bar = ProgressBar::new(things as u64).with_message(visible(&shortened(&doing, LONGEST)).into_owned());
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}, {elapsed}") {
        bar.set_style(style);
    }
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK);
    }
    bar
}
