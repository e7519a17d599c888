//! Executions as pods of Kubernetes.
//!
//! This crate will hold the executor over pods, the secrets with keys of service accounts, and what a pod's status says
//! about its execution. So far there are only the names of things in Kubernetes, which are pure functions: [`labels`] and
//! [`secrets`].
//!
//! ```
//! assert_eq!(styx_k8s::labels::normalise("2016-03-14T15"), "2016-03-14t154bef2ab");
//! ```

pub mod labels;
pub mod secrets;

use sha2::{Digest, Sha256};

/// The SHA-256 of a text as 64 small hexadecimal digits.
fn sha256_hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
