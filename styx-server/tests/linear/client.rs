//! One of the thousand clients: asks, and writes down when it asked and what was answered.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    PARTITIONS, WORKFLOWS,
    checker::{Answer, Asked, Call},
    common::Server,
};

pub(crate) struct Client {
    random: u64,
    began: Instant,
    address: Arc<Mutex<Option<String>>>,
    stop: Arc<AtomicBool>,
}

impl Client {
    pub(crate) fn new(seed: usize, began: Instant, address: Arc<Mutex<Option<String>>>, stop: Arc<AtomicBool>) -> Self {
        Self { random: (seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15), began, address, stop }
    }

    /// Asks until told to stop; each call with the name of what it was about.
    pub(crate) fn run(mut self) -> Vec<(String, Call)> {
        let mut calls = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let Some(address) = self.address.lock().unwrap().clone() else {
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            let (workflow, year) = (self.below(WORKFLOWS), 2_000 + self.below(PARTITIONS));
            let (asked, subject) = match self.below(20) {
                0..8 => (Asked::Trigger, format!("w{workflow} {year}")),
                8..14 => (Asked::Halt, format!("w{workflow} {year}")),
                14..17 => (Asked::Retry, format!("w{workflow} {year}")),
                enable => (Asked::Switch(enable == 17), format!("w{workflow}")),
            };
            let began = self.began.elapsed();
            match exchange(&address, &request(asked, workflow, year)) {
                Sent::Not => thread::sleep(Duration::from_millis(20)),
                Sent::Unanswered => calls.push((subject, Call { asked, began, ended: Duration::MAX, answer: None })),
                Sent::Answered(answer) => {
                    let answer = Some(judge(asked, &answer));
                    calls.push((subject, Call { asked, began, ended: self.began.elapsed(), answer }));
                }
            }
            thread::sleep(Duration::from_millis(200 + self.below(600) as u64));
        }
        calls
    }

    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as usize % end
    }
}

/// What is there at the end.
pub(crate) fn last_look(server: &Server, subject: &str, at: Duration) -> Call {
    let on = match subject.split_once(' ') {
        Some((workflow, year)) => {
            let states = server.get(&format!("/api/v3/status/activeStates?component=c&workflow={workflow}"));
            states.body.contains(&format!(r#""parameter":"{year}""#))
        }
        None => server.get(&format!("/api/v3/workflows/c/{subject}/state")).json()["enabled"] == true,
    };
    let answer = Some(if on { Answer::On } else { Answer::Off });
    Call { asked: Asked::Look, began: at, ended: Duration::MAX, answer }
}

/// Method, path and body.
fn request(asked: Asked, workflow: usize, year: usize) -> (&'static str, String, String) {
    let instance = format!(r#"{{"workflow_id":{{"component_id":"c","id":"w{workflow}"}},"parameter":"{year}"}}"#);
    let scheduler = |operation: &str| format!("/api/v3/scheduler/{operation}");
    match asked {
        Asked::Trigger => ("POST", scheduler("trigger"), instance),
        Asked::Halt => ("POST", scheduler("halt"), instance),
        Asked::Retry => ("POST", scheduler("retry"), instance),
        Asked::Switch(on) => {
            ("PATCH", format!("/api/v3/workflows/c/w{workflow}/state"), format!(r#"{{"enabled":{on}}}"#))
        }
        Asked::Look => unreachable!("clients don't look"),
    }
}

fn judge(asked: Asked, answer: &str) -> Answer {
    let status: u16 = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let nothing = answer.to_ascii_lowercase().contains("x-styx-effect: none");
    match (status, asked) {
        (200, _) if nothing => Answer::Nothing,
        (200, _) => Answer::Done,
        (409, Asked::Trigger) | (400, Asked::Retry) => Answer::Conflict,
        _ => panic!("{asked:?} was answered {answer}"),
    }
}

enum Sent {
    /// The server can't have heard of it.
    Not,
    /// It may have.
    Unanswered,
    Answered(String),
}

fn exchange(address: &str, (method, path, body): &(&str, String, String)) -> Sent {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return Sent::Not;
    };
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    if stream.write_all(text.as_bytes()).is_err() {
        return Sent::Unanswered;
    }
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Ok(_) if answer.contains("\r\n\r\n") => Sent::Answered(answer),
        _ => Sent::Unanswered,
    }
}
