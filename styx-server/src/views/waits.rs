//! Why an instance waits, as far as the store says it: all but the place of a queued run in its line.

use std::sync::Arc;

use styx_core::{
    config::Config,
    explain::{Reason, backfill_of, explain_schedule, explain_without_line},
    id::{InstanceId, Position, WorkflowId},
    log::{LogError, LogReader},
    record::Subject,
    run::Run,
    world::{Backfill, Row, RowKey, RowScope},
};

/// What the store says of an instance.
pub(crate) enum Waits {
    /// The run stands in a line; its place there is the world's.
    InLine,
    /// The run waits for this.
    For(Reason),
    /// Its instant fired under an earlier schedule and is still to be triggered: what it waits for, in words.
    Owed(Vec<String>),
    /// There is no run: why, in words.
    NoRun(String),
}

/// Looks at the rows of an instance, which are to be of one moment.
///
/// # Errors
///
/// When the log can't be read.
pub(crate) fn waits(reader: &dyn LogReader, instance: &InstanceId) -> Result<Waits, LogError> {
    let Some(Row::Run(run)) = reader.get(&RowKey::Run(instance.clone()))? else {
        return no_run(reader, instance);
    };
    let execution = match run.execution.clone().map(|id| reader.get(&RowKey::Execution(id))).transpose()?.flatten() {
        Some(Row::Execution(execution)) => Some(execution),
        _ => None,
    };
    let backfill = backfill(reader, &run)?;
    let config = config(reader)?;
    let reason = explain_without_line(&config, &run, execution.as_ref(), backfill.as_ref());
    Ok(reason.map_or(Waits::InLine, Waits::For))
}

fn no_run(reader: &dyn LogReader, instance: &InstanceId) -> Result<Waits, LogError> {
    let subject = Subject::Run(instance.clone());
    if !reader.history(&subject, Position::FIRST, 1)?.is_empty() {
        return Ok(Waits::NoRun(format!("{instance} isn't active: its run has ended, its events say how")));
    }
    let id = instance.workflow();
    let Some(Row::Workflow(workflow)) = reader.get(&RowKey::Workflow(id.clone()))? else {
        return Ok(Waits::NoRun(format!("{instance} isn't active: there is no workflow {id}")));
    };
    let config = config(reader)?;
    let missed = missed(reader, id, config.catch_up.max(1))?;
    let mut reasons: Vec<_> =
        explain_schedule(&config, id, &workflow, missed).iter().map(ToString::to_string).collect();
    let owed = workflow.owed_partition(instance.parameter()).filter(|(name, _)| name == instance.parameter());
    Ok(if let Some((_, owed)) = owed {
        let schedule = &owed.schedule;
        reasons.insert(
            0,
            format!("is owed: its instant fired under the earlier schedule {schedule} and waits for its turn"),
        );
        Waits::Owed(reasons)
    } else {
        Waits::NoRun(format!("{instance} was never triggered; of its workflow: {}", reasons.join("; ")))
    })
}

fn config(reader: &dyn LogReader) -> Result<Arc<Config>, LogError> {
    Ok(match reader.get(&RowKey::Config)? {
        Some(Row::Config(config)) => config,
        _ => Arc::default(),
    })
}

fn backfill(reader: &dyn LogReader, run: &Run) -> Result<Option<Backfill>, LogError> {
    let Some(id) = backfill_of(run) else { return Ok(None) };
    Ok(match reader.get(&RowKey::Backfill(Arc::clone(id)))? {
        Some(Row::Backfill(backfill)) => Some(backfill),
        _ => None,
    })
}

/// How many active runs of a workflow make up for missed instants; more than `enough` are not looked for.
fn missed(reader: &dyn LogReader, id: &WorkflowId, enough: u32) -> Result<u32, LogError> {
    const PAGE: usize = 100;
    let scope = RowScope::Runs { component: Some(id.component().into()), workflow: Some(id.workflow().into()) };
    let (mut missed, mut after) = (0, None);
    loop {
        let page = reader.scan(&scope, after.as_ref(), PAGE)?;
        missed += page.iter().filter(|(_, row)| matches!(row, Row::Run(run) if run.missed)).count() as u32;
        if missed >= enough || page.len() < PAGE {
            return Ok(missed);
        }
        after = page.last().map(|(key, _)| key.clone());
    }
}
