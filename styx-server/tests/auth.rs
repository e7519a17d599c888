//! Who may ask, what records say about who asked, and what is shown to those who don't say who they are.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use common::{Answer, LONG, Server, data};
use styx_core::{
    id::Position,
    log::LogReader,
    record::{Cause, Operator},
};

const SECRET: &str = "hunter2";

/// Runs `styx-server token` with these words.
fn token(data: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx-server"));
    command.env_clear().arg("token").args(words).arg("--data").arg(data).output().unwrap()
}

fn create(data: &Path, name: &str) -> String {
    let output = token(data, &["create", "--name", name]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn start(data: &Path, more: &[&str]) -> Server {
    Server::start_with(data, &[&["--executor", "fake", "--auth", "tokens"], more].concat())
}

fn bearer(server: &Server, token: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
    server.ask(method, path, &[("Authorization", &format!("Bearer {token}"))], body)
}

/// Asks again until the status is as wanted: a server looks at the file of tokens once a second.
fn wait_for_status(server: &Server, token: &str, status: u16) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = bearer(server, token, "GET", "/api/v3/workflows", None);
        if answer.status == status {
            return answer;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn trigger_body(env: &str) -> String {
    format!(
        r#"{{"workflow_id":{{"component_id":"c","id":"w"}},"parameter":"2024-01-01","trigger_parameters":{{"env":{env}}}}}"#
    )
}

#[test]
fn callers_are_refused_as_the_original_does() {
    let (_dir, data) = data();
    let good = create(&data, "ann");
    let server = start(&data, &[]);
    let ask = |method: &str, path: &str, header: Option<&str>| {
        let headers: Vec<_> = header.map(|value| ("Authorization", value)).into_iter().collect();
        server.ask(method, path, &headers, (method == "POST").then_some(""))
    };
    for (method, path) in
        [("GET", "/api/v3/workflows"), ("POST", "/api/v3/scheduler/trigger"), ("POST", "/api/v0/halt")]
    {
        for (header, status, reason) in [
            (Some("Basic YTpi"), 400, "Authorization token must be of type Bearer"),
            (Some("bearer a.b.c"), 400, "Authorization token must be of type Bearer"),
            (Some("Bearer abc"), 400, "Failed to parse Authorization token"),
            (Some("Bearer a.b.c"), 401, "Authorization token is invalid"),
            (None, 401, "Unauthorized access"),
        ] {
            let answer = ask(method, path, header);
            answer.check(status, reason);
            assert!(answer.header("x-styx-request-id").is_some(), "{answer:?}");
        }
    }
    assert_eq!(ask("HEAD", "/api/v3/workflows", None).status, 401);
    assert_eq!(ask("GET", "/metrics", None).status, 401);
    assert_eq!(bearer(&server, &good, "GET", "/metrics", None).status, 200);
    let answer = bearer(&server, &good, "GET", "/api/v3/workflows", None);
    answer.check(200, "OK");
    assert_eq!(bearer(&server, &good, "POST", "/api/v3/scheduler/trigger", Some("")).status, 400);
    // What has no route asks for no token, and neither does the health check.
    for (method, path, status) in [
        ("GET", "/ping", 200),
        ("GET", "/", 200),
        ("GET", "/nosuch", 404),
        ("PUT", "/api/v3/workflows", 405),
        ("OPTIONS", "/api/v3/workflows", 204),
    ] {
        assert_eq!(ask(method, path, None).status, status, "{method} {path}");
        assert_eq!(ask(method, path, Some("Basic YTpi")).status, status, "{method} {path}");
    }
    let log = server.log();
    assert!(log.contains("[AUDIT] POST /api/v3/scheduler/trigger 401: Unauthorized access"), "{log}");
    assert!(!log.contains(&good) && !log.contains("YTpi"), "{log}");
}

#[test]
fn a_running_server_sees_new_and_revoked_tokens() {
    let (_dir, data) = data();
    let server = start(&data, &[]);
    assert!(server.log().contains("no token is in"), "{}", server.log());
    let (ann, bob) = (create(&data, "ann"), create(&data, "bob"));
    wait_for_status(&server, &ann, 200);
    wait_for_status(&server, &bob, 200);
    let revoked = token(&data, &["revoke", "ann"]);
    assert!(revoked.status.success(), "{revoked:?}");
    wait_for_status(&server, &ann, 401).check(401, "Authorization token is invalid");
    wait_for_status(&server, &bob, 200);
    let again = token(&data, &["revoke", "ann"]);
    assert!(
        !again.status.success() && String::from_utf8_lossy(&again.stderr).contains("ann has no token"),
        "{again:?}"
    );
    // A folder that was mistyped isn't one without tokens, and isn't made.
    for words in [&["list"][..], &["revoke", "bob"]] {
        let lost = token(&data.join("typo"), words);
        let said = String::from_utf8_lossy(&lost.stderr);
        assert!(!lost.status.success() && said.contains("there is no folder"), "{lost:?}");
        assert!(!data.join("typo").exists());
    }
    let list = String::from_utf8(token(&data, &["list"]).stdout).unwrap();
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines.len() == 3 && lines[1].starts_with("ann ") && lines[1].contains("revoked 20"), "{list}");
    assert!(lines[2].starts_with("bob ") && lines[2].ends_with("good"), "{list}");
    assert!(!list.contains(bob.rsplit('.').next().unwrap()), "{list}");
}

#[test]
fn a_token_that_nobody_sees_is_no_good() {
    let (_dir, data) = data();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx-server"));
    let create = command.env_clear().args(["token", "create", "--name", "ann", "--data"]).arg(&data);
    let output = create.stdout(full.try_clone().unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the token is revoked again"), "{output:?}");
    let list = String::from_utf8(token(&data, &["list"]).stdout).unwrap();
    assert!(list.contains("revoked 20") && !list.contains("good"), "{list}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx-server"));
    let unwritten = command.env_clear().args(["token", "list", "--data"]).arg(&data).stdout(full).output().unwrap();
    assert_eq!(unwritten.status.code(), Some(1), "{unwritten:?}");
    assert!(String::from_utf8_lossy(&unwritten.stderr).contains("writing to standard output"), "{unwritten:?}");
}

#[test]
fn records_say_who_asked_from_where_and_in_which_request() {
    let (_dir, data) = data();
    let ann = create(&data, "ann@example.org");
    let server = start(&data, &[]);
    let headers = [("Authorization", &*format!("Bearer {ann}")), ("X-Styx-Request-Id", "r1")];
    let body = r#"{"id":"w","schedule":"days","docker_image":"busybox:1.36"}"#;
    assert_eq!(server.ask("POST", "/api/v3/workflows/c", &headers, Some(body)).status, 200);
    let log = server.log();
    let line = log.lines().find(|line| line.contains("[AUDIT] POST /api/v3/workflows/c 200")).unwrap();
    assert!(line.contains("ann@example.org") && line.contains("r1") && !line.contains(&ann), "{line}");
    assert!(server.stop().success());
    let records = styx_store::open_read_only(&data).unwrap().read(Position(1), 100).unwrap();
    let operators: Vec<&Operator> = records.iter().filter_map(|record| operator(&record.cause)).collect();
    let stored = operators.iter().find(|operator| &*operator.actor == "ann@example.org").unwrap();
    assert_eq!(&*stored.request_id, "r1");
    let request: serde_json::Value = serde_json::from_str(&stored.request).unwrap();
    let from: std::net::SocketAddr = request["from"].as_str().unwrap().parse().unwrap();
    assert!(from.ip().is_loopback() && from.port() > 0);
    assert_eq!((&request["method"], &request["path"]), (&"POST".into(), &"/api/v3/workflows/c".into()));
    assert!(!stored.request.contains(&ann));
}

#[test]
fn log_tools_that_ask_a_server_show_the_token_of_the_environment() {
    let (_dir, data) = data();
    let ann = create(&data, "ann");
    let _server = start(&data, &[]);
    let checkpoint = |token: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_styx-server"));
        command.env_clear().args(["log", "checkpoint", "--data"]).arg(&data);
        command.envs(token.map(|token| ("STYX_TOKEN", token))).output().unwrap()
    };
    let refused = checkpoint(None);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Unauthorized access"), "{refused:?}");
    let made = checkpoint(Some(&ann));
    assert!(made.status.success(), "{made:?}");
}

fn operator(cause: &Cause) -> Option<&Operator> {
    match cause {
        Cause::Operator(operator) => Some(operator),
        _ => None,
    }
}

#[test]
fn without_a_token_reads_hide_the_values_of_environments() {
    let (_dir, data) = data();
    let ann = create(&data, "ann");
    let server = start(&data, &["--anonymous-reads"]);
    let env = format!(r#"{{"TOKEN":"{SECRET}",{}"#, &LONG[1..]);
    let workflow =
        format!(r#"{{"id":"w","schedule":"days","docker_image":"busybox:1.36","running_timeout":"PT2H","env":{env}}}"#);
    assert_eq!(server.post("/api/v3/workflows/c", &workflow).status, 401, "writes need a token");
    let post = |path: &str, body: &str| bearer(&server, &ann, "POST", path, Some(body));
    let stored = post("/api/v3/workflows/c", &workflow);
    assert!(stored.status == 200 && stored.body.contains(SECRET), "{stored:?}");
    assert_eq!(post("/api/v3/scheduler/trigger", &trigger_body(&format!(r#"{{"TOKEN":"{SECRET}"}}"#))).status, 200);
    server.wait_for("/api/v3/status/activeStates", |json| json["active_states"][0]["state"] == "RUNNING");
    let backfill = format!(
        r#"{{"start":"2024-02-01T00:00:00Z","end":"2024-02-03T00:00:00Z","component":"c","workflow":"w","concurrency":1,"trigger_parameters":{{"env":{{"TOKEN":"{SECRET}"}}}}}}"#
    );
    let made = post("/api/v3/backfills", &backfill);
    assert_eq!(made.status, 200, "{made:?}");
    let backfill = format!("/api/v3/backfills/{}", made.json()["id"].as_str().unwrap());
    server.wait_for("/api/v3/status/activeStates", |json| {
        let states = json["active_states"].as_array().unwrap();
        states.len() == 2 && states.iter().all(|state| state["state"] == "RUNNING")
    });
    for (path, shows) in [
        ("/api/v3/backfills", true),
        ("/api/v3/backfills?status=true", true),
        (&backfill, true),
        ("/api/v3/resources", false),
        ("/api/v4/config", false),
        ("/api/v4/explain/c/w/2024-01-01", false),
        ("/api/v4/workflows/c/w/state", false),
        ("/api/v4/owed", false),
        ("/api/v3/workflows", true),
        ("/api/v3/workflows?full", true),
        ("/api/v3/workflows/c", true),
        ("/api/v3/workflows/c/w", true),
        ("/api/v3/workflows/c/w/full", true),
        ("/api/v3/workflows/c/w/state", false),
        ("/api/v3/workflows/c/w/instances", true),
        ("/api/v3/workflows/c/w/instances/2024-01-01", true),
        ("/api/v3/status/events/c/w/2024-01-01", true),
        ("/api/v3/status/activeStates", true),
        ("/api/v3/status/activeStates?component=c", true),
        ("/api/v4/checkpoints", false),
    ] {
        let known = bearer(&server, &ann, "GET", path, None);
        let anonymous = server.get(path);
        assert_eq!((known.status, anonymous.status), (200, 200), "{path}");
        assert_eq!(known.body.contains(SECRET), shows, "{path}: {}", known.body);
        assert!(!anonymous.body.contains(SECRET), "{path}: {}", anonymous.body);
        // All else is the same to the last digit.
        if shows {
            let expected = known.body.replace(SECRET, "***").replace("3600000\"", "***\"");
            assert_eq!(anonymous.body, expected, "{path}");
        }
        assert_eq!(anonymous.header("content-type"), known.header("content-type"), "{path}");
        assert!(server.ask("HEAD", path, &[], None).body.is_empty(), "{path}");
    }
    assert_eq!(server.get("/metrics").status, 200);
    // Who asked for what, from where.
    server.get("/api/v4/records").check(401, "Unauthorized access");
    let records = bearer(&server, &ann, "GET", "/api/v4/records", None);
    assert!(records.status == 200 && records.body.contains("127.0.0.1"), "{records:?}");
    // A bad token is refused, not taken for none.
    assert_eq!(bearer(&server, "a.b.c", "GET", "/api/v3/workflows", None).status, 401);
}

#[test]
fn anybody_may_use_any_service_account() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let path = "/api/v3/status/testServiceAccountUsageAuthorization";
    let answer =
        server.post(path, r#"{"service_account":"a@p.iam.gserviceaccount.com","principal":"ann@example.org"}"#);
    answer.check(200, "OK");
    assert_eq!(
        answer.body,
        r#"{"authorized":true,"blacklisted":false,"message":null,"service_account":"a@p.iam.gserviceaccount.com","principal":"ann@example.org"}"#
    );
    for (body, field) in [(r#"{"service_account":"a"}"#, "principal"), (r#"{"principal":"p"}"#, "serviceAccount")] {
        let answer = server.post(path, body);
        assert!(answer.status == 400 && answer.reason.starts_with("Payload parsing failed: "), "{answer:?}");
        assert!(answer.reason.contains(&format!("problem: {field}")), "{answer:?}");
    }
    server.ask("POST", path, &[], None).check(400, "Missing payload");
}
