//! The parts of a request and its answer that HTTP libraries do not know.

use std::io::Read;
use std::sync::Once;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use hyper::ext::ReasonPhrase;
use hyper::http::header::RETRY_AFTER;
use hyper::http::{Extensions, HeaderMap};
use reqwest::blocking::Response;
use serde_json::Value;

/// Bears the id of a request, both ways.
pub(crate) const ID_HEADER: &str = "X-Styx-Request-Id";

/// Says `none` when a request that was accepted changed nothing.
pub(crate) const EFFECT_HEADER: &str = "X-Styx-Effect";

/// Holds the parameter of the instance that an answer is about.
pub(crate) const PARTITION_HEADER: &str = "X-Styx-Partition";

/// Says why the parameter that was sent names no instance, and which are near.
pub(crate) const NO_PARTITION_HEADER: &str = "X-Styx-No-Partition";

/// Says how many of the workflows that an answer shows owe instants of earlier schedules; absent when none does.
pub(crate) const OWED_HEADER: &str = "X-Styx-Owed";

/// Names the first instance that is wanted of a backfill.
pub(crate) const FROM_HEADER: &str = "X-Styx-From";

/// Says how many instances are wanted of a backfill.
pub(crate) const LIMIT_HEADER: &str = "X-Styx-Limit";

/// Says where the log ends, with records of it.
pub(crate) const TAIL_HEADER: &str = "X-Styx-Tail";

/// Names a request that creates something, so that the server knows it when it comes again.
pub(crate) const KEY_HEADER: &str = "Idempotency-Key";

/// Says which event of an instance was the last one that the caller knows.
pub(crate) const EXPECTED_COUNTER_HEADER: &str = "X-Styx-Expected-Counter";

/// Chooses the cryptography of TLS for this process, unless somebody has.
pub(crate) fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that the process has chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// A fresh id of a request: a random UUID (version 4) as 32 hexadecimal digits.
pub(crate) fn new_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// A random number from 0 to 1.
pub(crate) fn chance() -> f64 {
    let mut byte = [0; 1];
    getrandom::fill(&mut byte).expect("the system gives random bytes");
    f64::from(byte[0]) / 255.0
}

/// How long to wait before the next try: seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(text).ok()?.to_utc();
    Some((at - DateTime::<Utc>::from(SystemTime::now())).to_std().unwrap_or_default())
}

/// The text of the status line, if it is not the usual one for the status. A text that is not ASCII does not come
/// through: the parser below hyper drops it, and only a body can bear it.
pub(crate) fn reason_phrase(extensions: &Extensions) -> Option<String> {
    let phrase = extensions.get::<ReasonPhrase>()?;
    let text = String::from_utf8_lossy(phrase.as_bytes());
    (!text.trim().is_empty()).then(|| text.into_owned())
}

/// The most of a refusal's body that is read.
const MAX_REFUSAL: u64 = 1024 * 1024;

/// The text of a refusal whose body is `{"error": "…"}`, or a problem (RFC 9457) with a `detail`.
pub(crate) fn reason_in_body(response: Response) -> Option<String> {
    let mut body = Vec::new();
    response.take(MAX_REFUSAL).read_to_end(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    body.get("error").or_else(|| body.get("detail"))?.as_str().filter(|text| !text.is_empty()).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_as_seconds_and_as_dates() {
        let read = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(read("Thu, 06 Nov 2994 08:49:37 GMT").is_some_and(|wait| wait > Duration::from_secs(1_000_000)));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn ids_are_random_uuids_without_dashes() {
        let (one, other) = (new_id(), new_id());
        assert_ne!(one, other);
        for id in [one, other] {
            assert_eq!(id.len(), 32);
            assert!(id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)), "{id}");
            assert_eq!(id.as_bytes()[12], b'4', "{id}");
        }
    }
}
