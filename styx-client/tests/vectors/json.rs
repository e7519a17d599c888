//! The JSON of the API: each document is read, and written again.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use styx_client::{
    Backfill, BackfillInput, BackfillPayload, BackfillsPayload, EditableBackfillInput, Event, EventInfo, EventsPayload,
    ExecutionDescription, FlyteExecConf, Message, Resource, ResourcesPayload, RunStateData, RunStateDataPayload,
    StateData, TestServiceAccountUsageRequest, TestServiceAccountUsageResponse, Trigger, TriggerParameters,
    TriggerRequest, TriggerResponse, Workflow, WorkflowId, WorkflowInstance, WorkflowInstanceExecutionData,
    WorkflowState, WorkflowWithState,
};
use styx_core::workflow::{Span, WorkflowConfiguration};

use crate::harness::{Case, Rule, Seen, Verdict};

/// What we do with the quirks of `json.jsonl`.
pub(crate) const RULES: &[Rule] = &[
    copied("coerced", Seen::Here, "clients may rely on it (C-25)"),
    copied("single_value_for_list", Seen::Here, "intended by the original (C-25)"),
    copied("uncaught_failure", Seen::Here, "both refuse; only the error differs"),
    copied("lenient_duration", Seen::Here, "it can't be misunderstood"),
    copied("numeric_instant", Seen::Here, "part of the contract (C-26)"),
    copied("duplicate_member", Seen::Elsewhere, "the last one counts"),
    copied("trailing_text", Seen::Elsewhere, "part of the contract (C-24)"),
    Rule {
        quirk: "null_element",
        kinds: &[],
        verdict: Verdict::Refused(refuse),
        seen: Seen::Here,
        reason: "a null in a list or a map has no meaning, and later made the original fail",
        anchor: "json-null-element",
    },
    Rule {
        quirk: "null_document",
        kinds: &[],
        verdict: Verdict::Refused(refuse),
        seen: Seen::Here,
        reason: "a body that says nothing is a mistake",
        anchor: "http-400",
    },
    Rule {
        quirk: "duration_format",
        kinds: &[],
        verdict: Verdict::Refused(without_exponents),
        seen: Seen::Here,
        reason: "all durations have the same form",
        anchor: "workflow-small-durations",
    },
    Rule {
        quirk: "duration_overflow",
        kinds: &[],
        verdict: Verdict::Refused(refuse),
        seen: Seen::Elsewhere,
        reason: "a duration that wrapped around is not what anybody wrote",
        anchor: "workflow-large-durations",
    },
    Rule {
        quirk: "not_a_number",
        kinds: &[],
        verdict: Verdict::Refused(refuse),
        seen: Seen::Here,
        reason: "JSON has no such number, so it could not be written again as one",
        anchor: "json-not-a-number",
    },
    Rule {
        quirk: "odd_instant",
        kinds: &[],
        verdict: Verdict::Refused(refuse_odd_instants),
        seen: Seen::Here,
        reason: "one form of instants is enough",
        anchor: "workflow-instants",
    },
    Rule {
        quirk: "workflow_id_differs",
        kinds: &[],
        verdict: Verdict::Refused(with_the_id_of_its_configuration),
        seen: Seen::Here,
        reason: "a workflow has one id",
        anchor: "json-workflow-id",
    },
];

const fn copied(quirk: &'static str, seen: Seen, reason: &'static str) -> Rule {
    Rule { quirk, kinds: &[], verdict: Verdict::Copied, seen, reason, anchor: "" }
}

/// Compares what a document becomes, or whether it is refused.
pub(crate) fn check(case: &mut Case) {
    let written = read_and_write(&case.text("type"), &case.text("input_text"));
    let is_accepted = case.member("accepted") == true && !has_null_input(&case.text("input_text"));
    case.expect_value("accepted", &is_accepted.into(), written.is_ok());
    let (true, Ok(written)) = (is_accepted, written) else { return };
    let expected = case.text("output_text");
    case.expect_value("output", &neutral(&expected), neutral(&written));
    case.expect_value("durations", &json!(durations(&expected)), durations(&written));
    if case.text("group") == "canonical" {
        // Field by field in the same order.
        case.expect_value("text", &neutral(&expected).to_string().into(), neutral(&written).to_string());
    }
}

/// Whether an input of Flyte is null: a `null_element` that the lines do not mark.
fn has_null_input(input: &str) -> bool {
    fn is_in(value: &Value, is_inputs: bool) -> bool {
        match value {
            Value::Object(members) => {
                members.iter().any(|(name, value)| is_inputs && value.is_null() || is_in(value, name == "input_fields"))
            }
            Value::Array(items) => items.iter().any(|item| is_in(item, false)),
            _ => false,
        }
    }
    serde_json::from_str(input).is_ok_and(|value| is_in(&value, false))
}

fn read_and_write(kind: &str, input: &str) -> Result<String, String> {
    match kind {
        "backfill" => again::<Backfill>(input),
        "backfill_input" => again::<BackfillInput>(input),
        "backfill_payload" => again::<BackfillPayload>(input),
        "backfills_payload" => again::<BackfillsPayload>(input),
        "deployment_source" => deployment_source(input),
        "editable_backfill_input" => again::<EditableBackfillInput>(input),
        "event" => known(input, |event: &Event| event.kind.is_known()),
        "event_info" => again::<EventInfo>(input),
        "events_payload" => {
            known(input, |payload: &EventsPayload| payload.events.iter().all(|timed| timed.event.kind.is_known()))
        }
        "execution_data" => again::<WorkflowInstanceExecutionData>(input),
        "execution_description" => again::<ExecutionDescription>(input),
        "flyte_exec_conf" => again::<FlyteExecConf>(input),
        "message" => again::<Message>(input),
        "resource" => again::<Resource>(input),
        "resources_payload" => again::<ResourcesPayload>(input),
        "run_state_data" => again::<RunStateData>(input),
        "run_state_data_payload" => again::<RunStateDataPayload>(input),
        "state_data" => again::<StateData>(input),
        "test_service_account_usage_request" => again::<TestServiceAccountUsageRequest>(input),
        "test_service_account_usage_response" => again::<TestServiceAccountUsageResponse>(input),
        "trigger" => again::<Trigger>(input),
        "trigger_parameters" => again::<TriggerParameters>(input),
        "trigger_request" => again::<TriggerRequest>(input),
        "trigger_response" => again::<TriggerResponse>(input),
        "workflow" => again::<Workflow>(input),
        "workflow_configuration" => configuration(input).map(|configuration| configuration.to_json()),
        "workflow_id" => again::<WorkflowId>(input),
        "workflow_instance" => again::<WorkflowInstance>(input),
        "workflow_state" => again::<WorkflowState>(input),
        "workflow_with_state" => again::<WorkflowWithState>(input),
        _ => panic!("the type {kind} is not known"),
    }
}

fn again<T: DeserializeOwned + Serialize>(input: &str) -> Result<String, String> {
    known::<T>(input, |_| true)
}

/// As [`again`], for events, which are kept as they are if they can't be understood.
fn known<T: DeserializeOwned + Serialize>(input: &str, is_known: impl Fn(&T) -> bool) -> Result<String, String> {
    let value: T = styx_client::json::from_slice(input.as_bytes()).map_err(|error| error.to_string())?;
    let text = styx_client::json::to_string(&value).map_err(|error| error.to_string())?;
    if is_known(&value) { Ok(text) } else { Err("kept, but not understood".to_owned()) }
}

fn configuration(input: &str) -> Result<WorkflowConfiguration, String> {
    WorkflowConfiguration::from_json(input).map_err(|error| error.to_string())
}

/// A source stands in configurations only.
fn deployment_source(input: &str) -> Result<String, String> {
    let whole = configuration(&format!(r#"{{"id":"x","schedule":"days","deployment_source":{input}}}"#))?;
    let whole: Value = serde_json::from_str(&whole.to_json()).map_err(|error| error.to_string())?;
    Ok(whole["deployment_source"].to_string())
}

/// A document as a value in which no order is left that means nothing.
fn neutral(text: &str) -> Value {
    let mut value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    sort(&mut value);
    value
}

fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(sort),
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), &mut *value) {
                    ("env" | "input_fields", Value::Object(texts)) => texts.sort_keys(),
                    ("resource_ids", Value::Array(ids)) => ids.sort_by_key(Value::to_string),
                    _ => sort(value),
                }
            }
        }
        _ => {}
    }
}

/// The durations of a document as they are written.
fn durations(text: &str) -> Vec<&str> {
    let rest = text.split(DURATION).skip(1);
    rest.map(|rest| rest.split([',', '}']).next().unwrap_or_default()).collect()
}

const DURATION: &str = r#""running_timeout":"#;

fn refuse(line: &mut Value) {
    line["accepted"] = false.into();
}

fn without_exponents(line: &mut Value) {
    let text = line["output_text"].as_str().unwrap_or_default().to_owned();
    let mut ours = text.clone();
    for duration in durations(&text).into_iter().filter(|duration| duration.contains('E')) {
        let decimal = Span::parse_decimal(duration).unwrap_or_default().to_decimal();
        ours = ours.replace(&format!("{DURATION}{duration}"), &format!("{DURATION}{decimal}"));
    }
    line["output_text"] = ours.into();
}

/// What is odd about an instant and refused. A small `t` or `z` is taken.
fn refuse_odd_instants(line: &mut Value) {
    let input = line["input_text"].as_str().unwrap_or_default();
    if ["T24:", ":60", "+0000", "\"+", "\"-"].iter().any(|odd| input.contains(odd)) {
        refuse(line);
    }
}

fn with_the_id_of_its_configuration(line: &mut Value) {
    let text = line["output_text"].as_str().unwrap_or_default();
    let output: Value = serde_json::from_str(text).unwrap_or_default();
    let workflow = if output["workflow"].is_object() { &output["workflow"] } else { &output };
    let member = |value: &Value| format!(r#""workflow_id":{value},"configuration":"#);
    let ours = text.replace(&member(&workflow["workflow_id"]), &member(&workflow["configuration"]["id"]));
    line["output_text"] = ours.into();
}
