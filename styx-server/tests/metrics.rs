//! `/metrics` is well formed, and says what a story did.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;
mod metrics_text;

use std::time::{Duration, Instant};

use common::{LONG, Server, data};
use metrics_text::Scrape;

const ACTIVE: &str = "styx_active_states_per_runstate_per_trigger_count";

fn scrape(server: &Server) -> Scrape {
    let answer = server.get("/metrics");
    answer.check(200, "OK");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.header("x-styx-request-id"), None);
    Scrape::read(&answer.body)
}

/// Waits until all of the log is counted.
fn counted(server: &Server) -> Scrape {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let tail: f64 = server.get("/api/v4/records?limit=1").header("x-styx-tail").unwrap().parse().unwrap();
        let seen = scrape(server);
        if seen.get("styx_log_position", &[]) == tail {
            // A scrape reads counters before the position, which may be younger: the next one has them all.
            return scrape(server);
        }
        assert!(Instant::now() < deadline, "{seen:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn counts_are_those_of_the_story() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    for (id, env) in [
        ("good", "{}"),
        ("bad", r#"{"STYX_FAKE_EXIT_CODES":"50"}"#),
        ("again", r#"{"STYX_FAKE_EXIT_CODES":"1"}"#),
        ("long", LONG),
    ] {
        server.store("c", id, "days", env);
    }
    let body = r#"{"id":"logs","schedule":"days","docker_image":"a/b","docker_termination_logging":true}"#;
    assert_eq!(server.post("/api/v3/workflows/c", body).status, 200);
    assert_eq!(server.post("/api/v3/workflows/c", r#"{"id":"none","schedule":"days"}"#).status, 200);
    for (id, days) in [("good", 3), ("bad", 2), ("again", 1), ("long", 1)] {
        for day in 1..=days {
            assert_eq!(server.trigger("c", id, &format!("2024-01-0{day}")).status, 200);
        }
    }
    assert_eq!(server.trigger("c", "long", "2024-01-01").status, 409);
    // Its instants of 2024 and 2025 at least are due at once.
    server.store("c", "yearly", "years", "{}");
    let patch = r#"{"enabled":true,"next_natural_trigger":"2024-01-01T00:00:00Z","next_natural_offset_trigger":"2025-01-01T00:00:00Z"}"#;
    assert_eq!(server.ask("PATCH", "/api/v3/workflows/c/yearly/state", &[], Some(patch)).status, 200);
    server.wait_for("/api/v3/workflows/c/yearly/instances", |json| json.as_array().unwrap().len() >= 2);
    server.wait_for("/api/v3/status/activeStates", |json| {
        let states: Vec<&str> =
            json["active_states"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
        states == ["QUEUED", "RUNNING"]
    });
    let scrape = counted(&server);
    let natural = scrape.get("styx_natural_trigger_total", &[("result", "triggered")]);
    assert!(natural >= 2.0, "{natural}");
    let expect = |name: &str, labels: &[(&str, &str)], value: f64| {
        assert_eq!(scrape.get(name, labels), value, "{name} {labels:?} in {scrape:#?}");
    };
    expect(ACTIVE, &[("state", "QUEUED"), ("trigger", "adhoc")], 1.0);
    expect(ACTIVE, &[("state", "RUNNING"), ("trigger", "adhoc")], 1.0);
    assert_eq!(scrape.sum(ACTIVE), 2.0);
    expect("styx_queue_length", &[("reason", "delay")], 1.0);
    assert_eq!(scrape.sum("styx_queue_length"), 1.0);
    for (status, count) in
        [("all", 7.0), ("configured", 6.0), ("enabled", 1.0), ("docker_termination_logging_enabled", 1.0)]
    {
        expect("styx_workflow_count", &[("status", status)], count);
    }
    for (code, count) in [("0", 3.0 + natural), ("50", 2.0), ("1", 1.0)] {
        expect("styx_exit_code_total", &[("exit_code", code)], count);
    }
    expect("styx_runs_ended_total", &[("state", "DONE"), ("trigger", "adhoc")], 3.0);
    expect("styx_runs_ended_total", &[("state", "DONE"), ("trigger", "natural")], natural);
    expect("styx_runs_ended_total", &[("state", "ERROR"), ("trigger", "adhoc")], 2.0);
    let executions = 7.0 + natural;
    expect("styx_records_total", &[("subject", "run"), ("event", "triggerExecution")], executions);
    expect("styx_effects_total", &[("kind", "launch")], executions);
    expect("styx_docker_operation_total", &[("operation", "start"), ("status", "success")], executions);
    expect("styx_docker_operation_duration_seconds_count", &[("operation", "start")], executions);
    expect("styx_time_transitioning_between_submitted_running_seconds_count", &[], executions);
    assert_eq!(scrape.sum("styx_trigger_lateness_seconds_count"), natural);
    // The log is as old as the process: what is counted is all of it, written batch by batch.
    assert_eq!(scrape.sum("styx_records_total"), scrape.get("styx_log_position", &[]));
    assert_eq!(scrape.get("styx_log_batch_records_sum", &[]), scrape.get("styx_log_position", &[]));
    assert_eq!(
        scrape.get("styx_log_batch_records_count", &[]),
        scrape.get("styx_log_append_duration_seconds_count", &[])
    );
    let trigger = |status| [("route", "/api/v3/scheduler/trigger"), ("method", "POST"), ("status", status)];
    expect("styx_http_requests_total", &trigger("200"), 7.0);
    expect("styx_http_requests_total", &trigger("409"), 1.0);
    expect("styx_http_connections", &[], 1.0);
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"] {
        assert!(scrape.get(name, &[]) > 0.0, "{name}");
    }

    // Counters begin anew with the process, gauges don't.
    assert!(server.stop().success());
    let server = Server::start(&data);
    let scrape = counted(&server);
    assert_eq!(scrape.sum("styx_exit_code_total"), 0.0);
    assert_eq!(scrape.get(ACTIVE, &[("state", "QUEUED"), ("trigger", "adhoc")]), 1.0 + lost(&scrape));
    assert_eq!(scrape.get("styx_workflow_count", &[("status", "docker_termination_logging_enabled")]), 1.0);
}

/// Runs of the fake executor end with its process: what ran is queued again once that is known.
fn lost(scrape: &Scrape) -> f64 {
    1.0 - scrape.get(ACTIVE, &[("state", "RUNNING"), ("trigger", "adhoc")])
}
