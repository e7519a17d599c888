//! Backfills and resources, frozen: their events and their rows. Tags never change; new variants get new tags.

use std::sync::Arc;

use bincode::{BorrowDecode, Encode};
use styx_core::{
    event::TriggerParameters,
    record::{BackfillEvent, BackfillMove, BackfillSpec, ResourceEvent},
    world::{Backfill, Resource},
};

use super::{
    parts::{WorkflowIdV1, frozen},
    primitives::{InstantV1, VariablesV1, variables, variables_v1},
};
use crate::texts::shared;

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum BackfillEventV1<'a> {
    Created(Box<BackfillSpecV1<'a>>) = 0,
    Edited { concurrency: Option<u32>, description: Option<&'a str> } = 1,
    Advanced { instant: InstantV1, next: InstantV1, all_triggered: bool, why: BackfillMoveV1 } = 2,
    Halted { runs: bool, reason: &'a str } = 3,
}

impl<'a> From<&'a BackfillEvent> for BackfillEventV1<'a> {
    fn from(event: &'a BackfillEvent) -> Self {
        match event {
            BackfillEvent::Created(spec) => Self::Created(Box::new((&**spec).into())),
            BackfillEvent::Edited { concurrency, description } => {
                Self::Edited { concurrency: *concurrency, description: description.as_deref() }
            }
            BackfillEvent::Advanced { instant, next, all_triggered, why } => Self::Advanced {
                instant: (*instant).into(),
                next: (*next).into(),
                all_triggered: *all_triggered,
                why: (*why).into(),
            },
            BackfillEvent::Halted { runs, reason } => Self::Halted { runs: *runs, reason },
        }
    }
}

impl From<BackfillEventV1<'_>> for BackfillEvent {
    fn from(stored: BackfillEventV1<'_>) -> Self {
        match stored {
            BackfillEventV1::Created(spec) => Self::Created(Arc::new((*spec).into())),
            BackfillEventV1::Edited { concurrency, description } => {
                Self::Edited { concurrency, description: description.map(Into::into) }
            }
            BackfillEventV1::Advanced { instant, next, all_triggered, why } => {
                Self::Advanced { instant: instant.into(), next: next.into(), all_triggered, why: why.into() }
            }
            BackfillEventV1::Halted { runs, reason } => Self::Halted { runs, reason: reason.into() },
        }
    }
}

frozen!(BackfillMoveV1 of BackfillMove { Triggered = 0, AlreadyActive = 1 });

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct BackfillSpecV1<'a> {
    workflow: WorkflowIdV1<'a>,
    start: InstantV1,
    end: InstantV1,
    reverse: bool,
    schedule: &'a str,
    concurrency: u32,
    description: Option<&'a str>,
    env: Option<VariablesV1<'a>>,
    first: InstantV1,
}

impl<'a> From<&'a BackfillSpec> for BackfillSpecV1<'a> {
    fn from(spec: &'a BackfillSpec) -> Self {
        Self {
            workflow: (&spec.workflow).into(),
            start: spec.start.into(),
            end: spec.end.into(),
            reverse: spec.reverse,
            schedule: &spec.schedule,
            concurrency: spec.concurrency,
            description: spec.description.as_deref(),
            env: spec.parameters.as_ref().map(|parameters| variables_v1(&parameters.env)),
            first: spec.first.into(),
        }
    }
}

impl From<BackfillSpecV1<'_>> for BackfillSpec {
    fn from(stored: BackfillSpecV1<'_>) -> Self {
        Self {
            workflow: stored.workflow.into(),
            start: stored.start.into(),
            end: stored.end.into(),
            reverse: stored.reverse,
            schedule: shared(stored.schedule),
            concurrency: stored.concurrency,
            description: stored.description.map(Into::into),
            parameters: stored.env.map(|env| TriggerParameters { env: Arc::new(variables(env)) }),
            first: stored.first.into(),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct BackfillV1<'a> {
    spec: BackfillSpecV1<'a>,
    concurrency: u32,
    description: Option<&'a str>,
    next: InstantV1,
    all_triggered: bool,
    halted: Option<&'a str>,
    halts_runs: bool,
    created_at: InstantV1,
    modified_at: InstantV1,
}

impl<'a> From<&'a Backfill> for BackfillV1<'a> {
    fn from(backfill: &'a Backfill) -> Self {
        Self {
            spec: (&backfill.spec).into(),
            concurrency: backfill.concurrency,
            description: backfill.description.as_deref(),
            next: backfill.next.into(),
            all_triggered: backfill.all_triggered,
            halted: backfill.halted.as_deref(),
            halts_runs: backfill.halts_runs,
            created_at: backfill.created_at.into(),
            modified_at: backfill.modified_at.into(),
        }
    }
}

impl From<BackfillV1<'_>> for Backfill {
    fn from(stored: BackfillV1<'_>) -> Self {
        Self {
            spec: stored.spec.into(),
            concurrency: stored.concurrency,
            description: stored.description.map(Into::into),
            next: stored.next.into(),
            all_triggered: stored.all_triggered,
            halted: stored.halted.map(Into::into),
            halts_runs: stored.halts_runs,
            created_at: stored.created_at.into(),
            modified_at: stored.modified_at.into(),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum ResourceEventV1 {
    Set { concurrency: i64 } = 0,
    Deleted = 1,
}

impl From<&ResourceEvent> for ResourceEventV1 {
    fn from(event: &ResourceEvent) -> Self {
        match *event {
            ResourceEvent::Set { concurrency } => Self::Set { concurrency },
            ResourceEvent::Deleted => Self::Deleted,
        }
    }
}

impl From<ResourceEventV1> for ResourceEvent {
    fn from(stored: ResourceEventV1) -> Self {
        match stored {
            ResourceEventV1::Set { concurrency } => Self::Set { concurrency },
            ResourceEventV1::Deleted => Self::Deleted,
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct ResourceV1 {
    concurrency: i64,
}

impl From<&Resource> for ResourceV1 {
    fn from(resource: &Resource) -> Self {
        Self { concurrency: resource.concurrency }
    }
}

impl From<ResourceV1> for Resource {
    fn from(stored: ResourceV1) -> Self {
        Self { concurrency: stored.concurrency }
    }
}
