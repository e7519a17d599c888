//! What a request says: path segments, query, body, id.

use axum::body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use styx_client::json;
use uuid::Builder;

use super::response::ApiError;

/// The most pairs that are read of a query (C-8).
const MAX_PAIRS: usize = 1024;

/// A text with a `%` that isn't followed by two hexadecimal digits, or that isn't UTF-8 once decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadEscape;

/// The segments of a path, each decoded by itself; one slash at the end doesn't count (C-4, C-7).
pub(super) fn segments(path: &str) -> Result<Vec<String>, BadEscape> {
    let Some(path) = path.strip_prefix('/') else {
        return Ok(vec![path.to_owned()]);
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(decode).collect()
}

/// The pairs of a query string, decoded (C-8).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    pub(super) fn parse(text: &str) -> Result<Self, BadEscape> {
        let pairs = text.split(['&', ';']).filter(|pair| !pair.is_empty()).take(MAX_PAIRS).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let read = |text: &str| decode(&text.replace('+', " ").replace("%%", "%25"));
            Ok((read(name)?, read(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// The first value of a name; a name without `=` has the value "".
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name, unless it is empty.
    pub(super) fn filter(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether a value is `true` in any letter case.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// A request's body: absent when it has neither a length nor chunks (C-30).
#[derive(Debug)]
pub(super) struct Payload(pub(super) Option<Vec<u8>>);

impl Payload {
    /// Takes in a body of at most `limit` bytes.
    pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Self, ApiError> {
        if !headers.contains_key(header::CONTENT_LENGTH) && !headers.contains_key(header::TRANSFER_ENCODING) {
            return Ok(Self(None));
        }
        match Limited::new(body, limit).collect().await {
            Ok(collected) => Ok(Self(Some(collected.to_bytes().to_vec()))),
            Err(error) if error.is::<LengthLimitError>() => {
                let text = format!("the body is larger than {limit} bytes");
                Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text))
            }
            Err(error) => Err(ApiError::bad_request(format!("the body can't be read: {error}"))),
        }
    }

    /// The body, for bodies that Styx takes apart by hand (E-05, E-12).
    pub(super) fn required(&self) -> Result<&[u8], ApiError> {
        self.0.as_deref().ok_or_else(|| ApiError::bad_request("Missing payload."))
    }

    /// Reads the body of all other routes.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        self.parse_saying(|field| format!("problem: {field}"))
    }

    /// As [`parse`](Self::parse), for the types of which Styx 2.x says that a missing field is null: WorkflowId,
    /// WorkflowInstance, Resource (C-30).
    pub(super) fn parse_not_null<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        self.parse_saying(|field| format!("problem: Null {field}"))
    }

    fn parse_saying<T: DeserializeOwned>(&self, missing: impl FnOnce(&str) -> String) -> Result<T, ApiError> {
        let bytes = self.0.as_deref().ok_or_else(|| ApiError::bad_request("Missing payload"))?;
        json::from_slice(bytes).map_err(|error| {
            let text = error.to_string();
            let problem = missing_field(&text).map(|field| format!(", {}", missing(&camel_case(field))));
            ApiError::bad_request(format!("Payload parsing failed: {text}{}", problem.unwrap_or_default()))
        })
    }
}

/// The field that an error of serde says is missing.
fn missing_field(text: &str) -> Option<&str> {
    text.strip_prefix("missing field `")?.split('`').next()
}

/// `workflow_id` becomes `workflowId`.
pub(super) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}

/// A fresh request id: 32 hexadecimal digits of a random UUID.
pub(crate) fn new_request_id() -> String {
    let mut bytes = [0; 16];
    // Without random bytes ids repeat, which makes the log harder to read and nothing worse.
    let _ = getrandom::fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid().simple().to_string()
}

fn decode(text: &str) -> Result<String, BadEscape> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(BadEscape);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).map_err(|_| BadEscape)?);
    }
    String::from_utf8(bytes).map_err(|_| BadEscape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str) -> Vec<String> {
        segments(path).unwrap()
    }

    #[test]
    fn segments_are_split_before_they_are_decoded() {
        assert_eq!(split("/"), [""; 0]);
        assert_eq!(split("/a"), ["a"]);
        assert_eq!(split("/a/"), ["a"]);
        assert_eq!(split("/a//"), ["a", ""]);
        assert_eq!(split("//a"), ["", "a"]);
        assert_eq!(split("/c//state"), ["c", "", "state"]);
        assert_eq!(split("/a%2Fb%23c/%20+%C3%A9;x"), ["a/b#c", " +é;x"]);
        assert_eq!(split("*"), ["*"]);
    }

    #[test]
    fn escapes_must_be_whole_and_utf8() {
        for path in ["/%", "/%2", "/%zz", "/a%2/b", "/%ff", "/%c3"] {
            assert_eq!(segments(path), Err(BadEscape), "{path}");
        }
    }

    #[test]
    fn queries_are_read_as_netty_reads_them() {
        let query = Query::parse("a=1&a=2;b=x+y%20z&&c&d=&e=50%%&f=a=b&A=9").unwrap();
        for (name, value) in [("a", "1"), ("b", "x y z"), ("c", ""), ("d", ""), ("e", "50%"), ("f", "a=b"), ("A", "9")]
        {
            assert_eq!(query.get(name), Some(value), "{name}");
        }
        assert_eq!(query.get("z"), None);
        assert_eq!(query.filter("c"), None);
        assert_eq!(Query::parse("a=%4"), Err(BadEscape));
        let many: String = (0..2000).map(|n| format!("n{n}=1&")).collect();
        let many = Query::parse(&many).unwrap();
        assert!(many.get("n1023").is_some() && many.get("n1024").is_none());
    }

    #[test]
    fn only_the_word_true_is_true() {
        let query = Query::parse("a=TRUE&b=1&c=yes&d").unwrap();
        assert!(query.is_true("a"));
        assert!(["b", "c", "d", "e"].iter().all(|name| !query.is_true(name)));
    }

    #[test]
    fn missing_fields_are_named_as_the_original_does() {
        let payload = Payload(Some(br#"{"parameter":"x"}"#.to_vec()));
        let error = payload.parse::<styx_client::TriggerRequest>().unwrap_err();
        assert!(error.reason().starts_with("Payload parsing failed: "), "{}", error.reason());
        assert!(error.reason().contains("problem: workflowId"), "{}", error.reason());
        let error = payload.parse_not_null::<styx_client::Resource>().unwrap_err();
        assert!(error.reason().ends_with(", problem: Null id"), "{}", error.reason());
        assert_eq!(Payload(None).parse::<u8>().unwrap_err().reason(), "Missing payload");
        assert_eq!(Payload(None).required().unwrap_err().reason(), "Missing payload.");
    }

    #[test]
    fn request_ids_have_the_clients_form() {
        let id = new_request_id();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_ne!(id, new_request_id());
    }
}
