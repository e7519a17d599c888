//! Records as JSON, one a line: `{position, at, decision, subject, event, cause}`. Fields may be added, none changes its
//! meaning.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use styx_core::{
    config::{Config, Limit, Rate, Runtime},
    event::{Description, Event, ExecutionDescription, FailureClass},
    executor::Observed,
    extensions::Extensions,
    id::WorkflowId,
    record::{
        BackfillEvent, BackfillSpec, Cause, ConfigEvent, Ending, ExecutionEvent, Fact, LogEvent, Origin, Record,
        ResourceEvent, RunEvent, Subject, WorkflowEvent,
    },
    workflow::Span,
};

use super::{redact, wording};

/// A record; `output` is where the execution's output is, if this record begins one and there is any.
pub(super) fn record(record: &Record, output: Option<String>) -> Value {
    let mut event = Map::new();
    event.insert("name".into(), record.fact.name().into());
    event.insert("info".into(), wording::info(record).into());
    if let Value::Object(fields) = fields(&record.fact) {
        event.extend(fields);
    }
    if let Some(output) = output {
        event.insert("output".into(), output.into());
    }
    let mut line = json!({
        "position": record.position.0,
        "at": millis(record.at),
        "decision": record.decision.0,
        "subject": subject(&record.subject()),
        "event": event,
        "cause": cause(&record.cause),
    });
    if !record.wall_offset.is_zero() {
        line["wall_offset_millis"] = record.wall_offset.num_milliseconds().into();
    }
    if let Some(named) = &record.idempotency_key {
        line["idempotency_key"] = (*named.key).into();
    }
    line
}

fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::Log => json!({ "kind": "log" }),
        Subject::Config => json!({ "kind": "config" }),
        Subject::Workflow(id) => {
            json!({ "kind": "workflow", "id": id.key(), "component": id.component(), "workflow": id.workflow() })
        }
        Subject::Run(id) => {
            let (component, workflow) = parts(id.workflow());
            let parameter = id.parameter();
            json!({ "kind": "run", "id": id.key(), "component": component, "workflow": workflow, "parameter": parameter })
        }
        Subject::Execution(id) => json!({ "kind": "execution", "id": id.to_string() }),
        Subject::Backfill(id) => json!({ "kind": "backfill", "id": **id }),
        Subject::Resource(id) => json!({ "kind": "resource", "id": **id }),
    }
}

fn parts(id: &WorkflowId) -> (&str, &str) {
    (id.component(), id.workflow())
}

/// Later fields: their tags, and how many bytes they have. This program doesn't know what is in them, so it shows none of
/// it; `None` where there are none.
pub(super) fn extensions(extensions: &Extensions) -> Option<Value> {
    let fields = || extensions.iter().map(|(tag, bytes)| json!({ "tag": tag, "bytes": bytes.len() }));
    (!extensions.is_empty()).then(|| fields().collect())
}

/// The fields, with the later ones where there are any.
fn extended(mut fields: Value, more: &Extensions) -> Value {
    if let (Some(more), Value::Object(fields)) = (extensions(more), &mut fields) {
        fields.insert("extensions".into(), more);
    }
    fields
}

/// A cause.
pub(super) fn cause(cause: &Cause) -> Value {
    match cause {
        Cause::Decision => json!({ "kind": "decision" }),
        Cause::Schedule => json!({ "kind": "schedule" }),
        Cause::Timer => json!({ "kind": "timer" }),
        Cause::Engine => json!({ "kind": "engine" }),
        Cause::Operator(operator) => json!({
            "kind": "operator",
            "actor": *operator.actor,
            "request_id": *operator.request_id,
            "request": redact::json(operator.request.as_bytes()),
        }),
        Cause::Executor { runner, what, observed_at, evidence, extensions: more } => extended(
            json!({
                "kind": "executor",
                "runner": **runner,
                "observed": observed(what),
                "observed_at": observed_at.map(millis),
                "evidence": redact::json(evidence),
            }),
            more,
        ),
        Cause::Imported { at } => json!({ "kind": "imported", "at": millis(*at) }),
    }
}

fn fields(fact: &Fact) -> Value {
    match fact {
        Fact::Log(LogEvent::Started { log_id, .. } | LogEvent::Forked { log_id, .. }) => {
            json!({ "log_id": log_id.to_string() })
        }
        Fact::Config(ConfigEvent::Set(config)) => configured(config),
        Fact::Config(ConfigEvent::SchedulingSwitched { enabled }) => json!({ "enabled": enabled }),
        Fact::Config(ConfigEvent::Operated(runtime)) => operated(runtime),
        Fact::Config(ConfigEvent::ClockAccepted) => json!({}),
        Fact::Workflow(_, event) => workflow(event),
        Fact::Run(_, RunEvent::Styx { counter, event }) => with("counter", counter.0.into(), styx(event)),
        Fact::Run(_, RunEvent::Ignored { counter, event, error }) => json!({
            "counter": counter.0,
            "error": **error,
            "ignored": with("name", event.kind().as_str().into(), styx(event)),
        }),
        Fact::Execution(_, event) => execution(event),
        Fact::Backfill(_, event) => backfill(event),
        Fact::Resource(_, ResourceEvent::Set { concurrency }) => json!({ "concurrency": concurrency }),
        Fact::Resource(_, ResourceEvent::Deleted) => json!({}),
    }
}

/// The executors beside the configuration's own and the choice of operators are left out where there are none.
fn configured(config: &Config) -> Value {
    let mut value = json!({
        "max_executions": config.max_executions,
        "dequeue_rate": config.dequeue_rate.map(Rate::to_per_second),
        "catch_up": config.catch_up,
        "max_cost": f64::from(config.max_cost_tenths) / 10.0,
        "missing_dependencies_delay": Span::from(config.missing_dependencies_delay).to_string(),
        "runner_id": *config.executor.runner,
        "runs_api_workflows": config.executor.runs_api_workflows,
        "mounts_secrets": config.executor.mounts_secrets,
    });
    let others = config.executor_table().others;
    if !others.is_empty() {
        value["executors"] = others.iter().map(|executor| Value::from(&*executor.runner)).collect();
    }
    if let Some(chosen) = config.chosen_executor() {
        value["chosen_executor"] = chosen.into();
    }
    value
}

/// What operators set; `null` leaves a value to the configuration.
pub(super) fn operated(runtime: &Runtime) -> Value {
    let Runtime { max_executions, dequeue_rate, blocked_clients, debug } = runtime;
    json!({
        "max_executions": max_executions.map(|limit| match limit {
            Limit::Unlimited => "unlimited".into(),
            Limit::AtMost(max) => Value::from(max),
        }),
        "dequeue_rate": dequeue_rate.map(Rate::to_per_second),
        "blocked_clients": blocked_clients.iter().map(|client| &**client).collect::<Vec<_>>(),
        "debug": debug,
    })
}

fn backfill(event: &BackfillEvent) -> Value {
    match event {
        BackfillEvent::Created(spec) => {
            let BackfillSpec { workflow, start, end, reverse, schedule, concurrency, description, parameters, first } =
                &**spec;
            json!({
                "component": workflow.component(),
                "workflow": workflow.workflow(),
                "start": wording::instant(*start),
                "end": wording::instant(*end),
                "reverse": reverse,
                "schedule": **schedule,
                "concurrency": concurrency,
                "description": description.as_deref(),
                "parameters": parameters.as_ref().map(|parameters| json!({ "env": redact::env(&parameters.env) })),
                "first": wording::instant(*first),
            })
        }
        BackfillEvent::Edited { concurrency, description } => {
            json!({ "concurrency": concurrency, "description": description.as_deref() })
        }
        BackfillEvent::Advanced { instant, next, all_triggered, why } => json!({
            "instant": wording::instant(*instant),
            "next": wording::instant(*next),
            "all_triggered": all_triggered,
            "why": wording::backfill_move_name(*why),
        }),
        BackfillEvent::Halted { runs, reason } => json!({ "runs": runs, "reason": **reason }),
    }
}

fn workflow(event: &WorkflowEvent) -> Value {
    match event {
        WorkflowEvent::Stored(stored) => {
            let (origin, path) = match &stored.spec.origin {
                Origin::File { path, .. } => ("file", Some(&**path)),
                Origin::Api => ("api", None),
                Origin::RemovedFile { path } => ("removed file", Some(&**path)),
            };
            let stored_json = redact::json(stored.json.as_bytes());
            let fields = json!({ "configuration": stored_json, "origin": origin, "path": path });
            extended(fields, &stored.spec.extensions)
        }
        WorkflowEvent::Deleted => json!({}),
        WorkflowEvent::FileRemoved { path } => json!({ "path": **path }),
        WorkflowEvent::Switched { enabled } => json!({ "enabled": enabled }),
        WorkflowEvent::CursorSkipped { first, last, count, reason } => json!({
            "first": wording::instant(*first),
            "last": wording::instant(*last),
            "count": count,
            "reason": wording::skip_name(*reason),
        }),
        WorkflowEvent::Owed { schedule, offset, next, until, count } => json!({
            "schedule": **schedule,
            "offset": offset.as_deref(),
            "next": wording::instant(next.instant),
            "until": wording::instant(*until),
            "count": count,
        }),
        WorkflowEvent::OwedMoved { owed, to, why } => json!({
            "owed": owed.0,
            "next": to.map(|cursor| wording::instant(cursor.instant)),
            "why": wording::move_name(*why),
        }),
        WorkflowEvent::CursorMoved { to, why, extensions: more } => extended(
            json!({
                "next_natural_trigger": to.map(|cursor| wording::instant(cursor.instant)),
                "next_natural_offset_trigger": to.map(|cursor| wording::instant(cursor.fires_at)),
                "why": wording::move_name(*why),
            }),
            more,
        ),
    }
}

fn execution(event: &ExecutionEvent) -> Value {
    match event {
        ExecutionEvent::Ended(ending) => {
            let (ending, exit_code) = self::ending(ending);
            json!({ "ending": ending, "exit_code": exit_code })
        }
        ExecutionEvent::Cleaned => json!({}),
        ExecutionEvent::Refused { retry_at, reason } => json!({ "retry_at": millis(*retry_at), "reason": **reason }),
    }
}

/// How an execution ended, and its exit code.
pub(super) fn ending(ending: &Ending) -> (&'static str, Option<i32>) {
    match ending {
        Ending::Exit { code } => ("exit", *code),
        Ending::NeverStarted => ("neverStarted", None),
        Ending::Lost => ("lost", None),
        Ending::Operator => ("operator", None),
    }
}

/// The fields of Styx's own JSON, and those that only ours has.
fn styx(event: &Event) -> Value {
    match event {
        Event::TriggerExecution { trigger, parameters, missed, extensions: more } => extended(
            json!({
                "trigger": { "kind": trigger.kind(), "id": trigger.id() },
                "parameters": { "env": redact::env(&parameters.env) },
                "missed": missed,
            }),
            more,
        ),
        Event::Info { message } => json!({ "message": { "level": message.level.as_str(), "line": *message.line } }),
        Event::Dequeue { resources } => {
            json!({ "resource_ids": resources.iter().map(|id| id.to_string()).collect::<Vec<_>>() })
        }
        Event::Submit { description, execution, runner, running_timeout, retry_condition, extensions: more } => {
            let description = match description {
                Description::Stored(position) => json!({ "record": position.0 }),
                Description::Inline(description) => inline(description),
            };
            let fields = json!({
                "execution_id": execution.as_ref().map(ToString::to_string),
                "runner_id": runner.as_deref(),
                "execution_description": description,
                "running_timeout": running_timeout.map(|timeout| Span::from(timeout).to_string()),
                "retry_condition": retry_condition.as_deref(),
            });
            extended(fields, more)
        }
        Event::Submitted { execution, runner } => {
            json!({ "execution_id": execution.as_ref().map(ToString::to_string), "runner_id": runner.as_deref() })
        }
        Event::Terminate { exit_code } => json!({ "exit_code": exit_code }),
        Event::RunError { message, class } => {
            let class = match class {
                FailureClass::User => "user",
                FailureClass::Infrastructure => "infrastructure",
            };
            json!({ "message": **message, "class": class })
        }
        Event::RetryAfter { delay_millis } => json!({ "delay_millis": delay_millis }),
        Event::Stop { reason } | Event::Timeout { reason } | Event::Halt { reason } => {
            json!({ "reason": reason.as_deref() })
        }
        Event::Created { execution, docker_image } => {
            json!({ "execution_id": execution.to_string(), "docker_image": **docker_image })
        }
        Event::Started | Event::Success | Event::TimeTrigger | Event::Retry => json!({}),
    }
}

/// An execution that is spelled out.
pub(super) fn inline(description: &ExecutionDescription) -> Value {
    json!({
        "docker_image": description.docker_image,
        "docker_args": description.docker_args,
        "commit_sha": description.commit_sha,
        "service_account": description.service_account,
        "env": redact::env(&description.env),
    })
}

/// What an executor saw.
pub(super) fn observed(what: &Observed) -> &'static str {
    match what {
        Observed::Launched => "launched",
        Observed::Refused { .. } => "refused",
        Observed::NotLaunchable { .. } => "notLaunchable",
        Observed::Started => "started",
        Observed::Exited { .. } => "exited",
        Observed::Lost { .. } => "lost",
        Observed::NeverStarted => "neverStarted",
        Observed::Cleaned => "cleaned",
    }
}

fn with(name: &str, value: Value, fields: Value) -> Value {
    let mut all = Map::from_iter([(name.to_owned(), value)]);
    if let Value::Object(fields) = fields {
        all.extend(fields);
    }
    Value::Object(all)
}

/// An instant with its milliseconds, as all records have them.
pub(super) fn millis(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
