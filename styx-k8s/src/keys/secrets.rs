//! What Styx needs of Kubernetes' secrets.

use std::future::Future;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};

/// The secrets of an executor's namespace.
///
/// It takes the verbs `list`, `create` and `delete`. No data is ever read, so a list may be one of metadata only
/// (`Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`).
pub trait Secrets: Send + Sync {
    /// The metadata of all secrets, or of those with a label, as new as can be (without `resourceVersion`).
    fn list(&self, label: Option<(&str, &str)>) -> impl Future<Output = Result<Vec<ObjectMeta>, SecretsError>> + Send;

    /// Creates a secret.
    fn create(&self, secret: &Secret) -> impl Future<Output = Result<ObjectMeta, SecretsError>> + Send;

    /// Deletes the secret of this name and uid. That it is gone, or that another one has the name, is a success.
    fn delete(&self, name: &str, uid: &str) -> impl Future<Output = Result<(), SecretsError>> + Send;
}

/// Why Kubernetes didn't do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// A secret of that name is there.
    #[error("a secret of that name is there")]
    Exists,
    /// Anything else.
    #[error("{message}")]
    Failed {
        /// What happened.
        message: String,
        /// Whether the request may have taken effect all the same.
        may_have_happened: bool,
    },
}
