//! What clients can't do to a server: cut, slow, endless and crowded requests cost it nothing that others need, and leave
//! nothing behind in its log.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use common::{LONG, Server, data, tail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use styx_core::{
    event::EventKind,
    id::Position,
    log::LogReader,
    record::{Cause, Fact, Record, RunEvent},
};
use tempfile::TempDir;

/// Long enough for whatever is to be cut after a second or two.
const PATIENCE: Duration = Duration::from_secs(15);

struct Limited {
    server: Server,
    data: std::path::PathBuf,
    _dir: TempDir,
}

/// A server with these lines under `[http]`.
fn limited(settings: &str) -> Limited {
    let (dir, data) = data();
    let config = dir.path().join("styx.toml");
    std::fs::write(&config, format!("[http]\n{settings}\n")).unwrap();
    let server = Server::start_with(&data, &["--executor", "fake", "--config", config.to_str().unwrap()]);
    Limited { server, data, _dir: dir }
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Requests that wait for records leave connections for all others.
#[test]
fn waiting_for_records_locks_nobody_out() {
    let Limited { server, _dir, .. } = limited("max_connections = 16");
    let wait = "GET /api/v4/records?from=99999&wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let waiting: Vec<_> = (0..16).map(|_| connect(&server)).collect();
    for mut stream in &waiting {
        stream.write_all(wait.as_bytes()).unwrap();
    }
    // An eighth of the connections may wait; the others are refused as soon as they have been read.
    let is_refused = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let mut start = [0; 12];
        let has_answer = stream.peek(&mut start).is_ok_and(|read| read == start.len());
        stream.set_nonblocking(false).unwrap();
        has_answer && &start == b"HTTP/1.1 429"
    };
    let deadline = Instant::now() + PATIENCE;
    while waiting.iter().filter(|stream| is_refused(stream)).count() < 14 {
        assert!(Instant::now() < deadline, "two wait, and the others aren't refused");
        thread::sleep(Duration::from_millis(5));
    }
    let refused = server.get("/api/v4/records?from=99999&wait=1");
    assert_eq!(server.get("/ping").status, 200);
    refused.check(429, "too many requests are waiting for records: try again in a second");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(server.get("/api/v4/records?from=1&wait=30").status, 200, "nothing to wait for");
    drop(waiting);
    let deadline = Instant::now() + PATIENCE;
    while server.get("/api/v4/records?from=99999&wait=1").status != 200 {
        assert!(Instant::now() < deadline, "those that have gone still count");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Who did it stands in the server's log for every record that a request led to, also if nobody waited for the answer.
#[test]
fn a_client_that_hangs_up_is_told_of_in_the_log() {
    const CLIENTS: u32 = 200;
    let Limited { server, _dir, .. } = limited("");
    server.store("c", "w", "hours", LONG);
    for client in 0..CLIENTS {
        let body = trigger(&format!("2026-01-{:02}T{:02}", 1 + client / 24, client % 24));
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /api/v3/scheduler/trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        // Before it is read, while it is done, or after that.
        thread::sleep(Duration::from_micros(u64::from(client % 16) * 200));
        stream.shutdown(Shutdown::Both).unwrap();
    }
    let triggered = || {
        let records = server.get("/api/v4/records?from=1&limit=1000").body;
        records.lines().filter(|line| line.contains("triggerExecution")).count()
    };
    let told = || server.log().lines().filter(|line| line.contains("[AUDIT] POST /api/v3/scheduler/trigger")).count();
    let deadline = Instant::now() + PATIENCE;
    // Those whose request was read at all.
    while triggered() == 0 || told() < triggered() {
        assert!(Instant::now() < deadline, "{} were done, {} are told of\n{}", triggered(), told(), server.log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Whatever a refusal says of a body, it is one line of the log, and a short one.
#[test]
fn a_body_writes_no_lines_of_the_log() {
    let Limited { server, _dir, .. } = limited("");
    server.store("c", "w", "days", LONG);
    let trigger = |parameter: &str| {
        let body = format!(r#"{{"workflow_id":{{"component_id":"c","id":"w"}},"parameter":"{parameter}"}}"#);
        assert_eq!(server.post("/api/v3/scheduler/trigger", &body).status, 400);
    };
    trigger(r"2026-11-01\n2026-11-24T00:00:00Z  INFO [AUDIT] forged");
    trigger(&"x".repeat(100_000));
    let log = server.log();
    assert!(
        log.contains("forged") && log.lines().all(|line| !line.contains("forged") || line.contains("400")),
        "{log}"
    );
    assert!(log.lines().all(|line| line.len() < 2_000));
}

fn log_end(server: &Server) -> String {
    server.get("/api/v4/records?limit=1").header("x-styx-tail").unwrap().to_owned()
}

/// All that still comes; a reset connection has an end as well.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the connection stays open"),
    }
    String::from_utf8(bytes).unwrap()
}

fn trigger(parameter: &str) -> String {
    format!(r#"{{"workflow_id":{{"component_id":"c","id":"w"}},"parameter":"{parameter}"}}"#)
}

fn trigger_head(length: usize) -> String {
    format!("POST /api/v3/scheduler/trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn a_request_that_is_cut_has_no_effect() {
    let Limited { server, _dir, .. } = limited("");
    server.store("c", "w", "days", LONG);
    let before = log_end(&server);
    let body = trigger("2024-01-01");
    let whole = trigger_head(body.len()) + &body;
    let chunked = format!(
        "POST /api/v3/scheduler/trigger HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
        body.len()
    );
    let cut = (1..whole.len()).step_by(7).map(|end| &whole[..end]).chain([&chunked[..], &chunked[..chunked.len() - 9]]);
    for (number, piece) in cut.enumerate() {
        let mut stream = connect(&server);
        stream.write_all(piece.as_bytes()).unwrap();
        match number % 2 {
            // Half of them say that no more comes, and wait.
            0 => {
                stream.shutdown(Shutdown::Write).unwrap();
                let answer = rest(stream);
                assert!(!answer.starts_with("HTTP/1.1 200"), "{piece:?}: {answer}");
            }
            _ => drop(stream),
        }
    }
    assert_eq!(server.get("/api/v3/status/activeStates").body, r#"{"active_states":[]}"#);
    assert_eq!(log_end(&server), before);
}

#[test]
fn slow_clients_are_cut() {
    let Limited { server, _dir, .. } = limited("client_timeout = \"PT1S\"\nrequest_timeout = \"PT2S\"");
    server.store("c", "w", "days", LONG);
    let before = log_end(&server);
    // A head, letter by letter.
    let mut stream = connect(&server);
    for letter in "GET /ping HTTP/1.1\r\nHost: localhost\r\nX-Slow: slow, slow, slow, slow, slow\r\n\r\n".bytes() {
        if stream.write_all(&[letter]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert!(!rest(stream).starts_with("HTTP/1.1 200"));
    // A body, letter by letter: the time of a request counts its body.
    let body = trigger("2024-01-01");
    let mut stream = connect(&server);
    stream.write_all(trigger_head(body.len()).as_bytes()).unwrap();
    for letter in body.bytes() {
        if stream.write_all(&[letter]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let answer = rest(stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 500 Timeout"), "{answer}");
    // Nothing at all, before a request and after one.
    assert_eq!(rest(connect(&server)), "");
    let mut stream = connect(&server);
    stream.write_all(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(rest(stream).ends_with("pong"));
    assert_eq!(log_end(&server), before);
}

#[test]
fn a_body_that_never_ends_is_cut() {
    let Limited { server, _dir, .. } = limited("max_body_bytes = 100000");
    let before = log_end(&server);
    let mut stream = connect(&server);
    stream
        .write_all(b"POST /api/v3/workflows/c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    let mut sent = 0;
    while sent < 1_000_000 && stream.write_all(chunk.as_bytes()).is_ok() {
        sent += 1;
    }
    assert!(sent < 1_000_000, "a gigabyte was taken in");
    let mut large = connect(&server);
    large.write_all(trigger_head(1_000_000_000).as_bytes()).unwrap();
    let _ = large.write_all(&vec![b' '; 200_000]);
    assert!(rest(large).starts_with("HTTP/1.1 413"));
    assert_eq!(log_end(&server), before);
}

#[test]
fn requests_that_are_sent_at_once_are_answered_in_order() {
    let Limited { server, data, _dir } = limited("");
    server.store("c", "w", "days", LONG);
    let mut text = String::new();
    for day in 1..=9 {
        let body = trigger(&format!("2024-01-0{day}"));
        text += &trigger_head(body.len());
        text += &body;
        text += "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n";
    }
    text += "GET /nosuch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut stream = connect(&server);
    stream.write_all(text.as_bytes()).unwrap();
    let answers = rest(stream);
    let mut at = 0;
    for day in 1..=9 {
        for expected in [&*format!("\"parameter\":\"2024-01-0{day}\""), "pong"] {
            at += answers[at..].find(expected).unwrap_or_else(|| panic!("no {expected} behind {at}: {answers}"));
        }
    }
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 18);
    assert!(answers[at..].contains("HTTP/1.1 404 Not Found"));
    assert!(server.stop().success());
    let triggered: Vec<String> = records(&data).iter().filter_map(triggered).collect();
    assert_eq!(triggered, (1..=9).map(|day| format!("c#w#2024-01-0{day}")).collect::<Vec<_>>());
}

#[test]
fn ten_thousand_idle_connections_keep_nobody_from_being_answered() {
    let Limited { server, _dir, .. } = limited("");
    server.store("c", "w", "days", LONG);
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let may_open = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(500);
    let count = usize::try_from(may_open).unwrap_or(usize::MAX).min(10_000);
    assert!(count >= 1_000, "the hard limit of file descriptors is too low for this test: {count} connections");
    let mut idle = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        // Some have asked before, and some have begun to.
        let said: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
            _ => b"GET /ping HT",
        };
        let _ = stream.write_all(said);
        idle.push(stream);
        if number % 500 == 0 {
            assert_eq!(server.get("/api/v3/workflows/c/w").status, 200);
        }
    }
    assert_eq!(server.trigger("c", "w", "2024-01-01").status, 200);
    let metrics = server.get("/metrics").body;
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("styx_http_connections ") <= 512.0);
    assert!(value("styx_http_connections_evicted_total ") >= count as f64 - 600.0);
}

#[test]
fn when_the_engine_is_full_requests_are_turned_away_whole() {
    const CLIENTS: usize = 32;
    const EACH: usize = 30;
    let Limited { server, data, _dir } = limited("max_waiting = 1");
    server.store("c", "w", "hours", LONG);
    let (taken, turned_away) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, taken, turned_away) = (&server, &taken, &turned_away);
            scope.spawn(move || {
                for number in 0..EACH {
                    let at = client * EACH + number;
                    let parameter = format!("2024-{:02}-{:02}T{:02}", at / 600 + 1, at / 24 % 25 + 1, at % 24);
                    for attempt in 0.. {
                        let id = format!("{at}-{attempt}");
                        let headers = [("X-Styx-Request-Id", id.as_str())];
                        let answer =
                            server.ask("POST", "/api/v3/scheduler/trigger", &headers, Some(&trigger(&parameter)));
                        match answer.status {
                            200 => {
                                taken.lock().unwrap().insert(id);
                                break;
                            }
                            429 => {
                                assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
                                turned_away.lock().unwrap().insert(id);
                                thread::sleep(Duration::from_millis(5));
                            }
                            _ => panic!("{answer:?}"),
                        }
                    }
                }
            });
        }
    });
    let (taken, turned_away) = (taken.into_inner().unwrap(), turned_away.into_inner().unwrap());
    assert_eq!(taken.len(), CLIENTS * EACH);
    assert!(!turned_away.is_empty(), "the engine was never full");
    assert!(server.stop().success());
    let records = records(&data);
    let asked: Vec<&str> = records
        .iter()
        .filter_map(|record| match &record.cause {
            Cause::Operator(operator) => Some(&*operator.request_id),
            _ => None,
        })
        .collect();
    for id in &taken {
        assert!(asked.contains(&id.as_str()), "request {id} was lost");
    }
    assert!(asked.iter().all(|id| !turned_away.contains(*id)), "a request that was turned away has an effect");
    let instances: Vec<String> = records.iter().filter_map(triggered).collect();
    let distinct: BTreeSet<&String> = instances.iter().collect();
    assert_eq!((instances.len(), distinct.len()), (CLIENTS * EACH, CLIENTS * EACH));
}

fn records(data: &std::path::Path) -> Vec<Record> {
    let end = usize::try_from(tail(data)).unwrap();
    styx_store::open_read_only(data).unwrap().read(Position(1), end).unwrap()
}

/// The instance that a record triggers.
fn triggered(record: &Record) -> Option<String> {
    match &record.fact {
        Fact::Run(instance, RunEvent::Styx { event, .. }) if event.kind() == EventKind::TriggerExecution => {
            Some(instance.key())
        }
        _ => None,
    }
}

#[test]
fn what_a_request_says_has_a_bounded_length() {
    let Limited { server, _dir, .. } = limited("");
    server.store("c", "w", "days", LONG);
    let before = log_end(&server);
    let long = "x".repeat(20_000);
    let id = r#"{"component_id":"c","id":"w"}"#;
    let backfill =
        r#""start":"2024-02-01T00:00:00Z","end":"2024-02-03T00:00:00Z","component":"c","workflow":"w","concurrency":1"#;
    for (method, path, body) in [
        ("POST", "/api/v3/resources", format!(r#"{{"id":"{long}","concurrency":1}}"#)),
        ("POST", "/api/v3/resources", r#"{"id":"..","concurrency":1}"#.to_owned()),
        ("PUT", "/api/v3/resources/.", r#"{"id":".","concurrency":1}"#.to_owned()),
        ("POST", "/api/v3/backfills", format!(r#"{{{backfill},"description":"{long}"}}"#)),
        ("POST", "/api/v3/backfills", format!(r#"{{{backfill},"trigger_parameters":{{"env":{{"A":"{long}"}}}}}}"#)),
        (
            "POST",
            "/api/v3/scheduler/trigger",
            format!(
                r#"{{"workflow_id":{id},"parameter":"2024-01-01","trigger_parameters":{{"env":{{"{long}":""}}}}}}"#
            ),
        ),
        ("POST", "/api/v3/scheduler/trigger", format!(r#"{{"workflow_id":{id},"parameter":"{long}"}}"#)),
        ("PATCH", "/api/v4/config", format!(r#"{{"client_blacklist":["{long}"]}}"#)),
        ("POST", "/api/v3/workflows/c", format!(r#"{{"id":"x","schedule":"0,{long} * * * *"}}"#)),
        ("POST", "/api/v3/workflows/..", r#"{"id":"..","schedule":"days"}"#.to_owned()),
        ("POST", &*format!("/api/v3/workflows/{}", &long[..2_000]), r#"{"id":"x","schedule":"days"}"#.to_owned()),
    ] {
        let answer = server.ask(method, path, &[], Some(&body));
        assert_eq!(answer.status, 400, "{method} {} {}", &path[..path.len().min(40)], answer.reason);
        assert!(answer.reason.len() <= 1_024, "{}", answer.reason.len());
    }
    assert_eq!(log_end(&server), before);
}
