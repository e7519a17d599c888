//! Which secrets pods use.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar, Pod, PodSpec};

/// The names of the secrets that living pods use, however they do: a pod lives until its phase is `Succeeded` or `Failed`.
///
/// Of a namespace it takes all pods, also those of others: Styx 2.x and other logs share the secrets.
pub fn secrets_in_use<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> BTreeSet<String> {
    let living = pods.into_iter().filter(|pod| is_alive(pod)).filter_map(|pod| pod.spec.as_ref());
    living.flat_map(secrets_of).map(str::to_owned).collect()
}

fn is_alive(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

fn secrets_of(spec: &PodSpec) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for volume in spec.volumes.iter().flatten() {
        // Volumes of other kinds say nothing; a token of a service account is in every pod (SA-11).
        names.extend(volume.secret.iter().filter_map(|secret| secret.secret_name.as_deref()));
        let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        names.extend(sources.filter_map(|source| source.secret.as_ref()).map(|secret| secret.name.as_str()));
    }
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        names.extend(secrets_of_environment(container));
    }
    names
}

fn secrets_of_environment(container: &Container) -> impl Iterator<Item = &str> {
    let variables = container.env.iter().flatten().filter_map(of_variable);
    variables.chain(container.env_from.iter().flatten().filter_map(of_source))
}

fn of_variable(variable: &EnvVar) -> Option<&str> {
    let source = variable.value_from.as_ref()?;
    Some(source.secret_key_ref.as_ref()?.name.as_str())
}

fn of_source(source: &EnvFromSource) -> Option<&str> {
    Some(source.secret_ref.as_ref()?.name.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(phase: Option<&str>, spec: serde_json::Value) -> Pod {
        serde_json::from_value(json!({"spec": spec, "status": {"phase": phase}})).unwrap()
    }

    fn volumes(volumes: serde_json::Value) -> serde_json::Value {
        json!({"containers": [{"name": "styx-run"}], "volumes": volumes})
    }

    #[test]
    fn a_pod_uses_secrets_until_it_has_ended() {
        let spec = volumes(json!([{"name": "keys", "secret": {"secretName": "a"}}]));
        for (phase, is_used) in [
            (Some("Pending"), true),
            (Some("Running"), true),
            (None, true),
            (Some("Succeeded"), false),
            (Some("Failed"), false),
        ] {
            assert_eq!(secrets_in_use([&pod(phase, spec.clone())]).contains("a"), is_used, "{phase:?}");
        }
    }

    #[test]
    fn volumes_of_other_kinds_hide_none() {
        let token = json!({"name": "token", "projected": {"sources": [
            {"serviceAccountToken": {"path": "token"}}, {"configMap": {"name": "ca"}}, {"secret": {"name": "b"}}
        ]}});
        let spec = volumes(
            json!([token, {"name": "m", "configMap": {"name": "c"}}, {"name": "k", "secret": {"secretName": "a"}}]),
        );
        assert_eq!(secrets_in_use([&pod(Some("Running"), spec)]), ["a", "b"].map(str::to_owned).into());
    }

    #[test]
    fn environments_use_secrets() {
        let env = json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}]);
        let spec = json!({"containers": [{"name": "c", "env": env}], "initContainers": [
            {"name": "i", "envFrom": [{"secretRef": {"name": "b"}}]}
        ]});
        assert_eq!(secrets_in_use([&pod(Some("Running"), spec)]), ["a", "b"].map(str::to_owned).into());
    }
}
