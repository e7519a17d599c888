//! Answers and refusals, and how they go onto the wire: the text of a refusal is the reason phrase (C-15, C-16).

use axum::{BoxError, body::Body, response::Response};
use futures_util::Stream;
use hyper::{
    HeaderMap, StatusCode,
    ext::ReasonPhrase,
    header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use serde::Serialize;
use styx_client::{Readiness, json};
use styx_core::{
    decide::{Refusal, Reply},
    id::Position,
};

/// Names a request, both ways.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-styx-request-id");
/// `none` when a request that was accepted changed nothing (B-3).
pub(super) const EFFECT: HeaderName = HeaderName::from_static("x-styx-effect");
/// The parameter of the instance that an answer is about.
const PARTITION: HeaderName = HeaderName::from_static("x-styx-partition");
/// Why the parameter that was sent names no instance, and which are near.
const NO_PARTITION: HeaderName = HeaderName::from_static("x-styx-no-partition");
/// How many of the workflows that an answer shows owe instants of earlier schedules.
const OWED: HeaderName = HeaderName::from_static("x-styx-owed");
/// Where the log ends.
const TAIL: HeaderName = HeaderName::from_static("x-styx-tail");
/// The most bytes of a reason phrase.
const MAX_REASON: usize = 1024;

/// A refusal: a status and the text that its reason phrase carries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct ApiError {
    status: StatusCode,
    reason: String,
    retry_after: Option<u32>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), retry_after: None }
    }

    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    pub(super) fn not_found(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, reason)
    }

    /// With the standard phrase of its status (C-17).
    pub(super) fn standard(status: StatusCode) -> Self {
        Self::new(status, status.canonical_reason().unwrap_or_default())
    }

    /// An unexpected failure (C-18).
    pub(super) fn internal(request_id: &str, kind: &str, message: impl std::fmt::Display) -> Self {
        let text = format!("Internal Server Error (Request ID: {request_id}): {kind}: {message}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// Tells the client when to try again.
    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The response in the form of our own API: a problem of RFC 9457. The reason phrase says it too, for clients that show
    /// nothing else.
    pub(super) fn into_problem(self, request_id: Option<&str>) -> Response {
        #[derive(Serialize)]
        struct Problem<'a> {
            r#type: &'a str,
            title: &'a str,
            status: u16,
            detail: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<&'a str>,
        }
        let detail = self.reason.clone();
        let (status, title) = (self.status, self.status.canonical_reason().unwrap_or_default());
        let mut response = self.into_response(request_id);
        let problem = Problem { r#type: "about:blank", title, status: status.as_u16(), detail: &detail, request_id };
        *response.body_mut() = json::to_vec(&problem).map_or_else(|_| Body::empty(), Body::from);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }

    #[cfg(test)]
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// The response, which a small JSON body makes readable where reason phrases get lost (C-9, C-19).
    pub(super) fn into_response(self, request_id: Option<&str>) -> Response {
        #[derive(Serialize)]
        struct ErrorBody<'a> {
            error: &'a str,
            request_id: Option<&'a str>,
        }
        let reason = one_line(&self.reason);
        let mut response = body_response(self.status, &ErrorBody { error: &reason, request_id });
        if let Ok(phrase) = ReasonPhrase::try_from(reason) {
            response.extensions_mut().insert(phrase);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::UnknownWorkflow
            | Refusal::EditOfUnknownBackfill { .. }
            | Refusal::HaltOfUnknownBackfill
            | Refusal::NoSuchExecution { .. } => StatusCode::NOT_FOUND,
            Refusal::AlreadyActive
            | Refusal::OwnedByFile { .. }
            | Refusal::PartitionsActive { .. }
            | Refusal::Stale { .. } => StatusCode::CONFLICT,
            Refusal::KeyOfAnother => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::ApiWorkflow { .. } | Refusal::RemovedFile { .. } => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refusal.to_string())
    }
}

/// 200 with a JSON body.
pub(super) fn ok<T: Serialize + ?Sized>(value: &T) -> Response {
    body_response(StatusCode::OK, value)
}

/// 201 with a JSON body.
pub(super) fn created<T: Serialize + ?Sized>(value: &T) -> Response {
    body_response(StatusCode::CREATED, value)
}

/// 200 with a JSON object on each line, and where the log ends.
pub(super) fn json_lines(lines: String, tail: Position) -> Response {
    let mut response = with_type(StatusCode::OK, "application/x-ndjson", Body::from(lines));
    response.headers_mut().insert(TAIL, HeaderValue::from(tail.0));
    response
}

/// 200 with a body that is JSON already.
pub(super) fn ok_raw(json: impl Into<Body>) -> Response {
    with_type(StatusCode::OK, "application/json", json.into())
}

/// Says how many of the workflows that an answer shows owe instants of earlier schedules; nothing when none does.
pub(super) fn owing(count: usize, mut response: Response) -> Response {
    if count > 0 {
        response.headers_mut().insert(OWED, HeaderValue::from(count));
    }
    response
}

/// 200 with a body of JSON that is made while it is sent; an error cuts it, so that it can't be taken for whole.
pub(super) fn ok_stream(pieces: impl Stream<Item = Result<String, BoxError>> + Send + 'static) -> Response {
    with_type(StatusCode::OK, "application/json", Body::from_stream(pieces))
}

/// 200 with plain text.
pub(super) fn text(text: impl Into<String>) -> Response {
    with_type(StatusCode::OK, "text/plain; charset=utf-8", Body::from(text.into()))
}

/// 200 with a text of a type of its own.
pub(super) fn plain(content_type: &'static str, text: String) -> Response {
    with_type(StatusCode::OK, content_type, Body::from(text))
}

/// 200 `pong`, without a type (C-3).
pub(super) fn pong() -> Response {
    Response::new(Body::from("pong"))
}

/// How the server is: 200 while it does its work, otherwise 503.
pub(super) fn readiness(readiness: &Readiness) -> Response {
    let status = if readiness.status.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    body_response(status, readiness)
}

/// 200, without a body.
pub(super) fn empty() -> Response {
    with_status(StatusCode::OK)
}

/// 204, without a body.
pub(super) fn no_content() -> Response {
    with_status(StatusCode::NO_CONTENT)
}

/// The answer to `OPTIONS`.
pub(super) fn options(allow: &str) -> Response {
    allowing(no_content(), allow)
}

/// The answer to a method that a path doesn't have.
pub(super) fn method_not_allowed(refusal: Response, allow: &str) -> Response {
    allowing(refusal, allow)
}

/// The answer to a request that led to this reply: marked when it changed nothing.
pub(super) fn after(reply: &Reply, mut response: Response) -> Response {
    if *reply == Reply::Nothing {
        response.headers_mut().insert(EFFECT, HeaderValue::from_static("none"));
    }
    response
}

/// Marks an answer with the parameter of the instance that it is about. One that a header can't hold was sent as it is.
pub(super) fn about(parameter: &str, mut response: Response) -> Response {
    if let Some(value) = HeaderValue::from_str(parameter).ok().filter(|value| value.len() <= MAX_REASON) {
        response.headers_mut().insert(PARTITION, value);
    }
    response
}

/// Marks an answer with why it is about no instance.
pub(super) fn about_none(problem: &str, mut response: Response) -> Response {
    let ascii: String = problem.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect();
    if let Ok(value) = HeaderValue::from_str(&one_line(&ascii)) {
        response.headers_mut().insert(NO_PARTITION, value);
    }
    response
}

/// Whether an answer says that nothing was changed.
pub(super) fn is_without_effect(headers: &HeaderMap) -> bool {
    headers.contains_key(EFFECT)
}

/// A text as a reason phrase, or a line of the log, can hold it: control characters become blanks, at most 1024 bytes, whole
/// characters.
pub(super) fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    line.truncate(line.floor_char_boundary(MAX_REASON));
    line
}

fn body_response<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
    match json::to_vec(value) {
        Ok(bytes) => with_type(status, "application/json", Body::from(bytes)),
        // No type of ours has values without a form in JSON.
        Err(_) => with_status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn with_type(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn with_status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn allowing(mut response: Response, allow: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(one_line("a\r\nb\tc\u{7f}\u{85}"), "a  b c  ");
        let long = "é".repeat(2000);
        assert_eq!(one_line(&long).len(), 1024);
        let odd = format!("x{long}");
        assert_eq!(one_line(&odd).len(), 1023);
    }

    #[test]
    fn refusals_have_the_statuses_of_the_original() {
        let status = |refusal: Refusal| ApiError::from(refusal).status.as_u16();
        assert_eq!(status(Refusal::TriggerOfUnknownWorkflow), 400);
        assert_eq!(status(Refusal::UnknownWorkflow), 404);
        assert_eq!(status(Refusal::AlreadyActive), 409);
        assert_eq!(status(Refusal::Future), 400);
        assert_eq!(status(Refusal::Flyte), 400);
        assert_eq!(status(Refusal::Secret { runner: "local".into() }), 400);
        assert_eq!(status(Refusal::ApiWorkflow { runner: "local".into() }), 403);
        assert_eq!(status(Refusal::RemovedFile { path: "a.yaml".into(), runner: "local".into() }), 403);
        assert_eq!(status(Refusal::OwnedByFile { path: "a.yaml".into() }), 409);
    }
}
