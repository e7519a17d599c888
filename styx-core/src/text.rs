//! Texts for people.

use std::{borrow::Cow, fmt};

use chrono::TimeDelta;

/// A span of time: its two largest units in whole seconds.
///
/// ```
/// use chrono::TimeDelta;
/// use styx_core::text::HumanSpan;
///
/// let text = |seconds| HumanSpan(TimeDelta::seconds(seconds)).to_string();
/// assert_eq!([text(0), text(62), text(7_200), text(90_061)], ["0 s", "1 min 2 s", "2 h", "1 d 1 h"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HumanSpan(pub TimeDelta);

impl fmt::Display for HumanSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.num_seconds();
        let units = [("d", 86_400, i64::MAX), ("h", 3_600, 24), ("min", 60, 60), ("s", 1, 60)];
        let parts = units.map(|(name, length, most)| (name, seconds / length % most));
        let parts = parts.iter().skip_while(|(_, count)| *count == 0).take(2).filter(|(_, count)| *count > 0);
        let text: Vec<String> = parts.map(|(name, count)| format!("{count} {name}")).collect();
        f.write_str(if text.is_empty() { "0 s" } else { "" })?;
        f.write_str(&text.join(" "))
    }
}

/// The first `most` characters of a text, with dots behind them where it is longer.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}
