//! What asks servers: one connection that waits for each answer, or many at once.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{CONNECTIONS, Outcome};

/// When a load ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Count(u64),
    Passed(Duration),
}

impl Until {
    fn is_over(self, asked: u64, begin: Instant) -> bool {
        match self {
            Self::Count(count) => asked >= count,
            Self::Passed(time) => begin.elapsed() >= time,
        }
    }
}

/// Requests over so many connections, one at a time on each; gives how many were answered a second.
pub(crate) fn load(
    address: &str,
    next: &Arc<AtomicU64>,
    until: Until,
    make: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> Outcome<f64> {
    let begin = Instant::now();
    let first = next.load(Ordering::Relaxed);
    let make = Arc::new(make);
    let mut answered = 0;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut connections = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (address, next, make) = (address.to_owned(), Arc::clone(next), Arc::clone(&make));
            connections.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let (mut buffer, mut answered) = (Vec::new(), 0_u64);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if until.is_over(number - first, begin) {
                        return Outcome::Ok(answered);
                    }
                    stream.write_all(&make(number)).await?;
                    buffer.clear();
                    while Answer::parse(&buffer)?.is_none() {
                        if stream.read_buf(&mut buffer).await? == 0 {
                            return Err("the server closed a connection".into());
                        }
                    }
                    answered += 1;
                }
            });
        }
        while let Some(connection) = connections.join_next().await {
            answered += connection??;
        }
        Outcome::Ok(())
    })?;
    Ok(answered as f64 / begin.elapsed().as_secs_f64())
}

pub(crate) fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// One connection, for one request after the other.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Asks, and gives the length of the answer's body.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Outcome<usize> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let mut part = vec![0; 64 * 1024];
        loop {
            if let Some(answer) = Answer::parse(&self.buffer)? {
                return Ok(answer.body_bytes);
            }
            match self.stream.read(&mut part)? {
                0 => return Err("the server closed a connection".into()),
                bytes => self.buffer.extend_from_slice(&part[..bytes]),
            }
        }
    }

    pub(crate) fn time(&mut self, request: &[u8]) -> Outcome<Duration> {
        let begin = Instant::now();
        self.ask(request)?;
        Ok(begin.elapsed())
    }
}

/// An answer that has come as a whole.
struct Answer {
    body_bytes: usize,
}

impl Answer {
    /// `None` while some of it is missing; an error when it isn't a success.
    fn parse(bytes: &[u8]) -> Outcome<Option<Self>> {
        let Some(head_bytes) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, body) = (std::str::from_utf8(&bytes[..head_bytes])?, &bytes[head_bytes + 4..]);
        if !head.starts_with("HTTP/1.1 2") {
            return Err(format!("the server refuses: {head} {}", String::from_utf8_lossy(body)).into());
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        let is_whole = match length.transpose()? {
            Some(length) => body.len() >= length,
            None => body.ends_with(b"\r\n0\r\n\r\n"),
        };
        Ok(is_whole.then_some(Self { body_bytes: body.len() }))
    }
}
