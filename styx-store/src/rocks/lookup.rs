//! What tools ask of the index beyond the contract of a log: where records are, without reading them, and who there is.

use styx_core::{
    id::{InstanceId, Position, WorkflowId},
    log::LogError,
    record::{Record, Subject},
};

use super::{
    index,
    options::family,
    reader::{RocksReader, corrupt},
};
use crate::keys;

impl RocksReader {
    /// The record at a position.
    ///
    /// # Errors
    ///
    /// `Corrupt` when it is damaged or missing.
    pub fn record(&self, position: Position) -> Result<Record, LogError> {
        self.view().record(position)
    }

    /// Where the records are that are found under a subject, ascending, those from `from` on.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the index is damaged.
    pub fn positions(&self, subject: &Subject, from: Position) -> Result<Vec<Position>, LogError> {
        let mut entries = self.view().index_of(subject, from);
        let mut positions = Vec::new();
        while let Some((key, value)) = entries.next()? {
            positions.extend(index::parse(key, value)?.1.into_iter().filter(|position| *position >= from));
        }
        Ok(positions)
    }

    /// Where the records about all runs of a workflow are, ascending; `None` when there are more than `limit`.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the index is damaged.
    pub fn run_positions(&self, workflow: &WorkflowId, limit: usize) -> Result<Option<Vec<Position>>, LogError> {
        let start = keys::runs_of(workflow);
        let mut entries = self.view().entries(family::BY_SUBJECT, &start, keys::after_prefix(&start));
        let mut positions = Vec::new();
        while let Some((key, value)) = entries.next()? {
            positions.extend(index::parse(key, value)?.1);
            if positions.len() > limit {
                return Ok(None);
            }
        }
        positions.sort_unstable();
        Ok(Some(positions))
    }

    /// The first `limit` workflows that the log has records about, ascending; also those that were deleted.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the index is damaged.
    pub fn known_workflows(&self, limit: usize) -> Result<Vec<WorkflowId>, LogError> {
        let id = |subject| match subject {
            Subject::Workflow(id) => Some(id),
            _ => None,
        };
        Ok(self.subjects(&keys::all_workflows(), limit)?.into_iter().filter_map(id).collect())
    }

    /// The first `limit` instances of a workflow that the log has records about, ascending.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the index is damaged.
    pub fn known_instances(&self, workflow: &WorkflowId, limit: usize) -> Result<Vec<InstanceId>, LogError> {
        let id = |subject| match subject {
            Subject::Run(id) => Some(id),
            _ => None,
        };
        Ok(self.subjects(&keys::runs_of(workflow), limit)?.into_iter().filter_map(id).collect())
    }

    /// The first subjects whose keys begin with `prefix`: one step for each, however many records it has.
    fn subjects(&self, prefix: &[u8], limit: usize) -> Result<Vec<Subject>, LogError> {
        let end = keys::after_prefix(prefix);
        let mut subjects = Vec::new();
        let mut start = prefix.to_vec();
        while subjects.len() < limit {
            let mut entries = self.view().entries(family::BY_SUBJECT, &start, end.clone());
            let Some((key, _)) = entries.next()? else { break };
            let (subject, _) = keys::parse_subject_entry(key)
                .map_err(|error| corrupt(format!("index entry {}", keys::hex(key)), error.to_string()))?;
            let Some(next) = keys::after_prefix(&keys::subject(&subject)) else { break };
            start = next;
            subjects.push(subject);
        }
        Ok(subjects)
    }
}
