//! The parts of a request and its answer that HTTP libraries do not know.

use std::sync::Once;

use hyper::ext::ReasonPhrase;
use hyper::http::Extensions;
use reqwest::blocking::Response;
use serde_json::Value;

/// Bears the id of a request, both ways.
pub(crate) const ID_HEADER: &str = "X-Styx-Request-Id";

/// Says `none` when a request that was accepted changed nothing.
pub(crate) const EFFECT_HEADER: &str = "X-Styx-Effect";

/// Says where the log ends, with records of it.
pub(crate) const TAIL_HEADER: &str = "X-Styx-Tail";

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

/// The text of the status line, if it is not the usual one for the status. A text that is not ASCII does not come
/// through: the parser below hyper drops it, and only a body can bear it.
pub(crate) fn reason_phrase(extensions: &Extensions) -> Option<String> {
    let phrase = extensions.get::<ReasonPhrase>()?;
    let text = String::from_utf8_lossy(phrase.as_bytes());
    (!text.trim().is_empty()).then(|| text.into_owned())
}

/// The text of a refusal whose body is `{"error": "…"}`, or a problem (RFC 9457) with a `detail`.
pub(crate) fn reason_in_body(response: Response) -> Option<String> {
    let body: Value = serde_json::from_slice(&response.bytes().ok()?).ok()?;
    body.get("error").or_else(|| body.get("detail"))?.as_str().filter(|text| !text.is_empty()).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

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
