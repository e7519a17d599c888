//! When to look at what changed: not while somebody is still at it, and not too late.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How long nothing must happen before it is looked at.
const QUIET: Duration = Duration::from_millis(200);
/// How long it may go on happening before it is looked at all the same.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a file that somebody has open and has written to is left alone after the last write: half a file may well be a
/// file that defines less.
const WRITING: Duration = Duration::from_secs(10);

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// Something that may concern any file.
    Any,
    /// Something of a file, by its path relative to the folder.
    File(String, How),
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It was written to, and will be closed.
    Written,
    /// Somebody who had written to it closed it.
    Closed,
    /// Another one stands there now, or none.
    Replaced,
    /// Something else, such as its mode.
    Touched,
    /// Nobody knows: a sweep found that it looks otherwise.
    Swept,
}

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// All but some files that are being written.
    All {
        alone: BTreeSet<String>,
    },
    Files(BTreeSet<String>),
}

/// Gathers what was seen until it is time to look.
#[derive(Debug, Default)]
pub(super) struct Debounce {
    /// When the first and the last of what is to be looked at was seen.
    times: Option<(Instant, Instant)>,
    all: bool,
    files: BTreeSet<String>,
    /// Files that are being written, by the last write.
    writing: BTreeMap<String, Instant>,
}

impl Debounce {
    pub(super) fn note(&mut self, seen: Seen, now: Instant) {
        let first = self.times.map_or(now, |(first, _)| first);
        self.times = Some((first, now));
        match seen {
            Seen::Any => self.all = true,
            Seen::File(path, how) => {
                match how {
                    How::Written => drop(self.writing.insert(path.clone(), now)),
                    How::Closed | How::Replaced => drop(self.writing.remove(&path)),
                    How::Touched | How::Swept => {}
                }
                self.files.insert(path);
            }
        }
    }

    /// When it is time to look; `None` while there is nothing to look at.
    pub(super) fn due(&self) -> Option<Instant> {
        let closed = self.all || self.files.iter().any(|path| !self.writing.contains_key(path));
        let quiet = self.times.filter(|_| closed).map(|(first, last)| (last + QUIET).min(first + PATIENCE));
        let written = self.writing.values().min().map(|last| *last + WRITING);
        [quiet, written].into_iter().flatten().min()
    }

    /// What to look at, if it is time.
    pub(super) fn take(&mut self, now: Instant) -> Option<Look> {
        self.due().filter(|due| *due <= now)?;
        self.writing.retain(|_, last| *last + WRITING > now);
        let is_written = |path: &String| self.writing.contains_key(path);
        let (alone, files) = std::mem::take(&mut self.files).into_iter().partition(is_written);
        self.files = alone;
        self.times = None;
        Some(match std::mem::take(&mut self.all) {
            true => Look::All { alone: self.files.clone() },
            false => Look::Files(files),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn files(paths: &[&str]) -> BTreeSet<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn it_waits_until_it_is_quiet_but_not_for_ever() {
        let begin = Instant::now();
        let mut debounce = Debounce::default();
        assert_eq!((debounce.due(), debounce.take(begin)), (None, None));
        for tenth in 0..30 {
            debounce.note(Seen::File("a.yaml".into(), How::Replaced), begin + after(tenth * 100));
        }
        assert_eq!(debounce.due(), Some(begin + PATIENCE));
        assert_eq!(debounce.take(begin + after(999)), None);
        assert_eq!(debounce.take(begin + PATIENCE), Some(Look::Files(files(&["a.yaml"]))));
        assert_eq!((debounce.due(), debounce.take(begin + after(9_999))), (None, None));
        debounce.note(Seen::Any, begin);
        assert_eq!(debounce.due(), Some(begin + QUIET));
        assert_eq!(debounce.take(begin + QUIET), Some(Look::All { alone: files(&[]) }));
    }

    #[test]
    fn a_file_is_left_alone_while_it_is_written() {
        let begin = Instant::now();
        let mut debounce = Debounce::default();
        debounce.note(Seen::File("a.yaml".into(), How::Written), begin);
        assert_eq!(debounce.due(), Some(begin + WRITING));
        debounce.note(Seen::File("b.yaml".into(), How::Closed), begin);
        assert_eq!(debounce.take(begin + QUIET), Some(Look::Files(files(&["b.yaml"]))));
        debounce.note(Seen::Any, begin + after(300));
        assert_eq!(debounce.take(begin + after(500)), Some(Look::All { alone: files(&["a.yaml"]) }));
        debounce.note(Seen::File("a.yaml".into(), How::Closed), begin + after(600));
        assert_eq!(debounce.due(), Some(begin + after(800)));
        assert_eq!(debounce.take(begin + after(800)), Some(Look::Files(files(&["a.yaml"]))));
        assert_eq!(debounce.due(), None);

        debounce.note(Seen::File("a.yaml".into(), How::Written), begin);
        debounce.note(Seen::File("a.yaml".into(), How::Touched), begin + after(100));
        assert_eq!(debounce.take(begin + WRITING), Some(Look::Files(files(&["a.yaml"]))), "whoever has it open sleeps");
    }
}
