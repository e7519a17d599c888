//! What can go wrong when a server is asked.

use std::time::Duration;

use thiserror::Error;

/// Why a request has no answer, or not the one that was hoped for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer came: the server cannot be reached, or did not answer in time.
    #[error("request failed: {method} {url}: {source}")]
    Transport {
        /// The method of the request.
        method: String,
        /// Its full address.
        url: String,
        /// What happened.
        source: TransportError,
    },
    /// An id can't stand in a path: whoever reads the address would take it for something else.
    #[error("{id:?} cannot be an id: in an address it names something else")]
    Unaddressable {
        /// The id.
        id: String,
    },
    /// The server refused the request.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The server agreed, but what it answered is not what the API promises.
    #[error("unreadable answer: {method} {url}: {source}")]
    Decode {
        /// The method of the request.
        method: String,
        /// Its full address.
        url: String,
        /// What is wrong with the answer.
        source: serde_json::Error,
    },
}

/// A request that was sent, or could not be sent, and came to nothing.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct TransportError {
    kind: TransportErrorKind,
    message: String,
}

/// Why a request came to nothing, as far as a caller would act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// There is no connection: unknown host, nothing listens, no trust in the certificate.
    Connect,
    /// There was no answer in time.
    Timeout,
    /// Anything else.
    Other,
}

impl TransportError {
    /// An answer that broke off.
    pub(crate) fn broken(message: String) -> Self {
        Self { kind: TransportErrorKind::Other, message }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        let kind = if error.is_timeout() {
            TransportErrorKind::Timeout
        } else if error.is_connect() {
            TransportErrorKind::Connect
        } else {
            TransportErrorKind::Other
        };
        Self { kind, message: root_message(&error) }
    }
}

/// The server's refusal. It says in words what is wrong, and under which id its log knows the request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{status} {reason}{}", bracket(reason, request_id))]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// What the server says, which it sends as the reason phrase of the status line.
    pub reason: String,
    /// The id of the request, the server's if it named one.
    pub request_id: String,
    /// Whether the request carried a token.
    pub authenticated: bool,
    /// How long the server asks to wait before the next try, if it does.
    pub retry_after: Option<Duration>,
}

/// A token that cannot stand in a header: it is empty, or holds something else than visible ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the token is empty, or holds blanks or other characters that no token has")]
pub struct InvalidToken;

/// The id of the request in brackets, unless the text names it already.
fn bracket(reason: &str, request_id: &str) -> String {
    if reason.contains(request_id) { String::new() } else { format!(" (Request ID: {request_id})") }
}

/// The innermost cause: what is around it only repeats the address.
fn root_message(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    let message = root.to_string();
    match message.split_once(" (os error ") {
        Some((text, _)) => text.into(),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_request_once() {
        let error = |reason: &str| ApiError {
            status: 500,
            reason: reason.into(),
            request_id: "abc".into(),
            authenticated: false,
            retry_after: None,
        };
        assert_eq!(error("Not Found").to_string(), "500 Not Found (Request ID: abc)");
        assert_eq!(error("Oops (Request ID: abc): x").to_string(), "500 Oops (Request ID: abc): x");
    }
}
