//! What happened to an instance.

use chrono::DateTime;
use serde::Serialize;
use styx_client::EventsPayload;

use super::event_info;

/// An event as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct EventRow {
    /// Milliseconds since 1970.
    timestamp: i64,
    name: String,
    info: String,
}

/// Puts events into words.
pub(crate) fn rows(payload: &EventsPayload) -> Vec<EventRow> {
    let rows = payload.events.iter().map(|timed| EventRow {
        timestamp: timed.timestamp,
        name: timed.event.kind.name().into(),
        info: event_info::describe(&timed.event.kind),
    });
    rows.collect()
}

pub(crate) fn pretty(rows: &[EventRow]) -> String {
    let mut text = format!("{:25} {:25} {}\n", "TIME", "EVENT", "DATA");
    for row in rows {
        text.push_str(&format!("{:25} {:25} {}\n", row.time(), row.name, row.info));
    }
    text
}

pub(crate) fn plain(rows: &[EventRow]) -> String {
    rows.iter().map(|row| format!("{} {} {}\n", row.time(), row.name, row.info)).collect()
}

impl EventRow {
    /// The time in UTC, to the second.
    fn time(&self) -> String {
        DateTime::from_timestamp_millis(self.timestamp)
            .map_or_else(|| self.timestamp.to_string(), |at| at.format("%Y-%m-%dT%H:%M:%S").to_string())
    }
}
