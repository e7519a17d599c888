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
}

/// One execution, as far as it was seen.
#[derive(Clone, Default)]
struct Past {
    submitted: Option<DateTime<Utc>>,
    started: Option<DateTime<Utc>>,
    ended: Option<(DateTime<Utc>, Observed)>,
}

impl Executions {
    /// Takes in what an answer has of executions. A history has all of it, a state the last.
    pub(super) fn look_at(&mut self, exchange: &Exchange) {
        for state in states(exchange) {
            self.state(state);
        }
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
        }
    }

    fn state(&mut self, state: &Value) {
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
        let Some((last, at)) = tries.checked_sub(1).zip(at) else { return };
        if known.len() <= last {
            known.resize(last + 1, Past::default());
        }
        let past = &mut known[last];
        match state["state"].as_str() {
            Some("SUBMITTED") => past.submitted = past.submitted.or(Some(at)),
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
        let Past { submitted, started, ended } = known.cloned().unwrap_or_default();
        let ended = match (ended, self.lasting.contains(&instance)) {
            (None, false) if known.is_none() => Some((now, Observed::Exited { code: Some(0) })),
            (ended, _) => ended,
        };
        let has_failed = matches!(ended, Some((_, Observed::NotLaunchable { .. })));
        let handed_over = submitted.or(started).or((!has_failed).then_some(now));
        let mut script: Script = handed_over.map(|at| (at, Observed::Launched)).into_iter().collect();
        if let Some(at) = handed_over.filter(|_| !has_failed) {
            script.push((started.unwrap_or(at), Observed::Started));
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
