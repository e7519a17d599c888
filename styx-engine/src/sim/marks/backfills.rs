//! Situations of backfills.

use std::sync::Arc;

use styx_core::{
    event::Trigger,
    id::InstanceId,
    record::{BackfillEvent, BackfillMove, Cause, Record},
};

use super::Marks;
use crate::sim::{Coverage, Situation};

impl Marks {
    pub(super) fn backfill(&mut self, record: &Record, id: &Arc<str>, event: &BackfillEvent, coverage: &mut Coverage) {
        let Some(backfill) = self.world.backfills().get(id) else {
            if matches!(event, BackfillEvent::Created(spec) if spec.reverse) {
                coverage.reach(Situation::BackfillReverse);
            }
            return;
        };
        let is_active = self.world.index().runs_of_backfill(id).len() > 0;
        match event {
            BackfillEvent::Created(_) => {}
            BackfillEvent::Edited { concurrency, .. } => {
                if backfill.is_open() && concurrency.is_some_and(|concurrency| concurrency != backfill.concurrency) {
                    coverage.reach(Situation::BackfillEdited);
                }
                if !backfill.is_open() {
                    coverage.reach(Situation::BackfillEditedLate);
                }
            }
            BackfillEvent::Advanced { all_triggered, why, .. } => {
                if *all_triggered {
                    coverage.reach(Situation::BackfillDone);
                }
                if *why == BackfillMove::AlreadyActive {
                    coverage.reach(Situation::BackfillPassedOver);
                }
            }
            BackfillEvent::Halted { runs, reason } => {
                coverage.reach(match (&record.cause, runs) {
                    (Cause::Engine, _) => Situation::HaltedByItself,
                    (Cause::Decision, _) if reason.contains("deleted") => Situation::HaltedByDeletion,
                    (_, true) if !backfill.halts_runs && backfill.halted.is_some() && is_active => {
                        Situation::HaltedTwice
                    }
                    (_, true) if backfill.all_triggered && is_active => Situation::HaltedLate,
                    (_, true) if is_active => Situation::HaltedWithRuns,
                    (_, false) if is_active => Situation::HaltedGracefully,
                    _ => return,
                });
            }
        }
    }

    /// A backfill triggers an instance.
    pub(super) fn triggered(&mut self, record: &Record, instance: &InstanceId, coverage: &mut Coverage) {
        if self.finished.contains(instance) {
            coverage.reach(Situation::BackfillAgain);
        }
        if self.world.workflows().get(instance.workflow()).is_some_and(|workflow| !workflow.enabled) {
            coverage.reach(Situation::BackfillOfDisabled);
        }
        let before = (record.at, record.epoch);
        let count = if self.burst.0 == Some(before) { self.burst.1 + 1 } else { 1 };
        self.burst = (Some(before), count);
        if count >= 10 {
            coverage.reach(Situation::BackfillBound);
        }
    }

    /// Looks at backfills that wait after a step.
    pub(super) fn backfills_wait(&self, coverage: &mut Coverage) {
        for (id, backfill) in self.world.backfills().iter().filter(|(_, backfill)| backfill.is_open()) {
            let active = self.world.index().runs_of_backfill(id).len();
            if backfill.concurrency == 0 {
                coverage.reach(Situation::BackfillOfNone);
            } else if active >= backfill.concurrency as usize {
                coverage.reach(Situation::BackfillPaced);
            }
        }
    }
}

/// Whether a backfill began it.
pub(super) fn is_of_backfill(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::Backfill(_))
}
