//! Backfills and resources in the world.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{RefusedRecord, World, unfit};
use crate::record::{BackfillEvent, BackfillSpec, Record, ResourceEvent};

/// Runs for a range of partitions, as far as they are (spec (b)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// What it was made with; concurrency and description are those of the last edit.
    pub spec: BackfillSpec,
    /// How many of its runs may be active.
    pub concurrency: u32,
    /// What it is for.
    pub description: Option<Arc<str>>,
    /// The partition that comes next: the end of the range, or in reverse the one before its start, when none does.
    pub next: DateTime<Utc>,
    /// Whether every partition was triggered or passed over.
    pub all_triggered: bool,
    /// Who or what halted it first.
    pub halted: Option<Arc<str>>,
    /// Whether its active runs are halted too.
    pub halts_runs: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was made, edited or halted last.
    pub modified_at: DateTime<Utc>,
}

impl Backfill {
    /// Whether partitions are still to be triggered.
    pub fn is_open(&self) -> bool {
        !self.all_triggered && self.halted.is_none()
    }
}

/// A limit on how many executions that name it may live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// How many units there are.
    pub concurrency: i64,
}

impl World {
    pub(super) fn apply_backfill(
        &mut self,
        record: &Record,
        id: &Arc<str>,
        event: &BackfillEvent,
    ) -> Result<(), RefusedRecord> {
        let refuse = |problem| Err(unfit(format!("backfill {id}"), problem));
        let mut backfill = match (event, self.backfills.get(id)) {
            (BackfillEvent::Created(_), Some(_)) => return refuse("exists already"),
            (BackfillEvent::Created(spec), None) => Backfill {
                spec: BackfillSpec::clone(spec),
                concurrency: spec.concurrency,
                description: spec.description.clone(),
                next: spec.first,
                all_triggered: false,
                halted: None,
                halts_runs: false,
                created_at: record.at,
                modified_at: record.at,
            },
            (_, Some(backfill)) => backfill.clone(),
            (_, None) => return refuse("doesn't exist"),
        };
        match event {
            BackfillEvent::Created(_) => {}
            BackfillEvent::Edited { concurrency, description } => {
                backfill.concurrency = concurrency.unwrap_or(backfill.concurrency);
                backfill.description = description.clone().or(backfill.description);
            }
            BackfillEvent::Advanced { .. } if !backfill.is_open() => return refuse("has nothing more to trigger"),
            BackfillEvent::Advanced { instant, .. } if *instant != backfill.next => {
                return refuse("is at another partition");
            }
            BackfillEvent::Advanced { next, all_triggered, .. } => {
                backfill.next = *next;
                backfill.all_triggered = *all_triggered;
            }
            BackfillEvent::Halted { runs, reason } => {
                backfill.halted.get_or_insert_with(|| Arc::clone(reason));
                backfill.halts_runs |= *runs;
            }
        }
        if !matches!(event, BackfillEvent::Advanced { .. }) {
            backfill.modified_at = record.at;
        }
        self.index.place_backfill(id, &backfill);
        self.backfills.insert(Arc::clone(id), backfill);
        Ok(())
    }

    pub(super) fn apply_resource(&mut self, id: &Arc<str>, event: &ResourceEvent) -> Result<(), RefusedRecord> {
        match event {
            ResourceEvent::Set { concurrency } => {
                self.resources.insert(Arc::clone(id), Resource { concurrency: *concurrency });
                self.index.queue_mut().set_limit(id, Some(*concurrency));
            }
            ResourceEvent::Deleted => {
                if self.resources.remove(id).is_none() {
                    return Err(unfit(format!("resource {id}"), "doesn't exist"));
                }
                self.index.queue_mut().set_limit(id, None);
            }
        }
        Ok(())
    }
}
