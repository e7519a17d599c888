//! Workflows as records hold them: the JSON as it is, and what fold and decisions need of it.

use std::{collections::BTreeSet, sync::Arc};

use chrono::TimeDelta;

use crate::{
    extensions::Extensions,
    id::WorkflowId,
    schedule::{Offset, Schedule, parse_triggers},
    workflow::{Finding, Rules, Span, WorkflowConfiguration, check},
};

/// A workflow as a record holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWorkflow {
    /// Canonical JSON of the whole configuration; the fold never reads it.
    pub json: Arc<str>,
    /// What fold and decisions need of it.
    pub spec: WorkflowSpec,
}

impl StoredWorkflow {
    /// A configuration as a record holds it.
    pub fn new(configuration: &WorkflowConfiguration, origin: Origin) -> Self {
        Self { json: configuration.to_json().into(), spec: WorkflowSpec::new(configuration, origin) }
    }
}

/// A workflow that keeps all rules and runs an image, under the id that it is stored under.
///
/// ```
/// use styx_core::{
///     id::WorkflowId,
///     stored_workflow::ValidWorkflow,
///     workflow::{Rules, WorkflowConfiguration},
/// };
///
/// let mut configuration = WorkflowConfiguration::new("report", "hours");
/// let error = ValidWorkflow::new("sales", &configuration, &Rules::default()).unwrap_err();
/// assert_eq!(error.to_string(), "workflow sales#report: docker_image: there is nothing to run");
/// configuration.docker_image = Some("sales/report:7".to_owned());
/// let workflow = ValidWorkflow::new("sales", &configuration, &Rules::default())?;
/// assert_eq!(*workflow.id(), WorkflowId::new("sales", "report"));
/// # Ok::<(), styx_core::stored_workflow::InvalidWorkflow>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidWorkflow {
    id: WorkflowId,
    stored: Arc<StoredWorkflow>,
}

/// A workflow that breaks rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("workflow {component}#{workflow}: {}", .findings.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
pub struct InvalidWorkflow {
    /// The component that was named.
    pub component: String,
    /// The workflow's id.
    pub workflow: String,
    /// All that is wrong; never empty.
    pub findings: Vec<Finding>,
}

impl ValidWorkflow {
    /// Checks a workflow of a component, which was made through no file.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn new(component: &str, configuration: &WorkflowConfiguration, rules: &Rules) -> Result<Self, InvalidWorkflow> {
        let mut findings = check(component, &configuration.id, configuration, rules);
        if configuration.docker_image.is_none() {
            let text = "there is nothing to run".to_owned();
            findings.push(Finding { rule: None, field: "docker_image".to_owned(), text });
        }
        if findings.is_empty() {
            let id = WorkflowId::new(component, configuration.id.as_str());
            return Ok(Self { id, stored: Arc::new(StoredWorkflow::new(configuration, Origin::Api)) });
        }
        Err(InvalidWorkflow { component: component.to_owned(), workflow: configuration.id.clone(), findings })
    }

    /// The id that it is stored under.
    pub fn id(&self) -> &WorkflowId {
        &self.id
    }

    pub(crate) fn into_parts(self) -> (WorkflowId, Arc<StoredWorkflow>) {
        (self.id, self.stored)
    }
}

/// What fold and decisions need of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowSpec {
    /// Schedule, in Styx's JSON form.
    pub schedule: Arc<str>,
    /// Offset, as written; `None` means the schedule's own.
    pub offset: Option<Arc<str>>,
    /// The workflow's limit of RUNNING.
    pub running_timeout: Option<TimeDelta>,
    /// What it runs.
    pub runs: Runs,
    /// Resources that its runs hold, ascending.
    pub resources: Arc<[Arc<str>]>,
    /// When a failed run is tried again; `None` is always.
    pub retry_condition: Option<Arc<str>>,
    /// Whether a secret is to be mounted: an executor that can't do that can't run it.
    pub mounts_secret: bool,
    /// Where it comes from.
    pub origin: Origin,
    /// Later fields.
    pub extensions: Extensions,
}

impl WorkflowSpec {
    /// The extension of a workflow that has a pod template, without bytes.
    const HAS_POD: u32 = 1;

    /// What is needed of a configuration.
    pub fn new(configuration: &WorkflowConfiguration, origin: Origin) -> Self {
        let resources: BTreeSet<Arc<str>> = configuration.resources.iter().map(|name| name.as_str().into()).collect();
        let runs = match configuration {
            WorkflowConfiguration { docker_image: Some(_), .. } => Runs::Image,
            WorkflowConfiguration { flyte_exec_conf: Some(_), .. } => Runs::Flyte,
            _ => Runs::Nothing,
        };
        Self {
            schedule: configuration.schedule.as_str().into(),
            offset: configuration.offset.as_deref().map(Into::into),
            running_timeout: configuration.running_timeout.map(Span::to_delta),
            runs,
            resources: resources.into_iter().collect(),
            retry_condition: configuration.retry_condition.as_deref().map(Into::into),
            mounts_secret: configuration.secret.is_some(),
            origin,
            extensions: match configuration.pod {
                Some(_) => Extensions::new([(Self::HAS_POD, &[])]).expect("one tag is in order"),
                None => Extensions::default(),
            },
        }
    }

    /// Whether it has a pod template: an executor that makes no pods can't run it.
    pub fn has_pod(&self) -> bool {
        self.extensions.get(Self::HAS_POD).is_some()
    }

    /// When it fires: its schedule, and its own offset or else one period of an alias (T-43).
    ///
    /// # Errors
    ///
    /// What is wrong with schedule or offset.
    pub fn triggers(&self) -> Result<(Schedule, Offset), String> {
        parse_triggers(&self.schedule, self.offset.as_deref())
    }

    /// Whether it fires as `other` does, however schedule and offset are written: at the same times, for the same instants,
    /// under the same names.
    pub fn fires_as(&self, other: &Self) -> bool {
        if self.schedule == other.schedule && self.offset == other.offset {
            return true;
        }
        let (Ok((schedule, offset)), Ok((others, their_offset))) = (self.triggers(), other.triggers()) else {
            return false;
        };
        schedule.means_same(&others) && offset.means_same(&their_offset)
    }

    /// The file of the workflow folder that defines it.
    pub fn file(&self) -> Option<&Arc<str>> {
        match &self.origin {
            Origin::File { path, .. } => Some(path),
            Origin::Api | Origin::RemovedFile { .. } => None,
        }
    }
}

/// What a workflow runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// Nothing: its triggers are skipped (TR-15).
    Nothing,
    /// An image.
    Image,
    /// A launch plan of Flyte.
    Flyte,
}

/// Where a workflow comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file of the workflow folder, by its path relative to the folder.
    File {
        /// The file.
        path: Arc<str>,
        /// Its `enabled` line; counts at first sight and when it changes.
        enabled: bool,
    },
    /// The API.
    Api,
    /// A file of the workflow folder that defines it no more, or is gone.
    RemovedFile {
        /// The file.
        path: Arc<str>,
    },
}
