//! The runs that are active.

use std::collections::BTreeMap;

use chrono::DateTime;
use styx_client::time::format_instant;
use styx_client::{Message, MessageLevel, RunStateData, Trigger};

use super::style::{Color, or_empty, paint, paint_padded};
use styx_host::table::table;
use styx_host::text::visible;

/// The runs of each workflow by parameter. Of two runs of one parameter, the last one counts.
pub(crate) type Groups<'a> = BTreeMap<String, BTreeMap<&'a str, &'a RunStateData>>;

const NO_EXECUTION: &str = "<no-execution-id>";
const NO_INFO: &str = "No info";

/// Sorts runs by workflow and parameter.
pub(crate) fn group(runs: &[RunStateData]) -> Groups<'_> {
    let mut groups = Groups::new();
    for run in runs {
        let instance = &run.workflow_instance;
        groups.entry(instance.workflow_id.key()).or_default().insert(&instance.parameter, run);
    }
    groups
}

pub(crate) fn pretty(groups: &Groups<'_>, color: bool) -> String {
    let mut text = format!(
        "  {:20} {:12} {:47} {:7} {}\n",
        "WORKFLOW INSTANCE", "STATE", "EXECUTION ID", "TRIES", "PREVIOUS EXECUTION MESSAGE"
    );
    for runs in groups.values() {
        let Some(first) = runs.values().next() else {
            continue;
        };
        let workflow = &first.workflow_instance.workflow_id;
        text.push_str(&format!(
            "\n{} {}\n",
            paint(&visible(&workflow.component_id), Color::CYAN, color),
            paint(&visible(&workflow.id), Color::BLUE, color)
        ));
        for run in runs.values() {
            let data = &run.state_data;
            let (message, message_color) = message(data.messages.last());
            text.push_str(&format!(
                "  {:20} {} {:47} {:<7} {}\n",
                visible(&run.workflow_instance.parameter),
                paint_padded(&visible(&run.state), 12, state_color(&run.state), color),
                visible(data.execution_id.as_deref().unwrap_or(NO_EXECUTION)),
                data.tries,
                paint(&visible(message), message_color, color),
            ));
        }
    }
    text
}

/// All that there is to say of a run in a line.
pub(crate) fn wide(groups: &Groups<'_>) -> String {
    let headers = [
        "COMPONENT",
        "WORKFLOW",
        "INSTANCE",
        "STATE",
        "SINCE",
        "TRIES",
        "FAILURES",
        "LAST EXIT",
        "TRIGGER",
        "RUNNER",
        "RESOURCES",
        "EXECUTION ID",
        "PREVIOUS EXECUTION MESSAGE",
    ];
    let rows: Vec<_> = groups
        .values()
        .flat_map(BTreeMap::values)
        .map(|run| {
            let (instance, data) = (&run.workflow_instance, &run.state_data);
            let trigger = data.trigger.as_ref().map(Trigger::id).or(data.trigger_id.as_deref());
            let since = run.latest_timestamp.and_then(DateTime::from_timestamp_millis);
            [
                instance.workflow_id.component_id.clone(),
                instance.workflow_id.id.clone(),
                instance.parameter.clone(),
                run.state.clone(),
                or_empty(since.map(format_instant)),
                data.tries.to_string(),
                data.consecutive_failures.to_string(),
                or_empty(data.last_exit),
                or_empty(trigger),
                or_empty(data.runner_id.as_ref()),
                data.resource_ids.as_deref().unwrap_or_default().join(","),
                data.execution_id.as_deref().unwrap_or(NO_EXECUTION).into(),
                message(data.messages.last()).0.into(),
            ]
        })
        .collect();
    table(headers, &rows)
}

pub(crate) fn plain(groups: &Groups<'_>) -> String {
    groups.values().flat_map(BTreeMap::values).map(|run| plain_line(run)).collect()
}

pub(crate) fn plain_line(run: &RunStateData) -> String {
    let (instance, data) = (&run.workflow_instance, &run.state_data);
    let line = format!(
        "{} {} {} {} {} {} {}",
        instance.workflow_id.component_id,
        instance.workflow_id.id,
        instance.parameter,
        run.state,
        data.execution_id.as_deref().unwrap_or(NO_EXECUTION),
        data.tries,
        message(data.messages.last()).0,
    );
    format!("{}\n", visible(&line))
}

/// An object of lists, by the key of the workflow.
pub(crate) fn json<'a>(groups: &Groups<'a>) -> BTreeMap<String, Vec<&'a RunStateData>> {
    groups.iter().map(|(key, runs)| (key.clone(), runs.values().copied().collect())).collect()
}

fn message(message: Option<&Message>) -> (&str, Color) {
    match message {
        None => (NO_INFO, Color::DEFAULT),
        Some(message) => {
            let color = match message.level {
                MessageLevel::Info => Color::GREEN,
                MessageLevel::Warning => Color::YELLOW,
                MessageLevel::Error => Color::RED,
                MessageLevel::Unknown => Color::DEFAULT,
            };
            (&message.line, color)
        }
    }
}

fn state_color(state: &str) -> Color {
    match state {
        "PREPARE" | "SUBMITTING" | "SUBMITTED" => Color::BRIGHT_CYAN,
        "RUNNING" => Color::BRIGHT_BLUE,
        "TERMINATED" => Color::BRIGHT_YELLOW,
        "FAILED" | "ERROR" => Color::BRIGHT_RED,
        "DONE" => Color::BRIGHT_GREEN,
        _ => Color::GRAY,
    }
}
