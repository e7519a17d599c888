//! Labels, and the names of secrets.

use chrono::{DateTime, TimeDelta};
use serde_json::Value;
use styx_k8s::{labels, secrets};

use crate::harness::{Case, Rule, Verdict};
use crate::kubernetes::is_label_value;

/// What we do with the quirks of `normalise.jsonl`.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        quirk: "invalid_label",
        kinds: &["label"],
        verdict: Verdict::Adapted(with_a_letter_before_it),
        count: 48,
        reason: "Kubernetes refuses a pod with such a label",
        anchor: "kubernetes-label",
    },
    Rule {
        quirk: "negative_offset",
        kinds: &["secret_name"],
        verdict: Verdict::Copied,
        count: 19,
        reason: "epochs are as long and as regular for such an account",
        anchor: "",
    },
];

/// The epochs of Styx 2.x.
const EPOCH_LENGTH: TimeDelta = TimeDelta::days(7);

/// Compares a label, or the name of a secret.
pub(crate) fn check(case: &mut Case) {
    match case.text("kind").as_str() {
        "label" => {
            let input = case.text("input");
            let label = labels::normalise(&input);
            case.expect("is_normalised", labels::is_normalised(&input));
            case.expect("output_is_valid_kubernetes_label", is_label_value(&label));
            case.expect("output", label);
        }
        "secret_name" => {
            let account = case.text("service_account");
            let now = case.member("now_millis").as_i64().and_then(DateTime::from_timestamp_millis);
            let Some(now) = now else { return case.fail("no time".to_owned()) };
            let epoch = secrets::epoch(&account, now, EPOCH_LENGTH);
            case.expect("epoch", epoch);
            case.expect("secret_name", secrets::secret_name(&account, epoch));
        }
        kind => case.fail(format!("the kind {kind} is not known")),
    }
}

/// The same label with a letter before it, shortened before its seven digits if it gets too long.
fn with_a_letter_before_it(line: &mut Value) {
    let theirs = line["output"].as_str().unwrap_or_default();
    let (kept, digest) = theirs.split_at(theirs.len() - 7);
    let kept: String = format!("p{kept}").chars().take(56).collect();
    line["output"] = format!("{kept}{digest}").into();
    line["output_is_valid_kubernetes_label"] = true.into();
}
