//! What a workflow owes under an earlier schedule, and what is skipped, is seen where people look.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use common::Server;
use tempfile::TempDir;

const OWED: &str = "x-styx-owed";

/// A server that triggers nothing, and an hourly workflow whose instants since March 2024 are due.
fn behind() -> (TempDir, Server) {
    let dir = TempDir::new().unwrap();
    let server = Server::start(&dir.path().join("data"));
    assert_eq!(server.ask("PATCH", "/api/v4/config", &[], Some(r#"{"enabled":false}"#)).status, 200);
    server.store("c", "w", "hours", "{}");
    enable(&server, true);
    let back =
        r#"{"next_natural_trigger":"2024-03-29T01:00:00Z","next_natural_offset_trigger":"2024-03-29T02:00:00Z"}"#;
    assert_eq!(server.ask("PATCH", "/api/v3/workflows/c/w/state", &[], Some(back)).status, 200);
    (dir, server)
}

fn enable(server: &Server, enabled: bool) {
    let body = format!(r#"{{"enabled":{enabled}}}"#);
    assert_eq!(server.ask("PATCH", "/api/v3/workflows/c/w/state", &[], Some(&body)).status, 200);
}

#[test]
fn what_is_owed_is_seen_where_people_look() {
    let (_dir, server) = behind();
    let state = server.get("/api/v4/workflows/c/w/state").json();
    assert_eq!(state["overdue"]["first"], "2024-03-29T01:00:00Z");
    assert_eq!((state["enabled"].as_bool(), state["owed"].as_array().unwrap().len()), (Some(true), 0));
    assert_eq!(server.get("/api/v3/workflows/c/w/full").header(OWED), None);

    server.store("c", "w", "30 * * * *", "{}");
    let full = server.get("/api/v3/workflows/c/w/full");
    assert_eq!(full.header(OWED), Some("1"));
    let members: Vec<_> = full.json()["state"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["enabled", "next_natural_trigger", "next_natural_offset_trigger"], "as in Styx 2.x");
    assert_eq!(server.get("/api/v3/workflows?full=true").header(OWED), Some("1"));
    assert_eq!(server.get("/api/v3/workflows").header(OWED), None);

    let state = server.get("/api/v4/workflows/c/w/state").json();
    let owed = &state["owed"][0];
    assert_eq!((&owed["schedule"], &owed["next_parameter"]), (&"hours".into(), &"2024-03-29T01".into()));
    assert!(owed["count"].as_u64().unwrap() > 20_000 && state["overdue"].is_null(), "{state}");
    let all = server.get("/api/v4/owed").json();
    assert_eq!((&all["workflows"][0]["workflow_id"], &all["workflows"][0]["owed"][0]), (&"w".into(), owed));
    server.get("/api/v4/workflows/c/none/state").check(404, "there is no workflow c#none");

    // By its own name, and by any other of its instant; neither is a partition of the new schedule.
    for parameter in ["2024-03-29T05", "2024-03-29T05:00:00Z"] {
        let answer = server.get(&format!("/api/v4/explain/c/w/{parameter}"));
        assert_eq!(answer.header("x-styx-partition"), Some("2024-03-29T05"), "{answer:?}");
        let text = &answer.body;
        assert!(text.contains("is owed: its instant fired under the earlier schedule hours"), "{text}");
        assert!(text.contains("instants of the earlier schedule hours that fired until"), "{text}");
    }
    // It was never due under the earlier schedule.
    server.get("/api/v4/explain/c/w/2024-03-29T00").check(
        404,
        "`2024-03-29T00` is not a partition of the schedule 30 * * * *: the nearest are 2024-03-28T23:30:00Z and \
         2024-03-29T00:30:00Z",
    );
    let log = server.log();
    assert!(log.contains("c#w: schedule or offset changed; owed under the earlier schedule hours: up to 2"), "{log}");
    assert_eq!(server.ask("DELETE", "/api/v3/workflows/c/w", &[], None).status, 204);
    let log = server.log();
    assert!(log.contains("c#w: deleted; dropped with it: up to 2"), "{log}");
}

#[test]
fn what_enabling_skips_is_logged() {
    let (_dir, server) = behind();
    enable(&server, false);
    let state = server.get("/api/v4/workflows/c/w/state").json();
    assert_eq!(state["overdue"]["first"], "2024-03-29T01:00:00Z", "what enabling would skip");
    enable(&server, true);
    let log = server.log();
    assert!(log.contains("c#w: enabled; skipped: up to 2"), "{log}");
    assert!(log.contains("from 2024-03-29T01:00:00Z to "), "{log}");
    assert!(server.get("/api/v4/workflows/c/w/state").json()["overdue"].is_null());
}
