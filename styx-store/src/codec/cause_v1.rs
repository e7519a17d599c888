//! Who or what caused a record, frozen. Tags never change; new variants get new tags.

use std::sync::Arc;

use bincode::{BorrowDecode, Encode};
use styx_core::{
    executor::Observed,
    record::{Cause, Operator},
};

use super::primitives::{ExtensionsV1, InstantV1};
use crate::texts::shared;

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum CauseV1<'a> {
    Schedule = 0,
    Timer = 1,
    Engine = 2,
    Operator {
        actor: &'a str,
        request_id: &'a str,
        request: &'a str,
    } = 3,
    Executor {
        runner: &'a str,
        what: ObservedV1<'a>,
        observed_at: Option<InstantV1>,
        evidence: &'a [u8],
        extensions: ExtensionsV1,
    } = 4,
    Imported {
        at: InstantV1,
    } = 5,
    Decision = 6,
}

impl<'a> From<&'a Cause> for CauseV1<'a> {
    fn from(cause: &'a Cause) -> Self {
        match cause {
            Cause::Schedule => Self::Schedule,
            Cause::Timer => Self::Timer,
            Cause::Engine => Self::Engine,
            Cause::Operator(operator) => {
                Self::Operator { actor: &operator.actor, request_id: &operator.request_id, request: &operator.request }
            }
            Cause::Executor { runner, what, observed_at, evidence, extensions } => Self::Executor {
                runner,
                what: what.into(),
                observed_at: observed_at.map(Into::into),
                evidence,
                extensions: extensions.into(),
            },
            Cause::Imported { at } => Self::Imported { at: (*at).into() },
            Cause::Decision => Self::Decision,
        }
    }
}

impl From<CauseV1<'_>> for Cause {
    fn from(stored: CauseV1<'_>) -> Self {
        match stored {
            CauseV1::Schedule => Self::Schedule,
            CauseV1::Timer => Self::Timer,
            CauseV1::Engine => Self::Engine,
            CauseV1::Operator { actor, request_id, request } => Self::Operator(Arc::new(Operator {
                actor: actor.into(),
                request_id: request_id.into(),
                request: request.into(),
            })),
            CauseV1::Executor { runner, what, observed_at, evidence, extensions } => Self::Executor {
                runner: shared(runner),
                what: what.into(),
                observed_at: observed_at.map(Into::into),
                evidence: evidence.into(),
                extensions: extensions.into(),
            },
            CauseV1::Imported { at } => Self::Imported { at: at.into() },
            CauseV1::Decision => Self::Decision,
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum ObservedV1<'a> {
    Launched = 0,
    Refused { retry_at: InstantV1, reason: &'a str } = 1,
    NotLaunchable { reason: &'a str } = 2,
    Started = 3,
    Exited { code: Option<i32> } = 4,
    Lost { reason: &'a str } = 5,
    NeverStarted = 6,
    Cleaned = 7,
}

impl<'a> From<&'a Observed> for ObservedV1<'a> {
    fn from(what: &'a Observed) -> Self {
        match what {
            Observed::Launched => Self::Launched,
            Observed::Refused { retry_at, reason } => Self::Refused { retry_at: (*retry_at).into(), reason },
            Observed::NotLaunchable { reason } => Self::NotLaunchable { reason },
            Observed::Started => Self::Started,
            Observed::Exited { code } => Self::Exited { code: *code },
            Observed::Lost { reason } => Self::Lost { reason },
            Observed::NeverStarted => Self::NeverStarted,
            Observed::Cleaned => Self::Cleaned,
        }
    }
}

impl From<ObservedV1<'_>> for Observed {
    fn from(stored: ObservedV1<'_>) -> Self {
        match stored {
            ObservedV1::Launched => Self::Launched,
            ObservedV1::Refused { retry_at, reason } => {
                Self::Refused { retry_at: retry_at.into(), reason: reason.into() }
            }
            ObservedV1::NotLaunchable { reason } => Self::NotLaunchable { reason: reason.into() },
            ObservedV1::Started => Self::Started,
            ObservedV1::Exited { code } => Self::Exited { code },
            ObservedV1::Lost { reason } => Self::Lost { reason: reason.into() },
            ObservedV1::NeverStarted => Self::NeverStarted,
            ObservedV1::Cleaned => Self::Cleaned,
        }
    }
}
