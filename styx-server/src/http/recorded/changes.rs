//! Changes of resources and backfills that no recorded request made: an answer shows another value than the one before.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    exchange::{Exchange, time},
    story::LeftOut,
};

/// What was known of each when it was seen last.
#[derive(Default)]
pub(super) struct Changes {
    resources: BTreeMap<String, Value>,
    backfills: BTreeMap<String, [Value; 2]>,
    halted: BTreeSet<String>,
}

/// A request that was left out, and when it was handled.
type Change = (DateTime<Utc>, LeftOut);

impl Changes {
    /// What must have happened before an answer that shows these resources.
    pub(super) fn resources(&mut self, exchange: &Exchange) -> Vec<Change> {
        if !exchange.path.starts_with("/api/v3/resources") {
            return Vec::new();
        }
        let told = exchange.told();
        let listed = told["resources"].as_array().map_or(std::slice::from_ref(told), Vec::as_slice);
        listed.iter().filter_map(|resource| self.resource(exchange, resource)).collect()
    }

    fn resource(&mut self, exchange: &Exchange, resource: &Value) -> Option<Change> {
        let id = resource["id"].as_str()?;
        let before = self.resources.insert(id.to_owned(), resource["concurrency"].clone())?;
        if exchange.is_done() || before == resource["concurrency"] {
            return None;
        }
        let path = format!("/api/v3/resources/{}", super::story::encoded(id));
        let body = Some(resource.clone());
        Some((exchange.at - TimeDelta::milliseconds(1), LeftOut { method: "PUT", path, body, id: None }))
    }

    /// What must have happened before an answer that shows a backfill so, which a recorded request made. `graceful` is how it
    /// was halted, if it was.
    pub(super) fn backfill(&mut self, exchange: &Exchange, backfill: &Value, graceful: bool) -> Vec<Change> {
        let Some((id, at)) = backfill["id"].as_str().zip(time(&backfill["last_modified"])) else { return Vec::new() };
        let [concurrency, description] = ["concurrency", "description"].map(|name| backfill[name].clone());
        let before = self.backfills.insert(id.to_owned(), [concurrency.clone(), description.clone()]);
        let mut changes = Vec::new();
        if !exchange.is_done() && before.is_some_and(|before| before != [concurrency.clone(), description.clone()]) {
            let body = Some(json!({ "id": id, "concurrency": concurrency, "description": description }));
            changes.push((at, LeftOut { method: "PUT", path: format!("/api/v3/backfills/{id}"), body, id: None }));
        }
        if backfill["halted"] == true && self.halted.insert(id.to_owned()) {
            let path = format!("/api/v3/backfills/{id}?graceful={graceful}");
            changes.push((at, LeftOut { method: "DELETE", path, body: None, id: None }));
        }
        changes
    }

    /// Takes note of a recorded request that halts a backfill.
    pub(super) fn halted(&mut self, exchange: &Exchange) {
        let path = exchange.path.split('?').next().unwrap_or_default();
        if exchange.method == "DELETE"
            && exchange.is_done()
            && let Some(id) = path.strip_prefix("/api/v3/backfills/")
        {
            self.halted.insert(id.to_owned());
        }
    }
}
