//! What Styx reads of a pod: identity, deletion, phase, conditions, and the states of its containers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de::MapAccess};
use styx_core::id::ExecutionId;
use uuid::Uuid;

use crate::{
    labels,
    lenient::{Lenient, Read, value},
    pod::{
        EXECUTION_ID_LABEL, INIT_CONTAINERS_ANNOTATION, INSTANCE_ANNOTATION, KEEPALIVE_CONTAINER, LOG_ID_LABEL,
        MAIN_CONTAINER, TERMINATION_LOGGING_ANNOTATION,
    },
};

/// A pod as a list, a GET or a watch shows it.
///
/// It is read leniently: what is missing, null or of another shape is absent, and makes nothing else unreadable.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct PodView {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.labels`, those that are texts.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`, those that are texts.
    pub annotations: BTreeMap<String, String>,
    /// Whether, and until when, the pod is being deleted.
    pub deletion: Option<Deletion>,
    /// `spec.nodeName`.
    pub node: Option<String>,
    /// The names in `spec.initContainers` whose `restartPolicy` is `Always`: sidecars, whose end fails nothing.
    pub sidecars: Vec<String>,
    /// `status.phase`; empty if it is absent.
    pub phase: String,
    /// `status.reason`.
    pub reason: Option<String>,
    /// `status.message`.
    pub message: Option<String>,
    /// `status.conditions`.
    pub conditions: Vec<Condition>,
    /// `status.initContainerStatuses`.
    pub init_containers: Vec<ContainerView>,
    /// `status.containerStatuses`.
    pub containers: Vec<ContainerView>,
}

/// A `deletionTimestamp` that is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deletion {
    /// When the grace period ends; `None` if nobody can read it.
    pub at: Option<DateTime<Utc>>,
    /// `deletionGracePeriodSeconds`, in seconds.
    pub grace_seconds: Option<i64>,
}

/// A condition of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// `type`.
    pub kind: String,
    /// `status`: `True`, `False` or `Unknown`.
    pub status: String,
    /// `reason`.
    pub reason: Option<String>,
    /// `message`.
    pub message: Option<String>,
    /// `lastTransitionTime`.
    pub since: Option<DateTime<Utc>>,
}

/// The status of a container. Its `lastState` isn't read: it is about another container of the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerView {
    /// `name`.
    pub name: String,
    /// `image`.
    pub image: Option<String>,
    /// `containerID`.
    pub container_id: Option<String>,
    /// `restartCount`.
    pub restart_count: i64,
    /// `state`.
    pub state: ContainerState,
}

/// The state of a container. Of several members the one that comes last in a container's life counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ContainerState {
    /// None is given.
    #[default]
    Absent,
    /// It waits.
    Waiting {
        /// Why, as one word.
        reason: Option<String>,
        /// Why, in a sentence.
        message: Option<String>,
    },
    /// It runs.
    Running {
        /// Since when.
        started_at: Option<DateTime<Utc>>,
    },
    /// It has ended, or the kubelet says so.
    Terminated(Termination),
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Termination {
    /// `exitCode`.
    pub exit_code: Option<i32>,
    /// `signal`.
    pub signal: Option<i32>,
    /// `reason`.
    pub reason: Option<String>,
    /// `message`: the termination log, or what the runtime says.
    pub message: Option<String>,
    /// `startedAt`.
    pub started_at: Option<DateTime<Utc>>,
    /// `finishedAt`.
    pub finished_at: Option<DateTime<Utc>>,
}

impl PodView {
    /// Reads a pod from its JSON.
    ///
    /// # Errors
    ///
    /// When the text isn't JSON.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Which execution of a log it is: one with the log's id, in a label or an annotation, the annotation of an instance,
    /// and a name that agrees with its label. All others are foreign.
    pub fn execution(&self, log_id: Uuid) -> Option<ExecutionId> {
        let log_id = log_id.to_string();
        let is_of_log = [&self.labels, &self.annotations].map(|texts| texts.get(LOG_ID_LABEL));
        // Both agree, if both are there: a copy of a pod may have got a label of its own.
        let is_of_log = is_of_log.iter().any(Option::is_some) && is_of_log.iter().flatten().all(|id| **id == log_id);
        let label = self.labels.get(EXECUTION_ID_LABEL);
        let is_named = label.is_none_or(|label| *label == labels::value(&self.name));
        let is_ours = is_of_log && is_named && self.annotations.contains_key(INSTANCE_ANNOTATION);
        (is_ours && !self.name.is_empty() && !self.uid.is_empty()).then(|| ExecutionId::parse(&self.name))
    }

    /// The status of the job's container, by its name.
    pub fn job(&self) -> Option<&ContainerView> {
        self.container(MAIN_CONTAINER)
    }

    /// The status of the container that outlives the job.
    pub fn keepalive(&self) -> Option<&ContainerView> {
        self.container(KEEPALIVE_CONTAINER)
    }

    /// Whether the phase says that all containers have ended for good.
    pub fn is_terminal(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }

    /// A condition that is `True`.
    pub fn true_condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind && condition.status == "True")
    }

    /// Whether the job reports its exit code in its termination log.
    pub fn has_termination_logging(&self) -> bool {
        self.annotations.get(TERMINATION_LOGGING_ANNOTATION).is_some_and(|value| value == "true")
    }

    /// Whether a template, rather than a webhook, put this init container into the pod.
    pub fn is_of_template(&self, init_container: &str) -> bool {
        let names = self.annotations.get(INIT_CONTAINERS_ANNOTATION);
        names.is_some_and(|names| names.split(',').any(|name| name == init_container))
    }

    fn container(&self, name: &str) -> Option<&ContainerView> {
        self.containers.iter().find(|container| container.name == name)
    }
}

impl ContainerView {
    /// Whether it has ended, or the kubelet says so.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, ContainerState::Terminated(_))
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        matches!(self.state, ContainerState::Running { .. })
    }
}

impl<'de> Deserialize<'de> for PodView {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Read::deserialize(deserializer).map(|read| read.0)
    }
}

impl Lenient for PodView {
    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        Parts::from_object(object).map(Parts::into_pod)
    }
}

/// The parts of a pod while it is read.
#[derive(Default)]
pub(crate) struct Parts {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

impl Lenient for Parts {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "metadata" => self.metadata = value(object)?,
            "spec" => self.spec = value(object)?,
            "status" => self.status = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Parts {
    pub(crate) fn into_pod(self) -> PodView {
        let Self { metadata, spec, status } = self;
        let grace_seconds = metadata.grace_seconds;
        PodView {
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            labels: metadata.labels,
            annotations: metadata.annotations,
            deletion: metadata.deletion.map(|at| Deletion { at: at.parse().ok(), grace_seconds }),
            node: spec.node,
            sidecars: spec
                .init_containers
                .into_iter()
                .filter(InitContainer::is_sidecar)
                .map(|init| init.name)
                .collect(),
            phase: status.phase,
            reason: status.reason,
            message: status.message,
            conditions: status.conditions,
            init_containers: status.init_containers,
            containers: status.containers,
        }
    }
}

#[derive(Default)]
struct Metadata {
    name: String,
    uid: String,
    resource_version: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    deletion: Option<String>,
    grace_seconds: Option<i64>,
}

impl Lenient for Metadata {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "name" => self.name = value(object)?,
            "uid" => self.uid = value(object)?,
            "resourceVersion" => self.resource_version = value(object)?,
            "labels" => self.labels = value(object)?,
            "annotations" => self.annotations = value(object)?,
            "deletionTimestamp" => self.deletion = value(object)?,
            "deletionGracePeriodSeconds" => self.grace_seconds = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Spec {
    node: Option<String>,
    init_containers: Vec<InitContainer>,
}

impl Lenient for Spec {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "nodeName" => self.node = value(object)?,
            "initContainers" => self.init_containers = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct InitContainer {
    name: String,
    restart_policy: String,
}

impl InitContainer {
    fn is_sidecar(&self) -> bool {
        self.restart_policy == "Always"
    }
}

impl Lenient for InitContainer {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "name" => self.name = value(object)?,
            "restartPolicy" => self.restart_policy = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Status {
    phase: String,
    reason: Option<String>,
    message: Option<String>,
    conditions: Vec<Condition>,
    init_containers: Vec<ContainerView>,
    containers: Vec<ContainerView>,
}

impl Lenient for Status {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "phase" => self.phase = value(object)?,
            "reason" => self.reason = value(object)?,
            "message" => self.message = value(object)?,
            "conditions" => self.conditions = value(object)?,
            "initContainerStatuses" => self.init_containers = value(object)?,
            "containerStatuses" => self.containers = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Lenient for Condition {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "type" => self.kind = value(object)?,
            "status" => self.status = value(object)?,
            "reason" => self.reason = value(object)?,
            "message" => self.message = value(object)?,
            "lastTransitionTime" => self.since = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Lenient for ContainerView {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "name" => self.name = value(object)?,
            "image" => self.image = value(object)?,
            "containerID" => self.container_id = value(object)?,
            "restartCount" => self.restart_count = value::<Option<i64>, _>(object)?.unwrap_or(0),
            "state" => self.state = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Lenient for ContainerState {
    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        Ok(match States::from_object(object)? {
            States { terminated: Some(terminated), .. } => Self::Terminated(terminated),
            States { running: Some(running), .. } => Self::Running { started_at: running.started_at },
            States { waiting: Some(Termination { reason, message, .. }), .. } => Self::Waiting { reason, message },
            States { terminated: None, running: None, waiting: None } => Self::Absent,
        })
    }
}

/// The members of a state. Each has some of those of a termination.
#[derive(Default)]
struct States {
    waiting: Option<Termination>,
    running: Option<Termination>,
    terminated: Option<Termination>,
}

impl Lenient for States {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "waiting" => self.waiting = value(object)?,
            "running" => self.running = value(object)?,
            "terminated" => self.terminated = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Lenient for Option<Termination> {
    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        Termination::from_object(object).map(Some)
    }
}

impl Lenient for Termination {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "exitCode" => self.exit_code = value(object)?,
            "signal" => self.signal = value(object)?,
            "reason" => self.reason = value(object)?,
            "message" => self.message = value(object)?,
            "startedAt" => self.started_at = value(object)?,
            "finishedAt" => self.finished_at = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
