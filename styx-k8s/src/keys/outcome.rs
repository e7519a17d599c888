//! What comes of keys: for a launch, for a collection, and for whoever takes notice.

use std::{fmt, time::Duration};

use super::{
    iam::{IamError, KeyKind},
    settings::KeySettings,
};

/// The keys of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensured {
    /// The name of the secret to mount.
    pub secret: String,
    /// Why it isn't one of the present epoch, if it should be.
    pub warning: Option<String>,
}

/// Why a launch has no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The workflow's failure, in the words of Styx 2.x (SA-1): to try again doesn't help until somebody has changed something.
    #[error("{0}")]
    Refused(String),
    /// Not now: the launch is refused for the time being.
    #[error("{reason}")]
    Later {
        /// What happened.
        reason: String,
        /// How long to wait at least.
        retry_after: Option<Duration>,
    },
}

/// What a collection did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// The secrets and markers that were removed.
    pub secrets: Vec<String>,
    /// What couldn't be done or decided, for the log and the executor's health. The next collection tries again.
    pub problems: Vec<String>,
}

/// What happened to keys, for the audit log and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyEvent {
    /// A key was made.
    Created {
        /// Whose.
        account: String,
        /// Its full name.
        key: String,
        /// Its form.
        kind: KeyKind,
    },
    /// A key was deleted, or found gone.
    Deleted {
        /// Whose.
        account: String,
        /// Its full name.
        key: String,
        /// Why.
        why: &'static str,
    },
    /// A launch gets older keys than it should.
    Warning {
        /// Whose.
        account: String,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for KeyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { account, key, kind } => write!(f, "created {kind} key {key} of service account {account}"),
            Self::Deleted { account, key, why } => write!(f, "deleted key {key} of service account {account}: {why}"),
            Self::Warning { account, reason } => write!(f, "keys of service account {account}: {reason}"),
        }
    }
}

/// What a run's record shows of an error (SA-1).
pub(super) fn refusal(settings: &KeySettings, account: &str, error: IamError) -> KeyError {
    match error {
        IamError::NotFound { .. } => KeyError::Refused(format!("Referenced service account {account} was not found")),
        IamError::Denied { .. } => KeyError::Refused(format!(
            "Permission denied when creating keys for service account: {account}. Styx needs to be Service Account Key Admin."
        )),
        IamError::Full { .. } => full(settings, account, None),
        IamError::Forbidden { message } => KeyError::Refused(format!(
            "Creating keys is forbidden by a policy of the organization for service account: {account}. {message}"
        )),
        IamError::Invalid { message } => {
            KeyError::Refused(format!("Referenced service account {account} is invalid: {message}"))
        }
        IamError::Later { message, retry_after, .. } => {
            KeyError::Later { reason: format!("keys of service account {account}: {message}"), retry_after }
        }
        error @ IamError::Trouble { .. } => {
            KeyError::Later { reason: format!("keys of service account {account}: {error}"), retry_after: None }
        }
    }
}

/// What it shows of an account that has no room, with how many keys it has and how many of them are ours.
pub(super) fn full(settings: &KeySettings, account: &str, count: Option<(usize, usize)>) -> KeyError {
    let needed = settings.keys_needed();
    let count = count.map_or_else(String::new, |(keys, ours)| {
        let limit = settings.key_limit;
        format!(" It has {keys} of at most {limit}, {ours} of them in the secrets of this executor.")
    });
    KeyError::Refused(format!(
        "Maximum number of keys on service account reached: {account}. Styx requires {needed} keys to operate.{count}"
    ))
}

/// What passes.
pub(super) fn later(error: impl ToString) -> KeyError {
    KeyError::Later { reason: error.to_string(), retry_after: None }
}
