//! Who asks: from a request's headers to a caller, or a refusal (spec 1.6).

mod command;
mod file;
mod tokens;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use hyper::{HeaderMap, Method, header::AUTHORIZATION};

use crate::http::is_write;

pub(crate) use self::{
    command::{TokenCommand, run},
    tokens::StaticTokens,
};

/// Makes a token in a file of tokens, for tests of what asks for them.
#[cfg(test)]
pub(crate) fn make_token(path: &std::path::Path, name: &str, now: DateTime<Utc>) -> String {
    file::TokenFile::edit(path, |file| file.create(name, None, now).map(|(token, _)| token)).unwrap()
}

/// The name of a caller who hasn't said who it is.
const ANONYMOUS: &str = "anonymous";

/// Tells whose a token is. Static tokens are one way; others (OIDC) are further implementations.
pub(crate) trait Verifier: Send + Sync {
    /// The name of whoever the token stands for at `now`; `None` when it is unknown, revoked or expired.
    fn name_of(&self, token: &str, now: DateTime<Utc>) -> Option<Arc<str>>;
}

/// Who may ask for what.
pub(crate) enum Access {
    /// Everybody may ask for everything, and is anonymous.
    Open,
    /// Whoever shows a good token.
    Tokens {
        /// Says which tokens are good.
        verifier: Box<dyn Verifier>,
        /// Reads need no token, and show no values of environments then.
        anonymous_reads: bool,
    },
}

/// Somebody who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The name that records and the log have for it.
    pub(crate) name: Arc<str>,
    /// Whether it may see values of environments, which may be secrets.
    pub(crate) sees_env: bool,
}

/// Why somebody may not ask; the texts are those of Styx 2.x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The header is of another kind.
    #[error("Authorization token must be of type Bearer")]
    NotBearer,
    /// The token hasn't three parts.
    #[error("Failed to parse Authorization token")]
    Malformed,
    /// The token is unknown, revoked or expired.
    #[error("Authorization token is invalid")]
    Invalid,
    /// There is no token.
    #[error("Unauthorized access")]
    Missing,
}

impl Access {
    /// Who sends a request with these headers.
    ///
    /// # Errors
    ///
    /// When it may not.
    pub(crate) fn caller(&self, method: &Method, headers: &HeaderMap, now: DateTime<Utc>) -> Result<Caller, Refused> {
        let Self::Tokens { verifier, anonymous_reads } = self else {
            return Ok(Caller::anonymous(true));
        };
        let Some(header) = headers.get(AUTHORIZATION) else {
            return if *anonymous_reads && !is_write(method) {
                Ok(Caller::anonymous(false))
            } else {
                Err(Refused::Missing)
            };
        };
        let token = header.as_bytes().strip_prefix(b"Bearer ").ok_or(Refused::NotBearer)?;
        let token = std::str::from_utf8(token).map_err(|_| Refused::Malformed)?;
        if token.split('.').count() != 3 || token.split('.').any(str::is_empty) {
            return Err(Refused::Malformed);
        }
        let name = verifier.name_of(token, now).ok_or(Refused::Invalid)?;
        Ok(Caller { name, sees_env: true })
    }
}

impl Caller {
    /// Somebody without a name.
    pub(crate) fn anonymous(sees_env: bool) -> Self {
        Self { name: ANONYMOUS.into(), sees_env }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OneToken;

    impl Verifier for OneToken {
        fn name_of(&self, token: &str, _: DateTime<Utc>) -> Option<Arc<str>> {
            (token == "a.b.c").then(|| "ann".into())
        }
    }

    fn asked(access: &Access, method: &Method, header: Option<&[u8]>) -> Result<(String, bool), Refused> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, hyper::header::HeaderValue::from_bytes(header).unwrap());
        }
        let caller = access.caller(method, &headers, DateTime::UNIX_EPOCH)?;
        Ok((caller.name.to_string(), caller.sees_env))
    }

    #[test]
    fn refusals_come_in_the_order_of_the_original() {
        let closed = Access::Tokens { verifier: Box::new(OneToken), anonymous_reads: false };
        let readable = Access::Tokens { verifier: Box::new(OneToken), anonymous_reads: true };
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            for access in [&closed, &readable] {
                let ask = |header: &str| asked(access, &method, Some(header.as_bytes()));
                assert_eq!(ask("Bearer a.b.c"), Ok(("ann".to_owned(), true)));
                for other in ["Basic YTpi", "bearer a.b.c", "Bearer", "a.b.c", ""] {
                    assert_eq!(ask(other), Err(Refused::NotBearer), "{other}");
                }
                for malformed in ["Bearer ", "Bearer abc", "Bearer a.b", "Bearer a.b.c.d", "Bearer ..", "Bearer a..c"] {
                    assert_eq!(ask(malformed), Err(Refused::Malformed), "{malformed}");
                }
                for unknown in ["Bearer a.b.d", "Bearer  a.b.c", "Bearer a.b.c "] {
                    assert_eq!(ask(unknown), Err(Refused::Invalid), "{unknown}");
                }
                assert_eq!(asked(access, &method, Some(b"Bearer \xff.b.c")), Err(Refused::Malformed));
            }
            assert_eq!(asked(&closed, &method, None), Err(Refused::Missing), "{method}");
        }
        for (method, expected) in [
            (Method::GET, Ok(("anonymous".to_owned(), false))),
            (Method::HEAD, Ok(("anonymous".to_owned(), false))),
            (Method::POST, Err(Refused::Missing)),
            (Method::PATCH, Err(Refused::Missing)),
        ] {
            assert_eq!(asked(&readable, &method, None), expected, "{method}");
        }
    }

    #[test]
    fn without_authentication_everybody_is_anonymous_whatever_the_header_says() {
        for header in [None, Some(&b"Basic YTpi"[..]), Some(b"Bearer x"), Some(b"Bearer a.b.c")] {
            assert_eq!(asked(&Access::Open, &Method::POST, header), Ok(("anonymous".to_owned(), true)));
        }
    }
}
