//! The rules for workflows, each at its limit and beyond it.

use chrono::TimeDelta;
use styx_core::workflow::{
    DeploymentSource, FlyteExecConf, FlyteIdentifier, PodTemplate, Secret, Span, WorkflowConfiguration, validate,
};

/// A configuration that keeps every rule, but for what `change` does to it.
fn with(change: impl FnOnce(&mut WorkflowConfiguration)) -> WorkflowConfiguration {
    let mut configuration = WorkflowConfiguration::new("wf", "days");
    configuration.docker_image = Some("busybox:1.36".into());
    change(&mut configuration);
    configuration
}

fn flyte(change: impl FnOnce(&mut FlyteIdentifier)) -> WorkflowConfiguration {
    let mut reference_id = FlyteIdentifier {
        resource_type: "LAUNCH_PLAN".into(),
        project: "ml".into(),
        domain: "production".into(),
        name: "score".into(),
        version: "v12".into(),
    };
    change(&mut reference_id);
    let mut configuration = WorkflowConfiguration::new("wf", "days");
    configuration.flyte_exec_conf = Some(FlyteExecConf { reference_id, input_fields: Default::default() });
    configuration
}

/// Errors as `rule field: text`.
fn errors(configuration: &WorkflowConfiguration) -> Vec<String> {
    let errors = validate("styx", &configuration.id, configuration, Some(TimeDelta::hours(48)));
    errors.iter().map(|error| format!("{} {}: {error}", error.rule, error.field)).collect()
}

fn accepted(change: impl FnOnce(&mut WorkflowConfiguration)) {
    assert_eq!(errors(&with(change)), [""; 0]);
}

fn refused(change: impl FnOnce(&mut WorkflowConfiguration), expected: &[&str]) {
    assert_eq!(errors(&with(change)), expected);
}

/// A text of this many UTF-16 units, in half as many characters.
fn wide(units: usize) -> String {
    assert_eq!(units % 2, 0);
    "😀".repeat(units / 2)
}

#[test]
fn ids() {
    let configuration = with(|_| ());
    let of = |component: &str, workflow: &str| -> Vec<String> {
        let errors = validate(component, workflow, &configuration, None);
        errors.iter().map(|error| format!("{} {}: {error}", error.rule, error.field)).collect()
    };
    assert_eq!(of("styx", "wf"), [""; 0]);
    assert_eq!(of("", "wf"), ["V-1 component_id: component id cannot be empty"]);
    assert_eq!(of("a#b", "wf"), ["V-2 component_id: component id cannot contain #"]);
    assert_eq!(of("styx", ""), ["V-3 id: workflow id cannot be empty", "V-4 id: workflow id mismatch"]);
    assert_eq!(of("styx", "WF"), ["V-4 id: workflow id mismatch"]);
    accepted(|c| c.id = "a#b".into());
}

#[test]
fn lengths() {
    accepted(|c| c.id = wide(256));
    refused(|c| c.id = wide(258), &["V-5 id: id too long: 258, limit = 256"]);
    accepted(|c| c.commit_sha = Some("x".repeat(256)));
    refused(|c| c.commit_sha = Some("x".repeat(257)), &["V-6 commit_sha: commitSha too long: 257, limit = 256"]);
    let account = format!("{}@b.cc", "x".repeat(252));
    refused(
        |c| c.service_account = Some(account),
        &["V-7 service_account: service account too long: 257, limit = 256"],
    );
    accepted(|c| c.retry_condition = Some(format!("'{}'", wide(254))));
    refused(
        |c| c.retry_condition = Some(format!("'{}'", wide(256))),
        &["V-11 retry_condition: retry condition too long: 258, limit = 256"],
    );
}

#[test]
fn resources_and_variables() {
    accepted(|c| c.resources = vec!["x".repeat(256); 5]);
    refused(
        |c| c.resources = vec!["x".repeat(257); 6],
        &[
            &["V-8 resources: too many resources: 6, limit = 5"][..],
            &["V-12 resources: resource name too long: 257, limit = 256"; 6],
        ]
        .concat(),
    );
    let env = |count: usize, size: usize| {
        (0..count).map(move |index| (format!("{index:08}"), "x".repeat(size - 8))).collect()
    };
    accepted(|c| c.env = env(128, 128));
    refused(|c| c.env = env(129, 8), &["V-9 env: too many env vars: 129, limit = 128"]);
    refused(|c| c.env = env(128, 129), &["V-10 env: env too big: 16512, limit = 16384"]);
}

#[test]
fn schedules_and_offsets() {
    accepted(|c| c.schedule = "0 3 * * MON-FRI".into());
    accepted(|c| c.schedule = "0 0 30 2 *".into());
    for schedule in ["", "@midnight", "60 * * * *", "* * * * * *"] {
        refused(|c| c.schedule = schedule.into(), &["V-14 schedule: invalid schedule"]);
    }
    accepted(|c| c.offset = Some("P1DT2H".into()));
    for offset in ["", "P1H", "1 day"] {
        let errors = errors(&with(|c| c.offset = Some(offset.into())));
        assert_eq!(errors.len(), 1, "{offset:?}");
        assert!(errors[0].starts_with("V-13 offset: invalid offset: "), "{errors:?}");
    }
}

#[test]
fn time_outs() {
    let seconds = |seconds| move |c: &mut WorkflowConfiguration| c.running_timeout = Some(Span::from_seconds(seconds));
    accepted(seconds(60));
    accepted(seconds(48 * 3600));
    refused(seconds(59), &["V-15 running_timeout: running timeout is too small: PT59S, limit = PT1M"]);
    refused(seconds(0), &["V-15 running_timeout: running timeout is too small: PT0S, limit = PT1M"]);
    refused(seconds(49 * 3600), &["V-26 running_timeout: running timeout is too big: PT49H, limit = PT48H"]);
    refused(
        seconds(i64::MAX),
        &["V-26 running_timeout: running timeout is too big: PT2562047788015215H30M7S, limit = PT48H"],
    );
    let configuration = with(seconds(i64::MAX));
    assert_eq!(validate("styx", "wf", &configuration, None), []);
}

#[test]
fn accounts_arguments_and_images() {
    refused(
        |c| c.service_account = Some("nobody".into()),
        &["V-16 service_account: service account is not a valid email address: nobody"],
    );
    accepted(|c| c.docker_args = Some(vec![wide(999_998), String::new()]));
    refused(
        |c| c.docker_args = Some(vec![wide(1_000_000)]),
        &["V-19 docker_args: docker args is too large: 1000001, limit = 1000000"],
    );
    refused(|c| c.docker_image = Some("a:".into()), &["V-20 docker_image: invalid image: Tag cannot be empty"]);
    accepted(|c| c.docker_image = None);
}

#[test]
fn flyte_workflows() {
    assert_eq!(errors(&flyte(|_| ())), [""; 0]);
    let both = "V-18 flyte_exec_conf: configuration cannot specify both docker and flyte parameters";
    for change in [(|c| c.docker_image = Some("a".into())) as fn(&mut WorkflowConfiguration), |c| {
        c.docker_args = Some(vec!["x".into()])
    }] {
        let mut configuration = flyte(|_| ());
        change(&mut configuration);
        assert_eq!(errors(&configuration), [both]);
    }
    let empty = flyte(|id| {
        let none = String::new;
        *id = FlyteIdentifier {
            resource_type: "TASK".into(),
            project: none(),
            domain: none(),
            name: none(),
            version: none(),
        };
    });
    assert_eq!(
        errors(&empty),
        [
            "V-21 flyte_exec_conf.reference_id.resource_type: only launch plans (\"LAUNCH_PLAN\") are supported as \
             resource type, but received: TASK",
            "V-22 flyte_exec_conf.reference_id.domain: domain cannot be empty",
            "V-23 flyte_exec_conf.reference_id.project: project cannot be empty",
            "V-24 flyte_exec_conf.reference_id.name: name cannot be empty",
            "V-25 flyte_exec_conf.reference_id.version: version cannot be empty",
        ]
    );
}

#[test]
fn a_retry_condition_has_the_syntax_of_one() {
    let condition = |text: &str| {
        let text = text.to_owned();
        move |c: &mut WorkflowConfiguration| c.retry_condition = Some(text)
    };
    accepted(condition("#exitCode == 1 && #tries < 4"));
    accepted(condition("T(java.lang.Math).random() > 0.5"));
    refused(
        condition("#tries <"),
        &["V-17 retry_condition: invalid retry condition: column 9: expected an operand, found the end"],
    );
    let too_long = "V-11 retry_condition: retry condition too long: 257, limit = 256";
    refused(condition(&format!("'{}'", "a".repeat(255))), &[too_long]);
    refused(
        condition(&"(".repeat(257)),
        &[too_long, "V-17 retry_condition: invalid retry condition: column 131: it is nested too deep"],
    );
}

#[test]
fn a_secret_is_one_that_kubernetes_can_mount() {
    let secret = |name: &str, mount_path: &str| {
        let secret = Secret { name: name.into(), mount_path: mount_path.into() };
        move |c: &mut WorkflowConfiguration| c.secret = Some(secret)
    };
    accepted(secret("my-secret", "/etc/my-keys"));
    accepted(secret("a.b-c.0", "/etc/styx-wf-sa-keys-of-mine"));
    for name in ["", "A", "a_b", "-a", "a-", "a..b", "ä", &"a".repeat(254)] {
        let text = format!(
            "S-1 secret.name: secret name is not valid, only lower-case letters, digits, inner - and . (at most 253): {name}"
        );
        refused(secret(name, "/keys"), &[&text]);
    }
    for path in ["", "keys", "./keys", "/a:b", "/a/../etc"] {
        let text =
            format!("S-2 secret.mount_path: secret mount path must be an absolute path without : and ..: {path}");
        refused(secret("keys", path), &[&text]);
    }
    for path in ["/etc/styx-wf-sa-keys", "/etc/styx-wf-sa-keys/", "/etc/styx-wf-sa-keys/a", "//etc/./styx-wf-sa-keys"] {
        let text = format!("S-2 secret.mount_path: secret mount path must not be under /etc/styx-wf-sa-keys: {path}");
        refused(secret("keys", path), &[&text]);
    }
}

#[test]
fn every_field_has_a_bounded_length_and_every_error_too() {
    let long = "x".repeat(1_000_000);
    let some = || Some(long.clone());
    let mut configuration = WorkflowConfiguration::new(long.as_str(), long.as_str());
    // No field can be left out: a new one doesn't compile until it is here.
    let WorkflowConfiguration {
        id: _,
        schedule: _,
        offset,
        commit_sha,
        docker_image,
        docker_args,
        docker_command,
        docker_termination_logging: _,
        service_account,
        resources,
        env,
        running_timeout: _,
        retry_condition,
        flyte_exec_conf,
        deployment_source,
        deployment_time: _,
        secret,
        pod,
    } = &mut configuration;
    for text in [offset, commit_sha, docker_image, service_account, retry_condition] {
        *text = some();
    }
    for texts in [docker_args, docker_command] {
        *texts = Some(vec![long.clone()]);
    }
    *resources = vec![long.clone()];
    *env = [(long.clone(), long.clone())].into();
    let [resource_type, project, domain, name, version] = [(); 5].map(|()| long.clone());
    let reference_id = FlyteIdentifier { resource_type, project, domain, name, version };
    *flyte_exec_conf = Some(FlyteExecConf { reference_id, input_fields: [(long.clone(), long.clone())].into() });
    *deployment_source = Some(DeploymentSource { repository: some(), source: long.clone() });
    *secret = Some(Secret { name: long.clone(), mount_path: format!("/{long}") });
    *pod = Some(PodTemplate::from_json(&format!(r#"{{"metadata":{{"labels":{{"l":"{long}"}}}}}}"#)).unwrap());
    let errors = validate(&long, &long, &configuration, None);
    for field in [
        "component_id",
        "id",
        "schedule",
        "offset",
        "docker_image",
        "docker_args",
        "docker_command",
        "commit_sha",
        "service_account",
        "retry_condition",
        "resources",
        "env",
        "flyte_exec_conf.reference_id.resource_type",
        "flyte_exec_conf.reference_id.project",
        "flyte_exec_conf.reference_id.domain",
        "flyte_exec_conf.reference_id.name",
        "flyte_exec_conf.reference_id.version",
        "flyte_exec_conf.input_fields",
        "deployment_source.source",
        "deployment_source.repository",
        "secret.name",
        "secret.mount_path",
        "pod",
    ] {
        assert!(errors.iter().any(|error| error.field == field), "{field} of any length is taken");
    }
    assert!(errors.iter().all(|error| error.text.len() < 1_100));
    let schedule = format!("{}0 * * * *", "0,".repeat(35_000));
    let errors = validate("c", "w", &WorkflowConfiguration::new("w", &schedule), None);
    assert_eq!(errors[0].to_string(), "schedule too long: 70009, limit = 1024");
}

#[test]
fn an_id_names_nothing_else_in_a_path() {
    for id in [".", ".."] {
        let errors = validate(id, id, &WorkflowConfiguration::new(id, "hours"), None);
        let fields: Vec<_> = errors.iter().map(|error| (error.rule, error.field)).collect();
        assert_eq!(fields, [("S-4", "component_id"), ("S-4", "id")]);
    }
    assert!(validate("...", ".a", &WorkflowConfiguration::new(".a", "hours"), None).is_empty());
}
