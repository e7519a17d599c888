//! The pod that runs an execution.
//!
//! Building one is a pure function of the launch and the executor's settings: a launch that is sent again makes the same pod.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, EnvVar, Pod, PodSpec, ResourceRequirements, SecretVolumeSource, Volume, VolumeMount},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use styx_core::{
    executor::Launch,
    workflow::{Secret, is_keys_path},
};

use crate::{
    labels, secrets,
    template::{SecretPatterns, Template, TemplateError, check_merged},
};

/// The container that runs the job.
pub const MAIN_CONTAINER: &str = "styx-run";
/// The container that outlives it: a pod without a running container may be removed before its end was seen.
pub const KEEPALIVE_CONTAINER: &str = "keepalive";
/// The annotation with the key of the instance. Styx 2.x touches no pod without it.
pub const INSTANCE_ANNOTATION: &str = "styx-workflow-instance";
/// The annotation that says whether the job reports its exit code in its termination log: `true` or `false`.
pub const TERMINATION_LOGGING_ANNOTATION: &str = "styx-docker-termination-logging";
/// The label with the id of the log that launched the pod. It is never changed, so that a watch can select by it.
pub const LOG_ID_LABEL: &str = "styx-log-id";
/// The label with the execution's id: the pod's name, as far as a label can hold it.
pub const EXECUTION_ID_LABEL: &str = "STYX_EXECUTION_ID";
/// The annotation with the names of the init containers that templates name, separated by commas; absent without any. What
/// else a pod has of them was put there by a webhook.
pub const INIT_CONTAINERS_ANNOTATION: &str = "styx-init-containers";
/// Where the job finds the keys of its service account.
pub const KEYS_PATH: &str = "/etc/styx-wf-sa-keys/";

const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";
pub(crate) const CREDENTIALS_FILE: &str = "/etc/styx-wf-sa-keys/styx-wf-sa.json";
const TERMINATION_LOG: &str = "/dev/termination-log";

/// What an executor's configuration says about its pods.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PodSettings {
    /// What `STYX_ENVIRONMENT` says.
    pub environment: String,
    /// Variables of the operator, for names that neither the workflow nor Styx sets (PD-3).
    pub execution_env: BTreeMap<String, String>,
    /// What every pod of the executor has, before the workflow's own template.
    pub template: Template,
    /// Which secrets `secret` and `pod` of a workflow may name (decision 58).
    pub allowed_secrets: SecretPatterns,
}

impl Default for PodSettings {
    fn default() -> Self {
        Self {
            environment: String::new(),
            execution_env: BTreeMap::new(),
            template: Template::default(),
            allowed_secrets: SecretPatterns::all(),
        }
    }
}

/// The pod of a launch: what Styx builds, the executor's template over it, and the workflow's over that (decision 57).
///
/// `key_secret` names the Kubernetes secret with the keys of the launch's service account, if it has keys.
///
/// # Errors
///
/// What of the workflow's `secret` and `pod` is refused. Nothing that the executor could try again helps.
pub fn build(launch: &Launch, settings: &PodSettings, key_secret: Option<&str>) -> Result<Pod, Vec<TemplateError>> {
    let template = match &launch.pod {
        Some(pod) => Template::parse(pod.as_json(), &settings.allowed_secrets)?,
        None => Template::default(),
    };
    if let Some(secret) = &launch.secret {
        settings.allowed_secrets.check("secret.name", &secret.name).map_err(|error| vec![error])?;
        if is_keys_path(&secret.mount_path) {
            let text = "is where Styx mounts the keys of service accounts: choose another path";
            return Err(vec![TemplateError::new("secret.mount_path", text)]);
        }
    }
    let base = base(launch, settings, key_secret);
    let mut pod = base.clone();
    let mut errors = Vec::new();
    for template in [&settings.template, &template] {
        errors.extend(check_merged(&base, template));
        template.merge_into(&mut pod);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if key_secret.is_some() {
        // The keys are the account's that the workflow names, so this one wins over everybody's, as in Styx 2.x.
        restore_credentials(&mut pod);
    }
    name_init_containers(&mut pod);
    Ok(pod)
}

/// The pod as Styx builds it (scheduler and runner, d), without any template.
fn base(launch: &Launch, settings: &PodSettings, key_secret: Option<&str>) -> Pod {
    let keys = key_secret.map(|secret| Mounted::new(secrets::PREFIX.into(), secret, KEYS_PATH));
    let own =
        launch.secret.as_ref().map(|Secret { name, mount_path }| Mounted::new(volume_name(name), name, mount_path));
    let mounted: Vec<Mounted> = keys.into_iter().chain(own).collect();
    let main = Container {
        name: MAIN_CONTAINER.into(),
        image: Some(with_tag(&launch.docker_image)),
        command: launch.docker_command.clone(),
        args: (!launch.docker_args.is_empty()).then(|| launch.docker_args.clone()),
        env: Some(environment(launch, settings, key_secret.is_some())),
        resources: Some(ResourceRequirements::default()),
        volume_mounts: (!mounted.is_empty()).then(|| mounted.iter().map(Mounted::mount).collect()),
        ..Container::default()
    };
    Pod {
        metadata: ObjectMeta {
            name: Some(launch.execution.to_string()),
            labels: Some(labels_of(launch, settings)),
            annotations: Some(BTreeMap::from([
                (INSTANCE_ANNOTATION.into(), launch.instance.key()),
                (TERMINATION_LOGGING_ANNOTATION.into(), launch.docker_termination_logging.to_string()),
            ])),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: vec![main, keepalive()],
            restart_policy: Some("Never".into()),
            volumes: (!mounted.is_empty()).then(|| mounted.iter().map(Mounted::volume).collect()),
            ..PodSpec::default()
        }),
        status: None,
    }
}

fn keepalive() -> Container {
    let quantities = |cpu: &str, memory: &str| {
        Some(BTreeMap::from([("cpu".into(), Quantity(cpu.into())), ("memory".into(), Quantity(memory.into()))]))
    };
    Container {
        name: KEEPALIVE_CONTAINER.into(),
        image: Some("registry.k8s.io/pause:3.1".into()),
        resources: Some(ResourceRequirements {
            limits: quantities("250m", "256Mi"),
            requests: quantities("0", "0"),
            ..ResourceRequirements::default()
        }),
        ..Container::default()
    }
}

fn labels_of(launch: &Launch, settings: &PodSettings) -> BTreeMap<String, String> {
    let (workflow, parameter) = (launch.instance.workflow(), launch.instance.parameter());
    let mut labels = BTreeMap::from([
        ("STYX_COMPONENT_ID".to_owned(), labels::normalise(workflow.component())),
        ("STYX_WORKFLOW_ID".to_owned(), labels::normalise(workflow.workflow())),
        ("STYX_PARAMETER".to_owned(), labels::normalise(parameter)),
        (EXECUTION_ID_LABEL.to_owned(), labels::value(&launch.execution.to_string())),
        ("STYX_ENVIRONMENT".to_owned(), labels::value(&settings.environment)),
        (LOG_ID_LABEL.to_owned(), launch.log_id.to_string()),
    ]);
    if let Some(trigger) = &launch.trigger {
        labels.insert("STYX_TRIGGER_TYPE".into(), trigger.kind().into());
    }
    labels
}

/// The variables of the job: those of workflow and trigger, those of Styx over them, and the operator's for names that are
/// free (PD-2, PD-3). A variable of a trigger that isn't known has no value.
fn environment(launch: &Launch, settings: &PodSettings, has_keys: bool) -> Vec<EnvVar> {
    let own = [("STYX_ENVIRONMENT", settings.environment.as_str()), ("STYX_TERMINATION_LOG", TERMINATION_LOG)];
    let own = own.map(|(name, value)| (name, Some(value.to_owned())));
    let mut env: BTreeMap<String, Option<String>> =
        launch.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    env.extend(launch.styx_variables().into_iter().chain(own).map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in &settings.execution_env {
        env.entry(name.clone()).or_insert_with(|| Some(value.clone()));
    }
    if has_keys {
        env.insert(CREDENTIALS.into(), Some(CREDENTIALS_FILE.into()));
    }
    env.into_iter().map(|(name, value)| EnvVar { name, value, value_from: None }).collect()
}

/// Undoes what a template made of the path of the keys, in its place: a variable may only refer to those before it.
fn restore_credentials(pod: &mut Pod) {
    let containers = pod.spec.iter_mut().flat_map(|spec| &mut spec.containers);
    let main = containers.filter(|container| container.name == MAIN_CONTAINER);
    for variable in main.flat_map(|container| container.env.iter_mut().flatten()) {
        if variable.name == CREDENTIALS {
            variable.value = Some(CREDENTIALS_FILE.into());
            variable.value_from = None;
        }
    }
}

/// Says in an annotation which init containers the pod has from templates.
fn name_init_containers(pod: &mut Pod) {
    let containers = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    let names: Vec<&str> = containers.map(|container| container.name.as_str()).collect();
    if !names.is_empty() {
        let names = names.join(",");
        pod.metadata.annotations.get_or_insert_default().insert(INIT_CONTAINERS_ANNOTATION.into(), names);
    }
}

/// The image with `:latest` if it names neither tag nor digest. As in Styx 2.x the port of a registry counts for one (PD-1).
fn with_tag(image: &str) -> String {
    if image.contains(':') { image.to_owned() } else { format!("{image}:latest") }
}

/// The name of the volume of a workflow's `secret`: the secret's, which may be longer than a volume's and hold dots.
fn volume_name(secret: &str) -> String {
    // A normalised text of small letters, digits and `-` is a name as Kubernetes wants it for a volume, too.
    labels::normalise(secret)
}

/// A secret as the job sees it: a volume, and where it is mounted, read-only.
struct Mounted {
    volume: String,
    secret: String,
    path: String,
}

impl Mounted {
    fn new(volume: String, secret: &str, path: &str) -> Self {
        Self { volume, secret: secret.into(), path: path.into() }
    }

    fn volume(&self) -> Volume {
        let secret = SecretVolumeSource { secret_name: Some(self.secret.clone()), ..SecretVolumeSource::default() };
        Volume { name: self.volume.clone(), secret: Some(secret), ..Volume::default() }
    }

    fn mount(&self) -> VolumeMount {
        VolumeMount {
            mount_path: self.path.clone(),
            name: self.volume.clone(),
            read_only: Some(true),
            ..VolumeMount::default()
        }
    }
}
