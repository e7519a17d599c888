//! A step in words.

use owo_colors::Style;
use styx_core::record::{Cause, Fact};
use styx_host::text::{padded, visible, width};

use super::{changes, execution_views, run_views};
use crate::log_tools::{
    json,
    life::{Both, Step},
    redact, view, wording,
};

/// A line of text in one style.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) style: Style,
}

/// How requests and raw evidence are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Each as one line.
    OneLine,
    /// As JSON over many lines.
    Spread,
}

/// What every record changes and its own time and number say already; and a level that its line says.
const OBVIOUS: [&str; 5] = ["state", "since", "counter", "last_event_at", "message.level"];

/// A step for people; it is the `number`th `of` so many.
pub(super) fn lines(step: &Step, number: usize, of: usize, evidence: Evidence) -> Vec<Line> {
    let mut lines = Lines(Vec::new());
    let record = &step.record;
    lines.styled(
        Style::new().bold(),
        format!("record {}  {}  ({number} of {of})", record.position, view::time(record.at)),
    );
    let info = wording::info(record);
    lines.field("event", &format!("{}  {info}", record.fact.name()), Style::new().bold());
    if let Fact::Execution(id, _) = &record.fact {
        lines.field("of", &format!("execution {id}"), Style::new());
    }
    cause(step, evidence, &mut lines);
    if let Some(refused) = &step.refused {
        lines.field("refused", refused, Style::new().red());
    }
    run(step, &mut lines);
    execution(step, &mut lines);
    lines.0
}

fn cause(step: &Step, evidence: Evidence, lines: &mut Lines) {
    let leader = match step.record.decision {
        decision if decision == step.record.position => String::new(),
        decision => format!(" (decided with record {decision})"),
    };
    let words = match &step.cause {
        Cause::Decision => "unknown".into(),
        Cause::Schedule => "schedule: a natural trigger was due".into(),
        Cause::Timer => "timer: its time had come".into(),
        Cause::Engine => "engine".into(),
        Cause::Operator(operator) => format!("operator {}, request {}", operator.actor, operator.request_id),
        Cause::Executor { runner, what, observed_at, .. } => {
            let when = observed_at.map_or_else(String::new, |at| format!(", which happened at {}", view::time(at)));
            format!("executor {runner} saw: {}{when}", json::observed(what))
        }
        Cause::Imported { at } => format!("imported: it happened at {}", view::time(*at)),
    };
    lines.field("cause", &format!("{words}{leader}"), Style::new());
    let (name, bytes) = match &step.cause {
        Cause::Operator(operator) => ("asked", operator.request.as_bytes()),
        Cause::Executor { evidence, .. } => ("evidence", &**evidence),
        _ => return,
    };
    let value = redact::json(bytes);
    if value.is_null() {
        return;
    }
    match evidence {
        Evidence::OneLine => lines.field(name, &value.to_string(), Style::new().dimmed()),
        Evidence::Spread => {
            lines.field(name, "", Style::new());
            let text = serde_json::to_string_pretty(&value).unwrap_or_default();
            text.lines().for_each(|line| lines.styled(Style::new().dimmed(), format!("    {line}")));
        }
    }
}

fn run(step: &Step, lines: &mut Lines) {
    let state = |run: &Option<_>| run.as_ref().map(|run: &styx_core::run::Run| run.state);
    match (state(&step.run.before), state(&step.run.after)) {
        (Some(before), Some(after)) if before != after => {
            lines.field("state", &format!("{before} -> {after}"), view::style_of(after));
        }
        (_, Some(after)) => lines.field("state", &format!("{after}, as before"), Style::new()),
        (_, None) => lines.field("state", "-", Style::new()),
    }
    changed(&run_views(step), lines);
}

fn execution(step: &Step, lines: &mut Lines) {
    let Some((id, views)) = execution_views(step) else { return };
    let before = views.before.as_ref().map_or("nothing", |view| view["phase"].as_str().unwrap_or_default());
    let after = views.after.as_ref().map_or("gone", |view| view["phase"].as_str().unwrap_or_default());
    if before == after && changes(&views).is_empty() {
        return;
    }
    let phases = if before == after { format!("{after}, as before") } else { format!("{before} -> {after}") };
    lines.field("execution", &format!("{id}: {phases}"), Style::new());
    if views.after.is_some() && views.before.is_some() {
        let without_phase = |view: &Option<view::View>| {
            let mut view = view.clone();
            view.as_mut().map(|view| view.remove("phase"));
            view
        };
        changed(&Both { before: without_phase(&views.before), after: without_phase(&views.after) }, lines);
    }
}

fn changed(views: &Both<view::View>, lines: &mut Lines) {
    let changes = changes(views);
    let shown: Vec<_> = changes.iter().filter(|change| !OBVIOUS.contains(&change.field.as_str())).collect();
    let widest = shown.iter().map(|change| width(&visible(&change.field))).max().unwrap_or_default();
    for change in shown {
        let (before, after) = (view::words(&change.before), view::words(&change.after));
        let field = padded(&visible(&change.field), widest);
        lines.styled(Style::new(), format!("    {field}  {before} -> {after}"));
    }
}

struct Lines(Vec<Line>);

impl Lines {
    fn field(&mut self, name: &str, value: &str, style: Style) {
        self.styled(style, format!("  {name:<9}  {}", wording::one_line(value)).trim_end().into());
    }

    fn styled(&mut self, style: Style, text: String) {
        self.0.push(Line { text: visible(&text).into_owned(), style });
    }
}
