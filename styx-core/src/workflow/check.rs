//! All that is wrong with a workflow, whoever asks: a file, the API, or a trigger of what is stored.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::{WorkflowConfiguration, launch::launch_errors, validate};
use crate::schedule::{Offset, OffsetLeadsOut, Schedule};

/// What a workflow must keep to on the server that it is meant for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// The longest `running_timeout` (V-26), if it is known.
    pub max_running_timeout: Option<TimeDelta>,
    /// Whether the executor runs `docker_args` as a program, as the local one does, so that there has to be one.
    pub needs_program: bool,
    /// Finds what is wrong with what a pod is made of; `None` leaves that to the executor.
    pub pod_check: Option<PodCheck>,
    /// After when the schedule must have an instant; `None` leaves that to the engine.
    pub fires_after: Option<DateTime<Utc>>,
}

/// Finds what is wrong with a workflow's `pod` and `secret`: fields of the workflow, and what is wrong with each. The core
/// doesn't know the types of Kubernetes; `styx_k8s::template::check` does.
pub type PodCheck = fn(&WorkflowConfiguration) -> Vec<(String, String)>;

/// Something that is wrong with a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that is broken: `V-14` is Styx's own, `L-1` is about what can be launched; `None` when the schedule never fires.
    pub rule: Option<&'static str>,
    /// The field, names within other fields joined by dots, places in lists in brackets, such as `docker_args[1]`. It is
    /// `component_id` for the one thing that is not part of the configuration.
    pub field: String,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The texts of Styx name their field, the others don't.
        match self.rule {
            Some(rule) if !rule.starts_with("L-") => f.write_str(&self.text),
            _ => write!(f, "{}: {}", self.field, self.text),
        }
    }
}

/// Finds all that is wrong with a workflow: the rules of Styx ([`validate`]), what could never be launched, and a schedule
/// that never fires. `workflow_id` is the id that it is stored under.
///
/// ```
/// use styx_core::workflow::{Rules, WorkflowConfiguration, check};
///
/// let mut configuration = WorkflowConfiguration::new("report", "daily");
/// configuration.docker_image = Some("busybox".into());
/// let rules = Rules { needs_program: true, ..Rules::default() };
/// let findings = check("sales", "report", &configuration, &rules);
/// assert_eq!((findings[0].rule, findings[0].field.as_str()), (Some("L-4"), "docker_args"));
/// ```
pub fn check(
    component_id: &str,
    workflow_id: &str,
    configuration: &WorkflowConfiguration,
    rules: &Rules,
) -> Vec<Finding> {
    let broken = validate(component_id, workflow_id, configuration, rules.max_running_timeout);
    let broken =
        broken.into_iter().map(|error| Finding { rule: Some(error.rule), field: error.field.into(), text: error.text });
    let mut findings: Vec<_> = broken.collect();
    // What Styx says of a field is enough.
    let is_new = |finding: &Finding| {
        let field = finding.field.split(['.', '[']).next();
        !findings.iter().any(|known| Some(known.field.as_str()) == field)
    };
    let launch: Vec<_> =
        launch_errors(component_id, configuration, rules.needs_program).into_iter().filter(is_new).collect();
    findings.extend(launch);
    let of_pod = rules.pod_check.map(|check| check(configuration)).unwrap_or_default();
    findings.extend(of_pod.into_iter().map(|(field, text)| Finding { rule: Some("L-5"), field, text }));
    findings.extend(rules.fires_after.and_then(|after| never_fires(configuration, after)));
    findings
}

/// What can't be read is found elsewhere.
fn never_fires(configuration: &WorkflowConfiguration, after: DateTime<Utc>) -> Option<Finding> {
    let schedule = Schedule::parse(configuration.schedule.as_str()).ok()?;
    let offset = match &configuration.offset {
        Some(text) => Offset::parse(text).ok()?,
        None => schedule.default_offset(),
    };
    if schedule.first_natural(&offset, after).is_some() {
        return None;
    }
    let (field, text) = match (schedule.next(after), &configuration.offset) {
        (Some(_), Some(_)) => ("offset", OffsetLeadsOut(offset).to_string()),
        (Some(_), None) => ("schedule", OffsetLeadsOut(offset).to_string()),
        (None, _) => ("schedule", format!("invalid schedule: `{}` never fires", configuration.schedule.as_str())),
    };
    Some(Finding { rule: None, field: field.into(), text })
}
