//! The rules for workflows and for the names of images.

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use styx_core::schedule::{Offset, Schedule};
use styx_core::workflow::{Span, Strictness, ValidationError, WorkflowConfiguration, validate};

use crate::harness::{Case, Rule, Verdict};

/// What we do with the quirks of `validation.jsonl`.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        quirk: "crash",
        kinds: &["workflow"],
        verdict: Verdict::Adapted(expect_refusal),
        count: 7,
        reason: "what cannot be stored is refused with a reason, not by an internal error",
        anchor: "workflow-crash",
    },
    Rule {
        quirk: "trailing_slash",
        kinds: &[],
        verdict: Verdict::Adapted(expect_no_image),
        count: 3,
        reason: "no registry has an image without a name",
        anchor: "workflow-trailing-slash",
    },
    Rule {
        quirk: "signed_port",
        kinds: &[],
        verdict: Verdict::Adapted(expect_no_image),
        count: 1,
        reason: "a port has no sign",
        anchor: "workflow-signed-port",
    },
    Rule {
        quirk: "odd_schedule",
        kinds: &["workflow"],
        verdict: Verdict::Adapted(expect_invalid_schedule),
        count: 14,
        reason: "alternatives, signs and other digits, of which the file names none, are refused as `vectors_schedule` has it",
        anchor: "schedule-alternatives",
    },
    Rule {
        quirk: "odd_offset",
        kinds: &["workflow"],
        verdict: Verdict::Adapted(expect_invalid_offset),
        count: 5,
        reason: "a fraction has digits, as `vectors_schedule` has it",
        anchor: "schedule-bare-fraction-dot",
    },
    Rule {
        quirk: "dots_as_id",
        kinds: &["workflow"],
        verdict: Verdict::Adapted(expect_no_dots),
        count: 4,
        reason: "no path could name it",
        anchor: "bounded-lengths",
    },
    Rule {
        quirk: "hyphen_in_domain",
        kinds: &["workflow"],
        verdict: Verdict::Copied,
        count: 6,
        reason: "the rules name it (V-16)",
        anchor: "",
    },
];

/// Compares what we say of a workflow, or of an image, with what Styx says.
pub(crate) fn check(case: &mut Case) {
    match case.text("kind").as_str() {
        "workflow" if case.member("crash").is_null() => check_workflow(case),
        "workflow" => check_crash(case),
        "image" => check_image(case),
        kind => case.fail(format!("the kind {kind} is not known")),
    }
}

fn check_workflow(case: &mut Case) {
    let configuration = match read(case) {
        Ok(configuration) => configuration,
        Err(error) => return case.fail(error),
    };
    let limit = limit(case);
    let errors = case.member("errors");
    let errors = errors.as_array().map_or(&[][..], Vec::as_slice);
    let at_client = case.member("errors_client_side").as_u64().unwrap_or(0);
    let at_client = usize::try_from(at_client).unwrap_or(usize::MAX).min(errors.len());
    for (field, errors, limit) in [("errors", errors, limit), ("errors_client_side", &errors[..at_client], None)] {
        let expected: Vec<String> = errors.iter().map(text_of_contract).collect();
        let got = validate(&case.text("component_id"), &case.text("workflow_id"), &configuration, limit);
        let got = got.iter().map(text_of_ours).collect();
        compare(case, field, expected, got);
    }
}

fn check_image(case: &mut Case) {
    let mut configuration = WorkflowConfiguration::new("wf", "days");
    configuration.docker_image = Some(case.text("image"));
    let got = validate("styx", "wf", &configuration, None);
    let prefixed = |error: &Value| format!("invalid image: {}", error.as_str().unwrap_or_default());
    let expected = case.member("errors").as_array().into_iter().flatten().map(prefixed).collect();
    compare(case, "errors", expected, got.into_iter().map(|error| error.text).collect());
}

/// What made Styx fail must be refused: when it is read, by a rule, or because it has no first trigger.
fn check_crash(case: &mut Case) {
    let outcome = read(case).map(|configuration| {
        let errors = validate(&case.text("component_id"), &case.text("workflow_id"), &configuration, limit(case));
        let offset = Offset::parse(configuration.offset.as_deref().unwrap_or("PT0S"));
        let trigger = match (Schedule::parse(configuration.schedule.as_str()), offset) {
            (Ok(schedule), Ok(offset)) => schedule.first_natural(&offset, DateTime::UNIX_EPOCH),
            _ => None,
        };
        errors.is_empty() && trigger.is_some()
    });
    let outcome = if outcome == Ok(true) { "stored" } else { "refused" };
    case.expect("outcome", outcome);
}

fn read(case: &Case) -> Result<WorkflowConfiguration, String> {
    WorkflowConfiguration::from_value(case.member("configuration"), Strictness::Lenient)
        .map_err(|error| error.to_string())
}

fn limit(case: &Case) -> Option<TimeDelta> {
    Span::parse_iso(&case.text("max_running_timeout")).ok().map(Span::to_delta)
}

/// Compares two lists in which the reasons for refusing an image may have any order.
fn compare(case: &mut Case, field: &'static str, mut expected: Vec<String>, mut got: Vec<String>) {
    let is_image = |text: &String| text.starts_with("invalid image: ");
    if case.member("image_refused") == true {
        case.expect("image_refused", got.iter().any(is_image));
        expected.retain(|text| !is_image(text));
        got.retain(|text| !is_image(text));
    }
    for texts in [&mut expected, &mut got] {
        let start = texts.iter().position(is_image).unwrap_or(0);
        let count = texts.iter().filter(|text| is_image(text)).count();
        texts[start..start + count].sort();
    }
    case.expect_value(field, &json!(expected), got);
}

/// As much of a text of Styx as is contract.
fn text_of_contract(error: &Value) -> String {
    let member = if error["compare"] == "prefix" { "prefix" } else { "text" };
    error[member].as_str().unwrap_or_default().to_owned()
}

/// The same of ours.
fn text_of_ours(error: &ValidationError) -> String {
    match error.rule {
        "V-13" => "invalid offset: ".to_owned(),
        "V-17" => "invalid retry condition: ".to_owned(),
        _ => error.text.clone(),
    }
}

/// `alternatives`, `signed_number`, `trailing_slash` and `non_ascii_digit`.
fn is_odd_schedule(text: &str) -> bool {
    let has_trailing_slash = text.split([' ', ',']).any(|item| item.len() > 1 && item.ends_with('/'));
    text.contains(['|', '+']) || has_trailing_slash || text.chars().any(|c| c.is_numeric() && !c.is_ascii())
}

/// Quirks of a line that the file doesn't name.
pub(crate) fn quirks(line: &Value) -> Vec<&'static str> {
    let text = |member: &str| line["configuration"][member].as_str().unwrap_or_default().to_owned();
    let mut quirks = Vec::new();
    if is_odd_schedule(&text("schedule")) {
        quirks.push("odd_schedule");
    }
    if is_odd_offset(&text("offset")) {
        quirks.push("odd_offset");
    }
    if matches!(text("id").as_str(), "." | "..") {
        quirks.push("dots_as_id");
    }
    quirks
}

/// `bare_fraction_dot`.
fn is_odd_offset(text: &str) -> bool {
    text.to_uppercase().contains(".S") || text.to_uppercase().contains(",S")
}

/// The beginnings of the errors that come after that of an offset, in their order.
const AFTER_OFFSET: [&str; 13] = [
    "invalid schedule",
    "running timeout is too small",
    "service account is not",
    "invalid retry condition",
    "configuration cannot",
    "docker args",
    "invalid image",
    "only launch plans",
    "domain cannot",
    "project cannot",
    "name cannot",
    "version cannot",
    "running timeout is too big",
];

/// Puts an error of ours before those that begin like one of these, unless Styx has it too.
fn insert(line: &mut Value, error: &str, before: &[&str]) {
    let Some(errors) = line["errors"].as_array_mut() else { return };
    let begins = |text: &str, start: &str| text_of_contract(&json!({ "text": text })).starts_with(start);
    if errors.iter().any(|known| begins(known["text"].as_str().unwrap_or_default(), error)) {
        return;
    }
    let is_later = |known: &Value| before.iter().any(|start| begins(known["text"].as_str().unwrap_or_default(), start));
    let at = errors.iter().position(is_later).unwrap_or(errors.len());
    errors.insert(at, json!({ "text": error, "compare": "exact" }));
    let at_client = line["errors_client_side"].as_u64().unwrap_or_default();
    line["errors_client_side"] = (at_client + 1).into();
}

fn expect_invalid_schedule(line: &mut Value) {
    insert(line, "invalid schedule", &AFTER_OFFSET[1..]);
}

fn expect_invalid_offset(line: &mut Value) {
    insert(line, "invalid offset: ", &AFTER_OFFSET);
}

fn expect_no_dots(line: &mut Value) {
    let id = line["configuration"]["id"].as_str().unwrap_or_default();
    insert(line, &format!("id cannot be {id}: in a path it names something else"), &["running timeout is too big"]);
}

fn expect_refusal(line: &mut Value) {
    line["outcome"] = "refused".into();
}

fn expect_no_image(line: &mut Value) {
    line["image_refused"] = true.into();
}
