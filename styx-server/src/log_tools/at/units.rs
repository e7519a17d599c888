//! Resources at a moment: how many units there are, who holds them and how many wait for one.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use styx_core::{run::State, world::World};

use crate::log_tools::view::View;

/// What holds a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) instance: String,
    /// None between `dequeue` and `submit`.
    execution: Option<String>,
}

impl Holder {
    pub(super) fn execution(&self) -> &str {
        self.execution.as_deref().unwrap_or("-")
    }
}

/// Who holds units, by resource; of defined resources and others.
#[derive(Debug, Default)]
pub(super) struct Holders(pub(super) BTreeMap<Arc<str>, Vec<Holder>>);

impl Holders {
    /// A unit is held by the run from `dequeue` to `submit`, then by its execution until that has ended.
    pub(super) fn of(world: &World) -> Self {
        let mut holders = Self::default();
        for (id, execution) in world.executions().iter().filter(|(_, execution)| execution.is_alive()) {
            let holder = Holder { instance: execution.instance.key(), execution: Some(id.to_string()) };
            holders.add(&execution.resources, &holder);
        }
        for (id, run) in world.runs().iter().filter(|(_, run)| run.state == State::Prepare && !run.imported) {
            let holder = Holder { instance: id.key(), execution: None };
            holders.add(run.resources.as_deref().unwrap_or_default(), &holder);
        }
        holders
    }

    fn add(&mut self, resources: &[Arc<str>], holder: &Holder) {
        for resource in resources {
            self.0.entry(Arc::clone(resource)).or_default().push(holder.clone());
        }
    }
}

/// A resource with all that there is to say.
pub(super) struct Resource<'a> {
    /// How many units there are; none when it isn't defined.
    pub(super) concurrency: Option<i64>,
    pub(super) held: &'a [Holder],
    /// How many queued runs that may go on otherwise need it.
    pub(super) waiting: usize,
}

impl<'a> Resource<'a> {
    pub(super) fn of(world: &World, holders: &'a Holders, id: &str) -> Self {
        Self {
            concurrency: world.resources().get(id).map(|resource| resource.concurrency),
            held: holders.0.get(id).map_or(&[], Vec::as_slice),
            waiting: world.index().queue().demanded(id, world.at()),
        }
    }

    /// Its fields.
    pub(super) fn view(&self) -> View {
        let by = |holder: &Holder| json!({ "instance": holder.instance, "execution": holder.execution });
        View::from_iter([
            ("concurrency".to_owned(), self.concurrency.into()),
            ("held".to_owned(), self.held.len().into()),
            ("waiting".to_owned(), self.waiting.into()),
            ("by".to_owned(), self.held.iter().map(by).collect::<Vec<Value>>().into()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use styx_core::id::Epoch;
    use styx_store::conformance::Story;

    use super::*;

    #[test]
    fn as_many_units_are_held_as_are_counted() {
        let mut most = 0;
        for seed in 0..8 {
            let mut story = Story::new(seed);
            for _ in 0..60 {
                story.next_batch(Epoch(1), 12);
                let holders = Holders::of(story.world());
                for id in story.world().resources().keys().chain(holders.0.keys()) {
                    let held = holders.0.get(id).map_or(0, Vec::len);
                    assert_eq!(held as u64, story.world().index().queue().used(id), "{id}");
                    most = most.max(held);
                }
            }
        }
        assert!(most > 1, "{most}");
    }
}
