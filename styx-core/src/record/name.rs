//! The names of events, as exports, tools and filters show them: the one list of them.

use super::{BackfillEvent, ConfigEvent, ExecutionEvent, Fact, LogEvent, ResourceEvent, RunEvent, WorkflowEvent};
use crate::graph::EventKind;

impl Fact {
    /// The name of what happened: that of a run's event is Styx's own, all are in lower camel case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Log(LogEvent::Started { .. }) => "started",
            Self::Log(LogEvent::Forked { .. }) => "forked",
            Self::Config(ConfigEvent::Set(_)) => "set",
            Self::Config(ConfigEvent::SchedulingSwitched { .. }) => "schedulingSwitched",
            Self::Config(ConfigEvent::Operated(_)) => "operated",
            Self::Config(ConfigEvent::ClockAccepted) => "clockAccepted",
            Self::Workflow(_, WorkflowEvent::Stored(_)) => "stored",
            Self::Workflow(_, WorkflowEvent::Deleted) => "deleted",
            Self::Workflow(_, WorkflowEvent::FileRemoved { .. }) => "fileRemoved",
            Self::Workflow(_, WorkflowEvent::Switched { .. }) => "switched",
            Self::Workflow(_, WorkflowEvent::CursorMoved { .. }) => "cursorMoved",
            Self::Workflow(_, WorkflowEvent::CursorSkipped { .. }) => "cursorSkipped",
            Self::Workflow(_, WorkflowEvent::Owed { .. }) => "owed",
            Self::Workflow(_, WorkflowEvent::OwedMoved { .. }) => "owedMoved",
            Self::Run(_, RunEvent::Styx { event, .. }) => event.kind().as_str(),
            Self::Run(_, RunEvent::Ignored { .. }) => "ignored",
            Self::Execution(_, ExecutionEvent::Ended(_)) => "ended",
            Self::Execution(_, ExecutionEvent::Cleaned) => "cleaned",
            Self::Execution(_, ExecutionEvent::Refused { .. }) => "refused",
            Self::Backfill(_, BackfillEvent::Created(_)) => "created",
            Self::Backfill(_, BackfillEvent::Edited { .. }) => "edited",
            Self::Backfill(_, BackfillEvent::Advanced { .. }) => "advanced",
            Self::Backfill(_, BackfillEvent::Halted { .. }) => "halted",
            Self::Resource(_, ResourceEvent::Set { .. }) => "set",
            Self::Resource(_, ResourceEvent::Deleted) => "deleted",
        }
    }

    /// All names that [`name`](Self::name) gives, each once: those of a run's events first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        const OTHERS: [&str; 20] = [
            "ignored",
            "ended",
            "cleaned",
            "refused",
            "stored",
            "deleted",
            "fileRemoved",
            "switched",
            "cursorMoved",
            "cursorSkipped",
            "owed",
            "owedMoved",
            "set",
            "schedulingSwitched",
            "operated",
            "clockAccepted",
            "edited",
            "advanced",
            "halted",
            "forked",
        ];
        EventKind::ALL.into_iter().map(EventKind::as_str).chain(OTHERS)
    }
}
