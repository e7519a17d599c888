//! Imported events under other rules: which the graph would refuse, and which would leave the run otherwise.

use styx_core::{
    event::{Event, EventKind},
    id::{Counter, InstanceId},
    record::{Fact, Record, RunEvent},
    run::{IllegalTransition, Rules, Run},
    world::World,
};

use super::Kind;

/// How an imported event would be folded otherwise under `rules`; `world` is the one before it.
pub(super) fn differs(world: &World, record: &Record, rules: Rules) -> Option<(Kind, String)> {
    let Fact::Run(instance, event) = &record.fact else { return None };
    match event {
        RunEvent::Styx { counter, event } => {
            let folded = fold(world, record, instance, *counter, event, Rules::Styx2);
            match (fold(world, record, instance, *counter, event, rules), folded) {
                (Err(refused), _) => Some((Kind::RefusedByRules, refused)),
                (Ok(run), Ok(before)) => {
                    let changes = changes(&before, &run);
                    (!changes.is_empty()).then(|| (Kind::FoldedOtherwise, changes.join(", ")))
                }
                (Ok(_), Err(_)) => None,
            }
        }
        RunEvent::Ignored { counter, event, .. } => {
            let folded = fold(world, record, instance, *counter, event, rules).ok()?;
            Some((Kind::FoldedOtherwise, format!("it isn't ignored: the run is in {}", folded.state)))
        }
    }
}

/// The run after an event, as the world folds it.
fn fold(
    world: &World,
    record: &Record,
    instance: &InstanceId,
    counter: Counter,
    event: &Event,
    rules: Rules,
) -> Result<Run, String> {
    let at = record.happened_at();
    let begins = event.kind() == EventKind::TriggerExecution;
    let mut run = match world.runs().get(instance) {
        Some(run) if rules == Rules::Ours || !begins => run.clone(),
        None if rules == Rules::Ours && !begins => return Err("the run isn't active".to_owned()),
        None if rules == Rules::Ours && !world.workflows().contains_key(instance.workflow()) => {
            return Err("the workflow doesn't exist".to_owned());
        }
        _ => Run::new(counter.0.checked_sub(1).map(Counter), at),
    };
    if rules == Rules::Ours && begins && run.state.is_active() {
        return Err(format!("received {} while in {}", event.kind(), run.state));
    }
    run.apply(event, at, rules).map_err(|illegal: IllegalTransition| illegal.to_string())?;
    Ok(run)
}

/// What differs between two folds of a run, `before` as the log has it.
fn changes(before: &Run, now: &Run) -> Vec<String> {
    let mut changes = Vec::new();
    let mut compare = |what: &str, before: String, now: String| {
        if before != now {
            changes.push(format!("{what} {now} instead of {before}"));
        }
    };
    compare("state", before.state.to_string(), now.state.to_string());
    compare("since", before.since.to_rfc3339(), now.since.to_rfc3339());
    compare("tries", before.tries.to_string(), now.tries.to_string());
    compare("cost in tenths", before.cost_tenths.to_string(), now.cost_tenths.to_string());
    compare("failures in a row", before.consecutive_failures.to_string(), now.consecutive_failures.to_string());
    let infrastructure = |run: &Run| run.infrastructure_failures.to_string();
    compare("failures of the infrastructure", infrastructure(before), infrastructure(now));
    compare("last exit", format!("{:?}", before.last_exit), format!("{:?}", now.last_exit));
    let message =
        |run: &Run| run.note.as_ref().map_or_else(|| "none".to_owned(), |note| note.message().line.to_string());
    compare("message", message(before), message(now));
    changes
}
