//! From the records of a decision back to the input that it was made about.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use styx_core::{
    config::{ExecutorName, Runtime},
    decide::{Input, Request, RuntimePatch, Setting},
    event::Event,
    executor::Observation,
    id::{ExecutionId, InstanceId},
    record::{
        BackfillEvent, BackfillSpec, Cause, ConfigEvent, Cursor, CursorMove, Ending, ExecutionEvent, Fact, LogEvent,
        Operator, Record, ResourceEvent, RunEvent, WorkflowEvent,
    },
    world::World,
};

/// What a decision was made about.
pub(super) enum Source {
    /// Something was due.
    Due,
    /// An input of its own.
    Input(Input),
    /// Nobody decided it: an imported event, a fork.
    Nobody,
    /// The records don't tell.
    Unknown,
}

/// Whether a decision that begins with this record was made because something was due.
pub(super) fn is_due(first: &Record) -> bool {
    match first.cause {
        Cause::Schedule | Cause::Timer => true,
        Cause::Engine => match first.fact {
            // A schedule that couldn't be read any more fires no more.
            Fact::Workflow(_, WorkflowEvent::CursorMoved { to: None, .. }) => true,
            // A backfill moves on, or ends runs.
            Fact::Run(..) | Fact::Backfill(..) => true,
            _ => false,
        },
        _ => false,
    }
}

/// What a decision was made about; `world` is the one before it.
pub(super) fn source(world: &World, decision: &[Record]) -> Source {
    let first = &decision[0];
    if is_due(first) {
        return Source::Due;
    }
    let input = match &first.cause {
        Cause::Imported { .. } => return Source::Nobody,
        Cause::Engine if matches!(first.fact, Fact::Log(LogEvent::Forked { .. })) => return Source::Nobody,
        Cause::Engine => start(decision),
        Cause::Operator(operator) => request(world, decision, operator).map(|request| match &first.idempotency_key {
            Some(key) => Input::AskedOnce(request, Arc::clone(operator), key.clone()),
            None => Input::Asked(request, Arc::clone(operator)),
        }),
        Cause::Executor { .. } => observation(world, first).map(Input::Observed),
        Cause::Decision | Cause::Schedule | Cause::Timer => None,
    };
    input.map_or(Source::Unknown, Source::Input)
}

fn start(decision: &[Record]) -> Option<Input> {
    match decision {
        [
            Record { fact: Fact::Log(LogEvent::Started { log_id, root_seed }), .. },
            Record { fact: Fact::Config(ConfigEvent::Set(config)), .. },
        ] => Some(Input::Start { log_id: *log_id, root_seed: *root_seed, config: Arc::clone(config) }),
        _ => None,
    }
}

fn observation(world: &World, first: &Record) -> Option<Observation> {
    let Cause::Executor { runner, what, observed_at, evidence, extensions } = first.cause.clone() else { return None };
    let execution = match &first.fact {
        Fact::Execution(id, _) => id.clone(),
        Fact::Run(instance, _) => execution_of(world, instance)?,
        _ => return None,
    };
    Some(Observation { execution, runner, what, observed_at, evidence, extensions })
}

/// The execution that the run of an instance follows.
fn execution_of(world: &World, instance: &InstanceId) -> Option<ExecutionId> {
    world.runs().get(instance)?.execution.clone()
}

/// What was asked for: as the records say, and where they don't, as the request does.
fn request(world: &World, decision: &[Record], operator: &Operator) -> Option<Request> {
    let first = &decision[0];
    if let Some(path) = file_of(&first.fact) {
        return Some(load_file(world, decision, path));
    }
    Some(match &first.fact {
        // The choice of an executor is recorded with the whole configuration, which no `Configure` changes it by.
        Fact::Config(ConfigEvent::Set(config)) if config.chosen_executor() == world.config().chosen_executor() => {
            Request::Configure(Arc::clone(config))
        }
        Fact::Config(
            ConfigEvent::Set(_)
            | ConfigEvent::SchedulingSwitched { .. }
            | ConfigEvent::Operated(_)
            | ConfigEvent::ClockAccepted,
        ) => Request::Operate(operated(decision)),
        Fact::Resource(id, ResourceEvent::Set { concurrency }) => {
            Request::SetResource { id: Arc::clone(id), concurrency: *concurrency }
        }
        Fact::Resource(id, ResourceEvent::Deleted) => Request::DeleteResource { id: Arc::clone(id) },
        Fact::Backfill(id, event) => match event {
            BackfillEvent::Created(spec) => create_backfill(spec),
            BackfillEvent::Edited { concurrency, description } => Request::EditBackfill {
                id: Arc::clone(id),
                concurrency: *concurrency,
                description: description.clone(),
            },
            BackfillEvent::Halted { runs, .. } => Request::HaltBackfill { id: Arc::clone(id), graceful: !runs },
            BackfillEvent::Advanced { .. } => return None,
        },
        Fact::Workflow(id, event) => match event {
            WorkflowEvent::Stored(workflow) => {
                Request::StoreWorkflow { id: id.clone(), workflow: Arc::clone(workflow) }
            }
            WorkflowEvent::Deleted => Request::DeleteWorkflow { id: id.clone() },
            WorkflowEvent::FileRemoved { .. }
            | WorkflowEvent::CursorSkipped { .. }
            | WorkflowEvent::Owed { .. }
            | WorkflowEvent::OwedMoved { .. } => return None,
            WorkflowEvent::Switched { .. } | WorkflowEvent::CursorMoved { .. } => {
                let cursor = world.workflows().get(id).and_then(|workflow| workflow.cursor);
                let (next_instant, next_fires_at) = moved(decision, cursor);
                let enabled = switched(decision);
                Request::PatchWorkflow { id: id.clone(), enabled, next_instant, next_fires_at }
            }
        },
        Fact::Run(instance, RunEvent::Styx { event, .. }) => match event {
            Event::TriggerExecution { parameters, .. } => {
                let Asked { parameter, allow_future } = Asked::of(operator, instance);
                let (workflow, parameters) = (instance.workflow().clone(), parameters.clone());
                Request::Trigger { workflow, parameter, parameters, allow_future }
            }
            Event::Halt { .. } => Request::Halt { instance: instance.clone() },
            Event::Timeout { .. } => Request::Timeout { instance: instance.clone() },
            Event::RunError { .. } => Request::EndExecution { execution: execution_of(world, instance)? },
            Event::RetryAfter { delay_millis } => {
                Request::Retry { instance: instance.clone(), delay_millis: *delay_millis }
            }
            _ => return None,
        },
        Fact::Execution(id, ExecutionEvent::Ended(Ending::Operator)) => Request::EndExecution { execution: id.clone() },
        Fact::Run(_, RunEvent::Ignored { .. }) | Fact::Execution(..) | Fact::Log(_) => return None,
    })
}

/// What operators set: all of it, since the records say what counts after them.
fn operated(decision: &[Record]) -> RuntimePatch {
    let mut patch = RuntimePatch::default();
    for record in decision {
        match &record.fact {
            Fact::Config(ConfigEvent::SchedulingSwitched { enabled }) => patch.scheduling = Some(*enabled),
            Fact::Config(ConfigEvent::Operated(runtime)) => {
                let Runtime { max_executions, dequeue_rate, blocked_clients, debug } = Runtime::clone(runtime);
                patch.max_executions = Some(max_executions.map_or(Setting::Configured, Setting::Value));
                patch.dequeue_rate = Some(dequeue_rate.map_or(Setting::Configured, Setting::Value));
                patch.blocked_clients = Some(blocked_clients);
                patch.debug = Some(debug);
            }
            Fact::Config(ConfigEvent::Set(config)) => {
                let chosen = config.chosen_executor().and_then(|name| ExecutorName::parse(name).ok());
                patch.default_executor = Some(chosen.map_or(Setting::Configured, Setting::Value));
            }
            Fact::Config(ConfigEvent::ClockAccepted) => patch.accept_clock = true,
            _ => {}
        }
    }
    patch
}

/// A backfill that was made; the record shows that it was allowed to reach as far.
fn create_backfill(spec: &BackfillSpec) -> Request {
    let BackfillSpec { workflow, start, end, reverse, concurrency, description, parameters, .. } = spec.clone();
    let allow_future = true;
    Request::CreateBackfill { workflow, start, end, concurrency, reverse, description, parameters, allow_future }
}

/// The file of the workflow folder that a record follows from.
fn file_of(fact: &Fact) -> Option<&Arc<str>> {
    match fact {
        Fact::Workflow(_, WorkflowEvent::Stored(stored)) => stored.spec.file(),
        Fact::Workflow(_, WorkflowEvent::FileRemoved { path }) => Some(path),
        _ => None,
    }
}

/// What a file said, as far as it said anything new: of its other workflows only that they are still defined somewhere.
fn load_file(world: &World, decision: &[Record], path: &Arc<str>) -> Request {
    let mut workflows = Vec::new();
    let mut removed = BTreeSet::new();
    for record in decision {
        match &record.fact {
            Fact::Workflow(id, WorkflowEvent::Stored(stored)) => workflows.push((id.clone(), Arc::clone(stored))),
            Fact::Workflow(id, WorkflowEvent::FileRemoved { .. }) => drop(removed.insert(id)),
            _ => {}
        }
    }
    let elsewhere = world.index().of_file(path).filter(|id| !removed.contains(id)).cloned().collect();
    Request::LoadFile { path: Arc::clone(path), workflows: workflows.into(), elsewhere }
}

type Instant = chrono::DateTime<chrono::Utc>;

/// The cursor that an operator set, as far as it differs from the one before.
fn moved(decision: &[Record], before: Option<Cursor>) -> (Option<Instant>, Option<Instant>) {
    let to = decision.iter().find_map(|record| match &record.fact {
        Fact::Workflow(_, WorkflowEvent::CursorMoved { to, why: CursorMove::Operator, .. }) => *to,
        _ => None,
    });
    let changed = |of: fn(Cursor) -> Instant| to.map(of).filter(|to| Some(*to) != before.map(of));
    (changed(|cursor| cursor.instant), changed(|cursor| cursor.fires_at))
}

/// The switch, if the decision turned it.
fn switched(decision: &[Record]) -> Option<bool> {
    decision.iter().find_map(|record| match &record.fact {
        Fact::Workflow(_, WorkflowEvent::Switched { enabled }) => Some(*enabled),
        _ => None,
    })
}

/// What only the request for a trigger says.
struct Asked {
    parameter: Arc<str>,
    allow_future: bool,
}

impl Asked {
    /// From a request over HTTP (`{"method", "path", "body"}`); without one, what the record shows must have been allowed.
    fn of(operator: &Operator, instance: &InstanceId) -> Self {
        let request: Value = serde_json::from_str(&operator.request).unwrap_or_default();
        let parameter = request.pointer("/body/parameter").and_then(Value::as_str);
        let allow_future = request.get("path").and_then(Value::as_str).map(allows_future);
        Self { parameter: parameter.unwrap_or(instance.parameter()).into(), allow_future: allow_future.unwrap_or(true) }
    }
}

/// `allowFuture=true` in the query, in any letter case.
fn allows_future(path: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = query.split(['&', ';']).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == "allowFuture").is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use styx_core::id::WorkflowId;

    use super::*;

    #[test]
    fn a_request_says_what_the_record_does_not() {
        let instance = InstanceId::new(WorkflowId::new("c", "w"), "2024-05-06");
        let asked = |request: &str| {
            let operator = Operator { actor: "a".into(), request_id: "r".into(), request: request.into() };
            let Asked { parameter, allow_future } = Asked::of(&operator, &instance);
            (parameter.to_string(), allow_future)
        };
        let body = r#""body":{"parameter":"2024-05-06T07"}"#;
        assert_eq!(asked("{}"), ("2024-05-06".to_owned(), true));
        assert_eq!(asked("no JSON"), ("2024-05-06".to_owned(), true));
        assert_eq!(asked(&format!(r#"{{"path":"/t",{body}}}"#)), ("2024-05-06T07".to_owned(), false));
        assert_eq!(
            asked(&format!(r#"{{"path":"/t?a=1&allowFuture=TRUE",{body}}}"#)),
            ("2024-05-06T07".to_owned(), true)
        );
        assert_eq!(
            asked(r#"{"path":"/t?allowFuture=no","body":{"omitted_bytes":9}}"#),
            ("2024-05-06".to_owned(), false)
        );
    }
}
