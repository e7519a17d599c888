//! Backfills as clients see them (E-18, E-20).

use styx_core::world::Backfill;

use super::trigger_parameters;

/// A backfill, as far as it is.
pub(crate) fn backfill(id: &str, backfill: &Backfill) -> styx_client::Backfill {
    let spec = &backfill.spec;
    styx_client::Backfill {
        id: id.to_owned(),
        start: spec.start,
        end: spec.end,
        workflow_id: (&spec.workflow).into(),
        concurrency: backfill.concurrency.try_into().unwrap_or(i32::MAX),
        description: backfill.description.as_deref().map(Into::into),
        next_trigger: backfill.next,
        schedule: spec.schedule.to_string(),
        all_triggered: backfill.all_triggered,
        halted: backfill.halted.is_some(),
        reverse: spec.reverse,
        trigger_parameters: spec.parameters.as_ref().map(trigger_parameters),
        created: Some(backfill.created_at),
        last_modified: Some(backfill.modified_at),
    }
}

/// A backfill as it was when it was made: the engine may have moved it on in the same batch.
pub(crate) fn as_made(id: &str, row: &Backfill) -> styx_client::Backfill {
    let made = Backfill {
        concurrency: row.spec.concurrency,
        description: row.spec.description.clone(),
        next: row.spec.first,
        all_triggered: false,
        halted: None,
        modified_at: row.created_at,
        ..row.clone()
    };
    backfill(id, &made)
}
