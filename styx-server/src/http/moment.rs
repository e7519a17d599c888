//! One moment of the log, of which an answer is made however long that takes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use styx_core::log::LogReader;

use super::App;
use crate::views::Descriptions;

/// What the log held when an answer was begun. The store keeps what was overwritten since, so it is held for a bounded time:
/// an answer that isn't whole by then is cut, and a client that takes nothing in loses its connection before that.
pub(super) struct Moment {
    app: Arc<App>,
    reader: Box<dyn LogReader>,
    since: Instant,
}

/// An answer took too long.
#[derive(Debug, thiserror::Error)]
#[error("the answer wasn't whole after {} s (http.answer_timeout)", .0.as_secs())]
pub(super) struct Expired(Duration);

impl Moment {
    /// The present one.
    pub(super) fn now(app: &Arc<App>) -> Self {
        Self { app: Arc::clone(app), reader: app.engine.reader().snapshot(), since: Instant::now() }
    }

    /// Reads what the log held.
    pub(super) fn reader(&self) -> &dyn LogReader {
        &*self.reader
    }

    /// Spells out what executions ran.
    pub(super) fn descriptions(&self) -> Descriptions<'_> {
        self.app.descriptions(self.reader())
    }

    /// # Errors
    ///
    /// When it was held as long as it may be.
    pub(super) fn check(&self) -> Result<(), Expired> {
        let limit = self.app.http.answer_timeout.std();
        if self.since.elapsed() < limit { Ok(()) } else { Err(Expired(limit)) }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use chrono::TimeDelta;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        auth::Access,
        http::scripted::{ScriptedServer, lasting},
        settings::Iso,
    };

    /// Runs that go on for days, of workflow `c/w`, and a backfill of it; with so much in their environment that every list of
    /// them takes several pieces.
    fn busy_server(data: &std::path::Path) -> (ScriptedServer, String) {
        let for_days = lasting(TimeDelta::days(7));
        let now = "2026-03-01T00:30:00Z".parse().unwrap();
        let server = ScriptedServer::start(data, Access::Open, now, for_days);
        for name in ["w", "v", "z"] {
            store(&server, name, 2_000);
        }
        // So much that no list of all is kept.
        for number in 0..40 {
            store(&server, &format!("idle-{number:02}"), 110_000);
        }
        for day in 1..=28 {
            trigger(&server, &format!("2026-02-{day:02}"));
        }
        for _ in 0..30 {
            halt(&server, "2026-02-14");
            trigger(&server, "2026-02-14");
        }
        let backfill = backfill(&server, "2025-01-01T00:00:00Z", "2025-12-01T00:00:00Z");
        server.settle();
        (server, backfill)
    }

    fn post(server: &ScriptedServer, path: &str, body: &Value) -> Bytes {
        server.ask("POST", path, &body.to_string())
    }

    fn store(server: &ScriptedServer, name: &str, length: usize) {
        let body =
            json!({"id": name, "schedule": "days", "docker_image": "busybox", "docker_args": ["w".repeat(length)]});
        post(server, "/api/v3/workflows/c", &body);
    }

    fn trigger(server: &ScriptedServer, parameter: &str) {
        let id = json!({"component_id": "c", "id": "w"});
        let parameters = json!({"env": {"TEXT": "t".repeat(2_000)}});
        let body = json!({"workflow_id": id, "parameter": parameter, "trigger_parameters": parameters});
        post(server, "/api/v3/scheduler/trigger", &body);
    }

    fn halt(server: &ScriptedServer, parameter: &str) {
        let id = json!({"component_id": "c", "id": "w"});
        post(server, "/api/v3/scheduler/halt", &json!({"workflow_id": id, "parameter": parameter}));
    }

    fn backfill(server: &ScriptedServer, start: &str, end: &str) -> String {
        let body = json!({"component": "c", "workflow": "w", "start": start, "end": end, "concurrency": 60});
        let made: Value = serde_json::from_slice(&post(server, "/api/v3/backfills", &body)).unwrap();
        made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// Each of these changes what the lists show, in front of and behind the place where a reader is.
    fn change(server: &ScriptedServer, step: usize) {
        store(server, &format!("added-{step}"), 2_000);
        trigger(server, &format!("2024-01-{:02}", 1 + step % 28));
        trigger(server, "2026-02-14");
        halt(server, "2026-02-14");
        halt(server, &format!("2026-02-{:02}", 28 - step % 28));
        halt(server, &format!("2025-01-{:02}", 1 + step % 28));
        server.ask("DELETE", &format!("/api/v3/workflows/c/{}", ["v", "z"][step % 2]), "");
        let day = |day: usize| format!("2023-{:02}-{:02}T00:00:00Z", 1 + day / 28, 1 + day % 28);
        backfill(server, &day(step), &day(step + 1));
        server.settle();
    }

    #[test]
    fn a_list_that_is_read_slowly_shows_one_moment() {
        let dir = tempfile::tempdir().unwrap();
        let (server, backfill) = busy_server(&dir.path().join("data"));
        let paths = [
            ("/api/v3/status/activeStates".to_owned(), 2),
            ("/api/v3/status/activeStates?components=c".to_owned(), 2),
            ("/api/v3/status/events/c/w/2026-02-14".to_owned(), 2),
            ("/api/v3/workflows/c/w/instances".to_owned(), 2),
            ("/api/v3/workflows/c/w/instances/2026-02-14".to_owned(), 2),
            ("/api/v3/backfills?status=true&showAll=true".to_owned(), 2),
            (format!("/api/v3/backfills/{backfill}"), 2),
            ("/api/v3/workflows?full".to_owned(), 2),
            ("/api/v3/workflows".to_owned(), 2),
            ("/api/v3/workflows/c".to_owned(), 2),
        ];
        for (number, (path, least)) in paths.iter().enumerate() {
            let expected = server.ask("GET", path, "");
            let mut answer = server.open(path);
            let (mut shown, mut pieces) = (Vec::new(), 0);
            while let Some(piece) = answer.next_piece() {
                shown.extend_from_slice(&piece.unwrap());
                if pieces < 4 {
                    change(&server, 4 * number + pieces);
                }
                pieces += 1;
            }
            assert!(pieces >= *least, "{path}: {pieces} pieces of {} bytes", shown.len());
            assert!(shown == expected, "{path} shows several moments");
            assert!(server.ask("GET", path, "") != expected, "{path}: nothing changed");
        }
    }

    #[test]
    fn an_answer_that_takes_too_long_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let (mut server, _) = busy_server(&dir.path().join("data"));
        Arc::get_mut(&mut server.app).unwrap().http.answer_timeout = Iso(TimeDelta::zero());
        let mut answer = server.open("/api/v3/status/activeStates");
        assert!(answer.next_piece().unwrap().is_ok());
        assert!(answer.next_piece().unwrap().is_err());
        assert!(answer.next_piece().is_none());
        // What fits into one piece takes no time.
        let found: Value = serde_json::from_slice(&server.ask("GET", "/api/v3/workflows/c/v", "")).unwrap();
        assert_eq!(found["workflow_id"], "v");
    }
}
