//! Requests whose client went away before it was answered: what they asked for may have happened all the same.

use std::{sync::Arc, time::Instant};

use hyper::{Method, Uri};

use crate::metrics::Metrics;

/// How such requests are counted; no client sees it.
const CLIENT_GONE: u16 = 499;

/// Tells of a request when it is dropped, unless it was answered.
pub(super) struct Unanswered {
    pub(super) metrics: Arc<Metrics>,
    pub(super) route: &'static str,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) request_id: String,
    pub(super) actor: Arc<str>,
    pub(super) began: Instant,
    pub(super) is_answered: bool,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let Self { metrics, route, method, uri, request_id, actor, began, .. } = self;
        metrics.http.answered(route, method, CLIENT_GONE, began.elapsed());
        let ms = began.elapsed().as_millis() as u64;
        if super::is_write(method) {
            let text = "the client has gone, what it asked for may be done";
            tracing::info!(request_id, actor = &**actor, ms, "[AUDIT] {method} {uri} {CLIENT_GONE}: {text}");
        } else {
            tracing::debug!(request_id, actor = &**actor, ms, "{method} {uri} {CLIENT_GONE}: the client has gone");
        }
    }
}
