//! A difference for people.

use std::io::{self, Write};

use owo_colors::{OwoColorize, Style};
use styx_host::text::{padded, visible, width};

use super::{Compared, Entry, Found};
use crate::log_tools::{view, wording};

/// The kinds of rows, with their headings.
const SECTIONS: [(&str, &str); 6] = [
    ("config", "CONFIGURATION"),
    ("workflow", "WORKFLOWS"),
    ("run", "RUNS"),
    ("execution", "EXECUTIONS"),
    ("backfill", "BACKFILLS"),
    ("resource", "RESOURCES"),
];

/// Fields that differ with every record about a run, and say little.
const OBVIOUS: [&str; 2] = ["counter", "last_event_at"];

pub(super) fn write(compared: &Compared, entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    let moment = |found: &Found| format!("record {} at {} UTC", found.position, view::time(found.at));
    writeln!(out, "from  {}", moment(&compared.before))?;
    writeln!(out, "to    {}", moment(&compared.after))?;
    for (kind, heading) in SECTIONS {
        let of_kind: Vec<_> = entries.iter().filter(|entry| entry.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        writeln!(out, "\n{}", heading.bold())?;
        of_kind.into_iter().try_for_each(|entry| write_entry(entry, out))?;
    }
    if entries.is_empty() {
        writeln!(out, "\nnothing differs")?;
    }
    if compared.done + compared.failed > 0 {
        writeln!(out, "\nruns that ended in between: {} DONE, {} ERROR", compared.done, compared.failed)?;
    }
    Ok(())
}

fn write_entry(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let (sign, style, what) = match (&entry.before, &entry.after) {
        (None, Some(after)) => ('+', Style::new().green(), summary(entry.kind, after)),
        (Some(before), None) => ('-', Style::new().red(), gone(entry, before)),
        _ => ('~', Style::new().yellow(), String::new()),
    };
    let id = entry.id.as_deref().map(wording::one_line).unwrap_or_default();
    let head = [id.as_str(), what.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
    if !head.is_empty() {
        writeln!(out, "{}", format!("{sign} {head}").style(style))?;
    }
    let shown = entry.changes.iter().filter(|change| !OBVIOUS.contains(&change.field.as_str()));
    let shown: Vec<_> = shown.collect();
    let widest = shown.iter().map(|change| width(&visible(&change.field))).max().unwrap_or_default();
    for change in shown {
        let (before, after) = (view::words(&change.before), view::words(&change.after));
        writeln!(out, "    {}  {before} -> {after}", padded(&visible(&change.field), widest))?;
    }
    Ok(())
}

/// What is new, in a few words.
fn summary(kind: &str, view: &view::View) -> String {
    let field = |name: &str| view.get(name).map(view::words).unwrap_or_default();
    match kind {
        "workflow" => format!("schedule {}, enabled {}, from {}", field("schedule"), field("enabled"), field("origin")),
        "run" => format!("{} since {}, {}", field("state"), field("since"), tries(view)),
        "execution" => format!("{} since {}, of {}", field("phase"), field("since"), field("instance")),
        "backfill" => format!("of {}, from {} to {}", field("workflow"), field("start"), field("end")),
        "resource" => format!("concurrency {}", field("concurrency")),
        _ => String::new(),
    }
}

/// What became of what is gone, in a few words.
fn gone(entry: &Entry, before: &view::View) -> String {
    match &entry.outcome {
        Some(outcome) => {
            let field = |name: &str| outcome.get(name).map(view::words).unwrap_or_default();
            let was = before.get("state").map(view::words).unwrap_or_default();
            format!("was {was}, ended {} at {} after {}", field("state"), field("since"), tries(outcome))
        }
        None => format!("was {}", summary(entry.kind, before)),
    }
}

fn tries(view: &view::View) -> String {
    match view.get("tries").and_then(serde_json::Value::as_u64) {
        Some(1) => "1 try".into(),
        tries => format!("{} tries", tries.unwrap_or_default()),
    }
}
