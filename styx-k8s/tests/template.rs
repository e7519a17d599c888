//! Pod templates: what is refused wherever it can stand, and what is left of the pod that Styx builds.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use proptest::prelude::*;
use serde_json::{Value, json};
use styx_core::{
    event::Trigger,
    executor::Launch,
    id::{ExecutionId, InstanceId, WorkflowId},
    record::Origin,
    workflow::{PodTemplate, Secret},
};
use styx_k8s::{
    pod::{PodSettings, build},
    template::{SecretPatterns, Template},
};
use uuid::Uuid;

fn launch(pod: Option<&Value>) -> Launch {
    Launch {
        executor: "k8s".into(),
        log_id: Uuid::from_u128(1),
        execution: ExecutionId::from_uuid(Uuid::from_u128(2)),
        instance: InstanceId::new(WorkflowId::new("sales", "daily"), "2024-05-06"),
        docker_image: "busybox:1.36".into(),
        docker_command: Some(vec!["sh".into()]),
        docker_args: vec!["-c".into(), "true".into()],
        env: BTreeMap::from([("MODE".into(), "full".into())]),
        trigger: Some(Trigger::Natural),
        tries: 0,
        execution_counter: 0,
        service_account: None,
        commit_sha: None,
        docker_termination_logging: false,
        secret: Some(Secret { name: "db.creds".into(), mount_path: "/etc/db".into() }),
        pod: pod.map(|pod| PodTemplate::from_json(&pod.to_string()).expect("an object")),
        origin: Origin::Api,
    }
}

fn built(template: &Value) -> Value {
    let pod = build(&launch(Some(template)), &PodSettings::default(), Some("styx-wf-sa-keys-1-a"));
    serde_json::to_value(pod.expect("a pod")).expect("a pod is JSON")
}

fn parsed(template: &Value) -> Vec<String> {
    let errors = Template::parse(&template.to_string(), &SecretPatterns::all()).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn refused(template: &Value, path: &str) {
    let errors = parsed(template);
    assert!(errors.iter().any(|error| error.starts_with(&format!("{path}: "))), "{template}: {errors:?}");
}

/// A template with a container of each kind that has these fields, and its path.
fn in_each_container(fields: &Value) -> Vec<(Value, &'static str)> {
    let with = |name: &str| {
        let mut container = fields.clone();
        container["name"] = name.into();
        container
    };
    vec![
        (json!({"spec": {"containers": [with("styx-run")]}}), "spec.containers[0]"),
        (json!({"spec": {"containers": [{"name": "styx-run"}, with("sidecar")]}}), "spec.containers[1]"),
        (json!({"spec": {"initContainers": [with("first")]}}), "spec.initContainers[0]"),
    ]
}

#[test]
fn keys_of_service_accounts_are_refused_everywhere() {
    let keys = "styx-wf-sa-keys-2609-9c63";
    for (fields, path) in [
        (
            json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": keys, "key": "k"}}}]}),
            "env[0].valueFrom.secretKeyRef.name",
        ),
        (json!({"envFrom": [{"secretRef": {"name": keys}}]}), "envFrom[0].secretRef.name"),
        (json!({"volumeMounts": [{"name": "styx-wf-sa-keys", "mountPath": "/a"}]}), "volumeMounts[0].name"),
        (json!({"volumeMounts": [{"name": "v", "mountPath": "/etc//styx-wf-sa-keys"}]}), "volumeMounts[0].mountPath"),
    ] {
        for (template, container) in in_each_container(&fields) {
            refused(&template, &format!("{container}.{path}"));
        }
    }
    for (source, path) in [
        (json!({"secret": {"secretName": keys}}), "secret.secretName"),
        (
            json!({"projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": keys}}]}}),
            "projected.sources[1].secret.name",
        ),
        (json!({"csi": {"driver": "d", "nodePublishSecretRef": {"name": keys}}}), "csi.nodePublishSecretRef.name"),
        (json!({"azureFile": {"shareName": "s", "secretName": keys}}), "azureFile.secretName"),
        (json!({"flexVolume": {"driver": "d", "secretRef": {"name": keys}}}), "flexVolume.secretRef.name"),
    ] {
        let mut volume = source;
        volume["name"] = "v".into();
        refused(&json!({"spec": {"volumes": [volume]}}), &format!("spec.volumes[0].{path}"));
    }
    refused(&json!({"spec": {"volumes": [{"name": "styx-wf-sa-keys", "emptyDir": {}}]}}), "spec.volumes[0].name");
    refused(&json!({"spec": {"imagePullSecrets": [{"name": keys}]}}), "spec.imagePullSecrets[0].name");
}

#[test]
fn an_executor_may_restrict_secrets() {
    let allowed = SecretPatterns::new(["team-*"]);
    let errors = |name: &str| {
        let volume = json!({"name": "v", "projected": {"sources": [{"secret": {"name": name}}]}});
        let template = json!({"spec": {"volumes": [volume, {"name": "w", "secret": {"secretName": name}}]}});
        Template::parse(&template.to_string(), &allowed).err().unwrap_or_default().len()
    };
    assert_eq!((errors("team-a"), errors("other")), (0, 2));
    let mut settings = PodSettings::default();
    settings.allowed_secrets = allowed;
    let errors = build(&launch(None), &settings, None).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        r#"secret.name: the secret "db.creds" isn't among the executor's allowed_secrets (team-*)"#
    );
}

#[test]
fn what_styx_decides_is_refused() {
    for field in [
        "image",
        "command",
        "args",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "restartPolicy",
        "restartPolicyRules",
    ] {
        let value = if field.ends_with("gs") || field.ends_with("nd") { json!(["a"]) } else { json!("a") };
        let value = if field == "restartPolicyRules" { json!([]) } else { value };
        refused(
            &json!({"spec": {"containers": [{"name": "styx-run", field: value}]}}),
            &format!("spec.containers[0].{field}"),
        );
    }
    for (template, path) in [
        (json!({"spec": {"restartPolicy": "Never"}}), "spec.restartPolicy"),
        (json!({"spec": {"ephemeralContainers": [{"name": "a"}]}}), "spec.ephemeralContainers"),
        (json!({"spec": {"containers": [{"name": "keepalive", "command": ["a"]}]}}), "spec.containers[0].command"),
        (json!({"spec": {"initContainers": [{"name": "keepalive"}]}}), "spec.initContainers[0].name"),
        (
            json!({"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "a"}]}}),
            "spec.initContainers[0].name",
        ),
        (json!({"spec": {"containers": [{"image": "a"}]}}), "spec.containers[0].name"),
        (json!({"spec": {"nodeName": null}}), "spec.nodeName"),
        (json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}), "spec.containers[0].$patch"),
        (json!({"metadata": {"name": "a"}}), "metadata.name"),
        (json!({"metadata": {"labels": {"STYX_WORKFLOW_ID": "a"}}}), "metadata.labels.STYX_WORKFLOW_ID"),
        (
            json!({"metadata": {"annotations": {"styx-workflow-instance": "a"}}}),
            "metadata.annotations.styx-workflow-instance",
        ),
    ] {
        refused(&template, path);
    }
    for (template, container) in in_each_container(&json!({"env": [{"name": "STYX_A", "value": "b"}]})) {
        refused(&template, &format!("{container}.env[0].name"));
    }
    let large = json!({"metadata": {"annotations": {"a": "b".repeat(64 * 1024)}}});
    refused(&large, "pod template");
}

#[test]
fn fields_have_the_types_of_kubernetes() {
    for (template, error) in [
        (json!({"spce": {}}), "spce: unknown field, did you mean `spec`?"),
        (
            json!({"spec": {"containers": [{"name": "styx-run", "imagepullpolicy": "Always"}]}}),
            "spec.containers[0].imagepullpolicy: unknown field, did you mean `imagePullPolicy`?",
        ),
        (json!({"spec": {"xyz": 1}}), "spec.xyz: unknown field"),
        (
            json!({"spec": {"containers": [{"name": "a", "env": [{"name": "A", "value": 5}]}]}}),
            "spec.containers[0].env[0].value: expected a text, found a number; a text needs quotes",
        ),
        (json!({"spec": {"containers": {}}}), "spec.containers: expected a list, found an object"),
        (json!({"spec": []}), "spec: expected an object, found a list"),
        (json!({"spec": {"hostNetwork": "yes"}}), "spec.hostNetwork: expected true or false, found a text"),
        (
            json!({"spec": {"priority": 5_000_000_000_i64}}),
            "spec.priority: expected a whole number of 32 bits, found a number",
        ),
    ] {
        assert_eq!(parsed(&template), [error], "{template}");
    }
    // A quantity may be a number, as Kubernetes takes it.
    let cpu =
        json!({"spec": {"containers": [{"name": "styx-run", "resources": {"limits": {"cpu": 2, "memory": "1Gi"}}}]}});
    assert_eq!(built(&cpu)["spec"]["containers"][0]["resources"]["limits"], json!({"cpu": "2", "memory": "1Gi"}));
}

#[test]
fn items_of_env_and_volumes_are_replaced_whole() {
    let from_field = json!({"name": "MODE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}});
    let pod = built(&json!({"spec": {"containers": [{"name": "styx-run", "env": [from_field]}]}}));
    let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    assert_eq!(env.iter().filter(|one| one["name"] == "MODE").collect::<Vec<_>>(), [&from_field]);

    let template = |volume: &Value| {
        let json = json!({"spec": {"volumes": [volume]}}).to_string();
        Template::parse(&json, &SecretPatterns::all()).unwrap()
    };
    let mut pod = Pod { spec: Some(Default::default()), ..Pod::default() };
    template(&json!({"name": "v", "emptyDir": {}})).merge_into(&mut pod);
    let secret = json!({"name": "v", "secret": {"secretName": "s"}});
    template(&secret).merge_into(&mut pod);
    assert_eq!(serde_json::to_value(pod).unwrap()["spec"]["volumes"], json!([secret]));
}

#[test]
fn what_styx_mounts_is_not_replaced() {
    let volume = json!({"spec": {"volumes": [{"name": "dbcreds6e2d7a5", "emptyDir": {}}]}});
    let pod = built(&json!({}));
    let name = pod["spec"]["volumes"][1]["name"].clone();
    let mut volume = volume;
    volume["spec"]["volumes"][0]["name"] = name;
    let mount = json!({"spec": {"containers": [{"name": "styx-run", "volumeMounts": [{"name": "v", "mountPath": "/etc/db/"}]}]}});
    for (template, path) in [(volume, "spec.volumes[0].name"), (mount, "spec.containers[0].volumeMounts[0].mountPath")]
    {
        let errors = build(&launch(Some(&template)), &PodSettings::default(), None).unwrap_err();
        assert_eq!(errors[0].path, path, "{errors:?}");
    }
}

/// Templates that keep the rules.
fn template() -> impl Strategy<Value = Value> {
    let name = || prop::sample::select(vec!["a", "b", "MODE", "GOOGLE_APPLICATION_CREDENTIALS"]);
    let env = prop::collection::btree_map(name(), "[a-z]{0,3}", 0..4)
        .prop_map(|env| env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>());
    let container = |name: &'static str| {
        (env.clone(), any::<bool>(), 1..4_u32).prop_map(move |(env, stdin, cpu)| {
            json!({"name": name, "env": env, "stdin": stdin, "resources": {"requests": {"cpu": cpu.to_string()}},
                "volumeMounts": [{"name": "v", "mountPath": format!("/m{cpu}")}]})
        })
    };
    let containers = (container("styx-run"), container("sidecar"), container("first"), any::<[bool; 3]>());
    (containers, prop::collection::btree_map("[a-z]{1,3}", "[a-z]{0,3}", 0..3), any::<bool>()).prop_map(
        |((main, sidecar, first, [has_main, has_sidecar, has_first]), labels, host)| {
            let some = |is: bool, one: Value| if is { vec![one] } else { Vec::new() };
            let containers = [some(has_sidecar, sidecar), some(has_main, main)].concat();
            json!({"metadata": {"labels": labels, "annotations": labels}, "spec": {"containers": containers,
                "initContainers": some(has_first, first), "hostNetwork": host,
                "volumes": [{"name": "v", "emptyDir": {}}], "nodeSelector": labels}})
        },
    )
}

#[test]
fn a_pod_names_the_init_containers_that_it_has_from_templates() {
    let named = |template: Value| built(&template)["metadata"]["annotations"]["styx-init-containers"].clone();
    let two =
        json!({"spec": {"initContainers": [{"name": "fetch", "image": "a:1"}, {"name": "unpack", "image": "a:1"}]}});
    assert_eq!(named(two), "fetch,unpack");
    assert_eq!(named(json!({})), Value::Null);
    // No template may say so itself.
    refused(
        &json!({"metadata": {"annotations": {"styx-init-containers": "istio-init"}}}),
        "metadata.annotations.styx-init-containers",
    );
}

proptest! {
    #[test]
    fn an_empty_template_changes_nothing(empty in prop::sample::select(vec![json!({}), json!({"spec": {}}),
        json!({"metadata": {}, "spec": {"containers": []}})])) {
        let without = build(&launch(None), &PodSettings::default(), None).unwrap();
        prop_assert_eq!(build(&launch(Some(&empty)), &PodSettings::default(), None).unwrap(), without);
    }

    #[test]
    fn merging_twice_is_merging_once(template in template()) {
        let template = Template::parse(&template.to_string(), &SecretPatterns::all()).unwrap();
        let mut once = build(&launch(None), &PodSettings::default(), None).unwrap();
        template.merge_into(&mut once);
        let mut twice = once.clone();
        template.merge_into(&mut twice);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn what_styx_builds_survives(first in template(), second in template()) {
        let mut settings = PodSettings::default();
        settings.template = Template::parse(&first.to_string(), &SecretPatterns::all()).unwrap();
        let keys = Some("styx-wf-sa-keys-1-a");
        let bare = serde_json::to_value(build(&launch(None), &PodSettings::default(), keys).unwrap()).unwrap();
        let pod = serde_json::to_value(build(&launch(Some(&second)), &settings, keys).unwrap()).unwrap();
        for part in ["labels", "annotations"] {
            for (name, value) in bare["metadata"][part].as_object().unwrap() {
                prop_assert_eq!(&pod["metadata"][part][name], value);
            }
        }
        prop_assert_eq!(&pod["metadata"]["name"], &bare["metadata"]["name"]);
        prop_assert_eq!(&pod["spec"]["restartPolicy"], "Never");
        let (main, bare_main) = (&pod["spec"]["containers"][0], &bare["spec"]["containers"][0]);
        for field in ["name", "image", "command", "args"] {
            prop_assert_eq!(&main[field], &bare_main[field]);
        }
        prop_assert_eq!(&pod["spec"]["containers"][1]["name"], "keepalive");
        let find = |env: &Value, name: &Value| {
            let named: Vec<_> = env.as_array().unwrap().iter().filter(|one| one["name"] == *name).cloned().collect();
            named
        };
        for variable in bare_main["env"].as_array().unwrap().iter().filter(|one| one["name"] != "MODE") {
            prop_assert_eq!(find(&main["env"], &variable["name"]), [variable.clone()]);
        }
        // In its place each: a variable may refer to those before it.
        let names = |env: &Value| env.as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
        prop_assert!(names(&main["env"]).starts_with(&names(&bare_main["env"])), "{}", main["env"]);
        for (list, of, bare) in [("volumeMounts", main, bare_main), ("volumes", &pod["spec"], &bare["spec"])] {
            for item in bare[list].as_array().unwrap() {
                prop_assert!(of[list].as_array().unwrap().contains(item), "{}", item);
            }
        }
    }
}
