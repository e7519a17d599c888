//! What answers mean: by reason and text, whatever the number, and with siblings of each.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use styx_core::id::ExecutionId;
use styx_k8s::answer::{self, Answer, Created, Deleted, Got, Refusal};
use uuid::Uuid;

/// A Status as the API server writes it.
fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
        "details": {"name": "styx-run-1", "kind": "pods"}, "code": code})
}

fn created(code: u16, body: &Value) -> Created {
    answer::created(Answer::Http { status: code, retry_after: None, body: body.to_string().as_bytes() })
}

fn in_a_word(created: &Created) -> &'static str {
    match created {
        Created::Launched { .. } => "launched",
        Created::Unknown { .. } => "unknown",
        Created::Exists => "exists",
        Created::AgainAtOnce { .. } => "again",
        Created::Refused(Refusal { may_have_happened: false, .. }) => "refused",
        Created::Refused(_) => "refused, perhaps done",
        Created::Unhealthy { .. } => "unhealthy",
        Created::NotLaunchable { .. } => "never",
    }
}

#[test]
fn answers_to_a_create() {
    let hook = "admission webhook \"w.example.com\" denied the request";
    let cannot =
        "pods is forbidden: User \"system:serviceaccount:q:default\" cannot create resource \"pods\" in API group \"\"";
    for (code, reason, message, expected) in [
        (409, "AlreadyExists", "pods \"p\" already exists", "exists"),
        (409, "AlreadyExists", "object is being deleted: pods \"p\" already exists", "exists"),
        (
            409,
            "Conflict",
            "Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified",
            "again",
        ),
        (409, "", "conflict", "again"),
        (504, "Timeout", "Timeout: request did not complete within requested timeout", "unknown"),
        (429, "TooManyRequests", "The server is currently unable to handle the request", "refused"),
        (500, "InternalError", "etcdserver: request timed out", "refused, perhaps done"),
        (
            500,
            "InternalError",
            "Internal error occurred: failed calling webhook \"w\": connection refused",
            "refused, perhaps done",
        ),
        (
            500,
            "InternalError",
            "Internal error occurred: failed calling webhook \"w\": denied the request",
            "refused, perhaps done",
        ),
        (503, "ServiceUnavailable", "apiserver is shutting down", "refused, perhaps done"),
        (401, "Unauthorized", "Unauthorized", "refused"),
        (
            403,
            "Forbidden",
            "pods \"p\" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1",
            "refused",
        ),
        (
            403,
            "Forbidden",
            "pods \"p\" is forbidden: failed quota: few: must specify limits.cpu for: styx-run",
            "never",
        ),
        (
            403,
            "Forbidden",
            "pods \"p\" is forbidden: error looking up service account q/s: serviceaccount \"s\" not found",
            "refused",
        ),
        (403, "Forbidden", cannot, "unhealthy"),
        (
            403,
            "Forbidden",
            "pods is forbidden: User \"u\" cannot create resource \"pods\": requires one of [\"x\"]",
            "unhealthy",
        ),
        (
            403,
            "Forbidden",
            "pods \"p\" is forbidden: unable to create new content in namespace q because it is being terminated",
            "unhealthy",
        ),
        (404, "NotFound", "namespaces \"q\" not found", "unhealthy"),
        (404, "NotFound", "the server could not find the requested resource", "unhealthy"),
        (
            403,
            "Forbidden",
            "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
            "never",
        ),
        (
            403,
            "Forbidden",
            "pods \"p\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi",
            "never",
        ),
        (403, "Forbidden", "pods \"p\" is forbidden: no PriorityClass with name x was found", "never"),
        (403, "Forbidden", "pods \"p\" is forbidden: pod rejected: RuntimeClass \"x\" not found", "never"),
        (
            400,
            "BadRequest",
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"x\"",
            "never",
        ),
        (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728", "never"),
        (422, "Invalid", "Pod \"p\" is invalid: spec.containers[0].env[0].name: Invalid value: \"A=B\"", "never"),
        (422, "Invalid", "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", "never"),
        (400, "", &format!("{hook}: the image isn't signed"), "never"),
        (403, "Forbidden", &format!("{hook}: exceeded quota of the day"), "never"),
        (403, "Forbidden", &format!("{hook}: User \"u\" cannot create resource"), "never"),
        (404, "NotFound", &format!("{hook}: namespaces \"q\" not found"), "never"),
        (500, "InternalError", &format!("{hook}: broken rule"), "never"),
    ] {
        assert_eq!(in_a_word(&created(code, &status(code, reason, message))), expected, "{code} {message}");
    }
    let mut terminating = status(403, "Forbidden", "in other words");
    terminating["details"]["causes"] = json!([{"reason": "NamespaceTerminating"}]);
    assert_eq!(in_a_word(&created(403, &terminating)), "unhealthy");
    assert_eq!(in_a_word(&answer::created(Answer::None { error: "connection reset" })), "unknown");
}

#[test]
fn what_a_proxy_says_is_no_word_of_kubernetes() {
    for (code, body, expected) in [
        (200, "<html>Sign in</html>", "unknown"),
        (201, "", "unknown"),
        (201, "{\"kind\":\"Status\",\"status\":\"Success\"}", "unknown"),
        (302, "", "unhealthy"),
        (403, "<html>denied the request</html>", "unhealthy"),
        (403, "exceeded quota", "unhealthy"),
        (404, "404 page not found", "unhealthy"),
        (401, "<html>", "refused"),
        (429, "Too many requests, please try again later.\n", "refused"),
        (502, "Bad Gateway", "refused, perhaps done"),
        (504, "Gateway Timeout", "unknown"),
        (408, "", "unknown"),
        (400, "x", "never"),
    ] {
        let answer = Answer::Http { status: code, retry_after: None, body: body.as_bytes() };
        assert_eq!(in_a_word(&answer::created(answer)), expected, "{code} {body}");
    }
}

#[test]
fn a_created_pod_has_its_uid() {
    let pod = json!({"kind": "Pod", "metadata": {"name": "p", "uid": "u", "resourceVersion": "7"}});
    let expected = Created::Launched { uid: Some("u".into()), resource_version: Some("7".into()) };
    assert_eq!(created(201, &pod), expected);
    let nameless = json!({"kind": "Pod", "metadata": {"name": "p"}});
    assert_eq!(created(202, &nameless), Created::Launched { uid: None, resource_version: None });
}

#[test]
fn a_refusal_says_for_how_long() {
    let wait = |header: Option<&str>, body: &Value| {
        let body = body.to_string();
        match answer::created(Answer::Http { status: 429, retry_after: header, body: body.as_bytes() }) {
            Created::Refused(refusal) => refusal.retry_after,
            other => panic!("{other:?}"),
        }
    };
    let mut body = status(429, "TooManyRequests", "slow down");
    assert_eq!(wait(None, &body), None);
    assert_eq!(wait(Some(" 3 "), &body), Some(Duration::from_secs(3)));
    assert_eq!(wait(Some("Fri, 31 Dec 1999 23:59:59 GMT"), &body), None);
    body["details"]["retryAfterSeconds"] = 5.into();
    assert_eq!(wait(None, &body), Some(Duration::from_secs(5)));
    assert_eq!(wait(Some("3"), &body), Some(Duration::from_secs(3)));
    body["details"]["retryAfterSeconds"] = (-5).into();
    assert_eq!(wait(None, &body), None);
    let unauthorized = created(401, &status(401, "Unauthorized", "Unauthorized"));
    assert!(matches!(unauthorized, Created::Refused(Refusal { renew_credentials: true, .. })));
}

#[test]
fn only_kubernetes_says_that_a_pod_is_absent() {
    let got = |code: u16, body: &str| {
        let answer = Answer::Http { status: code, retry_after: None, body: body.as_bytes() };
        match answer::got(answer, &ExecutionId::parse("styx-run-1"), Uuid::from_u128(7)) {
            Got::Absent => "absent",
            Got::Foreign { .. } => "foreign",
            Got::Ours(_) => "ours",
            Got::Refused(_) => "refused",
            Got::Unhealthy { .. } => "unhealthy",
        }
    };
    let mut namespace = status(404, "NotFound", "namespaces \"q\" not found");
    namespace["details"] = json!({"name": "q", "kind": "namespaces"});
    for (code, body, expected) in [
        (404, status(404, "NotFound", "pods \"styx-run-1\" not found").to_string(), "absent"),
        (404, namespace.to_string(), "unhealthy"),
        (404, "404 page not found".to_owned(), "unhealthy"),
        (404, "{}".to_owned(), "unhealthy"),
        (503, String::new(), "refused"),
        (504, String::new(), "refused"),
        (401, String::new(), "refused"),
        (403, status(403, "Forbidden", "pods is forbidden: User \"u\" cannot get resource").to_string(), "unhealthy"),
        (200, json!({"metadata": {"name": "styx-run-1", "uid": "u"}}).to_string(), "foreign"),
    ] {
        assert_eq!(got(code, &body), expected, "{code} {body}");
    }
}

#[test]
fn answers_to_a_delete() {
    let uid = "Operation cannot be fulfilled on Pod \"p\": the UID in the precondition (a) does not match the UID in record (b).";
    for (code, body, expected) in [
        (200, json!({"kind": "Pod"}), "accepted"),
        (202, json!({"kind": "Status", "status": "Success"}), "accepted"),
        (404, status(404, "NotFound", "pods \"p\" not found"), "gone"),
        (404, json!("404 page not found"), "unhealthy"),
        (409, status(409, "Conflict", uid), "not ours"),
        (409, status(409, "Conflict", "the object has been modified"), "again"),
        (429, status(429, "TooManyRequests", "slow down"), "refused"),
        (500, status(500, "InternalError", "etcdserver: leader changed"), "refused"),
        (504, status(504, "Timeout", "Timeout"), "refused"),
        (
            403,
            status(403, "Forbidden", "pods \"p\" is forbidden: User \"u\" cannot delete resource \"pods\""),
            "unhealthy",
        ),
    ] {
        let text = body.to_string();
        let deleted = answer::deleted(Answer::Http { status: code, retry_after: None, body: text.as_bytes() });
        let got = match deleted {
            Deleted::Accepted => "accepted",
            Deleted::Gone => "gone",
            Deleted::NotOurs => "not ours",
            Deleted::AgainAtOnce => "again",
            Deleted::Refused(_) => "refused",
            Deleted::Unhealthy { .. } => "unhealthy",
        };
        assert_eq!(got, expected, "{code} {body}");
    }
}

proptest! {
    /// Nobody but a Status of a client's error can make a run fail for good, and nothing but a pod is a launch.
    #[test]
    fn no_answer_is_misread(code in 100_u16..700, body in "\\PC{0,80}", retry_after in prop::option::of("\\PC{0,12}")) {
        let answer = Answer::Http { status: code, retry_after: retry_after.as_deref(), body: body.as_bytes() };
        match answer::created(answer) {
            Created::Launched { .. } => prop_assert!(false, "no pod"),
            Created::NotLaunchable { .. } => prop_assert!((400..500).contains(&code)),
            Created::Refused(refusal) => prop_assert!(matches!(code, 401 | 429 | 500..) && !refusal.reason.is_empty()),
            _ => {}
        }
        answer::deleted(answer);
        let got = answer::got(answer, &ExecutionId::parse("e"), Uuid::nil());
        prop_assert!(!matches!(got, Got::Absent | Got::Ours(_)));
    }
}
