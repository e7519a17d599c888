//! Two worlds, row by row.

use std::{cmp::Ordering, collections::BTreeMap};

use styx_core::{
    id::InstanceId,
    world::{Finished, Row, RowKey, World},
};

/// How runs of an earlier world ended.
pub(super) type Outcomes = BTreeMap<InstanceId, Finished>;

/// What leads from one world to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// The rows that differ, ascending by key.
    pub(super) rows: Vec<RowChange>,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowChange {
    /// Whose row it is.
    pub(super) key: RowKey,
    /// The row in the first world.
    pub(super) before: Option<Row>,
    /// The row in the second one.
    pub(super) after: Option<Row>,
    /// How the run ended that the first world holds and the second one doesn't.
    pub(super) outcome: Option<Finished>,
}

impl Difference {
    /// What differs; both worlds list their rows in the same order, so they are read side by side.
    pub(super) fn between(before: &World, after: &World, mut outcomes: Outcomes) -> Self {
        let (mut left, mut right) = (before.rows().peekable(), after.rows().peekable());
        let mut rows = Vec::new();
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some((one, _)), Some((other, _))) => one.cmp(other),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return Self { rows },
            };
            let before = if order.is_le() { left.next() } else { None };
            let after = if order.is_ge() { right.next() } else { None };
            let Some(key) = before.as_ref().or(after.as_ref()).map(|(key, _)| key.clone()) else { continue };
            let (before, after) = (before.map(|(_, row)| row), after.map(|(_, row)| row));
            if before == after {
                continue;
            }
            let outcome = match &key {
                RowKey::Run(id) => outcomes.remove(id),
                _ => None,
            };
            rows.push(RowChange { key, before, after, outcome });
        }
    }
}

#[cfg(test)]
mod tests {
    use styx_core::id::Epoch;
    use styx_store::conformance::Story;

    use super::*;

    /// The world after each batch of a story.
    fn worlds(seed: u64, batches: usize) -> Vec<World> {
        let mut story = Story::new(seed);
        let mut worlds = vec![World::default()];
        for _ in 0..batches {
            story.next_batch(Epoch(1), 20);
            worlds.push(story.world().clone());
        }
        worlds
    }

    #[test]
    fn nothing_differs_from_itself_and_what_differs_leads_to_the_other() {
        for seed in 0..8 {
            let worlds = worlds(seed, 20);
            for (number, one) in worlds.iter().enumerate() {
                assert_eq!(Difference::between(one, one, Outcomes::new()), Difference::default());
                for other in worlds.iter().skip(number % 3).step_by(3) {
                    let mut rows: BTreeMap<_, _> = one.rows().collect();
                    for RowChange { key, before, after, .. } in Difference::between(one, other, Outcomes::new()).rows {
                        assert_eq!(rows.remove(&key), before);
                        rows.extend(after.map(|after| (key, after)));
                    }
                    assert_eq!(rows, other.rows().collect());
                    assert_eq!(World::from_rows(rows).as_ref(), Ok(other));
                }
            }
        }
    }
}
