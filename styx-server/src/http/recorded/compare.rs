//! What was answered beside what was recorded: everything is to be equal, but for what the [`rules`](super::rules) excuse.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta};
use serde_json::{Map, Value};

use super::{exchange::time, rules::Excuses};

/// How long Styx 2.x took for what happens at once here, at most: its scheduler looks every few seconds.
const SLOWNESS: TimeDelta = TimeDelta::seconds(15);

/// What the executor brings about, which follows the recording: these events have its times.
const OF_EXECUTOR: &[&str] = &["submitted", "started", "terminate", "runError"];

/// What of a state the tries of its run change.
const OF_TRIES: &[&str] = &[
    "state",
    "tries",
    "consecutive_failures",
    "retry_cost",
    "retry_delay_millis",
    "last_exit",
    "execution_id",
    "runner_id",
    "execution_description",
    "resource_ids",
    "messages",
    "latest_timestamp",
];

/// Ids that were recorded, and ours in their places: one for one.
#[derive(Default)]
pub(super) struct Ids {
    ours: BTreeMap<String, String>,
    recorded: BTreeMap<String, String>,
    /// Ours that stand for none.
    pub(super) alone: BTreeSet<String>,
}

impl Ids {
    /// With our ids in the places of the recorded ones.
    pub(super) fn ours(&self, text: &str) -> String {
        self.ours.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
    }

    /// Takes two for the same; `false` when one of them is another's already.
    pub(super) fn pair(&mut self, recorded: &str, ours: &str) -> bool {
        let known = self.ours.entry(recorded.to_owned()).or_insert_with(|| ours.to_owned());
        let back = self.recorded.entry(ours.to_owned()).or_insert_with(|| recorded.to_owned());
        known == ours && back == recorded
    }
}

/// Compares two bodies.
pub(super) struct Comparison<'a> {
    pub(super) ids: &'a mut Ids,
    pub(super) excuses: &'a mut Excuses,
    pub(super) problems: &'a mut Vec<String>,
    /// Whether the body answers an edit of a backfill.
    pub(super) is_edit: bool,
    /// How many times were compared.
    pub(super) times: &'a mut usize,
}

impl Comparison<'_> {
    /// Names in the same order, and the same values.
    pub(super) fn same(&mut self, at: &str, recorded: &Value, ours: &Value) {
        let name = at.rsplit('.').next().unwrap_or_default();
        match (recorded, ours) {
            (Value::Object(_), Value::Object(_)) if is_drawn(recorded) || is_timed_out(ours) => {
                self.same_but_drawn(at, recorded, ours);
            }
            (Value::Object(recorded), Value::Object(ours)) => self.same_members(at, recorded, ours),
            (Value::Array(recorded), Value::Array(ours)) if name == "events" => self.same_history(at, recorded, ours),
            (Value::Array(recorded), Value::Array(ours)) => self.same_list(at, recorded, ours),
            _ if self.is_same(name, recorded, ours) => {}
            _ => self.problems.push(format!("{at}: {ours} was {recorded}")),
        }
    }

    fn is_same(&mut self, name: &str, recorded: &Value, ours: &Value) -> bool {
        let rule = match (name, recorded, ours) {
            ("flyte_execution_id", Value::String(_), Value::Null) => Some("http-flyte-id"),
            ("next_trigger", Value::String(_), Value::String(_)) if self.is_edit && time(recorded) < time(ours) => {
                Some("backfill-atomic")
            }
            ("all_triggered", Value::Bool(false), Value::Bool(true)) if self.is_edit => Some("backfill-atomic"),
            ("timestamp" | "latest_timestamp" | "initial_timestamp", Value::Number(_), Value::Number(_)) => {
                *self.times += 1;
                let (Some(recorded), Some(ours)) = (time(recorded), time(ours)) else { return false };
                (ours < recorded && recorded - ours <= SLOWNESS).then_some("http-at-once")
            }
            _ => None,
        };
        if let Some(rule) = rule {
            self.excuses.excuse(rule);
            return true;
        }
        match (name, recorded, ours) {
            ("deployment_time" | "created" | "last_modified", Value::String(_), Value::String(_)) => {
                *self.times += 1;
                time(recorded) == time(ours)
            }
            (_, Value::String(recorded), Value::String(ours)) => match (generated(recorded), generated(ours)) {
                (None, None) => {
                    *self.times += usize::from(DateTime::parse_from_rfc3339(recorded).is_ok());
                    recorded == ours
                }
                (recorded_kind, ours_kind) => recorded_kind == ours_kind && self.ids.pair(recorded, ours),
            },
            (_, recorded, ours) => recorded == ours,
        }
    }

    fn same_members(&mut self, at: &str, recorded: &Map<String, Value>, ours: &Map<String, Value>) {
        if self.same_names(at, recorded, ours) {
            for (name, recorded) in recorded {
                self.same(&format!("{at}.{name}"), recorded, &ours[name]);
            }
        }
    }

    fn same_names(&mut self, at: &str, recorded: &Map<String, Value>, ours: &Map<String, Value>) -> bool {
        let names = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
        let (recorded, ours) = (names(recorded), names(ours));
        let is_same = recorded == ours;
        if !is_same {
            self.problems.push(format!("{at}: {ours:?} was {recorded:?}"));
        }
        is_same
    }

    /// The elements of lists of workflows, states and backfills are compared by name, and then their order.
    fn same_list(&mut self, at: &str, recorded: &[Value], ours: &[Value]) {
        if !recorded.iter().chain(ours).all(|it| name(it).is_some()) {
            if recorded.len() != ours.len() {
                self.problems.push(format!("{at}: {} elements were {}", ours.len(), recorded.len()));
            }
            for (index, (recorded, ours)) in recorded.iter().zip(ours).enumerate() {
                self.same(&format!("{at}[{index}]"), recorded, ours);
            }
            return;
        }
        let named = |it: &Value| name(it).unwrap_or_default();
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        for recorded in recorded {
            if recorded["backfill"]["concurrency"].as_i64().is_some_and(|most| most < 0) {
                self.excuses.excuse("backfill-negative");
                continue;
            }
            let name = self.ids.ours(&named(recorded));
            match ours.iter().find(|it| named(it) == name) {
                Some(ours) => self.same(&format!("{at}[{name}]"), recorded, ours),
                None => self.problems.push(format!("{at}[{name}] is missing: {recorded}")),
            }
            expected.push(name);
        }
        for name in ours.iter().map(named) {
            if self.ids.alone.contains(name.trim_matches('"')) {
                // The rule by which it was made counted it.
            } else if expected.contains(&name) {
                found.push(name);
            } else {
                self.problems.push(format!("{at}[{name}] was not there"));
            }
        }
        expected.retain(|name| found.contains(name));
        if expected != found {
            self.excuses.excuse("http-order");
            if !found.is_sorted() && at.ends_with("states") {
                self.problems.push(format!("{at} is in no order: {found:?}"));
            }
        }
    }

    /// Histories are the same, up to the first try that is drawn by lot: what follows comes at other times.
    fn same_history(&mut self, at: &str, recorded: &[Value], ours: &[Value]) {
        let kinds = |list: &[Value]| list.iter().map(|it| kind(it).to_owned()).collect::<Vec<_>>();
        for (index, event) in recorded.iter().enumerate() {
            let Some(our_event) = ours.get(index) else {
                return self.problems.push(format!("{at}: {:?} was {:?}", kinds(ours), kinds(recorded)));
            };
            let is_retry = kind(event) == "retryAfter" && !is_fixed(&event["event"]["delay_millis"]);
            if is_retry && kind(our_event) == "stop" && recorded.iter().any(has_condition) {
                self.excuses.excuse("condition-at-submit");
                return;
            }
            if is_retry && kind(our_event) == "retryAfter" {
                for _ in index..recorded.len() {
                    self.excuses.excuse("state-jitter");
                }
                return self.same_forms(at, &recorded[index..], &ours[index..]);
            }
            self.same(&format!("{at}[{index}]"), event, our_event);
            // What fails before it is submitted fails in the scheduler.
            let is_of_executor = recorded[..index].iter().any(|it| kind(it) == "submit");
            if is_of_executor && OF_EXECUTOR.contains(&kind(event)) && event["timestamp"] != our_event["timestamp"] {
                self.problems.push(format!("{at}[{index}]: at {}, not {}", our_event["timestamp"], event["timestamp"]));
            }
        }
        if ours.len() > recorded.len() {
            self.problems.push(format!("{at}: {:?} was {:?}", kinds(ours), kinds(recorded)));
        }
    }

    /// Each kind of event has the same form wherever it stands.
    fn same_forms(&mut self, at: &str, recorded: &[Value], ours: &[Value]) {
        for ours in ours {
            if let Some(recorded) = recorded.iter().find(|recorded| kind(recorded) == kind(ours)) {
                self.same_form(at, recorded, ours);
            }
        }
    }

    /// A state of a run whose next try is drawn by lot: what the tries change may differ in value, not in form.
    fn same_but_drawn(&mut self, at: &str, recorded: &Value, ours: &Value) {
        // A time-out counts as a failure here.
        let rule = if is_drawn(recorded) { "state-jitter" } else { "state-timeout" };
        self.same_form(at, recorded, ours);
        for (path, recorded, ours) in [
            (at.to_owned(), recorded, ours),
            (format!("{at}.state_data"), &recorded["state_data"], &ours["state_data"]),
        ] {
            for (name, value) in recorded.as_object().into_iter().flatten().filter(|(name, _)| *name != "state_data") {
                let before = self.problems.len();
                self.same(&format!("{path}.{name}"), value, &ours[name]);
                if self.problems.len() > before && OF_TRIES.contains(&name.as_str()) {
                    self.problems.truncate(before);
                    self.excuses.excuse(rule);
                }
            }
        }
    }

    /// Names in the same order, values of the same kinds; null stands for any value.
    fn same_form(&mut self, at: &str, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Null, _) | (_, Value::Null) => {}
            (Value::Object(recorded), Value::Object(ours)) => {
                if self.same_names(at, recorded, ours) {
                    for (name, recorded) in recorded {
                        self.same_form(&format!("{at}.{name}"), recorded, &ours[name]);
                    }
                }
            }
            (Value::Array(recorded), Value::Array(ours)) => {
                for (recorded, ours) in recorded.iter().zip(ours).take(1) {
                    self.same_form(&format!("{at}[]"), recorded, ours);
                }
            }
            (Value::String(recorded), Value::String(ours)) if generated(recorded) == generated(ours) => {}
            (Value::Number(recorded), Value::Number(ours)) if recorded.is_f64() == ours.is_f64() => {}
            (Value::Bool(_), Value::Bool(_)) => {}
            _ => self.problems.push(format!("{at}: {ours} was {recorded}")),
        }
    }
}

fn kind(event: &Value) -> &str {
    event["event"]["@type"].as_str().unwrap_or_default()
}

/// Whether a submit names a retry condition.
fn has_condition(event: &Value) -> bool {
    event["event"]["execution_description"]["retry_condition"].is_string()
}

/// Whether a delay is one that isn't drawn: of missing dependencies, or of an operator's retry.
fn is_fixed(delay_millis: &Value) -> bool {
    matches!(delay_millis.as_i64(), Some(0 | 600_000))
}

/// Whether a state is one of a run that failed, and is to be tried again at a time that is drawn.
fn is_drawn(state: &Value) -> bool {
    state["state_data"]["consecutive_failures"].as_i64().is_some_and(|failures| failures > 0)
}

/// Whether a state of ours is one of a run that took too long in a state.
fn is_timed_out(state: &Value) -> bool {
    let line = &state["state_data"]["messages"][0]["line"];
    line.as_str().is_some_and(|line| line.starts_with("Timed out in "))
}

/// What an element of a list is told apart by.
fn name(element: &Value) -> Option<String> {
    let parts = if element["workflow_instance"].is_object() {
        vec![&element["workflow_instance"]]
    } else if element["backfill"].is_object() {
        vec![&element["backfill"]["id"]]
    } else if element["configuration"].is_object() {
        vec![&element["component_id"], &element["workflow_id"]]
    } else {
        return None;
    };
    Some(parts.iter().map(ToString::to_string).collect())
}

/// The kind of a generated id, with what of it isn't drawn by lot: a trigger's time.
fn generated(text: &str) -> Option<&str> {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((made, lot)) = text.rsplit_once('-')
        && made.starts_with("ad-hoc-cli-")
        && digits(lot, 5)
    {
        return Some(made);
    }
    if let Some((made, lot)) = text.strip_prefix("backfill-").and_then(|rest| rest.split_once('-')) {
        return (digits(made, 13) && digits(lot, 5)).then_some("backfill");
    }
    text.strip_prefix("styx-run-").filter(|uuid| uuid.len() == 36).map(|_| "styx-run")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// How many problems and excuses there are with what was answered instead of what was recorded.
    fn compare(recorded: &Value, ours: &Value) -> (usize, String) {
        let (mut ids, mut excuses, mut problems, mut times) = (Ids::default(), Excuses::default(), Vec::new(), 0);
        let (ids, excuses_of) = (&mut ids, &mut excuses);
        let mut comparison =
            Comparison { ids, excuses: excuses_of, problems: &mut problems, is_edit: false, times: &mut times };
        comparison.same("", recorded, ours);
        (problems.len(), format!("{excuses:?}"))
    }

    fn event(kind: &str, at: u64) -> Value {
        json!({ "event": { "@type": kind, "workflow_instance": "c#w#p" }, "timestamp": at })
    }

    fn state(parameter: &str, failures: u64, tries: u64, trigger: &str) -> Value {
        let id = json!({ "component_id": "c", "id": "w" });
        json!({
            "workflow_instance": { "workflow_id": id, "parameter": parameter },
            "state": "QUEUED",
            "state_data": { "tries": tries, "consecutive_failures": failures, "trigger_id": trigger },
        })
    }

    #[test]
    fn what_no_rule_excuses_is_a_problem() {
        let history = |events: &[Value]| json!({ "events": events });
        let ran = [event("submit", 1_000), event("submitted", 2_000), event("terminate", 3_000)];
        let with = |index: usize, event: Value| {
            let mut events = ran.clone();
            events[index] = event;
            history(&events)
        };
        let states = |states: &[Value]| json!({ "active_states": states });
        let two = [state("a", 0, 1, "t"), state("b", 0, 1, "t")];
        for (recorded, ours, problems) in [
            (history(&ran), history(&ran), 0),
            (history(&ran), with(0, event("submit", 500)), 0),
            (history(&ran), with(0, event("submit", 1_500)), 1),
            (history(&ran), with(2, event("terminate", 2_500)), 1),
            (history(&ran), with(1, event("started", 2_000)), 1),
            (history(&ran), history(&ran[..2]), 1),
            (history(&ran[..2]), history(&ran), 1),
            (states(&two), states(&[two[0].clone()]), 1),
            (states(&[two[0].clone()]), states(&two), 1),
            (states(&two), states(&[two[0].clone(), state("b", 0, 2, "t")]), 1),
            (states(&[state("a", 2, 2, "t")]), states(&[state("a", 1, 1, "t")]), 0),
            (states(&[state("a", 2, 2, "t")]), states(&[state("a", 1, 1, "u")]), 1),
            (json!({ "a": 1, "b": 2 }), json!({ "b": 2, "a": 1 }), 1),
            (json!({ "a": 1 }), json!({ "a": 1, "b": 2 }), 1),
        ] {
            assert_eq!(compare(&recorded, &ours).0, problems, "{recorded} {ours}");
        }
    }

    #[test]
    fn what_a_rule_excuses_is_counted() {
        let (forward, backward) =
            (json!({ "active_states": [state("b", 0, 1, "t"), state("a", 0, 1, "t")] }), ["a", "b"]);
        let backward = json!({ "active_states": backward.map(|parameter| state(parameter, 0, 1, "t")) });
        assert_eq!(compare(&forward, &backward), (0, "Excuses({\"http-order\": 1})".to_owned()));
        assert_eq!(compare(&backward, &backward), (0, "Excuses({})".to_owned()));
        let drawn = |tries, failures| json!({ "active_states": [state("a", failures, tries, "t")] });
        assert_eq!(compare(&drawn(2, 2), &drawn(1, 1)), (0, "Excuses({\"state-jitter\": 2})".to_owned()));
    }
}
