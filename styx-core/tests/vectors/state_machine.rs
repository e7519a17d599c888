//! Sequences of events, under the rules of Styx 2.x in full and under ours step by step.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use styx_core::{
    event::{
        Description, Event, EventKind, ExecutionDescription, FailureClass, Message, MessageLevel, Trigger,
        TriggerParameters,
    },
    extensions::Extensions,
    id::{Counter, ExecutionId, Position},
    run::{Note, Rules, Run, State},
    workflow::Span,
};

use crate::harness::{Case, Rule, Verdict};

/// Under Styx's rules an imported history is folded as Styx folds it, quirks and all.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        quirk: "accepted_in_terminal_state",
        kinds: &[],
        verdict: Verdict::Copied,
        count: 531,
        reason: "imported histories are folded as Styx folds them",
        anchor: "",
    },
    Rule {
        quirk: "accepted_before_trigger",
        kinds: &[],
        verdict: Verdict::Copied,
        count: 285,
        reason: "imported histories are folded as Styx folds them",
        anchor: "",
    },
    Rule {
        quirk: "state-cost",
        kinds: &[],
        verdict: Verdict::Excused,
        count: 120,
        reason: "a cost is a number of tenths, and no sum of floating-point numbers (SM-75)",
        anchor: "state-cost",
    },
];

/// Under our rules, where each step differs from Styx's.
pub(crate) const OUR_RULES: &[Rule] = &[
    excused("state-terminal", 721, "after its end a run accepts nothing"),
    excused("state-before-trigger", 285, "before its trigger a run accepts nothing"),
    excused("state-deprecated", 2948, "no live component sends these events (SM-105)"),
    excused("state-compatibility", 804, "no live component ever sent these (W-21)"),
    excused("state-incomplete", 3840, "a live event names what it is about"),
    excused("state-timeout", 3575, "a time-out counts as the failure that it is (W-2)"),
    excused("state-cost", 95, "a cost is a number of tenths, and no sum of floating-point numbers (SM-75)"),
];

const fn excused(anchor: &'static str, count: usize, reason: &'static str) -> Rule {
    Rule { quirk: anchor, kinds: &[], verdict: Verdict::Excused, count, reason, anchor }
}

/// The whole sequence under the rules of Styx 2.x.
pub(crate) fn check(case: &mut Case) {
    let mut run = initial(&case.member("initial"));
    let key = case.text("workflow_instance_key");
    for (index, step) in case.member("steps").as_array().into_iter().flatten().enumerate() {
        let before = run.clone();
        let result = run.apply(&event(&step["event"]), millis(&step["time_millis"]), Rules::Styx2);
        let expected = &step["expected"];
        let field = format!("step {index}");
        match result {
            Err(error) => {
                case.expect_value(&field, &expected["error"], format!("{key} {error}"));
                assert_eq!(run, before, "{key}: a refused event changed the run");
            }
            Ok(()) => {
                let wanted = in_tenths(case, normalised(expected));
                case.expect_value(&field, &wanted, written(&run));
            }
        }
    }
}

/// Each step under ours, from the state that Styx has before it: a difference would end most sequences early.
pub(crate) fn check_ours(case: &mut Case) {
    let mut before = case.member("initial");
    for (index, step) in case.member("steps").as_array().into_iter().flatten().enumerate() {
        let mut run = initial(&before);
        read_data(&mut run, &before["data"]);
        let event = ours(event(&step["event"]));
        let at = millis(&step["time_millis"]);
        let was = run.clone();
        let result = run.apply(&event, at, Rules::Ours);
        let expected = &step["expected"];
        let field = format!("step {index} ({} in {})", event.kind(), was.state);
        match result {
            Ok(()) => {
                let mut wanted = in_tenths(case, normalised(expected));
                adapt(case, &mut wanted, &was, &event, at);
                case.expect_value(&field, &without_description(&wanted), without_description(&written(&run)));
            }
            Err(_) => {
                assert_eq!(run, was, "a refused event changed the run");
                if expected["illegal"] == true {
                    case.expect_value(&field, &json!(true), true);
                } else if let Some(rule) = refused_on_purpose(&was, &event) {
                    case.excuse(rule);
                } else {
                    case.fail(format!("{field}: it is refused, and was not"));
                }
            }
        }
        if expected["illegal"] != true {
            before = expected.clone();
        }
    }
}

/// The rule by which ours lacks an edge.
fn refused_on_purpose(run: &Run, event: &Event) -> Option<&'static str> {
    let is_incomplete = match event {
        Event::Submit { execution, .. } => !matches!(execution, Some(ExecutionId::Run(_))),
        Event::Submitted { execution, .. } => execution.is_none() || *execution != run.execution,
        Event::TriggerExecution { trigger, .. } => matches!(trigger, Trigger::Unknown(_)),
        _ => false,
    };
    let is_deprecated = matches!(event.kind(), EventKind::TimeTrigger | EventKind::Created | EventKind::Retry);
    let is_compatibility =
        matches!((run.state, event.kind()), (State::Queued, EventKind::Submit) | (State::Prepare, EventKind::Started));
    let is_early = run.state == State::New && event.kind() != EventKind::TriggerExecution;
    [
        (run.state.is_terminal(), "state-terminal"),
        (is_deprecated, "state-deprecated"),
        (is_early, "state-before-trigger"),
        (is_compatibility, "state-compatibility"),
        (is_incomplete, "state-incomplete"),
    ]
    .into_iter()
    .find(|(holds, _)| *holds)
    .map(|(_, rule)| rule)
}

/// What ours does otherwise: a time-out counts as the failure that it is (`state-timeout`).
fn adapt(case: &mut Case, wanted: &mut Value, was: &Run, event: &Event, at: DateTime<Utc>) {
    if let Event::Timeout { .. } = event {
        case.excuse("state-timeout");
        let data = &mut wanted["data"];
        data["retry_cost"] = json!(was.retry_cost() + 1.0);
        data["consecutive_failures"] = json!(was.consecutive_failures + 1);
        data["last_exit"] = Value::Null;
        let note = Note::TimedOut { state: was.state, since: was.since, at };
        data["messages"] = json!([message(&note)]);
    }
}

/// With the cost as the nearest number of tenths (`state-cost`).
fn in_tenths(case: &mut Case, mut wanted: Value) -> Value {
    let cost = &mut wanted["data"]["retry_cost"];
    if let Some(theirs) = cost.as_f64() {
        let ours = (theirs * 10.0).round() / 10.0;
        if ours != theirs && (ours - theirs).abs() < 1e-9 {
            case.excuse("state-cost");
            *cost = ours.into();
        }
    }
    wanted
}

/// An event of theirs as ours records it: with a stored description and an executor.
fn ours(event: Event) -> Event {
    match event {
        Event::Submit { execution, .. } => Event::Submit {
            description: Description::Stored(Position(1)),
            execution,
            runner: Some("default".into()),
            running_timeout: None,
            retry_condition: None,
            extensions: Extensions::default(),
        },
        other => other,
    }
}

fn without_description(written: &Value) -> Value {
    let mut written = written.clone();
    written["data"]["execution_description"] = Value::Null;
    written
}

fn initial(value: &Value) -> Run {
    let counter = value["counter"].as_u64().map(Counter);
    let mut run = Run::new(counter, millis(&value["timestamp"]));
    run.state = State::from_name(value["state"].as_str().unwrap_or_default()).unwrap_or(State::New);
    run
}

fn read_data(run: &mut Run, data: &Value) {
    let number = |member: &str| u32::try_from(data[member].as_u64().unwrap_or_default()).unwrap_or(u32::MAX);
    run.tries = number("tries");
    run.consecutive_failures = number("consecutive_failures");
    run.cost_tenths = (data["retry_cost"].as_f64().unwrap_or_default() * 10.0).round() as u32;
    run.retry_delay_millis = data["retry_delay_millis"].as_i64();
    run.last_exit = exit(&data["last_exit"]);
    run.trigger = data["trigger"].is_object().then(|| trigger(&data["trigger"]));
    run.parameters = data["trigger_parameters"].is_object().then(|| parameters(&data["trigger_parameters"]));
    run.execution = execution(&data["execution_id"]);
    run.runner = text(&data["runner_id"]);
    run.description = data["execution_description"].is_object().then(|| description(&data["execution_description"]));
    run.resources = data["resource_ids"].is_array().then(|| strings(&data["resource_ids"]));
    run.note = data["messages"].as_array().and_then(|messages| messages.last()).map(|m| Note::Said(read_message(m)));
}

pub(crate) fn event(value: &Value) -> Event {
    match value["name"].as_str().unwrap_or_default() {
        "triggerExecution" => Event::TriggerExecution {
            trigger: trigger(&value["trigger"]),
            parameters: parameters(&value["trigger_parameters"]),
            missed: false,
            extensions: Extensions::default(),
        },
        "info" => Event::Info { message: read_message(&value["message"]) },
        "dequeue" => Event::Dequeue { resources: strings(&value["resource_ids"]) },
        "submit" => Event::Submit {
            description: description(&value["execution_description"]),
            execution: execution(&value["execution_id"]),
            runner: None,
            running_timeout: None,
            retry_condition: None,
            extensions: Extensions::default(),
        },
        "submitted" => {
            Event::Submitted { execution: execution(&value["execution_id"]), runner: text(&value["runner_id"]) }
        }
        "started" => Event::Started,
        "terminate" => Event::Terminate { exit_code: exit(&value["exit_code"]) },
        "runError" => {
            Event::RunError { message: value["message"].as_str().unwrap_or_default().into(), class: FailureClass::User }
        }
        "success" => Event::Success,
        "retryAfter" => Event::RetryAfter { delay_millis: value["delay_millis"].as_i64().unwrap_or_default() },
        "stop" => Event::Stop { reason: None },
        "timeout" => Event::Timeout { reason: None },
        "halt" => Event::Halt { reason: None },
        "timeTrigger" => Event::TimeTrigger,
        "created" => Event::Created {
            execution: ExecutionId::parse(value["execution_id"].as_str().unwrap_or_default()),
            docker_image: value["docker_image"].as_str().unwrap_or_default().into(),
        },
        "retry" => Event::Retry,
        name => panic!("no event {name}"),
    }
}

fn trigger(value: &Value) -> Trigger {
    let id = || value["id"].as_str().unwrap_or_default().into();
    match value["type"].as_str().unwrap_or_default() {
        "natural" => Trigger::Natural,
        "adhoc" => Trigger::AdHoc(id()),
        "backfill" => Trigger::Backfill(id()),
        "unknown" => Trigger::Unknown(id()),
        kind => panic!("no trigger {kind}"),
    }
}

fn parameters(value: &Value) -> TriggerParameters {
    TriggerParameters { env: Arc::new(map(&value["env"])) }
}

fn description(value: &Value) -> Description {
    let string = |member: &str| value[member].as_str().map(str::to_owned);
    let running_timeout = string("running_timeout").and_then(|text| Span::parse_iso(&text).ok());
    Description::Inline(Arc::new(ExecutionDescription {
        docker_image: string("docker_image"),
        docker_args: strings(&value["docker_args"]).iter().map(ToString::to_string).collect(),
        docker_termination_logging: value["docker_termination_logging"] == true,
        service_account: string("service_account"),
        commit_sha: string("commit_sha"),
        env: map(&value["env"]),
        running_timeout: running_timeout.map(Span::to_delta),
        retry_condition: string("retry_condition"),
        flyte_exec_conf: value["flyte_exec_conf"].is_object().then(|| value["flyte_exec_conf"].to_string()),
        flyte_execution_id: string("flyte_execution_id"),
    }))
}

fn read_message(value: &Value) -> Message {
    let line = value["line"].as_str().unwrap_or_default().into();
    Message { level: MessageLevel::from_name(value["level"].as_str().unwrap_or_default()), line }
}

fn exit(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|code| i32::try_from(code).ok())
}

fn execution(value: &Value) -> Option<ExecutionId> {
    value.as_str().map(ExecutionId::parse)
}

fn text(value: &Value) -> Option<Arc<str>> {
    value.as_str().map(Arc::from)
}

fn strings(value: &Value) -> Arc<[Arc<str>]> {
    value.as_array().into_iter().flatten().filter_map(text).collect()
}

fn map(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

pub(crate) fn millis(value: &Value) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(value.as_i64().unwrap_or_default()).unwrap_or_default()
}

/// What is expected, with sets in order and all optional members there.
fn normalised(expected: &Value) -> Value {
    let data = &expected["data"];
    let mut resources = data["resource_ids"].clone();
    if let Some(resources) = resources.as_array_mut() {
        resources.sort_by_key(ToString::to_string);
    }
    let description = match &data["execution_description"] {
        Value::Null => Value::Null,
        value => match description(value) {
            Description::Inline(description) => write_description(&description),
            Description::Stored(_) => Value::Null,
        },
    };
    json!({
        "state": expected["state"], "counter": expected["counter"], "timestamp": expected["timestamp"],
        "data": {
            "tries": data["tries"], "consecutive_failures": data["consecutive_failures"], "retry_cost": data["retry_cost"],
            "retry_delay_millis": data["retry_delay_millis"], "last_exit": data["last_exit"],
            "trigger": data["trigger"], "trigger_id": data["trigger_id"],
            "trigger_parameters": data["trigger_parameters"], "execution_id": data["execution_id"],
            "runner_id": data["runner_id"], "execution_description": description, "resource_ids": resources,
            "messages": data["messages"],
        },
    })
}

/// A run of ours in the same form.
fn written(run: &Run) -> Value {
    let mut resources = run.resources.as_ref().map(|ids| ids.iter().map(|id| json!(**id)).collect::<Vec<_>>());
    if let Some(resources) = &mut resources {
        resources.sort_by_key(ToString::to_string);
    }
    let trigger = run.trigger.as_ref().map(|trigger| match trigger {
        Trigger::Natural => json!({"type": trigger.kind()}),
        _ => json!({"type": trigger.kind(), "id": trigger.id()}),
    });
    let description = run.description.as_ref().map(|description| match description {
        Description::Inline(description) => write_description(description),
        Description::Stored(position) => json!(position.0),
    });
    json!({
        "state": run.state.as_str(), "counter": run.counter.map(|counter| counter.0),
        "timestamp": run.last_event_at.timestamp_millis(),
        "data": {
            "tries": run.tries, "consecutive_failures": run.consecutive_failures, "retry_cost": run.retry_cost(),
            "retry_delay_millis": run.retry_delay_millis, "last_exit": run.last_exit,
            "trigger": trigger, "trigger_id": run.trigger.as_ref().map(Trigger::id),
            "trigger_parameters": run.parameters.as_ref().map(|parameters| json!({"env": *parameters.env})),
            "execution_id": run.execution.as_ref().map(ToString::to_string),
            "runner_id": run.runner.as_deref(), "execution_description": description, "resource_ids": resources,
            "messages": run.note.iter().map(message).collect::<Vec<_>>(),
        },
    })
}

fn write_description(description: &ExecutionDescription) -> Value {
    json!({
        "docker_image": description.docker_image, "docker_args": description.docker_args,
        "docker_termination_logging": description.docker_termination_logging,
        "service_account": description.service_account, "commit_sha": description.commit_sha,
        "env": description.env,
        "running_timeout": description.running_timeout.map(|delta| Span::from(delta).to_string()),
        "retry_condition": description.retry_condition,
        "flyte_exec_conf": description.flyte_exec_conf.as_deref().map(|json| serde_json::from_str::<Value>(json).ok()),
        "flyte_execution_id": description.flyte_execution_id,
    })
}

fn message(note: &Note) -> Value {
    let Message { level, line } = note.message();
    json!({"level": level.as_str(), "line": *line})
}
