//! What a pod says about its execution, as events of its run.
//!
//! The table of Styx 2.x stands here once more, with a switch for each rule by which ours differs. With all switches off it
//! must answer what the vectors say; each rule then turns one on, in the order of the list.

use serde_json::{Map, Value, json};
use styx_core::executor::Observed;
use styx_k8s::{
    pod::INSTANCE_ANNOTATION,
    verdict::{History, Outcome},
    view::PodView,
};

use crate::harness::{Case, Rule, Verdict};

const IMAGE_ERRORS: [&str; 6] = [
    "ImageInspectError",
    "PullImageError",
    "ErrImagePull",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "RegistryUnavailable",
];
/// Reasons of a pod that its node ended or refused; all that begin with `OutOf` as well.
const NODE_REASONS: [&str; 7] = [
    "Terminated",
    "Shutdown",
    "NodeShutdown",
    "Preempting",
    "NodeAffinity",
    "UnexpectedAdmissionError",
    "TopologyAffinityError",
];

/// The switches, as indexes of [`RULES`].
const ODD_PODS: usize = 0;
const FOREIGN: usize = 1;
const NULL_CODE: usize = 2;
const UNREACHABLE: usize = 3;
const IMAGE_WAITS: usize = 4;
const ANY_PHASE: usize = 5;
const RUNNING: usize = 6;
const EXIT_ZERO: usize = 7;
const INFRASTRUCTURE: usize = 8;
const DEADLINE: usize = 9;
const STARTED_FIRST: usize = 10;

/// What we do with the quirks of `pod-events.jsonl`, and where our verdict differs.
pub(crate) const RULES: &[Rule] = &[
    rule(
        "crash",
        ours::<ODD_PODS>,
        30,
        "what is missing in a pod is absent, and no reason to fail",
        "kubernetes-odd-pods",
    ),
    rule("foreign", ours::<FOREIGN>, 6, "a pod without the annotation isn't ours", "kubernetes-foreign"),
    rule("null_code", ours::<NULL_CODE>, 10, "a code that isn't there is no success", "kubernetes-null-exit-code"),
    rule("unreachable", ours::<UNREACHABLE>, 185, "what can't be reached isn't lost", "kubernetes-unreachable"),
    rule("image_waits", ours::<IMAGE_WAITS>, 26, "most pulls succeed a minute later", "kubernetes-image-waits"),
    rule("any_phase", ours::<ANY_PHASE>, 145, "a container's state says more than the phase", "kubernetes-phase"),
    rule("running", ours::<RUNNING>, 71, "what runs has started, ready or not", "kubernetes-started"),
    rule("exit_zero", ours::<EXIT_ZERO>, 37, "the keepalive's end fails the pod, not the job", "kubernetes-exit-zero"),
    rule("infrastructure", ours::<INFRASTRUCTURE>, 65, "it costs the workflow no try", "kubernetes-infrastructure"),
    rule("deadline", ours::<DEADLINE>, 7, "somebody put the limit on the pod", "kubernetes-deadline"),
    rule("started_first", ours::<STARTED_FIRST>, 73, "a job that ran has started", "kubernetes-started-first"),
];

const fn rule(
    quirk: &'static str,
    ours: fn(&mut Value),
    count: usize,
    reason: &'static str,
    anchor: &'static str,
) -> Rule {
    Rule { quirk, kinds: &[], verdict: Verdict::Adapted(ours), count, reason, anchor }
}

/// Every line may need every rule. Each line also checks that the table below is that of Styx 2.x.
pub(crate) fn quirks(line: &Value) -> Vec<&'static str> {
    if line["crash"].is_null() {
        let (events, metrics) = table(line, 0);
        assert_eq!(json!(events), line["events"], "the table of Styx 2.x in this test, {}", line["id"]);
        assert_eq!(json!(metrics), line["metrics"], "the metrics of Styx 2.x in this test, {}", line["id"]);
    }
    RULES.iter().map(|rule| rule.quirk).collect()
}

/// Compares the events of the run.
pub(crate) fn check(case: &mut Case) {
    let state = case.text("state");
    let json = case.member("pod").to_string();
    let pod = PodView::from_json(json.as_bytes()).expect("every JSON is a pod");
    let (events, metrics) = match pod.annotations.contains_key(INSTANCE_ANNOTATION) {
        true => events(&state, &History::default().observe(&pod, None)),
        false => (Vec::new(), Vec::new()),
    };
    case.expect("events", events);
    case.expect("metrics", metrics);
}

/// The events that follow from an outcome in a state of the run.
fn events(state: &str, outcome: &Outcome) -> (Vec<Value>, Vec<Value>) {
    let is_early = matches!(state, "PREPARE" | "SUBMITTED");
    let started = || if is_early { vec![json!({"name": "started"})] } else { Vec::new() };
    if !is_early && state != "RUNNING" {
        return (Vec::new(), Vec::new());
    }
    match outcome {
        Outcome::Waiting(_) => (Vec::new(), Vec::new()),
        Outcome::Running(_) => (started(), Vec::new()),
        Outcome::Ended(end) => {
            let mut events = if end.ran { started() } else { Vec::new() };
            events.push(match end.observed() {
                Observed::Exited { code: Some(code) } => json!({"name": "terminate", "exit_code": code}),
                Observed::Exited { code: None } => json!({"name": "terminate", "exit_code": null}),
                Observed::NotLaunchable { reason } | Observed::Lost { reason } => {
                    json!({"name": "runError", "message": &*reason})
                }
                other => panic!("no event for {other:?}"),
            });
            (events, end.log_trouble.iter().map(|trouble| trouble.as_str().into()).collect())
        }
    }
}

/// Turns a line into what we answer, by the rule of this index and those before it.
fn ours<const RULE: usize>(line: &mut Value) {
    let (events, metrics) = table(line, RULE + 1);
    line["events"] = events.into();
    line["metrics"] = metrics.into();
}

/// The table of the spec (part d, "From pod status to events"), with the first rules of the list turned on.
fn table(line: &Value, rules: usize) -> (Vec<Value>, Vec<Value>) {
    let is_on = |rule: usize| rule < rules;
    let (state, pod) = (line["state"].as_str().unwrap_or_default(), &line["pod"]);
    let is_early = matches!(state, "PREPARE" | "SUBMITTED");
    let nothing = (Vec::new(), Vec::new());
    let no_annotations = Map::new();
    let annotations = pod["metadata"]["annotations"].as_object().unwrap_or(&no_annotations);
    let is_ours = annotations.contains_key(INSTANCE_ANNOTATION);
    if (!is_ours && is_on(FOREIGN)) || (!is_early && state != "RUNNING") {
        return nothing;
    }
    let status = &pod["status"];
    let (phase, reason) = (status["phase"].as_str().unwrap_or_default(), status["reason"].as_str().unwrap_or_default());
    let is_nodes = NODE_REASONS.contains(&reason) || reason.starts_with("OutOf");
    let said = match status["message"].as_str().map(str::trim).unwrap_or_default() {
        "" => reason.to_owned(),
        message => format!("{reason}: {message}"),
    };
    let main = status["containerStatuses"].as_array().into_iter().flatten().find(|one| one["name"] == "styx-run");
    let main = main.filter(|_| is_ours);
    let state_of = |member: &str| main.map_or(&Value::Null, |main| &main["state"][member]).as_object();
    let (waiting, running, terminated) = (state_of("waiting"), state_of("running"), state_of("terminated"));
    let terminal = matches!(phase, "Succeeded" | "Failed");
    let started = || is_early.then(|| json!({"name": "started"}));
    let run_error = |message: String, ran: bool| {
        let first = started().filter(|_| ran && is_on(STARTED_FIRST));
        (first.into_iter().chain([json!({"name": "runError", "message": message})]).collect(), Vec::new())
    };

    if reason == "NodeLost" && !is_on(UNREACHABLE) {
        return run_error("Lost node running pod".into(), false);
    }
    let pending =
        if is_on(ANY_PHASE) { !terminal && terminated.is_none() && running.is_none() } else { phase == "Pending" };
    if let Some(waiting) = waiting.filter(|_| pending) {
        let text = |member: &str| waiting.get(member).and_then(Value::as_str).unwrap_or_default();
        let image = main.and_then(|main| main["image"].as_str());
        if IMAGE_ERRORS.contains(&text("reason")) && !is_on(IMAGE_WAITS) {
            let (image, reason, message) = (image.unwrap_or("null"), text("reason"), text("message"));
            let image = format!("Failed to pull image {image} of container styx-run");
            return run_error(format!("{image}, reason: {reason}, message: {message}"), false);
        }
        if text("reason") == "InvalidImageName" {
            let image = image.unwrap_or_default();
            let message = text("message");
            return run_error(format!("Container styx-run has invalid image name {image}, message: {message}"), false);
        }
    }
    if phase == "Unknown" && !is_on(UNREACHABLE) {
        return run_error("Pod entered Unknown phase".into(), false);
    }
    if let Some(end) = terminated.filter(|_| phase == "Running" || terminal || is_on(ANY_PHASE)) {
        let (code, metrics) = exit_code(annotations, end, phase, &is_on);
        if code != Some(0) && is_nodes && is_on(INFRASTRUCTURE) && !keepalive_runs(status) {
            let (events, _) = run_error(said, true);
            return (events, metrics);
        }
        let ended = match code {
            Some(code) => json!({"name": "terminate", "exit_code": code}),
            None => json!({"name": "terminate", "exit_code": null}),
        };
        return (started().into_iter().chain([ended]).collect(), metrics);
    }
    if terminal {
        let runs = running.is_some();
        if reason == "DeadlineExceeded" && is_on(DEADLINE) {
            return match runs {
                true => (
                    started().into_iter().chain([json!({"name": "terminate", "exit_code": null})]).collect(),
                    Vec::new(),
                ),
                false => run_error(said, false),
            };
        }
        let text = match main {
            None => "Could not find our container in pod",
            Some(_) => "Unexpected null terminated status",
        };
        if is_nodes && is_on(INFRASTRUCTURE) {
            return run_error(said, runs);
        }
        let is_said = is_on(INFRASTRUCTURE) && !reason.is_empty();
        return run_error(if is_said { format!("{text}: {said}") } else { text.to_owned() }, runs);
    }
    let is_ready = main.is_some_and(|main| main["ready"] == true);
    let runs = if is_on(RUNNING) { running.is_some() } else { phase == "Running" && is_ready };
    if runs { (started().into_iter().collect(), Vec::new()) } else { nothing }
}

fn keepalive_runs(status: &Value) -> bool {
    let mut containers = status["containerStatuses"].as_array().into_iter().flatten();
    let keepalive = containers.find(|one| one["name"] == "keepalive");
    keepalive.is_some_and(|one| one["state"]["running"].is_object() && !one["state"]["terminated"].is_object())
}

/// The exit code, and the metrics that it counts.
fn exit_code(
    annotations: &Map<String, Value>,
    end: &Map<String, Value>,
    phase: &str,
    is_on: &dyn Fn(usize) -> bool,
) -> (Option<i64>, Vec<Value>) {
    let container = end.get("exitCode").and_then(Value::as_i64);
    if annotations.get("styx-docker-termination-logging").is_none_or(|value| value != "true") {
        let code = if phase == "Failed" && !is_on(EXIT_ZERO) { container.filter(|code| *code != 0) } else { container };
        return (code, Vec::new());
    }
    let without_log = container.filter(|code| *code != 0);
    let Some(message) = end.get("message").and_then(Value::as_str) else {
        return (without_log, vec!["termination_log_missing".into()]);
    };
    match logged(message, is_on(NULL_CODE)) {
        None => (without_log, vec!["termination_log_invalid".into()]),
        Some(logged) => {
            let metrics = if container == Some(logged) { Vec::new() } else { vec!["exit_code_mismatch".into()] };
            (if logged == 0 { container.or(Some(0)) } else { Some(logged) }, metrics)
        }
    }
}

/// The code in a termination log, as Styx 2.x reads it.
fn logged(message: &str, is_null_nothing: bool) -> Option<i64> {
    let text = message.trim_start_matches('\u{feff}');
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    if text[..values.byte_offset()].matches("\"exit_code\"").count() > 1 {
        return None;
    }
    let code = value.as_object()?.get("exit_code")?;
    let code = match code {
        Value::Null => (!is_null_nothing).then_some(0),
        Value::String(text) if text.is_empty() => (!is_null_nothing).then_some(0),
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number.trunc() as i64)),
        _ => None,
    };
    code.filter(|code| i32::try_from(*code).is_ok())
}
