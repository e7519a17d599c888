//! What happened to an instance.

use chrono::DateTime;
use styx_client::time::format_instant;
use styx_client::{EventInfo, EventsPayload};

use super::event_info;
use styx_host::table::table;
use styx_host::text::visible;

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
        text.push_str(&visible(&format!("{:25} {:25} {}", time(row), row.name, row.info)));
        text.push('\n');
    }
    text
}

pub(crate) fn plain(rows: &[EventInfo]) -> String {
    let line = |row: &EventInfo| format!("{} {} {}", time(row), row.name, row.info);
    rows.iter().map(|row| format!("{}\n", visible(&line(row)))).collect()
}

pub(crate) fn wide(rows: &[EventInfo]) -> String {
    let cells = |row: &EventInfo| {
        let at = DateTime::from_timestamp_millis(row.timestamp).map(format_instant);
        [at.unwrap_or_else(|| row.timestamp.to_string()), row.name.clone(), row.info.clone()]
    };
    table(["TIME", "EVENT", "DATA"], &rows.iter().map(cells).collect::<Vec<_>>())
}

/// The time in UTC, to the second.
fn time(row: &EventInfo) -> String {
    DateTime::from_timestamp_millis(row.timestamp)
        .map_or_else(|| row.timestamp.to_string(), |at| at.format("%Y-%m-%dT%H:%M:%S").to_string())
}
