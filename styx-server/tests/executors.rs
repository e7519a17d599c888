//! Executors by name over HTTP: the default is switched while runs live, and one that isn't configured any more is reported and ended.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{LONG, Server, data};
use serde_json::{Value, json};

const BOTH: &str = "default_executor = \"green\"\n[executors.green]\nkind = \"fake\"\n[executors.blue]\nkind = \"fake\"\n\
                    [[route]]\ncomponent = \"ops*\"\nexecutor = \"blue\"\n";
const GREEN: &str = "[executors.green]\nkind = \"fake\"\n";

fn start(data: &Path, config: &str) -> Server {
    let file = write(data, config);
    Server::start_with(data, &["--config", file.to_str().unwrap()])
}

fn write(data: &Path, config: &str) -> PathBuf {
    let file = data.with_extension("toml");
    fs::write(&file, config).unwrap();
    file
}

/// The executor that runs a workflow's instance, once it runs.
fn runner(server: &Server, component: &str, parameter: &str) -> Value {
    let is_it = |state: &Value| {
        state["workflow_instance"]["workflow_id"]["component_id"] == component
            && state["workflow_instance"]["parameter"] == parameter
    };
    let running = |json: &Value| {
        let states = json["active_states"].as_array()?;
        Some(states.iter().find(|state| is_it(state) && state["state"] == "RUNNING")?.clone())
    };
    let states = server.wait_for("/api/v3/status/activeStates", |json| running(json).is_some());
    running(&states).unwrap()["state_data"]["runner_id"].clone()
}

fn choose(server: &Server, executor: &Value) -> Value {
    let answer = server.ask("PATCH", "/api/v4/config", &[], Some(&json!({ "executor": executor }).to_string()));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn the_default_is_switched_while_runs_live_and_what_is_not_configured_is_reported_and_ended() {
    let (_dir, data) = data();
    let server = start(&data, BOTH);
    for component in ["sales", "ops-1"] {
        server.store(component, "w", "days", LONG);
        assert_eq!(server.trigger(component, "w", "2024-01-01").status, 200);
    }
    assert_eq!(runner(&server, "sales", "2024-01-01"), "green");
    assert_eq!(runner(&server, "ops-1", "2024-01-01"), "blue", "a route is for it");
    let config = choose(&server, &json!("blue"));
    assert_eq!((&config["executor"], &config["executors"]), (&json!("blue"), &json!(["green", "blue"])));
    assert_eq!(config["sources"]["executor"], "api");
    assert_eq!(server.trigger("sales", "w", "2024-01-02").status, 200);
    assert_eq!(runner(&server, "sales", "2024-01-02"), "blue");
    assert_eq!(runner(&server, "sales", "2024-01-01"), "green", "what lives stays where it is");
    let refused = server.ask("PATCH", "/api/v4/config", &[], Some(r#"{"executor":"red"}"#));
    refused.check(400, "no executor `red` is configured; there are: green, blue");
    let bad = server.ask("PATCH", "/api/v4/config", &[], Some(r#"{"executor":"Red one"}"#));
    assert_eq!(bad.status, 400, "{bad:?}");
    server.kill();

    let server = start(&data, GREEN);
    let config = server.get("/api/v4/config").json();
    assert_eq!((&config["executor"], &config["sources"]["executor"]), (&json!("green"), &json!("file")));
    let log = server.log();
    assert!(log.contains("is with the executor `blue`, which isn't configured"), "{log}");
    assert!(log.contains("operators chose the executor `blue`, which isn't configured: `green` runs"), "{log}");
    let listed = server.get("/api/v3/status/activeStates?component=sales").body;
    assert!(listed.contains("executor `blue` isn't configured"), "{listed}");
    let why = server.get("/api/v4/explain/sales/w/2024-01-02").body;
    assert!(why.contains("`blue`, which isn't configured"), "{why}");
    let metrics = server.get("/metrics").body;
    let living = |line: &str| metrics.lines().any(|found| found == format!("styx_executor_executions{line}"));
    assert!(living("{executor=\"blue\",configured=\"false\"} 2.0"), "{metrics}");
    let instance = r#"{"workflow_id":{"component_id":"sales","id":"w"},"parameter":"2024-01-02"}"#;
    assert_eq!(server.post("/api/v3/scheduler/halt", instance).status, 200);
    let active = server.get("/api/v3/status/activeStates").body;
    assert!(!active.contains("2024-01-02"), "{active}");
    assert_eq!(server.trigger("sales", "w", "2024-01-02").status, 200);
    assert_eq!(runner(&server, "sales", "2024-01-02"), "green", "the instance is free again");
}

#[test]
fn a_start_refuses_executors_that_contradict_each_other() {
    let (_dir, data) = data();
    for (config, said) in [
        (
            "[executors.a]\nkind = \"kubernetes\"\n",
            ":2:8: kind `kubernetes`: this version has no executor for Kubernetes yet",
        ),
        (
            "[executors.a]\nkind = \"fake\"\n[executors.b]\nkind = \"fake\"\n",
            "default_executor must name one of the executors: a, b",
        ),
    ] {
        let file = write(&data, config);
        let server = Command::new(env!("CARGO_BIN_EXE_styx-server"))
            .args(["check-config", "--config", file.to_str().unwrap()])
            .output()
            .unwrap();
        let errors = String::from_utf8(server.stderr).unwrap();
        assert!(!server.status.success() && errors.contains(said), "{errors}");
    }
}
