//! The wire types of the Styx v3 API and of our own v4, and a client of both.
//!
//! The types are what a server writes and what a client reads, field by field and in order; [`json`] gives them their
//! exact form. The client (feature `http`, on by default) asks a server and waits for its answer.
//!
//! ```
//! use styx_client::{RunStateDataPayload, json};
//!
//! let nothing = RunStateDataPayload::default();
//! assert_eq!(json::to_string(&nothing).unwrap(), r#"{"active_states":[]}"#);
//! ```

mod backfill;
#[cfg(feature = "http")]
mod client;
mod config;
#[cfg(feature = "http")]
mod error;
mod event;
mod flyte;
mod history;
#[cfg(feature = "http")]
mod host;
mod id;
pub mod json;
mod lenient;
mod log;
mod readiness;
#[cfg(feature = "http")]
mod request;
mod resource;
#[cfg(feature = "http")]
mod retry;
mod service_account;
mod state;
pub mod time;
mod trigger;
mod workflow;

pub use backfill::{Backfill, BackfillFilter, BackfillInput, BackfillPayload, BackfillsPayload, EditableBackfillInput};
pub use config::{
    Change, ClockChange, ConfigSource, ConfigSources, Explanation, Limit, RuntimeConfig, RuntimeConfigPatch,
};
pub use event::{Event, EventInfo, EventKind, EventsPayload, TimestampedEvent};
pub use flyte::{FlyteExecConf, FlyteIdentifier};
pub use history::{ExecStatus, Execution, TriggerHistory, WorkflowInstanceExecutionData};
pub use id::{WorkflowId, WorkflowInstance};
pub use log::{Checkpoint, CheckpointsPayload, RecordsPage};
pub use readiness::{Readiness, ReadinessReason, ReadinessStatus};
pub use resource::{Resource, ResourcesPayload};
pub use service_account::{TestServiceAccountUsageRequest, TestServiceAccountUsageResponse};
pub use state::{ExecutionDescription, Message, MessageLevel, RunStateData, RunStateDataPayload, StateData};
pub use trigger::{Trigger, TriggerParameters, TriggerRequest, TriggerResponse};
pub use workflow::{
    OverdueInstants, OwedPayload, OwedSchedule, ScheduleState, Workflow, WorkflowOwes, WorkflowState, WorkflowWithState,
};
#[cfg(feature = "http")]
pub use {
    client::{
        About, ActiveStates, BackfillItem, BackfillPage, Client, Effect, Exchange, InstancesPage, RetryOptions,
        WorkflowFilter,
    },
    error::{ApiError, Error, InvalidToken, TransportError, TransportErrorKind},
    host::{Host, ParseHostError},
    retry::Retries,
};
