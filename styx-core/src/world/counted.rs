//! Ordered maps and sets that count which of their entries are looked at one after the other.
//!
//! No input may look at all runs, executions or workflows. A test counts that (`styx-engine/tests/cost.rs`), in builds with debug
//! assertions; in others nothing is counted. A single entry that is looked up by its key isn't counted either.

use std::{
    borrow::Borrow,
    cell::Cell,
    collections::{BTreeMap, BTreeSet, btree_map, btree_set},
    ops::{Deref, DerefMut, RangeBounds},
};

thread_local! {
    static VISITS: Cell<u64> = const { Cell::new(0) };
}

/// How many entries this thread has looked at so far; only in builds with debug assertions.
pub fn visits() -> u64 {
    VISITS.get()
}

/// Counts what an iterator gives.
#[derive(Debug, Clone)]
pub struct Counted<I>(I);

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let next = self.0.next();
        if cfg!(debug_assertions) && next.is_some() {
            VISITS.set(VISITS.get() + 1);
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<I: DoubleEndedIterator> DoubleEndedIterator for Counted<I> {
    fn next_back(&mut self) -> Option<I::Item> {
        let next = self.0.next_back();
        if cfg!(debug_assertions) && next.is_some() {
            VISITS.set(VISITS.get() + 1);
        }
        next
    }
}

impl<I: ExactSizeIterator> ExactSizeIterator for Counted<I> {}

/// A [`BTreeMap`] that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map<K, V>(BTreeMap<K, V>);

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K, V> Map<K, V> {
    /// An empty one.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Entries in the order of their keys.
    pub fn iter(&self) -> Counted<btree_map::Iter<'_, K, V>> {
        Counted(self.0.iter())
    }

    /// Keys in their order.
    pub fn keys(&self) -> Counted<btree_map::Keys<'_, K, V>> {
        Counted(self.0.keys())
    }

    /// Values in the order of their keys.
    pub fn values(&self) -> Counted<btree_map::Values<'_, K, V>> {
        Counted(self.0.values())
    }

    /// Values in the order of their keys, to be changed.
    pub fn values_mut(&mut self) -> Counted<btree_map::ValuesMut<'_, K, V>> {
        Counted(self.0.values_mut())
    }

    /// The entries whose keys lie in a range.
    pub fn range<T, R>(&self, range: R) -> Counted<btree_map::Range<'_, K, V>>
    where
        T: Ord + ?Sized,
        K: Borrow<T> + Ord,
        R: RangeBounds<T>,
    {
        Counted(self.0.range(range))
    }
}

impl<K, V> Deref for Map<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        &self.0
    }
}

impl<K, V> DerefMut for Map<K, V> {
    fn deref_mut(&mut self) -> &mut BTreeMap<K, V> {
        &mut self.0
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Counted<btree_map::Iter<'a, K, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A [`BTreeSet`] that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<T>(BTreeSet<T>);

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T> Set<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Elements in their order.
    pub fn iter(&self) -> Counted<btree_set::Iter<'_, T>> {
        Counted(self.0.iter())
    }

    /// The elements in a range.
    pub fn range<K, R>(&self, range: R) -> Counted<btree_set::Range<'_, T>>
    where
        K: Ord + ?Sized,
        T: Borrow<K> + Ord,
        R: RangeBounds<K>,
    {
        Counted(self.0.range(range))
    }
}

impl<T> Deref for Set<T> {
    type Target = BTreeSet<T>;

    fn deref(&self) -> &BTreeSet<T> {
        &self.0
    }
}

impl<T> DerefMut for Set<T> {
    fn deref_mut(&mut self) -> &mut BTreeSet<T> {
        &mut self.0
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = Counted<btree_set::Iter<'a, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
