//! What web pages of others, large bodies and slow clients can't do.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use common::{LONG, Server, data, tail};

/// Method, the status it gets, headers.
type Attack<'a> = (&'a str, u16, &'a [(&'a str, &'a str)]);

const HALT: &str = r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2024-01-01"}"#;

#[test]
fn pages_of_others_change_nothing() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "days", LONG);
    assert_eq!(server.trigger("c", "w", "2024-01-01").status, 200);
    server.wait_for("/api/v3/status/activeStates", |json| json["active_states"][0]["state"] == "RUNNING");
    assert!(server.stop().success());
    let before = tail(&data);

    // The fake executor's run ends with its process, which is recorded: so the second process has a run of its own.
    let server = Server::start(&data);
    let port = server.port().to_owned();
    let local = format!("localhost:{port}");
    let rebound = format!("evil.example:{port}");
    let form = ("Content-Type", "text/plain");
    let attacks: &[Attack<'_>] = &[
        // A form of a foreign page: no preflight, whatever the body is.
        (
            "POST",
            403,
            &[
                form,
                ("Origin", "http://evil.example"),
                ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Mode", "navigate"),
            ],
        ),
        // The same from a sandboxed frame or a file.
        ("POST", 403, &[form, ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")]),
        // A browser without fetch metadata.
        ("POST", 403, &[form, ("Origin", "http://evil.example")]),
        // A page of another server on this machine.
        ("POST", 403, &[form, ("Origin", "http://localhost:3000"), ("Sec-Fetch-Site", "same-site")]),
        // fetch with JSON: first the preflight, then, in a broken browser, the request itself.
        ("OPTIONS", 403, &[("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")]),
        (
            "POST",
            403,
            &[
                ("Content-Type", "application/json"),
                ("Origin", "http://evil.example"),
                ("Sec-Fetch-Site", "cross-site"),
            ],
        ),
        // DNS rebinding: the page is same-origin to the browser, and its name is foreign.
        (
            "POST",
            421,
            &[("Host", &rebound), ("Origin", &format!("http://{rebound}")), ("Sec-Fetch-Site", "same-origin")],
        ),
        ("GET", 421, &[("Host", &rebound), ("Sec-Fetch-Site", "same-origin")]),
        // An image or a script of a foreign page.
        ("GET", 403, &[("Host", &local), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")]),
    ];
    for (method, status, headers) in attacks {
        for path in ["/api/v3/scheduler/halt", "/api/v0/halt", "/api/v3/scheduler/trigger", "/ping"] {
            let answer = server.ask(method, path, headers, (*method == "POST").then_some(HALT));
            assert_eq!(answer.status, *status, "{method} {path} {headers:?}: {answer:?}");
            assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{answer:?}");
        }
    }
    let ours = [("Host", local.as_str()), ("Origin", &format!("http://{local}")), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(server.ask("GET", "/api/v3/workflows", &ours, None).status, 200, "a page of our own");
    assert!(server.stop().success());
    let records = records_of_operators(&data, before);
    assert_eq!(records, 0, "something was recorded");
}

/// How many records after a position somebody asked for.
fn records_of_operators(data: &std::path::Path, after: u64) -> usize {
    use styx_core::{id::Position, log::LogReader, record::Cause};
    let reader = styx_store::open_read_only(data).unwrap();
    let records = reader.read(Position(after + 1), 1000).unwrap();
    records.iter().filter(|record| matches!(record.cause, Cause::Operator(_))).count()
}

#[test]
fn bodies_heads_and_patience_have_limits() {
    let (dir, data) = data();
    let config = dir.path().join("styx.toml");
    std::fs::write(&config, "[http]\nclient_timeout = \"PT1S\"\nrequest_timeout = \"PT2S\"\nmax_connections = 20\n")
        .unwrap();
    let server = Server::start_with(&data, &["--executor", "fake", "--config", config.to_str().unwrap()]);

    let large = "x".repeat(1024 * 1024 + 1);
    assert_eq!(server.post("/api/v3/workflows/c", &large).status, 413);
    let chunked = format!(
        "POST /api/v3/workflows/c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    assert_eq!(server.send(&chunked).status, 413);
    let head = format!("GET /ping HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(100_000));
    assert_eq!(server.send(&head).status, 431);

    // A head that never ends.
    let began = Instant::now();
    let mut slow = TcpStream::connect(server.address()).unwrap();
    slow.write_all(b"GET /ping HTTP/1.1\r\nHost: loc").unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "cut after {:?}", began.elapsed());

    // A body that never comes.
    let waits = server.send("POST /api/v3/workflows/c HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n{");
    waits.check(500, "Timeout");

    // More idle connections than there may be: they are cut, and others served.
    let idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    assert_eq!(server.get("/ping").status, 200);
    drop(idle);
}

#[test]
fn blocked_clients_are_told_to_upgrade() {
    let (dir, data) = data();
    let config = dir.path().join("styx.toml");
    std::fs::write(&config, "[http]\nblocked_clients = [\"Styx Client 1.0\"]\n").unwrap();
    let server = Server::start_with(&data, &["--executor", "fake", "--config", config.to_str().unwrap()]);
    let ask = |client: &str, path: &str| server.ask("GET", path, &[("User-Agent", client)], None);
    ask("Styx Client 1.0", "/api/v3/workflows").check(406, "blacklisted client version, please upgrade");
    assert_eq!(ask("Styx Client 1.0.1", "/api/v3/workflows").status, 200);
    assert_eq!(ask("Styx Client 1.0", "/ping").status, 200);
}

#[test]
fn below_the_reserve_of_disk_space_nothing_is_written() {
    let (dir, data) = data();
    let config = dir.path().join("styx.toml");
    std::fs::write(&config, format!("disk_reserve = {}\n", i64::MAX)).unwrap();
    let server = Server::start_with(&data, &["--executor", "fake", "--config", config.to_str().unwrap()]);
    let answer = server.post("/api/v3/workflows/c", r#"{"id":"w","schedule":"days"}"#);
    assert_eq!(answer.status, 507, "{answer:?}");
    let question = r#"{"service_account":"a@p.iam.gserviceaccount.com","principal":"ann@example.org"}"#;
    assert_eq!(server.post("/api/v3/status/testServiceAccountUsageAuthorization", question).status, 200);
    assert!(answer.reason.starts_with("only ") && answer.reason.contains("reserve"), "{answer:?}");
    assert_eq!(server.get("/api/v3/workflows").body, "[]");
}

#[test]
fn a_server_answers_to_the_names_that_it_is_given() {
    let (_dir, data) = data();
    let server =
        Server::start_with(&data, &["--executor", "fake", "--host-name", "styx.example.org,other.example.org"]);
    let ask = |host: &str| server.ask("GET", "/ping", &[("Host", host)], None);
    for known in ["styx.example.org", "other.example.org:8080", "localhost"] {
        assert_eq!(ask(known).status, 200, "{known}");
    }
    ask("evil.example").check(
        421,
        "this server doesn't answer to the name evil.example: use styx.example.org, other.example.org, localhost, or start it \
         with --host-name for this one",
    );
}

#[test]
fn secrets_are_not_logged() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "days", r#"{"TOKEN":"hunter2"}"#);
    let trigger = r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2024-01-01","trigger_parameters":{"env":{"TOKEN":"hunter2"}}}"#;
    assert_eq!(server.post("/api/v3/scheduler/trigger", trigger).status, 200);
    assert_eq!(server.post("/api/v3/workflows/c", r#"{"id":"w","schedule":"days","env":"hunter2"}"#).status, 400);
    assert_eq!(server.post("/api/v3/scheduler/trigger", r#""hunter2""#).status, 400);
    let log = server.log();
    assert!(
        log.contains("[AUDIT] POST /api/v3/scheduler/trigger 400: Payload parsing failed") && !log.contains("hunter2"),
        "{log}"
    );
}
