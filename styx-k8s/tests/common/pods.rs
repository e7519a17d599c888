//! Builds pods as the API server shows them.

#![allow(dead_code, reason = "several tests build pods, and not every one needs all of it")]

use serde_json::{Value, json};
use styx_k8s::view::PodView;
use uuid::Uuid;

/// The log of the pods.
pub(crate) const LOG_ID: Uuid = Uuid::from_u128(7);

/// The second of the minute at which the jobs of these tests begin.
const BEGIN: u32 = 10;

/// A pod while it is built.
#[derive(Clone, Debug)]
pub(crate) struct TestPod(pub(crate) Value);

/// A pod in this phase, with a job and a keepalive in these states.
pub(crate) fn pod(phase: &str, job: Value, keepalive: Value) -> TestPod {
    empty_pod(phase).container("keepalive", keepalive).container("styx-run", job)
}

/// A pod in this phase without a container.
pub(crate) fn empty_pod(phase: &str) -> TestPod {
    TestPod(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "styx-run-0b5e2a52-8f0e-4f5e-9a51-1f2e3d4c5b6a",
            "namespace": "jobs",
            "uid": "8d3c1c1e-0000-4000-8000-000000000001",
            "resourceVersion": "100",
            "labels": {"styx-log-id": LOG_ID.to_string(),
                "STYX_EXECUTION_ID": "styx-run-0b5e2a52-8f0e-4f5e-9a51-1f2e3d4c5b6a"},
            "annotations": {"styx-workflow-instance": "c#w#2026-01-01", "styx-docker-termination-logging": "false"},
        },
        "spec": {"nodeName": "node-1", "restartPolicy": "Never"},
        "status": {"phase": phase, "conditions": []},
    }))
}

/// The state of a container that ended with this code after so many seconds.
pub(crate) fn ended(code: i32, after: u32) -> Value {
    let reason = if code == 0 { "Completed" } else { "Error" };
    json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": time(BEGIN), "finishedAt": time(BEGIN + after)}})
}

/// An end with another reason and message, after 20 s.
pub(crate) fn ended_as(code: i32, reason: &str, message: &str) -> Value {
    let mut state = ended(code, 20);
    state["terminated"]["reason"] = reason.into();
    state["terminated"]["message"] = message.into();
    state
}

/// An end that the kubelet made up.
pub(crate) fn invented() -> Value {
    json!({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": null, "finishedAt": null,
        "message": "The container could not be located when the pod was terminated"}})
}

/// The state of a container that runs.
pub(crate) fn running() -> Value {
    json!({"running": {"startedAt": time(BEGIN)}})
}

/// The state of a container that waits.
pub(crate) fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

/// A time, in seconds after the pods of these tests were made.
pub(crate) fn time(seconds: u32) -> String {
    format!("2026-01-01T00:{:02}:{:02}Z", seconds / 60, seconds % 60)
}

impl TestPod {
    /// With another container. The API server sorts them by name.
    pub(crate) fn container(mut self, name: &str, state: Value) -> Self {
        push(
            &mut self.0["status"]["containerStatuses"],
            json!({"name": name, "image": "i:1", "ready": false,
            "restartCount": 0, "state": state, "lastState": {}}),
        );
        self
    }

    /// With an init container; `of_template`: a template put it there. `policy` is its own restart policy.
    pub(crate) fn init(mut self, name: &str, state: Value, of_template: bool, policy: Option<&str>) -> Self {
        push(&mut self.0["status"]["initContainerStatuses"], json!({"name": name, "restartCount": 0, "state": state}));
        push(&mut self.0["spec"]["initContainers"], json!({"name": name, "restartPolicy": policy}));
        if of_template {
            self.0["metadata"]["annotations"]["styx-init-containers"] = name.into();
        }
        self
    }

    /// With a reason and a message of the pod.
    pub(crate) fn because(mut self, reason: &str, message: &str) -> Self {
        self.0["status"]["reason"] = reason.into();
        self.0["status"]["message"] = message.into();
        self
    }

    /// With a condition.
    pub(crate) fn condition(mut self, kind: &str, status: &str, reason: &str) -> Self {
        push(
            &mut self.0["status"]["conditions"],
            json!({"type": kind, "status": status, "reason": reason, "lastTransitionTime": time(30)}),
        );
        self
    }

    /// With the condition of a disruption.
    pub(crate) fn disrupted(self, reason: &str) -> Self {
        self.condition("DisruptionTarget", "True", reason)
    }

    /// Being deleted.
    pub(crate) fn deleting(mut self) -> Self {
        self.0["metadata"]["deletionTimestamp"] = time(60).into();
        self.0["metadata"]["deletionGracePeriodSeconds"] = 30.into();
        self
    }

    /// With docker termination logging.
    pub(crate) fn logging(mut self) -> Self {
        self.0["metadata"]["annotations"]["styx-docker-termination-logging"] = "true".into();
        self
    }

    /// With another uid, and a name of its own.
    pub(crate) fn named(mut self, number: u32) -> Self {
        let name = format!("styx-run-0b5e2a52-8f0e-4f5e-9a51-{number:012x}");
        self.0["metadata"]["name"] = name.as_str().into();
        self.0["metadata"]["labels"]["STYX_EXECUTION_ID"] = name.into();
        self.with_uid(number)
    }

    /// With another uid.
    pub(crate) fn with_uid(mut self, number: u32) -> Self {
        self.0["metadata"]["uid"] = format!("8d3c1c1e-0000-4000-8000-{number:012x}").into();
        self
    }

    /// In another version.
    pub(crate) fn version(mut self, version: u64) -> Self {
        self.0["metadata"]["resourceVersion"] = version.to_string().into();
        self
    }

    /// As Styx reads it.
    pub(crate) fn view(&self) -> PodView {
        PodView::from_json(self.0.to_string().as_bytes()).expect("JSON")
    }
}

fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(list) => list.push(item),
        None => *list = Value::Array(vec![item]),
    }
}
