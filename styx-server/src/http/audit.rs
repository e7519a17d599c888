//! One line for each write, who asked and what came of it; bodies may hold secrets and are not shown.

use std::{fmt, time::Instant};

use axum::response::Response;
use hyper::http::request::Parts;

use super::{
    is_write,
    response::{is_without_effect, one_line},
};
use crate::metrics::Metrics;

/// How requests are counted whose client went away before it was answered; no client sees it.
const CLIENT_GONE: u16 = 499;

/// A request that is under way. When it is dropped without an answer, its client has gone: what was asked for may have happened
/// all the same, so it is told of and counted.
pub(super) struct Audited<'a> {
    pub(super) metrics: &'a Metrics,
    pub(super) route: &'static str,
    pub(super) parts: &'a Parts,
    pub(super) request_id: &'a str,
    pub(super) actor: &'a str,
    pub(super) began: Instant,
    pub(super) is_answered: bool,
}

impl Audited<'_> {
    /// Tells of the answer.
    pub(super) fn answered(&mut self, response: &Response, refusal: Option<&str>) {
        self.is_answered = true;
        let refusal = refusal.map(|text| format!(": {}", one_line(without_payload(text)))).unwrap_or_default();
        let nothing_done = is_write(&self.parts.method) && is_without_effect(response.headers());
        let effect = if nothing_done { " (nothing to do)" } else { "" };
        self.tell(format_args!("{}{effect}{refusal}", response.status().as_u16()));
    }

    fn tell(&self, outcome: fmt::Arguments<'_>) {
        let Self { parts, request_id, actor, began, .. } = self;
        let (method, uri) = (&parts.method, &parts.uri);
        let ms = began.elapsed().as_millis() as u64;
        if is_write(method) {
            tracing::info!(request_id, actor, ms, "[AUDIT] {method} {uri} {outcome}");
        } else {
            tracing::debug!(request_id, actor, ms, "{method} {uri} {outcome}");
        }
    }
}

impl Drop for Audited<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.metrics.http.answered(self.route, &self.parts.method, CLIENT_GONE, self.began.elapsed());
            self.tell(format_args!("{CLIENT_GONE}: the client has gone, what it asked for may be done"));
        }
    }
}

/// A refusal as the log has it: what is wrong with a body is told with pieces of the body, and they may be secrets.
fn without_payload(refusal: &str) -> &str {
    let prefixes = ["Invalid payload.", "Payload parsing failed"];
    prefixes.into_iter().find(|prefix| refusal.starts_with(prefix)).unwrap_or(refusal)
}
