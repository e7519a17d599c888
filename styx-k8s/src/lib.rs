//! Executions as pods of Kubernetes.
//!
//! This crate will hold the executor over pods. So far there are pure functions:
//!
//! - the names of things in Kubernetes ([`labels`], [`secrets`]), the pod of a launch ([`pod`]) with what templates add to it
//!   ([`template`]), and when a pod is removed ([`cleanup`]);
//! - what Styx reads of a pod ([`view`]), and what that says about its execution ([`verdict`]);
//! - what an answer of the API server means ([`answer`]);
//! - when a watch is resumed, begun anew or hung up ([`watch`]), and what its events say to the core ([`observe`]);
//!
//! and the [`keys`] of service accounts, with IAM over HTTP.
//!
//! ```
//! assert_eq!(styx_k8s::labels::normalise("2016-03-14T15"), "2016-03-14t154bef2ab");
//! ```

pub mod answer;
pub mod cleanup;
pub mod keys;
pub mod labels;
mod lenient;
pub mod observe;
pub mod pod;
pub mod secrets;
pub mod template;
pub mod verdict;
pub mod view;
pub mod watch;

use sha2::{Digest, Sha256};

/// The SHA-256 of a text as 64 small hexadecimal digits.
fn sha256_hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
