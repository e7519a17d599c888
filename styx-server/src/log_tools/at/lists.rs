//! All runs, workflows, executions or resources at a moment.

use std::collections::BTreeMap;

use owo_colors::Style;
use serde_json::{Value, json};
use styx_core::{
    explain::{Reason, explain, explain_workflow},
    id::WorkflowId,
    run::Run,
};

use super::{AtArgs, List, Past};
use crate::log_tools::{view, wording};

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
        let mut object = view::View::from_iter([("instance".to_owned(), id.key().into())]);
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
        let mut object = view::View::from_iter([("workflow".to_owned(), id.key().into())]);
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
        let mut object = view::View::from_iter([("execution".to_owned(), id.to_string().into())]);
        object.extend(view);
        list.json.push(object.into());
    }
    list
}

/// A unit is held by the run from its `dequeue` on, then by its execution until it has ended.
pub(super) fn resources(past: &Past<'_>) -> List {
    let mut holders: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut hold = |resources: &[std::sync::Arc<str>], instance: String, execution: String| {
        for resource in resources {
            holders.entry(resource.to_string()).or_default().push((instance.clone(), execution.clone()));
        }
    };
    for (id, execution) in past.world.executions().iter().filter(|(_, execution)| execution.is_alive()) {
        hold(&execution.resources, execution.instance.key(), id.to_string());
    }
    for (id, run) in past.world.runs().iter().filter(|(_, run)| run.state.consumes_resources()) {
        if past.world.index().living(id).is_none() {
            hold(run.resources.as_deref().unwrap_or_default(), id.key(), "-".into());
        }
    }
    let mut list = List::new(&["RESOURCE", "HELD", "INSTANCE", "EXECUTION"], "no resources are held");
    for (resource, holders) in holders {
        for (instance, execution) in &holders {
            let cells = [resource.clone(), holders.len().to_string(), instance.clone(), execution.clone()];
            list.table.add(cells.into(), Style::new());
        }
        let by = holders.iter().map(|(instance, execution)| json!({ "instance": instance, "execution": execution }));
        let by = by.collect::<Vec<_>>();
        list.json.push(json!({ "resource": resource, "held": by.len(), "by": by }));
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
