//! The pod of an execution.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use styx_core::{
    event::Trigger,
    executor::Launch,
    id::{ExecutionId, InstanceId, WorkflowId},
    record::{Origin, Runs, WorkflowSpec},
    workflow::{PodTemplate, WorkflowConfiguration, validate},
};
use styx_k8s::{
    labels,
    pod::{PodSettings, build},
};
use uuid::Uuid;

use crate::harness::{Case, Rule, Verdict};

const LOG_ID: Uuid = Uuid::from_u128(1);
const EXECUTION_COUNTER: u32 = 4;

/// What we do with the quirks of `pod-spec.jsonl`, and where our pods have more.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        quirk: "invalid_label",
        kinds: &[],
        verdict: Verdict::Adapted(with_valid_labels),
        count: 15,
        reason: "Kubernetes refuses a pod with such a label",
        anchor: "kubernetes-label",
    },
    Rule {
        quirk: "label_not_normalised",
        kinds: &[],
        verdict: Verdict::Adapted(with_valid_labels),
        count: 34,
        reason: "Kubernetes refuses a pod with such a label",
        anchor: "kubernetes-environment-label",
    },
    Rule {
        quirk: "env_listed_twice",
        kinds: &[],
        verdict: Verdict::Adapted(with_each_variable_once),
        count: 2,
        reason: "the last one counts, so the first one isn't written",
        anchor: "kubernetes-env-once",
    },
    Rule {
        quirk: "log_id",
        kinds: &[],
        verdict: Verdict::Adapted(with_log_id),
        count: 667,
        reason: "pods of other logs in the namespace are left alone",
        anchor: "kubernetes-log-id",
    },
    Rule {
        quirk: "execution_counter",
        kinds: &[],
        verdict: Verdict::Adapted(with_execution_counter),
        count: 667,
        reason: "a job learns how many executions its trigger had before",
        anchor: "execution-counter",
    },
    Rule {
        quirk: "flyte",
        kinds: &["flyte_execution_name"],
        verdict: Verdict::Excused,
        count: 31,
        reason: "nothing runs Flyte here, so nothing is named",
        anchor: "kubernetes-flyte-names",
    },
];

/// What the file doesn't name.
pub(crate) fn quirks(line: &Value) -> Vec<&'static str> {
    if line["pod"].is_object() { vec!["log_id", "execution_counter"] } else { Vec::new() }
}

/// Compares the pod, or why there is none.
pub(crate) fn check(case: &mut Case) {
    match case.text("kind").as_str() {
        "from_configuration" if !case.member("halted").is_null() => check_halted(case),
        "from_configuration" => {
            let configuration = configuration(case);
            let mut env = configuration.env.clone();
            env.extend(texts(&case.member("trigger_parameters")["env"]));
            let args = styx_core::effects::filled_in(&configuration, instance(case).parameter());
            let (trigger, execution) = (case.member("trigger"), case.text("execution_id"));
            let mut launch = launch(case, &execution, &trigger);
            launch.docker_image = configuration.docker_image.clone().unwrap_or_default();
            launch.docker_args = args;
            launch.env = env;
            launch.service_account = configuration.service_account.clone();
            launch.commit_sha = configuration.commit_sha.clone();
            launch.docker_termination_logging = configuration.docker_termination_logging;
            check_pod(case, &launch);
        }
        "from_run_spec" => {
            let spec = case.member("run_spec");
            let text = |member: &str| spec[member].as_str().map(str::to_owned);
            let mut launch = launch(case, &text("execution_id").unwrap_or_default(), &spec["trigger"]);
            launch.docker_image = text("image_name").unwrap_or_default();
            launch.docker_args =
                spec["args"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            launch.env = texts(&spec["env"]);
            launch.service_account = text("service_account");
            launch.commit_sha = text("commit_sha");
            launch.docker_termination_logging = spec["termination_logging"] == true;
            launch.pod = memory(&spec);
            check_pod(case, &launch);
        }
        "flyte_execution_name" => case.excuse("flyte"),
        kind => case.fail(format!("the kind {kind} is not known")),
    }
}

fn check_pod(case: &mut Case, launch: &Launch) {
    let mut settings = PodSettings::default();
    settings.environment = case.text("styx_environment");
    settings.execution_env = texts(&case.member("execution_env_vars"));
    let secret = case.member("service_account_secret").as_str().map(str::to_owned);
    match build(launch, &settings, secret.as_deref()) {
        Ok(pod) => {
            let mut pod = serde_json::to_value(pod).expect("a pod is JSON");
            case.expect("env", env_by_name(&pod));
            let mut expected = case.member("pod");
            sort_env(&mut expected);
            sort_env(&mut pod);
            case.expect_value("pod", &expected, pod);
        }
        Err(errors) => case.fail(format!("{errors:?}")),
    }
}

/// What keeps a workflow from being run, of what this crate's input can't have: the run is halted before there is a launch.
fn check_halted(case: &mut Case) {
    let configuration = configuration(case);
    let id = instance(case).workflow().clone();
    let errors = validate(id.component(), id.workflow(), &configuration, None);
    let runs = WorkflowSpec::new(&configuration, Origin::Api).runs;
    let is_natural = case.member("trigger")["type"] == "natural";
    let halted = match (case.member("workflow_exists") == true, case.member("workflow_enabled") == true) {
        (false, _) => "workflow_missing",
        (true, false) if is_natural => "workflow_disabled",
        _ if !errors.is_empty() => "configuration_invalid",
        _ if runs == Runs::Nothing => "no_execution_configuration",
        _ => "",
    };
    case.expect("halted", halted);
}

fn configuration(case: &Case) -> WorkflowConfiguration {
    WorkflowConfiguration::from_json(&case.member("configuration").to_string()).expect("a configuration")
}

fn instance(case: &Case) -> InstanceId {
    let instance = case.member("workflow_instance");
    let text = |member: &str| instance[member].as_str().unwrap_or_default().to_owned();
    InstanceId::new(WorkflowId::new(text("component_id"), text("workflow_id")), text("parameter"))
}

fn launch(case: &Case, execution: &str, trigger: &Value) -> Launch {
    let id = || trigger["id"].as_str().unwrap_or_default().into();
    Launch {
        executor: "k8s".into(),
        log_id: LOG_ID,
        execution: ExecutionId::parse(execution),
        instance: instance(case),
        docker_image: String::new(),
        docker_command: None,
        docker_args: Vec::new(),
        env: BTreeMap::new(),
        trigger: match trigger["type"].as_str() {
            Some("natural") => Some(Trigger::Natural),
            Some("adhoc") => Some(Trigger::AdHoc(id())),
            Some("backfill") => Some(Trigger::Backfill(id())),
            Some(_) => Some(Trigger::Unknown(id())),
            None => None,
        },
        tries: case.member("tries").as_u64().and_then(|tries| u32::try_from(tries).ok()).expect("a number of tries"),
        execution_counter: EXECUTION_COUNTER,
        service_account: None,
        commit_sha: None,
        docker_termination_logging: false,
        secret: None,
        pod: None,
        origin: Origin::Api,
    }
}

/// Memory as a template, which is where a workflow of ours has it.
fn memory(spec: &Value) -> Option<PodTemplate> {
    let mut resources = Map::new();
    for (member, kind) in [("mem_request", "requests"), ("mem_limit", "limits")] {
        if let Some(memory) = spec[member].as_str() {
            resources.insert(kind.into(), json!({"memory": memory}));
        }
    }
    let template = json!({"spec": {"containers": [{"name": "styx-run", "resources": resources}]}});
    (!resources.is_empty()).then(|| PodTemplate::from_json(&template.to_string()).expect("a template"))
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

fn main_env(pod: &mut Value) -> &mut Vec<Value> {
    pod["spec"]["containers"][0]["env"].as_array_mut().expect("there is an environment")
}

/// The order of variables means nothing.
fn sort_env(pod: &mut Value) {
    main_env(pod).sort_by_key(|variable| variable["name"].as_str().unwrap_or_default().to_owned());
}

fn env_by_name(pod: &Value) -> Value {
    let env = pod["spec"]["containers"][0]["env"].as_array().into_iter().flatten();
    let env: Map<_, _> =
        env.map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), one["value"].clone())).collect();
    env.into()
}

/// Each label that Kubernetes would refuse, in a form that it takes.
fn with_valid_labels(line: &mut Value) {
    let instance = line["workflow_instance"].clone();
    let Some(labels) = line["pod"]["metadata"]["labels"].as_object_mut() else { return };
    for (label, member) in
        [("STYX_COMPONENT_ID", "component_id"), ("STYX_WORKFLOW_ID", "workflow_id"), ("STYX_PARAMETER", "parameter")]
    {
        let theirs = labels[label].as_str().unwrap_or_default();
        if !crate::kubernetes::is_label_value(theirs) {
            labels[label] = labels::normalise(instance[member].as_str().unwrap_or_default()).into();
        }
    }
    for label in ["STYX_ENVIRONMENT", "STYX_EXECUTION_ID"] {
        let theirs = labels[label].as_str().unwrap_or_default();
        if !crate::kubernetes::is_label_value(theirs) {
            labels[label] = labels::normalise(theirs).into();
        }
    }
}

fn with_each_variable_once(line: &mut Value) {
    let twice: Vec<_> = line["env_names_listed_twice"].as_array().into_iter().flatten().cloned().collect();
    let env = main_env(&mut line["pod"]);
    for name in twice {
        if let Some(first) = env.iter().position(|variable| variable["name"] == name) {
            env.remove(first);
        }
    }
}

fn with_log_id(line: &mut Value) {
    line["pod"]["metadata"]["labels"]["styx-log-id"] = LOG_ID.to_string().into();
}

fn with_execution_counter(line: &mut Value) {
    let counter = EXECUTION_COUNTER.to_string();
    line["env"]["STYX_EXECUTION_COUNTER"] = counter.as_str().into();
    main_env(&mut line["pod"]).push(json!({"name": "STYX_EXECUTION_COUNTER", "value": counter}));
}
