//! Admission: which queued runs go on: the first of the lines whose resources have free units, while executions more may live
//! and the rate allows it (spec (c)).

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::{BOUND, Context, Decisions, Plan};
use crate::{
    event::{Event, FailureClass, Message, MessageLevel},
    id::InstanceId,
    record::Cause,
    world::World,
};

/// What the queue does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// This run goes on.
    Begins(InstanceId),
    /// This run fails: it needs resources that aren't defined.
    Fails(InstanceId),
}

/// What the queue does at `now`, if anything.
pub(super) fn next(world: &World, now: DateTime<Utc>) -> Option<Next> {
    if !world.config().scheduling {
        return None;
    }
    let queue = world.index().queue();
    let fails = queue.first_unknown(now).map(Next::Fails);
    let begins = || has_room(world, now).then(|| queue.first_open(now)).flatten().map(Next::Begins);
    fails.or_else(begins)
}

fn has_room(world: &World, now: DateTime<Utc>) -> bool {
    world.index().free_slots(world.config()) > 0 && world.rate_allows_at().is_none_or(|at| at <= now)
}

/// Takes one run out of the queue: what it leaves free is seen by the next decision.
pub(super) fn due(context: Context<'_>, next: &Next, out: &mut Decisions) {
    let (Next::Begins(instance) | Next::Fails(instance)) = next;
    let Some(mut plan) = Plan::of_active(context, instance, Cause::Timer) else {
        return;
    };
    let workflow = context.world.workflows().get(instance.workflow());
    match (next, workflow) {
        (Next::Fails(_), Some(workflow)) => {
            let unknown = context.world.index().queue().unknown(&workflow.spec.resources);
            let message = format!("Referenced resources not found: {}", in_brackets(unknown)).into();
            plan.push(Event::RunError { message, class: FailureClass::User });
            plan.judge();
        }
        _ => drop(plan.admit(workflow)),
    }
    plan.commit(out);
}

/// Tells runs that wait for a unit what they wait for (SM-22, SM-23).
pub(super) fn tell(context: Context<'_>, out: &mut Decisions) {
    let Context { world, now, .. } = context;
    for instance in world.index().queue().untold(now.at).take(BOUND) {
        let workflow = world.workflows().get(instance.workflow());
        let plan = Plan::of_active(context, instance, Cause::Timer);
        if let (Some(mut plan), Some(workflow)) = (plan, workflow) {
            let full = world.index().queue().full(&workflow.spec.resources);
            let line = format!("Resource limit reached for: {}", in_brackets(full)).into();
            plan.push(Event::Info { message: Message { level: MessageLevel::Info, line } });
            plan.commit(out);
        }
    }
}

fn in_brackets<'a>(ids: impl Iterator<Item = &'a Arc<str>>) -> String {
    format!("[{}]", ids.map(AsRef::as_ref).collect::<Vec<&str>>().join(", "))
}

/// Room for runs that go on as soon as they begin, with what this decision has taken of it already.
///
/// It is asked only when nobody in the queue may go on.
pub(super) struct Room<'a> {
    context: Context<'a>,
    begun: usize,
    rate_used: DateTime<Utc>,
    taken: BTreeMap<Arc<str>, u64>,
}

impl<'a> Room<'a> {
    pub(super) fn new(context: Context<'a>) -> Self {
        Self { context, begun: 0, rate_used: context.world.rate_used(), taken: BTreeMap::new() }
    }

    /// Whether one more run that needs these resources may go on.
    pub(super) fn allows(&self, resources: &[Arc<str>]) -> bool {
        let Context { world, now, .. } = self.context;
        let config = world.config();
        let (index, queue) = (world.index(), world.index().queue());
        config.scheduling
            && index.free_slots(config) > self.begun
            && config.rate().is_none_or(|rate| rate.next_at(self.rate_used) <= now.at)
            && resources.iter().all(|id| queue.free(id) > Some(self.taken.get(id).copied().unwrap_or(0)))
    }

    /// Counts a run that goes on.
    pub(super) fn take(&mut self, resources: &[Arc<str>]) {
        let Context { world, now, .. } = self.context;
        self.begun += 1;
        if let Some(rate) = world.config().rate() {
            self.rate_used = rate.after_one(self.rate_used, now.at);
        }
        for id in resources {
            *self.taken.entry(Arc::clone(id)).or_default() += 1;
        }
    }
}
