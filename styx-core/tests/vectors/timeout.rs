//! Whether a run has been in its state for too long.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use styx_core::{config::Timeouts, run::State, workflow::Span};

use crate::harness::{Case, Rule, Verdict};

/// Where we differ; the file has no quirks of its own.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        quirk: "waiting",
        kinds: &[],
        verdict: Verdict::Adapted(never),
        count: 79,
        reason: "a run that waits, or that is about to be judged, has no time-out (W-17)",
        anchor: "state-queued-timeout",
    },
    Rule {
        quirk: "untriggered",
        kinds: &[],
        verdict: Verdict::Adapted(never),
        count: 20,
        reason: "before its trigger there is no run",
        anchor: "state-before-trigger",
    },
];

/// The quirks of a line's state.
pub(crate) fn quirks(line: &Value) -> Vec<&'static str> {
    match line["state"].as_str() {
        Some("QUEUED" | "PREPARE" | "TERMINATED" | "FAILED") => vec!["waiting"],
        Some("NEW") => vec!["untriggered"],
        _ => Vec::new(),
    }
}

fn never(line: &mut Value) {
    line["timed_out"] = false.into();
}

pub(crate) fn check(case: &mut Case) {
    let Some(state) = State::from_name(&case.text("state")) else {
        return case.fail("unknown state".to_owned());
    };
    let ttls = case.member("stale_state_ttls");
    let by_state = ttls.as_object().into_iter().flatten();
    let by_state: BTreeMap<State, TimeDelta> =
        by_state.filter_map(|(name, ttl)| Some((State::from_name(name)?, span(ttl)?))).collect();
    let timeouts = Timeouts {
        default: span(&ttls["default"]).unwrap_or_default(),
        by_state,
        max_running: span(&case.member("max_running_timeout")),
    };
    // What `submit` records is the limit of a run in RUNNING.
    let asked = span(&case.member("running_timeout")).filter(|_| case.member("workflow_known") == true);
    let since = millis(case, "state_timestamp_millis");
    let now = millis(case, "now_millis");
    let recorded = (state == State::Running).then(|| timeouts.limit(state, asked));
    let deadline = timeouts.deadline(state, since, recorded);
    case.expect("ttl_of_state", iso(timeouts.of_state(state)));
    case.expect("effective_max_running_timeout", iso(timeouts.max_running()));
    case.expect("timed_out", deadline.is_some_and(|deadline| deadline <= now));
}

fn span(value: &Value) -> Option<TimeDelta> {
    value.as_str().and_then(|text| Span::parse_iso(text).ok()).map(Span::to_delta)
}

fn iso(delta: TimeDelta) -> String {
    Span::from(delta).to_string()
}

fn millis(case: &Case, member: &str) -> DateTime<Utc> {
    let millis = case.member(member).as_i64().unwrap_or_default();
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
