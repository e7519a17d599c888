//! Pod templates: what a workflow (`pod:`) or an executor adds to the pods that Styx builds, in Kubernetes' own form.
//!
//! A template is a PodTemplateSpec. [`Template::parse`] checks it against the types of Kubernetes, and refuses what would take
//! the pod out of Styx' hands or give the job what it mustn't have (decision 57). It doesn't replace Kubernetes' own admission
//! (Pod Security, RBAC of the service account), which is the real guard of a cluster.

mod error;
mod merge;
mod refs;
mod rules;
mod typed;

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use serde_json::Value;
use styx_core::workflow::{PodTemplate, WorkflowConfiguration};

pub use error::TemplateError;
pub use merge::check_merged;
pub use refs::SecretPatterns;

/// Finds what is wrong with the pod template and the secret of a workflow: the field, such as `pod.spec.containers[0].image`, and
/// what is wrong with it. `styx_core::workflow::Rules` takes it.
pub fn check(configuration: &WorkflowConfiguration) -> Vec<(String, String)> {
    let allowed = SecretPatterns::all();
    let template = configuration.pod.as_ref().map(|pod| Template::parse(pod.as_json(), &allowed));
    let of_pod = template.and_then(Result::err).unwrap_or_default();
    let field = |path: &str| if path.is_empty() { "pod".to_owned() } else { error::member("pod", path) };
    let of_pod = of_pod.into_iter().map(|error| (field(&error.path), error.text));
    let secret = configuration.secret.as_ref().map(|secret| allowed.check("secret.name", &secret.name));
    let of_secret = secret.and_then(Result::err).map(|error| (error.path, error.text));
    of_pod.chain(of_secret).collect()
}

/// A pod template that keeps the rules.
///
/// ```
/// use styx_k8s::template::{SecretPatterns, Template};
///
/// let errors = Template::parse(r#"{"spec": {"contaners": [], "restartPolicy": "Always"}}"#, &SecretPatterns::all()).unwrap_err();
/// let errors: Vec<_> = errors.iter().map(|error| error.to_string()).collect();
/// assert_eq!(errors[0], "spec.contaners: unknown field, did you mean `containers`?");
/// assert_eq!(errors[1], "spec.restartPolicy: is always Never in a pod of Styx, which retries by itself: leave it out");
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Template(PodTemplateSpec);

impl Template {
    /// Reads a template and checks it: its size, its fields and their types, and what is refused. `allowed` says which secrets
    /// it may name.
    ///
    /// # Errors
    ///
    /// All that is wrong; of fields of a wrong type, the first one.
    pub fn parse(json: &str, allowed: &SecretPatterns) -> Result<Self, Vec<TemplateError>> {
        if json.len() > PodTemplate::MAX_BYTES {
            let text =
                format!("has {} bytes, more than {}: move texts into a ConfigMap", json.len(), PodTemplate::MAX_BYTES);
            return Err(vec![TemplateError::new("", text)]);
        }
        let value: Value =
            serde_json::from_str(json).map_err(|error| vec![TemplateError::new("", format!("isn't JSON: {error}"))])?;
        let mut errors = rules::directives(&value);
        let spec = typed::read(&value, &mut errors);
        errors.extend(rules::check(&value));
        errors.extend(refs::check(&value, allowed));
        match spec {
            Some(spec) if errors.is_empty() => Ok(Self(spec)),
            _ => Err(errors),
        }
    }

    /// Merges it over a pod: by Kubernetes' own strategies, except that an item of `env` or `volumes` replaces the one of the
    /// same name as a whole (decision 57): half of the one and half of the other makes neither.
    pub fn merge_into(&self, pod: &mut Pod) {
        merge::merge(pod, &self.0);
    }
}
