//! Whatever is asked for: nothing panics, nothing is an internal error, and what is refused leaves the log as it was.

use std::{cell::RefCell, collections::BTreeSet, path::Path};

use axum::body::Body;
use chrono::{DateTime, TimeDelta};
use hyper::{Request, StatusCode};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use tempfile::TempDir;

use super::scripted::{ScriptedServer, lasting};
use crate::auth::Access;

/// A server whose clock stands still and whose executions last, so only requests move its log.
fn start(data: &Path) -> ScriptedServer {
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    ScriptedServer::start(data, Access::Open, now, lasting(TimeDelta::hours(1)))
}

/// Something to ask for.
#[derive(Debug, Clone)]
struct Asked {
    method: &'static str,
    path: String,
    query: Option<String>,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl Asked {
    /// `None` when no HTTP message can say it.
    fn request(&self) -> Option<Request<Body>> {
        let query = self.query.iter().map(|query| format!("?{query}")).collect::<String>();
        let mut request = Request::builder().method(self.method).uri(format!("{}{query}", self.path));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = match &self.body {
            Some(body) => {
                request = request.header("content-length", body.len());
                Body::from(body.clone())
            }
            None => Body::empty(),
        };
        request.body(body).ok()
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let method = select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]);
    let aimed = (method.clone(), path(), query(), headers(), body())
        .prop_map(|(method, path, query, headers, body)| Asked { method, path, query, headers, body });
    prop_oneof![3 => fitting(), 2 => aimed]
}

/// What has a chance to be accepted: the path, the method and mostly the body belong together, all else is anything.
fn fitting() -> impl Strategy<Value = Asked> {
    let place = |weight: u32, method: &'static str, path: &'static str, bodies: &'static [&'static str]| {
        let fits = match bodies {
            [] => Just(None).boxed(),
            bodies => select(bodies).prop_map(|text| Some(text.as_bytes().to_vec())).boxed(),
        };
        let body = prop_oneof![4 => fits, 1 => body()];
        (weight, body.prop_map(move |body| (method, path, body)).boxed())
    };
    let places = prop::strategy::Union::new_weighted(vec![
        place(8, "POST", "/api/v3/workflows/c", WORKFLOWS),
        place(4, "PATCH", "/api/v3/workflows/c/w/state", STATES),
        place(1, "DELETE", "/api/v3/workflows/c/w", &[]),
        place(1, "GET", "/api/v3/workflows/c/w/instances", &[]),
        place(1, "GET", "/api/v3/workflows", &[]),
        place(1, "GET", "/api/v3/status/activeStates", &[]),
        place(1, "GET", "/api/v4/records", &[]),
        place(4, "POST", "/api/v3/scheduler/trigger", INSTANCES),
        place(4, "POST", "/api/v3/scheduler/halt", INSTANCES),
        place(4, "POST", "/api/v3/scheduler/retry", INSTANCES),
        place(4, "POST", "/api/v0/trigger", INSTANCES),
        place(2, "POST", "/api/v3/scheduler/events", EVENTS),
        place(2, "POST", "/api/v3/resources", RESOURCES),
        place(2, "PUT", "/api/v3/resources/r", RESOURCES),
        place(1, "DELETE", "/api/v3/resources/r", &[]),
        place(1, "GET", "/api/v3/resources", &[]),
        place(4, "POST", "/api/v3/backfills", BACKFILLS),
        place(1, "GET", "/api/v3/backfills", &[]),
        place(2, "PATCH", "/api/v4/config", CONFIGS),
        place(1, "GET", "/api/v4/config", &[]),
        place(1, "GET", "/api/v4/explain/c/w/2024-01-01", &[]),
        place(1, "GET", "/api/v4/workflows/c/w/state", &[]),
        place(1, "GET", "/api/v4/owed", &[]),
        place(1, "POST", "/api/v4/executions/styx-run-1/end", &[]),
        place(1, "POST", "/api/v3/status/testServiceAccountUsageAuthorization", ACCOUNTS),
    ]);
    (places, prop::option::weighted(0.3, query()), headers()).prop_map(|((method, path, body), query, headers)| Asked {
        method,
        path: path.to_owned(),
        query: query.flatten(),
        headers,
        body,
    })
}

const WORKFLOWS: &[&str] = &[
    r#"{"id":"w","schedule":"hours","docker_image":"busybox:1.36","env":{"A":"b"}}"#,
    r#"{"id":"w","schedule":"* * * * *","offset":"PT1M","docker_image":"a/b","running_timeout":"PT1H"}"#,
    r##"{"id":"w","schedule":"days","retry_condition":"#tries < 3","resources":["r"],"docker_image":"a"}"##,
];

const STATES: &[&str] = &[
    r#"{"enabled":true}"#,
    r#"{"enabled":true,"next_natural_trigger":"2024-10-01T00:00:00Z","next_natural_offset_trigger":"2024-10-01T01:00:00Z"}"#,
    r#"{"enabled":false}"#,
];

const INSTANCES: &[&str] = &[
    r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2024-01-01T00"}"#,
    r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2024-01-01"}"#,
    r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2999-01-01","trigger_parameters":{"env":{"A":"c"}}}"#,
];

const EVENTS: &[&str] = &[
    r#"{"@type":"dequeue","workflow_instance":"c#w#2024-01-01","resource_ids":[]}"#,
    r#"{"@type":"halt","workflow_instance":"c#w#2024-01-01"}"#,
    r#"{"@type":"triggerExecution","workflow_instance":"c#w#2024-01-01","trigger":{"@type":"natural"}}"#,
];

const RESOURCES: &[&str] = &[r#"{"id":"r","concurrency":1}"#, r#"{"id":"r","concurrency":"3"}"#, r#"{"id":"r"}"#];

const BACKFILLS: &[&str] = &[
    r#"{"start":"2024-01-01T00:00:00Z","end":"2024-01-05T00:00:00Z","component":"c","workflow":"w","concurrency":2}"#,
    r#"{"start":"2024-01-01T00:00:00Z","end":"2024-01-02T00:00:00Z","component":"c","workflow":"w","concurrency":3,"reverse":true}"#,
];

const CONFIGS: &[&str] = &[
    r#"{"enabled":true}"#,
    r#"{"enabled":false}"#,
    r#"{"concurrency":3,"submission_rate_limit":0.5}"#,
    r#"{"executor":"fake","debug":true}"#,
    r#"{"concurrency":null,"submission_rate_limit":null,"debug":true,"client_blacklist":["a"]}"#,
];

const ACCOUNTS: &[&str] = &[r#"{"service_account":"a","principal":"b"}"#];

fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        8 => select(vec![
            "api", "v3", "v0", "v4", "workflows", "c", "w", "state", "full", "instances", "2024-01-01", "scheduler",
            "trigger", "halt", "retry", "events", "status", "activeStates", "resources", "backfills", "records", "metrics",
            "ping", "ready", "testServiceAccountUsageAuthorization",
        ])
        .prop_map(str::to_owned),
        2 => select(vec!["", ".", "..", "%2F", "%23", "%c3%a9", "%ff", "%", "%zz", "a%00b", "+", ";x=1", "c%2Fd", "**"])
            .prop_map(str::to_owned),
        1 => "[!-~&&[^?#]]{0,12}",
    ];
    let prefix =
        select(vec!["/", "/api/v3/", "/api/v3/workflows/", "/api/v3/scheduler/", "/api/v4/", "/api/v0/", "//"]);
    (prefix, vec(segment, 0..5)).prop_map(|(prefix, segments)| format!("{prefix}{}", segments.join("/")))
}

fn query() -> impl Strategy<Value = Option<String>> {
    let name = prop_oneof![
        4 => select(vec![
            "full", "limit", "offset", "start", "stop", "tail", "allowFuture", "delay", "component", "workflow",
            "components", "deployment_type", "deployment_time_before", "deployment_time_after", "from", "%66ull", "%",
        ])
        .prop_map(str::to_owned),
        1 => "[a-z%+]{0,4}",
    ];
    let value = prop_oneof![
        4 => select(vec![
            "", "true", "TRUE", "0", "1", "-1", "168", "999999999999999999999", "-9223372036854775808", "2024-01-01",
            "2024-05-06T07:00:00Z", "c", "c,w,", "%zz", "%%", "+", "%c3", "1.5",
        ])
        .prop_map(str::to_owned),
        1 => "[!-~&&[^#]]{0,12}",
    ];
    let pair = (name, prop::option::of(value)).prop_map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => name,
    });
    prop::option::of((vec(pair, 0..4), select(vec!["&", ";"])).prop_map(|(pairs, between)| pairs.join(between)))
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let other = (
        select(vec!["authorization", "user-agent", "content-type", "accept", "x-calling-service", "range", "expect"]),
        "[ -~]{0,20}",
    );
    let once = (
        select(vec!["idempotency-key", "x-styx-expected-counter"]),
        select(vec!["a", "b", "", "none", "1", "-1", "two words"]).prop_map(str::to_owned),
    );
    let other = prop_oneof![2 => other, 1 => once];
    let host = prop_oneof![
        8 => Just("localhost".to_owned()),
        1 => select(vec!["127.0.0.1:8080", "evil.example", "", "[::1]"]).prop_map(str::to_owned),
    ];
    let page =
        prop::option::weighted(0.1, select(vec![("origin", "http://localhost"), ("sec-fetch-site", "cross-site")]));
    (host, page, vec(other, 0..3)).prop_map(|(host, page, mut headers)| {
        headers.push(("host", host));
        headers.extend(page.map(|(name, value)| (name, value.to_owned())));
        headers
    })
}

fn body() -> impl Strategy<Value = Option<Vec<u8>>> {
    let whole = select([WORKFLOWS, STATES, INSTANCES, EVENTS, RESOURCES, BACKFILLS, CONFIGS, ACCOUNTS].concat())
        .prop_map(|text| text.as_bytes().to_vec());
    // One that is almost right: a piece of it is gone, or is something else.
    let broken = (whole.clone(), any::<prop::sample::Index>(), 0..6_usize, "[\"{}\\[\\]:,0-9a-z\\\\]{0,4}").prop_map(
        |(mut body, at, length, piece)| {
            let at = at.index(body.len());
            let end = (at + length).min(body.len());
            body.splice(at..end, piece.into_bytes());
            body
        },
    );
    let nested = (0..300_usize).prop_map(|depth| [b"[".repeat(depth), b"]".repeat(depth)].concat());
    prop_oneof![
        1 => Just(None),
        6 => whole.prop_map(Some),
        4 => broken.prop_map(Some),
        1 => vec(any::<u8>(), 0..40).prop_map(Some),
        1 => nested.prop_map(Some),
    ]
}

#[test]
fn no_request_fails_inside_and_what_is_refused_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let server = start(&dir.path().join("data"));
    let reached = RefCell::new(BTreeSet::new());
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() });
    let run = runner.run(&asked(), |asked| {
        let Some(request) = asked.request() else { return Ok(()) };
        let before = server.settle();
        let (status, body) = server.send(request);
        let body = String::from_utf8_lossy(&body);
        prop_assert!(status.as_u16() < 500 || status == StatusCode::NOT_IMPLEMENTED, "{}: {}", status, body);
        let is_write = !matches!(asked.method, "GET" | "HEAD");
        if status.as_u16() >= 400 || !is_write {
            prop_assert_eq!(server.tail(), before, "{}: {}", status, body);
        }
        reached.borrow_mut().insert(format!("{} {} {}", asked.method, asked.path, status.as_u16()));
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    // What is never reached isn't tried.
    for wanted in [
        "POST /api/v3/workflows/c 200",
        "PATCH /api/v3/workflows/c/w/state 200",
        "DELETE /api/v3/workflows/c/w 204",
        "POST /api/v3/scheduler/trigger 200",
        "POST /api/v3/scheduler/trigger 400",
        "POST /api/v3/scheduler/trigger 409",
        "POST /api/v0/trigger 200",
        "POST /api/v3/scheduler/halt 200",
        "POST /api/v3/scheduler/halt 404",
        "POST /api/v3/scheduler/retry 200",
        "GET /api/v4/records 200",
        "POST /api/v3/resources 200",
        "PUT /api/v3/resources/r 200",
        "DELETE /api/v3/resources/r 204",
        "POST /api/v3/backfills 200",
        "PATCH /api/v4/config 200",
        "GET /api/v4/config 200",
        "POST /api/v3/status/testServiceAccountUsageAuthorization 200",
    ] {
        assert!(reached.borrow().contains(wanted), "{wanted} was not reached: {:#?}", reached.borrow());
    }
}

/// Only `explain` of a queued run needs the engine's thread.
#[test]
fn reads_are_answered_while_the_engine_is_busy() {
    let dir = TempDir::new().unwrap();
    let server = start(&dir.path().join("data"));
    for (method, path, body) in [
        ("POST", "/api/v3/resources", RESOURCES[0]),
        ("POST", "/api/v3/workflows/c", WORKFLOWS[0]),
        ("PATCH", "/api/v3/workflows/c/w/state", STATES[0]),
        ("POST", "/api/v3/scheduler/trigger", INSTANCES[0]),
        ("POST", "/api/v3/backfills", &BACKFILLS[0].replace("2024-01", "2024-03")),
    ] {
        server.ask(method, path, body);
    }
    server.settle();
    let get = |path: &str| {
        let request = Request::get(path)
            .header("host", "localhost")
            .header("x-styx-request-id", "r")
            .body(Body::empty())
            .unwrap();
        server.send(request)
    };
    let backfill = String::from_utf8(get("/api/v3/backfills").1.to_vec()).unwrap();
    let id = backfill.split('"').find(|word| word.starts_with("backfill-")).unwrap();
    let paths = [
        "/",
        "/ping",
        "/ready",
        "/api/v3/workflows",
        "/api/v3/workflows?full=true",
        "/api/v3/workflows/c",
        "/api/v3/workflows/c/w",
        "/api/v3/workflows/c/w/full",
        "/api/v3/workflows/c/w/state",
        "/api/v3/workflows/c/w/instances",
        "/api/v3/workflows/c/w/instances/2024-01-01T00",
        "/api/v3/status/events/c/w/2024-01-01T00",
        "/api/v3/status/activeStates",
        "/api/v3/resources",
        "/api/v3/resources/r",
        "/api/v3/backfills",
        &format!("/api/v3/backfills/{id}"),
        "/api/v4/config",
        "/api/v4/records",
        "/api/v4/checkpoints",
        "/api/v4/workflows/c/w/state",
        "/api/v4/owed",
        // It runs, was never triggered, belongs to no workflow.
        "/api/v4/explain/c/w/2024-01-01T00",
        "/api/v4/explain/c/w/2024-02-01T00",
        "/api/v4/explain/c/none/2024-01-01",
    ];
    let before = paths.map(get);
    assert!(before[..22].iter().all(|(status, _)| *status == StatusCode::OK), "{before:?}");
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (held, is_held) = std::sync::mpsc::channel();
    let look = move |_: &_, _| {
        held.send(()).unwrap();
        let _ = released.recv();
    };
    server.engine.look(look).unwrap();
    is_held.recv().unwrap();
    for (path, before) in paths.iter().zip(before) {
        assert!(get(path) == before, "{path}");
    }
    assert!(get("/metrics").0 == StatusCode::OK);
    drop(release);
    server.settle();
}
