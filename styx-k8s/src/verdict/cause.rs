//! What ended a pod, or threatens it, beside its own job.

use super::{Case, is_real};
use crate::view::{ContainerState, PodView, Termination};

/// The condition that says that something other than the job ends the pod.
const DISRUPTION_TARGET: &str = "DisruptionTarget";
/// Reasons of it that are only given once the pod has ended; the others may stay behind after a deletion that failed.
const FINAL_DISRUPTIONS: [&str; 2] = ["TerminationByKubelet", "DeletionByPodGC"];
/// Reasons of a pod that its node ended: shut down gracefully (by the names of several releases), or in favour of another
/// pod.
const NODE_REASONS: [&str; 4] = ["Terminated", "Shutdown", "NodeShutdown", "Preempting"];
/// Reasons of a pod that its node refused to take; all that begin with `OutOf` as well.
const ADMISSION_REASONS: [&str; 12] = [
    "UnexpectedAdmissionError",
    "NodeAffinity",
    "NodeName",
    "NodePorts",
    "InvalidNodeInfo",
    "TopologyAffinityError",
    "PodOSNotSupported",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "PodFeatureUnsupported",
    "AppArmor",
    "SysctlForbidden",
    "UnknownReason",
];
/// What the kubelet (its eviction manager) says of a pod that went beyond a limit of its own.
const OWN_LIMITS: [&str; 3] =
    ["exceeded its local ephemeral storage limit", "ephemeral local storage usage exceeds", "usage of emptydir volume"];
/// What it says of one that the node has no room for.
const NODE_PRESSURE: [&str; 2] = ["low on resource", "the node had condition"];

/// What a runtime says of a program that the image doesn't have, or that isn't one.
const ABOUT_PROGRAM: [&str; 4] =
    ["executable file not found", "not found in $path", "exec format error", "chdir to cwd"];
/// What it says of the file behind `exec: "NAME"`.
const ABOUT_FILE: [&str; 4] = ["no such file or directory", "not a directory", "is a directory", "permission denied"];
/// What it says when it, or its node, is at fault.
const RUNTIME_TROUBLE: [&str; 25] = [
    "context deadline exceeded",
    "context canceled",
    "deadlineexceeded",
    "timed out",
    "i/o timeout",
    "no space left on device",
    "cannot allocate memory",
    "resource temporarily unavailable",
    "too many open files",
    "device or resource busy",
    "input/output error",
    "stale file handle",
    "transport endpoint is not connected",
    "connection refused",
    "connection reset",
    "transport is closing",
    "ttrpc",
    "broken pipe",
    "shim disconnected",
    "code = unavailable",
    "unable to create new parent process",
    "from pipe",
    "read init-p",
    "cgroup",
    "nvidia-container",
];

/// The limit of its own that the pod went beyond: of storage, or of time (`activeDeadlineSeconds`).
pub(super) fn own_limit(pod: &PodView) -> Option<String> {
    let message = lower_case(pod.message.as_deref());
    match pod.reason.as_deref() {
        Some("DeadlineExceeded") => Some(describe_pod(pod)),
        // An eviction may come without its reason, but not with another one.
        Some("Evicted") | None if OWN_LIMITS.iter().any(|text| message.contains(text)) => Some(describe_pod(pod)),
        _ => None,
    }
}

/// What of the infrastructure ended the pod.
pub(super) fn infrastructure(case: &Case<'_>) -> Option<String> {
    let pod = case.pod;
    if let Some(condition) = pod.true_condition(DISRUPTION_TARGET) {
        let reason = condition.reason.as_deref().unwrap_or_default();
        if FINAL_DISRUPTIONS.contains(&reason) || pod.deletion.is_some() {
            return Some(describe(condition.reason.as_deref(), condition.message.as_deref()));
        }
    }
    if has_reason_of_infrastructure(pod) {
        return Some(describe_pod(pod));
    }
    case.is_deleted_by_others().then(|| with_pod_reason(pod, "the pod was deleted by somebody else"))
}

fn has_reason_of_infrastructure(pod: &PodView) -> bool {
    let message = lower_case(pod.message.as_deref());
    match pod.reason.as_deref() {
        Some("Evicted") => NODE_PRESSURE.iter().any(|text| message.contains(text)),
        Some(reason) => {
            NODE_REASONS.contains(&reason)
                || ADMISSION_REASONS.contains(&reason)
                || reason.starts_with("OutOf")
                || message.starts_with("pod was rejected")
        }
        None => false,
    }
}

/// What threatens a pod whose job runs.
pub(super) fn threat(pod: &PodView) -> Option<String> {
    if let Some(condition) = pod.true_condition(DISRUPTION_TARGET) {
        Some(describe(condition.reason.as_deref(), condition.message.as_deref()))
    } else if pod.phase == "Unknown" || pod.reason.as_deref() == Some("NodeLost") {
        Some(with_pod_reason(pod, "the node can't be reached"))
    } else {
        pod.deletion.is_some().then(|| "the pod is being deleted".to_owned())
    }
}

/// The init container that failed, and whether a template names it. A sidecar's end fails nothing.
pub(super) fn failed_init_container(pod: &PodView) -> Option<(String, bool)> {
    pod.init_containers.iter().filter(|init| !pod.sidecars.contains(&init.name)).find_map(|init| match &init.state {
        ContainerState::Terminated(end) if is_real(end) && end.exit_code != Some(0) => {
            let code = end.exit_code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
            let text = format!("init container {} failed, exit code: {code}", init.name);
            Some((with_message(text, end.message.as_deref()), pod.is_of_template(&init.name)))
        }
        _ => None,
    })
}

/// What the runtime says about itself where it couldn't start the container. Anything else that it says is about the image or
/// the arguments.
pub(super) fn runtime_trouble(end: &Termination) -> Option<String> {
    if !matches!(end.reason.as_deref(), Some("StartError" | "ContainerCannotRun")) {
        return None;
    }
    let message = end.message.as_deref()?;
    let said = lower_case(Some(message));
    let is_about_program = ABOUT_PROGRAM.iter().any(|text| said.contains(text))
        || (said.contains("exec: ") && ABOUT_FILE.iter().any(|text| said.contains(text)));
    // What stands in quotes is the workflow's: a program may be called "timed out".
    let unquoted = unquoted(&said);
    let names_trouble = !is_about_program && RUNTIME_TROUBLE.iter().any(|text| unquoted.contains(text));
    names_trouble.then(|| format!("the runtime couldn't start the container: {message}"))
}

/// The text without what stands between double quotes.
fn unquoted(text: &str) -> String {
    // Quotes within quotes are escaped with a backslash.
    text.replace("\\\"", "'").split('"').step_by(2).collect()
}

/// The pod's own reason and message, and the text if it has neither.
pub(super) fn with_pod_reason(pod: &PodView, text: &str) -> String {
    let says = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    if says(&pod.reason) || says(&pod.message) { format!("{text}: {}", describe_pod(pod)) } else { text.to_owned() }
}

fn describe_pod(pod: &PodView) -> String {
    describe(pod.reason.as_deref(), pod.message.as_deref())
}

fn describe(reason: Option<&str>, message: Option<&str>) -> String {
    let message = message.map(str::trim).filter(|message| !message.is_empty());
    match (reason.filter(|reason| !reason.is_empty()), message) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => "no reason given".to_owned(),
    }
}

/// The text, and the message behind it if there is one.
pub(super) fn with_message(text: String, message: Option<&str>) -> String {
    match message.map(str::trim).filter(|message| !message.is_empty()) {
        Some(message) => format!("{text}, message: {message}"),
        None => text,
    }
}

fn lower_case(text: Option<&str>) -> String {
    text.unwrap_or_default().to_ascii_lowercase()
}
