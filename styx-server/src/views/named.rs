//! Which instance a text names: a parameter can be spelled in several ways, and nothing is rounded here.

use styx_core::{
    id::{InstanceId, Position},
    log::{LogError, LogReader},
    record::Subject,
    schedule::{NoPartition, Schedule, names_of, read_any_parameter},
    world::{Row, RowKey},
};

/// Finds the instance that was asked for: the one of exactly this name, if it has a run or a history; else the partition of the
/// same instant, by an earlier schedule that still owes it, or by the workflow's schedule. What no schedule can tell is left as it
/// was sent.
///
/// # Errors
///
/// When the log can't be read; inside, when there is neither: why, and which partitions are near.
pub(crate) fn named(reader: &dyn LogReader, sent: &InstanceId) -> Result<Result<InstanceId, NoPartition>, LogError> {
    let instance = |parameter: String| InstanceId::new(sent.workflow().clone(), parameter);
    let Some(Row::Workflow(workflow)) = reader.get(&RowKey::Workflow(sent.workflow().clone()))? else {
        return Ok(Ok(of_no_workflow(reader, sent)?));
    };
    let Ok(schedule) = Schedule::parse(&workflow.spec.schedule) else { return Ok(Ok(sent.clone())) };
    let partition = schedule.partition(sent.parameter()).map(|at| instance(schedule.parameter(at)));
    let is_its_name = partition.as_ref().is_ok_and(|partition| partition == sent);
    Ok(if is_its_name || has_run(reader, sent)? {
        Ok(sent.clone())
    } else if let Some((owed, _)) = workflow.owed_partition(sent.parameter()) {
        Ok(instance(owed))
    } else {
        partition
    })
}

/// Of a workflow that is gone, what ran is all that there is to choose from.
fn of_no_workflow(reader: &dyn LogReader, sent: &InstanceId) -> Result<InstanceId, LogError> {
    let names = read_any_parameter(sent.parameter()).map(names_of).unwrap_or_default();
    let others = names.into_iter().map(|name| InstanceId::new(sent.workflow().clone(), name));
    for instance in [sent.clone()].into_iter().chain(others) {
        if has_run(reader, &instance)? {
            return Ok(instance);
        }
    }
    Ok(sent.clone())
}

/// Whether anything happened to an instance.
fn has_run(reader: &dyn LogReader, instance: &InstanceId) -> Result<bool, LogError> {
    Ok(reader.get(&RowKey::Run(instance.clone()))?.is_some()
        || !reader.history(&Subject::Run(instance.clone()), Position::FIRST, 1)?.is_empty())
}
