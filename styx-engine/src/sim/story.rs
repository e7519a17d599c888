//! The story of a simulation: what happened, in the order of time.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

/// The last things that happened. A quiet story keeps nothing and formats nothing.
#[derive(Debug, Default)]
pub(super) struct Story {
    lines: VecDeque<String>,
    keep: usize,
}

impl Story {
    /// A story that keeps the last `keep` lines.
    pub(super) fn new(keep: usize) -> Self {
        Self { lines: VecDeque::new(), keep }
    }

    /// Adds a line, if anybody wants it.
    pub(super) fn note(&mut self, at: DateTime<Utc>, kind: &str, text: impl FnOnce() -> String) {
        if self.keep == 0 {
            return;
        }
        if self.lines.len() == self.keep {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{}  {kind:<8} {}", at.format("%m-%d %H:%M:%S%.3f"), text()));
    }

    /// The lines, oldest first.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
