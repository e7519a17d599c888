//! How workflows and instances are named on the wire.

use serde::{Deserialize, Serialize};
use styx_core::id;

/// The name of a workflow: its component and its own id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkflowId {
    /// The component that the workflow belongs to.
    pub component_id: String,
    /// The workflow's id within the component.
    pub id: String,
}

impl WorkflowId {
    /// Names a workflow.
    pub fn new(component_id: impl Into<String>, id: impl Into<String>) -> Self {
        Self { component_id: component_id.into(), id: id.into() }
    }

    /// The text form, `component#workflow`.
    pub fn key(&self) -> String {
        format!("{}#{}", self.component_id, self.id)
    }
}

impl From<&id::WorkflowId> for WorkflowId {
    fn from(id: &id::WorkflowId) -> Self {
        Self::new(id.component(), id.workflow())
    }
}

impl From<&WorkflowId> for id::WorkflowId {
    fn from(id: &WorkflowId) -> Self {
        Self::new(id.component_id.as_str(), id.id.as_str())
    }
}

/// The name of an instance: a workflow, and the parameter that it runs for.
///
/// ```
/// use styx_client::WorkflowInstance;
///
/// let instance = WorkflowInstance::new("sales", "daily-report", "2024-05-06");
/// assert_eq!(instance.key(), "sales#daily-report#2024-05-06");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkflowInstance {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// What the instance runs for, such as `2024-05-06`.
    pub parameter: String,
}

impl WorkflowInstance {
    /// Names an instance.
    pub fn new(component_id: impl Into<String>, id: impl Into<String>, parameter: impl Into<String>) -> Self {
        Self { workflow_id: WorkflowId::new(component_id, id), parameter: parameter.into() }
    }

    /// The text form, `component#workflow#parameter`, in which events name their instance.
    pub fn key(&self) -> String {
        format!("{}#{}", self.workflow_id.key(), self.parameter)
    }
}

impl From<&id::InstanceId> for WorkflowInstance {
    fn from(id: &id::InstanceId) -> Self {
        Self { workflow_id: id.workflow().into(), parameter: id.parameter().into() }
    }
}

impl From<&WorkflowInstance> for id::InstanceId {
    fn from(instance: &WorkflowInstance) -> Self {
        Self::new((&instance.workflow_id).into(), instance.parameter.as_str())
    }
}
