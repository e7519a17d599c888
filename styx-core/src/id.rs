//! Names of things: workflows, their instances, executions, and places in the log.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::{Builder, Uuid, Variant};

/// What every execution id that Styx makes begins with.
const EXECUTION_PREFIX: &str = "styx-run-";

/// The name of a workflow: the component that it belongs to, and its own id within it.
///
/// Its text form, the *key*, is `component#workflow`. A workflow id may hold `#`, a component id may not (validation
/// sees to that), so a key splits at its first `#`. Ids are ordered by component, then by workflow.
///
/// ```
/// use styx_core::id::WorkflowId;
///
/// let id = WorkflowId::parse_key("sales#daily#eu").unwrap();
/// assert_eq!((id.component(), id.workflow()), ("sales", "daily#eu"));
/// assert_eq!(id.key(), "sales#daily#eu");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkflowId {
    component: Arc<str>,
    workflow: Arc<str>,
}

impl WorkflowId {
    /// Names a workflow. Nothing is checked here: an id that came from outside is judged by `workflow::validate`.
    pub fn new(component: impl Into<Arc<str>>, workflow: impl Into<Arc<str>>) -> Self {
        Self { component: component.into(), workflow: workflow.into() }
    }

    /// Reads `component#workflow`, splitting at the first `#`.
    ///
    /// # Errors
    /// When there is no `#`, or nothing before it.
    pub fn parse_key(key: &str) -> Result<Self, ParseKeyError> {
        match key.split_once('#') {
            Some((component, workflow)) if !component.is_empty() => Ok(Self::new(component, workflow)),
            _ => Err(ParseKeyError { key: key.into() }),
        }
    }

    /// The component that the workflow belongs to.
    pub fn component(&self) -> &str {
        &self.component
    }

    /// The workflow's id within its component.
    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    /// The text form, `component#workflow`.
    pub fn key(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for WorkflowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.component, self.workflow)
    }
}

/// The name of an instance: a workflow and the parameter (a date, an hour, …) that it runs for.
///
/// Its key, `component#workflow#parameter`, is how an instance is shown everywhere. It splits at its last `#`. Ids are
/// ordered by component, workflow and parameter.
///
/// ```
/// use styx_core::id::InstanceId;
///
/// let id = InstanceId::parse_key("c#a#b#2016-01-01").unwrap();
/// assert_eq!(id.workflow().workflow(), "a#b");
/// assert_eq!(id.parameter(), "2016-01-01");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    workflow: WorkflowId,
    parameter: Arc<str>,
}

impl InstanceId {
    /// Names the instance of a workflow for a parameter.
    pub fn new(workflow: WorkflowId, parameter: impl Into<Arc<str>>) -> Self {
        Self { workflow, parameter: parameter.into() }
    }

    /// Reads `component#workflow#parameter`.
    ///
    /// # Errors
    /// When the part before the last `#` is not the key of a workflow.
    pub fn parse_key(key: &str) -> Result<Self, ParseKeyError> {
        let parsed = key
            .rsplit_once('#')
            .and_then(|(workflow, parameter)| Some(Self::new(WorkflowId::parse_key(workflow).ok()?, parameter)));
        parsed.ok_or_else(|| ParseKeyError { key: key.into() })
    }

    /// The workflow that this is an instance of.
    pub fn workflow(&self) -> &WorkflowId {
        &self.workflow
    }

    /// What the instance runs for, such as `2024-05-06`.
    pub fn parameter(&self) -> &str {
        &self.parameter
    }

    /// The text form, `component#workflow#parameter`.
    pub fn key(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.workflow, self.parameter)
    }
}

/// A text that is not the key of a workflow, or of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a key: {key:?}")]
pub struct ParseKeyError {
    key: String,
}

/// The name of one try of a run. It is also the name of what runs, a pod for example.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExecutionId {
    /// An id as Styx makes it: `styx-run-` and a lower-case UUID of version 4.
    Run(Uuid),
    /// Any other text. Only histories that were imported from elsewhere hold such ids.
    Text(Arc<str>),
}

impl ExecutionId {
    /// Makes an id of 122 of the bits of `uuid`. The other six are set to mark version 4, wherever the bits came from,
    /// so that the id reads back as itself.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self::Run(Builder::from_random_bytes(uuid.into_bytes()).into_uuid())
    }

    /// Reads an id. Every text is one; only the exact form that Styx makes is `Run`.
    pub fn parse(text: &str) -> Self {
        text.strip_prefix(EXECUTION_PREFIX).and_then(canonical_v4).map_or_else(|| Self::Text(text.into()), Self::Run)
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(uuid) => write!(f, "{EXECUTION_PREFIX}{}", uuid.hyphenated()),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A record's place in the log. The first record is at 1 and no place is left out, so 0 is the tail of an empty log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// The place of the first record.
    pub const FIRST: Self = Self(1);

    /// The place right after this one; a log ends long before the last one that there is.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The reign of one writer of a log. A later writer has a higher epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch of the writer that comes after this one; the last one that there is has no other.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Styx's number of an event among the events of its instance. The first event of an instance is 0, and numbers go on
/// from one trigger to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter(pub u64);

impl Counter {
    /// The number of the event after this one; the last one that there is has no other.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A counter as errors tell it, or that there is none.
pub(crate) fn number(counter: &Option<Counter>) -> String {
    counter.map_or_else(|| "none".to_owned(), |counter| counter.to_string())
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes the id of a trigger or a backfill: `<prefix>-<milliseconds>-<random>`, padded to 13 and 5 digits.
///
/// Of `random` the last five decimal digits are used.
///
/// ```
/// use chrono::DateTime;
/// use styx_core::id::generated_id;
///
/// let at = DateTime::from_timestamp_millis(1489054446085).unwrap();
/// assert_eq!(generated_id("ad-hoc-cli", at, 53384), "ad-hoc-cli-1489054446085-53384");
/// ```
pub fn generated_id(prefix: &str, at: DateTime<Utc>, random: u32) -> String {
    format!("{prefix}-{:013}-{:05}", at.timestamp_millis(), random % 100_000)
}

/// Reads a UUID of version 4 in its only canonical form, so that what is read is written the same again.
fn canonical_v4(text: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(text).ok()?;
    let is_v4 = uuid.get_version_num() == 4 && uuid.get_variant() == Variant::RFC4122;
    (is_v4 && uuid.hyphenated().to_string() == text).then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_key_splits_at_the_first_hash() {
        assert_eq!(WorkflowId::parse_key("c#a#b"), Ok(WorkflowId::new("c", "a#b")));
        assert_eq!(WorkflowId::parse_key("c#"), Ok(WorkflowId::new("c", "")));
        for key in ["", "#", "#a", "##a", "a"] {
            assert!(WorkflowId::parse_key(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn an_instance_key_splits_at_the_last_hash() {
        let instance = InstanceId::new(WorkflowId::new("styx", "styx.TestEndpoint"), "2016-09-01");
        assert_eq!(instance.to_string(), "styx#styx.TestEndpoint#2016-09-01");
        assert_eq!(InstanceId::parse_key(&instance.key()), Ok(instance));
        for key in ["", "#", "a", "a#b", "#a#b", "##"] {
            assert!(InstanceId::parse_key(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn instances_are_ordered_by_component_then_workflow_then_parameter() {
        let ids = ["a#b#c", "a#b#d", "a#c#a", "a-b#a#a", "b#a#a"].map(|key| InstanceId::parse_key(key).unwrap());
        assert!(ids.is_sorted());
    }

    #[test]
    fn only_the_canonical_form_is_a_run() {
        let text = "styx-run-0b9d6d0e-6a55-4d3a-9a7d-2f5f7c3f1a10";
        assert!(matches!(ExecutionId::parse(text), ExecutionId::Run(_)));
        assert_eq!(ExecutionId::parse(text).to_string(), text);
        for other in [
            "",
            "styx-run-",
            "0b9d6d0e-6a55-4d3a-9a7d-2f5f7c3f1a10",
            "styx-run-0B9D6D0E-6a55-4d3a-9a7d-2f5f7c3f1a10",
            "styx-run-0b9d6d0e6a554d3a9a7d2f5f7c3f1a10",
            "styx-run-{0b9d6d0e-6a55-4d3a-9a7d-2f5f7c3f1a10}",
            "styx-run-0b9d6d0e-6a55-5d3a-9a7d-2f5f7c3f1a10",
            "styx-run-0b9d6d0e-6a55-4d3a-ca7d-2f5f7c3f1a10",
        ] {
            assert_eq!(ExecutionId::parse(other), ExecutionId::Text(other.into()));
            assert_eq!(ExecutionId::parse(other).to_string(), other);
        }
    }

    #[test]
    fn an_id_of_any_bits_reads_back_as_itself() {
        for bits in [0, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let id = ExecutionId::from_uuid(Uuid::from_u128(bits));
            assert_eq!(ExecutionId::parse(&id.to_string()), id);
        }
    }

    #[test]
    fn generated_ids_are_padded() {
        let at = DateTime::from_timestamp_millis(7).unwrap();
        assert_eq!(generated_id("backfill", at, 100_042), "backfill-0000000000007-00042");
    }
}
