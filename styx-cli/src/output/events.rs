//! What happened to an instance.

use chrono::DateTime;
use styx_client::{EventInfo, EventsPayload};

use super::event_info;

/// Puts events into words.
pub(crate) fn rows(payload: &EventsPayload) -> Vec<EventInfo> {
    let rows = payload.events.iter().map(|timed| EventInfo {
        timestamp: timed.timestamp,
        name: timed.event.kind.name().into(),
        info: event_info::describe(&timed.event.kind),
    });
    rows.collect()
}

pub(crate) fn pretty(rows: &[EventInfo]) -> String {
    let mut text = format!("{:25} {:25} {}\n", "TIME", "EVENT", "DATA");
    for row in rows {
        text.push_str(&format!("{:25} {:25} {}\n", time(row), row.name, row.info));
    }
    text
}

pub(crate) fn plain(rows: &[EventInfo]) -> String {
    rows.iter().map(|row| format!("{} {} {}\n", time(row), row.name, row.info)).collect()
}

/// The time in UTC, to the second.
fn time(row: &EventInfo) -> String {
    DateTime::from_timestamp_millis(row.timestamp)
        .map_or_else(|| row.timestamp.to_string(), |at| at.format("%Y-%m-%dT%H:%M:%S").to_string())
}
