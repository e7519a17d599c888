//! The run graph: Styx's states and the names of its events, and which event leads from which state to which.

use std::fmt;

/// Where a run is: the nodes of Styx's graph (spec SM §2), nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the state of the same name")]
pub enum State {
    New,
    Queued,
    Prepare,
    Submitting,
    Submitted,
    Running,
    Terminated,
    Failed,
    Error,
    Done,
}

impl State {
    /// All of them, in the order of the graph.
    pub const ALL: [Self; 10] = [
        Self::New,
        Self::Queued,
        Self::Prepare,
        Self::Submitting,
        Self::Submitted,
        Self::Running,
        Self::Terminated,
        Self::Failed,
        Self::Error,
        Self::Done,
    ];

    /// Styx's name of the state, upper case (SM-8).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Queued => "QUEUED",
            Self::Prepare => "PREPARE",
            Self::Submitting => "SUBMITTING",
            Self::Submitted => "SUBMITTED",
            Self::Running => "RUNNING",
            Self::Terminated => "TERMINATED",
            Self::Failed => "FAILED",
            Self::Error => "ERROR",
            Self::Done => "DONE",
        }
    }

    /// The state of this name, in either case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether a run ends here.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Error | Self::Done)
    }

    /// Whether a run here holds a unit of each of its resources (SM-7).
    pub fn consumes_resources(self) -> bool {
        matches!(self, Self::Prepare | Self::Submitting | Self::Submitted | Self::Running)
    }

    /// Where `event` leads from here; `None` where the graph has no such edge (spec SM §9).
    pub fn next(self, event: EventKind, rules: Rules) -> Option<Self> {
        use EventKind as E;
        let next = match (self, event) {
            (Self::New, E::TriggerExecution) => Self::Queued,
            (Self::Queued, E::Info) => Self::Queued,
            (Self::Queued, E::Dequeue) => Self::Prepare,
            (Self::Prepare, E::Submit) => Self::Submitting,
            (Self::Submitting, E::Submitted) => Self::Submitted,
            (Self::Submitted, E::Started) => Self::Running,
            (Self::Running, E::Terminate) => Self::Terminated,
            (Self::Queued | Self::Prepare | Self::Submitting | Self::Submitted | Self::Running, E::RunError) => {
                Self::Failed
            }
            (Self::Terminated, E::Success) => Self::Done,
            (Self::Queued | Self::Terminated | Self::Failed, E::RetryAfter) => Self::Queued,
            (Self::Terminated | Self::Failed, E::Stop) => Self::Error,
            (state, E::Timeout) if state.is_active() => Self::Failed,
            (state, E::Halt) if state.is_active() => Self::Error,
            (state, event) if rules == Rules::Styx2 => return state.next_in_old_histories(event),
            _ => return None,
        };
        Some(next)
    }

    /// The edges that only imported histories may take: deprecated events, shortcuts, and events after the end.
    fn next_in_old_histories(self, event: EventKind) -> Option<Self> {
        use EventKind as E;
        let next = match (self, event) {
            (_, E::Timeout) => Self::Failed,
            (_, E::Halt) => Self::Error,
            (Self::Queued, E::Submit) => Self::Submitting,
            (Self::Prepare, E::Started) => Self::Running,
            (Self::New, E::TimeTrigger) => Self::Submitted,
            (Self::Queued | Self::Prepare, E::Created) => Self::Submitted,
            (Self::Queued | Self::Terminated | Self::Failed, E::Retry) => Self::Prepare,
            _ => return None,
        };
        Some(next)
    }

    /// Whether a run is stored as active here (SM-6).
    pub fn is_active(self) -> bool {
        self != Self::New && !self.is_terminal()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which graph and which bookkeeping a record is folded under; fixed by the record's cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// The strict graph with our improvements.
    Ours,
    /// All that Styx 2.x accepts, as it counted it: for imported histories.
    Styx2,
}

/// The name of an [`Event`](crate::event::Event), for tables and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the event of the same name")]
pub enum EventKind {
    TriggerExecution,
    Info,
    Dequeue,
    Submit,
    Submitted,
    Started,
    Terminate,
    RunError,
    Success,
    RetryAfter,
    Stop,
    Timeout,
    Halt,
    TimeTrigger,
    Created,
    Retry,
}

impl EventKind {
    /// All of them, in the order of the specification.
    pub const ALL: [Self; 16] = [
        Self::TriggerExecution,
        Self::Info,
        Self::Dequeue,
        Self::Submit,
        Self::Submitted,
        Self::Started,
        Self::Terminate,
        Self::RunError,
        Self::Success,
        Self::RetryAfter,
        Self::Stop,
        Self::Timeout,
        Self::Halt,
        Self::TimeTrigger,
        Self::Created,
        Self::Retry,
    ];

    /// Styx's name of the event, as in its JSON (`@type`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TriggerExecution => "triggerExecution",
            Self::Info => "info",
            Self::Dequeue => "dequeue",
            Self::Submit => "submit",
            Self::Submitted => "submitted",
            Self::Started => "started",
            Self::Terminate => "terminate",
            Self::RunError => "runError",
            Self::Success => "success",
            Self::RetryAfter => "retryAfter",
            Self::Stop => "stop",
            Self::Timeout => "timeout",
            Self::Halt => "halt",
            Self::TimeTrigger => "timeTrigger",
            Self::Created => "created",
            Self::Retry => "retry",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The graph has no such edge: nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("received {event} while in {state}")]
#[non_exhaustive]
pub struct IllegalTransition {
    /// Where the run is.
    pub state: State,
    /// What it was to take.
    pub event: EventKind,
}
