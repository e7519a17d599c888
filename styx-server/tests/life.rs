//! Starts, stops and what lies between them.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use common::{LONG, Server, command, data, run_to_end, signal};
use serde_json::json;

#[test]
fn a_restart_keeps_everything() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "days", "{}");
    server.store("c", "v", "hours", "{}");
    server.ask("PATCH", "/api/v3/workflows/c/v/state", &[], Some(r#"{"enabled":true}"#));
    assert_eq!(server.trigger("c", "w", "2024-01-01").status, 200);
    server.wait_for("/api/v3/status/events/c/w/2024-01-01", |json| json["events"].as_array().unwrap().len() == 7);
    let paths = ["/api/v3/workflows?full", "/api/v3/status/events/c/w/2024-01-01", "/api/v3/status/activeStates"];
    let before = paths.map(|path| server.get(path).body);
    let mode = fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let status = server.stop();
    assert!(status.success(), "{status}");
    assert!(!data.join("address").exists());

    let server = Server::start(&data);
    assert_eq!(paths.map(|path| server.get(path).body), before);
    server.kill();
    let server = Server::start(&data);
    assert_eq!(paths.map(|path| server.get(path).body), before);
    assert!(server.log().contains("stopped; the log ends at "), "{}", server.log());
}

/// Whoever kills a server and starts another one doesn't know how long the first one takes to die.
#[test]
fn a_start_right_after_a_kill_waits_for_its_end() {
    let (_dir, data) = data();
    let mut killed = vec![Server::start(&data)];
    for _ in 0..8 {
        signal(killed[killed.len() - 1].pid(), "KILL");
        killed.push(Server::start(&data));
    }
}

#[test]
fn a_second_server_on_the_same_data_or_port_is_refused() {
    let (dir, data) = data();
    let server = Server::start(&data);
    let (status, errors) = run_to_end(command(&data).args(["--executor", "fake"]));
    assert_eq!(status.code(), Some(1));
    let line = errors.trim_end();
    assert!(
        line.starts_with("styx-server: data folder ") && line.contains("in use") && line.contains("--data"),
        "{errors}"
    );
    assert!(line.contains(&server.pid().to_string()) && !line.contains('\n'), "{errors}");

    let mut other = std::process::Command::new(env!("CARGO_BIN_EXE_styx-server"));
    other.arg("--data").arg(dir.path().join("other")).args(["--executor", "fake", "--listen", server.address()]);
    let (status, errors) = run_to_end(&mut other);
    assert_eq!(status.code(), Some(1));
    let expected = format!("styx-server: can't listen on {}: ", server.address());
    assert!(errors.starts_with(&expected) && errors.trim_end().lines().count() == 1, "{errors}");
    assert_eq!(server.get("/ping").body, "pong");
}

#[test]
fn settings_come_from_flags_environment_and_file() {
    let (dir, data) = data();
    let config = dir.path().join("styx.toml");
    fs::write(
        &config,
        "max_executions = 7\nlog_format = \"json\"\nexecutor = \"fake\"\n[timeouts]\nrunning = \"PT3H\"\n",
    )
    .unwrap();
    let check = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_styx-server"));
        command.args(["check-config"]).args(args).envs(env.iter().copied()).env("STYX_SERVER_CONFIG", &config);
        let output = command.output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap(), output.status.code())
    };
    let (text, _, code) = check(&[], &[]);
    assert_eq!(code, Some(0));
    for part in
        ["max_executions              7", "executor                    fake", "timeouts.running            PT3H"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (text, ..) = check(&[], &[("STYX_SERVER_EXECUTOR", "local"), ("STYX_SERVER_LISTEN", "127.0.0.1:81")]);
    assert!(text.contains("executor                    local") && text.contains("127.0.0.1:81"), "{text}");
    let (text, ..) = check(&["--executor", "fake"], &[("STYX_SERVER_EXECUTOR", "local")]);
    assert!(text.contains("executor                    fake"), "{text}");
    let (_, errors, code) = check(&["--listen", "0.0.0.0:80"], &[]);
    assert!(code == Some(1) && errors.contains("0.0.0.0:80") && errors.contains("--insecure-listen"), "{errors}");
    let (_, errors, code) = check(&["--listen", "nowhere"], &[]);
    assert!(code == Some(2) && errors.contains("nowhere") && errors.contains("--listen"), "{errors}");
    fs::write(&config, "max_executions = 7\nmax_execution = 8\n").unwrap();
    let (_, errors, code) = check(&[], &[]);
    assert!(code == Some(1) && errors.contains("styx.toml:2:1: ") && errors.contains("`max_execution`"), "{errors}");
    drop(data);
}

#[test]
fn workflows_of_the_folder_are_loaded() {
    let (dir, data) = data();
    let folder = dir.path().join("workflows");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("c.yaml"), "id: w\nschedule: yearly\ndocker_image: busybox\n").unwrap();
    fs::write(folder.join("bad.yaml"), "id: w\nschedule: daily\ndocker_imag: busybox\n").unwrap();
    let args = ["--executor", "fake", "--workflows", folder.to_str().unwrap()];
    let server = Server::start_with(&data, &args);
    assert!(server.log().contains("bad.yaml:3:1"), "{}", server.log());
    let full = server.get("/api/v3/workflows/c/w/full");
    assert_eq!(full.json()["state"]["enabled"], json!(true), "{full:?}");
    let off = server.ask("PATCH", "/api/v3/workflows/c/w/state", &[], Some(r#"{"enabled":false}"#));
    assert_eq!(off.status, 200);
    assert!(server.stop().success());

    let server = Server::start_with(&data, &args);
    let again = server.get("/api/v3/workflows/c/w/full").json();
    assert_eq!(again["state"]["enabled"], json!(false), "an operator's switch survives");
    assert_eq!(again["workflow"], full.json()["workflow"], "not stored again");
}

#[test]
fn requests_that_have_begun_end_before_the_server_does() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    let body = r#"{"id":"w","schedule":"days"}"#;
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    begin_request(&mut stream, body.len());
    signal(server.pid(), "TERM");
    wait_for_log(&data, "SIGTERM: stopping");
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[test]
fn the_second_signal_ends_at_once() {
    let (_dir, data) = data();
    let mut server = Server::start(&data);
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    begin_request(&mut stream, 9);
    signal(server.pid(), "INT");
    wait_for_log(&data, ": stopping");
    signal(server.pid(), "INT");
    // One that waited for the request would end well.
    assert_eq!(server.wait().code(), Some(130));
}

/// Sends the head of a request, and waits until the server asks for its body.
fn begin_request(stream: &mut std::net::TcpStream, length: usize) {
    write!(
        stream,
        "POST /api/v3/workflows/c HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut answer = vec![0; go_on.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, go_on);
}

fn wait_for_log(data: &Path, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let log = || std::fs::read_to_string(data.with_extension("log")).unwrap();
    while !log().contains(text) {
        assert!(Instant::now() < deadline, "no {text} in {}", log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn api_workflows_need_leave_on_the_local_executor() {
    let (_dir, data) = data();
    let server = Server::start_with(&data, &[]);
    server.store("c", "w", "days", LONG);
    let trigger = server.trigger("c", "w", "2024-01-01");
    assert!(trigger.status == 403 && trigger.reason.contains("--run-api-workflows"), "{trigger:?}");
    let enable = server.ask("PATCH", "/api/v3/workflows/c/w/state", &[], Some(r#"{"enabled":true}"#));
    assert!(enable.status == 403 && enable.reason.contains("--run-api-workflows"), "{enable:?}");
    assert!(server.stop().success());

    let server = Server::start_with(&data, &["--run-api-workflows"]);
    let code = r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2024-01-01","trigger_parameters":{"env":{"BASH_ENV":"x"}}}"#;
    let refused = server.post("/api/v3/scheduler/trigger", code);
    assert!(refused.status == 400 && refused.reason.contains("BASH_ENV"), "{refused:?}");
    assert_eq!(server.trigger("c", "w", "2024-01-01").status, 200);
}

/// The kernel refuses a poll of more descriptors than a process may have, so lowering that limit takes from the folder's thread what
/// it can't do without.
#[test]
fn a_thread_that_dies_ends_the_server_with_the_reason() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let (dir, data) = data();
    let folder = dir.path().join("workflows");
    fs::create_dir(&folder).unwrap();
    let mut server = Server::start_with(&data, &["--executor", "fake", "--workflows", folder.to_str().unwrap()]);
    server.wait_for("/ready", |readiness| readiness["status"] == "ready");
    let pid = Pid::from_raw(server.pid().try_into().unwrap());
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(1), maximum: Some(1) }).unwrap();
    // Something to look at wakes the thread.
    fs::write(folder.join("c.yaml"), "id: w\nschedule: daily\n").unwrap();
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log();
    let line = log.lines().find(|line| line.contains("the thread styx-folder has ended"));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("ERROR") && line.contains("can't be watched any more: Invalid argument"), "{line}");
    // Nothing of that is lost or in the way afterwards.
    let server = Server::start_with(&data, &["--executor", "fake", "--workflows", folder.to_str().unwrap()]);
    assert_eq!(server.get("/api/v3/workflows/c/w").status, 200);
}

#[test]
fn a_start_that_takes_long_can_be_ended() {
    let (dir, data) = data();
    // Nobody ever writes to it, so the start never ends.
    let fifo = dir.path().join("tokens");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    for name in ["TERM", "INT"] {
        let log = dir.path().join(name);
        let mut server = command(&data)
            .args(["--executor", "fake", "--auth", "tokens", "--auth-tokens", fifo.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        // Signals are listened to before the log is opened, and the address is written behind that.
        while !data.join("address").exists() {
            assert!(Instant::now() < deadline && server.try_wait().unwrap().is_none(), "it doesn't start");
            thread::sleep(Duration::from_millis(10));
        }
        signal(server.id(), name);
        let status = loop {
            if let Some(status) = server.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                server.kill().unwrap();
                panic!("SIG{name} doesn't end it");
            }
            thread::sleep(Duration::from_millis(10));
        };
        let said = fs::read_to_string(&log).unwrap();
        assert!(status.success() && said.contains(" while starting: ended at once"), "{said}");
        fs::remove_file(data.join("address")).unwrap();
    }
}

#[test]
fn a_log_that_can_not_be_written_ends_the_server() {
    let (dir, data) = data();
    let log = dir.path().join("errors");
    // Files may not grow beyond some 300 kB: a write to the log fails sooner or later.
    let script = format!(
        "ulimit -f 600; exec {} --data {} --listen 127.0.0.1:0 --executor fake 2> {}",
        env!("CARGO_BIN_EXE_styx-server"),
        data.display(),
        log.display()
    );
    let child = std::process::Command::new("sh").args(["-c", &script]).spawn().unwrap();
    let mut server = Server::attach(child, &data);
    let body = |n: usize| {
        format!(r#"{{"id":"w{n}","schedule":"days","commit_sha":"{n}","docker_args":["{}"]}}"#, random(60_000))
    };
    let mut stored = 0;
    while let Some(answer) = server.try_post("/api/v3/workflows/c", &body(stored)) {
        assert_eq!(answer.status, 200, "{answer:?}");
        stored += 1;
        assert!(stored < 100, "the log was written all the same");
    }
    let status = server.wait();
    let errors = fs::read_to_string(&log).unwrap();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(
        errors.trim_end().lines().last().unwrap().contains("the engine can't go on, the server ends: "),
        "{errors}"
    );

    let server = Server::start(&data);
    let kept = server.get("/api/v3/workflows").json().as_array().unwrap().len();
    assert!(kept >= stored, "{kept} of {stored} acknowledged");
}

/// A text that doesn't compress.
fn random(length: usize) -> String {
    use std::hash::{BuildHasher, RandomState};
    let words = std::iter::repeat_with(|| format!("{:016x}", RandomState::new().hash_one(0)));
    words.take(length / 16).collect()
}

#[test]
fn jobs_go_on_without_the_server_and_are_taken_up_again() {
    let (dir, data) = data();
    let folder = dir.path().join("workflows");
    fs::create_dir(&folder).unwrap();
    let text = "id: w\nschedule: yearly\ndocker_image: unused\ndocker_args: [sh, -c, 'echo \"began $0\"; exec sleep 600', '{}']\n";
    fs::write(folder.join("c.yaml"), text).unwrap();
    let args = ["--workflows", folder.to_str().unwrap()];
    let server = Server::start_with(&data, &args);
    assert_eq!(server.trigger("c", "w", "2020").status, 200);
    let running = |json: &serde_json::Value| json["active_states"][0]["state"] == json!("RUNNING");
    let states = server.wait_for("/api/v3/status/activeStates", running);
    let execution = states["active_states"][0]["state_data"]["execution_id"].as_str().unwrap().to_owned();
    let greeting = server.log();
    let path = greeting.split_once("output of each execution in ").unwrap().1.lines().next().unwrap();
    let output = path.replace("EXECUTION_ID", &execution);
    let deadline = Instant::now() + Duration::from_secs(10);
    while fs::read_to_string(&output).unwrap_or_else(|error| panic!("{output}: {error}")) != "began 2020\n" {
        assert!(Instant::now() < deadline, "no output in {output}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(server.stop().success());

    let server = Server::start_with(&data, &args);
    let log = server.log();
    let line = log.lines().find(|line| line.contains("kill -- -")).unwrap();
    assert!(line.contains("c#w#2020: ") && line.contains(&execution) && line.contains(&output), "{line}");
    let pid = line.split_once("kill -- -").unwrap().1.split(';').next().unwrap();
    let is_there = || fs::exists(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(is_there(), "{line}");
    let states = server.wait_for("/api/v3/status/activeStates", running);
    assert_eq!(states["active_states"][0]["state_data"]["execution_id"], json!(execution));
    let instance = r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2020"}"#;
    assert_eq!(server.post("/api/v3/scheduler/halt", instance).status, 200);
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_there() {
        assert!(Instant::now() < deadline, "the job {pid} goes on after the halt");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whoever starts a server may ignore signals and hold locks for itself, as supervisors do.
#[test]
fn a_careless_starter_changes_neither_server_nor_jobs() {
    let (dir, data) = data();
    let folder = dir.path().join("workflows");
    fs::create_dir(&folder).unwrap();
    let job = r#"test "$(ls /proc/self/fd | tr '\n' ' ')" = "0 1 2 3 " && sleep 0.01 & wait $!"#;
    let text = format!(
        "id: w\nschedule: yearly\ndocker_image: unused\ndocker_args:\n- sh\n- -c\n- '{}'\n",
        job.replace('\'', "''")
    );
    fs::write(folder.join("c.yaml"), text).unwrap();
    let script = format!(
        "trap '' CHLD TERM USR1; exec 8>{0}.lock; exec {1} --data {0} --listen 127.0.0.1:0 --workflows {2} 2> {0}.log",
        data.display(),
        env!("CARGO_BIN_EXE_styx-server"),
        folder.display(),
    );
    let child = std::process::Command::new("sh").args(["-c", &script]).spawn().unwrap();
    let server = Server::attach(child, &data);
    let signals = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let ignored = signals.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    assert_eq!(ignored & (1 << 16 | 1 << 14 | 1 << 9), 0, "{signals}");
    // The lock that the starter handed over is the server's.
    assert!(fs::exists(format!("/proc/{}/fd/8", server.pid())).unwrap());
    for year in ["2020", "2021"] {
        assert_eq!(server.trigger("c", "w", year).status, 200);
        server.wait_for(&format!("/api/v3/status/events/c/w/{year}"), |json| {
            let events = json["events"].as_array().unwrap();
            let last = events.last().map(|event| event["event"]["@type"].as_str().unwrap().to_owned());
            assert!(!matches!(last.as_deref(), Some("retryAfter" | "stop")), "{json}");
            last.as_deref() == Some("success")
        });
    }
    assert_eq!(server.stop().code(), Some(0));
}

/// A job that ended while there was no server ended then, not when the next server came.
#[test]
fn the_end_of_an_execution_is_when_it_ended() {
    let (dir, data) = data();
    let folder = dir.path().join("workflows");
    fs::create_dir(&folder).unwrap();
    let go = dir.path().join("go");
    let text = format!(
        "id: w\nschedule: yearly\ndocker_image: unused\ndocker_args: [sh, -c, 'while ! [ -e \"$0\" ]; do sleep 0.02; done', '{}']\n",
        go.display()
    );
    fs::write(folder.join("c.yaml"), text).unwrap();
    let args = ["--workflows", folder.to_str().unwrap()];
    let server = Server::start_with(&data, &args);
    assert_eq!(server.trigger("c", "w", "2020").status, 200);
    let running = |json: &serde_json::Value| json["active_states"][0]["state"] == json!("RUNNING");
    let states = server.wait_for("/api/v3/status/activeStates", running);
    let execution = states["active_states"][0]["state_data"]["execution_id"].as_str().unwrap().to_owned();
    server.kill();
    fs::write(&go, "").unwrap();
    let note = data.join("runs/.state").join(&execution).join("exit");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !note.exists() {
        assert!(Instant::now() < deadline, "the job doesn't end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let note: serde_json::Value = serde_json::from_slice(&fs::read(&note).unwrap()).unwrap();
    // The job folder may go; what is known of the end doesn't.
    fs::remove_dir_all(data.join("runs").join(&execution)).unwrap();
    std::thread::sleep(Duration::from_millis(50));

    let server = Server::start_with(&data, &args);
    let of_events = "/api/v3/status/events/c/w/2020";
    let events = server.wait_for(of_events, |json| {
        json["events"].as_array().unwrap().last().unwrap()["event"]["@type"] == json!("success")
    });
    let history = server.get("/api/v3/workflows/c/w/instances/2020").json();
    let statuses = history["triggers"][0]["executions"][0]["statuses"].as_array().unwrap();
    let end = statuses.last().unwrap()["timestamp"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert_eq!(end, note["at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    let recorded = events["events"].as_array().unwrap().last().unwrap()["timestamp"].as_i64().unwrap();
    assert!(recorded > end.timestamp_millis(), "{events} {history}");
}

/// Whatever still reads the log when a server ends, ends before it: else RocksDB is closed under a reader, now and then.
#[test]
fn an_idle_server_ends_well_each_time() {
    let rounds = || {
        for _ in 0..8 {
            let (_dir, data) = data();
            let server = Server::start_with(&data, &["--executor", "local"]);
            server.store("c", "w", "days", "{}");
            std::thread::sleep(Duration::from_millis(150));
            let status = server.stop();
            assert_eq!(status.code(), Some(0), "{status}");
        }
    };
    std::thread::scope(|scope| (0..8).map(|_| scope.spawn(rounds)).for_each(drop));
}
