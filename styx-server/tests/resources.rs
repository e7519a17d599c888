//! Resources, backfills, run-time configuration and requests that are done once, on the real server.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use common::{Answer, LONG, Server, data};
use serde_json::{Value, json};

const QUICK: &str = "{}";

fn store(server: &Server, id: &str, resources: &[&str], env: &str) {
    let env: Value = serde_json::from_str(env).unwrap();
    let workflow = json!({
        "id": id, "schedule": "days", "docker_image": "busybox", "resources": resources, "env": env,
    });
    assert_eq!(server.post("/api/v3/workflows/c", &workflow.to_string()).status, 200);
}

fn resource(server: &Server, id: &str, concurrency: i64) -> Answer {
    server.post("/api/v3/resources", &json!({ "id": id, "concurrency": concurrency }).to_string())
}

fn backfill(workflow: &str, start: &str, end: &str, concurrency: i64, reverse: bool) -> String {
    let day = |text: &str| format!("{text}T00:00:00Z");
    json!({
        "component": "c", "workflow": workflow, "start": day(start), "end": day(end), "concurrency": concurrency,
        "reverse": reverse,
    })
    .to_string()
}

/// The state of each active run, by parameter.
fn states(json: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |state: &Value| (text(&state["workflow_instance"]["parameter"]), text(&state["state"]));
    json["active_states"].as_array().unwrap().iter().map(of).collect()
}

fn instance(parameter: &str) -> String {
    json!({ "workflow_id": { "component_id": "c", "id": "w" }, "parameter": parameter }).to_string()
}

#[test]
fn whoever_asks_why_an_instance_waits_that_does_not_is_told_why_not() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    store(&server, "w", &[], QUICK);
    let explain = |path: &str| server.get(&format!("/api/v4/explain/c/{path}"));
    explain("v/2024-05-06").check(404, "c#v#2024-05-06 isn't active: there is no workflow c#v");
    explain("w/2024-05-06").check(404, "c#w#2024-05-06 was never triggered; of its workflow: the workflow is disabled");
    assert_eq!(server.post("/api/v3/scheduler/trigger", &instance("2024-05-06")).status, 200);
    server.wait_for("/api/v3/status/activeStates", |json| json["active_states"].as_array().unwrap().is_empty());
    explain("w/2024-05-06").check(404, "c#w#2024-05-06 isn't active: its run has ended, its events say how");
}

#[test]
fn a_resource_is_what_was_set_last() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    assert_eq!(resource(&server, "r", 3).body, r#"{"id":"r","concurrency":3}"#);
    assert!(resource(&server, "r", 3).header("x-styx-effect").is_some());
    assert_eq!(server.get("/api/v3/resources").body, r#"{"resources":[{"id":"r","concurrency":3}]}"#);
    assert_eq!(server.ask("PUT", "/api/v3/resources/r", &[], Some(r#"{"id":"r","concurrency":"7"}"#)).status, 200);
    assert_eq!(server.get("/api/v3/resources/r").body, r#"{"id":"r","concurrency":7}"#);
    let other = server.ask("PUT", "/api/v3/resources/r", &[], Some(r#"{"id":"q"}"#));
    other.check(400, "ID of payload does not match ID in uri.");
    server.ask("POST", "/api/v3/resources", &[], None).check(400, "Missing payload");
    assert_eq!(server.ask("DELETE", "/api/v3/resources/r", &[], None).status, 204);
    assert_eq!(server.ask("DELETE", "/api/v3/resources/r", &[], None).status, 204);
    server.get("/api/v3/resources/r").check(404, "Not Found");
    for id in [String::new(), "x".repeat(257)] {
        resource(&server, &id, 1).check(400, "the id of a resource must have 1 to 256 characters");
    }
    assert_eq!(resource(&server, &"x".repeat(256), 1).status, 200);
    assert_eq!(resource(&server, "a/b#c", -1).status, 200);
    assert_eq!(server.get("/api/v3/resources/a%2Fb%23c").body, r#"{"id":"a/b#c","concurrency":-1}"#);
}

#[test]
fn a_unit_goes_to_the_smallest_partition_and_a_full_resource_holds_up_nobody_else() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    resource(&server, "r", 1);
    store(&server, "w", &["r"], LONG);
    store(&server, "free", &[], LONG);
    for day in ["2026-01-03", "2026-01-02", "2026-01-01"] {
        assert_eq!(server.trigger("c", "w", day).status, 200);
    }
    assert_eq!(server.trigger("c", "free", "2026-01-01").status, 200);
    let path = "/api/v3/status/activeStates?component=c&workflow=w";
    let running = |json: &Value| states(json).iter().filter(|(_, state)| state == "RUNNING").count() == 1;
    let shown = server.wait_for(path, running);
    assert_eq!(states(&shown)[2], ("2026-01-03".to_owned(), "RUNNING".to_owned()), "the first that came");
    assert_eq!(shown["active_states"][0]["state_data"]["messages"][0]["line"], "Resource limit reached for: [r]");
    server.wait_for("/api/v3/status/activeStates?component=c&workflow=free", running);
    let why = server.get("/api/v4/explain/c/w/2026-01-02").json();
    assert_eq!(why["reasons"], json!(["waits for a unit of r, 1 runs that need the same come first"]));

    assert_eq!(server.post("/api/v3/scheduler/halt", &instance("2026-01-03")).status, 200);
    let next = server.wait_for(path, running);
    assert_eq!(states(&next)[0], ("2026-01-01".to_owned(), "RUNNING".to_owned()));
    assert_eq!(server.ask("DELETE", "/api/v3/resources/r", &[], None).status, 204);
    let failed = server.wait_for("/api/v3/status/events/c/w/2026-01-02", |json| json.to_string().contains("runError"));
    assert!(failed.to_string().contains("Referenced resources not found: [r]"), "{failed}");
    assert!(running(&server.get(path).json()), "what holds a unit of it goes on");
}

#[test]
fn a_backfill_runs_its_partitions_and_shows_them() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    store(&server, "w", &[], QUICK);
    let made = server.post("/api/v3/backfills", &backfill("w", "2026-01-01", "2026-01-06", 2, true)).json();
    assert_eq!((&made["next_trigger"], &made["all_triggered"]), (&json!("2026-01-05T00:00:00Z"), &json!(false)));
    assert_eq!(made["created"], made["last_modified"]);
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("backfill-") && id.len() == 28, "{id}");
    let path = format!("/api/v3/backfills/{id}");
    let done = server.wait_for(&path, |json| states(&json["statuses"]).iter().all(|(_, state)| state == "DONE"));
    assert_eq!(states(&done["statuses"]).len(), 5);
    assert_eq!(done["backfill"]["next_trigger"], "2025-12-31T00:00:00Z");
    assert_eq!(done["backfill"]["last_modified"], made["last_modified"]);
    let first = &done["statuses"]["active_states"][0];
    assert_eq!(first["state_data"]["trigger_id"], id);
    assert!(first["initial_timestamp"].as_i64() <= first["latest_timestamp"].as_i64(), "{first}");
    assert_eq!(server.get("/api/v3/backfills").body, r#"{"backfills":[]}"#);
    let all = server.get("/api/v3/backfills?showAll=true&status=true&component=c&workflow=w").json();
    assert_eq!(all["backfills"][0], done);
    assert_eq!(server.get(&format!("{path}?status=false")).json()["statuses"], Value::Null);

    // Another one runs the same partitions: each shows its own.
    let again = server.post("/api/v3/backfills", &backfill("w", "2026-01-01", "2026-01-03", 9, false)).json();
    let second = format!("/api/v3/backfills/{}", again["id"].as_str().unwrap());
    server.wait_for(&second, |json| states(&json["statuses"]).iter().all(|(_, state)| state == "DONE"));
    assert_eq!(server.get(&path).json(), done);
}

#[test]
fn what_a_backfill_may_be_is_checked_in_order() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let ask = |body: &str| server.post("/api/v3/backfills", body);
    ask(&backfill("w", "2026-01-01", "2026-01-06", 1, false)).check(404, "workflow not found");
    assert_eq!(server.post("/api/v3/workflows/c", r#"{"id":"none","schedule":"days"}"#).status, 200);
    let text = "Workflow is missing docker image and flyte execution config";
    ask(&backfill("none", "2026-01-06", "2026-01-01", 1, false)).check(400, text);
    store(&server, "w", &[], LONG);
    ask(&backfill("w", "2026-01-06", "2026-01-01", 1, false)).check(400, "start must be before end");
    let unaligned = backfill("w", "2026-01-01", "2026-01-06", 1, false);
    ask(&unaligned.replace("01T00", "01T01"))
        .check(400, "start parameter not aligned with schedule: the nearest are 2026-01-01 and 2026-01-02");
    ask(&unaligned.replace("06T00", "06T01")).check(
        400,
        "end parameter not aligned with schedule: the nearest are 2026-01-06 and 2026-01-07, and end is exclusive",
    );
    let text = "start must be before end: end is exclusive, the first partition that is left out";
    ask(&backfill("w", "2026-01-01", "2026-01-01", 1, false)).check(400, text);
    ask(&backfill("w", "2026-01-01", "2999-01-06", 1, false)).check(400, "Cannot backfill future partitions");
    ask(&backfill("w", "2026-01-01", "2026-01-06", -1, false)).check(400, "concurrency must not be negative");
    for day in ["2026-01-04", "2026-01-02", "2026-01-06"] {
        assert_eq!(server.trigger("c", "w", day).status, 200);
    }
    let active = "these partitions are already active: 2026-01-02, 2026-01-04";
    ask(&backfill("w", "2026-01-01", "2026-01-06", 1, false)).check(409, active);
    assert_eq!(server.get("/api/v3/backfills?showAll=true").body, r#"{"backfills":[]}"#);
    server.get("/api/v3/backfills?start=yesterday").check(400, "start: yesterday is not a day such as 2024-05-06");
}

#[test]
fn a_backfill_is_edited_and_halted() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    store(&server, "w", &[], LONG);
    let id = |answer: Answer| answer.json()["id"].as_str().unwrap().to_owned();
    let first = id(server.post("/api/v3/backfills", &backfill("w", "2026-01-01", "2026-01-09", 1, false)));
    let path = format!("/api/v3/backfills/{first}");
    let active =
        |count: usize| move |json: &Value| states(json).iter().filter(|(_, state)| state == "RUNNING").count() == count;
    server.wait_for("/api/v3/status/activeStates", active(1));
    let edit = |body: Value| server.ask("PUT", &path, &[], Some(&body.to_string()));
    edit(json!({ "id": "other" })).check(400, "ID of payload does not match ID in uri.");
    let edited = edit(json!({ "id": first, "concurrency": 3, "description": "why" })).json();
    assert_eq!((&edited["concurrency"], &edited["description"]), (&json!(3), &json!("why")));
    server.wait_for("/api/v3/status/activeStates", active(3));
    let unknown = server.ask("PUT", "/api/v3/backfills/b", &[], Some(r#"{"id":"b"}"#));
    unknown.check(404, "Backfill b not found.");
    server.ask("DELETE", "/api/v3/backfills/b", &[], None).check(404, "backfill not found");

    let halted = server.ask("DELETE", &format!("{path}?graceful=true"), &[], None);
    assert_eq!((halted.status, halted.body.as_str()), (200, ""));
    assert!(active(3)(&server.get("/api/v3/status/activeStates").json()));
    assert_eq!(server.ask("DELETE", &path, &[], None).status, 200);
    assert_eq!(server.get("/api/v3/status/activeStates").body, r#"{"active_states":[]}"#);
    let view = server.get(&path).json();
    assert_eq!(view["backfill"]["halted"], true);
    let shown: Vec<String> = states(&view["statuses"]).into_iter().map(|(_, state)| state).collect();
    assert_eq!(shown, ["ERROR", "ERROR", "ERROR", "WAITING", "WAITING", "WAITING", "WAITING", "WAITING"]);
}

#[test]
fn events_are_injected_as_far_as_styx_takes_them() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    store(&server, "w", &[], LONG);
    assert_eq!(server.trigger("c", "w", "2026-01-01").status, 200);
    let path = "/api/v3/status/activeStates";
    server.wait_for(path, |json| json.to_string().contains("RUNNING"));
    let event = |kind: &str| format!(r#"{{"@type":"{kind}","workflow_instance":"c#w#2026-01-01"}}"#);
    let text = "This API for injecting generic events is deprecated, refer to the specific API for the event you want to \
                send to the scheduler";
    server.post("/api/v0/events", &event("started")).check(400, text);
    let running = "c#w#2026-01-01 received retryAfter while in RUNNING";
    server.post("/api/v0/events", &event("dequeue")).check(400, running);
    let timed_out = server.post("/api/v3/scheduler/events", &event("timeout"));
    assert_eq!((timed_out.status, timed_out.body.as_str()), (200, ""));
    server.wait_for(path, |json| json.to_string().contains("QUEUED"));
    let dequeued = server.post("/api/v3/scheduler/events", &event("dequeue"));
    assert_eq!(dequeued.json()["@type"], "dequeue");
    server.wait_for(path, |json| json.to_string().contains("RUNNING"));
    assert_eq!(server.post("/api/v0/events", &event("halt")).status, 200);
    assert_eq!(server.post("/api/v0/events", &event("halt")).header("x-styx-effect"), Some("none"));
    let unknown = server.post("/api/v0/events", r#"{"@type":"sing","workflow_instance":"c#w#p"}"#);
    assert!(unknown.reason.starts_with("Payload parsing failed: "), "{unknown:?}");
}

#[test]
fn a_request_with_a_key_is_done_once_also_after_a_crash() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    store(&server, "w", &[], LONG);
    let key = [("Idempotency-Key", "k-1")];
    let body = instance("2026-01-01");
    let trigger = |server: &Server, body: &str| server.ask("POST", "/api/v3/scheduler/trigger", &key, Some(body));
    let first = trigger(&server, &body);
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(trigger(&server, &body).body, first.body);
    server.kill();
    let server = Server::start(&data);
    assert_eq!(trigger(&server, &body).body, first.body);
    trigger(&server, &instance("2026-01-02")).check(422, "the idempotency key was used for another request before");
    assert_eq!(states(&server.get("/api/v3/status/activeStates").json()).len(), 1);
    let bad = server.ask("POST", "/api/v3/scheduler/trigger", &[("Idempotency-Key", "a b")], Some(&body));
    assert_eq!(bad.status, 400);
}

#[test]
fn what_was_done_under_a_key_is_answered_when_it_is_gone() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let ask = |key: &str, method: &str, path: &str, body: &str| {
        server.ask(method, path, &[("Idempotency-Key", key)], Some(body).filter(|body| !body.is_empty()))
    };
    let workflow = r#"{"id":"w","schedule":"days","docker_image":"busybox:1.36"}"#;
    let create = || ask("create", "POST", "/api/v3/workflows/c", workflow);
    let enable = || ask("enable", "PATCH", "/api/v3/workflows/c/w/state", r#"{"enabled":true}"#);
    let delete = || ask("delete", "DELETE", "/api/v3/workflows/c/w", "");
    let created = create();
    assert_eq!(created.status, 200, "{created:?}");
    assert_eq!(server.get("/api/v3/workflows/c/w").body, created.body);
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!(create().body, created.body, "not another deployment time");
    assert_eq!(enable().json()["enabled"], true);
    assert_eq!(delete().status, 204);
    assert_eq!(delete().status, 204);
    assert_eq!(create().body, created.body);
    // What is shown is what is: nothing.
    assert_eq!(enable().json()["enabled"], false);
    assert_eq!(server.get("/api/v3/workflows/c/w").status, 404);
    assert_eq!(ask("other", "DELETE", "/api/v3/workflows/c/w", "").status, 404);
    let checkpoint = ask("checkpoint", "POST", "/api/v4/checkpoints", "");
    assert_eq!(checkpoint.status, 400, "{checkpoint:?}");
}

#[test]
fn what_a_backfill_is_of_is_looked_for_before_its_concurrency_is_judged() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let create = |workflow: &str| {
        let body = format!(
            r#"{{"start":"2024-02-01T00:00:00Z","end":"2024-02-03T00:00:00Z","component":"c","workflow":"{workflow}","concurrency":-1}}"#
        );
        server.post("/api/v3/backfills", &body)
    };
    store(&server, "w", &[], LONG);
    create("nosuch").check(404, "workflow not found");
    create("w").check(400, "concurrency must not be negative");
    let edited = server.ask("PUT", "/api/v3/backfills/zz", &[], Some(r#"{"id":"zz","concurrency":-1}"#));
    edited.check(404, "Backfill zz not found.");
    for day in ["+024-05-06", "%20%202024-5-6", "2024-5-06 ", "%2B024-05-06"] {
        let list = server.get(&format!("/api/v3/backfills?component=c;workflow=w;start={}", day.replace(' ', "%20")));
        assert!(list.status == 400 && list.reason.contains("is not a day such as"), "{day}: {list:?}");
    }
    assert_eq!(server.get("/api/v3/backfills?component=c;workflow=w;start=2024-05-06").status, 200);
}

#[test]
fn a_stale_counter_is_refused() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    store(&server, "w", &[], LONG);
    let with = |path: &str, counter: &str| {
        let headers = [("X-Styx-Expected-Counter", counter)];
        server.ask("POST", &format!("/api/v3/scheduler/{path}"), &headers, Some(&instance("2026-01-01")))
    };
    with("trigger", "3").check(409, "c#w#2026-01-01 is at counter none, not 3");
    assert_eq!(with("trigger", "none").status, 200);
    server.wait_for("/api/v3/status/activeStates", |json| json.to_string().contains("RUNNING"));
    with("halt", "2").check(409, "c#w#2026-01-01 is at counter 4, not 2");
    assert_eq!(with("halt", "4").status, 200);
    with("trigger", "4").check(409, "c#w#2026-01-01 is at counter 5, not 4");
    assert_eq!(with("trigger", "5").status, 200);
    with("halt", "five").check(400, "x-styx-expected-counter: five is neither a whole number nor `none`");
}

#[test]
fn run_time_configuration_is_recorded_and_survives() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let patch = |server: &Server, body: &str| server.ask("PATCH", "/api/v4/config", &[], Some(body));
    let changed = patch(&server, r#"{"concurrency":1,"submission_rate_limit":0.5,"client_blacklist":["old/1"]}"#);
    assert_eq!(changed.status, 200, "{changed:?}");
    let refused = server.ask("GET", "/api/v3/workflows", &[("User-Agent", "old/1")], None);
    refused.check(406, "blacklisted client version, please upgrade");
    let undone =
        server.ask("PATCH", "/api/v4/config", &[("User-Agent", "old/1")], Some(r#"{"client_blacklist":["old/1"]}"#));
    assert_eq!(undone.status, 200, "whoever blocks itself can take that back: {undone:?}");
    assert_eq!(patch(&server, r#"{"enabled":false}"#).json()["enabled"], false);
    server.kill();
    let server = Server::start(&data);
    let shown = server.get("/api/v4/config").json();
    assert_eq!(
        shown,
        json!({
            "enabled": false, "concurrency": 1, "submission_rate_limit": 0.5, "client_blacklist": ["old/1"],
            "debug": false, "executor": "fake", "executors": ["fake"], "sources": {
                "enabled": "api", "concurrency": "api", "submission_rate_limit": "api", "client_blacklist": "api",
                "debug": "default", "executor": "file",
            },
        })
    );
    store(&server, "w", &[], LONG);
    for day in ["2026-01-01", "2026-01-02"] {
        assert_eq!(server.trigger("c", "w", day).status, 200);
    }
    let path = "/api/v3/status/activeStates";
    assert!(!server.get(path).body.contains("RUNNING"));
    assert_eq!(patch(&server, r#"{"enabled":true,"submission_rate_limit":null}"#).status, 200);
    let one = server.wait_for(path, |json| json.to_string().contains("RUNNING"));
    assert_eq!(states(&one).iter().filter(|(_, state)| state == "QUEUED").count(), 1);
    assert_eq!(patch(&server, r#"{"concurrency":"none"}"#).json()["concurrency"], Value::Null);
    server.wait_for(path, |json| states(json).iter().all(|(_, state)| state == "RUNNING"));
    for bad in [r#"{"concurrency":-1}"#, r#"{"submission_rate_limit":0}"#, r#"{"nonsense":1}"#, "", "7"] {
        let answer = patch(&server, bad);
        assert_eq!(answer.status, 400, "{bad}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
}
