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
