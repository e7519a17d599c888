//! Rows of the world as fields with names and JSON values, and which of them differ. Values of environments are hidden.

use chrono::{DateTime, TimeDelta, Utc};
use owo_colors::Style;
use serde_json::{Map, Value, json};
use styx_core::{
    config::{Backoff, Config, ExecutorCapabilities, FailureLimit, Rate, Timeouts},
    event::{Description, TriggerParameters},
    execution::{Execution, Phase},
    extensions::Extensions,
    record::{BackfillSpec, Origin, Runs, WorkflowSpec},
    run::{Run, State},
    workflow::Span,
    world::{Answered, Backfill, Finished, LogRow, Owed, Resource, Row, Workflow},
};

use super::{json, redact, wording};

/// The fields of a row, in the order in which they are shown.
pub(super) type View = Map<String, Value>;

/// A field that differs; `null` where there was or is nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) field: String,
    pub(super) before: Value,
    pub(super) after: Value,
}

/// The fields of a row.
pub(super) fn row(row: &Row) -> View {
    match row {
        Row::Log(row) => log(row),
        Row::Config(row) => config(row),
        Row::Workflow(row) => workflow(row),
        Row::Run(row) => run(row),
        Row::Execution(row) => execution(row),
        Row::Backfill(row) => backfill(row),
        Row::Resource(row) => resource(*row),
        Row::Finished(Finished(row)) => run(row),
        Row::Answered(Answered { by, digest }) => fields(json!({ "by": by.0, "digest": digest.to_string() })),
    }
}

fn log(row: &LogRow) -> View {
    let LogRow { identity, tail, at, decision, rate_used } = row;
    fields(json!({
        "log_id": identity.map(|(log_id, _)| log_id.to_string()),
        "tail": tail.0,
        "at": json::millis(*at),
        "decision": decision.0,
        "rate_used": wording::instant(*rate_used),
    }))
}

/// The fields of the configuration.
pub(super) fn config(config: &Config) -> View {
    let Config {
        scheduling,
        max_executions,
        dequeue_rate,
        catch_up,
        max_cost_tenths,
        missing_dependencies_delay,
        backoff,
        infrastructure_backoff,
        infrastructure_limit: FailureLimit { count, span: limit_span },
        timeouts: Timeouts { default, by_state, max_running },
        executor: ExecutorCapabilities { runner, runs_api_workflows, mounts_secrets },
        runtime,
        extensions,
    } = config;
    let mut timeouts = fields(json!({ "default": span(*default), "max_running": max_running.map(span) }));
    let by_state = by_state.iter().map(|(state, limit)| (state.as_str().to_lowercase(), span(*limit)));
    timeouts.extend(by_state);
    let delays =
        |Backoff { base, max_exponent }: &Backoff| json!({ "base": span(*base), "max_exponent": max_exponent });
    let view = fields(json!({
        "scheduling": scheduling,
        "max_executions": max_executions,
        "dequeue_rate": dequeue_rate.map(Rate::to_per_second),
        "catch_up": catch_up,
        "max_cost": tenths(*max_cost_tenths),
        "missing_dependencies_delay": span(*missing_dependencies_delay),
        "backoff": delays(backoff),
        "infrastructure_backoff": delays(infrastructure_backoff),
        "infrastructure_limit": { "failures": count, "span": span(*limit_span) },
        "timeouts": timeouts,
        "runner": **runner,
        "runs_api_workflows": runs_api_workflows,
        "mounts_secrets": mounts_secrets,
        "operated": json::operated(runtime),
    }));
    extended(view, &[("extensions", extensions)])
}

/// The fields of a workflow; its configuration is in the record that `stored_at` names.
pub(super) fn workflow(workflow: &Workflow) -> View {
    let Workflow { stored_at, deployed_at, json_digest, spec, enabled, cursor, chosen_cursor, owed } = workflow;
    let WorkflowSpec { schedule, offset, running_timeout, runs, resources, .. } = spec;
    let WorkflowSpec { retry_condition, mounts_secret, origin, extensions, .. } = spec;
    let runs = match runs {
        Runs::Nothing => None,
        Runs::Image => Some("image"),
        Runs::Flyte => Some("flyte"),
    };
    let mut view = fields(json!({
        "enabled": enabled,
        "next_natural_trigger": cursor.map(|cursor| wording::instant(cursor.instant)),
        "next_natural_offset_trigger": cursor.map(|cursor| wording::instant(cursor.fires_at)),
        "schedule": **schedule,
        "offset": offset.as_deref(),
        "running_timeout": running_timeout.map(span),
        "runs": runs,
        "resources": names(resources),
        "retry_condition": retry_condition.as_deref(),
        "mounts_secret": mounts_secret,
        "origin": origin_text(origin),
        "stored_at": stored_at.0,
        "deployed_at": json::millis(*deployed_at),
        "configuration_digest": json_digest.to_string(),
    }));
    // Few workflows have either.
    if *chosen_cursor {
        view.insert("chosen_cursor".into(), true.into());
    }
    if !owed.is_empty() {
        view.insert("owed".into(), owed.iter().map(owed_text).collect());
    }
    extended(view, &[("extensions", extensions)])
}

/// What is owed under an earlier schedule, in words.
fn owed_text(owed: &Owed) -> String {
    let Owed { since, schedule, offset, next, until } = owed;
    let offset = offset.as_ref().map_or_else(String::new, |offset| format!(" with offset {offset}"));
    format!(
        "{since}: {schedule}{offset}, next {}, fired until {}",
        wording::instant(next.instant),
        wording::instant(*until)
    )
}

/// The fields of a run.
pub(super) fn run(run: &Run) -> View {
    let Run {
        state,
        counter,
        began_at,
        since,
        last_event_at,
        eligible_at,
        retry_delay_millis,
        tries,
        consecutive_failures,
        infrastructure_failures,
        infrastructure_since,
        cost_tenths,
        last_exit,
        trigger,
        parameters,
        missed,
        trigger_extensions,
        imported,
        execution,
        runner,
        description,
        running_timeout,
        retry_condition,
        submit_extensions,
        resources,
        note,
    } = run;
    let parameters = parameters.as_ref().map(|TriggerParameters { env }| json!({ "env": redact::env(env) }));
    let description = description.as_ref().map(|description| match description {
        Description::Stored(position) => json!({ "record": position.0 }),
        Description::Inline(description) => json::inline(description),
    });
    let message = note.as_ref().map(|note| {
        let message = note.message();
        json!({ "level": message.level.as_str(), "line": *message.line })
    });
    let view = fields(json!({
        "state": state.as_str(),
        "since": json::millis(*since),
        "began_at": json::millis(*began_at),
        "trigger": trigger.as_ref().map(|trigger| json!({ "kind": trigger.kind(), "id": trigger.id() })),
        "parameters": parameters,
        "missed": missed,
        "imported": imported,
        "tries": tries,
        "consecutive_failures": consecutive_failures,
        "infrastructure_failures": infrastructure_failures,
        "infrastructure_since": infrastructure_since.map(json::millis),
        "retry_cost": tenths(*cost_tenths),
        "last_exit": last_exit,
        "retry_delay_millis": retry_delay_millis,
        "eligible_at": eligible_at.map(json::millis),
        "execution": execution.as_ref().map(ToString::to_string),
        "runner": runner.as_deref(),
        "description": description,
        "running_timeout": running_timeout.map(span),
        "retry_condition": retry_condition.as_deref(),
        "resources": resources.as_ref().map(|resources| names(resources)),
        "message": message,
        "counter": counter.map(|counter| counter.0),
        "last_event_at": json::millis(*last_event_at),
    }));
    extended(view, &[("trigger_extensions", trigger_extensions), ("submit_extensions", submit_extensions)])
}

/// The fields of an execution.
pub(super) fn execution(execution: &Execution) -> View {
    let Execution { instance, submitted_by, log_id, runner, resources, refusal, phase, since } = execution;
    let (phase, retry_at, ending) = match phase {
        Phase::Launching { retry_at } => ("launching", *retry_at, None),
        Phase::Launched => ("launched", None, None),
        Phase::Running => ("running", None, None),
        Phase::Ended(ending) => ("ended", None, Some(json::ending(ending))),
    };
    let (ending, exit_code) = ending.unzip();
    fields(json!({
        "instance": instance.key(),
        "phase": phase,
        "since": json::millis(*since),
        "ending": ending,
        "exit_code": exit_code.flatten(),
        "retry_at": retry_at.map(json::millis),
        "refusal": refusal.as_deref(),
        "runner": **runner,
        "resources": names(resources),
        "submitted_by": submitted_by.0,
        "log_id": log_id.to_string(),
    }))
}

/// The fields of a backfill.
pub(super) fn backfill(backfill: &Backfill) -> View {
    let Backfill { spec, concurrency, description, next, all_triggered, halted, halts_runs, created_at, modified_at } =
        backfill;
    // Concurrency and description of the spec are those before all edits; the first partition has passed.
    let BackfillSpec { workflow, start, end, reverse, schedule, parameters, .. } = spec;
    let parameters = parameters.as_ref().map(|TriggerParameters { env }| json!({ "env": redact::env(env) }));
    fields(json!({
        "workflow": workflow.key(),
        "start": wording::instant(*start),
        "end": wording::instant(*end),
        "reverse": reverse,
        "schedule": **schedule,
        "concurrency": concurrency,
        "description": description.as_deref(),
        "parameters": parameters,
        "next": (!all_triggered).then(|| wording::instant(*next)),
        "all_triggered": all_triggered,
        "halted": halted.as_deref(),
        "halts_runs": halts_runs,
        "created_at": json::millis(*created_at),
        "modified_at": json::millis(*modified_at),
    }))
}

/// The fields of a resource.
pub(super) fn resource(resource: Resource) -> View {
    let Resource { concurrency } = resource;
    fields(json!({ "concurrency": concurrency }))
}

/// Where a workflow comes from.
pub(super) fn origin_text(origin: &Origin) -> String {
    match origin {
        Origin::File { path, .. } => format!("file {path}"),
        Origin::Api => "API".into(),
        Origin::RemovedFile { path } => format!("removed file {path}"),
    }
}

/// The fields that differ, those of `after` in its order first; objects within are taken apart.
pub(super) fn changes(before: &View, after: &View) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", before, after, &mut changes);
    changes
}

fn compare(prefix: &str, before: &View, after: &View, changes: &mut Vec<Change>) {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    for name in after.keys().chain(gone) {
        let field = format!("{prefix}{name}");
        let value = |view: &View| view.get(name).cloned().unwrap_or_default();
        match (value(before), value(after)) {
            (before, after) if before == after => {}
            (Value::Object(before), Value::Object(after)) => compare(&format!("{field}."), &before, &after, changes),
            (before, after) => changes.push(Change { field, before, after }),
        }
    }
}

impl Change {
    /// As JSON.
    pub(super) fn as_json(&self) -> Value {
        json!({ "field": self.field, "before": self.before, "after": self.after })
    }
}

/// A value on one line, for people.
pub(super) fn words(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) if text.is_empty() => "\"\"".into(),
        Value::String(text) => wording::one_line(text),
        Value::Object(members) if members.contains_key("level") && members.contains_key("line") => {
            words(&members["line"])
        }
        other => wording::one_line(&other.to_string()),
    }
}

/// How a state is shown.
pub(super) fn style_of(state: State) -> Style {
    match state {
        State::Done => Style::new().green(),
        State::Error | State::Failed => Style::new().red(),
        State::Running => Style::new().cyan(),
        _ => Style::new(),
    }
}

fn fields(value: Value) -> View {
    match value {
        Value::Object(fields) => fields,
        _ => View::new(),
    }
}

/// The fields, with the later ones where there are any.
fn extended(mut view: View, more: &[(&str, &Extensions)]) -> View {
    for (name, more) in more {
        view.extend(json::extensions(more).map(|more| ((*name).to_owned(), more)));
    }
    view
}

fn names(names: &[std::sync::Arc<str>]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

fn span(span: TimeDelta) -> Value {
    Span::from(span).to_string().into()
}

fn tenths(tenths: u32) -> f64 {
    f64::from(tenths) / 10.0
}

/// A time for people, in UTC.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
