//! What keeps a request from being done twice, or from being done to something that has changed: two optional headers.

use hyper::{header::HeaderName, http::request::Parts};
use styx_core::{id::Counter, record::IdempotencyKey};
use uuid::Uuid;

use super::response::ApiError;

/// Names a request: with the same name again it isn't done again.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The counter of the instance's last event that the client has seen, or `none`.
const EXPECTED_COUNTER: HeaderName = HeaderName::from_static("x-styx-expected-counter");
/// The longest key.
const MAX_KEY: usize = 255;

/// What a request says about being done once.
#[derive(Debug, Default)]
pub(super) struct Once {
    /// The name that it has, with whose it is.
    pub(super) key: Option<IdempotencyKey>,
    /// The counter that it expects: `Some(None)` expects an instance without events.
    pub(super) expected: Option<Option<Counter>>,
}

impl Once {
    /// Reads the headers of a request by `actor`.
    ///
    /// # Errors
    ///
    /// When a key isn't 1 to 255 visible ASCII characters, or a counter is neither a whole number nor `none`.
    pub(super) fn read(parts: &Parts, body: Option<&[u8]>, actor: &str) -> Result<Self, ApiError> {
        let text = |name: &HeaderName| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let key = text(&IDEMPOTENCY_KEY).map(|key| {
            if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                let rule = format!("must be 1 to {MAX_KEY} visible ASCII characters");
                return Err(ApiError::bad_request(format!("{IDEMPOTENCY_KEY} {rule}")));
            }
            let asked = format!("{} {}\n", parts.method, parts.uri);
            let digest = Uuid::new_v5(&Uuid::NAMESPACE_OID, &[asked.as_bytes(), body.unwrap_or_default()].concat());
            // A blank stands in no key, so nobody can name a key of another's.
            Ok(IdempotencyKey { key: format!("{key} {actor}").into(), digest })
        });
        let expected = text(&EXPECTED_COUNTER).map(|counter| match counter {
            "none" => Ok(None),
            counter => counter.parse().map(|counter| Some(Counter(counter))).map_err(|_| {
                ApiError::bad_request(format!("{EXPECTED_COUNTER}: {counter} is neither a whole number nor `none`"))
            }),
        });
        Ok(Self { key: key.transpose()?, expected: expected.transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn read(path: &str, headers: &[(&str, &str)], body: &[u8], actor: &str) -> Result<Once, ApiError> {
        let request = headers.iter().fold(Request::post(path), |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Once::read(&parts, Some(body), actor)
    }

    fn key(path: &str, key: &str, body: &[u8], actor: &str) -> IdempotencyKey {
        read(path, &[("Idempotency-Key", key)], body, actor).unwrap().key.unwrap()
    }

    #[test]
    fn a_key_is_its_owners_and_of_one_request() {
        let first = key("/a", "k", b"1", "ann");
        assert_eq!(first, key("/a", "k", b"1", "ann"));
        assert_ne!(first.key, key("/a", "k", b"1", "bob").key);
        assert_ne!(first.key, key("/a", "l", b"1", "ann").key);
        for other in [key("/a", "k", b"2", "ann"), key("/b", "k", b"1", "ann"), key("/a?x", "k", b"1", "ann")] {
            assert_eq!(first.key, other.key);
            assert_ne!(first.digest, other.digest);
        }
        for bad in ["", " ", "a b", &"k".repeat(256)] {
            assert!(read("/a", &[("Idempotency-Key", bad)], b"", "ann").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_counter_is_a_number_or_none() {
        let expected = |text| read("/a", &[("X-Styx-Expected-Counter", text)], b"", "ann").map(|once| once.expected);
        assert_eq!(expected("7").unwrap(), Some(Some(Counter(7))));
        assert_eq!(expected("none").unwrap(), Some(None));
        assert!(expected("-1").is_err() && expected("").is_err());
        assert!(read("/a", &[], b"", "ann").unwrap().expected.is_none());
    }
}
