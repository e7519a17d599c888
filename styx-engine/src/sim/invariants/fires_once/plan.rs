//! What a workflow should fire next, by the naive calendar: by its schedule, and by those that it still owes instants of.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use styx_core::{
    decide::LOOKED_UP,
    id::{InstanceId, Position, WorkflowId},
    record::{Cursor, SkipReason, WorkflowSpec},
    world::MAX_OWED,
};

use crate::sim::calendar::{Shift, Timetable};

/// An earlier schedule under which instants are owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Debt {
    pub(super) since: Position,
    pub(super) table: &'static Timetable,
    pub(super) offset: Shift,
    pub(super) next: Cursor,
    pub(super) until: DateTime<Utc>,
}

impl Debt {
    /// Whether an instant is still to be fired.
    pub(super) fn holds(&self, instant: DateTime<Utc>) -> bool {
        let place = |instant| (self.offset.of(instant), instant);
        let is_left = || place(instant) > place(self.next.instant) && self.offset.of(instant) <= self.until;
        instant == self.next.instant || (self.table.is_aligned(instant) && is_left())
    }
}

/// What became of an instant before an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It wasn't triggered, and nothing owes it.
    Open,
    /// It is owed, active, or was completed.
    Settled,
    /// It was triggered, and didn't come to a good end.
    NotDone,
}

/// Instants that an edit makes neither due nor owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) first: DateTime<Utc>,
    pub(super) last: DateTime<Utc>,
    pub(super) count: u64,
    pub(super) reason: SkipReason,
}

impl Skip {
    /// All of some instants; `None` when there are none.
    fn of(instants: impl IntoIterator<Item = DateTime<Utc>>, reason: SkipReason) -> Option<Self> {
        let instants: BTreeSet<_> = instants.into_iter().collect();
        let count = instants.len() as u64;
        Some(Self { first: *instants.first()?, last: *instants.last()?, count, reason })
    }
}

/// What a workflow should fire next.
pub(super) struct Plan {
    pub(super) table: &'static Timetable,
    pub(super) offset: Shift,
    pub(super) spec: WorkflowSpec,
    pub(super) enabled: bool,
    pub(super) next: Cursor,
    /// The decision in which an operator set the cursor: then it counts as it is.
    pub(super) set_by: Option<Position>,
    /// An operator chose the cursor's instant since the last edit.
    pub(super) chosen: bool,
    pub(super) owed: Vec<Debt>,
    /// What the edit that is being recorded must owe, and of how many instants.
    pub(super) due: Option<(Debt, u64)>,
    /// What it must say that it skips, in this order.
    pub(super) skips: VecDeque<Skip>,
}

/// The next natural trigger: its cursor, and the debt that it is one of.
pub(super) struct Next {
    pub(super) cursor: Cursor,
    pub(super) debt: Option<Position>,
    pub(super) instance: InstanceId,
    table: &'static Timetable,
    offset: Shift,
    /// What fires later isn't the debt's.
    until: Option<DateTime<Utc>>,
}

impl Next {
    /// The trigger after it.
    pub(super) fn following(&self) -> Option<Cursor> {
        follow(self.table, self.offset, self.cursor, self.until)
    }
}

impl Plan {
    pub(super) fn new(spec: &WorkflowSpec, now: DateTime<Utc>) -> Result<Self, String> {
        let table = Timetable::of(&spec.schedule).ok_or("a schedule that the simulation doesn't know")?;
        let offset = table.offset(spec.offset.as_deref());
        let (spec, next) = (spec.clone(), Cursor { instant: now, fires_at: now });
        let mut plan = Self {
            table,
            offset,
            spec,
            enabled: false,
            next,
            set_by: None,
            chosen: false,
            owed: Vec::new(),
            due: None,
            skips: VecDeque::new(),
        };
        plan.begin_after(now);
        Ok(plan)
    }

    pub(super) fn begin_after(&mut self, now: DateTime<Utc>) {
        let (instant, fires_at) = self.table.first(self.offset, now);
        self.next = Cursor { instant, fires_at };
    }

    /// What is stored in the place of `before`: an edit of meaning begins afresh, owes what was due, and names what it skips.
    pub(super) fn replace(&mut self, before: &Self, at: DateTime<Utc>, fate: impl Fn(DateTime<Utc>) -> Fate) {
        self.enabled = before.enabled;
        self.owed.clone_from(&before.owed);
        if before.table.meaning() == self.table.meaning() && before.offset == self.offset {
            self.next = before.next;
            self.chosen = before.chosen;
            return;
        }
        if !before.enabled {
            return;
        }
        let (table, offset, next) = (before.table, before.offset, before.next);
        let mut due = Vec::new();
        let mut pending = next;
        while pending.fires_at <= at {
            due.push(pending.instant);
            let (instant, fires_at) = table.following(offset, pending.instant);
            pending = Cursor { instant, fires_at };
        }
        if let Some(open) = open(&due, &fate, SkipReason::TooManyOwed) {
            if before.owed.len() < MAX_OWED {
                self.due = Some((Debt { since: Position(0), table, offset, next, until: at }, open.count));
            } else {
                self.skips.push_back(open);
            }
        }
        if before.chosen && due.len() as u64 <= LOOKED_UP {
            let wanted = due.iter().copied().filter(|instant| fate(*instant) == Fate::NotDone);
            self.skips.extend(Skip::of(wanted, SkipReason::Edited));
        }
        let passed_over = table.not_before(offset, pending.instant, self.next.instant);
        self.skips.extend(open(&passed_over, &fate, SkipReason::Edited));
    }

    /// Of all that is planned, what fires first; of what is owed first of all.
    pub(super) fn natural(&self, id: &WorkflowId) -> Next {
        let own = (self.next.fires_at, self.next.instant, self.owed.len());
        let places = self.owed.iter().enumerate().map(|(place, debt)| (debt.next.fires_at, debt.next.instant, place));
        let place = places.chain([own]).min().map_or(self.owed.len(), |(_, _, place)| place);
        let (table, offset, cursor, debt, until) = match self.owed.get(place) {
            Some(debt) => (debt.table, debt.offset, debt.next, Some(debt.since), Some(debt.until)),
            None => (self.table, self.offset, self.next, None, None),
        };
        let instance = InstanceId::new(id.clone(), table.parameter(cursor.instant));
        Next { cursor, debt, instance, table, offset, until }
    }

    /// Whether the trigger after the next one has fired by then.
    pub(super) fn is_overtaken(&self, next: &Next, at: DateTime<Utc>) -> bool {
        let others = self.owed.iter().filter(|debt| Some(debt.since) != next.debt).map(|debt| debt.next);
        let own = next.debt.is_some().then_some(self.next);
        next.following().into_iter().chain(others).chain(own).any(|cursor| cursor.fires_at <= at)
    }

    /// The next one is done.
    pub(super) fn advance(&mut self, next: &Next) {
        match (next.debt, next.following()) {
            (None, Some(following)) => self.next = following,
            (None, None) => {}
            (Some(since), Some(following)) => {
                for debt in self.owed.iter_mut().filter(|debt| debt.since == since) {
                    debt.next = following;
                }
            }
            (Some(since), None) => self.owed.retain(|debt| debt.since != since),
        }
    }
}

/// Those that are open; of more than are looked up, all of them.
fn open(instants: &[DateTime<Utc>], fate: impl Fn(DateTime<Utc>) -> Fate, reason: SkipReason) -> Option<Skip> {
    let are_many = instants.len() as u64 > LOOKED_UP;
    Skip::of(instants.iter().copied().filter(|instant| are_many || fate(*instant) == Fate::Open), reason)
}

/// The trigger after another, if it fires by then.
fn follow(table: &Timetable, offset: Shift, cursor: Cursor, until: Option<DateTime<Utc>>) -> Option<Cursor> {
    let (instant, fires_at) = table.following(offset, cursor.instant);
    until.is_none_or(|until| fires_at <= until).then_some(Cursor { instant, fires_at })
}

/// Instants that natural triggers took, and those that they brought to a good end.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) triggered: BTreeSet<(WorkflowId, DateTime<Utc>)>,
    pub(super) completed: BTreeSet<(WorkflowId, DateTime<Utc>)>,
}
