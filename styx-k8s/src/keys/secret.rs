//! The secrets that hold keys, and those that mark an attempt to make keys: what they look like in Kubernetes.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::iam::{CreatedKey, KeyKind};
use crate::{
    secrets::{PREFIX, epoch_end, secret_name},
    sha256_hex,
};

/// The label with a digest of the account, so that its secrets can be listed without all others. Styx 2.x sets no label.
pub const ACCOUNT_LABEL: &str = "styx-wf-sa-account";

/// What the names of the markers begin with.
const ATTEMPT_PREFIX: &str = "styx-wf-sa-attempt";

const ACCOUNT: &str = "styx-wf-sa";
const EPOCH: &str = "styx-wf-sa-epoch";
const ROTATION: &str = "styx-wf-sa-rotation-seconds";
const BEGUN: &str = "styx-wf-sa-begun";
const KNOWN: &str = "styx-wf-sa-known-keys";

/// How long an epoch of Styx 2.x lasts, and how long its secrets live at least.
const STYX_2_ROTATION: TimeDelta = TimeDelta::days(7);
const STYX_2_LIFE: TimeDelta = TimeDelta::days(8);

impl KeyKind {
    /// The annotation with the name of the key.
    fn annotation(self) -> &'static str {
        match self {
            Self::Json => "styx-wf-sa-json-key-name",
            Self::P12 => "styx-wf-sa-p12-key-name",
        }
    }

    /// The name of the file in the secret, and where it is mounted.
    pub fn file(self) -> &'static str {
        match self {
            Self::Json => "styx-wf-sa.json",
            Self::P12 => "styx-wf-sa.p12",
        }
    }
}

/// A secret with keys, without what it holds: nothing but the API server and the job's pod ever reads that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySecret {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Whose keys it holds.
    pub account: String,
    /// The epoch that it was made in.
    pub epoch: i64,
    /// How long that epoch lasts; none is that of Styx 2.x, which made it.
    pub rotation: Option<TimeDelta>,
    /// When it was made, on the API server's clock.
    pub created_at: DateTime<Utc>,
    /// The full names of its keys.
    pub keys: Vec<String>,
}

impl KeySecret {
    /// Reads a secret's metadata. None is a secret of others.
    ///
    /// Its name has to be the one that its account and its epoch make, and its keys have to be the account's: whoever may
    /// write secrets shall not have the keys of others deleted.
    pub fn read(meta: &ObjectMeta) -> Option<Self> {
        let name = meta.name.as_deref()?;
        let annotations = meta.annotations.as_ref()?;
        let (account, epoch) = (annotations.get(ACCOUNT)?, annotations.get(EPOCH)?.parse().ok()?);
        let rest = name.strip_prefix(&secret_name(account, epoch))?;
        let is_numbered = rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok());
        if !rest.is_empty() && !is_numbered {
            return None;
        }
        let rotation = match annotations.get(ROTATION) {
            Some(seconds) => {
                Some(seconds.parse().ok().filter(|seconds| *seconds > 0).and_then(TimeDelta::try_seconds)?)
            }
            None => None,
        };
        let keys: Vec<String> =
            KeyKind::ALL.iter().filter_map(|kind| annotations.get(kind.annotation()).cloned()).collect();
        let are_its_own = keys.iter().all(|key| account_of(key) == Some(account));
        (are_its_own && !keys.is_empty()).then_some(Self {
            name: name.to_owned(),
            uid: meta.uid.clone()?,
            account: account.clone(),
            epoch,
            rotation,
            created_at: created_at(meta)?,
            keys,
        })
    }

    /// From when on it is removed, unless a pod uses it or it is of the present epoch.
    ///
    /// Those of Styx 2.x live by its own times, so that it can go on using them.
    pub(super) fn goes_at(&self, old_key_lives: TimeDelta, launch_margin: TimeDelta) -> DateTime<Utc> {
        let lives = if self.rotation.is_some() { old_key_lives } else { STYX_2_LIFE };
        let epoch_end = epoch_end(&self.account, self.epoch, self.rotation.unwrap_or(STYX_2_ROTATION));
        let by_age = self.created_at + lives;
        epoch_end.and_then(|end| end.checked_add_signed(launch_margin)).map_or(by_age, |end| by_age.max(end))
    }
}

/// The marker of an attempt to make keys: a secret without data that is there before the first key is made, and goes once each
/// key that was made is in a secret or deleted. It outlives a crash, and so says where keys may be that nothing else knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Whose keys were to be made.
    pub account: String,
    /// When the attempt began, on IAM's clock if it could be read.
    pub begun_at: DateTime<Utc>,
    /// When the marker was made, on the API server's clock.
    pub created_at: DateTime<Utc>,
    /// The ids of the keys that the account had before.
    pub known: Vec<String>,
}

impl Attempt {
    /// Reads a secret's metadata. None is no marker.
    pub fn read(meta: &ObjectMeta) -> Option<Self> {
        let name = meta.name.as_deref().filter(|name| name.starts_with(ATTEMPT_PREFIX))?;
        let annotations = meta.annotations.as_ref()?;
        Some(Self {
            name: name.to_owned(),
            uid: meta.uid.clone()?,
            account: annotations.get(ACCOUNT)?.clone(),
            begun_at: annotations.get(BEGUN)?.parse().ok()?,
            created_at: created_at(meta)?,
            known: annotations.get(KNOWN)?.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        })
    }
}

/// The value of [`ACCOUNT_LABEL`] for an account.
pub fn account_label(account: &str) -> String {
    // A label holds 63 characters.
    sha256_hex(account)[..40].to_owned()
}

/// The account in the full name of a key.
pub(super) fn account_of(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once("/serviceAccounts/")?;
    let (account, id) = rest.split_once("/keys/")?;
    (key.starts_with("projects/") && !id.is_empty() && !id.contains('/')).then_some(account)
}

/// The id in the full name of a key.
pub(super) fn id_of(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// The secret with new keys, to be created. `number` tells apart those of one epoch; the first has none.
pub(super) fn key_secret(
    account: &str,
    epoch: i64,
    number: usize,
    rotation: TimeDelta,
    keys: Vec<(KeyKind, CreatedKey)>,
) -> Secret {
    let mut name = secret_name(account, epoch);
    if number > 0 {
        name = format!("{name}-{number}");
    }
    let mut annotations = BTreeMap::from([
        (ACCOUNT.to_owned(), account.to_owned()),
        (EPOCH.to_owned(), epoch.to_string()),
        (ROTATION.to_owned(), rotation.num_seconds().to_string()),
    ]);
    let mut data = BTreeMap::new();
    for (kind, key) in keys {
        annotations.insert(kind.annotation().to_owned(), key.name);
        data.insert(kind.file().to_owned(), ByteString(key.file));
    }
    Secret { data: Some(data), ..secret(name, account, annotations) }
}

/// The marker of an attempt, to be created.
pub(super) fn attempt(account: &str, begun_at: DateTime<Utc>, now: DateTime<Utc>, known: &[String]) -> Secret {
    let name = format!("{ATTEMPT_PREFIX}-{}-{}", &sha256_hex(account)[..16], now.timestamp_millis());
    let annotations = BTreeMap::from([
        (ACCOUNT.to_owned(), account.to_owned()),
        (BEGUN.to_owned(), begun_at.to_rfc3339_opts(SecondsFormat::Millis, true)),
        (KNOWN.to_owned(), known.iter().map(|key| id_of(key)).collect::<Vec<_>>().join(",")),
    ]);
    secret(name, account, annotations)
}

/// Whether a secret's name says that it holds keys, or marks an attempt.
pub(super) fn is_ours(meta: &ObjectMeta) -> bool {
    meta.name.as_deref().is_some_and(|name| name.starts_with(PREFIX) || name.starts_with(ATTEMPT_PREFIX))
}

fn secret(name: String, account: &str, annotations: BTreeMap<String, String>) -> Secret {
    let labels = BTreeMap::from([(ACCOUNT_LABEL.to_owned(), account_label(account))]);
    let metadata =
        ObjectMeta { name: Some(name), labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() };
    Secret { metadata, ..Secret::default() }
}

fn created_at(meta: &ObjectMeta) -> Option<DateTime<Utc>> {
    let millis = meta.creation_timestamp.as_ref()?.0.as_millisecond();
    DateTime::from_timestamp_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::{CREDENTIALS_FILE, KEYS_PATH};

    #[test]
    fn the_variable_of_a_pod_names_the_file_of_the_secret() {
        assert_eq!(format!("{KEYS_PATH}{}", KeyKind::Json.file()), CREDENTIALS_FILE);
    }

    #[test]
    fn a_key_is_of_the_account_in_its_name() {
        let name = "projects/p/serviceAccounts/a@p.iam.gserviceaccount.com/keys/0f";
        assert_eq!((account_of(name), id_of(name)), (Some("a@p.iam.gserviceaccount.com"), "0f"));
        for name in [
            "",
            "projects/p/serviceAccounts/a/keys/",
            "projects/p/serviceAccounts/a/keys/1/x",
            "x/serviceAccounts/a/keys/1",
        ] {
            assert_eq!(account_of(name), None, "{name}");
        }
    }
}
