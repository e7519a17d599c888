//! A client that triggers one partition after the other and remembers what was answered.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

pub(crate) struct Client {
    address: SocketAddr,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Triggers until told to stop; returns the parameters whose trigger was acknowledged.
    pub(crate) fn trigger_until(&self, stop: &AtomicBool) -> Vec<String> {
        let mut acknowledged = Vec::new();
        for minute in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let parameter = format!(
                "2020-{:02}-{:02}T{:02}:{:02}:00Z",
                minute / 40_320 + 1,
                minute / 1_440 % 28 + 1,
                minute / 60 % 24,
                minute % 60
            );
            let body =
                format!(r#"{{"workflow_id":{{"component_id":"crash","id":"by-hand"}},"parameter":"{parameter}"}}"#);
            match self.request("POST", "/api/v3/scheduler/trigger", &body) {
                Some((200, _)) => acknowledged.push(parameter),
                // Not answered: it may have happened or not, and is never asked for again.
                None => thread::sleep(Duration::from_millis(10)),
                Some((status, body)) => panic!("trigger of {parameter} answered {status}: {body}"),
            }
            thread::sleep(Duration::from_millis(15));
        }
        acknowledged
    }

    /// Whether the server has started.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.request("GET", "/ready", ""), Some((200, _)))
    }

    /// Whether a run of the workflow is active.
    pub(crate) fn has_active(&self, workflow: &str) -> bool {
        let path = format!("/api/v3/status/activeStates?component=crash&workflow={workflow}");
        match self.request("GET", &path, "") {
            Some((200, body)) => body != r#"{"active_states":[]}"#,
            other => panic!("active states: {other:?}"),
        }
    }

    /// Status and body; `None` when no whole answer came.
    fn request(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_millis(500)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let told: Option<usize> = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().to_owned()))
            .and_then(|length| length.parse().ok());
        (told.is_none_or(|told| told == body.len())).then(|| (status, body.to_owned()))
    }
}
