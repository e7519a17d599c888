//! Which part of a long answer is wanted: two optional headers, which Styx 2.x ignores.

use hyper::{header::HeaderName, http::request::Parts};

use super::response::ApiError;

/// The parameter of the first instance.
const FROM: HeaderName = HeaderName::from_static("x-styx-from");
/// How many instances at most.
const LIMIT: HeaderName = HeaderName::from_static("x-styx-limit");

/// A part of a backfill's instances; with one, the answer also counts all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// From which instance on.
    pub(super) from: Option<String>,
    /// How many at most.
    pub(super) limit: usize,
}

impl Page {
    /// Reads the headers of a request; `None` when it has neither.
    ///
    /// # Errors
    ///
    /// When the limit isn't a whole number.
    pub(super) fn read(parts: &Parts) -> Result<Option<Self>, ApiError> {
        let text = |name: &HeaderName| {
            let value = parts.headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let (from, limit) = (text(&FROM), text(&LIMIT));
        if from.is_none() && limit.is_none() {
            return Ok(None);
        }
        let limit = match limit.as_deref().map(str::parse) {
            None => usize::MAX,
            Some(Ok(limit)) => limit,
            Some(Err(_)) => return Err(ApiError::bad_request(format!("{LIMIT} must be a whole number"))),
        };
        Ok(Some(Self { from, limit }))
    }
}
