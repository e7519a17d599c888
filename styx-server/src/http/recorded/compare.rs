//! What was answered beside what was recorded: everything is to be equal, but for what the rules here name.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta};
use serde_json::{Map, Value};

use super::exchange::time;

/// How long Styx 2.x and its cluster took for what happens at once here, at most: its scheduler looks every few seconds, and
/// pods need time to start.
const SLOWNESS: TimeDelta = TimeDelta::seconds(15);

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
            // When the next try begins is drawn by lot, and what a pod goes through until it runs takes no time here.
            (Value::Object(_), Value::Object(_)) if is_between(recorded) => {
                self.same_form(at, recorded, ours);
            }
            (Value::Object(recorded), Value::Object(ours)) => self.same_members(at, recorded, ours),
            (Value::Array(recorded), Value::Array(ours)) if name == "events" => self.same_history(at, recorded, ours),
            (Value::Array(recorded), Value::Array(ours)) => self.same_list(at, recorded, ours),
            _ if self.is_same(name, recorded, ours) => {}
            _ => self.problems.push(format!("{at}: {ours} was {recorded}")),
        }
    }

    fn is_same(&mut self, name: &str, recorded: &Value, ours: &Value) -> bool {
        match (name, recorded, ours) {
            // Only Flyte has such ids.
            ("flyte_execution_id", _, _) => true,
            // An edit triggers at once what it makes room for (backfill-atomic).
            ("next_trigger", Value::String(_), Value::String(_)) if self.is_edit => time(recorded) <= time(ours),
            ("all_triggered", Value::Bool(recorded), Value::Bool(ours)) if self.is_edit => ours >= recorded,
            ("timestamp" | "latest_timestamp" | "initial_timestamp", Value::Number(_), Value::Number(_)) => {
                *self.times += 1;
                let (Some(recorded), Some(ours)) = (time(recorded), time(ours)) else { return false };
                ours <= recorded && recorded - ours <= SLOWNESS
            }
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

    /// Lists of workflows, states and backfills have no promised order: each element is compared with the one of its name.
    fn same_list(&mut self, at: &str, recorded: &[Value], ours: &[Value]) {
        if recorded.iter().chain(ours).all(|it| name(it).is_some()) {
            let by_name = |list: &[Value], ids: Option<&Ids>| {
                let named = |it: &Value| {
                    let name = name(it).unwrap_or_default();
                    (ids.map_or(name.clone(), |ids| ids.ours(&name)), it.clone())
                };
                list.iter().map(named).collect::<BTreeMap<_, _>>()
            };
            let (recorded, ours) = (by_name(recorded, Some(self.ids)), by_name(ours, None));
            // There are no backfills with a negative concurrency (backfill-negative).
            let is_possible = |it: &Value| it["backfill"]["concurrency"].as_i64().is_none_or(|most| most >= 0);
            for (name, value) in recorded.iter().filter(|(_, it)| is_possible(it)) {
                match ours.get(name) {
                    Some(ours) => self.same(&format!("{at}[{name}]"), value, ours),
                    None => self.problems.push(format!("{at}[{name}] is missing: {value}")),
                }
            }
            let is_alone = |name: &str| self.ids.alone.contains(name.trim_matches('"'));
            let more = ours.keys().filter(|name| !recorded.contains_key(*name) && !is_alone(name));
            let more: Vec<_> = more.map(|name| format!("{at}[{name}] was not there")).collect();
            self.problems.extend(more);
            return;
        }
        if recorded.len() != ours.len() {
            self.problems.push(format!("{at}: {} elements were {}", ours.len(), recorded.len()));
        }
        for (index, (recorded, ours)) in recorded.iter().zip(ours).enumerate() {
            self.same(&format!("{at}[{index}]"), recorded, ours);
        }
    }

    /// Histories are the same up to the first failure: how long its retry waits is drawn by lot.
    fn same_history(&mut self, at: &str, recorded: &[Value], ours: &[Value]) {
        let kind = |it: &Value| it["event"]["@type"].as_str().unwrap_or_default().to_owned();
        let kinds = |list: &[Value]| {
            let until = list.iter().position(|it| matches!(kind(it).as_str(), "runError" | "retryAfter"));
            list[..until.unwrap_or(list.len())].iter().map(kind).collect::<Vec<_>>()
        };
        let first = kinds(recorded).len();
        let mut allowed = vec![kinds(recorded)];
        match recorded.get(first).map(kind).as_deref() {
            // What the fake executor launches always starts.
            Some("runError") => allowed.push([kinds(recorded), vec!["started".to_owned()]].concat()),
            // A condition counts from the first try on, not from when Styx 2.x's cache has it (condition-at-submit).
            Some("retryAfter") if recorded.iter().any(has_condition) => {
                allowed.push([kinds(recorded), vec!["stop".to_owned()]].concat());
            }
            _ => {}
        }
        if !allowed.contains(&kinds(ours)) {
            self.problems.push(format!("{at}: {:?} was {:?}", kinds(ours), kinds(recorded)));
        }
        for (index, (recorded, ours)) in recorded.iter().zip(ours).take(first).enumerate() {
            self.same(&format!("{at}[{index}]"), recorded, ours);
            // When a job ended is its own matter and no slowness of Styx 2.x.
            if kind(recorded) == "terminate" && recorded["timestamp"] != ours["timestamp"] {
                self.problems
                    .push(format!("{at}[{index}]: ended at {}, not at {}", ours["timestamp"], recorded["timestamp"]));
            }
        }
        // The form of each kind of event is the same wherever it stands.
        for ours in ours.iter().skip(first) {
            if let Some(recorded) = recorded.iter().find(|recorded| kind(recorded) == kind(ours)) {
                self.same_form(at, recorded, ours);
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

/// Whether a submit names a retry condition.
fn has_condition(event: &Value) -> bool {
    event["event"]["execution_description"]["retry_condition"].is_string()
}

/// Whether a state is one of a run that is to be tried again, or whose pod was on its way.
fn is_between(state: &Value) -> bool {
    let data = &state["state_data"];
    let has_failed =
        data["retry_cost"].as_f64().is_some_and(|cost| cost > 0.0) || data["retry_delay_millis"].is_number();
    has_failed || matches!(state["state"].as_str(), Some("SUBMITTING" | "SUBMITTED"))
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
