//! Whether a run has been in its state for too long.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use styx_core::{config::Timeouts, run::State, workflow::Span};

use crate::harness::{Case, Rule};

pub(crate) const RULES: &[Rule] = &[];

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
    let asked = span(&case.member("running_timeout")).filter(|_| case.member("workflow_known") == true);
    let since = millis(case, "state_timestamp_millis");
    let now = millis(case, "now_millis");
    let deadline = Timeouts::deadline(since, timeouts.limit(state, asked));
    case.expect("ttl_of_state", iso(timeouts.of_state(state)));
    case.expect("effective_max_running_timeout", iso(timeouts.max_running()));
    case.expect("timed_out", !state.is_terminal() && deadline <= now);
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
