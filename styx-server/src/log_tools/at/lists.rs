//! All runs, workflows, executions or resources at a moment.

use std::{collections::BTreeSet, sync::Arc};

use owo_colors::Style;
use serde_json::Value;
use styx_core::{
    explain::{Reason, explain, explain_workflow},
    id::WorkflowId,
    run::Run,
};

use super::{
    AtArgs, List, Past,
    units::{Holders, Resource},
};
use crate::log_tools::{
    view::{self, View},
    wording,
};

/// How many runs are explained: each looks at those that come before it.
const MOST_EXPLAINED: usize = 1_000;

pub(super) fn runs(past: &Past<'_>, args: &AtArgs) -> List {
    let last = if args.explain { "WAITS FOR" } else { "MESSAGE" };
    let heads = ["INSTANCE", "STATE", "SINCE (UTC)", "TRIES", "COST", "EXECUTION", last];
    let mut list = List::new(&heads, "no active runs");
    let is_wanted = |id: &WorkflowId| {
        args.component.as_ref().is_none_or(|component| id.component() == component)
            && args.workflow.as_ref().is_none_or(|workflow| id == workflow)
    };
    let wanted = past.world.runs().iter().filter(|(id, _)| is_wanted(id.workflow()));
    for (index, (id, run)) in wanted.enumerate() {
        let mut object = View::from_iter([("instance".to_owned(), id.key().into())]);
        object.extend(view::run(run));
        let last = match args.explain {
            true if index >= MOST_EXPLAINED => "not explained: too many runs".to_owned(),
            true => {
                let reasons = explain(past.world, id, past.found.at).unwrap_or_default();
                object.insert("waits_for".into(), texts(&reasons));
                said(&reasons)
            }
            false => run.note.as_ref().map_or_else(String::new, |note| note.message().line.to_string()),
        };
        let Run { state, since, tries, execution, .. } = run;
        let execution = execution.as_ref().map_or_else(|| "-".into(), ToString::to_string);
        let cells =
            [id.key(), state.to_string(), view::time(*since), tries.to_string(), cost(run), execution, last].into();
        list.table.add(cells, view::style_of(*state));
        list.json.push(object.into());
    }
    list
}

pub(super) fn workflows(past: &Past<'_>, args: &AtArgs) -> List {
    let last = if args.explain { "WAITS FOR" } else { "ORIGIN" };
    let heads = ["WORKFLOW", "ENABLED", "SCHEDULE", "NEXT", "FIRES", last];
    let mut list = List::new(&heads, "no workflows");
    let workflows = past.world.workflows().iter();
    for (id, workflow) in
        workflows.filter(|(id, _)| args.component.as_ref().is_none_or(|component| id.component() == component))
    {
        let mut object = View::from_iter([("workflow".to_owned(), id.key().into())]);
        object.extend(view::workflow(workflow));
        let last = if args.explain {
            let reasons = explain_workflow(past.world, id).unwrap_or_default();
            object.insert("waits_for".into(), texts(&reasons));
            said(&reasons)
        } else {
            view::origin_text(&workflow.spec.origin)
        };
        let cursor = |what: fn(styx_core::record::Cursor) -> chrono::DateTime<chrono::Utc>| {
            workflow.cursor.map_or_else(|| "-".into(), |cursor| wording::instant(what(cursor)))
        };
        let enabled = if workflow.enabled { "yes" } else { "no" };
        let cells = [
            id.key(),
            enabled.into(),
            workflow.spec.schedule.to_string(),
            cursor(|cursor| cursor.instant),
            cursor(|cursor| cursor.fires_at),
            last,
        ];
        list.table.add(cells.into(), Style::new());
        list.json.push(object.into());
    }
    list
}

pub(super) fn executions(past: &Past<'_>) -> List {
    let heads = ["EXECUTION", "PHASE", "SINCE (UTC)", "RUNNER", "INSTANCE"];
    let mut list = List::new(&heads, "no executions");
    for (id, execution) in past.world.executions() {
        let view = view::execution(execution);
        let cells = [
            id.to_string(),
            view::words(&view["phase"]),
            view::time(execution.since),
            execution.runner.to_string(),
            execution.instance.key(),
        ];
        list.table.add(cells.into(), Style::new());
        let mut object = View::from_iter([("execution".to_owned(), id.to_string().into())]);
        object.extend(view);
        list.json.push(object.into());
    }
    list
}

/// All resources, each with those that hold its units.
pub(super) fn resources(past: &Past<'_>) -> List {
    let holders = Holders::of(past.world);
    let names: BTreeSet<&Arc<str>> = past.world.resources().keys().chain(holders.0.keys()).collect();
    let heads = ["RESOURCE", "UNITS", "HELD", "WAITING", "INSTANCE", "EXECUTION"];
    let mut list = List::new(&heads, "no resources");
    for id in names {
        let resource = Resource::of(past.world, &holders, id);
        let head = [
            id.to_string(),
            resource.concurrency.map_or_else(|| "-".into(), |units| units.to_string()),
            resource.held.len().to_string(),
            resource.waiting.to_string(),
        ];
        let holders = resource.held.iter().map(|holder| [holder.instance.clone(), holder.execution().to_owned()]);
        let nobody = resource.held.is_empty().then(|| ["-".to_owned(), "-".to_owned()]);
        for holder in holders.chain(nobody) {
            list.table.add(head.iter().cloned().chain(holder).collect(), Style::new());
        }
        let mut object = View::from_iter([("resource".to_owned(), Value::from(&**id))]);
        object.extend(resource.view());
        list.json.push(object.into());
    }
    list
}

/// All backfills, also those that are done.
pub(super) fn backfills(past: &Past<'_>) -> List {
    let heads = ["BACKFILL", "WORKFLOW", "START", "END", "NEXT", "ACTIVE", "CONCURRENCY", "STATE"];
    let mut list = List::new(&heads, "no backfills");
    for (id, backfill) in past.world.backfills() {
        let active = past.world.index().runs_of_backfill(id).len();
        let cells = [
            id.to_string(),
            backfill.spec.workflow.key(),
            wording::instant(backfill.spec.start),
            wording::instant(backfill.spec.end),
            if backfill.is_open() { wording::instant(backfill.next) } else { "-".into() },
            active.to_string(),
            backfill.concurrency.to_string(),
            match (&backfill.halted, backfill.all_triggered) {
                (Some(reason), _) => reason.to_string(),
                (None, true) => "all triggered".into(),
                (None, false) => "open".into(),
            },
        ];
        list.table.add(cells.into(), Style::new());
        let mut object = View::from_iter([("backfill".to_owned(), Value::from(&**id))]);
        object.extend(view::backfill(backfill));
        object.insert("active_runs".into(), active.into());
        list.json.push(object.into());
    }
    list
}

fn cost(run: &Run) -> String {
    format!("{:.1}", run.retry_cost())
}

/// Reasons as JSON.
pub(super) fn texts(reasons: &[Reason]) -> Value {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().into()
}

/// Reasons on one line.
pub(super) fn said(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
