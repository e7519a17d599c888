//! A start after an outage: living executions report first, so that what ended well meanwhile isn't timed out.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    effects::is_reachable,
    id::{ExecutionId, Position},
    world::World,
};

/// How long a start waits for an executor that is out of contact. One that is not says when it has reported all that it knows.
const SETTLE: TimeDelta = TimeDelta::minutes(1);

/// The executions of an earlier process that haven't reported, and until when nothing falls due because of that.
#[derive(Debug)]
pub(super) struct Settling {
    /// Where the log ended at the start.
    started_at: Position,
    awaited: BTreeSet<ExecutionId>,
    until: Option<DateTime<Utc>>,
}

impl Settling {
    /// Of a start on a log that ends there.
    pub(super) fn after(started_at: Position) -> Self {
        Self { started_at, awaited: BTreeSet::new(), until: None }
    }

    /// The executor is asked about them now.
    pub(super) fn begin(&mut self, world: &World, now: DateTime<Utc>) {
        let earlier = world.executions().iter().filter(|(_, it)| it.submitted_by <= self.started_at);
        self.awaited = earlier.map(|(id, _)| id).filter(|id| is_reachable(world, id)).cloned().collect();
        let until = now.checked_add_signed(SETTLE).unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.until = Some(until).filter(|_| !self.awaited.is_empty());
    }

    /// An execution has reported.
    pub(super) fn observe(&mut self, execution: &ExecutionId) {
        if self.until.is_some() {
            self.awaited.remove(execution);
            self.until = self.until.filter(|_| !self.awaited.is_empty());
        }
    }

    /// The executor has reported all that it knows.
    pub(super) fn end(&mut self) {
        self.awaited.clear();
        self.until = None;
    }

    /// When what is due at `due` is done.
    pub(super) fn not_before(&self, due: DateTime<Utc>) -> DateTime<Utc> {
        self.until.map_or(due, |until| due.max(until))
    }
}
