//! A line of the queue: runs that need the same resources, in the order in which they go on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::counted::{Map, Set};
use crate::id::{InstanceId, WorkflowId};

type Instant = DateTime<Utc>;

/// Whether the runs of a line may go on, as far as their resources decide it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Each resource has a free unit.
    #[default]
    Open,
    /// At least one has none.
    Full,
    /// At least one isn't defined: the first that goes on fails (SC-6).
    Unknown,
}

/// Runs that need the same resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) standing: Standing,
    /// Runs that may go on as far as the time decides it, and since when.
    pub(super) ready: Map<InstanceId, Instant>,
    /// Of each workflow the ready run with the smallest parameter, the longest ready first.
    pub(super) heads: Set<(Instant, InstanceId)>,
    /// Runs that wait for a time after the last record's.
    pub(super) later: Set<(Instant, InstanceId)>,
    /// Those of them that weren't told what they wait for.
    pub(super) later_untold: Set<(Instant, InstanceId)>,
    /// Ready runs that weren't told what they wait for.
    pub(super) untold: Set<InstanceId>,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.later.is_empty()
    }

    /// How many runs are ready at `now`, which may be after the last record.
    pub(super) fn count_ready(&self, now: Instant) -> usize {
        self.ready.len() + self.later.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// Puts a run in; nobody who needs nothing is told what he waits for, so there every run counts as told.
    pub(super) fn insert(&mut self, id: &InstanceId, at: Instant, now: Instant, told: bool) {
        if at <= now {
            return self.insert_ready(id, at, told);
        }
        self.later.insert((at, id.clone()));
        if !told {
            self.later_untold.insert((at, id.clone()));
        }
    }

    pub(super) fn remove(&mut self, id: &InstanceId, at: Instant) {
        // Most are ready.
        if self.ready.get(id) == Some(&at) {
            return self.remove_ready(id);
        }
        let entry = (at, id.clone());
        self.later.remove(&entry);
        self.later_untold.remove(&entry);
    }

    pub(super) fn promote(&mut self, now: Instant, told: impl Fn(&InstanceId) -> bool) {
        while self.later.first().is_some_and(|(at, _)| *at <= now)
            && let Some((at, id)) = self.later.pop_first()
        {
            let told = told(&id);
            if !told {
                self.later_untold.remove(&(at, id.clone()));
            }
            self.insert_ready(&id, at, told);
        }
    }

    /// When the first may go on.
    pub(super) fn next(&self) -> Option<Instant> {
        let head = self.heads.first().map(|(at, _)| *at);
        head.into_iter().chain(self.later.first().map(|(at, _)| *at)).min()
    }

    /// Who goes on first at `now`.
    pub(super) fn first(&self, now: Instant) -> Option<(Instant, InstanceId)> {
        match self.later.first() {
            Some((at, _)) if *at <= now => self.first_at(now),
            _ => self.heads.first().cloned(),
        }
    }

    /// The ready run of a workflow with the smallest parameter.
    pub(super) fn head_of(&self, workflow: &WorkflowId) -> Option<(Instant, &InstanceId)> {
        if self.ready.is_empty() {
            return None;
        }
        let first = InstanceId::new(workflow.clone(), "");
        let (id, at) = self.ready.range(first..).next()?;
        (id.workflow() == workflow).then_some((*at, id))
    }

    pub(super) fn insert_ready(&mut self, id: &InstanceId, at: Instant, told: bool) {
        match self.head_of(id.workflow()).map(|(at, head)| (at, head.clone())) {
            Some((_, head)) if head < *id => {}
            Some(head) => {
                self.heads.remove(&head);
                self.heads.insert((at, id.clone()));
            }
            None => drop(self.heads.insert((at, id.clone()))),
        }
        self.ready.insert(id.clone(), at);
        if !told {
            self.untold.insert(id.clone());
        }
    }

    pub(super) fn remove_ready(&mut self, id: &InstanceId) {
        let Some(at) = self.ready.remove(id) else {
            return;
        };
        self.untold.remove(id);
        if self.heads.remove(&(at, id.clone()))
            && let Some((at, next)) = self.head_of(id.workflow()).map(|(at, next)| (at, next.clone()))
        {
            self.heads.insert((at, next));
        }
    }

    /// Who goes on first at `now`, when some became ready since the last record.
    pub(super) fn first_at(&self, now: Instant) -> Option<(Instant, InstanceId)> {
        let mut by_workflow: BTreeMap<&WorkflowId, (Instant, &InstanceId)> = BTreeMap::new();
        for (at, id) in self.later.iter().take_while(|(at, _)| *at <= now) {
            let entry = by_workflow.entry(id.workflow()).or_insert((*at, id));
            if id < entry.1 {
                *entry = (*at, id);
            }
        }
        let later = by_workflow.iter().map(|(workflow, later)| match self.head_of(workflow) {
            Some(head) if head.1 < later.1 => head,
            _ => *later,
        });
        let others = self.heads.iter().filter(|(_, id)| !by_workflow.contains_key(id.workflow()));
        let first = later.chain(others.map(|(at, id)| (*at, id)).take(1)).min();
        first.map(|(at, id)| (at, id.clone()))
    }
}
