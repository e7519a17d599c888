//! What holds for every label and every name of a secret.

#[path = "common/kubernetes.rs"]
mod kubernetes;

use chrono::{DateTime, TimeDelta};
use kubernetes::is_label_value;
use proptest::prelude::*;
use styx_k8s::labels::{is_normalised, normalise};
use styx_k8s::secrets::{epoch, secret_name};

/// Any text, and texts of what labels are about.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[-_.aZ9 ß#]{0,80}", "[-_]?[a-z0-9_-]{0,70}"]
}

proptest! {
    #[test]
    fn kubernetes_takes_every_label(text in text()) {
        let label = normalise(&text);
        prop_assert!(is_label_value(&label), "{label}");
        prop_assert!(is_normalised(&label), "{label}");
        prop_assert_eq!(normalise(&label), label);
    }

    #[test]
    fn what_is_normalised_stays(text in "([a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?)?") {
        prop_assert!(is_normalised(&text));
        prop_assert_eq!(normalise(&text), text);
    }

    #[test]
    fn an_epoch_lasts_its_length(account in any::<String>(), millis in 0..4_102_444_800_000_i64, hours in 1..400_i64) {
        let length = TimeDelta::hours(hours);
        let now = DateTime::from_timestamp_millis(millis).expect("in this century");
        let first = epoch(&account, now, length);
        prop_assert_eq!(epoch(&account, now + length, length), first + 1);
        let between = epoch(&account, now + length / 2, length);
        prop_assert!(between == first || between == first + 1);
    }

    #[test]
    fn kubernetes_takes_every_name_of_a_secret(account in any::<String>(), epoch in 0..1_000_000_i64) {
        let name = secret_name(&account, epoch);
        prop_assert!(name.len() <= 253);
        prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
    }
}
