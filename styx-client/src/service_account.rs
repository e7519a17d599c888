//! Whether somebody may run workflows as a service account.

use serde::{Deserialize, Serialize};

/// Asks whether a principal may use a service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestServiceAccountUsageRequest {
    /// The e-mail address of the service account.
    pub service_account: String,
    /// The e-mail address of the one who wants to use it.
    pub principal: String,
}

/// The answer to a [`TestServiceAccountUsageRequest`], which it repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestServiceAccountUsageResponse {
    /// Whether the principal may use the account.
    #[serde(default)]
    pub authorized: bool,
    /// Whether the account is one that nobody may use.
    #[serde(default)]
    pub blacklisted: bool,
    /// Why, in words.
    pub message: Option<String>,
    /// The e-mail address of the service account.
    pub service_account: String,
    /// The e-mail address of the one who wants to use it.
    pub principal: String,
}
