//! A server that answers what a test says, and the command run against it.

use std::io::{Read, Write};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: String,
}

/// A server on a port of its own. It answers its script in order, then closes its ears.
pub(crate) struct Server {
    host: String,
    requests: Receiver<Request>,
}

impl Server {
    pub(crate) fn answering(script: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        thread::spawn(move || {
            for answer in script {
                let (mut stream, _) = listener.accept().unwrap();
                sender.send(read_request(&mut stream)).unwrap();
                write_answer(&mut stream, &answer);
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx"));
    command.args(args).current_dir(dir).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(host) = host {
        command.env("STYX_CLI_HOST", host);
    }
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn read_request(stream: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the client went away");
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(|n| n.parse().unwrap()))
            .unwrap_or(0);
        if body.len() >= length {
            let mut words = head.split(' ');
            let mut word = || words.next().unwrap_or_default().to_owned();
            return Request { method: word(), path: word(), body: body.into() };
        }
    }
}

fn write_answer(stream: &mut TcpStream, answer: &Answer) {
    let mut head = format!("HTTP/1.1 {} {}\r\nConnection: close\r\n", answer.status, answer.reason);
    if answer.status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{}", answer.body).as_bytes()).unwrap();
}
