//! `styx-server log verify`: what the verification of the store found, for people or as JSON.

use std::io::{self, Write};

use owo_colors::OwoColorize;
use serde_json::{Map, Value, json};
use styx_core::{
    id::Position,
    log::{LogError, LogReader},
};
use styx_store::{
    OpenError,
    rocks::{Damage, HIGH_WATER_FILE, Mark, Report, RocksReader, verify_end},
};

use super::{CLEAN, DAMAGED, ReportFormat, VerifyArgs, progress, wording};

/// How many damages the text shows.
const SHOWN_DAMAGES: usize = 10;

/// Verifies; the exit code says what came out.
pub(super) fn run(reader: &RocksReader, args: &VerifyArgs, out: &mut dyn Write) -> io::Result<u8> {
    let data = args.data.data.display().to_string();
    if args.quick {
        return quick(reader, &data, args, out);
    }
    let report = match verified(reader) {
        Ok(report) => report,
        Err(error) => {
            let problem = format!("not even its end can be read: {error}");
            return unopenable("the log".into(), problem, args, out);
        }
    };
    match args.format {
        ReportFormat::Text => text(&report, &data, out)?,
        ReportFormat::Json => writeln!(out, "{}", as_json(&report, &data))?,
    }
    Ok(if report.is_sound() { CLEAN } else { DAMAGED })
}

/// Looks at the end only.
fn quick(reader: &RocksReader, data: &str, args: &VerifyArgs, out: &mut dyn Write) -> io::Result<u8> {
    let Mark { tail, hash } = match verify_end(reader) {
        Ok(mark) => mark,
        Err(OpenError::Log(LogError::Corrupt { place, reason })) => return unopenable(place, reason, args, out),
        Err(error) => return unopenable(HIGH_WATER_FILE.to_owned(), error.to_string(), args, out),
    };
    match args.format {
        ReportFormat::Text => {
            writeln!(out, "data folder     {data}")?;
            writeln!(out, "last record     {tail}")?;
            writeln!(out, "head hash       {hash}")?;
            writeln!(out, "\n{}; what comes before wasn't looked at", "its end is clean".green().bold())?;
        }
        ReportFormat::Json => {
            let report =
                json!({ "clean": true, "quick": true, "data": data, "tail": tail.0, "head": hash.to_string() });
            writeln!(out, "{report}")?;
        }
    }
    Ok(CLEAN)
}

/// Verifies behind a bar, which shows only on a terminal.
fn verified(reader: &RocksReader) -> Result<Report, LogError> {
    let bar = progress::bar("verifying", reader.tail()?.0);
    let report = styx_store::verify(reader, |progress| {
        bar.set_length(progress.of.0);
        bar.set_position(progress.done.0);
    });
    bar.finish_and_clear();
    report
}

fn text(report: &Report, data: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "data folder     {data}")?;
    writeln!(out, "log id          {}", report.log_id.map_or_else(|| "unknown".into(), |id| id.to_string()))?;
    writeln!(out, "last record     {} in {} batches", report.tail, report.batches)?;
    match report.span {
        Some((first, last)) => {
            writeln!(out, "time span       {} to {}", wording::instant(first), wording::instant(last))?
        }
        None => writeln!(out, "time span       none, the log is empty")?,
    }
    if let Some(head) = &report.head {
        writeln!(out, "head hash       {head}")?;
    }
    writeln!(
        out,
        "at its end      {}, {}, {}",
        counted(report.workflows, "workflow"),
        counted(report.active_runs, "active run"),
        counted(report.executions, "execution"),
    )?;
    if report.backfills + report.resources > 0 {
        let (backfills, resources) = (counted(report.backfills, "backfill"), counted(report.resources, "resource"));
        writeln!(out, "                {backfills}, {resources}")?;
    }
    if !report.records.is_empty() {
        let width = report.records.keys().map(|kind| kind.len()).max().unwrap_or_default();
        writeln!(out, "\n{}", format!("{:<width$}  {:>10}", "RECORDS", "COUNT").bold())?;
        for (kind, count) in &report.records {
            writeln!(out, "{kind:<width$}  {count:>10}")?;
        }
        let all: u64 = report.records.values().sum();
        writeln!(out, "{:<width$}  {all:>10}", "all")?;
    }
    writeln!(out)?;
    if report.is_sound() {
        return writeln!(out, "{}", "clean".green().bold());
    }
    damages(report, data, out)
}

fn damages(report: &Report, data: &str, out: &mut dyn Write) -> io::Result<()> {
    let all = report.damages.len() as u64 + report.more_damages;
    writeln!(out, "{}", format!("DAMAGED: {}", counted(all, "damage")).red().bold())?;
    for damage in report.damages.iter().take(SHOWN_DAMAGES) {
        writeln!(out, "  {}: {}", wording::one_line(&damage.place), wording::one_line(&damage.problem))?;
    }
    if all > SHOWN_DAMAGES as u64 {
        writeln!(out, "  … and {} more; --format json shows up to a hundred", all - SHOWN_DAMAGES as u64)?;
    }
    writeln!(out, "\nWhat to do:")?;
    writeln!(out, "  Keep a copy of the folder as it is, and start no server on it.")?;
    if let Some(position) = first_damaged(report) {
        if position.0 > 1 {
            let sound = position.0 - 1;
            writeln!(out, "  Up to record {sound} nothing is wrong; to see it:")?;
            writeln!(out, "    styx-server log show --data {data} --limit {sound}")?;
        }
    } else if report.damages.iter().any(|damage| damage.place == HIGH_WATER_FILE) {
        writeln!(out, "  Records that had been written are gone; those that are left fit together.")?;
    } else if report.tail.0 > 0 {
        writeln!(out, "  The records are as they were written; what is derived from them is not.")?;
    }
    writeln!(out, "  Restore the folder from a copy that verifies as clean. If disk or memory may be at fault, use")?;
    writeln!(out, "  another machine. Step by step, for each kind of damage: docs/log-damage.md.")
}

/// What is wrong with a log that can't even be opened.
pub(super) fn unopenable(place: String, problem: String, args: &VerifyArgs, out: &mut dyn Write) -> io::Result<u8> {
    let data = args.data.data.display().to_string();
    let mut report = Report::default();
    report.damages.push(Damage { place, problem });
    match args.format {
        ReportFormat::Text => damages(&report, &data, out)?,
        ReportFormat::Json => writeln!(out, "{}", as_json(&report, &data))?,
    }
    Ok(DAMAGED)
}

/// The first record that a damage is about, as its place says.
fn first_damaged(report: &Report) -> Option<Position> {
    let positions = report.damages.iter().filter_map(|damage| {
        let mut words = damage.place.split_whitespace();
        let is_position = matches!(words.next(), Some("record" | "batch"));
        words.next().filter(|_| is_position)?.parse().ok().map(Position)
    });
    positions.min()
}

fn as_json(report: &Report, data: &str) -> Value {
    let damages = report.damages.iter().map(|damage| json!({ "place": damage.place, "problem": damage.problem }));
    let records: Map<_, _> = report.records.iter().map(|(kind, count)| ((*kind).to_owned(), (*count).into())).collect();
    json!({
        "clean": report.is_sound(),
        "data": data,
        "log_id": report.log_id.map(|id| id.to_string()),
        "tail": report.tail.0,
        "head": report.head.as_ref().map(ToString::to_string),
        "batches": report.batches,
        "first_at": report.span.map(|(first, _)| wording::instant(first)),
        "last_at": report.span.map(|(_, last)| wording::instant(last)),
        "records": records,
        "workflows": report.workflows,
        "active_runs": report.active_runs,
        "executions": report.executions,
        "backfills": report.backfills,
        "resources": report.resources,
        "finished": report.finished,
        "answered": report.answered,
        "damages": damages.collect::<Vec<_>>(),
        "more_damages": report.more_damages,
    })
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
