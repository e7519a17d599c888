//! The keys of service accounts: made, mounted, rotated and collected.
//!
//! A workflow with a `service_account` finds keys of that account in files of its container, a JSON file that
//! `GOOGLE_APPLICATION_CREDENTIALS` names and a PKCS #12 file beside it. They come from a Kubernetes secret in the executor's
//! namespace. Each epoch of an account (a day, by default) has a secret of its own, made by its first launch. The secret of an
//! earlier epoch goes, with its keys, once it is 48 h old and no living pod uses it.
//!
//! - [`plan`]: what is to be done about an account, a pure function of what there is;
//! - [`Iam`] and [`Secrets`]: what that takes of the outside; [`google`] is IAM over HTTP;
//! - [`AccountKeys`]: doing it.
//!
//! # What holds
//!
//! - A key that a living pod's secret holds is never deleted, and a launch is never given a secret that may go within the hour.
//! - A launch gets keys that are valid, the old ones as long as there are no new ones; it waits, or is refused, only if there are
//!   none at all.
//! - Styx makes no key beyond what IAM allows an account, and counts those that may have been made without its knowing.
//! - A key that is made and never comes into a secret, since Styx died or an answer was lost, is found and deleted. For that
//!   a marker, a secret without data, is there before the first key is made, and says when that was and which keys there were.
//!   Nothing else is ever taken for such a key: neither one that any secret holds, nor an older or uploaded one, nor one of more
//!   than the attempt can have made.
//! - Nothing is remembered that matters: each step begins from what Kubernetes and IAM show.
//!
//! The names and annotations of the secrets are those of Styx 2.x, with one more (ADR 16).
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use styx_k8s::keys::{AccountKeys, Elsewhere, KeySettings, Secrets, google::{Credentials, GoogleIam, IAM}, secrets_in_use};
//!
//! # async fn run(secrets: impl Secrets, pods: Vec<k8s_openapi::api::core::v1::Pod>) -> Result<(), Box<dyn std::error::Error>> {
//! let settings = KeySettings::default();
//! settings.check()?;
//! let iam = GoogleIam::new(IAM, Credentials::default())?;
//! let keys = AccountKeys::new(iam, secrets, settings, Arc::new(|| std::time::SystemTime::now().into()));
//! // For each launch, right before its pod is created:
//! let secret = keys.ensure("job@project.iam.gserviceaccount.com").await?.secret;
//! // And each half hour, with all pods of the namespace:
//! let collected = keys.collect(&secrets_in_use(&pods), Some(&Elsewhere::default())).await?;
//! # Ok(())
//! # }
//! ```

mod account_keys;
pub mod google;
mod iam;
mod in_use;
mod outcome;
pub mod plan;
mod secret;
mod secrets;
mod settings;

pub use account_keys::{AccountKeys, Clock, Listener};
pub use iam::{CreatedKey, Iam, IamError, IamKey, KeyKind, Listed};
pub use in_use::secrets_in_use;
pub use outcome::{Collected, Ensured, KeyError, KeyEvent};
pub use plan::Elsewhere;
pub use secret::{ACCOUNT_LABEL, Attempt, KeySecret, account_label};
pub use secrets::{Secrets, SecretsError};
pub use settings::{KeySettings, KeySettingsError, Orphans};
