//! Whatever a request line and a body are, reading them panics nowhere; and what is found fits: a path that is made again from its
//! segments means the same, `Allow` tells the truth, and a query has what it is asked for.
//!
//! The server's own sources are built here, since the server itself can't be built without RocksDB.
#![no_main]

#[path = "../../styx-server/src/http/path.rs"]
#[allow(dead_code, reason = "the server uses more of it than is fuzzed here")]
mod path;
#[path = "../../styx-server/src/http/query.rs"]
#[allow(dead_code, reason = "the server uses more of it than is fuzzed here")]
mod query;
#[path = "../../styx-server/src/http/router.rs"]
#[allow(dead_code, reason = "the server uses more of it than is fuzzed here")]
mod router;

use hyper::Method;
use libfuzzer_sys::fuzz_target;
use styx_client::{
    BackfillInput, EditableBackfillInput, Resource, TestServiceAccountUsageRequest, TriggerRequest, WorkflowInstance,
    WorkflowState, json,
};
use styx_core::workflow::{WorkflowConfiguration, validate};

use self::{
    path::segments,
    query::Query,
    router::{Resolved, resolve},
};

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"];

// A path with a query, and behind a tab a body.
fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\t').unwrap_or(input.len());
    read_body(input.get(end + 1..).unwrap_or_default());
    let Ok(target) = std::str::from_utf8(&input[..end]) else { return };
    let (path_text, query_text) = target.split_once('?').unwrap_or((target, ""));
    if let Ok(found) = segments(path_text)
        && path_text.starts_with('/')
    {
        for method in METHODS {
            check_route(&Method::from_bytes(method.as_bytes()).expect("it is a token"), &found);
        }
    }
    if let Ok(query) = Query::parse(query_text) {
        for name in ["full", "limit", "delay", "component", ""] {
            assert_eq!(query.filter(name).is_some(), query.get(name).is_some_and(|value| !value.is_empty()));
            assert!(!query.is_true(name) || query.filter(name).is_some());
        }
    }
});

fn check_route(method: &Method, found: &[String]) {
    let escaped: String = found.iter().flat_map(|segment| ["/".to_owned(), escape(segment)]).collect();
    // A slash at the end doesn't count, so an empty last segment needs another one.
    let again = segments(&format!("{escaped}/")).expect("what was read can be written");
    assert_eq!(again, found);
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let allow = match resolve(method, &found) {
        Resolved::Route(route) => {
            assert!(!route.pattern().is_empty());
            return;
        }
        Resolved::NotFound => {
            assert!(METHODS.iter().all(|method| {
                let method = Method::from_bytes(method.as_bytes()).expect("it is a token");
                resolve(&method, &found) == Resolved::NotFound
            }));
            return;
        }
        Resolved::Options(allow) | Resolved::MethodNotAllowed(allow) => allow,
    };
    for allowed in allow.split(", ").filter(|allowed| *allowed != "OPTIONS") {
        let method = Method::from_bytes(allowed.as_bytes()).expect("it is a token");
        assert!(matches!(resolve(&method, &found), Resolved::Route(_)), "{allow}");
    }
}

fn escape(segment: &str) -> String {
    segment.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn read_body(body: &[u8]) {
    let _ = json::from_slice::<TriggerRequest>(body);
    let _ = json::from_slice::<WorkflowInstance>(body);
    let _ = json::from_slice::<WorkflowState>(body);
    let _ = json::from_slice::<TestServiceAccountUsageRequest>(body);
    let _ = json::from_slice::<Resource>(body);
    let _ = json::from_slice::<BackfillInput>(body);
    let _ = json::from_slice::<EditableBackfillInput>(body);
    if let Ok(text) = std::str::from_utf8(body)
        && let Ok(configuration) = WorkflowConfiguration::from_json(text)
    {
        // What is wrong with it is told, never found out by a failure.
        let _ = validate("c", &configuration.id, &configuration, None);
    }
}
