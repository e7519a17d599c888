//! A wall clock that jumps, as clients see it: what they read about it, what holds, and how an operator ends it. And where the
//! calendar ends.

use axum::body::Body;
use chrono::{DateTime, TimeDelta, Utc};
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use super::scripted::{ScriptedServer, lasting};
use crate::auth::Access;

/// A server on which workflow `c/w` runs each hour, `2026-01-01T07` waits because nothing may run, and no time has passed.
fn server(data: &std::path::Path) -> ScriptedServer {
    let server = ScriptedServer::start(data, Access::Open, begin(), lasting(TimeDelta::minutes(1)));
    server.ask("PATCH", "/api/v4/config", r#"{"concurrency":0}"#);
    server.ask("POST", "/api/v3/workflows/c", r#"{"id":"w","schedule":"hours","docker_image":"busybox"}"#);
    server.ask("PATCH", "/api/v3/workflows/c/w/state", r#"{"enabled":true}"#);
    let waiting = json!({"workflow_id": {"component_id": "c", "id": "w"}, "parameter": "2025-01-01T07"});
    server.ask("POST", "/api/v3/scheduler/trigger", &waiting.to_string());
    server.settle();
    server
}

fn begin() -> DateTime<Utc> {
    "2026-01-01T00:30:00Z".parse().unwrap()
}

fn get(server: &ScriptedServer, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    let (status, body) = server.send(request);
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn json(server: &ScriptedServer, path: &str) -> Value {
    serde_json::from_str(&get(server, path).1).unwrap()
}

/// What clients read about the clock.
#[derive(Debug, PartialEq)]
struct Seen {
    ready: StatusCode,
    status: String,
    /// Part and reason.
    reasons: Vec<(String, String)>,
    config: Option<String>,
    explained: Option<String>,
    believed: String,
    offset: String,
}

fn look(server: &ScriptedServer) -> Seen {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (ready, _) = get(server, "/ready");
    let readiness = json(server, "/ready");
    let reasons = readiness["reasons"].as_array().into_iter().flatten();
    let (_, metrics) = get(server, "/metrics");
    let gauge = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {metrics}")).to_owned()
    };
    let explained = json(server, "/api/v4/explain/c/w/2025-01-01T07");
    let explained: Vec<_> = explained["reasons"].as_array().unwrap().iter().map(text).collect();
    Seen {
        ready,
        status: text(&readiness["status"]),
        reasons: reasons.map(|reason| (text(&reason["part"]), text(&reason["reason"]))).collect(),
        config: json(server, "/api/v4/config").get("clock").map(text),
        explained: explained.into_iter().find(|reason| reason.contains("wall clock")),
        believed: gauge("styx_clock_believed"),
        offset: gauge("styx_clock_offset_seconds"),
    }
}

fn all_is_well() -> Seen {
    Seen {
        ready: StatusCode::OK,
        status: "ready".to_owned(),
        reasons: Vec::new(),
        config: None,
        explained: None,
        believed: "1".to_owned(),
        offset: "0.0".to_owned(),
    }
}

/// The instances that were triggered by their schedule.
fn natural(server: &ScriptedServer) -> Vec<String> {
    let active = json(server, "/api/v3/status/activeStates");
    let parameters = active["active_states"].as_array().unwrap().iter();
    let parameters = parameters.map(|state| state["workflow_instance"]["parameter"].as_str().unwrap().to_owned());
    parameters.filter(|parameter| parameter != "2025-01-01T07").collect()
}

#[test]
fn a_clock_that_is_not_believed_is_seen_everywhere_until_an_operator_accepts_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir.path().join("data"));
    assert_eq!(look(&server), all_is_well());

    server.jump(TimeDelta::days(10));
    let reason = "the wall clock shows 2026-01-11T00:30:00Z, which is 10 d ahead of the records' time and more than \
                  1 d: it isn't believed, and natural triggers hold; set it right, or accept it with \
                  `styx config set clock accept`";
    let not_believed = Seen {
        status: "degraded".to_owned(),
        reasons: vec![("clock".to_owned(), reason.to_owned())],
        config: Some(reason.to_owned()),
        explained: Some(reason.to_owned()),
        believed: "0".to_owned(),
        offset: "864000.0".to_owned(),
        ..all_is_well()
    };
    assert_eq!(look(&server), not_believed);
    assert_eq!(natural(&server), Vec::<String>::new());

    let accepted: Value =
        serde_json::from_slice(&server.ask("PATCH", "/api/v4/config", r#"{"clock":"accept"}"#)).unwrap();
    assert!(accepted.get("clock").is_none() && accepted["enabled"] == true, "{accepted}");
    server.settle();
    assert_eq!(look(&server), all_is_well());
    assert_eq!(natural(&server).first().map(String::as_str), Some("2026-01-01T00"));
}

#[test]
fn a_clock_that_is_set_right_again_is_believed_without_an_operator() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir.path().join("data"));
    server.jump(TimeDelta::days(10));
    assert_eq!(look(&server).status, "degraded");
    server.jump(TimeDelta::days(-10));
    assert_eq!(look(&server), all_is_well());
    assert_eq!(natural(&server), Vec::<String>::new());
}

/// Natural triggers go on by it, so the server isn't degraded; but it is named.
#[test]
fn a_clock_that_was_set_back_is_named_and_degrades_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir.path().join("data"));
    server.jump(TimeDelta::hours(-1));
    let reason = "the wall clock is 1 h behind the records' time: what waits goes on by elapsed time, natural \
                  triggers wait for the wall clock";
    let behind = Seen {
        config: Some(reason.to_owned()),
        explained: Some(reason.to_owned()),
        offset: "-3600.0".to_owned(),
        ..all_is_well()
    };
    assert_eq!(look(&server), behind);
}

#[test]
fn an_offset_that_leads_out_of_the_calendar_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = ScriptedServer::start(&dir.path().join("data"), Access::Open, begin(), lasting(TimeDelta::zero()));
    let send = |method: &str, path: &str, body: &str| {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("content-length", body.len()).body(Body::from(body.to_owned())).unwrap();
        let (status, body) = server.send(request);
        (status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    };
    let workflow = |schedule: &str, offset: &str| {
        format!(r#"{{"id":"w","schedule":"{schedule}","offset":"{offset}","docker_image":"busybox"}}"#)
    };
    let says =
        |offset: &str| format!("invalid offset: with `{offset}` the first trigger lies outside the years 0000 to 9999");
    let (status, text) = send("POST", "/api/v3/workflows/c", &workflow("days", "P7974Y"));
    assert!(status == 400 && text.contains(&says("P7974Y")), "{status} {text}");
    assert_eq!(get(&server, "/api/v3/workflows/c/w").0, StatusCode::NOT_FOUND);

    // One that was stored early enough: its last instant is within the calendar when it is enabled, and fires after its end.
    let (status, text) = send("POST", "/api/v3/workflows/c", &workflow("0 0 31 12 *", "P1D"));
    assert_eq!(status, 200, "{text}");
    server.advance("9999-06-01T00:30:00Z".parse().unwrap());
    let (status, text) = send("PATCH", "/api/v3/workflows/c/w/state", r#"{"enabled":true}"#);
    assert!(status == 400 && text.contains(&says("P1D")), "{status} {text}");
    assert_eq!(json(&server, "/api/v3/workflows/c/w/state")["enabled"], false);
}
