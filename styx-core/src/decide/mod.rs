//! All policy: what follows from an input, given the world. Nothing is performed and the answer is the same every time.

mod admission;
mod backfills;
mod condition;
mod config;
mod due;
mod edits;
mod files;
mod input;
mod observed;
mod operator;
mod plan;
mod resources;
mod timeouts;
mod triggers;
mod workflows;

use std::{collections::BTreeMap, sync::Arc};

use self::plan::Plan;
pub use self::{edits::LOOKED_UP, input::Input, workflows::first_cursor};
pub use crate::request::{Refusal, Reply, Request, RuntimePatch, Setting};
use crate::{
    id::{Counter, Epoch, InstanceId},
    now::Now,
    record::{Cause, ConfigEvent, Fact, IdempotencyKey, LogEvent, Operator, Record},
    seed::Seed,
    world::{Answered, Finished, Row, RowKey, TriggerKind, World},
};
use chrono::TimeDelta;

/// The most runs or workflows that one decision moves: what is left asks again at once.
pub const BOUND: usize = 64;

/// What a decision sees besides the world: rows of what has finished, as [`needs`] named them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The rows of finished runs that exist, by key.
    pub finished: BTreeMap<RowKey, Finished>,
    /// What followed from the request before, if its key was used.
    pub answered: Option<Answered>,
}

impl FromIterator<(RowKey, Row)> for Facts {
    /// The facts that these rows are; rows of the world aren't facts.
    fn from_iter<T: IntoIterator<Item = (RowKey, Row)>>(rows: T) -> Self {
        let mut facts = Self::default();
        for (key, row) in rows {
            match row {
                Row::Finished(finished) => drop(facts.finished.insert(key, finished)),
                Row::Answered(answered) => facts.answered = Some(answered),
                _ => {}
            }
        }
        facts
    }
}

impl Facts {
    fn of(&self, instance: &InstanceId, kind: TriggerKind) -> Option<&Finished> {
        self.finished.get(&RowKey::Finished(instance.clone(), kind))
    }

    /// Where the counter of an instance goes on.
    fn next_counter(&self, instance: &InstanceId) -> Counter {
        self.last_counter(instance).map_or(Counter(0), Counter::next)
    }

    /// The counter of the last event of an instance that isn't active.
    fn last_counter(&self, instance: &InstanceId) -> Option<Counter> {
        TriggerKind::ALL.into_iter().filter_map(|kind| self.of(instance, kind)?.0.counter).max()
    }
}

/// What follows from an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Records to append, in one batch.
    pub drafts: Vec<Draft>,
    /// What to answer whoever asked, once the records are durable.
    pub reply: Option<Reply>,
    /// One decision about what is due does what comes first: there may be more, so ask again at once. Never after other inputs.
    pub again: bool,
}

/// A record that has no place yet. One whose cause isn't [`Cause::Decision`] begins a decision; those after it belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What happened.
    pub fact: Fact,
    /// Who or what caused it.
    pub cause: Cause,
    /// Names the request that the decision follows from.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl Draft {
    /// The record that follows what `world` holds; `now` is that of the decision.
    pub fn into_record(self, world: &World, now: impl Into<Now>, epoch: Epoch) -> Record {
        let Self { fact, cause, idempotency_key } = self;
        let now = now.into();
        let position = world.tail().next();
        let begins = cause != Cause::Decision;
        let decision = if begins { position } else { world.decision() };
        let wall_offset = if begins { now.wall_offset() } else { TimeDelta::zero() };
        Record { position, decision, at: now.at, wall_offset, epoch, idempotency_key, cause, fact }
    }
}

/// The rows that aren't part of the world and that a decision about `input` must see.
pub fn needs(world: &World, input: &Input, now: impl Into<Now>) -> Vec<RowKey> {
    let now = now.into();
    match input {
        Input::Due => due::rows(world, now),
        Input::Asked(request, _) => asked_rows(world, request, now),
        Input::AskedOnce(request, _, key) => {
            let mut rows = asked_rows(world, request, now);
            rows.push(RowKey::Answered(Arc::clone(&key.key)));
            rows
        }
        Input::Start { .. } | Input::Observed(_) => Vec::new(),
    }
}

/// The rows of finished runs that the answer to a request must see.
fn asked_rows(world: &World, request: &Request, now: Now) -> Vec<RowKey> {
    let instance = asked_instance(world, request).into_iter().flat_map(finished_rows);
    instance.chain(edits::rows(world, request, now.present())).collect()
}

/// The rows of the finished runs of an instance.
fn finished_rows(instance: InstanceId) -> impl Iterator<Item = RowKey> {
    TriggerKind::ALL.into_iter().map(move |kind| RowKey::Finished(instance.clone(), kind))
}

/// The instance whose finished runs a request is about.
fn asked_instance(world: &World, request: &Request) -> Option<InstanceId> {
    match request {
        Request::Trigger { workflow, parameter, .. } => triggers::asked_instance(world, workflow, parameter),
        Request::Expecting { instance, .. } => Some(instance.clone()),
        _ => None,
    }
}

/// What follows from `input` at `now`. What it drafts, [`World::apply`] accepts.
///
/// A time alone as `now` is that of a clock that was never set. `seed` decides ids and the jitter of delays; what was drawn stands in the drafts.
pub fn decide(world: &World, facts: &Facts, input: &Input, now: impl Into<Now>, seed: Seed) -> Decisions {
    let mut out = Decisions::default();
    let context = Context { world, facts, now: now.into(), seed };
    match input {
        Input::Start { log_id, root_seed, config } => {
            if world.log_id().is_none() {
                let started = LogEvent::Started { log_id: *log_id, root_seed: *root_seed };
                out.draft(Fact::Log(started), Cause::Engine);
                out.draft(Fact::Config(ConfigEvent::Set(Arc::clone(config))), Cause::Decision);
            }
        }
        Input::Due => due::due(context, &mut out),
        Input::Observed(observation) => observed::observed(context, observation, &mut out),
        Input::Asked(request, operator) => answer(context, request, operator, None, &mut out),
        Input::AskedOnce(request, operator, key) => match facts.answered {
            Some(Answered { by, digest }) if digest == key.digest => out.reply = Some(Reply::Repeated { by }),
            Some(_) => out.reply = Some(Reply::Refused(Refusal::KeyOfAnother)),
            None => answer(context, request, operator, Some(key), &mut out),
        },
    }
    out
}

fn answer(
    context: Context<'_>,
    request: &Request,
    operator: &Arc<Operator>,
    key: Option<&IdempotencyKey>,
    out: &mut Decisions,
) {
    let cause = Cause::Operator(Arc::clone(operator));
    let reply = asked(context, request, &cause, out).unwrap_or_else(Reply::Refused);
    if matches!(reply, Reply::Refused(_)) {
        out.drafts.clear();
    }
    if let Some(first) = out.drafts.first_mut() {
        first.idempotency_key = key.cloned();
    }
    out.reply = Some(reply);
}

fn asked(context: Context<'_>, request: &Request, cause: &Cause, out: &mut Decisions) -> Result<Reply, Refusal> {
    match request {
        Request::Configure(config) => Ok(config::configure(context, config, cause, out)),
        Request::SwitchScheduling { enabled } => {
            let patch = RuntimePatch { scheduling: Some(*enabled), ..RuntimePatch::default() };
            config::operate(context, &patch, cause, out)
        }
        Request::Operate(patch) => config::operate(context, patch, cause, out),
        Request::StoreWorkflow { id, workflow } => workflows::store(context, id, workflow, cause, out),
        Request::DeleteWorkflow { id } => workflows::delete(context, id, cause, out),
        Request::LoadFile { path, workflows, elsewhere } => {
            let file = files::File { path, workflows, elsewhere };
            files::load(context, file, cause, out)
        }
        Request::PatchWorkflow { id, enabled, next_instant, next_fires_at } => {
            let patch = workflows::Patch { enabled: *enabled, instant: *next_instant, fires_at: *next_fires_at };
            workflows::patch(context, id, patch, cause, out)
        }
        Request::Trigger { workflow, parameter, parameters, allow_future } => {
            let asked = triggers::Asked { workflow, parameter, parameters, allow_future: *allow_future };
            triggers::asked(context, asked, cause, out)
        }
        Request::Halt { instance } => operator::halt(context, instance, cause, out),
        Request::Retry { instance, delay_millis } => operator::retry(context, instance, *delay_millis, cause, out),
        Request::Timeout { instance } => operator::timeout(context, instance, cause, out),
        Request::EndExecution { execution } => operator::end_execution(context, execution, cause, out),
        Request::Expecting { instance, counter, request } => {
            let active = context.world.runs().get(instance);
            if let Some(other) = asked_instance(context.world, request).filter(|other| other != instance) {
                // The schedule has changed since whoever asks read it.
                return Err(Refusal::Stale { instance: other, expected: *counter, found: None });
            }
            let found = active.map_or_else(|| context.facts.last_counter(instance), |run| run.counter);
            if found != *counter {
                return Err(Refusal::Stale { instance: instance.clone(), expected: *counter, found });
            }
            asked(context, request, cause, out)
        }
        Request::SetResource { id, concurrency } => Ok(resources::set(context, id, *concurrency, cause, out)),
        Request::DeleteResource { id } => Ok(resources::delete(context, id, cause, out)),
        Request::CreateBackfill {
            workflow,
            start,
            end,
            concurrency,
            reverse,
            description,
            parameters,
            allow_future,
        } => {
            let (start, end, concurrency) = (*start, *end, *concurrency);
            let (reverse, allow_future) = (*reverse, *allow_future);
            let asked =
                backfills::Asked { workflow, start, end, concurrency, reverse, description, parameters, allow_future };
            backfills::create(context, &asked, cause, out)
        }
        Request::EditBackfill { id, concurrency, description } => {
            backfills::edit(context, id, *concurrency, description, cause, out)
        }
        Request::HaltBackfill { id, graceful } => backfills::halt(context, id, *graceful, cause, out),
    }
}

/// All that a policy may look at.
#[derive(Clone, Copy)]
struct Context<'a> {
    world: &'a World,
    facts: &'a Facts,
    now: Now,
    seed: Seed,
}

impl Decisions {
    fn draft(&mut self, fact: Fact, cause: Cause) {
        self.drafts.push(Draft { fact, cause, idempotency_key: None });
    }

    /// Drafts what an operator asked for: the first record of the answer carries who it was, the others belong to it.
    fn draft_asked(&mut self, fact: Fact, cause: &Cause) {
        let cause = if self.drafts.is_empty() { cause.clone() } else { Cause::Decision };
        self.draft(fact, cause);
    }
}
