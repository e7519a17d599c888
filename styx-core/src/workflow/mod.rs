//! What a workflow is: its configuration, the JSON form of it, and the rules that it must keep.
//!
//! ```
//! use styx_core::workflow::{WorkflowConfiguration, validate};
//!
//! let text = r#"{"id": "report", "schedule": "@daily", "docker_image": "busybox", "running_timeout": "PT2H"}"#;
//! let configuration = WorkflowConfiguration::from_json(text).unwrap();
//! assert_eq!(configuration.schedule.as_str(), "days");
//! assert!(validate("sales", "report", &configuration, None).is_empty());
//! ```

mod check;
mod email;
mod fields;
mod form;
mod image;
mod instant;
mod json;
mod launch;
mod mount_path;
mod pod;
mod schedule_text;
mod span;
mod validate;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};

pub use check::{Finding, PodCheck, Rules, check};
pub use instant::{instant_after_epoch, parse_instant};
pub use json::{JsonError, Strictness};
pub use launch::{MAX_LAUNCH_BYTES, MAX_TEXT_BYTES, launch_errors, variable_errors};
pub use mount_path::{folders_of, is_keys_path};
pub use pod::PodTemplate;
pub use schedule_text::ScheduleText;
pub use span::{ParseSpanError, Span};
pub use validate::{MAX_ENV_SIZE, MAX_ENV_VARS, MAX_LENGTH, ValidationError, utf16_length, validate};

/// How a workflow is to be run: what Styx 2.x calls its configuration, the `secret` that earlier versions had, and
/// fields of ours.
///
/// Nothing is checked when one is made or read; [`validate`] does that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowConfiguration {
    /// The workflow's id within its component.
    pub id: String,
    /// When it is triggered.
    pub schedule: ScheduleText,
    /// How long after the time that its parameter names an instance is triggered, as an ISO-8601 duration.
    pub offset: Option<String>,
    /// The commit that the workflow was made from.
    pub commit_sha: Option<String>,
    /// The image that is run.
    pub docker_image: Option<String>,
    /// What the container is called with. An argument that is `{}` stands for the parameter.
    pub docker_args: Option<Vec<String>>,
    /// Whether the container writes its exit code to its termination log.
    pub docker_termination_logging: bool,
    /// The e-mail address of the service account that it runs as.
    pub service_account: Option<String>,
    /// The resources that a run holds while it executes.
    pub resources: Vec<String>,
    /// Environment variables of the container.
    pub env: BTreeMap<String, String>,
    /// How long an execution may run.
    pub running_timeout: Option<Span>,
    /// An expression that decides whether a failed run is tried again.
    pub retry_condition: Option<String>,
    /// What to run in Flyte, instead of an image.
    pub flyte_exec_conf: Option<FlyteExecConf>,
    /// Where the configuration came from.
    pub deployment_source: Option<DeploymentSource>,
    /// When it was stored. The server sets this.
    pub deployment_time: Option<DateTime<Utc>>,
    /// A secret to mount into the container.
    pub secret: Option<Secret>,
    /// The entry point that is run instead of the image's, as `command` in Kubernetes.
    pub docker_command: Option<Vec<String>>,
    /// What its pod has beside what Styx puts into it.
    pub pod: Option<PodTemplate>,
}

impl WorkflowConfiguration {
    /// A configuration with nothing in it but an id and a schedule.
    pub fn new(id: impl Into<String>, schedule: &str) -> Self {
        Self {
            id: id.into(),
            schedule: ScheduleText::new(schedule),
            offset: None,
            commit_sha: None,
            docker_image: None,
            docker_args: None,
            docker_termination_logging: false,
            service_account: None,
            resources: Vec::new(),
            env: BTreeMap::new(),
            running_timeout: None,
            retry_condition: None,
            flyte_exec_conf: None,
            deployment_source: None,
            deployment_time: None,
            secret: None,
            docker_command: None,
            pod: None,
        }
    }
}

/// What to run in Flyte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlyteExecConf {
    /// The launch plan.
    pub reference_id: FlyteIdentifier,
    /// Its inputs.
    pub input_fields: BTreeMap<String, String>,
}

/// The name of a thing in Flyte. It is shown as its five parts joined with `:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlyteIdentifier {
    /// What sort of thing it is; Styx runs only a `LAUNCH_PLAN`.
    pub resource_type: String,
    /// The Flyte project.
    pub project: String,
    /// The domain within the project, such as `production`.
    pub domain: String,
    /// The name within the domain.
    pub name: String,
    /// The version of what is named.
    pub version: String,
}

impl fmt::Display for FlyteIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource_type, project, domain, name, version } = self;
        write!(f, "{resource_type}:{project}:{domain}:{name}:{version}")
    }
}

/// Where a configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentSource {
    /// The repository that holds it.
    pub repository: Option<String>,
    /// What deployed it.
    pub source: String,
}

/// A Kubernetes secret that is mounted into the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The name of the secret in Kubernetes.
    pub name: String,
    /// Where in the container its keys appear.
    pub mount_path: String,
}
