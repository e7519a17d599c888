//! What only this server has: its log over HTTP, its configuration at run time, and why an instance waits.

use std::time::Duration;

use reqwest::Method;

use super::{Answer, Client};
use crate::{
    About, Checkpoint, CheckpointsPayload, Error, Explanation, RecordsPage, RuntimeConfig, RuntimeConfigPatch,
    WorkflowInstance,
};

impl Client {
    /// Has the server make a checkpoint of its log, and waits until it is there.
    ///
    /// # Errors
    /// As all requests; refused with 507 if too little of the disk is free.
    pub fn create_checkpoint(&self) -> Result<Checkpoint, Error> {
        self.send(self.own_call(Method::POST, &["checkpoints"], &[]))?.read()
    }

    /// The checkpoints that the server has, the oldest first.
    ///
    /// # Errors
    /// As all requests.
    pub fn checkpoints(&self) -> Result<CheckpointsPayload, Error> {
        self.send(self.own_call(Method::GET, &["checkpoints"], &[]))?.read()
    }

    /// Records of the server's log from a position on, at most `limit` (the server gives at most 1,000). When there is none
    /// yet, the server waits for one, for at most `wait` (30 seconds).
    ///
    /// # Errors
    /// As all requests.
    pub fn records(&self, from: u64, limit: u64, wait: Duration) -> Result<RecordsPage, Error> {
        let (from, limit, wait) = (from.to_string(), limit.to_string(), wait.as_secs().to_string());
        let query = [("from", from.as_str()), ("limit", limit.as_str()), ("wait", wait.as_str())];
        let answer = self.send(self.own_call(Method::GET, &["records"], &query))?;
        let tail = answer.tail.unwrap_or_default();
        let lines = String::from_utf8_lossy(&answer.body).lines().map(str::to_owned).collect();
        Ok(RecordsPage { lines, tail })
    }

    /// The configuration that operators can change, and where each value comes from.
    ///
    /// # Errors
    /// As all requests.
    pub fn config(&self) -> Result<RuntimeConfig, Error> {
        self.send(self.own_call(Method::GET, &["config"], &[]))?.read()
    }

    /// Changes what is given of the configuration, leaves the rest, and gives what counts then.
    ///
    /// # Errors
    /// As all requests; refused with 400 if a value makes no sense.
    pub fn change_config(&self, patch: &RuntimeConfigPatch) -> Result<RuntimeConfig, Error> {
        self.send(self.own_call(Method::PATCH, &["config"], &[]).with(patch))?.read()
    }

    /// Why an instance waits.
    ///
    /// # Errors
    /// As all requests; refused with 404 if the instance is not active.
    pub fn explain(&self, instance: &WorkflowInstance) -> Result<Explanation, Error> {
        Ok(self.explain_about(instance)?.answer)
    }

    /// As [`explain`](Self::explain), with the instance that the text of the parameter names.
    ///
    /// # Errors
    /// As [`explain`](Self::explain).
    pub fn explain_about(&self, instance: &WorkflowInstance) -> Result<About<Explanation>, Error> {
        let WorkflowInstance { workflow_id, parameter } = instance;
        let path = ["explain", &workflow_id.component_id, &workflow_id.id, parameter];
        self.send(self.own_call(Method::GET, &path, &[]))?.about(Answer::read)
    }
}
