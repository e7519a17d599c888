//! A real server on a port of its own, and a client that sends exactly the bytes it is told to.
#![allow(dead_code, reason = "each test file uses a part")]

mod answer;

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::answer::Answer;

/// A workflow whose runs stay in RUNNING.
pub(crate) const LONG: &str = r#"{"STYX_FAKE_DURATION_MS":"3600000"}"#;

/// A running server; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Server {
    /// With the fake executor on `data`.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &["--executor", "fake"])
    }

    /// With arguments of its own.
    pub(crate) fn start_with(data: &Path, args: &[&str]) -> Self {
        let log = data.with_extension("log");
        let errors = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let _ = fs::remove_file(data.join("address"));
        let child = command(data).args(args).stdout(Stdio::null()).stderr(errors).spawn().unwrap();
        Self::attach(child, data)
    }

    /// Waits until a server that was started listens.
    pub(crate) fn attach(mut child: Child, data: &Path) -> Self {
        let log = data.with_extension("log");
        let deadline = Instant::now() + Duration::from_secs(60);
        let address = loop {
            match fs::read_to_string(data.join("address")) {
                Ok(text) if text.ends_with('\n') => break text.trim().to_owned(),
                _ => {}
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            assert!(Instant::now() < deadline, "no address after a minute");
            thread::sleep(Duration::from_millis(10));
        };
        Self { child, address, log }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    /// What it has logged so far. Nothing waits for lines of the log, so one more is asked for: once that is there, all are.
    pub(crate) fn log(&self) -> String {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let read = || fs::read_to_string(&self.log).unwrap();
        if TcpStream::connect(&self.address).is_err() {
            return read();
        }
        let id = format!("read-the-log-{}", ASKED.fetch_add(1, Ordering::Relaxed));
        let path = "/api/v3/status/testServiceAccountUsageAuthorization";
        self.ask("POST", path, &[("X-Styx-Request-Id", &id)], Some("{}"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !read().contains(&id) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        read()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[], Some(body))
    }

    /// A request as a well-behaved client sends it.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        Answer::to_request(&self.address, method, path, headers, body)
    }

    /// Sends bytes and reads the answer.
    pub(crate) fn send(&self, bytes: &str) -> Answer {
        Answer::to(&self.address, bytes)
    }

    /// As `post`; `None` when no answer comes.
    pub(crate) fn try_post(&self, path: &str, body: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let length = body.len();
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).ok()?;
        let answers = stream.peek(&mut [0]).is_ok_and(|bytes| bytes > 0);
        answers.then(|| Answer::read(stream))
    }

    /// Makes a workflow.
    pub(crate) fn store(&self, component: &str, id: &str, schedule: &str, env: &str) {
        let body = format!(
            r#"{{"id":"{id}","schedule":"{schedule}","docker_image":"busybox:1.36","docker_args":["echo","{{}}"],"env":{env}}}"#
        );
        let answer = self.post(&format!("/api/v3/workflows/{component}"), &body);
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) fn trigger(&self, component: &str, id: &str, parameter: &str) -> Answer {
        self.post(
            "/api/v3/scheduler/trigger",
            &format!(r#"{{"workflow_id":{{"component_id":"{component}","id":"{id}"}},"parameter":"{parameter}"}}"#),
        )
    }

    /// Asks until the answer is as wanted.
    pub(crate) fn wait_for(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let json = self.get(path).json();
            if wanted(&json) {
                return json;
            }
            assert!(Instant::now() < deadline, "{path} stays at {json}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        self.child.wait().unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Ends it without a chance to do anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with the arguments that all tests have.
pub(crate) fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx-server"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STYX_") {
            command.env_remove(name);
        }
    }
    command.arg("--data").arg(data).args(["--listen", "127.0.0.1:0"]);
    command
}

/// Runs the program to its end; returns its status and what it wrote to standard error.
pub(crate) fn run_to_end(command: &mut Command) -> (ExitStatus, String) {
    let output = command.output().unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap().success());
}

/// A folder that doesn't exist yet, in one that does.
pub(crate) fn data() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    (dir, data)
}

/// Where the log of a stopped server ends.
pub(crate) fn tail(data: &Path) -> u64 {
    use styx_core::log::LogReader;
    styx_store::open_read_only(data).unwrap().tail().unwrap().0
}
