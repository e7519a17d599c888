//! The place of a run in its line, counted from the front.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, btree_set},
    fmt,
    ops::Bound,
};

use chrono::{DateTime, Utc};

use super::{counted::Counted, line::Line};
use crate::id::{InstanceId, WorkflowId};

type Instant = DateTime<Utc>;

/// How many runs of its line go on before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// So many.
    Exactly(usize),
    /// So many, and perhaps more: the line is counted no further.
    AtLeast(usize),
}

impl Ahead {
    /// Those before a run at `now`; all that are ready, if it isn't.
    ///
    /// The cost is that of walking past `most` runs, however long the line is, and of looking at those that became ready
    /// since the last record, as each decision does.
    pub(super) fn of(line: &Line, id: &InstanceId, now: Instant, most: usize) -> Self {
        let woken = line.later.iter().take_while(|(at, _)| *at <= now);
        let woken: BTreeMap<&InstanceId, Instant> = woken.map(|(at, id)| (id, *at)).collect();
        if !line.ready.contains_key(id) && !woken.contains_key(id) {
            return Self::Exactly(line.ready.len() + woken.len());
        }
        let place = Turns::new(line, &woken).take(most).position(|other| other == id);
        place.map_or(Self::AtLeast(most), Self::Exactly)
    }
}

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(runs) => write!(f, "{runs} runs"),
            Self::AtLeast(runs) => write!(f, "at least {runs} runs"),
        }
    }
}

/// The ready runs of a line in the order in which they go on: the longest ready of the firsts of all workflows, over and over.
struct Turns<'a> {
    line: &'a Line,
    /// Runs that became ready since the last record.
    woken: &'a BTreeMap<&'a InstanceId, Instant>,
    /// The workflows of those.
    workflows: BTreeSet<&'a WorkflowId>,
    /// The first of each other workflow that hasn't gone on.
    firsts: Counted<btree_set::Iter<'a, (Instant, InstanceId)>>,
    first: Option<(Instant, &'a InstanceId)>,
    /// Of each workflow of which one has gone on, or became ready since the last record, the next run.
    nexts: BinaryHeap<Reverse<(Instant, &'a InstanceId)>>,
}

impl<'a> Turns<'a> {
    fn new(line: &'a Line, woken: &'a BTreeMap<&'a InstanceId, Instant>) -> Self {
        let workflows = woken.keys().map(|id| id.workflow()).collect();
        let (firsts, nexts) = (line.heads.iter(), BinaryHeap::new());
        let mut turns = Self { line, woken, workflows, firsts, first: None, nexts };
        for workflow in &turns.workflows {
            let first = InstanceId::new((*workflow).clone(), "");
            turns.nexts.extend(turns.of_workflow(workflow, Bound::Included(&first)).map(Reverse));
        }
        turns.first = turns.next_first();
        turns
    }

    fn next_first(&mut self) -> Option<(Instant, &'a InstanceId)> {
        let workflows = &self.workflows;
        self.firsts.find(|(_, id)| !workflows.contains(id.workflow())).map(|(at, id)| (*at, id))
    }

    /// The first run of a workflow from a parameter on.
    fn of_workflow(&self, workflow: &WorkflowId, from: Bound<&InstanceId>) -> Option<(Instant, &'a InstanceId)> {
        let ready = self.line.ready.range::<InstanceId, _>((from, Bound::Unbounded)).next();
        let woken = self.woken.range::<InstanceId, _>((from, Bound::Unbounded)).next();
        let runs = ready.into_iter().chain(woken.map(|(id, at)| (*id, at)));
        let run = runs.min().filter(|(id, _)| id.workflow() == workflow);
        run.map(|(id, at)| (*at, id))
    }
}

impl<'a> Iterator for Turns<'a> {
    type Item = &'a InstanceId;

    fn next(&mut self) -> Option<&'a InstanceId> {
        let next = self.nexts.peek().map(|Reverse(next)| *next);
        let (at, id) = [self.first, next].into_iter().flatten().min()?;
        if self.first == Some((at, id)) {
            self.first = self.next_first();
        } else {
            self.nexts.pop();
        }
        let follower = self.of_workflow(id.workflow(), Bound::Excluded(id));
        self.nexts.extend(follower.map(Reverse));
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::world::Queue;

    fn id(workflow: u32, parameter: u32) -> InstanceId {
        InstanceId::new(WorkflowId::new("c", format!("w{workflow}")), format!("{parameter:06}"))
    }

    fn at(second: u32) -> Instant {
        DateTime::from_timestamp(second.into(), 0).unwrap()
    }

    proptest! {
        /// A place is how many are first before it, one after the other.
        #[test]
        fn a_place_is_the_order_in_which_runs_go_on(
            runs in proptest::collection::btree_map((0..4_u32, 0..6_u32), 0..20_u32, 0..20),
            (last_record, passed) in (0..20_u32, 0..8_u32),
            most in 0..12_usize,
        ) {
            let (mut line, now) = (Line::default(), at(last_record + passed));
            let runs: BTreeMap<_, _> = runs.into_iter().map(|((w, p), second)| (id(w, p), at(second))).collect();
            runs.iter().for_each(|(id, since)| line.insert(id, *since, at(last_record), true));
            let mut left = line.clone();
            let mut order = Vec::new();
            while let Some((_, first)) = left.first(now).filter(|(since, _)| *since <= now) {
                left.remove(&first, runs[&first]);
                order.push(first);
            }
            for run in runs.keys() {
                let expected = match order.iter().position(|other| other == run) {
                    Some(place) if place < most => Ahead::Exactly(place),
                    Some(_) => Ahead::AtLeast(most),
                    None => Ahead::Exactly(order.len()),
                };
                prop_assert_eq!(Ahead::of(&line, run, now, most), expected, "{} in {:?}", run, order);
            }
        }
    }

    #[test]
    fn the_front_of_a_long_line_is_told_exactly() {
        let (mut queue, none): (_, Arc<[Arc<str>]>) = (Queue::default(), Arc::default());
        (0..30_000).for_each(|n| queue.insert(&none, &id(n % 300, n), at(n), at(40_000), true));
        let ahead = |n: u32| queue.ahead(&none, &id(n % 300, n), at(40_000)).to_string();
        assert_eq!(
            [0, 123, 9_999, 10_000, 29_999].map(ahead),
            ["0 runs", "123 runs", "9999 runs", "at least 10000 runs", "at least 10000 runs"]
        );
        assert_eq!(queue.ahead(&none, &id(0, 1), at(40_000)), Ahead::Exactly(30_000));
    }
}
