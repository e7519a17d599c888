//! A server that answers what a test says, and the command run against it.

use std::fs::File;
use std::io::{Read, Write, pipe};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// What the server answers to one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn ok(body: &str) -> Self {
        Self::new(200, "OK", body)
    }

    pub(crate) fn new(status: u16, reason: &str, body: &str) -> Self {
        let headers = vec![("X-Styx-Request-Id".into(), "0123456789abcdef0123456789abcdef".into())];
        Self { status, reason: reason.into(), headers, body: body.into() }
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What the server was asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: String,
    /// The value of the header `Authorization`, and of what else names the caller or the request.
    pub(crate) authorization: Option<String>,
    pub(crate) expected_counter: Option<String>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str, body: &str) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            body: body.into(),
            authorization: None,
            expected_counter: None,
        }
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A server on a port of its own, which answers one request after the other until the test is over.
pub(crate) struct Server {
    host: String,
    requests: Receiver<Request>,
}

impl Server {
    /// Answers its script in order, then refuses with 404.
    pub(crate) fn answering(script: Vec<Answer>) -> Self {
        let mut script = script.into_iter();
        Self::new(move |_| script.next().unwrap_or_else(|| Answer::new(404, "Not Found", "")))
    }

    /// Answers what the function says.
    pub(crate) fn new(mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let Some(request) = read_request(&mut stream) else {
                    continue;
                };
                let answer = answer(&request);
                // The test may have seen all that it wants to see, or the command may be gone.
                if sender.send(request).is_err() || write_answer(&mut stream, &answer).is_err() {
                    continue;
                }
            }
        });
        Self { host, requests }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

/// Runs `styx` with nothing of this environment but what is given here.
pub(crate) fn styx(args: &[&str], host: Option<&str>, dir: &Path, stdin: &str) -> Output {
    let host = host.map(|host| ("STYX_CLI_HOST", host));
    styx_with(args, &host.into_iter().collect::<Vec<_>>(), dir, stdin)
}

/// Runs `styx` with these variables alone.
pub(crate) fn styx_with(args: &[&str], env: &[(&str, &str)], dir: &Path, stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx"));
    command.args(args).current_dir(dir).env_clear().envs(env.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command, stdin)
}

/// Runs `styx` with its output going there; the result holds what is piped.
pub(crate) fn styx_into(args: &[&str], host: &str, stdin: &str, stdout: Stdio, stderr: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx"));
    command.args(args).env_clear().env("STYX_CLI_HOST", host).stdout(stdout).stderr(stderr);
    finish(command, stdin)
}

/// A pipe whose reader has gone.
pub(crate) fn closed() -> Stdio {
    pipe().unwrap().1.into()
}

/// A device that takes nothing.
pub(crate) fn full() -> Stdio {
    File::create("/dev/full").unwrap().into()
}

fn finish(mut command: Command, stdin: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let header = |name: &str| {
            let mut headers = head.lines().filter_map(|line| line.split_once(": "));
            headers.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        if body.len() >= header("content-length").map_or(0, |length| length.parse().unwrap()) {
            let mut words = head.split(' ');
            let mut word = || words.next().unwrap_or_default().to_owned();
            return Some(Request {
                method: word(),
                path: word(),
                body: body.into(),
                authorization: header("authorization"),
                expected_counter: header("x-styx-expected-counter"),
            });
        }
    }
}

fn write_answer(stream: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} {}\r\nConnection: close\r\n", answer.status, answer.reason);
    if answer.status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{}", answer.body).as_bytes())
}
