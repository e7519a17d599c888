//! The log over HTTP: its records, and checkpoints of it. Our own API, which Styx 2.x doesn't have.

use std::{fmt::Write, sync::Arc, time::Duration};

use axum::response::Response;
use hyper::StatusCode;
use styx_client::CheckpointsPayload;
use styx_core::id::Position;

use crate::{
    checkpoints::{CheckpointError, Checkpoints},
    http::{
        Call,
        response::{ApiError, created, json_lines, ok},
    },
    log_tools,
};

/// The most records of an answer.
const MOST_RECORDS: usize = 1_000;
/// An answer ends after about so many bytes.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// The longest that a request may wait for records.
pub(in crate::http) const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Makes a checkpoint of all that is durable.
pub(super) async fn make_checkpoint(call: &Call) -> Result<Response, ApiError> {
    let now = call.app.clock.now();
    let made = with_checkpoints(call, move |checkpoints| checkpoints.make(now)).await?;
    tracing::info!("checkpoint of the log up to {} in {}", made.position, made.path);
    Ok(created(&made))
}

/// Lists the checkpoints.
pub(super) async fn list_checkpoints(call: &Call) -> Result<Response, ApiError> {
    let checkpoints = with_checkpoints(call, Checkpoints::list).await?;
    Ok(ok(&CheckpointsPayload { checkpoints }))
}

/// On a thread that may wait for the disk.
async fn with_checkpoints<T: Send + 'static>(
    call: &Call,
    work: impl FnOnce(&Checkpoints) -> Result<T, CheckpointError> + Send + 'static,
) -> Result<T, ApiError> {
    let checkpoints = Arc::clone(&call.app.checkpoints);
    let internal = |kind, error: &dyn std::fmt::Display| ApiError::internal(&call.operator.request_id, kind, error);
    match call.app.aside.read(move || work(&checkpoints)).await {
        Ok(Err(error @ CheckpointError::Busy)) => Err(ApiError::new(StatusCode::CONFLICT, error.to_string())),
        Ok(result) => result.map_err(|error| internal("CheckpointError", &error)),
        Err(panic) => Err(internal("Panic", &panic)),
    }
}

/// Records from a position on, as JSON lines in the form of `log show`; waits for the first one if that is asked.
pub(super) async fn records(call: &Call) -> Result<Response, ApiError> {
    let from = Position(number(call, "from", 1)?.max(1));
    let limit = usize::try_from(number(call, "limit", MOST_RECORDS as u64)?).unwrap_or(MOST_RECORDS).min(MOST_RECORDS);
    let wait = Duration::from_secs(number(call, "wait", 0)?).min(LONGEST_WAIT);
    let mut tail = call.app.watched.tail.clone();
    let mut stopping = call.app.stopping.clone();
    if !wait.is_zero() && *tail.borrow() < from {
        let full = || {
            let text = "too many requests are waiting for records: try again in a second";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(1)
        };
        let _waits = call.app.waits.try_acquire().map_err(|_| full())?;
        // Neither a server that stops nor a log that has ended brings more.
        tokio::select! {
            _ = tokio::time::timeout(wait, tail.wait_for(|tail| *tail >= from)) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }
    let lines = call.read(move |reader| {
        let mut lines = String::new();
        let mut next = from;
        for _ in 0..limit.div_ceil(PAGE) {
            let left = limit.saturating_sub((next.0 - from.0) as usize).min(PAGE);
            let page = reader.read(next, left)?;
            for record in &page {
                if lines.len() >= MOST_BYTES {
                    break;
                }
                let _ = writeln!(lines, "{}", log_tools::json_line(record));
                next = record.position.next();
            }
            if page.len() < left || lines.len() >= MOST_BYTES {
                break;
            }
        }
        Ok((lines, reader.tail()?))
    });
    let (lines, tail) = lines.await?;
    Ok(json_lines(lines, tail))
}

/// How many records are read at a time, each of which may have some megabytes.
const PAGE: usize = 20;

fn number(call: &Call, name: &str, default: u64) -> Result<u64, ApiError> {
    let Some(text) = call.query.filter(name) else { return Ok(default) };
    text.parse().map_err(|_| ApiError::bad_request(format!("{name}: `{text}` is not a whole number from 0")))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use chrono::TimeDelta;
    use hyper::Request;
    use serde_json::Value;

    use super::*;
    use crate::{
        auth::Access,
        http::scripted::{ScriptedServer, lasting},
    };

    fn server(data: &std::path::Path) -> ScriptedServer {
        let now = "2026-01-01T00:30:00Z".parse().unwrap();
        ScriptedServer::start(data, Access::Open, now, lasting(TimeDelta::zero()))
    }

    fn send(server: &ScriptedServer, method: &str, path: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let (status, body) = server.send(request.header("content-length", 0).body(Body::empty()).unwrap());
        (status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn while_a_checkpoint_is_made_another_one_is_refused_and_reads_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&dir.path().join("data"));
        let listed = || {
            let (status, list) = send(&server, "GET", "/api/v4/checkpoints");
            let list: Value = serde_json::from_str(&list).unwrap();
            (status, list["checkpoints"].as_array().unwrap().len())
        };
        let making = server.app.checkpoints.hold();
        let (status, text) = send(&server, "POST", "/api/v4/checkpoints");
        assert!(status == 409 && text.contains("another checkpoint is being made"), "{status} {text}");
        assert_eq!(listed(), (200, 0));
        drop(making);
        assert_eq!(send(&server, "POST", "/api/v4/checkpoints").0, 201);
        assert_eq!(listed(), (200, 1));
    }

    #[test]
    fn an_answer_with_records_ends_soon_after_its_bytes_and_the_next_one_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&dir.path().join("data"));
        let argument = "w".repeat(110_000);
        for number in 0..100 {
            let body =
                format!(r#"{{"id":"w{number}","schedule":"days","docker_image":"b","docker_args":["{argument}"]}}"#);
            server.ask("POST", "/api/v3/workflows/c", &body);
        }
        let tail = server.settle().0;
        let (mut next, mut sizes) = (1, Vec::new());
        while next <= tail {
            let (status, text) = send(&server, "GET", &format!("/api/v4/records?from={next}"));
            assert_eq!(status, 200);
            for line in text.lines() {
                let record: Value = serde_json::from_str(line).unwrap();
                assert_eq!(record["position"], next);
                next += 1;
            }
            sizes.push((text.len(), text.lines().map(str::len).max().unwrap()));
        }
        // Far from the most records, so it was the bytes that ended the first answer: with the record that passes the bound.
        assert!(tail < MOST_RECORDS as u64, "{tail}");
        let [(first, longest), (rest, _)] = sizes[..] else { panic!("{sizes:?}") };
        assert!((MOST_BYTES..=MOST_BYTES + longest).contains(&first) && rest < MOST_BYTES, "{sizes:?}");
    }
}
