//! The server's own log: whatever standard error is, requests are answered and nothing that was answered is lost.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    fs::{self, File, OpenOptions},
    io::{PipeReader, Read, pipe},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use common::{Server, command, data};

const FORMATS: [&str; 2] = ["text", "json"];

/// A server that writes its log there.
fn start(data: &Path, format: &str, errors: impl Into<Stdio>) -> Server {
    let mut command = command(data);
    // Every request has its line.
    command.args(["--executor", "fake", "--log-format", format]).env("STYX_SERVER_LOG", "debug");
    let child = command.stdout(Stdio::null()).stderr(errors).spawn().unwrap();
    // What the child inherited is closed here, or a pipe would never have lost its reader.
    drop(command);
    Server::attach(child, data)
}

#[test]
fn a_wrong_argument_does_not_act_on_the_terminal() {
    for (name, value) in [("--listen", "\u{1b}[2J"), ("--no\u{9b}2J\u{202e}", "x\r\n"), ("log", "\u{1b}]0;x\u{7}")] {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_styx-server")).args([name, value]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            !said.contains(|letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}'),
            "{said:?}"
        );
    }
}

/// Writes and reads that all have a line in the log; all are answered.
fn ask_often(server: &Server) {
    server.store("c", "w", "hours", "{}");
    for number in 0..40 {
        let body = format!(r#"{{"id":"r{number}","concurrency":1}}"#);
        assert_eq!(server.post("/api/v3/resources", &body).status, 200);
    }
    for hour in 10..20 {
        let parameter = format!("2024-01-01T{hour}");
        assert_eq!(server.trigger("c", "w", &parameter).status, 200);
        server.wait_for(&format!("/api/v3/status/events/c/w/{parameter}"), |json| {
            json["events"].as_array().is_some_and(|events| events.len() == 7)
        });
    }
    assert_eq!(server.get("/ping").body, "pong");
    server.get("/ready").check(200, "OK");
}

/// How many lines the metrics say were left out, for one reason.
fn left_out(server: &Server, reason: &str) -> u64 {
    let text = server.get("/metrics").body;
    let name = format!("styx_server_log_lines_left_out_total{{reason=\"{reason}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_else(|| panic!("{text}"));
    value.parse().unwrap()
}

#[test]
fn a_log_whose_reader_has_gone_keeps_no_request_from_its_answer() {
    for format in FORMATS {
        let (_dir, data) = data();
        let (reader, writer) = pipe().unwrap();
        let server = start(&data, format, writer);
        drop(reader);
        ask_often(&server);
        assert!(left_out(&server, "refused") > 40);
        assert!(server.stop().success());
    }
}

#[test]
fn a_log_on_a_full_disk_keeps_no_request_from_its_answer() {
    for format in FORMATS {
        let (_dir, data) = data();
        let server = start(&data, format, OpenOptions::new().write(true).open("/dev/full").unwrap());
        ask_often(&server);
        assert!(left_out(&server, "refused") > 40);
        assert!(server.stop().success());
    }
}

/// Fills a pipe that nobody reads.
fn full_pipe() -> (PipeReader, std::io::PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let size = rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    let mut filled = writer.try_clone().unwrap();
    std::io::Write::write_all(&mut filled, &vec![b'.'; size]).unwrap();
    (reader, writer)
}

#[test]
fn a_log_that_nobody_reads_keeps_no_request_from_its_answer() {
    for format in FORMATS {
        let (_dir, data) = data();
        let (mut reader, writer) = full_pipe();
        let server = start(&data, format, writer);
        ask_often(&server);
        // Its last lines are waited for, and not for long.
        let began = Instant::now();
        let reading = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        assert!(server.stop().success());
        let text = reading.join().unwrap();
        assert!(text.contains("listening on") && text.contains("stopped; the log ends at"), "{text}");
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn a_server_ends_although_nobody_reads_its_last_lines() {
    let (_dir, data) = data();
    let (reader, writer) = full_pipe();
    let server = start(&data, "text", writer);
    ask_often(&server);
    assert!(server.stop().success());
    drop(reader);
    // One that can't even start says why as far as it can, and ends too.
    let holder = Server::start(&data);
    let (reader, writer) = full_pipe();
    let mut second = command(&data).args(["--executor", "fake"]).stderr(writer).spawn().unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(1));
    drop(reader);
    assert!(holder.stop().success());
}

#[test]
fn what_was_left_out_is_reported_once_lines_can_be_written_again() {
    for format in FORMATS {
        let (dir, data) = data();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        // Opened for both ways, so that neither side waits for the other.
        let both = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        let writer = OpenOptions::new().write(true).open(&fifo).unwrap();
        let server = start(&data, format, writer);
        drop(both);
        ask_often(&server);
        let refused = left_out(&server, "refused");
        assert!(refused > 40);
        // Somebody reads again.
        let mut reader = File::open(&fifo).unwrap();
        server.post("/api/v3/resources", r#"{"id":"last","concurrency":1}"#).check(200, "OK");
        let mut text = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while !String::from_utf8_lossy(&text).contains("/api/v3/resources") {
            let length = reader.read(&mut buffer).unwrap();
            text.extend_from_slice(&buffer[..length]);
        }
        let text = String::from_utf8(text).unwrap();
        let notice = text.lines().find(|line| line.contains("left out")).unwrap_or_else(|| panic!("{text}"));
        let count = notice.split(|letter: char| !letter.is_ascii_digit()).filter_map(|word| word.parse::<u64>().ok());
        assert!(count.clone().any(|count| count >= refused), "{notice}");
        if format == "json" {
            serde_json::from_str::<serde_json::Value>(notice).unwrap();
        }
    }
}

#[test]
fn runs_that_end_are_tried_again_or_are_given_up_have_a_line_each() {
    for (shows, expected) in [
        ("all", &["run is done", "run is tried again", "run is given up"][..]),
        ("failures", &["run is tried again", "run is given up"]),
        ("off", &[]),
    ] {
        let (_dir, data) = data();
        let server = Server::start_with(&data, &["--executor", "fake", "--log-runs", shows]);
        server.store("c", "good", "hours", "{}");
        server.store("c", "again", "hours", r#"{"STYX_FAKE_EXIT_CODES":"1"}"#);
        server.store("c", "never", "hours", r#"{"STYX_FAKE_EXIT_CODES":"50"}"#);
        for workflow in ["good", "again", "never"] {
            assert_eq!(server.trigger("c", workflow, "2024-01-01T10").status, 200);
        }
        let is_over =
            |json: &serde_json::Value| json["active_states"].as_array().is_some_and(|active| active.len() == 1);
        server.wait_for("/api/v3/status/activeStates", is_over);
        server.wait_for("/api/v3/status/events/c/again/2024-01-01T10", |json| json.to_string().contains("retryAfter"));
        // The lines follow the records.
        let deadline = Instant::now() + Duration::from_secs(20);
        while expected.iter().any(|line| !server.log().contains(line)) {
            assert!(Instant::now() < deadline, "{}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        if shows == "all" {
            let log = server.log();
            let line = |what: &str| log.lines().find(|line| line.contains(what)).unwrap().to_owned();
            let done = line("run is done");
            let parts = [
                "INFO",
                r#"workflow="c#good""#,
                r#"parameter="2024-01-01T10""#,
                r#"outcome="done""#,
                "tries=1",
                "duration=",
            ];
            assert!(parts.iter().all(|part| done.contains(part)), "{done}");
            let again = line("run is tried again");
            assert!(again.contains("INFO") && again.contains("delay=\"PT") && again.contains("exit code 1"), "{again}");
            let given_up = line("run is given up");
            assert!(given_up.contains("WARN") && given_up.contains("exit code 50"), "{given_up}");
        }
        let log = server.log();
        assert!(server.stop().success());
        let lines = log.lines().filter(|line| line.contains(" run is ")).count();
        assert_eq!(lines, expected.len(), "{log}");
    }
}

#[test]
fn a_start_says_how_many_executions_it_has_adopted() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "hours", common::LONG);
    for hour in 10..13 {
        assert_eq!(server.trigger("c", "w", &format!("2024-01-01T{hour}")).status, 200);
    }
    server
        .wait_for("/api/v3/status/activeStates", |json| json.to_string().matches(r#""state":"RUNNING""#).count() == 3);
    assert!(server.stop().success());
    let server = Server::start(&data);
    assert!(server.log().contains("adopted the executions that an earlier server has started: 3"), "{}", server.log());
    server.get("/ready").check(200, "OK");
    assert_eq!(server.get("/ready").json()["status"], "ready");
}

#[test]
fn a_server_that_can_write_no_request_to_its_log_is_not_ready() {
    let (dir, data) = data();
    let config = dir.path().join("styx.toml");
    fs::write(&config, "disk_reserve = 9000000000000000000\n").unwrap();
    let server = Server::start_with(&data, &["--executor", "fake", "--config", config.to_str().unwrap()]);
    // It takes connections before it has read its log.
    server.wait_for("/ready", |json| json["status"] != "starting");
    let ready = server.get("/ready");
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"failed".into()));
    let reason = ready.json()["reasons"][0].clone();
    assert!(reason["part"] == "log" && reason["reason"].as_str().unwrap().contains("bytes are free"), "{reason}");
    assert_eq!(server.get("/ping").status, 200);
    assert_eq!(server.get("/api/v3/workflows").status, 200);
    assert_eq!(server.ask("HEAD", "/ready", &[], None).status, 503);
}
