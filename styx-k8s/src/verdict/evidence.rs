//! The facts that a verdict rests on, as JSON of a bounded length.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use styx_core::record::Cause;

use super::{Case, Class, VERSION};
use crate::view::{ContainerState, ContainerView};

/// How many characters of a text are kept, and how many if that is too much altogether.
const TEXT_LENGTHS: [usize; 3] = [2_048, 256, 32];
/// How many conditions and containers are kept, likewise.
const COUNTS: [usize; 3] = [16, 8, 3];

/// The facts of a verdict; at most [`Cause::MAX_EVIDENCE`] bytes.
pub(super) fn evidence(case: &Case<'_>, class: Class, code: Option<i32>, reason: &str) -> Arc<[u8]> {
    for (length, count) in TEXT_LENGTHS.into_iter().zip(COUNTS) {
        let facts = facts(case, class, code, reason, length, count).to_string();
        if facts.len() <= Cause::MAX_EVIDENCE {
            return facts.into_bytes().into();
        }
    }
    json!({"verdict": VERSION, "class": class.as_str(), "code": code}).to_string().into_bytes().into()
}

fn facts(case: &Case<'_>, class: Class, code: Option<i32>, reason: &str, length: usize, count: usize) -> Value {
    let cut = |text: &str| Value::from(text.chars().take(length).collect::<String>());
    let text = |text: &Option<String>| text.as_deref().map(cut);
    let pod = case.pod;
    let conditions = pod.conditions.iter().filter(|condition| is_telling(&condition.kind, &condition.status));
    let conditions: Vec<Value> = conditions
        .take(count)
        .map(|condition| {
            object([
                ("type", Some(cut(&condition.kind))),
                ("status", Some(cut(&condition.status))),
                ("reason", text(&condition.reason)),
                ("message", text(&condition.message)),
                ("lastTransitionTime", condition.since.map(|at| at.to_rfc3339().into())),
            ])
        })
        .collect();
    let containers = |containers: &[ContainerView]| {
        let shown: Vec<Value> = in_order(containers).take(count).map(|one| container(one, length)).collect();
        (!shown.is_empty()).then_some(Value::from(shown))
    };
    let deletion = pod.deletion.map(|deletion| {
        object([
            ("timestamp", deletion.at.map(|at| at.to_rfc3339().into())),
            ("graceSeconds", deletion.grace_seconds.map(Value::from)),
            ("byOthers", Some(case.is_deleted_by_others().into())),
        ])
    });
    object([
        ("verdict", Some(VERSION.into())),
        ("class", Some(class.as_str().into())),
        ("code", code.map(Value::from)),
        ("why", Some(cut(reason))),
        ("uid", (!pod.uid.is_empty()).then(|| cut(&pod.uid))),
        ("resourceVersion", (!pod.resource_version.is_empty()).then(|| cut(&pod.resource_version))),
        ("node", text(&pod.node)),
        ("phase", (!pod.phase.is_empty()).then(|| cut(&pod.phase))),
        ("reason", text(&pod.reason)),
        ("message", text(&pod.message)),
        ("deletion", deletion),
        ("stopAskedAt", case.stop.map(|stop| stop.at.to_rfc3339().into())),
        ("restarts", (case.seen.restarts > 0).then(|| case.seen.restarts.into())),
        ("conditions", (!conditions.is_empty()).then(|| conditions.into())),
        ("initContainers", containers(&pod.init_containers)),
        ("containers", containers(&pod.containers)),
    ])
}

/// Whether a condition says something about an end.
fn is_telling(kind: &str, status: &str) -> bool {
    !matches!(kind, "Ready" | "ContainersReady" | "PodReadyToStartContainers")
        && (status == "True") != (kind == "PodScheduled")
        && kind != "Initialized"
}

/// The job's container and the keepalive first: they are kept whatever else there is.
fn in_order(containers: &[ContainerView]) -> impl Iterator<Item = &ContainerView> {
    let is_own = |container: &&ContainerView| {
        matches!(container.name.as_str(), crate::pod::MAIN_CONTAINER | crate::pod::KEEPALIVE_CONTAINER)
    };
    containers.iter().filter(is_own).chain(containers.iter().filter(move |container| !is_own(container)))
}

fn container(container: &ContainerView, length: usize) -> Value {
    let cut = |text: &str| Value::from(text.chars().take(length).collect::<String>());
    let text = |text: &Option<String>| text.as_deref().map(cut);
    let state = match &container.state {
        ContainerState::Absent => json!({}),
        ContainerState::Waiting { reason, message } => {
            json!({"waiting": object([("reason", text(reason)), ("message", text(message))])})
        }
        ContainerState::Running { started_at } => {
            json!({"running": object([("startedAt", started_at.map(|at| at.to_rfc3339().into()))])})
        }
        ContainerState::Terminated(end) => json!({"terminated": object([
            ("exitCode", end.exit_code.map(Value::from)),
            ("signal", end.signal.map(Value::from)),
            ("reason", text(&end.reason)),
            ("message", text(&end.message)),
            ("startedAt", end.started_at.map(|at| at.to_rfc3339().into())),
            ("finishedAt", end.finished_at.map(|at| at.to_rfc3339().into())),
        ])}),
    };
    object([
        ("name", Some(cut(&container.name))),
        ("containerID", text(&container.container_id)),
        ("restartCount", (container.restart_count > 0).then(|| container.restart_count.into())),
        ("state", Some(state)),
    ])
}

/// An object of those members that there are.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let present = members.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)));
    present.collect::<Map<_, _>>().into()
}
