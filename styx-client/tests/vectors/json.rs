//! The JSON of the API: each document is read, and written again.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use styx_client::{
    Backfill, BackfillInput, BackfillPayload, BackfillsPayload, EditableBackfillInput, Event, EventInfo, EventsPayload,
    ExecutionDescription, FlyteExecConf, Message, Resource, ResourcesPayload, RunStateData, RunStateDataPayload,
    StateData, TestServiceAccountUsageRequest, TestServiceAccountUsageResponse, Trigger, TriggerParameters,
    TriggerRequest, TriggerResponse, Workflow, WorkflowId, WorkflowInstance, WorkflowInstanceExecutionData,
    WorkflowState, WorkflowWithState, time::format_instant,
};
use styx_core::workflow::{Span, WorkflowConfiguration, instant_after_epoch};

use crate::harness::{Case, Rule, Verdict};

/// What we do with the quirks of `json.jsonl`.
pub(crate) const RULES: &[Rule] = &[
    copied("coerced", 334, "clients may rely on it (C-25)"),
    copied("single_value_for_list", 32, "intended by the original (C-25)"),
    copied("uncaught_failure", 74, "both refuse; only the error differs"),
    copied("lenient_duration", 5, "it can't be misunderstood"),
    copied("numeric_instant", 11, "part of the contract (C-26)"),
    copied("duplicate_member", 3, "the last one counts"),
    copied("trailing_text", 3, "part of the contract (C-24)"),
    adapted(
        "null_element",
        refuse,
        67,
        "a null in a list or a map has no meaning, and later made the original fail",
        "json-null-element",
    ),
    adapted("null_input", refuse, 1, "a null in a map, which the file doesn't name", "json-null-element"),
    adapted("null_document", refuse, 2, "a body that says nothing is a mistake", "http-400"),
    adapted("duration_format", without_exponents, 32, "all durations have the same form", "workflow-small-durations"),
    adapted(
        "duration_overflow",
        refuse,
        6,
        "a duration that wrapped around is not what anybody wrote",
        "workflow-large-durations",
    ),
    adapted("negative_fraction", with_whole_fractions, 6, "the original reads -1.5 as -0.5", "json-negative-fraction"),
    adapted(
        "not_a_number",
        refuse,
        2,
        "JSON has no such number, so it could not be written again as one",
        "json-not-a-number",
    ),
    adapted("other_digits", refuse, 2, "digits are 0 to 9", "json-digits"),
    adapted("odd_instant", refuse_odd_instants, 30, "one form of instants is enough", "workflow-instants"),
    adapted("beyond_calendar", refuse, 29, "no parameter could name it", "workflow-instants"),
    adapted("workflow_id_differs", with_the_id_of_its_configuration, 11, "a workflow has one id", "json-workflow-id"),
];

const fn copied(quirk: &'static str, count: usize, reason: &'static str) -> Rule {
    Rule { quirk, kinds: &[], verdict: Verdict::Copied, count, reason, anchor: "" }
}

const fn adapted(
    quirk: &'static str,
    ours: fn(&mut Value),
    count: usize,
    reason: &'static str,
    anchor: &'static str,
) -> Rule {
    Rule { quirk, kinds: &[], verdict: Verdict::Adapted(ours), count, reason, anchor }
}

/// Members that are instants.
const INSTANTS: [&str; 9] = [
    "start",
    "end",
    "next_trigger",
    "created",
    "last_modified",
    "deployment_time",
    "next_natural_trigger",
    "next_natural_offset_trigger",
    "timestamp",
];

/// Members that are numbers.
const NUMBERS: [&str; 9] = [
    "concurrency",
    "tries",
    "consecutive_failures",
    "retry_cost",
    "retry_delay_millis",
    "last_exit",
    "exit_code",
    "initial_timestamp",
    "latest_timestamp",
];

/// Quirks of a line that was accepted which its file doesn't name.
pub(crate) fn quirks(line: &Value) -> Vec<&'static str> {
    let mut quirks = Vec::new();
    let input = serde_json::from_str(line["input_text"].as_str().unwrap_or_default()).unwrap_or(Value::Null);
    // The timestamps of events are numbers.
    let has_instants = !line["type"].as_str().unwrap_or_default().starts_with("event");
    if line["accepted"] == true {
        members(&input, "", &mut |parent, name, value| {
            let is_instant = has_instants && INSTANTS.contains(&name);
            let seconds = seconds(value).filter(|_| is_instant || name == "running_timeout");
            if parent == "input_fields" && value.is_null() {
                quirks.push("null_input");
            }
            if seconds.is_some_and(|seconds| seconds < 0.0 && seconds.fract() != 0.0) {
                quirks.push("negative_fraction");
            }
            if is_instant && seconds.is_some_and(|seconds| !(-62_167_219_200.0..253_402_300_800.0).contains(&seconds)) {
                quirks.push("beyond_calendar");
            }
            if NUMBERS.contains(&name) && value.as_str().is_some_and(|text| text.chars().any(is_other_digit)) {
                quirks.push("other_digits");
            }
        });
    }
    quirks
}

fn is_other_digit(letter: char) -> bool {
    letter.is_numeric() && !letter.is_ascii()
}

/// The number of seconds that a value is: a number, or a text of digits with a point at most.
fn seconds(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(number.to_string().parse().unwrap_or(f64::INFINITY)),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => text.parse().ok(),
        _ => None,
    }
}

/// Every member of every object, with the name of the member that the object is.
fn members(value: &Value, parent: &str, see: &mut impl FnMut(&str, &str, &Value)) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                see(parent, name, value);
                members(value, name, see);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, parent, see)),
        _ => {}
    }
}

/// Compares what a document becomes, or whether it is refused.
pub(crate) fn check(case: &mut Case) {
    let written = read_and_write(&case.text("type"), &case.text("input_text"));
    let is_accepted = case.member("accepted") == true;
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

/// An instant is a text of digits, or has this form: `2016-01-19T09:00:00`, a fraction of 1 to 9 digits, and `Z` or an
/// offset of hours and minutes. Blanks around it, and small letters, are taken.
fn refuse_odd_instants(line: &mut Value) {
    let input = serde_json::from_str(line["input_text"].as_str().unwrap_or_default()).unwrap_or(Value::Null);
    let mut is_odd = false;
    members(&input, "", &mut |_, name, value| {
        if let Some(text) = value.as_str().filter(|_| INSTANTS.contains(&name)) {
            let text = text.trim();
            is_odd |= !text.is_empty() && seconds(&text.into()).is_none() && !has_form_of_instant(text);
        }
    });
    if is_odd {
        refuse(line);
    }
}

/// Negative numbers of seconds as they are. The original takes the whole part, and adds the fraction as if it were positive.
fn with_whole_fractions(line: &mut Value) {
    let input = serde_json::from_str(line["input_text"].as_str().unwrap_or_default()).unwrap_or(Value::Null);
    let mut output = line["output_text"].as_str().unwrap_or_default().to_owned();
    members(&input, "", &mut |_, name, value| {
        let Some(ours) = value.as_number().and_then(|number| Span::parse_decimal(&number.to_string()).ok()) else {
            return;
        };
        let whole = ours.nanos() / 1_000_000_000 * 1_000_000_000;
        let Some(theirs) = Span::from_nanos(whole + (whole - ours.nanos()).abs()) else { return };
        if whole >= 0 || whole == ours.nanos() {
            return;
        }
        if name == "running_timeout" {
            output = output
                .replace(&format!("{DURATION}{}", theirs.to_decimal()), &format!("{DURATION}{}", ours.to_decimal()));
        } else if INSTANTS.contains(&name) {
            let text = |span| instant_after_epoch(span).map(format_instant).unwrap_or_default();
            output = output.replace(&text(theirs), &text(ours));
        }
    });
    line["output_text"] = output.into();
}

fn has_form_of_instant(text: &str) -> bool {
    let text = text.to_uppercase();
    let Some((date_time, zone)) = text.get(..19).zip(text.get(19..)) else { return false };
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let fields = date_time.split(['-', 'T', ':']).collect::<Vec<_>>();
    let is_form = matches!(fields[..], [year, month, day, hour, minute, second]
        if digits(year, 4) && [month, day, hour, minute, second].iter().all(|field| digits(field, 2))
            && hour < "24" && minute < "60" && second < "60");
    let zone = match zone.strip_prefix('.') {
        Some(rest) => match rest.find(|letter: char| !letter.is_ascii_digit()) {
            Some(end @ 1..=9) => &rest[end..],
            _ => return false,
        },
        None => zone,
    };
    let is_offset = |text: &str| {
        text.strip_prefix(['+', '-'])
            .and_then(|rest| rest.split_once(':'))
            .is_some_and(|(hours, minutes)| digits(hours, 2) && digits(minutes, 2))
    };
    is_form && (zone == "Z" || is_offset(zone))
}

fn with_the_id_of_its_configuration(line: &mut Value) {
    let text = line["output_text"].as_str().unwrap_or_default();
    let output: Value = serde_json::from_str(text).unwrap_or_default();
    let workflow = if output["workflow"].is_object() { &output["workflow"] } else { &output };
    let member = |value: &Value| format!(r#""workflow_id":{value},"configuration":"#);
    let ours = text.replace(&member(&workflow["workflow_id"]), &member(&workflow["configuration"]["id"]));
    line["output_text"] = ours.into();
}
