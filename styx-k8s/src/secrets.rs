//! The names of the secrets that hold the keys of service accounts.
//!
//! Keys are replaced from time to time. Time is cut into epochs of one length, and each account has secrets named after
//! the epoch. The accounts' epochs begin at different times, so that their keys aren't replaced all at once.

use chrono::{DateTime, TimeDelta, Utc};

use crate::sha256_hex;

/// What the names of all such secrets begin with.
pub const PREFIX: &str = "styx-wf-sa-keys";

/// The number of an account's epoch at a time, as Styx 2.x counts them (scheduler and runner, e; its epochs last 7 days).
///
/// # Panics
/// When an epoch lasts no whole millisecond.
pub fn epoch(account: &str, now: DateTime<Utc>, length: TimeDelta) -> i64 {
    let (offset, length) = offset(account, length);
    // Like Java, the division rounds towards zero.
    (now.timestamp_millis() + offset) / length
}

/// When an account's epoch ends and the next one begins. None is a time that nobody will see.
///
/// # Panics
/// When an epoch lasts no whole millisecond.
pub fn epoch_end(account: &str, epoch: i64, length: TimeDelta) -> Option<DateTime<Utc>> {
    let (offset, length) = offset(account, length);
    let millis = epoch.checked_add(1)?.checked_mul(length)?.checked_sub(offset)?;
    DateTime::from_timestamp_millis(millis)
}

/// By how much an account's epochs begin earlier than those from 1970 on, and how long they are, in milliseconds.
fn offset(account: &str, length: TimeDelta) -> (i64, i64) {
    let length = length.num_milliseconds();
    assert!(length > 0, "an epoch lasts at least a millisecond");
    // For one hash in four milliards the absolute value overflows and stays negative, in Java and here.
    (i64::from(string_hash(account).wrapping_abs()) % length, length)
}

/// The name of an account's secret in an epoch.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use styx_k8s::secrets::{epoch, secret_name};
///
/// let now = "2020-01-01T00:00:00Z".parse().unwrap();
/// let epoch = epoch("sa@example.com", now, TimeDelta::days(7));
/// assert_eq!(epoch, 2609);
/// assert!(secret_name("sa@example.com", epoch).starts_with("styx-wf-sa-keys-2609-9c6385b8"));
/// ```
pub fn secret_name(account: &str, epoch: i64) -> String {
    format!("{PREFIX}-{epoch}-{}", sha256_hex(account))
}

/// Java's hash of a text.
fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}
