//! The world from its rows, the world that the machine holds and a fold of the log are one and the same.

use styx_core::{record::Record, world::World};

use super::{Check, End, Invariant, View};
use crate::sim::log::SimLog;
use styx_core::id::Position;

/// After how many steps the rows are read.
const EVERY: u32 = 4;

#[derive(Default)]
pub(super) struct Fold {
    world: World,
    steps: u32,
}

impl Fold {
    fn compare(&self, world: &World, what: &str) -> Check {
        if *world == self.world {
            return Ok(());
        }
        let difference = world.rows().find(|(key, row)| self.world.row(key).as_ref() != Some(row));
        let difference = difference.map(|(key, row)| format!("{key:?} is {row:?}, not {:?}", self.world.row(&key)));
        Err(format!("{what}: {}", difference.unwrap_or_else(|| "rows are missing, or the sets differ".to_owned())))
    }

    fn compare_rows(&self, log: &SimLog) -> Check {
        match World::from_rows(log.rows()) {
            Ok(world) => self.compare(&world, "the world of the rows"),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Invariant for Fold {
    fn name(&self) -> &'static str {
        "fold"
    }

    fn sentence(&self) -> &'static str {
        "the rows, the machine and a fold of the log make the same world"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        self.world.apply(record).map(drop).map_err(|refused| refused.to_string())
    }

    fn stepped(&mut self, view: &View<'_>) -> Check {
        self.steps += 1;
        self.compare(view.world, "the machine's world")?;
        if self.steps.is_multiple_of(EVERY) { self.compare_rows(view.log) } else { Ok(()) }
    }

    fn restarted(&mut self, world: &World) -> Check {
        self.compare(world, "the world after a restart")
    }

    fn ended(&mut self, end: &End<'_>) -> Check {
        let mut fresh = World::default();
        for record in end.log.records_after(Position(0)) {
            fresh.apply(&record).map_err(|refused| refused.to_string())?;
        }
        self.compare(&fresh, "a fresh fold")?;
        self.compare(end.world, "the machine's world")?;
        self.compare_rows(end.log)
    }
}
