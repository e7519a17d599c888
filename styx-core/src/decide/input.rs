//! What decisions are made about, and how people and programs make it.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    config::Config,
    event::TriggerParameters,
    id::WorkflowId,
    observation::Observation,
    record::{IdempotencyKey, Operator},
    request::Request,
    stored_workflow::ValidWorkflow,
};

/// What a decision is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The log is empty: give it a name and a seed.
    Start {
        /// The log's name.
        log_id: Uuid,
        /// What all draws are made from.
        root_seed: Uuid,
        /// The configuration to begin with.
        config: Arc<Config>,
    },
    /// Something may be due.
    Due,
    /// An executor saw something.
    Observed(Observation),
    /// A person or a program asks for something.
    Asked(Request, Arc<Operator>),
    /// The same, and the request has a key of its own: it is done once, however often it comes.
    AskedOnce(Request, Arc<Operator>, IdempotencyKey),
}

impl Operator {
    /// Requests something.
    pub fn requests(&self, request: Request) -> Input {
        Input::Asked(request, Arc::new(self.clone()))
    }

    /// Creates or replaces a workflow.
    pub fn stores(&self, workflow: ValidWorkflow) -> Input {
        let (id, workflow) = workflow.into_parts();
        self.requests(Request::StoreWorkflow { id, workflow })
    }

    /// Turns a workflow's natural triggers on.
    pub fn enables(&self, workflow: &WorkflowId) -> Input {
        let id = workflow.clone();
        self.requests(Request::PatchWorkflow { id, enabled: Some(true), next_instant: None, next_fires_at: None })
    }

    /// Begins a run of the partition that a parameter names, such as `2026-03-29`.
    pub fn triggers(&self, workflow: &WorkflowId, parameter: &str) -> Input {
        self.requests(Request::Trigger {
            workflow: workflow.clone(),
            parameter: parameter.into(),
            parameters: TriggerParameters::default(),
            allow_future: false,
        })
    }
}
