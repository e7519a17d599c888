//! Breaking the system on purpose: a simulation that can't fail proves nothing.

use std::sync::Arc;

use chrono::DateTime;
use styx_core::world::Row;

/// One thing that is broken, so that an invariant must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The log answers before it has synced: a crash takes the last batch back, after its answers and effects went out.
    NoSync,
    /// The log doesn't write cursors beside the records: after a restart they are old.
    StaleCursor,
    /// The log forgets what is owed under earlier schedules: after a restart nothing is.
    OwedForgotten,
    /// The log forgets rows of finished runs: counters begin anew.
    FinishedForgotten,
    /// The log forgets what a run has cost: after a restart it may go on for longer.
    CostForgotten,
    /// The log forgets under which condition a run is tried again: after a restart it always is.
    ConditionForgotten,
    /// The log forgets what executions hold: after a restart their units are free.
    UnitsForgotten,
    /// The log forgets that resources have units: after a restart nobody gets one.
    LimitForgotten,
    /// The log forgets how far the rate is used up: after a restart there is another burst.
    RateForgotten,
    /// The log forgets where backfills are: after a restart they trigger again.
    BackfillForgotten,
    /// The log forgets which requests were done: they are done again.
    AnswersForgotten,
    /// The log forgets who was told what it waits for: after a restart it is told again.
    ToldForgotten,
    /// The clock of the time that has elapsed stands still.
    ElapsedForgotten,
    /// Stops that are owed get lost between machine and executor.
    StopsForgotten,
    /// The executor starts an execution again when it is asked again.
    StartsTwice,
    /// The executor reports an end as soon as it has begun, and lets the thing go on.
    EndsEarly,
    /// The executor ends what it is told to stop and never says so.
    StopNeverAnswers,
}

impl Sabotage {
    /// What the log makes of a row when it is broken; `before` is the row that is there.
    pub(super) fn damaged(sabotage: Option<Self>, before: Option<&Row>, row: Option<Row>) -> Option<Row> {
        match (sabotage, row) {
            (Some(Self::StaleCursor), Some(Row::Workflow(mut workflow))) => {
                if let Some(Row::Workflow(before)) = before {
                    workflow.cursor = before.cursor;
                }
                Some(Row::Workflow(workflow))
            }
            (Some(Self::OwedForgotten), Some(Row::Workflow(mut workflow))) => {
                workflow.owed = Vec::new();
                Some(Row::Workflow(workflow))
            }
            (Some(Self::CostForgotten), Some(Row::Run(mut run))) => {
                run.cost_tenths = 0;
                Some(Row::Run(run))
            }
            (Some(Self::ConditionForgotten), Some(Row::Run(mut run))) => {
                run.retry_condition = None;
                Some(Row::Run(run))
            }
            (Some(Self::UnitsForgotten), Some(Row::Execution(mut execution))) => {
                execution.resources = Arc::default();
                Some(Row::Execution(execution))
            }
            (Some(Self::LimitForgotten), Some(Row::Resource(mut resource))) => {
                resource.concurrency = 0;
                Some(Row::Resource(resource))
            }
            (Some(Self::RateForgotten), Some(Row::Log(mut log))) => {
                log.rate_used = DateTime::UNIX_EPOCH;
                Some(Row::Log(log))
            }
            (Some(Self::BackfillForgotten), Some(Row::Backfill(mut backfill))) => {
                if let Some(Row::Backfill(before)) = before {
                    backfill.next = before.next;
                }
                Some(Row::Backfill(backfill))
            }
            (Some(Self::AnswersForgotten), Some(Row::Answered(_))) => None,
            (Some(Self::ToldForgotten), Some(Row::Run(mut run))) => {
                run.note = None;
                Some(Row::Run(run))
            }
            (Some(Self::FinishedForgotten), Some(Row::Finished(_))) => None,
            (_, row) => row,
        }
    }
}
