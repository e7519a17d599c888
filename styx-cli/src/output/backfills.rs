//! Backfills.

use chrono::{DateTime, Utc};
use styx_client::Backfill;
use styx_client::time::format_instant;
use styx_core::schedule::Schedule;

use super::style::or_empty;
use styx_host::table::table;
use styx_host::text::{padded, visible, width};

/// How much of a long text is shown.
const SHORT: usize = 20;
const NOTHING: &str = "N/A";

/// The columns of a table whose width depends on what is in it.
struct Widths {
    component: usize,
    workflow: usize,
    description: usize,
}

/// Backfills under a header. Long descriptions and environments are cut, unless they are wanted `whole`.
pub(crate) fn pretty(backfills: &[&Backfill], whole: bool) -> String {
    let cut = |text: String| if whole { text } else { shorten(&text) };
    let rows: Vec<_> = backfills.iter().map(|backfill| (backfill, cut(description(backfill)))).collect();
    let widest = |header: &str, text: fn(&Backfill) -> &str| {
        backfills.iter().map(|backfill| width(&visible(text(backfill)))).max().unwrap_or_default().max(header.len())
    };
    let widths = Widths {
        component: widest("COMPONENT", |backfill| &backfill.workflow_id.component_id),
        workflow: widest("WORKFLOW", |backfill| &backfill.workflow_id.id),
        description: rows.iter().map(|(_, text)| width(text)).max().unwrap_or_default().max("DESCRIPTION".len()),
    };
    let mut text = row(
        &widths,
        [
            "BACKFILL ID",
            "HALTED",
            "ALL TRIGGERED",
            "CONCURRENCY",
            "START (INCL)",
            "END (EXCL)",
            "REVERSE",
            "NEXT TRIGGER",
            "COMPONENT",
            "WORKFLOW",
            "CREATED",
            "LAST MODIFIED",
            "DESCRIPTION",
            "TRIGGER ENV",
        ],
    );
    for (backfill, description) in &rows {
        text.push_str(&pretty_row(&widths, backfill, description, &cut(env(backfill))));
    }
    text
}

/// One backfill without a header, and nothing of it cut.
pub(crate) fn line(backfill: &Backfill) -> String {
    let description = description(backfill);
    let width = |text: &str, least: usize| width(&visible(text)).max(least);
    let widths = Widths {
        component: width(&backfill.workflow_id.component_id, "COMPONENT".len()),
        workflow: width(&backfill.workflow_id.id, "WORKFLOW".len()),
        description: width(&description, "DESCRIPTION".len()),
    };
    pretty_row(&widths, backfill, &description, &env(backfill))
}

pub(crate) fn plain(backfill: &Backfill) -> String {
    let env = if backfill.trigger_parameters.is_some() { env(backfill) } else { String::new() };
    let fields = [
        backfill.id.clone(),
        backfill.workflow_id.component_id.clone(),
        backfill.workflow_id.id.clone(),
        backfill.halted.to_string(),
        backfill.all_triggered.to_string(),
        backfill.concurrency.to_string(),
        format_instant(backfill.start),
        format_instant(backfill.end),
        backfill.reverse.to_string(),
        format_instant(backfill.next_trigger),
        instant(backfill.created),
        instant(backfill.last_modified),
        or_empty(backfill.description.as_ref()),
        env,
    ];
    format!("{}\n", visible(&fields.join(" ")))
}

pub(crate) fn wide(backfills: &[&Backfill]) -> String {
    let headers = [
        "BACKFILL ID",
        "COMPONENT",
        "WORKFLOW",
        "STATUS",
        "CONCURRENCY",
        "SCHEDULE",
        "START (INCL)",
        "END (EXCL)",
        "REVERSE",
        "NEXT TRIGGER",
        "CREATED",
        "LAST MODIFIED",
        "DESCRIPTION",
        "TRIGGER ENV",
    ];
    let rows: Vec<_> = backfills
        .iter()
        .map(|backfill| {
            let status = match backfill {
                Backfill { halted: true, .. } => "halted",
                Backfill { all_triggered: true, .. } => "triggered",
                _ => "triggering",
            };
            let [start, end, next] = instants(backfill);
            [
                backfill.id.clone(),
                backfill.workflow_id.component_id.clone(),
                backfill.workflow_id.id.clone(),
                status.into(),
                backfill.concurrency.to_string(),
                backfill.schedule.clone(),
                start,
                end,
                backfill.reverse.to_string(),
                next,
                instant(backfill.created),
                instant(backfill.last_modified),
                description(backfill),
                env(backfill),
            ]
        })
        .collect();
    table(headers, &rows)
}

fn pretty_row(widths: &Widths, backfill: &Backfill, description: &str, env: &str) -> String {
    let [start, end, next] = instants(backfill);
    row(
        widths,
        [
            &backfill.id,
            &backfill.halted.to_string(),
            &backfill.all_triggered.to_string(),
            &backfill.concurrency.to_string(),
            &start,
            &end,
            &backfill.reverse.to_string(),
            &next,
            &backfill.workflow_id.component_id,
            &backfill.workflow_id.id,
            &instant(backfill.created),
            &instant(backfill.last_modified),
            description,
            env,
        ],
    )
}

fn row(widths: &Widths, cells: [&str; 14]) -> String {
    let [
        id,
        halted,
        triggered,
        concurrency,
        start,
        end,
        reverse,
        next,
        component,
        workflow,
        created,
        modified,
        description,
        env,
    ] = cells.map(visible);
    let component = padded(&component, widths.component);
    let workflow = padded(&workflow, widths.workflow);
    let description = padded(&description, widths.description);
    format!(
        "{id:>28}  {halted:>6}  {triggered:>13} {concurrency:>12}  {start:20}  {end:20}  {reverse:7}  {next:20}  \
         {component}  {workflow} {created:20} {modified:20} {description} {env}\n"
    )
}

/// Start, end and next instant as the parameters that they stand for.
fn instants(backfill: &Backfill) -> [String; 3] {
    let schedule = Schedule::parse(&backfill.schedule).ok();
    [backfill.start, backfill.end, backfill.next_trigger].map(|at| match &schedule {
        Some(schedule) => schedule.parameter(at),
        None => format_instant(at),
    })
}

fn description(backfill: &Backfill) -> String {
    visible(backfill.description.as_deref().unwrap_or(NOTHING)).into()
}

fn env(backfill: &Backfill) -> String {
    let Some(parameters) = &backfill.trigger_parameters else {
        return NOTHING.into();
    };
    let variables = parameters.env.iter().map(|(key, value)| format!("{key}={value}"));
    visible(&variables.collect::<Vec<_>>().join(" ")).into()
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into(),
    }
}

fn instant(at: Option<DateTime<Utc>>) -> String {
    or_empty(at.map(format_instant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_description_is_shown_whole_when_that_is_wanted() {
        let json = br#"{"id":"b","start":"2026-01-01T00:00:00Z","end":"2026-01-02T00:00:00Z","workflow_id":
            {"component_id":"c","id":"w"},"concurrency":1,"description":null,"next_trigger":"2026-01-01T00:00:00Z",
            "schedule":"hours","all_triggered":false,"halted":false,"reverse":false,"trigger_parameters":null,
            "created":null,"last_modified":null}"#;
        let mut backfill: Backfill = styx_client::json::from_slice(json).unwrap();
        backfill.description = Some("x".repeat(100_000));
        for text in [pretty(&[&backfill], true), line(&backfill), wide(&[&backfill])] {
            assert!(text.contains(&"x".repeat(100_000)));
        }
        assert!(pretty(&[&backfill], false).len() < 1_000);
    }
}
