//! The queue: runs that wait to go on, in a line for each set of resources, so that a freed unit looks only at who waits for it.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    Ahead,
    counted::{Map, Set},
    line::{Line, Standing},
};
use crate::id::InstanceId;

type Instant = DateTime<Utc>;
/// Names of resources, ascending.
type Resources = Arc<[Arc<str>]>;

/// Runs in QUEUED without a living execution, and the units of resources that are in use.
///
/// All runs of a line need the same resources: when its first can't go on, none can. Each change keeps the sets in
/// order; nothing is searched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// The line of those that need nothing: most runs pass through it, and it is always open, so that it is in no set of lines.
    plain: Line,
    /// The lines of those that need resources.
    lines: Map<Resources, Line>,
    /// The lines that need a resource.
    lines_of: Map<Arc<str>, Set<Resources>>,
    /// Units in use, of defined resources and others; none is left out.
    used: Map<Arc<str>, u64>,
    /// How many units there are.
    limits: Map<Arc<str>, i64>,
    /// The firsts of all lines, by how the lines stand.
    fronts: [Front; 3],
    /// Full lines with ready runs that weren't told so.
    telling: Set<Resources>,
    /// Full lines with such runs among those that wait for their time.
    telling_later: Set<(Instant, Resources)>,
}

/// The firsts of some lines, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Front {
    heads: Set<(Instant, InstanceId, Resources)>,
    later: Set<(Instant, Resources)>,
}

impl Queue {
    /// Who goes on first at `now` among those whose resources have free units.
    pub(crate) fn first_open(&self, now: Instant) -> Option<InstanceId> {
        self.first(Standing::Open, now)
    }

    /// Who fails first at `now` because a resource that it needs isn't defined.
    pub(crate) fn first_unknown(&self, now: Instant) -> Option<InstanceId> {
        self.first(Standing::Unknown, now)
    }

    fn first(&self, standing: Standing, now: Instant) -> Option<InstanceId> {
        let plain = (standing == Standing::Open).then(|| self.plain.first(now)).flatten();
        let front = &self.fronts[standing as usize];
        let woken: BTreeSet<&Resources> =
            front.later.iter().take_while(|(at, _)| *at <= now).map(|(_, line)| line).collect();
        let ready = front.heads.iter().find(|(_, _, line)| !woken.contains(line));
        let ready = ready.map(|(at, id, _)| (*at, id.clone()));
        let woken = woken.into_iter().filter_map(|line| self.lines.get(line)?.first_at(now));
        woken.chain(ready).chain(plain).min().map(|(_, id)| id)
    }

    /// When the first of those whose resources have free units may go on.
    pub(crate) fn open_at(&self) -> Option<Instant> {
        self.fronts[Standing::Open as usize].next().into_iter().chain(self.plain.next()).min()
    }

    /// When the first fails because a resource that it needs isn't defined.
    pub(crate) fn unknown_at(&self) -> Option<Instant> {
        self.fronts[Standing::Unknown as usize].next()
    }

    /// Runs that wait for a unit at `now` and weren't told so.
    pub(crate) fn untold(&self, now: Instant) -> impl Iterator<Item = &InstanceId> {
        let ready = self.telling.iter().filter_map(|line| self.lines.get(line)).flat_map(|line| &line.untold);
        let woken = self.telling_later.iter().take_while(move |(at, _)| *at <= now);
        let woken = woken.filter_map(|(_, line)| self.lines.get(line));
        let woken = woken.flat_map(move |line| line.later_untold.iter().take_while(move |(at, _)| *at <= now));
        ready.chain(woken.map(|(_, id)| id))
    }

    /// When somebody is to be told next; `at` is the time of the last record.
    pub(crate) fn untold_at(&self, at: Instant) -> Option<Instant> {
        let later = || self.telling_later.first().map(|(at, _)| *at);
        if self.telling.is_empty() { later() } else { Some(at) }
    }

    /// Units of a resource that are in use.
    pub fn used(&self, resource: &str) -> u64 {
        self.used.get(resource).copied().unwrap_or(0)
    }

    /// How many runs that are ready at `now` need a resource.
    pub fn demanded(&self, resource: &str, now: Instant) -> usize {
        let lines = self.lines_of.get(resource).into_iter().flatten();
        lines.filter_map(|line| self.lines.get(line)).map(|line| line.count_ready(now)).sum()
    }

    /// How many runs are ready at `now` and wait for a unit.
    pub fn held_up(&self, now: Instant) -> usize {
        let full = self.lines.values().filter(|line| line.standing == Standing::Full);
        full.map(|line| line.count_ready(now)).sum()
    }

    /// How many runs are ready at `now` and fail, since a resource that they need isn't defined.
    pub fn failing(&self, now: Instant) -> usize {
        let unknown = self.lines.values().filter(|line| line.standing == Standing::Unknown);
        unknown.map(|line| line.count_ready(now)).sum()
    }

    /// Whether a run is ready whose resources have free units.
    pub fn demands(&self) -> bool {
        !self.fronts[Standing::Open as usize].heads.is_empty() || !self.plain.heads.is_empty()
    }

    /// Resources of which no unit is free.
    pub fn full<'a>(&'a self, resources: &'a [Arc<str>]) -> impl Iterator<Item = &'a Arc<str>> {
        resources.iter().filter(|id| self.free(id) == Some(0))
    }

    /// Resources that aren't defined.
    pub fn unknown<'a>(&'a self, resources: &'a [Arc<str>]) -> impl Iterator<Item = &'a Arc<str>> {
        resources.iter().filter(|id| self.free(id).is_none())
    }

    /// Free units of a resource; `None` when it isn't defined.
    pub fn free(&self, resource: &str) -> Option<u64> {
        let limit = u64::try_from(*self.limits.get(resource)?).unwrap_or(0);
        Some(limit.saturating_sub(self.used(resource)))
    }

    /// How many runs that need the same resources go on before a run at `now`; all that are ready, if it isn't.
    pub fn ahead(&self, resources: &[Arc<str>], id: &InstanceId, now: Instant) -> Ahead {
        /// Counted by whoever has more to do.
        const MOST: usize = 10_000;
        let line = if resources.is_empty() { Some(&self.plain) } else { self.lines.get(resources) };
        line.map_or(Ahead::Exactly(0), |line| Ahead::of(line, id, now, MOST))
    }

    /// Puts a run into its line; it may go on from `at` on.
    pub(super) fn insert(&mut self, resources: &Resources, id: &InstanceId, at: Instant, now: Instant, told: bool) {
        if resources.is_empty() {
            return self.plain.insert(id, at, now, true);
        }
        let is_new = !self.lines.contains_key(resources);
        let standing = self.standing(resources);
        let line = self.lines.entry(Arc::clone(resources)).or_default();
        let before = Firsts::of(line);
        line.standing = standing;
        line.insert(id, at, now, told);
        if is_new {
            for resource in resources.iter() {
                self.lines_of.entry(Arc::clone(resource)).or_default().insert(Arc::clone(resources));
            }
        }
        self.show(resources, before);
    }

    /// Takes a run out of its line.
    pub(super) fn remove(&mut self, resources: &Resources, id: &InstanceId, at: Instant) {
        if resources.is_empty() {
            return self.plain.remove(id, at);
        }
        let Some(line) = self.lines.get_mut(resources) else {
            return;
        };
        let before = Firsts::of(line);
        line.remove(id, at);
        let is_empty = line.is_empty();
        self.show(resources, before);
        if is_empty {
            self.lines.remove(resources);
            for resource in resources.iter() {
                if let Some(lines) = self.lines_of.get_mut(resource) {
                    lines.remove(resources);
                    if lines.is_empty() {
                        self.lines_of.remove(resource);
                    }
                }
            }
        }
    }

    /// Runs whose time has come at the last record become ready. `told` says whether a run was told what it waits for.
    pub(super) fn promote(&mut self, now: Instant, told: impl Fn(&InstanceId) -> bool) {
        self.plain.promote(now, |_| true);
        for standing in [Standing::Open, Standing::Full, Standing::Unknown] {
            while let Some((at, resources)) = self.fronts[standing as usize].later.first()
                && *at <= now
            {
                let resources = Arc::clone(resources);
                let Some(line) = self.lines.get_mut(&resources) else { return };
                let before = Firsts::of(line);
                line.promote(now, &told);
                self.show(&resources, before);
            }
        }
    }

    /// A unit of each resource is in use from here on.
    pub(super) fn hold(&mut self, resources: &[Arc<str>]) {
        for resource in resources {
            let before = self.kind(resource);
            *self.used.entry(Arc::clone(resource)).or_default() += 1;
            self.restand(resource, before);
        }
    }

    /// A unit of each resource is free again.
    pub(super) fn release(&mut self, resources: &[Arc<str>]) {
        for resource in resources {
            let before = self.kind(resource);
            if let Some(used) = self.used.get_mut(resource) {
                *used -= 1;
                if *used == 0 {
                    self.used.remove(resource);
                }
                self.restand(resource, before);
            }
        }
    }

    /// Sets how many units there are; `None` when the resource isn't defined any more.
    pub(super) fn set_limit(&mut self, resource: &Arc<str>, limit: Option<i64>) {
        let before = self.kind(resource);
        match limit {
            Some(limit) => drop(self.limits.insert(Arc::clone(resource), limit)),
            None => drop(self.limits.remove(resource)),
        }
        self.restand(resource, before);
    }

    /// How a line that needs only this resource would stand.
    fn kind(&self, resource: &str) -> Standing {
        match self.free(resource) {
            None => Standing::Unknown,
            Some(0) => Standing::Full,
            Some(_) => Standing::Open,
        }
    }

    fn standing(&self, resources: &[Arc<str>]) -> Standing {
        if self.unknown(resources).next().is_some() {
            Standing::Unknown
        } else if self.full(resources).next().is_some() {
            Standing::Full
        } else {
            Standing::Open
        }
    }

    /// Looks again how the lines that need a resource stand, if it has become full or free, or come or gone.
    fn restand(&mut self, resource: &str, before: Standing) {
        if self.kind(resource) == before {
            return;
        }
        let Some(lines) = self.lines_of.get(resource) else {
            return;
        };
        let changed = lines.iter().filter_map(|resources| {
            let standing = self.standing(resources);
            (self.lines.get(resources)?.standing != standing).then(|| (Arc::clone(resources), standing))
        });
        for (resources, standing) in changed.collect::<Vec<_>>() {
            if let Some(line) = self.lines.get_mut(&resources) {
                let before = Firsts::of(line);
                line.standing = standing;
                self.show(&resources, before);
            }
        }
    }

    /// Keeps the fronts in step with a line that has changed.
    fn show(&mut self, resources: &Resources, before: Firsts) {
        let Some(line) = self.lines.get(resources) else { return };
        let after = Firsts::of(line);
        if before == after {
            return;
        }
        let front = &mut self.fronts[before.standing as usize];
        if let Some((at, id)) = before.head {
            front.heads.remove(&(at, id, Arc::clone(resources)));
        }
        if let Some(at) = before.later {
            front.later.remove(&(at, Arc::clone(resources)));
        }
        let front = &mut self.fronts[after.standing as usize];
        if let Some((at, id)) = after.head {
            front.heads.insert((at, id, Arc::clone(resources)));
        }
        if let Some(at) = after.later {
            front.later.insert((at, Arc::clone(resources)));
        }
        match after.tells {
            true => self.telling.insert(Arc::clone(resources)),
            false => self.telling.remove(resources),
        };
        if before.tells_later != after.tells_later {
            if let Some(at) = before.tells_later {
                self.telling_later.remove(&(at, Arc::clone(resources)));
            }
            if let Some(at) = after.tells_later {
                self.telling_later.insert((at, Arc::clone(resources)));
            }
        }
    }
}

impl Front {
    fn next(&self) -> Option<Instant> {
        let head = self.heads.first().map(|(at, ..)| *at);
        head.into_iter().chain(self.later.first().map(|(at, _)| *at)).min()
    }
}

/// What the fronts show of a line.
#[derive(PartialEq, Eq)]
struct Firsts {
    standing: Standing,
    head: Option<(Instant, InstanceId)>,
    later: Option<Instant>,
    tells: bool,
    tells_later: Option<Instant>,
}

impl Firsts {
    fn of(line: &Line) -> Self {
        let is_full = line.standing == Standing::Full;
        Self {
            standing: line.standing,
            head: line.heads.first().cloned(),
            later: line.later.first().map(|(at, _)| *at),
            tells: is_full && !line.untold.is_empty(),
            tells_later: line.later_untold.first().filter(|_| is_full).map(|(at, _)| *at),
        }
    }
}
