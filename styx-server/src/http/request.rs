//! What a request says beside its path and query: body and id.

use axum::body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use styx_client::json;
use uuid::Builder;

use super::response::ApiError;

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

#[cfg(test)]
mod tests {
    use super::*;

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
