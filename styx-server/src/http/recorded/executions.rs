//! How the executions of instances went in the recording, so that they go so again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use styx_core::executor::{Launch, Observed};

use super::{
    super::scripted::Script,
    exchange::{Exchange, key, time},
    story::states,
};

/// What is known of the executions of each instance, in the order of its tries.
#[derive(Default)]
pub(super) struct Executions {
    known: BTreeMap<String, Vec<Past>>,
    /// Instances of which something ran that was not seen to end.
    lasting: BTreeSet<String>,
    /// Workflows of which a request met a run, whatever the parameter that it sent names, and when.
    met: Vec<(String, DateTime<Utc>, DateTime<Utc>)>,
}

/// One execution, as far as it was seen.
#[derive(Clone, Default)]
struct Past {
    submitted: Option<DateTime<Utc>>,
    started: Option<DateTime<Utc>>,
    ended: Option<(DateTime<Utc>, Observed)>,
    /// When it was last seen not to be submitted, and not to be started.
    not_submitted: Option<DateTime<Utc>>,
    not_started: Option<DateTime<Utc>>,
}

impl Executions {
    /// Takes in what an answer has of executions. A history has all of it, a state the last.
    pub(super) fn look_at(&mut self, exchange: &Exchange) {
        for state in states(exchange) {
            self.state(state, exchange.until);
        }
        self.absent(exchange);
        let events = exchange.told()["events"].as_array().map_or(&[][..], Vec::as_slice);
        if let Some(first) = events.first() {
            let instance = first["event"]["workflow_instance"].as_str().unwrap_or_default().to_owned();
            let history = history(events);
            if history.last().is_some_and(|last| last.ended.is_none()) {
                self.lasting.insert(instance.clone());
            }
            self.known.insert(instance, history);
        }
        if exchange.meets_active_run()
            && let (Some(component), Some(workflow), Some(parameter)) = exchange.names()
        {
            self.lasting.insert(format!("{component}#{workflow}#{parameter}"));
            self.met.push((format!("{component}#{workflow}"), exchange.at, exchange.until));
        }
    }

    /// What ran and isn't in a list of what is active has ended; well, as far as anything is known.
    fn absent(&mut self, exchange: &Exchange) {
        let (path, query) = exchange.path.split_once('?').unwrap_or((&exchange.path, ""));
        if path != "/api/v3/status/activeStates" || exchange.told().is_null() {
            return;
        }
        let present: BTreeSet<_> = states(exchange).into_iter().map(|state| key(&state["workflow_instance"])).collect();
        let is_listed = |instance: &str| {
            let mut names = instance.split('#');
            let (component, workflow) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
            query.split('&').filter_map(|pair| pair.split_once('=')).all(|(name, value)| match name {
                "component" => value == component,
                "workflow" => value == workflow,
                "components" => value.split(',').any(|value| value == component),
                _ => true,
            })
        };
        for instance in self.lasting.iter().filter(|instance| is_listed(instance) && !present.contains(*instance)) {
            let known = self.known.entry(instance.clone()).or_default();
            if known.is_empty() {
                known.push(Past::default());
            }
            if let Some(last) = known.last_mut() {
                last.ended.get_or_insert((exchange.at, Observed::Exited { code: Some(0) }));
            }
        }
    }

    fn state(&mut self, state: &Value, seen: DateTime<Utc>) {
        let instance = key(&state["workflow_instance"]);
        let data = &state["state_data"];
        let tries = data["tries"].as_u64().unwrap_or_default() as usize;
        let at = time(&state["latest_timestamp"]);
        let runs = matches!(state["state"].as_str(), Some("SUBMITTING" | "SUBMITTED" | "RUNNING"));
        if runs {
            self.lasting.insert(instance.clone());
        }
        let known = self.known.entry(instance).or_default();
        // What failed before it was handed over has no try.
        let failures = data["consecutive_failures"].as_u64().unwrap_or_default() as usize;
        if tries == 0 && known.is_empty() {
            let reason = data["messages"][0]["line"].as_str().unwrap_or_default();
            let failed = (DateTime::UNIX_EPOCH, Observed::NotLaunchable { reason: reason.into() });
            known.resize(failures, Past { ended: Some(failed), ..Past::default() });
        }
        if state["state"] == "SUBMITTING" {
            known.resize(known.len().max(tries + 1), Past::default());
            known[tries].not_submitted = Some(seen);
        }
        let Some((last, at)) = tries.checked_sub(1).zip(at) else { return };
        if known.len() <= last {
            known.resize(last + 1, Past::default());
        }
        let past = &mut known[last];
        match state["state"].as_str() {
            Some("SUBMITTED") => {
                past.submitted = past.submitted.or(Some(at));
                past.not_started = Some(seen);
            }
            Some("RUNNING") => past.started = past.started.or(Some(at)),
            _ if data["retry_delay_millis"].is_number() && past.ended.is_none() => {
                let code = data["last_exit"].as_i64().and_then(|code| i32::try_from(code).ok());
                past.ended = Some((at, Observed::Exited { code }));
                // Of those before it nothing is known but that they ended, and not well.
                for earlier in &mut known[..last] {
                    let at = earlier.started.unwrap_or_default();
                    earlier.ended.get_or_insert((at, Observed::Exited { code }));
                }
            }
            _ => {}
        }
    }

    /// What is seen of an execution that is launched now. One of which nothing is known ends well at once.
    pub(super) fn script(&self, launch: &Launch, now: DateTime<Utc>) -> Script {
        let instance = launch.instance.key();
        let known = self.known.get(&instance).and_then(|known| known.get(launch.tries as usize));
        let Past { submitted, started, ended, not_submitted, not_started } = known.cloned().unwrap_or_default();
        let workflow = launch.instance.workflow().to_string();
        let is_met = self.met.iter().any(|(met, from, to)| *met == workflow && (*from..=*to).contains(&now));
        let ended = match (ended, self.lasting.contains(&instance) || is_met) {
            (None, false) if known.is_none() => Some((now, Observed::Exited { code: Some(0) })),
            (ended, _) => ended,
        };
        let has_failed = matches!(ended, Some((_, Observed::NotLaunchable { .. })));
        let handed_over = submitted.or(started).or((!has_failed).then_some(not_submitted.unwrap_or(now)));
        let mut script: Script = handed_over.map(|at| (at, Observed::Launched)).into_iter().collect();
        if let Some(at) = handed_over.filter(|_| !has_failed) {
            script.push((started.or(not_started).unwrap_or(at), Observed::Started));
        }
        script.extend(ended);
        script
    }
}

/// The executions of a history.
fn history(events: &[Value]) -> Vec<Past> {
    let mut history: Vec<Past> = Vec::new();
    for recorded in events {
        let event = &recorded["event"];
        let Some(at) = time(&recorded["timestamp"]) else { continue };
        let kind = event["@type"].as_str().unwrap_or_default();
        if kind == "submit" {
            history.push(Past::default());
        }
        let Some(past) = history.last_mut() else { continue };
        match kind {
            "submitted" => past.submitted = Some(at),
            "started" => past.started = Some(at),
            "terminate" => {
                let code = event["exit_code"].as_i64().and_then(|code| i32::try_from(code).ok());
                past.ended = Some((at, Observed::Exited { code }));
            }
            "runError" if past.ended.is_none() => {
                let reason = event["message"].as_str().unwrap_or_default().into();
                past.ended = Some((at, Observed::NotLaunchable { reason }));
            }
            _ => {}
        }
    }
    history
}
