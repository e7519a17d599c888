//! Files that are gone: not each that can't be seen for a moment has been removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a file must be gone while nothing else happens in the folder. Whoever copies a folder anew or changes to another
/// branch brings it back sooner; a removal forgets how an operator has switched its workflows.
const GONE: Duration = Duration::from_secs(1);
/// How long it must be gone whatever happens meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// Since when files are gone.
#[derive(Debug, Default)]
pub(super) struct Gone {
    since: BTreeMap<Arc<str>, Instant>,
    /// When anything was seen last.
    last: Option<Instant>,
}

impl Gone {
    /// Something happens in the folder.
    pub(super) fn note(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// Of the files that aren't there now, those that count as removed; of all others it forgets that they were gone.
    pub(super) fn removed(&mut self, gone: &BTreeSet<Arc<str>>, now: Instant) -> BTreeSet<Arc<str>> {
        self.since.retain(|path, _| gone.contains(path));
        for path in gone {
            self.since.entry(Arc::clone(path)).or_insert(now);
        }
        let removed = self.since.iter().filter(|(_, since)| self.counts_from(**since) <= now);
        removed.map(|(path, _)| Arc::clone(path)).collect()
    }

    /// When the next of the others counts, if nothing more happens.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.since.values().map(|since| self.counts_from(*since)).filter(|due| *due > now).min()
    }

    fn counts_from(&self, since: Instant) -> Instant {
        let quiet = self.last.map_or(since, |last| last.max(since)) + GONE;
        quiet.min(since + PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> BTreeSet<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn a_file_is_removed_when_it_is_gone_for_a_second() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut gone = Gone::default();
        assert_eq!((gone.removed(&paths(&["a"]), at(0)), gone.due(at(0))), (paths(&[]), Some(at(1_000))));
        assert_eq!(gone.removed(&paths(&["a", "b"]), at(400)), paths(&[]));
        // It came back, and goes again.
        assert_eq!(gone.removed(&paths(&["b"]), at(900)), paths(&[]));
        assert_eq!(gone.removed(&paths(&["a", "b"]), at(1_000)), paths(&[]));
        assert_eq!(gone.due(at(1_000)), Some(at(1_400)));
        assert_eq!(gone.removed(&paths(&["a", "b"]), at(1_400)), paths(&["b"]));
        assert_eq!(gone.due(at(1_400)), Some(at(2_000)));
        assert_eq!(gone.removed(&paths(&["a"]), at(2_000)), paths(&["a"]));
        assert_eq!((gone.removed(&paths(&[]), at(2_001)), gone.due(at(2_001))), (paths(&[]), None));
    }

    #[test]
    fn it_waits_for_a_busy_folder_but_not_for_ever() {
        let begin = Instant::now();
        let mut gone = Gone::default();
        for tenth in 0..100 {
            let now = begin + Duration::from_millis(tenth * 100);
            gone.note(now);
            assert_eq!(gone.removed(&paths(&["a"]), now), paths(&[]), "after {tenth} tenths of a second");
        }
        assert_eq!(gone.removed(&paths(&["a"]), begin + PATIENCE), paths(&["a"]));
    }
}
