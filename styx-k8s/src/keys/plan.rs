//! What is to be done about an account's keys, as a function of what is there.
//!
//! Nothing is remembered between two steps: each looks at the secrets, the markers and the keys anew. So a crash between any
//! two of them, or an answer that was lost, is only another state to begin from.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    iam::IamKey,
    secret::{Attempt, KeySecret, id_of},
    settings::{KeySettings, Orphans, SKEW},
};
use crate::secrets::epoch;

/// How much earlier than its attempt a key may seem to be made. Both are times of IAM, which has whole seconds.
const BEFORE: TimeDelta = TimeDelta::seconds(10);

/// What there is of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The account's e-mail address.
    pub name: String,
    /// Its keys, as IAM lists them; none if IAM couldn't be asked.
    pub keys: Option<Vec<IamKey>>,
    /// Its secrets in the executor's namespace.
    pub secrets: Vec<KeySecret>,
    /// The markers of attempts there.
    pub attempts: Vec<Attempt>,
}

/// What a launch needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The secret that a launch gets, if the step fails or there is none to take.
    pub usable: Option<String>,
    /// What to do before.
    pub step: Step,
}

/// What to do before a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: there are valid keys of the present epoch.
    Nothing,
    /// Make keys and a secret.
    Create {
        /// The epoch that they are for.
        epoch: i64,
        /// Which secret of that epoch it is.
        number: usize,
    },
    /// Keys should be made, and IAM couldn't be asked which there are.
    AskAgain,
    /// There is no room for new keys. Old ones may do, once lists show what an earlier process has deleted.
    WaitForLists,
    /// There is room for new keys once attempts have been judged, from then on.
    WaitForAttempts(DateTime<Utc>),
    /// The account has no room for new keys.
    Full {
        /// How many keys it has.
        keys: usize,
        /// How many of them are in secrets here.
        ours: usize,
    },
}

/// What a launch at `now` needs.
///
/// `removing` names the secrets whose removal has begun, since the keys of those may be gone and still be listed. It is none right
/// after a start, when nobody knows what an earlier process has begun.
pub fn need(
    account: &Account,
    removing: Option<&BTreeSet<String>>,
    now: DateTime<Utc>,
    settings: &KeySettings,
) -> Need {
    let present = epoch(&account.name, now, settings.rotation);
    let mut usable: Vec<&KeySecret> =
        account.secrets.iter().filter(|secret| account.is_usable(secret, now, settings)).collect();
    usable.sort_by_key(|secret| (secret.created_at, &secret.name));
    let has_present = usable.iter().any(|secret| is_of(secret, present, settings));
    let is_settled = |secret: &&&KeySecret| now - secret.created_at >= settings.settles_after;
    let best = usable.iter().rev().find(is_settled).or(usable.last()).map(|secret| secret.name.clone());
    if has_present {
        return Need { usable: best, step: Step::Nothing };
    }
    let Some(keys) = &account.keys else {
        return Need { usable: best, step: Step::AskAgain };
    };
    let room = settings.key_limit.saturating_sub(settings.kinds());
    let (known, reserved) = (account.known_keys(now, settings), account.reserved(keys, settings));
    if known + reserved <= room {
        let number = free_number(account, present);
        return Need { usable: best, step: Step::Create { epoch: present, number } };
    }
    // Keys that can't be replaced are better than none, however old they are.
    let is_removed = |name: &String| removing.is_some_and(|removing| removing.contains(name));
    let valid = account.secrets.iter().filter(|secret| account.has_valid_keys(secret, now, settings));
    let valid = valid.filter(|secret| !is_removed(&secret.name));
    let newest = valid.max_by_key(|secret| (secret.created_at, &secret.name)).map(|secret| secret.name.clone());
    if best.is_none() && newest.is_some() && removing.is_none() {
        return Need { usable: None, step: Step::WaitForLists };
    }
    let judged_at = account.attempts.iter().map(|attempt| attempt.created_at + settings.attempt_judged_after).max();
    let step = match judged_at {
        Some(at) if known <= room => Step::WaitForAttempts(at),
        _ => {
            let held: BTreeSet<&str> = account.held().collect();
            Step::Full { keys: keys.len(), ours: keys.iter().filter(|key| held.contains(key.name.as_str())).count() }
        }
    };
    Need { usable: best.or(newest), step }
}

/// What the other executors' namespaces hold, where nothing of it is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// The full names of the keys in their secrets.
    pub keys: BTreeSet<String>,
    /// The markers of attempts there.
    pub attempts: Vec<Attempt>,
}

/// What a collection finds out beside the account.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The names of the secrets that living pods use, or are about to.
    pub in_use: &'a BTreeSet<String>,
    /// What the other executors hold; none if that couldn't be found out.
    pub elsewhere: Option<&'a Elsewhere>,
    /// Who Styx is, if it could be found out.
    pub identity: Option<&'a str>,
    /// Whether secrets may have been given out that nobody remembers, for want of room (right after a start).
    pub keeps_newest: bool,
}

/// What is to be removed of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collection {
    /// The removals, in their order.
    pub removals: Vec<Removal>,
    /// Keys that an attempt may have made and that aren't deleted: there are too many of them, or they are only reported.
    pub unclear: Vec<String>,
}

/// A removal: its keys are deleted first, then its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The name of the secret with the keys, or of the marker.
    pub secret: String,
    /// Its uid.
    pub uid: String,
    /// The keys to delete, by their full names.
    pub keys: Vec<String>,
    /// Why.
    pub why: Why,
}

/// Why keys and their secret are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// They are old, and nothing uses them.
    Expired,
    /// An attempt to make keys was cut short.
    Interrupted,
}

/// Whether there may be something to collect, which only IAM's list can tell.
pub fn may_collect(account: &Account, known: &Known<'_>, now: DateTime<Utc>, settings: &KeySettings) -> bool {
    account.are_attempts_over(now, settings)
        || account.secrets.iter().any(|secret| account.is_expired(secret, known.in_use, now, settings))
}

/// What is to be removed of an account whose `keys` IAM lists.
pub fn collect(account: &Account, known: &Known<'_>, now: DateTime<Utc>, settings: &KeySettings) -> Collection {
    let keys = account.keys.as_deref().unwrap_or_default();
    let mut collection = Collection::default();
    let mut expired: Vec<&KeySecret> =
        account.secrets.iter().filter(|secret| account.is_expired(secret, known.in_use, now, settings)).collect();
    expired.sort_by_key(|secret| (secret.created_at, &secret.name));
    if let Some(newest) = account.irreplaceable(&expired, keys, known, now, settings) {
        expired.retain(|secret| secret.name != newest);
    }
    let goes = |name: &str| expired.iter().any(|secret| secret.name == name);
    let kept = account.secrets.iter().filter(|secret| !goes(&secret.name));
    let mut kept: BTreeSet<&str> = kept.flat_map(|secret| &secret.keys).map(String::as_str).collect();
    kept.extend(known.elsewhere.iter().flat_map(|elsewhere| &elsewhere.keys).map(String::as_str));
    for secret in &expired {
        collection.removals.push(Removal {
            secret: secret.name.clone(),
            uid: secret.uid.clone(),
            keys: secret.keys.iter().filter(|key| !kept.contains(key.as_str())).cloned().collect(),
            why: Why::Expired,
        });
    }
    let Some(elsewhere) = known.elsewhere else { return collection };
    // An attempt of another executor may be about to put what it made into a secret. One that is over has left it, too.
    let others: Vec<&Attempt> = elsewhere.attempts.iter().filter(|attempt| attempt.account == account.name).collect();
    let is_quiet = others.iter().all(|attempt| is_over(attempt, now, settings));
    if !is_quiet || !account.are_attempts_over(now, settings) {
        return collection;
    }
    let held: BTreeSet<&str> = account.held().chain(kept).collect();
    let mut orphans: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for attempt in &account.attempts {
        let made = keys.iter().filter(|key| {
            !held.contains(key.name.as_str()) && may_have_made(attempt, key, settings) && is_by(key, known.identity)
        });
        let made: Vec<String> = made.map(|key| key.name.clone()).collect();
        found.extend(made.iter().cloned());
        orphans.insert(&attempt.name, made);
    }
    let is_unclear = found.len() > (account.attempts.len() + others.len()) * settings.kinds()
        || (settings.orphans == Orphans::Report && !found.is_empty());
    if is_unclear {
        collection.unclear = found.into_iter().collect();
        return collection;
    }
    for attempt in &account.attempts {
        collection.removals.push(Removal {
            secret: attempt.name.clone(),
            uid: attempt.uid.clone(),
            keys: orphans.remove(attempt.name.as_str()).unwrap_or_default(),
            why: Why::Interrupted,
        });
    }
    collection
}

impl Account {
    /// Whether a launch may get the secret: its keys are valid and stay for as long as the launch may take to show its pod.
    fn is_usable(&self, secret: &KeySecret, now: DateTime<Utc>, settings: &KeySettings) -> bool {
        let present = epoch(&self.name, now, settings.rotation);
        let goes_at = secret.goes_at(settings.old_key_lives, settings.launch_margin);
        let stays = is_of(secret, present, settings) || now < goes_at - settings.launch_margin;
        stays && self.has_valid_keys(secret, now, settings)
    }

    /// Whether all keys of a secret of ours are there, as far as IAM's list can tell. Those of Styx 2.x are left to it.
    fn has_valid_keys(&self, secret: &KeySecret, now: DateTime<Utc>, settings: &KeySettings) -> bool {
        let Some(keys) = &self.keys else {
            return secret.rotation.is_some();
        };
        let is_young = now - secret.created_at < settings.listed_after;
        let is_valid = |name: &String| {
            let key = keys.iter().find(|key| key.name == *name);
            key.map_or(is_young, |key| !key.disabled)
        };
        secret.rotation.is_some() && secret.keys.len() >= settings.kinds() && secret.keys.iter().all(is_valid)
    }

    /// Whether a secret has outlived its time, and nothing uses it.
    fn is_expired(
        &self,
        secret: &KeySecret,
        in_use: &BTreeSet<String>,
        now: DateTime<Utc>,
        settings: &KeySettings,
    ) -> bool {
        let present = epoch(&self.name, now, settings.rotation);
        !is_of(secret, present, settings)
            && now >= secret.goes_at(settings.old_key_lives, settings.launch_margin)
            && !in_use.contains(&secret.name)
    }

    /// The secret among the expired ones that launches would need, since the account has no room for new keys.
    fn irreplaceable<'a>(
        &self,
        expired: &[&'a KeySecret],
        keys: &[IamKey],
        known: &Known<'_>,
        now: DateTime<Utc>,
        settings: &KeySettings,
    ) -> Option<&'a str> {
        let valid = self.secrets.iter().filter(|secret| self.has_valid_keys(secret, now, settings));
        let newest = valid.max_by_key(|secret| (secret.created_at, &secret.name))?;
        let newest = expired.iter().find(|secret| secret.name == newest.name)?;
        let freed = expired.iter().filter(|secret| secret.name != newest.name).flat_map(|secret| &secret.keys);
        let freed: BTreeSet<&str> = freed.map(String::as_str).collect();
        let left = keys.iter().filter(|key| !freed.contains(key.name.as_str())).count();
        let has_room = left + self.reserved(keys, settings) + settings.kinds() <= settings.key_limit;
        (!has_room || known.keeps_newest).then_some(newest.name.as_str())
    }

    /// The names of all keys in secrets.
    fn held(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().flat_map(|secret| &secret.keys).map(String::as_str)
    }

    /// How many keys the account has: those that are listed, and those in secrets that are too new for that.
    fn known_keys(&self, now: DateTime<Utc>, settings: &KeySettings) -> usize {
        let mut names: BTreeSet<&str> = self.keys.iter().flatten().map(|key| key.name.as_str()).collect();
        let young = self.secrets.iter().filter(|secret| now - secret.created_at < settings.listed_after);
        names.extend(young.flat_map(|secret| &secret.keys).map(String::as_str));
        names.len()
    }

    /// How many keys attempts may have made that aren't listed.
    fn reserved(&self, keys: &[IamKey], settings: &KeySettings) -> usize {
        let held: BTreeSet<&str> = self.held().collect();
        let is_found = |key: &&IamKey| {
            let may_be = self.attempts.iter().any(|attempt| may_have_made(attempt, key, settings));
            may_be && !held.contains(key.name.as_str())
        };
        (self.attempts.len() * settings.kinds()).saturating_sub(keys.iter().filter(is_found).count())
    }

    /// Whether there are attempts, and all of them are so old that what they made is listed.
    fn are_attempts_over(&self, now: DateTime<Utc>, settings: &KeySettings) -> bool {
        !self.attempts.is_empty() && self.attempts.iter().all(|attempt| is_over(attempt, now, settings))
    }
}

/// Whether an attempt is so old that it has ended, and that what it made is listed.
fn is_over(attempt: &Attempt, now: DateTime<Utc>, settings: &KeySettings) -> bool {
    now - attempt.created_at >= settings.attempt_judged_after
}

/// Whether a secret is of the present epoch.
fn is_of(secret: &KeySecret, present: i64, settings: &KeySettings) -> bool {
    secret.epoch == present && secret.rotation == Some(settings.rotation)
}

/// The smallest number that no secret of the epoch has. More than one is needed where keys were deleted by others: their
/// secret stays until its time comes, since a pod may use what is left of it.
fn free_number(account: &Account, epoch: i64) -> usize {
    let base = crate::secrets::secret_name(&account.name, epoch);
    let taken = |number: usize| {
        let name = if number == 0 { base.clone() } else { format!("{base}-{number}") };
        account.secrets.iter().any(|secret| secret.name == name)
    };
    (0..=account.secrets.len()).find(|number| !taken(*number)).unwrap_or_default()
}

/// Whether a key can be one that an attempt made: IAM made it while the attempt lasted, and it wasn't there before.
fn may_have_made(attempt: &Attempt, key: &IamKey, settings: &KeySettings) -> bool {
    let (first, last) = (attempt.begun_at - BEFORE, attempt.begun_at + settings.attempt_ends_after + SKEW);
    let is_in_time = key.created_at.is_some_and(|at| first <= at && at <= last);
    key.made_by_iam && is_in_time && attempt.known.iter().all(|known| *known != id_of(&key.name))
}

/// Whether a key may be by Styx. Where IAM doesn't tell who made it, or nobody knows who Styx is, it may.
fn is_by(key: &IamKey, identity: Option<&str>) -> bool {
    key.creator.as_deref().zip(identity).is_none_or(|(creator, identity)| creator.contains(identity))
}
