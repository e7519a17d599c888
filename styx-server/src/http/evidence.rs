//! What the record of an operator's action keeps of the request.

use std::net::SocketAddr;

use hyper::Method;
use serde::Serialize;
use serde_json::{Value, json};
use styx_core::record::Cause;

#[derive(Serialize)]
struct Kept<'a> {
    method: &'a str,
    path: &'a str,
    from: Option<SocketAddr>,
    body: Value,
}

/// A request as its record keeps it: whole if it fits, otherwise without its body.
pub(super) fn request_json(method: &Method, path: &str, from: Option<SocketAddr>, body: Option<&[u8]>) -> String {
    let path = &path[..path.floor_char_boundary(4096)];
    let written = |body| {
        let kept = Kept { method: method.as_str(), path, from, body };
        // No field of it has values without a form in JSON.
        serde_json::to_string(&kept).unwrap_or_default()
    };
    let omitted = |bytes: &[u8]| written(json!({ "omitted_bytes": bytes.len() }));
    let Some(bytes) = body else {
        return written(Value::Null);
    };
    // The first value, as the routes read it. What isn't JSON can't be redacted by name, so it isn't kept.
    let first = serde_json::Deserializer::from_slice(bytes).into_iter().next().and_then(Result::ok);
    let whole = first.filter(|_| bytes.len() <= Cause::MAX_EVIDENCE).map(written);
    whole.filter(|whole| whole.len() <= Cause::MAX_EVIDENCE).unwrap_or_else(|| omitted(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_kept_whole_if_it_fits() {
        let from = Some("127.0.0.1:9".parse().unwrap());
        let kept = |body: Option<&[u8]>| request_json(&Method::POST, "/p", from, body);
        let expected = |body: &str| format!(r#"{{"method":"POST","path":"/p","from":"127.0.0.1:9","body":{body}}}"#);
        assert_eq!(kept(None), expected("null"));
        assert_eq!(kept(Some(br#"{"b":1, "a":2}"#)), expected(r#"{"b":1,"a":2}"#));
        assert_eq!(kept(Some(br#"{"env":{"A":"s"}} x"#)), expected(r#"{"env":{"A":"s"}}"#), "what follows is ignored");
        assert_eq!(kept(Some(b"x=\"1\"")), expected(r#"{"omitted_bytes":5}"#), "what can't be redacted isn't kept");
        let large = format!("[{}]", "1,".repeat(9_000) + "1").into_bytes();
        assert_eq!(kept(Some(&large)), expected(r#"{"omitted_bytes":18003}"#));
        let large = format!("[{}]", "1,".repeat(7_500) + "1").into_bytes();
        let long = "/".repeat(70_000);
        assert!(request_json(&Method::POST, &long, from, Some(&large)).len() <= Cause::MAX_EVIDENCE);
    }
}
