//! What Styx needs of IAM.

use std::{fmt, future::Future, time::Duration};

use chrono::{DateTime, Utc};

/// Google's Identity and Access Management, as far as keys of service accounts are concerned.
///
/// # What every implementation holds
///
/// 1. A call that fails says whether it may have taken effect ([`IamError::Later`]).
/// 2. What it takes is bounded: a call that isn't answered fails, after two minutes at the latest.
/// 3. A list may lack keys that were made minutes ago, and hold ones that are deleted. Nothing else is invented.
pub trait Iam: Send + Sync {
    /// The keys of an account that users manage; Google's own ones are left out.
    fn list_keys(&self, account: &str) -> impl Future<Output = Result<Listed, IamError>> + Send;

    /// Makes a key. Its private half is in the answer and nowhere else.
    fn create_key(&self, account: &str, kind: KeyKind) -> impl Future<Output = Result<CreatedKey, IamError>> + Send;

    /// Whether a key is there, by its full name.
    fn key_exists(&self, name: &str) -> impl Future<Output = Result<bool, IamError>> + Send;

    /// Deletes a key by its full name; one that isn't there is [`IamError::NotFound`].
    fn delete_key(&self, name: &str) -> impl Future<Output = Result<(), IamError>> + Send;

    /// The e-mail address that Styx itself goes by, if that can be found out.
    fn identity(&self) -> impl Future<Output = Option<String>> + Send;
}

/// The keys that IAM lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The keys.
    pub keys: Vec<IamKey>,
    /// What IAM's clock showed, if the answer tells.
    pub at: Option<DateTime<Utc>>,
}

/// A key as IAM lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamKey {
    /// Its full name, `projects/PROJECT/serviceAccounts/ACCOUNT/keys/ID`.
    pub name: String,
    /// When it was made: it is valid from then on.
    pub created_at: Option<DateTime<Utc>>,
    /// Whether somebody has disabled it.
    pub disabled: bool,
    /// Whether IAM made it. The others were made elsewhere and uploaded.
    pub made_by_iam: bool,
    /// Who made it, if IAM tells.
    pub creator: Option<String>,
}

/// The form of the file that holds a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// A credentials file, which Google's libraries read.
    Json,
    /// PKCS #12, with the password `notasecret`.
    P12,
}

impl KeyKind {
    /// The kinds in the order in which they are made.
    pub const ALL: [Self; 2] = [Self::Json, Self::P12];
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::P12 => "P12",
        })
    }
}

/// A key that was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct CreatedKey {
    /// Its full name.
    pub name: String,
    /// The file with the private key.
    pub file: Vec<u8>,
}

impl fmt::Debug for CreatedKey {
    /// Without the private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why IAM didn't do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IamError {
    /// There is no such account, or no such key.
    #[error("not found: {message}")]
    NotFound {
        /// IAM's words.
        message: String,
    },
    /// Styx may not. IAM also answers so for an account that isn't there, if its project isn't known.
    #[error("permission denied: {message}")]
    Denied {
        /// IAM's words.
        message: String,
    },
    /// The account has as many keys as it may have.
    #[error("the account has as many keys as it may have: {message}")]
    Full {
        /// IAM's words.
        message: String,
    },
    /// A policy of the organization forbids to make keys.
    #[error("a policy forbids keys: {message}")]
    Forbidden {
        /// IAM's words.
        message: String,
    },
    /// The account's name isn't one.
    #[error("invalid: {message}")]
    Invalid {
        /// IAM's words.
        message: String,
    },
    /// Not now.
    #[error("{message}")]
    Later {
        /// What happened.
        message: String,
        /// How long IAM wants to be left alone.
        retry_after: Option<Duration>,
        /// Whether the request may have taken effect all the same.
        may_have_happened: bool,
    },
    /// Styx itself can't use IAM: its credentials, the API of its project, an answer that makes no sense.
    #[error("IAM can't be used: {message}")]
    Trouble {
        /// What is wrong.
        message: String,
    },
}

impl IamError {
    /// Whether the request may have taken effect all the same.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Later { may_have_happened: true, .. })
    }
}
