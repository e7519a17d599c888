//! What numbers and times a record may hold.
//!
//! Every value of a type can be written and read, and the fold takes any of them: its arithmetic stops at the edges. A log that
//! somebody else made is held to less, so that whatever follows from it stays far from the edges.

use chrono::{DateTime, Datelike, Utc};

use super::{
    BackfillEvent, BackfillSpec, Cause, Cursor, ExecutionEvent, Fact, Record, ResourceEvent, RunEvent, WorkflowEvent,
};
use crate::{
    event::{Description, Event},
    observation::Observed,
};

/// The largest numbers (positions, epochs, counters) that a record may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    largest: u64,
}

/// A value that no log holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, but must be {bound}")]
pub struct OutOfBounds {
    /// Which field, as the path of it in the record's JSON: `fact.run.counter`.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
    /// What it may be.
    pub bound: String,
}

/// The last year in which a record may be made.
const LAST_YEAR: i32 = 9_999;

/// The last year that a record may name otherwise: an offset may lie 9,999 years ahead of its instant.
const FARTHEST_YEAR: i32 = 99_999;

impl Bounds {
    /// Of a record in a log: 2^63. At a million records a second it takes 292,000 years to get there.
    pub const STORED: Self = Self { largest: 1 << 63 };

    /// Of a record that comes from elsewhere: half of [`STORED`](Self::STORED), so that as much again may follow.
    pub const IMPORTED: Self = Self { largest: 1 << 62 };

    /// Checks where and when a record stands: position, decision, epoch, time.
    ///
    /// # Errors
    ///
    /// When one lies beyond what it may be.
    pub fn check_place(self, record: &Record) -> Result<(), OutOfBounds> {
        self.number("position", record.position.0, 1)?;
        self.number("decision", record.decision.0, 1)?;
        self.number("epoch", record.epoch.0, 0)?;
        within("at", record.at, LAST_YEAR)?;
        let wall = record.at.checked_add_signed(record.wall_offset).unwrap_or(DateTime::<Utc>::MAX_UTC);
        within("at with wall_offset_millis", wall, LAST_YEAR)
    }

    /// Checks all numbers and times of a record.
    ///
    /// # Errors
    ///
    /// When one lies beyond what it may be.
    pub fn check(self, record: &Record) -> Result<(), OutOfBounds> {
        self.check_place(record)?;
        self.fact(record)?;
        match &record.cause {
            Cause::Executor { what, observed_at, .. } => {
                observed_at.map_or(Ok(()), |at| Self::time("cause.executor.observed_at", at))?;
                match what {
                    Observed::Refused { retry_at, .. } => {
                        Self::time("cause.executor.observed.refused.retry_at", *retry_at)
                    }
                    _ => Ok(()),
                }
            }
            Cause::Imported { at } => within("cause.imported.at", *at, LAST_YEAR),
            Cause::Decision | Cause::Schedule | Cause::Timer | Cause::Engine | Cause::Operator(_) => Ok(()),
        }
    }

    /// Checks a number.
    ///
    /// # Errors
    ///
    /// When it is larger than any may be; `field` names it.
    pub fn check_number(self, field: &'static str, value: u64) -> Result<(), OutOfBounds> {
        self.number(field, value, 0)
    }

    /// Checks a time that isn't that of a record: it may lie in the years -99999 to 99999.
    ///
    /// # Errors
    ///
    /// When it lies beyond; `field` names it.
    pub fn time(field: &'static str, at: DateTime<Utc>) -> Result<(), OutOfBounds> {
        within(field, at, FARTHEST_YEAR)
    }

    fn fact(self, record: &Record) -> Result<(), OutOfBounds> {
        let time = Self::time;
        match &record.fact {
            Fact::Log(_) | Fact::Config(_) => Ok(()),
            Fact::Workflow(_, event) => match event {
                WorkflowEvent::CursorMoved { to: Some(Cursor { instant, fires_at }), .. } => {
                    time("fact.workflow.event.cursorMoved.to.instant", *instant)?;
                    time("fact.workflow.event.cursorMoved.to.fires_at", *fires_at)
                }
                WorkflowEvent::CursorSkipped { first, last, .. } => {
                    time("fact.workflow.event.cursorSkipped.first", *first)?;
                    time("fact.workflow.event.cursorSkipped.last", *last)
                }
                WorkflowEvent::Owed { next: Cursor { instant, fires_at }, until, .. } => {
                    time("fact.workflow.event.owed.next.instant", *instant)?;
                    time("fact.workflow.event.owed.next.fires_at", *fires_at)?;
                    time("fact.workflow.event.owed.until", *until)
                }
                WorkflowEvent::OwedMoved { owed, to, .. } => {
                    Self { largest: record.position.0.saturating_sub(1) }.number(
                        "fact.workflow.event.owedMoved.owed",
                        owed.0,
                        1,
                    )?;
                    let Some(Cursor { instant, fires_at }) = to else { return Ok(()) };
                    time("fact.workflow.event.owedMoved.to.instant", *instant)?;
                    time("fact.workflow.event.owedMoved.to.fires_at", *fires_at)
                }
                WorkflowEvent::CursorMoved { to: None, .. }
                | WorkflowEvent::Stored(_)
                | WorkflowEvent::Deleted
                | WorkflowEvent::FileRemoved { .. }
                | WorkflowEvent::Switched { .. } => Ok(()),
            },
            Fact::Run(_, RunEvent::Styx { counter, event } | RunEvent::Ignored { counter, event, .. }) => {
                self.number("fact.run.counter", counter.0, 0)?;
                match event {
                    Event::Submit { description: Description::Stored(stored_at), .. } => {
                        Self { largest: record.position.0.saturating_sub(1) }.number(
                            "fact.run.event.submit.description.record",
                            stored_at.0,
                            1,
                        )
                    }
                    _ => Ok(()),
                }
            }
            Fact::Execution(_, event) => match event {
                ExecutionEvent::Refused { retry_at, .. } => time("fact.execution.event.refused.retry_at", *retry_at),
                ExecutionEvent::Ended(_) | ExecutionEvent::Cleaned => Ok(()),
            },
            Fact::Backfill(_, event) => match event {
                BackfillEvent::Created(spec) => {
                    let BackfillSpec { start, end, first, .. } = &**spec;
                    time("fact.backfill.event.created.start", *start)?;
                    time("fact.backfill.event.created.end", *end)?;
                    time("fact.backfill.event.created.first", *first)
                }
                BackfillEvent::Advanced { instant, next, .. } => {
                    time("fact.backfill.event.advanced.instant", *instant)?;
                    time("fact.backfill.event.advanced.next", *next)
                }
                BackfillEvent::Edited { .. } | BackfillEvent::Halted { .. } => Ok(()),
            },
            Fact::Resource(_, ResourceEvent::Set { .. } | ResourceEvent::Deleted) => Ok(()),
        }
    }

    fn number(self, field: &'static str, value: u64, smallest: u64) -> Result<(), OutOfBounds> {
        if (smallest..=self.largest).contains(&value) {
            return Ok(());
        }
        Err(OutOfBounds { field, value: value.to_string(), bound: format!("from {smallest} to {}", self.largest) })
    }
}

fn within(field: &'static str, at: DateTime<Utc>, last: i32) -> Result<(), OutOfBounds> {
    if (-last..=last).contains(&at.year()) {
        return Ok(());
    }
    Err(OutOfBounds { field, value: format!("{at:?}"), bound: format!("in the years -{last} to {last}") })
}
