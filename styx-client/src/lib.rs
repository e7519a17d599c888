//! The wire types of the Styx v3 API and of our own v4, and a client of both.
//!
//! The types are what a server writes and what a client reads, field by field and in order; [`json`] gives them their
//! exact form. [`Client`] asks a server and waits for its answer.
//!
//! ```
//! use styx_client::{RunStateDataPayload, json};
//!
//! let nothing = RunStateDataPayload::default();
//! assert_eq!(json::to_string(&nothing).unwrap(), r#"{"active_states":[]}"#);
//! ```

mod client;
mod error;
mod event;
mod flyte;
mod history;
mod host;
mod id;
pub mod json;
mod lenient;
mod log;
mod request;
mod state;
pub mod time;
mod trigger;
mod workflow;

pub use client::{Client, Effect, Exchange};
pub use error::{ApiError, Error, TransportError, TransportErrorKind};
pub use event::{Event, EventKind, EventsPayload, TimestampedEvent};
pub use flyte::{FlyteExecConf, FlyteIdentifier};
pub use history::{ExecStatus, Execution, TriggerHistory, WorkflowInstanceExecutionData};
pub use host::{Host, ParseHostError};
pub use id::{WorkflowId, WorkflowInstance};
pub use log::{Checkpoint, CheckpointsPayload, RecordsPage};
pub use state::{ExecutionDescription, Message, MessageLevel, RunStateData, RunStateDataPayload, StateData};
pub use trigger::{Trigger, TriggerParameters, TriggerRequest, TriggerResponse};
pub use workflow::{Workflow, WorkflowState, WorkflowWithState};
