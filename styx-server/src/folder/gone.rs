//! Files that are gone: not each that can't be seen for a while has been removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use styx_files::component;

/// Since when files are gone. Whoever copies a folder anew, changes to another branch or mounts a volume again brings them
/// back; a removal halts backfills and forgets how an operator has switched the workflows.
#[derive(Debug)]
pub(super) struct Gone {
    /// How long a file must be gone until it counts as removed.
    after: Duration,
    since: BTreeMap<Arc<str>, Instant>,
}

impl Gone {
    pub(super) fn new(after: Duration) -> Self {
        Self { after, since: BTreeMap::new() }
    }

    /// How long a file must be gone until it counts as removed.
    pub(super) fn after(&self) -> Duration {
        self.after
    }

    /// Takes note of which files of some components aren't there now. Returns those that are missed for the first time.
    pub(super) fn note(
        &mut self,
        components: &BTreeSet<String>,
        gone: &BTreeSet<Arc<str>>,
        now: Instant,
    ) -> BTreeSet<Arc<str>> {
        self.since.retain(|path, _| gone.contains(path) || !components.contains(component(path)));
        let new: BTreeSet<_> = gone.iter().filter(|path| !self.since.contains_key(*path)).cloned().collect();
        self.since.extend(new.iter().map(|path| (Arc::clone(path), now)));
        new
    }

    /// Whether a file has been gone for so long that it counts as removed.
    pub(super) fn is_removed(&self, path: &str, now: Instant) -> bool {
        self.since.get(path).is_some_and(|since| *since + self.after <= now)
    }

    /// When the next one counts as removed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.values().min().map(|since| *since + self.after)
    }

    /// The components of files that count as removed. Until they are asked about again, they are due no more.
    pub(super) fn take_due(&mut self, now: Instant) -> BTreeSet<String> {
        let due = self.since.iter().filter(|(_, since)| **since + self.after <= now);
        due.map(|(path, _)| component(path).to_owned()).collect()
    }

    /// A file was removed.
    pub(super) fn forget(&mut self, path: &str) {
        self.since.remove(path);
    }

    /// While the folder itself is away nobody knows what is gone: what was gone before has all its time again.
    pub(super) fn begin_again(&mut self, now: Instant) {
        self.since.values_mut().for_each(|since| *since = now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> BTreeSet<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn components(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_file_is_removed_when_it_has_been_gone_for_long_enough() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut gone = Gone::new(Duration::from_secs(30));
        assert_eq!(gone.due(), None);
        assert_eq!(gone.note(&components(&["a"]), &paths(&["a.yaml"]), at(0)), paths(&["a.yaml"]));
        // It is still gone, and so is another one.
        assert_eq!(gone.note(&components(&["a", "b"]), &paths(&["a.yaml", "b.yaml"]), at(3)), paths(&["b.yaml"]));
        // One of them comes back, and goes again; nobody has asked about the other meanwhile.
        assert_eq!(gone.note(&components(&["a"]), &paths(&[]), at(4)), paths(&[]));
        assert_eq!(gone.note(&components(&["a"]), &paths(&["a.yaml"]), at(5)), paths(&["a.yaml"]));
        assert_eq!(gone.due(), Some(at(33)));
        assert_eq!((gone.take_due(at(32)), gone.take_due(at(33))), (components(&[]), components(&["b"])));
        assert!(gone.is_removed("b.yaml", at(33)) && !gone.is_removed("a.yaml", at(34)));
        gone.forget("b.yaml");
        gone.begin_again(at(34));
        assert_eq!(gone.due(), Some(at(64)));
    }
}
