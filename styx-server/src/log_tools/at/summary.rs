//! What there was at a moment, in numbers.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::json;
use styx_core::{id::InstanceId, run::State, world::World};

use super::{AtArgs, Past};
use crate::log_tools::{ReportFormat, columns::write_fields, json::millis, view, wording};

pub(super) fn write(past: &Past<'_>, args: &AtArgs, out: &mut dyn Write) -> io::Result<()> {
    let Past { world, found, .. } = past;
    let enabled = world.workflows().values().filter(|workflow| workflow.enabled).count();
    let mut by_state = BTreeMap::new();
    for run in world.runs().values() {
        *by_state.entry(run.state).or_insert(0_u64) += 1;
    }
    let living = world.index().living_count();
    let open_backfills = world.backfills().values().filter(|backfill| backfill.is_open()).count();
    let due = world.next_due();
    let due_what = due.and_then(|at| due_what(world, at));
    if args.format == ReportFormat::Json {
        let by_state: serde_json::Map<_, _> =
            by_state.iter().map(|(state, count)| (state.as_str().to_owned(), (*count).into())).collect();
        let summary = json!({
            "position": found.position.0,
            "at": millis(found.at),
            "last_record_at": millis(world.at()),
            "log_id": world.log_id().map(|id| id.to_string()),
            "scheduling": world.config().scheduling,
            "workflows": world.workflows().len(),
            "enabled_workflows": enabled,
            "active_runs": world.runs().len(),
            "active_runs_by_state": by_state,
            "living_executions": living,
            "ended_executions": world.executions().len() - living,
            "resources": world.resources().len(),
            "backfills": world.backfills().len(),
            "open_backfills": open_backfills,
            "next_due_at": due.map(wording::instant),
            "next_due": due_what,
        });
        return writeln!(out, "{summary}");
    }
    let states: Vec<_> = by_state.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let states = if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
    let next = match (due, due_what) {
        (Some(at), Some(what)) => format!("{} {what}", view::time(at)),
        (Some(at), None) => view::time(at),
        (None, _) => "nothing".into(),
    };
    let fields = [
        ("at (UTC)", view::time(found.at)),
        ("last record", format!("{} of {}", found.position, view::time(world.at()))),
        ("log id", world.log_id().map_or_else(|| "none yet".into(), |id| id.to_string())),
        ("scheduling", if world.config().scheduling { "on".into() } else { "switched off".into() }),
        ("workflows", format!("{}, {enabled} enabled", world.workflows().len())),
        ("active runs", format!("{}{states}", world.runs().len())),
        ("executions", format!("{living} living, {} to be cleaned up", world.executions().len() - living)),
        ("resources", world.resources().len().to_string()),
        ("backfills", format!("{}, {open_backfills} open", world.backfills().len())),
        ("due next", next),
    ];
    write_fields(out, &fields.map(|(name, value)| (name.to_owned(), value)))
}

/// What is due first.
fn due_what(world: &World, at: DateTime<Utc>) -> Option<String> {
    let index = world.index();
    let overdue = index.overdue(at).next().map(|run| format!("the time-out of {run}"));
    let halted = || index.halting().next().map(|backfill| format!("the halt of the runs of {backfill}"));
    let natural = || index.natural(at).next().map(|workflow| format!("the natural trigger of {workflow}"));
    let partition = || index.advancing().next().map(|backfill| format!("the next partition of {backfill}"));
    let queued = || first_queued(world).map(|run| format!("the next try of {run}"));
    overdue.or_else(halted).or_else(natural).or_else(partition).or_else(queued)
}

/// The queued run that may go on first, as far as delays and resources decide it.
fn first_queued(world: &World) -> Option<&InstanceId> {
    let none = Arc::default();
    let queued = world.runs().iter().filter(|(id, run)| {
        let needed = world.workflows().get(id.workflow()).map_or(&none, |workflow| &workflow.spec.resources);
        let is_full = world.index().queue().full(needed).next().is_some();
        run.state == State::Queued && !run.imported && world.index().living(id).is_none() && !is_full
    });
    let (id, _) = queued.min_by_key(|(id, run)| (run.eligible_at.unwrap_or(run.since), *id))?;
    Some(id)
}
