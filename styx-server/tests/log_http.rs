//! The log over HTTP: checkpoints of a running server, and its records as they come.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use common::{Answer, LONG, Server, data};
use serde_json::Value;

fn log(args: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx-server"));
    command.arg("log").args(args).arg("--data").arg(data).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn tail(answer: &Answer) -> u64 {
    answer.header("x-styx-tail").unwrap().parse().unwrap()
}

#[test]
fn a_checkpoint_is_a_data_folder_of_its_own() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "days", LONG);
    let none = server.get("/api/v4/checkpoints");
    assert_eq!((none.status, none.body.as_str()), (200, r#"{"checkpoints":[]}"#));
    assert_eq!(server.trigger("c", "w", "2024-01-01").status, 200);
    let made = server.post("/api/v4/checkpoints", "");
    made.check(201, "Created");
    let made = made.json();
    let acknowledged = tail(&server.get("/api/v4/records?limit=0"));
    let position = made["position"].as_u64().unwrap();
    let name = made["name"].as_str().unwrap();
    assert!(position >= 5 && position <= acknowledged, "{made}");
    assert!(name.starts_with(&format!("{position}-")), "{made}");
    assert_eq!(made["path"], format!("checkpoints/{name}"));
    // The server goes on, and its folder is its own.
    assert_eq!(server.trigger("c", "w", "2024-01-02").status, 200);
    let folder = data.join(made["path"].as_str().unwrap());
    let verified = log(&["verify", "--format", "json"], &folder);
    let report: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((&report["clean"], &report["tail"]), (&true.into(), &position.into()), "{report}");
    assert!(log(&["verify"], &data).status.code() == Some(2));

    let asked = log(&["checkpoint"], &data);
    assert_eq!(asked.status.code(), Some(0), "{}", text(&asked.stderr));
    let out = text(&asked.stdout);
    // Nothing but the folder, so that a script can use it.
    let second = Path::new(out.trim_end());
    assert!(text(&asked.stderr).starts_with("checkpoint of everything up to record "), "{}", text(&asked.stderr));
    assert_eq!(second.parent().unwrap(), data.join("checkpoints"));
    assert!(text(&log(&["show"], second).stdout).contains("2024-01-02"));
    let listed = server.get("/api/v4/checkpoints").json();
    let positions: Vec<u64> =
        listed["checkpoints"].as_array().unwrap().iter().map(|it| it["position"].as_u64().unwrap()).collect();
    assert!(positions.len() == 2 && positions[0] == position && positions[1] > position, "{listed}");

    // A crash while one was made leaves what the next one removes.
    fs::create_dir(data.join("checkpoints/.new-1")).unwrap();
    server.kill();
    let server = Server::start(&data);
    assert_eq!(server.get("/api/v4/checkpoints").json(), listed);
    server.post("/api/v4/checkpoints", "").check(201, "Created");
    assert!(!data.join("checkpoints/.new-1").exists());
    assert!(server.stop().success());
    let refused = log(&["checkpoint"], &data);
    assert!(refused.status.code() == Some(2) && text(&refused.stderr).contains("no server runs on"));
}

#[test]
fn what_is_wrong_is_a_problem() {
    let (dir, data) = data();
    let config = dir.path().join("styx.toml");
    fs::write(&config, "disk_reserve = 9000000000000000000\n").unwrap();
    let server = Server::start_with(&data, &["--executor", "fake", "--config", config.to_str().unwrap()]);
    let problem = |answer: Answer, status: u16, title: &str| {
        assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/problem+json")));
        let json = answer.json();
        assert_eq!((&json["type"], &json["title"]), (&"about:blank".into(), &title.into()));
        assert_eq!(json["status"], status);
        json["detail"].as_str().unwrap().to_owned()
    };
    let full = problem(server.post("/api/v4/checkpoints", ""), 507, "Insufficient Storage");
    assert!(full.contains("less than the reserve"), "{full}");
    assert!(!data.join("checkpoints").exists());
    let asked = log(&["checkpoint"], &data);
    assert!(asked.status.code() == Some(2) && text(&asked.stderr).contains("less than the reserve"));
    assert_eq!(
        problem(server.get("/api/v4/records?limit=many"), 400, "Bad Request"),
        "limit: `many` is not a whole number from 0"
    );
    problem(server.get("/api/v4/nothing"), 404, "Not Found");
    problem(server.ask("DELETE", "/api/v4/records", &[], None), 405, "Method Not Allowed");
    problem(server.ask("GET", "/api/v4/records", &[("Host", "evil.example")], None), 421, "Misdirected Request");
    let origin = [("Origin", "http://evil.example")];
    problem(server.ask("POST", "/api/v4/checkpoints", &origin, Some("")), 403, "Forbidden");
}

#[test]
fn records_come_as_they_are_written() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "days", r#"{"TOKEN":"s3cret"}"#);
    let all = server.get("/api/v4/records");
    all.check(200, "OK");
    assert_eq!(all.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<&str> = all.body.lines().collect();
    assert_eq!(lines.len() as u64, tail(&all));
    assert!(all.body.contains(r#""TOKEN":"***""#) && !all.body.contains("s3cret"), "{}", all.body);
    let some = server.get("/api/v4/records?from=2&limit=2");
    assert_eq!(some.body.lines().collect::<Vec<_>>(), lines[1..3]);
    let end = tail(&all);
    let nothing = server.get(&format!("/api/v4/records?from={}", end + 1));
    assert_eq!((nothing.status, nothing.body.as_str(), tail(&nothing)), (200, "", end));

    // Whoever waits is woken by what comes, and not before.
    thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get(&format!("/api/v4/records?from={}&wait=30", end + 1)));
        thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished());
        let began = Instant::now();
        assert_eq!(server.trigger("c", "w", "2024-01-01").status, 200);
        let answer = waiting.join().unwrap();
        // Nobody woken would be answered after 30 s.
        assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
        let first: Value = serde_json::from_str(answer.body.lines().next().unwrap()).unwrap();
        assert_eq!((&first["position"], &first["event"]["name"]), (&(end + 1).into(), &"triggerExecution".into()));
        assert!(tail(&answer) > end);
    });
    let long = server.get("/api/v4/records?from=1000000&wait=1");
    assert_eq!((long.status, long.body.as_str()), (200, ""));

    // A server that stops lets nobody wait.
    thread::scope(|scope| {
        let address = server.address().to_owned();
        let waiting = scope.spawn(move || {
            let host = styx_client::Host::parse(&format!("http://{address}")).unwrap();
            styx_client::Client::new(&host).unwrap().records(1_000_000, 10, Duration::from_secs(30))
        });
        thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        assert!(server.stop().success());
        assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
        let page = waiting.join().unwrap().unwrap();
        assert!(page.lines.is_empty() && page.tail > end, "{page:?}");
    });
}

/// A text means the same instance to the running server as to its log, whichever is asked.
#[test]
fn follow_takes_an_instance_by_every_spelling_of_its_instant() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "hours", "{}");
    assert_eq!(server.trigger("c", "w", "2024-01-01T07").status, 200);
    server.wait_for("/api/v3/status/events/c/w/2024-01-01T07", |json| json["events"].as_array().unwrap().len() == 7);
    let follow = |instance: &str| {
        log(&["show", "--follow", "--from", "1", "--limit", "7", "--format", "json", "--instance", instance], &data)
    };
    let literal = follow("c#w#2024-01-01T07");
    assert_eq!((text(&literal.stdout).lines().count(), text(&literal.stderr).as_str()), (7, ""));
    for spelling in ["2024-01-01T07:00:00Z", "2024-01-01T08:00+01:00"] {
        let shown = follow(&format!("c#w#{spelling}"));
        assert_eq!(shown.stdout, literal.stdout, "{spelling}");
        assert_eq!(text(&shown.stderr), format!("note: {spelling} was taken as 2024-01-01T07\n"));
    }
    let none = follow("c#w#2024-01-01T07:30");
    assert_eq!((none.status.code(), text(&none.stdout).as_str()), (Some(2), ""));
    let refused = text(&none.stderr);
    assert!(server.stop().success());
    let offline = log(&["show", "--instance", "c#w#2024-01-01T07:30"], &data);
    assert_eq!((offline.status.code(), text(&offline.stderr)), (Some(2), refused));
}
