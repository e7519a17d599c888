//! One recorded exchange: what was asked, what was answered, and when.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::Value;

/// One recorded exchange.
pub(super) struct Exchange {
    pub(super) n: u64,
    /// When it was asked for, and when its answer was there.
    pub(super) at: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) answer: Option<Value>,
    /// The headers of the answer, with small letters.
    pub(super) sent: BTreeMap<String, String>,
    /// Whether the answer had a body.
    pub(super) has_body: bool,
}

impl Exchange {
    pub(super) fn of(line: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (request, response) = (&line["request"], &line["response"]);
        let headers = response["headers"].as_object().unwrap();
        let at: DateTime<Utc> = line["at"].as_str().unwrap().parse().unwrap();
        Self {
            n: line["n"].as_u64().unwrap(),
            at,
            until: at + TimeDelta::milliseconds(line["ms"].as_f64().unwrap_or_default().ceil() as i64 + 1),
            method: text(&request["method"]),
            path: text(&request["path"]),
            body: text(&request["body"]),
            headers: request["headers"]
                .as_object()
                .map(|headers| headers.iter().map(|(name, value)| (name.clone(), text(value))).collect())
                .unwrap_or_default(),
            status: response["status"].as_u64().unwrap() as u16,
            reason: text(&response["reason"]),
            answer: response["body"].as_str().and_then(|body| serde_json::from_str(body).ok()),
            sent: headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect(),
            has_body: response["body"].as_str().is_some_and(|body| !body.is_empty()),
        }
    }

    /// Whether it changed something.
    pub(super) fn is_done(&self) -> bool {
        self.status < 300 && !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// Whether the answer tells of an active run where there should be none.
    pub(super) fn meets_active_run(&self) -> bool {
        self.status == 409 || self.reason.ends_with("while in RUNNING")
    }

    /// What was answered with success; null otherwise.
    pub(super) fn told(&self) -> &Value {
        self.answer.as_ref().filter(|_| self.status < 300).unwrap_or(&Value::Null)
    }

    /// Component, workflow and parameter, as far as the request names them.
    pub(super) fn names(&self) -> (Option<String>, Option<String>, Option<String>) {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        if let Some(id) = body.get("workflow_id") {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            return (text(&id["component_id"]), text(&id["id"]), text(&body["parameter"]));
        }
        if let Some((workflow, parameter)) = body["workflow_instance"].as_str().and_then(|key| key.rsplit_once('#'))
            && let Some((component, workflow)) = workflow.split_once('#')
        {
            return (Some(component.to_owned()), Some(workflow.to_owned()), Some(parameter.to_owned()));
        }
        let path = self.path.split('?').next().unwrap_or_default();
        let mut segments = path.split('/').skip(3);
        if path.starts_with("/api/v3/status/events/") {
            segments.nth(1);
        } else if segments.next() != Some("workflows") {
            return (None, None, None);
        }
        let mut next = || segments.next().filter(|segment| !segment.is_empty()).map(str::to_owned);
        (next(), next(), next())
    }
}

/// A time in a body, in milliseconds, as we keep it.
pub(super) fn time(value: &Value) -> Option<DateTime<Utc>> {
    let time = match value {
        Value::Number(millis) => DateTime::from_timestamp_millis(millis.as_i64()?),
        value => value.as_str()?.parse().ok(),
    };
    time.map(|time: DateTime<Utc>| time.trunc_subsecs(3))
}

/// When an id was made that has the time in it.
pub(super) fn made_at(id: &Value) -> Option<DateTime<Utc>> {
    let id = id.as_str()?;
    let rest = id.strip_prefix("ad-hoc-cli-").or_else(|| id.strip_prefix("backfill-"))?;
    DateTime::from_timestamp_millis(rest.split_once('-')?.0.parse().ok()?)
}

/// `component#workflow#parameter` of a `workflow_instance`, in whichever form it is.
pub(super) fn key(instance: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let id = &instance["workflow_id"];
    format!("{}#{}#{}", text(&id["component_id"]), text(&id["id"]), text(&instance["parameter"]))
}
