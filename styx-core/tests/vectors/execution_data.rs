//! The history of an instance folded into the view that clients get.

use chrono::SecondsFormat;
use serde_json::{Value, json};
use styx_core::history::{History, PastExecution, PastTrigger, UntellableHistory};

use crate::{
    harness::{Case, Rule, Verdict},
    state_machine::{event, millis},
};

/// One view for all histories: what clients of Styx 2.x know.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        quirk: "crash",
        kinds: &[],
        verdict: Verdict::Copied,
        count: 124,
        reason: "an error that says what is wrong, where the original failed",
        anchor: "",
    },
    Rule {
        quirk: "no_events",
        kinds: &[],
        verdict: Verdict::Adapted(without_trigger),
        count: 1,
        reason: "a history without events has no trigger, like others",
        anchor: "http-untellable",
    },
    Rule {
        quirk: "runner_id_carried_over",
        kinds: &[],
        verdict: Verdict::Copied,
        count: 591,
        reason: "histories are shown as Styx shows them",
        anchor: "",
    },
    Rule {
        quirk: "trigger_without_event",
        kinds: &[],
        verdict: Verdict::Copied,
        count: 92,
        reason: "histories are shown as Styx shows them",
        anchor: "",
    },
    Rule {
        quirk: "dropped_after_completion",
        kinds: &[],
        verdict: Verdict::Copied,
        count: 21,
        reason: "histories are shown as Styx shows them",
        anchor: "",
    },
];

/// Quirks of a line that the file doesn't name.
pub(crate) fn quirks(line: &Value) -> Vec<&'static str> {
    if line["crash"] == "no_events" { vec!["no_events"] } else { Vec::new() }
}

fn without_trigger(line: &mut Value) {
    line["crash"] = "trigger_without_time".into();
}

pub(crate) fn check(case: &mut Case) {
    let mut events = case.member("events").as_array().cloned().unwrap_or_default();
    events.sort_by_key(|event| event["counter"].as_u64());
    let mut history = History::new();
    for recorded in &events {
        history.apply(&event(&recorded["event"]), millis(&recorded["timestamp"]), None);
    }
    let told = history.end();
    let crash = told.as_ref().err().map(|problem| match problem {
        UntellableHistory::NoTrigger => "trigger_without_time",
        UntellableHistory::DockerAndFlyte(_) => "docker_and_flyte",
        other => panic!("no crash of the original: {other}"),
    });
    case.expect_value("crash", &case.text("crash").into(), crash.unwrap_or_default());
    if let Ok(triggers) = told {
        let expected = with_input_fields(case.member("expected")["triggers"].take());
        case.expect_value("triggers", &expected, triggers.iter().map(written).collect::<Vec<_>>());
    }
}

fn written(trigger: &PastTrigger) -> Value {
    let PastTrigger { trigger_id, at, parameters, complete, executions } = trigger;
    json!({
        "trigger_id": **trigger_id, "timestamp": at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "parameters": {"env": *parameters.env}, "complete": complete,
        "executions": executions.iter().map(written_execution).collect::<Vec<_>>(),
    })
}

fn written_execution(execution: &PastExecution) -> Value {
    let PastExecution { execution, ran, runner, statuses } = execution;
    let statuses = statuses.iter().map(|status| {
        let at = status.at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        json!({"timestamp": at, "status": status.kind.name(), "message": status.kind.message()})
    });
    let flyte: Option<Value> =
        ran.flyte_exec_conf.as_deref().map(|json| serde_json::from_str(json).unwrap_or_default());
    json!({
        "execution_id": execution.as_ref().map(ToString::to_string), "docker_image": ran.docker_image.as_deref(),
        "commit_sha": ran.commit_sha.as_deref(), "flyte_exec_conf": flyte.map(flyte_with_input_fields),
        "flyte_execution_id": ran.flyte_execution_id.as_deref(), "runner_id": runner.as_deref(),
        "statuses": statuses.collect::<Vec<_>>(),
    })
}

/// An absent map is an empty one.
fn with_input_fields(mut triggers: Value) -> Value {
    for trigger in triggers.as_array_mut().into_iter().flatten() {
        for execution in trigger["executions"].as_array_mut().into_iter().flatten() {
            let flyte = execution["flyte_exec_conf"].take();
            execution["flyte_exec_conf"] = if flyte.is_null() { flyte } else { flyte_with_input_fields(flyte) };
        }
    }
    triggers
}

fn flyte_with_input_fields(mut flyte: Value) -> Value {
    if flyte["input_fields"].is_null() {
        flyte["input_fields"] = json!({});
    }
    flyte
}
