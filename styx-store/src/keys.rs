//! Keys: how subjects and rows are named in bytes, so that bytes sort as the names do and no name is the start of another.
//!
//! A key is a tag and then its parts. A text part keeps its bytes, except that NUL becomes `00 FF`, and ends with `00 01`.
//! So any text is allowed (`#`, `/`, blanks, NUL), `a` is never the start of `a#b`, and texts sort as their bytes do.

use std::sync::Arc;

use crate::texts::shared;
use styx_core::{
    id::{ExecutionId, InstanceId, Position, WorkflowId},
    record::Subject,
    world::{RowKey, RowScope, TriggerKind},
};
use uuid::Uuid;

const LOG: u8 = 1;
const CONFIG: u8 = 2;
const WORKFLOW: u8 = 3;
const RUN: u8 = 4;
const EXECUTION: u8 = 5;
const BACKFILL: u8 = 6;
const RESOURCE: u8 = 7;
/// Rows of what isn't part of the world begin here.
const FINISHED: u8 = 64;
const ANSWERED: u8 = 65;

const UUID: u8 = 0;
const TEXT: u8 = 1;

/// Bytes that are no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a key: {}", hex(.0))]
pub struct BadKey(pub Vec<u8>);

/// A position as a key: big-endian, so that bytes sort as positions do.
pub fn position(position: Position) -> [u8; 8] {
    position.0.to_be_bytes()
}

/// Reads a position's key.
///
/// # Errors
///
/// When it isn't eight bytes.
pub fn parse_position(key: &[u8]) -> Result<Position, BadKey> {
    key.try_into().map(|bytes| Position(u64::from_be_bytes(bytes))).map_err(|_| BadKey(key.into()))
}

/// The start of all keys of a subject's index; a position follows.
pub fn subject(subject: &Subject) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    put_subject(&mut key, subject);
    key
}

/// Appends the start of all keys of a subject's index.
pub(crate) fn put_subject(out: &mut Vec<u8>, subject: &Subject) {
    match subject {
        Subject::Log => out.push(LOG),
        Subject::Config => out.push(CONFIG),
        Subject::Workflow(id) => put_workflow(out, WORKFLOW, id),
        Subject::Run(id) => put_instance(out, RUN, id),
        Subject::Execution(id) => put_execution(out, id),
        Subject::Backfill(id) => put_tagged_text(out, BACKFILL, id),
        Subject::Resource(id) => put_tagged_text(out, RESOURCE, id),
    }
}

/// The start of all keys of the index by subject that are about workflows.
#[cfg(feature = "rocks")]
pub(crate) fn all_workflows() -> Vec<u8> {
    vec![WORKFLOW]
}

/// The start of all keys of the index by subject that are about runs of a workflow.
#[cfg(feature = "rocks")]
pub(crate) fn runs_of(workflow: &WorkflowId) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    put_workflow(&mut key, RUN, workflow);
    key
}

/// The key of an entry of the index by subject; the position is that of the first record that it names.
pub fn subject_entry(of: &Subject, at: Position) -> Vec<u8> {
    let mut key = subject(of);
    key.extend_from_slice(&position(at));
    key
}

/// Reads the key of an entry of the index by subject.
///
/// # Errors
///
/// When the bytes are no such key.
pub fn parse_subject_entry(key: &[u8]) -> Result<(Subject, Position), BadKey> {
    let bad = || BadKey(key.into());
    let (subject_key, position_key) = key.split_last_chunk::<8>().ok_or_else(bad)?;
    let mut parts = Parts(subject_key);
    let subject = parse_subject(&mut parts).filter(|_| parts.0.is_empty()).ok_or_else(bad)?;
    Ok((subject, Position(u64::from_be_bytes(*position_key))))
}

/// The key of a row.
pub fn row(key: &RowKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    put_row(&mut out, key);
    out
}

/// Appends the key of a row.
pub(crate) fn put_row(out: &mut Vec<u8>, key: &RowKey) {
    match key {
        RowKey::Log => out.push(LOG),
        RowKey::Config => out.push(CONFIG),
        RowKey::Workflow(id) => put_workflow(out, WORKFLOW, id),
        RowKey::Run(id) => put_instance(out, RUN, id),
        RowKey::Execution(id) => put_execution(out, id),
        RowKey::Backfill(id) => put_tagged_text(out, BACKFILL, id),
        RowKey::Resource(id) => put_tagged_text(out, RESOURCE, id),
        RowKey::Finished(id, kind) => {
            put_instance(out, FINISHED, id);
            out.push(match kind {
                TriggerKind::Natural => 0,
                TriggerKind::AdHoc => 1,
                TriggerKind::Backfill => 2,
                TriggerKind::Unknown => 3,
            });
        }
        RowKey::Answered(key) => put_tagged_text(out, ANSWERED, key),
    }
}

/// Reads the key of a row.
///
/// # Errors
///
/// When the bytes are no such key.
pub fn parse_row(key: &[u8]) -> Result<RowKey, BadKey> {
    let mut parts = Parts(key);
    parse_row_parts(&mut parts).filter(|_| parts.0.is_empty()).ok_or_else(|| BadKey(key.into()))
}

/// The keys of a scope: from the first bytes on, below the second; `None` is no bound.
///
/// The runs of a workflow of *any* component are no range: there it is the range of all runs, out of which
/// [`is_in_scope`] takes them.
pub fn scope(scope: &RowScope) -> (Vec<u8>, Option<Vec<u8>>) {
    let start = match scope {
        RowScope::World => return (Vec::new(), Some(vec![FINISHED])),
        RowScope::Workflows { component } => prefix(WORKFLOW, component.as_ref(), None),
        RowScope::Runs { component, workflow } => prefix(RUN, component.as_ref(), workflow.as_ref()),
        RowScope::Executions => vec![EXECUTION],
        RowScope::Backfills => vec![BACKFILL],
        RowScope::Resources => vec![RESOURCE],
        RowScope::Finished { workflow } => {
            let mut start = Vec::new();
            put_workflow(&mut start, FINISHED, workflow);
            start
        }
    };
    let end = after_prefix(&start);
    (start, end)
}

/// Whether a scope holds a key.
pub fn is_in_scope(scope: &RowScope, key: &RowKey) -> bool {
    let fits = |wanted: &Option<Arc<str>>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    match (scope, key) {
        (RowScope::World, key) => !matches!(key, RowKey::Finished(..) | RowKey::Answered(_)),
        (RowScope::Workflows { component }, RowKey::Workflow(id)) => fits(component, id.component()),
        (RowScope::Runs { component, workflow }, RowKey::Run(id)) => {
            fits(component, id.workflow().component()) && fits(workflow, id.workflow().workflow())
        }
        (RowScope::Executions, RowKey::Execution(_))
        | (RowScope::Backfills, RowKey::Backfill(_))
        | (RowScope::Resources, RowKey::Resource(_)) => true,
        (RowScope::Finished { workflow }, RowKey::Finished(id, _)) => id.workflow() == workflow,
        _ => false,
    }
}

/// The first bytes after all that begin with `prefix`.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn prefix(tag: u8, component: Option<&Arc<str>>, workflow: Option<&Arc<str>>) -> Vec<u8> {
    let mut start = vec![tag];
    if let Some(component) = component {
        put_text(&mut start, component);
        if let Some(workflow) = workflow {
            put_text(&mut start, workflow);
        }
    }
    start
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    for (index, part) in text.split('\0').enumerate() {
        if index > 0 {
            out.extend_from_slice(&[0, 0xFF]);
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(&[0, 1]);
}

fn put_tagged_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    put_text(out, text);
}

fn put_workflow(out: &mut Vec<u8>, tag: u8, id: &WorkflowId) {
    put_tagged_text(out, tag, id.component());
    put_text(out, id.workflow());
}

fn put_instance(out: &mut Vec<u8>, tag: u8, id: &InstanceId) {
    put_workflow(out, tag, id.workflow());
    put_text(out, id.parameter());
}

fn put_execution(out: &mut Vec<u8>, id: &ExecutionId) {
    out.push(EXECUTION);
    match id {
        ExecutionId::Run(uuid) => {
            out.push(UUID);
            out.extend_from_slice(uuid.as_bytes());
        }
        ExecutionId::Text(text) => put_tagged_text(out, TEXT, text),
    }
}

/// What is left of a key that is being read.
struct Parts<'a>(&'a [u8]);

impl Parts<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn text(&mut self) -> Option<Arc<str>> {
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                0 => match self.byte()? {
                    1 => return std::str::from_utf8(&bytes).ok().map(shared),
                    0xFF => bytes.push(0),
                    _ => return None,
                },
                byte => bytes.push(byte),
            }
        }
    }

    fn workflow(&mut self) -> Option<WorkflowId> {
        Some(WorkflowId::new(self.text()?, self.text()?))
    }

    fn instance(&mut self) -> Option<InstanceId> {
        Some(InstanceId::new(self.workflow()?, self.text()?))
    }

    fn execution(&mut self) -> Option<ExecutionId> {
        match self.byte()? {
            UUID => {
                let (bytes, rest) = self.0.split_first_chunk::<16>()?;
                self.0 = rest;
                Some(ExecutionId::Run(Uuid::from_bytes(*bytes)))
            }
            TEXT => Some(ExecutionId::Text(self.text()?)),
            _ => None,
        }
    }
}

fn parse_subject(parts: &mut Parts<'_>) -> Option<Subject> {
    Some(match parts.byte()? {
        LOG => Subject::Log,
        CONFIG => Subject::Config,
        WORKFLOW => Subject::Workflow(parts.workflow()?),
        RUN => Subject::Run(parts.instance()?),
        EXECUTION => Subject::Execution(parts.execution()?),
        BACKFILL => Subject::Backfill(parts.text()?),
        RESOURCE => Subject::Resource(parts.text()?),
        _ => return None,
    })
}

fn parse_row_parts(parts: &mut Parts<'_>) -> Option<RowKey> {
    Some(match parts.byte()? {
        LOG => RowKey::Log,
        CONFIG => RowKey::Config,
        WORKFLOW => RowKey::Workflow(parts.workflow()?),
        RUN => RowKey::Run(parts.instance()?),
        EXECUTION => RowKey::Execution(parts.execution()?),
        BACKFILL => RowKey::Backfill(parts.text()?),
        RESOURCE => RowKey::Resource(parts.text()?),
        FINISHED => {
            let id = parts.instance()?;
            let kind = match parts.byte()? {
                0 => TriggerKind::Natural,
                1 => TriggerKind::AdHoc,
                2 => TriggerKind::Backfill,
                3 => TriggerKind::Unknown,
                _ => return None,
            };
            RowKey::Finished(id, kind)
        }
        ANSWERED => RowKey::Answered(parts.text()?),
        _ => return None,
    })
}

/// Bytes as people look at them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::collection::vec(
                prop::sample::select(&['a', 'b', '#', '/', ' ', '\0', '\u{1}', 'ü', '\u{10FFFF}'][..]),
                0..5
            )
            .prop_map(String::from_iter),
            any::<String>(),
        ]
    }

    fn workflow() -> impl Strategy<Value = WorkflowId> {
        (text(), text()).prop_map(|(component, workflow)| WorkflowId::new(component, workflow))
    }

    fn instance() -> impl Strategy<Value = InstanceId> {
        (workflow(), text()).prop_map(|(workflow, parameter)| InstanceId::new(workflow, parameter))
    }

    fn execution() -> impl Strategy<Value = ExecutionId> {
        prop_oneof![
            any::<u128>().prop_map(|bits| ExecutionId::Run(Uuid::from_u128(bits))),
            text().prop_map(|text| ExecutionId::Text(text.into())),
        ]
    }

    fn row_key() -> impl Strategy<Value = RowKey> {
        prop_oneof![
            Just(RowKey::Log),
            Just(RowKey::Config),
            workflow().prop_map(RowKey::Workflow),
            instance().prop_map(RowKey::Run),
            execution().prop_map(RowKey::Execution),
            text().prop_map(|id| RowKey::Backfill(id.into())),
            text().prop_map(|id| RowKey::Resource(id.into())),
            text().prop_map(|key| RowKey::Answered(key.into())),
            (instance(), prop::sample::select(&TriggerKind::ALL[..])).prop_map(|(id, kind)| RowKey::Finished(id, kind)),
        ]
    }

    fn any_subject() -> impl Strategy<Value = Subject> {
        prop_oneof![
            Just(Subject::Log),
            Just(Subject::Config),
            workflow().prop_map(Subject::Workflow),
            instance().prop_map(Subject::Run),
            execution().prop_map(Subject::Execution),
            text().prop_map(|id| Subject::Backfill(id.into())),
            text().prop_map(|id| Subject::Resource(id.into())),
        ]
    }

    fn any_scope() -> impl Strategy<Value = RowScope> {
        let optional = || prop::option::of(text().prop_map(Arc::<str>::from));
        prop_oneof![
            Just(RowScope::World),
            Just(RowScope::Executions),
            Just(RowScope::Backfills),
            Just(RowScope::Resources),
            optional().prop_map(|component| RowScope::Workflows { component }),
            (optional(), optional()).prop_map(|(component, workflow)| RowScope::Runs { component, workflow }),
            workflow().prop_map(|workflow| RowScope::Finished { workflow }),
        ]
    }

    proptest! {
        #[test]
        fn row_keys_read_back_and_sort_as_their_bytes(a in row_key(), b in row_key()) {
            prop_assert_eq!(parse_row(&row(&a)), Ok(a.clone()));
            prop_assert_eq!(row(&a).cmp(&row(&b)), a.cmp(&b));
            prop_assert!(a == b || !row(&b).starts_with(&row(&a)));
        }

        #[test]
        fn subject_entries_read_back_and_sort(a in any_subject(), b in any_subject(), x: u64, y: u64) {
            let (x, y) = (Position(x), Position(y));
            prop_assert_eq!(parse_subject_entry(&subject_entry(&a, x)), Ok((a.clone(), x)));
            prop_assert_eq!(subject_entry(&a, x).cmp(&subject_entry(&b, y)), (&a, x).cmp(&(&b, y)));
            prop_assert!(a == b || !subject_entry(&b, y).starts_with(&subject(&a)));
        }

        #[test]
        fn a_scope_bounds_what_it_holds(scope_of in any_scope(), key in row_key()) {
            let (start, end) = scope(&scope_of);
            let bytes = row(&key);
            let bounded = bytes >= start && end.is_none_or(|end| bytes < end);
            let exact = !matches!(scope_of, RowScope::Runs { component: None, workflow: Some(_) });
            prop_assert!(bounded || !is_in_scope(&scope_of, &key));
            prop_assert!(!bounded || is_in_scope(&scope_of, &key) || !exact);
        }

        #[test]
        fn any_bytes_are_a_key_or_not(bytes: Vec<u8>) {
            if let Ok(key) = parse_row(&bytes) {
                prop_assert_eq!(row(&key), bytes.clone());
            }
            if let Ok((subject, position)) = parse_subject_entry(&bytes) {
                prop_assert_eq!(subject_entry(&subject, position), bytes);
            }
        }
    }

    #[test]
    fn a_workflow_never_matches_another_that_begins_like_it() {
        let a = subject(&Subject::Workflow(WorkflowId::new("c", "a")));
        for other in ["a#b", "a/b", "a b", "a\0", "ab", "a\u{1}"] {
            assert!(!subject(&Subject::Workflow(WorkflowId::new("c", other))).starts_with(&a), "{other:?}");
        }
    }
}
