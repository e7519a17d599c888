//! What to say when there is nothing under a name, and which names are near.

use std::io::{self, Write};

use styx_core::{
    id::{InstanceId, Position, WorkflowId},
    schedule::Nearest,
};
use styx_store::rocks::RocksReader;

use super::wording;
use crate::views::named::named;

/// How many names are looked at.
const MOST: usize = 10_000;

/// How many are suggested.
const SUGGESTED: usize = 3;

/// How alike names must be, 1 being the same.
const ALIKE: f64 = 0.7;

/// The instance that was asked for, by its name or by another spelling of its instant.
///
/// `None` when the text names none, which is reported: the schedule has no such instant, and nothing ran under this name.
pub(super) fn instance(
    reader: &RocksReader,
    sent: &InstanceId,
    notes: &mut dyn Write,
) -> io::Result<Option<InstanceId>> {
    Ok(match named(reader, sent) {
        Ok(Ok(instance)) => {
            if instance != *sent {
                taken_as(sent.parameter(), instance.parameter(), notes)?;
            }
            Some(instance)
        }
        Ok(Err(problem)) => {
            // What can't be taken for any instant may be a mistyped name of an instance that was imported.
            let why = match *problem.nearest() == Nearest::default() {
                true => no_instance(reader, sent),
                false => wording::one_line(&problem.to_string()),
            };
            writeln!(notes, "styx-server: {why}")?;
            None
        }
        // Who reads the instance itself meets what is wrong with the log.
        Err(_) => Some(sent.clone()),
    })
}

/// Reports that a text was taken as another parameter.
pub(super) fn taken_as(sent: &str, taken: &str, notes: &mut dyn Write) -> io::Result<()> {
    writeln!(notes, "note: {}", wording::one_line(&format!("{sent} was taken as {taken}")))
}

/// That the log knows nothing of an instance, and what is near.
pub(super) fn no_instance(reader: &RocksReader, instance: &InstanceId) -> String {
    let known = reader.known_instances(instance.workflow(), MOST).unwrap_or_default();
    if known.is_empty() {
        return no_workflow(reader, instance.workflow());
    }
    let parameters = known.iter().map(InstanceId::parameter);
    let (first, last) = (known[0].parameter(), known[known.len() - 1].parameter());
    let near = suggestion(instance.parameter(), parameters).unwrap_or_else(|| match known.len() {
        1 => format!("its only instance is {first}"),
        MOST => format!("its first instance is {first}"),
        count => format!("its {count} instances are {first} to {last}"),
    });
    let workflow = instance.workflow();
    wording::one_line(&format!("workflow {workflow} has no instance {}: {near}", instance.parameter()))
}

/// That the log knows nothing of a workflow, and what is near.
pub(super) fn no_workflow(reader: &RocksReader, workflow: &WorkflowId) -> String {
    let known = reader.known_workflows(MOST).unwrap_or_default();
    let keys: Vec<_> = known.iter().map(WorkflowId::key).collect();
    let near = suggestion(&workflow.key(), keys.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!(": {near}"));
    wording::one_line(&format!("the log has nothing about workflow {workflow}{near}"))
}

/// That there are no records from one position to another, if there are none.
pub(super) fn no_records(from: Position, to: Option<u64>, tail: Position) -> Option<String> {
    let (from, to) = (from.max(Position::FIRST), to.unwrap_or(tail.0));
    (from.0 > to.min(tail.0)).then(|| match tail.0 {
        0 => "the log is empty".to_owned(),
        _ => format!("there is no record from {from} to {to}: the log ends at {tail}"),
    })
}

/// The names that are like one, the likest first; nothing when none is.
fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut near: Vec<_> = known.map(|known| (strsim::jaro_winkler(name, known), known)).collect();
    near.retain(|(alike, _)| *alike >= ALIKE);
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.truncate(SUGGESTED);
    let names: Vec<_> = near.into_iter().map(|(_, name)| name).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likest_names_come_first() {
        let near = |name| suggestion(name, ["2026-03-29T06", "2026-03-29T05", "2025-01-01", "report"].into_iter());
        assert_eq!(near("2026-03-29T04").as_deref(), Some("did you mean 2026-03-29T05, 2026-03-29T06, 2025-01-01?"));
        assert_eq!(near("reprot").as_deref(), Some("did you mean report?"));
        assert_eq!(near("zzz"), None);
    }
}
