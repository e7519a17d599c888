//! The rules that a workflow must keep to be stored, triggered or run.
//!
//! They are numbered as in Styx's description of its API, V-1 to V-26, and reported in that order.

use std::fmt;

use chrono::TimeDelta;

use super::email::is_email;
use super::image::image_errors;
use super::mount_path::is_keys_path;
use super::{FlyteExecConf, PodTemplate, Secret, Span, WorkflowConfiguration};
use crate::condition::Condition;
use crate::schedule::{Offset, Schedule};

/// The longest id of a workflow and name of a resource, in UTF-16 units as [`utf16_length`] counts them.
pub const MAX_LENGTH: usize = 256;
const MAX_RESOURCES: usize = 5;
/// The most variables of an environment (V-9).
pub const MAX_ENV_VARS: usize = 128;
/// The most UTF-16 units that names and values of an environment take (V-10).
pub const MAX_ENV_SIZE: usize = 16_384;
const MAX_ARGS_SIZE: usize = 1_000_000;
const MAX_SECRET_NAME: usize = 253;
/// The longest of what Styx 2.x takes at any length, in UTF-16 units.
const MAX_TEXT: usize = 1_024;
/// How many letters of what is wrong are said: it names values of any length.
const MAX_SAID: usize = 1_024;
const MIN_RUNNING_TIMEOUT: Span = Span::from_seconds(60);

/// A rule that a workflow breaks. It is shown as Styx tells it to its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    /// The rule, such as `V-14`; `S-1` and `S-2` are about the `secret`, which Styx 2.x doesn't have, `S-3` and `S-4`
    /// about lengths and ids that it takes.
    pub rule: &'static str,
    /// The field that it is about, such as `schedule`. Names within other fields are joined by dots. It is
    /// `component_id` for the one thing that is not part of the configuration.
    pub field: &'static str,
    /// What is wrong, in the words of Styx.
    pub text: String,
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ValidationError {}

/// Tells which rules a workflow breaks, in the order of the rules.
///
/// `workflow_id` is the id that the workflow is stored under. `max_running_timeout` is the server's limit, which a
/// client does not know. Lengths are counted in UTF-16 units, as Styx counts them.
///
/// ```
/// use styx_core::workflow::{WorkflowConfiguration, validate};
///
/// let errors = validate("sales", "report", &WorkflowConfiguration::new("report", "@dayly"), None);
/// assert_eq!((errors[0].rule, errors[0].field), ("V-14", "schedule"));
/// assert_eq!(errors[0].to_string(), "invalid schedule");
/// ```
pub fn validate(
    component_id: &str,
    workflow_id: &str,
    configuration: &WorkflowConfiguration,
    max_running_timeout: Option<TimeDelta>,
) -> Vec<ValidationError> {
    let mut errors = Errors(Vec::new());
    check_ids(component_id, workflow_id, configuration, &mut errors);
    check_sizes(configuration, &mut errors);
    check_schedule(configuration, &mut errors);
    check_execution(configuration, &mut errors);
    if let Some(flyte) = &configuration.flyte_exec_conf {
        check_flyte(flyte, &mut errors);
    }
    if let Some(secret) = &configuration.secret {
        check_secret(secret, &mut errors);
    }
    check_bounds(component_id, configuration, &mut errors);
    if let (Some(timeout), Some(limit)) = (configuration.running_timeout, max_running_timeout.map(Span::from))
        && timeout > limit
    {
        errors.limit("V-26", "running_timeout", "running timeout is too big", timeout, limit);
    }
    errors.0
}

fn check_ids(component_id: &str, workflow_id: &str, configuration: &WorkflowConfiguration, errors: &mut Errors) {
    if component_id.is_empty() {
        errors.add("V-1", "component_id", "component id cannot be empty");
    }
    if component_id.contains('#') {
        errors.add("V-2", "component_id", "component id cannot contain #");
    }
    if workflow_id.is_empty() {
        errors.add("V-3", "id", "workflow id cannot be empty");
    }
    if workflow_id != configuration.id {
        errors.add("V-4", "id", "workflow id mismatch");
    }
}

fn check_sizes(configuration: &WorkflowConfiguration, errors: &mut Errors) {
    let WorkflowConfiguration { resources, env, .. } = configuration;
    errors.length("V-5", "id", "id too long", Some(&configuration.id));
    errors.length("V-6", "commit_sha", "commitSha too long", configuration.commit_sha.as_ref());
    errors.length("V-7", "service_account", "service account too long", configuration.service_account.as_ref());
    errors.at_most("V-8", "resources", "too many resources", resources.len(), MAX_RESOURCES);
    errors.at_most("V-9", "env", "too many env vars", env.len(), MAX_ENV_VARS);
    let env_size = env.iter().map(|(key, value)| utf16_length(key) + utf16_length(value)).sum();
    errors.at_most("V-10", "env", "env too big", env_size, MAX_ENV_SIZE);
    errors.length("V-11", "retry_condition", "retry condition too long", configuration.retry_condition.as_ref());
    for resource in resources {
        errors.length("V-12", "resources", "resource name too long", Some(resource));
    }
}

fn check_schedule(configuration: &WorkflowConfiguration, errors: &mut Errors) {
    if let Some(reason) = configuration.offset.as_deref().and_then(offset_error) {
        errors.add("V-13", "offset", format!("invalid offset: {reason}"));
    }
    if !is_schedule(configuration.schedule.as_str()) {
        errors.add("V-14", "schedule", "invalid schedule");
    }
}

fn check_execution(configuration: &WorkflowConfiguration, errors: &mut Errors) {
    if let Some(timeout) = configuration.running_timeout
        && timeout < MIN_RUNNING_TIMEOUT
    {
        errors.limit("V-15", "running_timeout", "running timeout is too small", timeout, MIN_RUNNING_TIMEOUT);
    }
    if let Some(account) = &configuration.service_account
        && !is_email(account)
    {
        errors.add("V-16", "service_account", format!("service account is not a valid email address: {account}"));
    }
    // One that is too long (V-11) may be wrong as well.
    if let Some(condition) = &configuration.retry_condition
        && let Err(error) = Condition::check(condition)
    {
        errors.add("V-17", "retry_condition", format!("invalid retry condition: {error}"));
    }
    let has_docker = configuration.docker_image.is_some() || configuration.docker_args.is_some();
    if configuration.flyte_exec_conf.is_some() && has_docker {
        errors.add("V-18", "flyte_exec_conf", "configuration cannot specify both docker and flyte parameters");
    }
    let args_size = size_of_texts(configuration.docker_args.as_deref());
    errors.at_most("V-19", "docker_args", "docker args is too large", args_size, MAX_ARGS_SIZE);
    for reason in configuration.docker_image.as_deref().map(image_errors).unwrap_or_default() {
        errors.add("V-20", "docker_image", format!("invalid image: {reason}"));
    }
}

/// How Styx counts a list: its texts in UTF-16 units, and one more for each.
fn size_of_texts(texts: Option<&[String]>) -> usize {
    texts.unwrap_or_default().iter().map(|text| utf16_length(text) + 1).sum()
}

fn check_flyte(flyte: &FlyteExecConf, errors: &mut Errors) {
    let id = &flyte.reference_id;
    if id.resource_type != "LAUNCH_PLAN" {
        errors.add(
            "V-21",
            "flyte_exec_conf.reference_id.resource_type",
            format!(
                "only launch plans (\"LAUNCH_PLAN\") are supported as resource type, but received: {}",
                id.resource_type
            ),
        );
    }
    for (rule, field, name, value) in [
        ("V-22", "flyte_exec_conf.reference_id.domain", "domain", &id.domain),
        ("V-23", "flyte_exec_conf.reference_id.project", "project", &id.project),
        ("V-24", "flyte_exec_conf.reference_id.name", "name", &id.name),
        ("V-25", "flyte_exec_conf.reference_id.version", "version", &id.version),
    ] {
        if value.is_empty() {
            errors.add(rule, field, format!("{name} cannot be empty"));
        }
    }
}

/// What Kubernetes takes as the name of a secret and as a place to mount it, less the place of Styx's own keys.
fn check_secret(secret: &Secret, errors: &mut Errors) {
    let Secret { name, mount_path } = secret;
    let is_label = |label: &str| {
        let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty() && label.bytes().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.len() > MAX_SECRET_NAME || !name.split('.').all(is_label) {
        let text = format!(
            "secret name is not valid, only lower-case letters, digits, inner - and . (at most {MAX_SECRET_NAME}): {name}"
        );
        errors.add("S-1", "secret.name", text);
    }
    if !mount_path.starts_with('/') || mount_path.contains(':') || mount_path.split('/').any(|piece| piece == "..") {
        let text = format!("secret mount path must be an absolute path without : and ..: {mount_path}");
        errors.add("S-2", "secret.mount_path", text);
    } else if is_keys_path(mount_path) {
        let text = format!("secret mount path must not be under /etc/styx-wf-sa-keys: {mount_path}");
        errors.add("S-2", "secret.mount_path", text);
    }
}

/// What Styx 2.x doesn't limit: a record, a line and a path must have room for it.
fn check_bounds(component_id: &str, configuration: &WorkflowConfiguration, errors: &mut Errors) {
    for (field, id) in [("component_id", component_id), ("id", &configuration.id)] {
        if matches!(id, "." | "..") {
            errors.add("S-4", field, format!("{field} cannot be {id}: in a path it names something else"));
        }
    }
    let WorkflowConfiguration { schedule, offset, docker_image, deployment_source, .. } = configuration;
    let source = deployment_source.as_ref();
    let flyte = configuration.flyte_exec_conf.as_ref().map(|flyte| &flyte.reference_id);
    let fields = [
        ("component_id", Some(component_id), MAX_TEXT),
        ("schedule", Some(schedule.as_str()), MAX_TEXT),
        ("offset", offset.as_deref(), MAX_TEXT),
        ("docker_image", docker_image.as_deref(), MAX_TEXT),
        ("deployment_source.source", source.map(|source| source.source.as_str()), MAX_TEXT),
        ("deployment_source.repository", source.and_then(|source| source.repository.as_deref()), MAX_TEXT),
        ("flyte_exec_conf.reference_id.domain", flyte.map(|id| id.domain.as_str()), MAX_TEXT),
        ("flyte_exec_conf.reference_id.project", flyte.map(|id| id.project.as_str()), MAX_TEXT),
        ("flyte_exec_conf.reference_id.name", flyte.map(|id| id.name.as_str()), MAX_TEXT),
        ("flyte_exec_conf.reference_id.version", flyte.map(|id| id.version.as_str()), MAX_TEXT),
        ("secret.mount_path", configuration.secret.as_ref().map(|secret| secret.mount_path.as_str()), MAX_TEXT),
    ];
    let inputs = configuration.flyte_exec_conf.iter().flat_map(|flyte| &flyte.input_fields);
    let inputs_size = inputs.map(|(key, value)| utf16_length(key) + utf16_length(value)).sum();
    let inputs = "flyte_exec_conf.input_fields";
    errors.at_most("S-3", inputs, &format!("{inputs} too big"), inputs_size, MAX_ENV_SIZE);
    let command_size = size_of_texts(configuration.docker_command.as_deref());
    errors.at_most("S-3", "docker_command", "docker_command too big", command_size, MAX_ARGS_SIZE);
    let pod_size = configuration.pod.as_ref().map_or(0, |pod| pod.as_json().len());
    errors.at_most("S-3", "pod", "pod too big", pod_size, PodTemplate::MAX_BYTES);
    for (field, value, limit) in fields {
        errors.at_most("S-3", field, &format!("{field} too long"), value.map_or(0, utf16_length), limit);
    }
}

/// The errors found so far.
struct Errors(Vec<ValidationError>);

impl Errors {
    fn add(&mut self, rule: &'static str, field: &'static str, text: impl Into<String>) {
        let mut text = text.into();
        if let Some((end, _)) = text.char_indices().nth(MAX_SAID) {
            text.truncate(end);
            text.push_str("...");
        }
        self.0.push(ValidationError { rule, field, text });
    }

    fn limit(
        &mut self,
        rule: &'static str,
        field: &'static str,
        text: &str,
        value: impl fmt::Display,
        limit: impl fmt::Display,
    ) {
        self.add(rule, field, format!("{text}: {value}, limit = {limit}"));
    }

    fn at_most(&mut self, rule: &'static str, field: &'static str, text: &str, value: usize, limit: usize) {
        if value > limit {
            self.limit(rule, field, text, value, limit);
        }
    }

    fn length(&mut self, rule: &'static str, field: &'static str, text: &str, value: Option<&String>) {
        self.at_most(rule, field, text, value.map_or(0, |value| utf16_length(value)), MAX_LENGTH);
    }
}

/// How long a text is for the rules of Styx, which count as Java does.
pub fn utf16_length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn offset_error(text: &str) -> Option<String> {
    Offset::parse(text).err().map(|error| error.to_string())
}

fn is_schedule(text: &str) -> bool {
    Schedule::parse(text).is_ok()
}
