//! `styx-server log diff`: what differs between the world at two moments.

mod text;
mod worlds;

use std::io::{self, Write};

use clap::Args;
use serde_json::{Value, json};
use styx_core::{
    log::stored_workflow,
    record::Fact,
    run::State,
    world::{Finished, Row, RowKey},
};
use styx_store::rocks::{Replay, RocksReader};

use self::worlds::{Difference, RowChange};
use super::{
    CLEAN, DataArgs, ReportFormat,
    about::Stopped,
    fold, json as records,
    moment::{Found, Moment, find, parse_moment},
    redact, stopped, view,
    view::View,
};

const EXAMPLES: &str = "\
The log is folded once, up to the later of the two. What began and ended in between is counted.

Examples:
  styx-server log diff 4711 4720
      What these records changed.

  styx-server log diff 2026-03-29T06:00 2026-03-29T07:00
      What became of an hour.

  styx-server log diff -1d end --format json
      What differs from yesterday, as one JSON object.";

/// Which moments are compared, and how it looks.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct DiffArgs {
    /// Which log
    #[command(flatten)]
    pub data: DataArgs,
    /// After this record, or at this time: 2026-03-29, 2026-03-29T07:00, 2026-03-29T07:00:00Z (UTC), -2h for two hours ago
    /// (s, m, h, d, w), or `end`
    #[arg(value_name = "POSITION|TIME", value_parser = parse_moment, allow_hyphen_values = true)]
    pub before: Moment,
    /// The moment to compare it with
    #[arg(value_name = "POSITION|TIME", value_parser = parse_moment, allow_hyphen_values = true)]
    pub after: Moment,
    /// How it looks
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// What differs, and between what.
struct Compared {
    before: Found,
    after: Found,
    difference: Difference,
    /// Runs that ended on the way from the earlier moment to the later, by how.
    done: u64,
    failed: u64,
}

/// Compares; the exit code says whether it could.
pub(super) fn run(reader: &RocksReader, args: &DiffArgs, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    let before = match fold::moment(find(reader, args.before), &args.data, notes)? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let after = match fold::moment(find(reader, args.after), &args.data, notes)? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let entries = compare(reader, before, after).and_then(|compared| {
        let entries = entries(reader, &compared.difference)?;
        Ok((compared, entries))
    });
    let (compared, entries) = match entries {
        Ok(compared) => compared,
        Err(why) => return stopped(why, &args.data, notes),
    };
    match args.format {
        ReportFormat::Text => text::write(&compared, &entries, out)?,
        ReportFormat::Json => writeln!(out, "{}", as_json(&compared, &entries))?,
    }
    Ok(CLEAN)
}

/// Folds to the earlier moment, keeps that world, and goes on to the later one.
fn compare(reader: &RocksReader, before: Found, after: Found) -> Result<Compared, Stopped> {
    let (first, last) = (before.position.min(after.position), before.position.max(after.position));
    let mut replay = Replay::new(reader);
    fold::advance(&mut replay, first, &mut |_, _| {})?;
    let earlier = replay.world().clone();
    let (mut done, mut failed) = (0, 0);
    let mut outcomes = worlds::Outcomes::default();
    fold::advance(&mut replay, last, &mut |record, changes| {
        if let (Fact::Run(id, _), Some((_, finished))) = (&record.fact, changes.finished.as_deref()) {
            let count = if finished.0.state == State::Done { &mut done } else { &mut failed };
            *count += 1;
            if earlier.runs().contains_key(id) {
                outcomes.entry(id.clone()).or_insert_with(|| finished.clone());
            }
        }
    })?;
    let difference = if before.position <= after.position {
        Difference::between(&earlier, replay.world(), outcomes)
    } else {
        Difference::between(replay.world(), &earlier, worlds::Outcomes::default())
    };
    Ok(Compared { before, after, difference, done, failed })
}

/// A row that differs, as it is shown.
struct Entry {
    kind: &'static str,
    /// What it is of; the configuration has no name.
    id: Option<String>,
    before: Option<View>,
    after: Option<View>,
    changes: Vec<view::Change>,
    /// How a run ended.
    outcome: Option<View>,
}

fn entries(reader: &RocksReader, difference: &Difference) -> Result<Vec<Entry>, Stopped> {
    difference.rows.iter().filter(|change| change.key != RowKey::Log).map(|change| entry(reader, change)).collect()
}

fn entry(reader: &RocksReader, change: &RowChange) -> Result<Entry, Stopped> {
    let (kind, id) = match &change.key {
        RowKey::Log => ("log", None),
        RowKey::Config => ("config", None),
        RowKey::Workflow(id) => ("workflow", Some(id.key())),
        RowKey::Run(id) | RowKey::Finished(id, _) => ("run", Some(id.key())),
        RowKey::Execution(id) => ("execution", Some(id.to_string())),
        RowKey::Backfill(id) => ("backfill", Some(id.to_string())),
        RowKey::Resource(id) => ("resource", Some(id.to_string())),
        RowKey::Answered(key) => ("request", Some(key.to_string())),
    };
    let shown = |row: &Option<Row>| -> Result<Option<View>, Stopped> {
        let Some(row) = row else { return Ok(None) };
        let mut shown = view::row(row);
        if let Row::Workflow(workflow) = row {
            let stored = stored_workflow(reader, workflow.stored_at);
            let stored = stored.map_err(|error| Stopped::Log(workflow.stored_at, error))?;
            shown.insert("configuration".into(), redact::json(stored.json.as_bytes()));
        }
        Ok(Some(shown))
    };
    let (before, after) = (shown(&change.before)?, shown(&change.after)?);
    let mut changes = match (&before, &after) {
        (Some(before), Some(after)) => view::changes(before, after),
        _ => Vec::new(),
    };
    if let (Some(before), Some(after), true) = (&before, &after, changes.is_empty()) {
        debug_assert_eq!(before, after);
        let hidden = || Value::from("hidden");
        changes.push(view::Change { field: "values that aren't shown".into(), before: hidden(), after: hidden() });
    }
    Ok(Entry { kind, id, before, after, changes, outcome: change.outcome.as_ref().map(|Finished(run)| view::run(run)) })
}

fn as_json(compared: &Compared, entries: &[Entry]) -> Value {
    let moment = |found: &Found| json!({ "position": found.position.0, "at": records::millis(found.at) });
    let of_kind = |kind: &str| {
        let entries = entries.iter().filter(|entry| entry.kind == kind);
        let object = |entry: &Entry| {
            json!({
                "id": entry.id,
                "before": entry.before,
                "after": entry.after,
                "changes": entry.changes.iter().map(view::Change::as_json).collect::<Vec<_>>(),
                "outcome": entry.outcome,
            })
        };
        entries.map(object).collect::<Vec<_>>()
    };
    json!({
        "from": moment(&compared.before),
        "to": moment(&compared.after),
        "config": of_kind("config").pop(),
        "workflows": of_kind("workflow"),
        "runs": of_kind("run"),
        "executions": of_kind("execution"),
        "backfills": of_kind("backfill"),
        "resources": of_kind("resource"),
        "runs_done_between": compared.done,
        "runs_failed_between": compared.failed,
    })
}
