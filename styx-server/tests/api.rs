//! The endpoints, their answers and their error texts, asked of the real binary.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use common::{Answer, LONG, Server, data};
use serde_json::json;

fn instance(component: &str, id: &str, parameter: &str) -> String {
    format!(r#"{{"workflow_id":{{"component_id":"{component}","id":"{id}"}},"parameter":"{parameter}"}}"#)
}

#[test]
fn paths_methods_and_escapes() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let pong = server.get("/ping");
    assert_eq!((pong.status, pong.body.as_str()), (200, "pong"));
    assert!(pong.header("content-type").is_none() && pong.header("x-styx-request-id").is_none());
    assert!(server.get("/").body.contains("STYX_CLI_HOST"));

    assert_eq!(server.get("/api/v3/workflows/").json(), json!([]));
    for path in
        ["//api/v3/workflows", "/api/v3/workflows//full", "/api/v2/workflows", "/API/v3/workflows", "/api/v3/config"]
    {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.reason.as_str()), (404, "Not Found"), "{path}");
    }
    for path in ["/api/v3/workflows/%zz", "/api/v3/workflows/%c3%28", "/%"] {
        let answer = server.get(path);
        answer.check(400, "Bad Request");
        assert!(answer.header("x-styx-request-id").is_none());
    }
    let wrong = server.ask("PUT", "/api/v3/workflows/c", &[], Some("{}"));
    wrong.check(405, "Method Not Allowed");
    assert_eq!(wrong.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
    assert!(wrong.header("x-styx-request-id").is_none());
    let options = server.ask("OPTIONS", "/api/v3/workflows/c/w/state", &[], None);
    options.check(204, "No Content");
    assert_eq!((options.header("allow"), options.body.as_str()), (Some("GET, HEAD, OPTIONS, PATCH"), ""));
    assert!(options.header("content-length").is_none_or(|length| length == "0"));
    let head = server.ask("HEAD", "/api/v3/workflows", &[], None);
    assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, Some("2"), ""));
}

#[test]
fn request_ids_are_echoed_or_made() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let id = |answer: &Answer| answer.header("x-styx-request-id").unwrap().to_owned();
    let sent = server.ask("GET", "/api/v3/workflows/a/b", &[("X-Styx-Request-Id", "abc")], None);
    assert_eq!((sent.status, id(&sent).as_str()), (404, "abc"));
    assert_eq!(sent.json(), json!({"error": "Not Found", "request_id": "abc"}));
    let made = id(&server.get("/api/v3/workflows"));
    assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
    server.ask("POST", "/api/v3/scheduler/halt", &[("X-Styx-Request-Id", "find-me")], Some("{}"));
    assert!(server.log().contains("find-me") && server.log().contains("[AUDIT] POST /api/v3/scheduler/halt 400"));
}

#[test]
fn workflows_are_stored_read_switched_and_deleted() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let body = r#"{"id":"w#1","schedule":"@DAILY","docker_image":"busybox:1.36","env":{"A":1},"running_timeout":"PT2H",
        "unknown":[],"docker_termination_logging":"true","docker_args":"only","deployment_time":"2001-01-01T00:00:00Z",
        "deployment_source":{"source":"s1"}} trailing"#;
    let stored = server.post("/api/v3/workflows/c%2Fd", body);
    assert_eq!(stored.status, 200, "{stored:?}");
    assert!(
        stored
            .body
            .starts_with(r#"{"component_id":"c/d","workflow_id":"w#1","configuration":{"id":"w#1","schedule":"days","#)
    );
    assert!(stored.body.contains(r#""running_timeout":7200.000000000,"#), "{}", stored.body);
    assert_eq!(stored.json()["configuration"]["docker_args"], json!(["only"]));
    assert!(!stored.body.contains("2001-01-01"));
    assert_eq!(server.get("/api/v3/workflows/c%2Fd/w%231").body, stored.body);
    assert_eq!(server.get("/api/v3/workflows/c%2Fd").body, format!("[{}]", stored.body));
    assert_eq!(server.get("/api/v3/workflows").body, format!("[{}]", stored.body));

    let state = server.get("/api/v3/workflows/c%2Fd/w%231/state");
    assert_eq!(state.json()["enabled"], json!(false));
    let full = format!(r#"{{"workflow":{},"state":{}}}"#, stored.body, state.body);
    assert_eq!(server.get("/api/v3/workflows/c%2Fd/w%231/full").body, full);
    assert_eq!(server.get("/api/v3/workflows?full=false").body, format!("[{full}]"));

    let on = server.ask("PATCH", "/api/v3/workflows/c%2Fd/w%231/state", &[], Some(r#"{"enabled":1}"#));
    assert_eq!((on.status, &on.json()["enabled"]), (200, &json!(true)));
    assert!(on.header("x-styx-effect").is_none());
    let again = server.ask("PATCH", "/api/v3/workflows/c%2Fd/w%231/state", &[], Some("{}"));
    assert_eq!((again.body.as_str(), again.header("x-styx-effect")), (on.body.as_str(), Some("none")));
    let unaligned = r#"{"next_natural_trigger":"2030-01-01T00:01:00Z"}"#;
    let unaligned = server.ask("PATCH", "/api/v3/workflows/c%2Fd/w%231/state", &[], Some(unaligned));
    let text = "next_natural_trigger not aligned with schedule: the nearest are 2030-01-01 and 2030-01-02";
    unaligned.check(400, text);
    let moved =
        r#"{"next_natural_trigger":"2030-01-01T00:00:00Z","next_natural_offset_trigger":"2030-01-02T03:00:00Z"}"#;
    let moved = server.ask("PATCH", "/api/v3/workflows/c%2Fd/w%231/state", &[], Some(moved));
    assert_eq!(moved.json()["next_natural_offset_trigger"], json!("2030-01-02T03:00:00Z"));

    let gone = server.ask("DELETE", "/api/v3/workflows/c%2Fd/w%231", &[], None);
    gone.check(204, "No Content");
    let gone = server.ask("DELETE", "/api/v3/workflows/c%2Fd/w%231", &[], None);
    gone.check(404, "Workflow does not exist");
    server.get("/api/v3/workflows/c%2Fd/w%231").check(404, "Not Found");
    let state = server.get("/api/v3/workflows/c%2Fd/w%231/state");
    assert_eq!(state.body, r#"{"enabled":false,"next_natural_trigger":null,"next_natural_offset_trigger":null}"#);
}

#[test]
fn wrong_workflows_are_refused_with_the_texts_of_the_original() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let post = |body: &str| server.post("/api/v3/workflows/c", body);
    server.ask("POST", "/api/v3/workflows/c", &[], None).check(400, "Missing payload.");
    for body in
        ["", "{", "null", "[]", r#"{"schedule":"days"}"#, r#"{"id":"a","schedule":"days","running_timeout":"2h"}"#]
    {
        let answer = post(body);
        assert!(answer.status == 400 && answer.reason.starts_with("Invalid payload. "), "{body}: {answer:?}");
    }
    assert!(post(r#"{"id":"a"}"#).reason.contains("problem: schedule"));
    let twice = post(r#"{"id":"a","schedule":"never","docker_image":"busybox:"}"#);
    twice.check(400, "Invalid workflow configuration: [invalid schedule, invalid image: Tag cannot be empty]");
    let null = post(r#"{"id":"a","schedule":"days","env":{"A":null}}"#);
    null.check(400, "Invalid workflow configuration: [env value cannot be null: A]");
    let long = post(r#"{"id":"a","schedule":"days","running_timeout":"PT49H"}"#);
    long.check(400, "Invalid workflow configuration: [running timeout is too big: PT49H, limit = PT48H]");
    let hash = server.post("/api/v3/workflows/a%23b", r#"{"id":"a","schedule":"days"}"#);
    hash.check(400, "Invalid workflow configuration: [component id cannot contain #]");
    let empty = server.post("/api/v3/workflows//", r#"{"id":"","schedule":"days"}"#);
    empty.check(400, "Invalid workflow configuration: [component id cannot be empty, workflow id cannot be empty]");
    let condition = post(r##"{"id":"a","schedule":"days","docker_image":"b","retry_condition":"#tries <"}"##);
    condition.check(
        400,
        "Invalid workflow configuration: [invalid retry condition: column 9: expected an operand, found the end]",
    );
    let secret = post(r#"{"id":"a","schedule":"days","secret":{"name":"k","mount_path":"keys"}}"#);
    assert!(secret.status == 400 && secret.reason.contains("secret mount path must be an absolute path"), "{secret:?}");
    let pod = post(
        r#"{"id":"a","schedule":"days","docker_image":"b","docker_args":["c"],
            "pod":{"spec":{"contaners":[],"volumes":[{"name":"v","secret":{"secretName":"a","defaultMode":"0400"}}]}}}"#,
    );
    for wrong in [
        "[pod.spec.contaners: unknown field, did you mean `containers`?",
        "pod.spec.volumes[0].secret.defaultMode: expected",
    ] {
        assert!(pod.status == 400 && pod.reason.contains(wrong), "{wrong}: {pod:?}");
    }
    let keys = post(r#"{"id":"a","schedule":"days","secret":{"name":"styx-wf-sa-keys-1-a","mount_path":"/k"}}"#);
    assert!(keys.status == 400 && keys.reason.contains("secret.name: names that begin with"), "{keys:?}");
    assert!(post(r#"{"id":"a","schedule":"0 0 30 2 *"}"#).reason.starts_with("invalid schedule"));
    assert_eq!(server.get("/api/v3/workflows").body, "[]");

    let patch = |path: &str, body: Option<&str>| server.ask("PATCH", path, &[], body);
    patch("/api/v3/workflows/c/w/state", None).check(400, "Missing payload.");
    patch("/api/v3/workflows/c/w/state", Some("{")).check(404, "workflow not found");
    server.store("c", "w", "days", "{}");
    for body in ["", "null", r#"{"enabled":"yes"}"#, r#"{"next_natural_trigger":"soon"}"#] {
        patch("/api/v3/workflows/c/w/state", Some(body)).check(400, "Invalid payload.");
    }
}

#[test]
fn all_of_the_configuration_is_stored_and_what_cannot_run_is_refused() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let conditional =
        r##"{"id":"w","schedule":"days","docker_image":"b","resources":["r"],"retry_condition":"#tries < 4"}"##;
    let stored = server.post("/api/v3/workflows/c", conditional);
    assert_eq!((stored.status, &stored.json()["configuration"]["resources"]), (200, &json!(["r"])));
    assert_eq!(server.get("/api/v3/workflows/c/w").json()["configuration"]["retry_condition"], json!("#tries < 4"));

    let flyte = r#"{"id":"f","schedule":"days","flyte_exec_conf":{"reference_id":{"resource_type":"LAUNCH_PLAN",
        "project":"ml","domain":"production","name":"score","version":"v1"},"input_fields":{"day":"{}"}}}"#;
    let stored = server.post("/api/v3/workflows/c", flyte);
    assert_eq!(stored.status, 200, "{stored:?}");
    assert!(server.get("/api/v3/workflows").body.contains(r#""input_fields":{"day":"{}"}"#));
    let trigger = r#"{"workflow_id":{"component_id":"c","id":"f"},"parameter":"2024-05-06"}"#;
    server.post("/api/v3/scheduler/trigger", trigger).check(400, "Flyte workflows can't be run yet");
    let enable = server.ask("PATCH", "/api/v3/workflows/c/f/state", &[], Some(r#"{"enabled":true}"#));
    enable.check(400, "Flyte workflows can't be run yet");
    assert_eq!(server.get("/api/v3/workflows/c/f/state").json()["enabled"], json!(false));
}

#[test]
fn lists_are_filtered_and_ascend_by_key() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    for (component, id, source) in [("b", "x", "s1"), ("a", "y", "s2"), ("a!", "z", "s1")] {
        let body = format!(
            r#"{{"id":"{id}","schedule":"days","docker_image":"b","deployment_source":{{"source":"{source}"}}}}"#
        );
        assert_eq!(server.post(&format!("/api/v3/workflows/{component}"), &body).status, 200);
    }
    let ids = |path: &str| {
        let list = server.get(path).json();
        let ids = list.as_array().unwrap().iter().map(|item| item["workflow_id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids("/api/v3/workflows"), ["z", "y", "x"], "`a!#` is before `a#`");
    assert_eq!(ids("/api/v3/workflows/a"), ["y"]);
    assert_eq!(ids("/api/v3/workflows/nosuch"), [""; 0]);
    assert_eq!(ids("/api/v3/workflows?deployment_type=s1"), ["z", "x"]);
    assert_eq!(ids("/api/v3/workflows?deployment_type="), ["z", "y", "x"]);
    assert_eq!(ids("/api/v3/workflows?deployment_time_before=2020-01-01T00:00:00Z"), [""; 0]);
    assert_eq!(ids("/api/v3/workflows?deployment_type=s2;deployment_time_after=2020-01-01T00:00:00Z"), ["y"]);
    let bad = server.get("/api/v3/workflows?deployment_time_after=yesterday");
    bad.check(400, "deployment_time_after: yesterday is not an instant such as 2024-05-06T07:00:00Z");
    for odd in [
        "2024-05-06%2000:00:00%20Z",
        "%202024-05-06T00:00:00Z",
        "2024-5-6T0:0:0Z",
        "2024-05-06T00:00:60Z",
        "1714978800",
    ] {
        assert_eq!(server.get(&format!("/api/v3/workflows?deployment_time_after={odd}")).status, 400, "{odd}");
    }
}

#[test]
fn runs_are_triggered_watched_halted_and_retried() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "days", LONG);
    let trigger = r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2024-01-02T13","trigger_parameters":{"env":{"A":"1"}}}"#;
    let triggered = server.post("/api/v3/scheduler/trigger?allowFuture=false", trigger).json();
    assert_eq!(triggered["parameter"], json!("2024-01-02T13"), "as sent");
    assert_eq!(triggered["trigger_parameters"], json!({"env": {"A": "1"}}));
    let trigger_id = triggered["trigger_id"].as_str().unwrap();
    let digits: Vec<&str> = trigger_id.strip_prefix("ad-hoc-cli-").unwrap().split('-').collect();
    assert_eq!((digits[0].len(), digits[1].len()), (13, 5), "{trigger_id}");

    let states = server.wait_for("/api/v3/status/activeStates?component=c&workflow=w", |json| {
        json["active_states"][0]["state"] == json!("RUNNING")
    });
    let state = &states["active_states"][0];
    assert_eq!(state["workflow_instance"]["parameter"], json!("2024-01-02"), "floored");
    assert_eq!(state["state_data"]["execution_description"]["docker_args"], json!(["echo", "2024-01-02"]));
    assert_eq!(state["state_data"]["execution_description"]["env"]["A"], json!("1"));
    assert_eq!(state["state_data"]["tries"], json!(1));
    assert_eq!(state["initial_timestamp"], json!(null));
    let count = |query: &str| {
        server.get(&format!("/api/v3/status/activeStates{query}")).json()["active_states"].as_array().unwrap().len()
    };
    for (query, expected) in
        [("", 1), ("?component=c", 1), ("?component=x", 0), ("?components=x,c,c", 1), ("?component=c&workflow=v", 0)]
    {
        assert_eq!(count(query), expected, "{query}");
    }
    server.get("/api/v3/status/activeStates?workflow=w").check(400, "No component id specified!");

    let again = server.trigger("c", "w", "2024-01-02");
    again.check(409, "This workflow instance is already triggered. Did you want to `retry` running it instead?");
    let retry = server.post("/api/v3/scheduler/retry", &instance("c", "w", "2024-01-02"));
    retry.check(400, "c#w#2024-01-02 received retryAfter while in RUNNING");
    let halted = server.post("/api/v3/scheduler/halt", &instance("c", "w", "2024-01-02"));
    assert_eq!((halted.status, halted.body.as_str()), (200, instance("c", "w", "2024-01-02").as_str()));
    assert!(halted.header("x-styx-effect").is_none());
    for path in ["/api/v0/halt", "/api/v3/scheduler/halt", "/api/v0/retry", "/api/v3/scheduler/retry?delay=-5"] {
        let nothing = server.post(path, &instance("c", "w", "2024-01-02"));
        assert_eq!((nothing.status, nothing.header("x-styx-effect")), (200, Some("none")), "{path}");
    }

    let events = server.get("/api/v3/status/events/c/w/2024-01-02").json();
    let names: Vec<&str> =
        events["events"].as_array().unwrap().iter().map(|event| event["event"]["@type"].as_str().unwrap()).collect();
    assert_eq!(names, ["triggerExecution", "dequeue", "submit", "submitted", "started", "halt"]);
    assert_eq!(events["events"][2]["event"]["execution_description"]["env"]["A"], json!("1"));
    assert_eq!(server.get("/api/v3/status/events/c%23/w/2024%23").body, r#"{"events":[]}"#);
}

#[test]
fn runs_that_end_succeed_or_are_tried_again() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "ok", "hours", "{}");
    server.store("c", "bad", "hours", r#"{"STYX_FAKE_EXIT_CODES":"7"}"#);
    assert_eq!(server.trigger("c", "ok", "2024-01-01T05+01:00").status, 200);
    assert_eq!(server.trigger("c", "bad", "2024-01-01T05").status, 200);
    let ends = |json: &serde_json::Value, name: &str| {
        json["events"].as_array().unwrap().last().is_some_and(|event| event["event"]["@type"] == json!(name))
    };
    server.wait_for("/api/v3/status/events/c/ok/2024-01-01T04", |json| ends(json, "success"));
    server.wait_for("/api/v3/status/events/c/bad/2024-01-01T05", |json| ends(json, "retryAfter"));
    let states = server.get("/api/v3/status/activeStates").json();
    let data = &states["active_states"][0]["state_data"];
    assert_eq!(states["active_states"][0]["state"], json!("QUEUED"));
    assert_eq!(
        (&data["last_exit"], &data["consecutive_failures"], &data["retry_cost"]),
        (&json!(7), &json!(1), &json!(1.0))
    );
    assert_eq!(data["messages"], json!([{"level": "ERROR", "line": "Exit code: 7"}]));
    let retried = server.post("/api/v0/retry?delay=0", &instance("c", "bad", "2024-01-01T05"));
    assert!(retried.status == 200 && retried.header("x-styx-effect").is_none());
    server.wait_for("/api/v3/status/activeStates", |json| json["active_states"][0]["state_data"]["tries"] == json!(2));
}

#[test]
fn wrong_requests_to_the_scheduler_are_refused() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    for path in ["/api/v3/scheduler/trigger", "/api/v0/trigger", "/api/v0/halt", "/api/v3/scheduler/retry"] {
        server.ask("POST", path, &[], None).check(400, "Missing payload");
        for body in ["", "null", "[", r#"{"workflow_id":"c#w","parameter":"p"}"#] {
            let answer = server.post(path, body);
            assert!(
                answer.status == 400 && answer.reason.starts_with("Payload parsing failed: "),
                "{body}: {answer:?}"
            );
        }
        let missing = server.post(path, r#"{"parameter":"p"}"#);
        let problem = if path.ends_with("trigger") { "problem: workflowId" } else { "problem: Null workflowId" };
        assert!(missing.reason.ends_with(problem), "{missing:?}");
    }
    server.trigger("c", "w", "2024-01-01").check(400, "The specified workflow is not found in the scheduler");
    for operation in ["halt", "retry", "retry?delay=x"] {
        let answer = server.post(&format!("/api/v3/scheduler/{operation}"), &instance("c#", "w", "p#"));
        answer.check(404, "workflow not found");
    }
    server.store("c", "w", "days", LONG);
    let post = server.post("/api/v3/workflows/c", r#"{"id":"none","schedule":"days"}"#);
    assert_eq!(post.status, 200, "no image is allowed until it is triggered");
    server.trigger("c", "none", "2024-01-01").check(400, "Workflow is missing execution configuration");
    for parameter in ["junk", "2026-02-30", "2024-1-1", "", "2024-01-01T24", "a#b"] {
        let answer = server.trigger("c", "w", parameter);
        let start = format!("Cannot parse time parameter {parameter} - ");
        assert!(answer.status == 400 && answer.reason.starts_with(&start), "{answer:?}");
    }
    server.trigger("c", "w", "2999-01-01").check(400, "Cannot trigger an instance of the future");
    let future = r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2999-01-01"}"#;
    server
        .post("/api/v3/scheduler/trigger?allowFuture=1", future)
        .check(400, "Cannot trigger an instance of the future");
    assert_eq!(server.post("/api/v3/scheduler/trigger?allowFuture=TRUE", future).status, 200);
    let delay = server.post("/api/v3/scheduler/retry?delay=1.5", &instance("c", "w", "2999-01-01"));
    delay.check(400, "Delay parameter could not be parsed");
}

#[test]
fn texts_on_the_status_line_are_one_line_of_utf8() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "days", "{}");
    let answer = server.post(
        "/api/v3/scheduler/trigger",
        r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"é\r\nX-Evil: 1\tß"}"#,
    );
    assert!(answer.reason.starts_with("Cannot parse time parameter é  X-Evil: 1 ß - "), "{answer:?}");
    assert!(answer.header("x-evil").is_none());
    let long = "ü".repeat(3000);
    let answer = server.trigger("c", "w", &long);
    assert!(answer.status == 400 && answer.reason.len() <= 1024, "{}", answer.reason.len());
}
