//! Workflows.

use chrono::{DateTime, Utc};
use reqwest::Method;
use styx_core::workflow::WorkflowConfiguration;

use super::Client;
use crate::time::format_instant;
use crate::workflow::AsJson;
use crate::{Error, OwedPayload, ScheduleState, Workflow, WorkflowState, WorkflowWithState};

/// Which workflows to list; what is absent lets all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowFilter {
    /// Those whose deployment source is exactly this.
    pub deployment_type: Option<String>,
    /// Those deployed before this instant.
    pub deployed_before: Option<DateTime<Utc>>,
    /// Those deployed after this instant.
    pub deployed_after: Option<DateTime<Utc>>,
}

impl WorkflowFilter {
    fn query(&self) -> Vec<(&'static str, String)> {
        let instant = |at: &DateTime<Utc>| format_instant(*at);
        let pairs = [
            ("deployment_type", self.deployment_type.clone()),
            ("deployment_time_before", self.deployed_before.as_ref().map(instant)),
            ("deployment_time_after", self.deployed_after.as_ref().map(instant)),
        ];
        pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

impl Client {
    /// All workflows.
    ///
    /// # Errors
    /// As all requests.
    pub fn workflows(&self) -> Result<Vec<Workflow>, Error> {
        self.get(&["workflows"], &[])
    }

    /// Some of the workflows.
    ///
    /// # Errors
    /// As all requests.
    pub fn workflows_where(&self, filter: &WorkflowFilter) -> Result<Vec<Workflow>, Error> {
        let query = filter.query();
        self.get(&["workflows"], &borrowed(&query))
    }

    /// Workflows, and whether each is enabled and when it runs next. A second request asks for what they owe, if the server
    /// says that one owes something.
    ///
    /// # Errors
    /// As all requests.
    pub fn workflows_with_state(&self, filter: &WorkflowFilter) -> Result<Vec<WorkflowWithState>, Error> {
        let mut query = filter.query();
        query.insert(0, ("full", "true".into()));
        let answer = self.send(self.call(Method::GET, &["workflows"], &borrowed(&query)))?;
        let owes = answer.owes;
        let mut workflows: Vec<WorkflowWithState> = answer.read()?;
        if owes {
            for owing in self.owed()?.workflows {
                let is_it = |shown: &&mut WorkflowWithState| {
                    let workflow = &shown.workflow;
                    (&*workflow.component_id, workflow.workflow_id()) == (&*owing.component_id, &*owing.workflow_id)
                };
                if let Some(shown) = workflows.iter_mut().find(is_it) {
                    shown.owed = owing.owed;
                }
            }
        }
        Ok(workflows)
    }

    /// All workflows that owe instants under earlier schedules, and what.
    ///
    /// # Errors
    /// As all requests.
    pub fn owed(&self) -> Result<OwedPayload, Error> {
        self.send(self.own_call(Method::GET, &["owed"], &[]))?.read()
    }

    /// The workflows of a component. An unknown component has none.
    ///
    /// # Errors
    /// As all requests.
    pub fn workflows_of(&self, component: &str) -> Result<Vec<Workflow>, Error> {
        self.get(&["workflows", component], &[])
    }

    /// A workflow.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such workflow.
    pub fn workflow(&self, component: &str, workflow: &str) -> Result<Workflow, Error> {
        self.get(&["workflows", component, workflow], &[])
    }

    /// A workflow, and whether it is enabled and when it runs next. A second request asks for what it owes, if the server says
    /// that it owes something.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such workflow.
    pub fn workflow_with_state(&self, component: &str, workflow: &str) -> Result<WorkflowWithState, Error> {
        let answer = self.send(self.call(Method::GET, &["workflows", component, workflow, "full"], &[]))?;
        let owes = answer.owes;
        let mut shown: WorkflowWithState = answer.read()?;
        if owes {
            shown.owed = self.schedule_state(component, workflow)?.owed;
        }
        Ok(shown)
    }

    /// Whether a workflow is enabled, when it runs next, and what is overdue or owed before that.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such workflow.
    pub fn schedule_state(&self, component: &str, workflow: &str) -> Result<ScheduleState, Error> {
        self.send(self.own_call(Method::GET, &["workflows", component, workflow, "state"], &[]))?.read()
    }

    /// Whether a workflow is enabled and when it runs next. An unknown workflow is disabled.
    ///
    /// # Errors
    /// As all requests.
    pub fn workflow_state(&self, component: &str, workflow: &str) -> Result<WorkflowState, Error> {
        self.get(&["workflows", component, workflow, "state"], &[])
    }

    /// Creates a workflow, or replaces the one of that name.
    ///
    /// # Errors
    /// As all requests; refused if the configuration is not valid.
    pub fn create_or_update_workflow(
        &self,
        component: &str,
        configuration: &WorkflowConfiguration,
    ) -> Result<Workflow, Error> {
        let call = self.call(Method::POST, &["workflows", component], &[]);
        self.send(call.with(&AsJson(configuration)).keyed())?.read()
    }

    /// Deletes a workflow. Its history stays.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such workflow.
    pub fn delete_workflow(&self, component: &str, workflow: &str) -> Result<(), Error> {
        self.send(self.call(Method::DELETE, &["workflows", component, workflow], &[])).map(drop)
    }

    /// Changes what is given of a workflow's state, and leaves the rest.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such workflow.
    pub fn update_workflow_state(
        &self,
        component: &str,
        workflow: &str,
        state: &WorkflowState,
    ) -> Result<WorkflowState, Error> {
        self.send(self.call(Method::PATCH, &["workflows", component, workflow, "state"], &[]).with(state))?.read()
    }
}

fn borrowed<'a>(query: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    query.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
