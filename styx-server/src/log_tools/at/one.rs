//! One run, workflow or execution at a moment, with all that there is to know.

use std::{
    io::{self, Write},
    sync::Arc,
};

use serde_json::Value;
use styx_core::{
    effects::desired,
    explain::{explain, explain_workflow},
    id::{ExecutionId, InstanceId, Position, WorkflowId},
    log::stored_workflow,
    record::Subject,
    world::RowKey,
};

use super::{
    AtArgs, Past,
    lists::texts,
    units::{Holders, Resource},
};
use crate::log_tools::{
    CLEAN, ReportFormat, UNUSABLE, about::Stopped, columns::write_fields, life, near, redact, stopped, view,
    view::View, wording,
};

/// The run of an instance: the active one, or how the last one ended.
pub(super) fn instance(
    past: &Past<'_>,
    id: &InstanceId,
    args: &AtArgs,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> io::Result<u8> {
    let Some(named) = near::instance(past.reader, id, notes)? else { return Ok(UNUSABLE) };
    let id = &named;
    let mut object = View::from_iter([("instance".to_owned(), Value::from(id.key()))]);
    match past.world.runs().get(id) {
        Some(run) => {
            object.extend(view::run(run));
            let reasons = explain(past.world, id, past.found.at).unwrap_or_default();
            object.insert("waits_for".into(), texts(&reasons));
        }
        None => {
            let steps = match life::of(past.reader, id, past.found.position) {
                Ok(steps) => steps,
                Err(why) => return stopped(why, &args.data, notes),
            };
            let Some(run) = steps.into_iter().rev().find_map(|step| step.run.after) else {
                let why = if is_known(past, &Subject::Run(id.clone())) {
                    format!("{id} wasn't triggered yet")
                } else {
                    near::no_instance(past.reader, id)
                };
                writeln!(notes, "styx-server: {why}")?;
                return Ok(UNUSABLE);
            };
            object.extend(view::run(&run));
            object.insert("waits_for".into(), Value::Array(Vec::new()));
        }
    }
    if let Some(living) = past.world.index().living(id) {
        object.insert("living_execution".into(), living.to_string().into());
    }
    write(object, args, out)
}

/// A workflow with its configuration, and what its next trigger waits for.
pub(super) fn workflow(
    past: &Past<'_>,
    id: &WorkflowId,
    args: &AtArgs,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> io::Result<u8> {
    let Some(workflow) = past.world.workflows().get(id) else {
        let why = if is_known(past, &Subject::Workflow(id.clone())) {
            format!("workflow {id} didn't exist after record {}", past.found.position)
        } else {
            near::no_workflow(past.reader, id)
        };
        writeln!(notes, "styx-server: {why}")?;
        return Ok(UNUSABLE);
    };
    let stored = match stored_workflow(past.reader, workflow.stored_at) {
        Ok(stored) => stored,
        Err(error) => return stopped(Stopped::Log(workflow.stored_at, error), &args.data, notes),
    };
    let mut object = View::from_iter([("workflow".to_owned(), Value::from(id.key()))]);
    object.extend(view::workflow(workflow));
    let runs = past.world.runs().keys().filter(|run| run.workflow() == id).count();
    object.insert("active_runs".into(), runs.into());
    let reasons = explain_workflow(past.world, id).unwrap_or_default();
    object.insert("waits_for".into(), texts(&reasons));
    object.insert("configuration".into(), redact::json(stored.json.as_bytes()));
    write(object, args, out)
}

/// An execution, what is owed to it, and whether its run still waits for it.
pub(super) fn execution(
    past: &Past<'_>,
    id: &ExecutionId,
    args: &AtArgs,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> io::Result<u8> {
    let Some(execution) = past.world.executions().get(id) else {
        writeln!(
            notes,
            "styx-server: execution {id} hadn't begun, or was cleaned up, or isn't in this log: see `log show --execution`"
        )?;
        return Ok(UNUSABLE);
    };
    let mut object = View::from_iter([("execution".to_owned(), Value::from(id.to_string()))]);
    object.extend(view::execution(execution));
    object.insert("followed_by_its_run".into(), past.world.is_followed(id).into());
    let owed = desired(past.world, &RowKey::Execution(id.clone())).map(|(_, what)| format!("{what:?}").to_lowercase());
    object.insert("owed".into(), owed.into());
    write(object, args, out)
}

/// A backfill, and which of its runs are active.
pub(super) fn backfill(
    past: &Past<'_>,
    id: &Arc<str>,
    args: &AtArgs,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> io::Result<u8> {
    let Some(backfill) = past.world.backfills().get(id) else {
        return nothing(past, &Subject::Backfill(Arc::clone(id)), notes);
    };
    let mut object = View::from_iter([("backfill".to_owned(), Value::from(&**id))]);
    object.extend(view::backfill(backfill));
    let runs = past.world.index().runs_of_backfill(id).map(InstanceId::key).collect::<Vec<_>>();
    object.insert("active_runs".into(), runs.into());
    write(object, args, out)
}

/// A resource, who holds its units, and how many runs wait for one.
pub(super) fn resource(
    past: &Past<'_>,
    id: &Arc<str>,
    args: &AtArgs,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> io::Result<u8> {
    let holders = Holders::of(past.world);
    let resource = Resource::of(past.world, &holders, id);
    if resource.concurrency.is_none() && resource.held.is_empty() && resource.waiting == 0 {
        return nothing(past, &Subject::Resource(Arc::clone(id)), notes);
    }
    let mut object = View::from_iter([("resource".to_owned(), Value::from(&**id))]);
    object.extend(resource.view());
    write(object, args, out)
}

/// That there is nothing under a name; the exit code says so too.
fn nothing(past: &Past<'_>, subject: &Subject, notes: &mut dyn Write) -> io::Result<u8> {
    let why = match is_known(past, subject) {
        true => format!("{subject} didn't exist after record {}", past.found.position),
        false => format!("the log has nothing about {subject}"),
    };
    writeln!(notes, "styx-server: {}", wording::one_line(&why))?;
    Ok(UNUSABLE)
}

/// What all decisions depended on.
pub(super) fn config(past: &Past<'_>, args: &AtArgs, out: &mut dyn Write) -> io::Result<u8> {
    write(view::config(past.world.config()), args, out)
}

/// Whether the log has records about it, perhaps later ones.
fn is_known(past: &Past<'_>, subject: &Subject) -> bool {
    past.reader.positions(subject, Position::FIRST).is_ok_and(|positions| !positions.is_empty())
}

fn write(object: View, args: &AtArgs, out: &mut dyn Write) -> io::Result<u8> {
    if args.format == ReportFormat::Json {
        writeln!(out, "{}", Value::Object(object))?;
        return Ok(CLEAN);
    }
    let mut fields = Vec::new();
    for (name, value) in object {
        match value {
            Value::Object(members)
                if !matches!(name.as_str(), "message" | "trigger" | "parameters" | "description") =>
            {
                fields.extend(members.iter().map(|(member, value)| (format!("{name}.{member}"), view::words(value))));
            }
            Value::Array(reasons) if name == "waits_for" => {
                let texts =
                    if reasons.is_empty() { vec!["-".into()] } else { reasons.iter().map(view::words).collect() };
                fields.extend(texts.into_iter().map(|text| (name.clone(), text)));
            }
            Value::Array(holders) if name == "by" => {
                let words = |holder: &Value| {
                    format!("{} {}", view::words(&holder["instance"]), view::words(&holder["execution"]))
                };
                fields.extend(holders.iter().map(|holder| ("held by".to_owned(), words(holder))));
            }
            value => fields.push((name, view::words(&value))),
        }
    }
    write_fields(out, &fields)?;
    Ok(CLEAN)
}
