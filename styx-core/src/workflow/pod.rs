//! A workflow's `pod:`, which the core keeps and doesn't look into.

use super::fields::Fields;
use super::json::{JsonError, Node};

/// A pod template: a PodTemplateSpec in Kubernetes' own form, as compact JSON. An executor over pods merges it into the pods
/// that it makes.
///
/// Only that it is an object is checked here: the core doesn't know the types of Kubernetes.
///
/// ```
/// use styx_core::workflow::PodTemplate;
///
/// let template = PodTemplate::from_json(r#"{"spec": {"priorityClassName": "batch"}}"#)?;
/// assert_eq!(template.as_json(), r#"{"spec":{"priorityClassName":"batch"}}"#);
/// assert!(PodTemplate::from_json("[]").is_err());
/// # Ok::<(), styx_core::workflow::JsonError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTemplate(String);

impl PodTemplate {
    /// The most bytes of its JSON (decision 57): it is in the workflow's record, and goes with each launch.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Reads one. Numbers stay as they are written; where a name comes twice in an object, the last one counts.
    ///
    /// # Errors
    /// When the text isn't a JSON object.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        Fields::pod_template(Node::parse(text)?, "pod")
    }

    pub(super) fn new(object: &Node) -> Self {
        Self(object.to_json())
    }

    /// The template as compact JSON.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}
