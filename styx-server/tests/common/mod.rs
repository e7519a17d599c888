//! A real server on a port of its own, and a client that sends exactly the bytes it is told to.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// A workflow whose runs stay in RUNNING.
pub(crate) const LONG: &str = r#"{"STYX_FAKE_DURATION_MS":"3600000"}"#;

/// A running server; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
    log: PathBuf,
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
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

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[], Some(body))
    }

    /// A request as a well-behaved client sends it.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        self.send(&format!("{text}\r\n{}", body.unwrap_or_default()))
    }

    /// Sends bytes and reads the answer.
    pub(crate) fn send(&self, bytes: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        // A server that refuses early may close before all is sent.
        let _ = stream.write_all(bytes.as_bytes());
        Answer::read(stream)
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

impl Answer {
    fn read(stream: TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let mut parts = line.trim_end_matches("\r\n").splitn(3, ' ');
        assert_eq!(parts.next(), Some("HTTP/1.1"), "{line:?}");
        let status = parts.next().unwrap().parse().unwrap();
        let reason = parts.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let mut body = Vec::new();
        // The connection may be reset after an early answer.
        let _ = reader.read_to_end(&mut body);
        if headers.contains(&("transfer-encoding".to_owned(), "chunked".to_owned())) {
            body = unchunked(&body);
        }
        Self { status, reason, headers, body: String::from_utf8(body).unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn check(&self, status: u16, reason: &str) -> &Self {
        assert_eq!((self.status, self.reason.as_str()), (status, reason), "{self:?}");
        self
    }
}

/// The body that chunks make up; it must be whole.
fn unchunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|end| end == b"\r\n").expect("a chunk has a length");
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..line]).unwrap(), 16).unwrap();
        chunks = &chunks[line + 2..];
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&chunks[..length]);
        chunks = &chunks[length + 2..];
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
