//! What happened in a session, in its order: what was recorded, and what the answers tell of requests that were left out.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    changes::Changes,
    exchange::{Exchange, key, made_at, time},
    executions::Executions,
};

/// A request that was left out of the recording, as its traces in later answers tell it.
#[derive(Debug)]
pub(super) struct LeftOut {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// The id that the recorded server made for it.
    pub(super) id: Option<String>,
}

/// What happens next.
pub(super) enum Step {
    Recorded(Exchange),
    LeftOut(LeftOut),
}

/// A session in the order of its times.
pub(super) struct Story {
    /// Each with the time at which the server is to do it.
    pub(super) steps: Vec<(DateTime<Utc>, Step)>,
    pub(super) executions: Executions,
}

impl Story {
    pub(super) fn of(exchanges: Vec<Exchange>) -> Self {
        let mut left_out = Traces::default();
        let mut executions = Executions::default();
        for exchange in &exchanges {
            left_out.known(exchange);
        }
        for exchange in &exchanges {
            left_out.look_at(exchange);
            executions.look_at(exchange);
        }
        let of = |exchange| backfills(exchange).into_iter().filter_map(|it| time(&it["last_modified"]));
        let last_modified = exchanges.iter().flat_map(of).collect();
        let mut steps: Vec<_> = left_out.asked.into_values().map(|(at, asked)| (at, Step::LeftOut(asked))).collect();
        let mut now = DateTime::UNIX_EPOCH;
        for exchange in exchanges {
            // Where requests overlapped, the order in which they were recorded counts.
            now = now.max(handled_at(&exchange, &last_modified));
            steps.push((now, Step::Recorded(exchange)));
        }
        steps.sort_by_key(|(at, _)| *at);
        Self { steps, executions }
    }
}

/// When a request was handled: what it made has that time on it. Without a trace it is the time at which it was sent.
fn handled_at(exchange: &Exchange, last_modified: &BTreeSet<DateTime<Utc>>) -> DateTime<Utc> {
    if !exchange.is_done() {
        return exchange.at;
    }
    let told = exchange.told();
    let own = time(&told["configuration"]["deployment_time"])
        .or_else(|| made_at(&told["trigger_id"]))
        .or_else(|| time(&told["last_modified"]));
    let seen_later = || {
        last_modified
            .range(exchange.at..=exchange.until)
            .next()
            .copied()
            .filter(|_| exchange.path.contains("/backfills"))
    };
    own.or_else(seen_later).unwrap_or(exchange.at)
}

/// All backfills in an answer.
fn backfills(exchange: &Exchange) -> Vec<Value> {
    let told = exchange.told();
    let listed = told["backfills"].as_array().into_iter().flatten().map(|it| it["backfill"].clone());
    listed.chain([told["backfill"].clone(), told.clone()]).filter(|it| it["last_modified"].is_string()).collect()
}

/// All workflows in an answer.
fn workflows(exchange: &Exchange) -> Vec<Value> {
    let told = exchange.told();
    let listed = told.as_array().into_iter().flatten().cloned();
    listed.chain([told["workflow"].clone(), told.clone()]).filter(|it| it["configuration"].is_object()).collect()
}

/// All states of instances in an answer.
pub(super) fn states(exchange: &Exchange) -> Vec<&Value> {
    let told = exchange.told();
    [&told["active_states"], &told["statuses"]["active_states"]]
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .collect()
}

/// What is left of requests that aren't in the recording.
#[derive(Default)]
struct Traces {
    /// What recorded requests made: ids, and workflows with the times at which they were stored.
    made: BTreeSet<String>,
    asked: BTreeMap<String, (DateTime<Utc>, LeftOut)>,
    /// Recorded retries and halts of instances, with the times between which they were handled.
    acted: Vec<(String, DateTime<Utc>, DateTime<Utc>)>,
    /// Triggers of instances that were seen active.
    active: BTreeSet<String>,
    changes: Changes,
    /// Resources that were listed.
    seen: BTreeSet<String>,
    /// The last list of resources, with its time.
    listed: Option<DateTime<Utc>>,
}

impl Traces {
    fn known(&mut self, exchange: &Exchange) {
        for resource in exchange.told()["resources"].as_array().map_or(&[][..], Vec::as_slice) {
            self.seen.extend(resource["id"].as_str().map(str::to_owned));
        }
        if exchange.is_done() {
            self.made.extend(workflows(exchange).iter().map(stored));
            let told = exchange.told();
            self.made.extend(told["trigger_id"].as_str().map(str::to_owned));
            // A PUT makes a resource that there wasn't, and edits all else.
            let is_new = |id: &&str| !self.seen.contains(*id) && exchange.path.starts_with("/api/v3/resources");
            let made = told["id"].as_str().filter(|id| exchange.method != "PUT" || is_new(id));
            self.made.extend(made.map(str::to_owned));
            let action = ["retry", "halt"].into_iter().find(|action| exchange.path.ends_with(&format!("/{action}")));
            if let Some(action) = action {
                let instance = key(&serde_json::from_str(&exchange.body).unwrap_or_default());
                self.acted.push((format!("{action} {instance}"), exchange.at, exchange.until));
            }
        }
    }

    fn look_at(&mut self, exchange: &Exchange) {
        let told = std::slice::from_ref(exchange.told());
        if exchange.method == "GET" && exchange.path.starts_with("/api/v3/resources/") && told[0].is_object() {
            self.resources(exchange.at - TimeDelta::milliseconds(2), told);
        }
        for workflow in workflows(exchange) {
            self.workflow(&workflow);
        }
        for state in states(exchange) {
            let data = &state["state_data"];
            self.active.extend(data["trigger"]["trigger_id"].as_str().map(str::to_owned));
            let instance = key(&state["workflow_instance"]);
            self.trigger(&instance, &data["trigger"], &data["trigger_parameters"]);
            // A run that waits for another try and never failed was timed out by an event that somebody injected.
            let has_failed = data["tries"] != 0 || data["consecutive_failures"] != 0;
            if !has_failed
                && data["retry_delay_millis"].is_number()
                && let Some(at) = time(&state["latest_timestamp"])
            {
                let event = json!({ "@type": "timeout", "workflow_instance": instance });
                let path = "/api/v3/scheduler/events".to_owned();
                self.ask(format!("{event}"), at, LeftOut { method: "POST", path, body: Some(event), id: None });
            }
        }
        for recorded in exchange.told()["events"].as_array().into_iter().flatten() {
            let event = &recorded["event"];
            let instance = event["workflow_instance"].as_str().unwrap_or_default();
            match event["@type"].as_str() {
                Some("triggerExecution") => self.trigger(instance, &event["trigger"], &event["parameters"]),
                // An operator's retry, which waits for nothing.
                Some("retryAfter") if event["delay_millis"] == 0 => self.action("retry", instance, recorded),
                Some("halt") => self.action("halt", instance, recorded),
                _ => {}
            }
        }
        self.changes.halted(exchange);
        for backfill in backfills(exchange) {
            self.backfill(exchange, &backfill);
        }
        for (at, change) in self.changes.resources(exchange) {
            self.ask(format!("{} {at}", change.path), at, change);
        }
        if let Some(resources) = exchange.told()["resources"].as_array() {
            // They were made right after the last list that doesn't have them, or before the first request.
            let moment = self.listed.unwrap_or(exchange.at - TimeDelta::days(1)) + TimeDelta::milliseconds(1);
            self.resources(moment, resources);
            self.listed = Some(exchange.at);
        }
    }

    fn workflow(&mut self, workflow: &Value) {
        let mut configuration = workflow["configuration"].clone();
        let Some(at) = time(&configuration["deployment_time"]) else { return };
        configuration["deployment_time"] = Value::Null;
        let path = format!("/api/v3/workflows/{}", encoded(workflow["component_id"].as_str().unwrap_or_default()));
        self.ask(stored(workflow), at, LeftOut { method: "POST", path, body: Some(configuration), id: None });
    }

    fn trigger(&mut self, instance: &str, trigger: &Value, parameters: &Value) {
        let Some((id, at)) = trigger["trigger_id"].as_str().zip(made_at(&trigger["trigger_id"])) else { return };
        let mut parts = instance.rsplitn(2, '#');
        let (parameter, workflow) = (parts.next(), parts.next().unwrap_or_default());
        if trigger["@type"] != "adhoc" {
            return;
        }
        let (component, workflow) = workflow.split_once('#').unwrap_or_default();
        let body = json!({
            "workflow_id": { "component_id": component, "id": workflow },
            "parameter": parameter,
            "trigger_parameters": parameters,
        });
        let path = "/api/v3/scheduler/trigger?allowFuture=true".to_owned();
        self.ask(id.to_owned(), at, LeftOut { method: "POST", path, body: Some(body), id: Some(id.to_owned()) });
    }

    /// A retry or a halt that left its event.
    fn action(&mut self, action: &str, instance: &str, recorded: &Value) {
        let Some(at) = time(&recorded["timestamp"]) else { return };
        let what = format!("{action} {instance}");
        if self.acted.iter().any(|(known, from, to)| *known == what && (*from..=*to).contains(&at)) {
            return;
        }
        let path = format!("/api/v3/scheduler/{action}");
        let body = Some(workflow_instance(instance));
        self.ask(format!("{what} {at}"), at, LeftOut { method: "POST", path, body, id: None });
    }

    fn backfill(&mut self, exchange: &Exchange, backfill: &Value) {
        let Some((id, at)) = backfill["id"].as_str().zip(time(&backfill["created"])) else { return };
        if !self.made.contains(id) {
            let mut body = json!({
                "component": backfill["workflow_id"]["component_id"],
                "workflow": backfill["workflow_id"]["id"],
            });
            for name in ["start", "end", "concurrency", "description", "reverse", "trigger_parameters"] {
                body[name] = backfill[name].clone();
            }
            let path = "/api/v3/backfills?allowFuture=true".to_owned();
            self.ask(id.to_owned(), at, LeftOut { method: "POST", path, body: Some(body), id: Some(id.to_owned()) });
        }
        // Whose instances were seen active after that was halted gracefully.
        let graceful = self.active.contains(id);
        for (at, change) in self.changes.backfill(exchange, backfill, graceful) {
            self.ask(format!("{} {} {at}", change.method, change.path), at, change);
        }
    }

    /// Makes those that nobody made.
    fn resources(&mut self, moment: DateTime<Utc>, resources: &[Value]) {
        for resource in resources {
            let id = resource["id"].as_str().unwrap_or_default();
            let path = "/api/v3/resources".to_owned();
            self.ask(id.to_owned(), moment, LeftOut { method: "POST", path, body: Some(resource.clone()), id: None });
        }
    }

    fn ask(&mut self, what: String, at: DateTime<Utc>, asked: LeftOut) {
        if !self.made.contains(&what) {
            self.asked.entry(what).or_insert((at, asked));
        }
    }
}

/// The JSON of an instance of this key.
fn workflow_instance(key: &str) -> Value {
    let mut parts = key.rsplitn(2, '#');
    let parameter = parts.next();
    let (component, workflow) = parts.next().unwrap_or_default().split_once('#').unwrap_or_default();
    json!({ "workflow_id": { "component_id": component, "id": workflow }, "parameter": parameter })
}

/// A workflow as it was stored at one time.
fn stored(workflow: &Value) -> String {
    let at = time(&workflow["configuration"]["deployment_time"]);
    format!("{} {} {at:?}", workflow["component_id"], workflow["workflow_id"])
}

pub(super) fn encoded(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let byte = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    segment.bytes().map(byte).collect()
}
