//! Requests about backfills.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    decide::Request,
    id::WorkflowId,
    world::{Backfill, World},
};

use super::Workload;
use crate::sim::calendar::Timetable;

impl Workload {
    /// A range of the workflow's own timetable, mostly in the past, now and then one that is refused.
    pub(super) fn create_backfill(&mut self, world: &World, workflow: WorkflowId, wall: DateTime<Utc>) -> Request {
        let random = &mut self.random;
        let schedule = world.workflows().get(&workflow).map(|workflow| &workflow.spec.schedule);
        let hours = Timetable::of("hours");
        let Some(table) = schedule.and_then(|schedule| Timetable::of(schedule)).or(hours) else {
            return Request::DeleteWorkflow { id: workflow };
        };
        let count = *random.pick(&[1, 2, 3, 3, 4, 5, 14]);
        let mut start = table.at_or_before(wall - random.seconds(0, 20_000));
        let mut end = start;
        if random.chance(15) {
            (0..count).for_each(|_| end = table.after(end));
        } else {
            (0..count).for_each(|_| start = table.at_or_before(start - TimeDelta::minutes(1)));
        }
        match random.below(100) {
            0..3 => start += TimeDelta::minutes(1),
            3..5 => end = start,
            _ => {}
        }
        Request::CreateBackfill {
            workflow,
            start,
            end,
            concurrency: *random.pick(&[0, 1, 1, 2, 2, 3, 3, 3, 12]),
            reverse: random.chance(40),
            description: random.chance(20).then(|| "made by the simulation".into()),
            parameters: None,
            allow_future: random.chance(50),
        }
    }

    pub(super) fn edit_backfill(&mut self, world: &World) -> Option<Request> {
        let (id, _) = self.backfill(world)?;
        let concurrency = self.random.chance(85).then(|| self.random.between(0, 3) as u32);
        let description = self.random.chance(20).then(|| "edited".into());
        Some(Request::EditBackfill { id, concurrency, description })
    }

    pub(super) fn halt_backfill(&mut self, world: &World) -> Option<Request> {
        let (id, _) = self.backfill(world)?;
        Some(Request::HaltBackfill { id, graceful: self.random.chance(50) })
    }

    /// The partition that a backfill of the workflow comes to next, as people write it.
    pub(super) fn next_partition(&mut self, world: &World, workflow: &WorkflowId) -> Option<String> {
        let open: Vec<_> = world.index().open_backfills(workflow).filter_map(|id| world.backfills().get(id)).collect();
        let backfill = open.get(self.random.below(open.len()))?;
        Some(backfill.next.format("%Y-%m-%dT%H:%M:%SZ").to_string())
    }

    /// Any backfill, rather one that goes on.
    fn backfill<'a>(&mut self, world: &'a World) -> Option<(Arc<str>, &'a Backfill)> {
        let open = world.backfills().iter().filter(|(_, backfill)| backfill.is_open()).count();
        let only_open = open > 0 && self.random.chance(70);
        let mut some = world.backfills().iter().filter(|(_, backfill)| backfill.is_open() || !only_open);
        let nth = self.random.below(if only_open { open } else { world.backfills().len() });
        some.nth(nth).map(|(id, backfill)| (Arc::clone(id), backfill))
    }

    /// Backfills that would wait for ever go on or are halted.
    pub(super) fn finish_backfills(&mut self, world: &World) -> Vec<Request> {
        let random = &mut self.random;
        let mut requests = Vec::new();
        for (id, backfill) in world.backfills().iter().filter(|(_, backfill)| backfill.is_open()) {
            let id = Arc::clone(id);
            match random.below(100) {
                0..25 => requests.push(Request::HaltBackfill { id, graceful: random.chance(50) }),
                _ if backfill.concurrency == 0 => {
                    let concurrency = Some(random.between(1, 3) as u32);
                    requests.push(Request::EditBackfill { id, concurrency, description: None });
                }
                _ => {}
            }
        }
        requests
    }
}
