//! What an answer of IAM means: by the words of its error, where its number has several meanings.

use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::ByteString;
use serde::Deserialize;

use crate::keys::iam::{CreatedKey, IamError, IamKey, Listed};

/// How many characters of a body that isn't of IAM are shown.
const SHOWN_BODY: usize = 512;

/// An answer of HTTP, read to its end.
#[derive(Debug, Clone, Default)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The header `Retry-After`, if it is there.
    pub retry_after: Option<String>,
    /// The header `Date`, likewise.
    pub date: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Reads the answer to a list.
pub fn listed(answer: &HttpAnswer) -> Result<Listed, IamError> {
    let list: KeyList = success(answer)?;
    let at = answer.date.as_deref().and_then(|date| DateTime::parse_from_rfc2822(date).ok());
    let keys = list.keys.into_iter().map(|key| IamKey {
        name: key.name,
        created_at: key.valid_after_time.parse().ok(),
        disabled: key.disabled,
        // A key whose origin isn't told is none of IAM's making, for what follows from it is a deletion.
        made_by_iam: key.key_origin == "GOOGLE_PROVIDED",
        creator: key.creator.filter(|creator| !creator.is_empty()),
    });
    Ok(Listed { keys: keys.collect(), at: at.map(|at| at.with_timezone(&Utc)) })
}

/// Reads the answer to a create.
pub fn created(answer: &HttpAnswer) -> Result<CreatedKey, IamError> {
    let key: Key = match success(answer) {
        // It says that there is a key, but not which.
        Err(IamError::Trouble { message }) if is_success(answer) => return Err(unsure(message)),
        other => other?,
    };
    match key.private_key_data {
        Some(file) if !key.name.is_empty() && !file.0.is_empty() => Ok(CreatedKey { name: key.name, file: file.0 }),
        _ => Err(unsure("IAM's answer holds no private key".to_owned())),
    }
}

/// Reads the answer to a GET of a key.
pub fn exists(answer: &HttpAnswer) -> Result<bool, IamError> {
    match success::<Key>(answer) {
        Ok(key) => Ok(!key.disabled),
        // For a key as for an account, IAM hides what isn't there behind a missing permission.
        Err(IamError::NotFound { .. } | IamError::Denied { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads the answer to a delete.
pub fn deleted(answer: &HttpAnswer) -> Result<(), IamError> {
    if is_success(answer) { Ok(()) } else { Err(error(answer)) }
}

/// What an answer that isn't a success means.
pub fn error(answer: &HttpAnswer) -> IamError {
    let said = Said::read(answer);
    let message = said.message.clone();
    let later = |may_have_happened| {
        let retry_after = answer.retry_after.as_deref().and_then(|text| text.trim().parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        IamError::Later { message: message.clone(), retry_after, may_have_happened }
    };
    if said.is_about_rate() {
        return later(false);
    }
    match answer.status {
        404 => IamError::NotFound { message },
        403 if said.is_about_styx() => IamError::Trouble { message },
        403 => IamError::Denied { message },
        400 | 412 if said.is_policy() => IamError::Forbidden { message },
        // As in Styx 2.x; the one number was followed by the other over the years.
        400 | 412 if said.status == "FAILED_PRECONDITION" => IamError::Full { message },
        429 if said.status == "RESOURCE_EXHAUSTED" => IamError::Full { message },
        400 => IamError::Invalid { message },
        409 | 429 => later(false),
        408 | 499 | 500.. => later(true),
        _ => IamError::Trouble { message },
    }
}

fn is_success(answer: &HttpAnswer) -> bool {
    (200..300).contains(&answer.status)
}

fn success<'a, T: Deserialize<'a>>(answer: &'a HttpAnswer) -> Result<T, IamError> {
    if !is_success(answer) {
        return Err(error(answer));
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        // Without the body, which may hold a private key.
        IamError::Trouble { message: format!("IAM's answer {} can't be read: {error}", answer.status) }
    })
}

fn unsure(message: String) -> IamError {
    IamError::Later { message, retry_after: None, may_have_happened: true }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeyList {
    keys: Vec<Key>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Key {
    name: String,
    private_key_data: Option<ByteString>,
    valid_after_time: String,
    disabled: bool,
    key_origin: String,
    creator: Option<String>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What an error says, in the form of all of Google's APIs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    message: String,
    status: String,
    details: Vec<Detail>,
    /// The older form beside it.
    errors: Vec<OldError>,
}

/// One of the details. Which kind it is follows from what it has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    /// Of an `ErrorInfo`.
    reason: String,
    /// Of a `PreconditionFailure`.
    violations: Vec<Violation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Violation {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OldError {
    reason: String,
}

impl Said {
    fn read(answer: &HttpAnswer) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: Said,
        }
        match serde_json::from_slice::<Body>(&answer.body) {
            Ok(Body { error }) if !error.message.is_empty() => error,
            _ => {
                let body: String = String::from_utf8_lossy(&answer.body).trim().chars().take(SHOWN_BODY).collect();
                let body = if body.is_empty() { "no body".to_owned() } else { body };
                Self { message: format!("{}: {body}", answer.status), ..Self::default() }
            }
        }
    }

    fn reasons(&self) -> impl Iterator<Item = &str> {
        self.details.iter().map(|detail| detail.reason.as_str())
    }

    /// Whether requests come too fast. An account that is full of keys has the same number, and in the older form even the same
    /// reason.
    fn is_about_rate(&self) -> bool {
        let is_full = self.message.contains("Maximum number of keys");
        let has_reason =
            self.reasons().any(|reason| matches!(reason, "RATE_LIMIT_EXCEEDED" | "RESOURCE_QUOTA_EXCEEDED"));
        let old = ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"];
        let has_old_reason = self.errors.iter().any(|error| old.contains(&error.reason.as_str()));
        !is_full && (has_reason || has_old_reason || self.message.contains("Quota exceeded for quota metric"))
    }

    /// Whether the organization forbids keys.
    fn is_policy(&self) -> bool {
        let violations = self.details.iter().flat_map(|detail| &detail.violations);
        let is_constraint = |violation: &Violation| violation.kind.starts_with("constraints/");
        violations.into_iter().any(is_constraint) || self.message.contains("Key creation is not allowed")
    }

    /// Whether it is Styx's own project or token that lacks something, not its role for the account.
    fn is_about_styx(&self) -> bool {
        self.reasons().any(|reason| {
            matches!(
                reason,
                "SERVICE_DISABLED"
                    | "BILLING_DISABLED"
                    | "CONSUMER_INVALID"
                    | "CONSUMER_SUSPENDED"
                    | "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
                    | "USER_PROJECT_DENIED"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, body: &Value) -> HttpAnswer {
        HttpAnswer { status, body: body.to_string().into_bytes(), ..HttpAnswer::default() }
    }

    fn failed(code: u16, status: &str, message: &str, details: Value) -> IamError {
        error(&answer(
            code,
            &json!({"error": {"code": code, "message": message, "status": status, "details": details}}),
        ))
    }

    #[test]
    fn the_number_of_keys_and_the_rate_of_requests_are_told_apart() {
        let full = "Maximum number of keys on account reached.";
        for (code, status) in [(429, "RESOURCE_EXHAUSTED"), (400, "FAILED_PRECONDITION")] {
            assert!(matches!(failed(code, status, full, json!([])), IamError::Full { .. }));
        }
        let old = json!({"error": {"code": 429, "message": full, "errors": [{"reason": "rateLimitExceeded"}],
            "status": "RESOURCE_EXHAUSTED"}});
        assert!(matches!(error(&answer(429, &old)), IamError::Full { .. }));

        let rate = "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute' of service 'iam.googleapis.com'";
        let info = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}]);
        for details in [info, json!([])] {
            let error = failed(429, "RESOURCE_EXHAUSTED", rate, details);
            assert!(matches!(error, IamError::Later { may_have_happened: false, .. }), "{error:?}");
        }
        let proxy = HttpAnswer {
            status: 429,
            retry_after: Some("7".into()),
            body: b"slow down".into(),
            ..HttpAnswer::default()
        };
        let expected = IamError::Later {
            message: "429: slow down".into(),
            retry_after: Some(Duration::from_secs(7)),
            may_have_happened: false,
        };
        assert_eq!(error(&proxy), expected);
    }

    #[test]
    fn a_policy_is_no_lack_of_room() {
        let violations = json!([{"@type": "type.googleapis.com/google.rpc.PreconditionFailure",
            "violations": [{"type": "constraints/iam.disableServiceAccountKeyCreation", "subject": "projects/p"}]}]);
        let message = "Key creation is not allowed on this service account.";
        for details in [violations, json!([])] {
            let error = failed(400, "FAILED_PRECONDITION", message, details);
            assert_eq!(error, IamError::Forbidden { message: message.into() });
        }
    }

    #[test]
    fn a_missing_role_is_the_workflows_and_a_missing_api_is_styxs() {
        let denied = failed(403, "PERMISSION_DENIED", "Permission 'iam.serviceAccountKeys.create' denied", json!([]));
        assert!(matches!(denied, IamError::Denied { .. }));
        let info = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}]);
        assert!(matches!(failed(403, "PERMISSION_DENIED", "API has not been used", info), IamError::Trouble { .. }));
        assert!(matches!(failed(404, "NOT_FOUND", "Unknown service account", json!([])), IamError::NotFound { .. }));
        assert!(matches!(failed(400, "INVALID_ARGUMENT", "Invalid form", json!([])), IamError::Invalid { .. }));
        assert!(matches!(failed(401, "UNAUTHENTICATED", "Invalid token", json!([])), IamError::Trouble { .. }));
    }

    #[test]
    fn what_failed_on_the_way_may_have_happened() {
        for status in [500, 502, 503, 504] {
            assert!(error(&HttpAnswer { status, ..HttpAnswer::default() }).may_have_happened(), "{status}");
        }
        let aborted = failed(409, "ABORTED", "There were concurrent policy changes.", json!([]));
        assert!(matches!(aborted, IamError::Later { may_have_happened: false, .. }));
        // A 200 without a key, or with half of one.
        for body in [
            json!({"name": "projects/p/serviceAccounts/a/keys/1"}),
            json!([]),
            json!({"name": "", "privateKeyData": "e30="}),
        ] {
            let error = created(&answer(200, &body)).expect_err("no key");
            assert!(error.may_have_happened(), "{error:?}");
        }
    }

    #[test]
    fn private_keys_are_in_no_message() {
        let body = json!({"name": 1, "privateKeyData": "c2VjcmV0"});
        let error = created(&answer(200, &body)).expect_err("a number is no name");
        assert!(!format!("{error:?}{error}").contains("c2VjcmV0"));
        let key = created(&answer(
            200,
            &json!({"name": "projects/p/serviceAccounts/a/keys/1", "privateKeyData": "c2VjcmV0"}),
        ));
        let key = key.expect("a key");
        assert_eq!(key.file, b"secret");
        assert!(!format!("{key:?}").contains("115"), "{key:?}");
    }

    #[test]
    fn a_list_tells_when_and_by_whom() {
        let body = json!({"keys": [
            {"name": "n1", "validAfterTime": "2026-01-02T03:04:05Z", "validBeforeTime": "9999-12-31T23:59:59Z",
             "keyAlgorithm": "KEY_ALG_RSA_2048", "keyOrigin": "GOOGLE_PROVIDED", "keyType": "USER_MANAGED"},
            {"name": "n2", "keyOrigin": "USER_PROVIDED", "disabled": true, "creator": "a@b"}
        ]});
        let date = Some("Fri, 02 Jan 2026 03:05:00 GMT".to_owned());
        let listed = listed(&HttpAnswer { date, ..answer(200, &body) }).expect("a list");
        assert_eq!(listed.at, "2026-01-02T03:05:00Z".parse().ok());
        assert_eq!(listed.keys[0].created_at, "2026-01-02T03:04:05Z".parse().ok());
        assert!(listed.keys[0].made_by_iam && !listed.keys[1].made_by_iam && listed.keys[1].disabled);
        assert_eq!(listed.keys[1].creator.as_deref(), Some("a@b"));
        assert_eq!(super::listed(&answer(200, &json!({}))).map(|listed| listed.keys), Ok(Vec::new()));
    }
}
