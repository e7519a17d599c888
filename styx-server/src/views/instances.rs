//! Which instances of a workflow something happened to, from the rows of its active and its finished runs.

use std::{collections::BTreeSet, sync::Arc};

use styx_core::{
    id::{InstanceId, WorkflowId},
    log::{LogError, LogReader},
    world::{RowKey, RowScope, TriggerKind},
};

/// Walks over the instances of a workflow, ascending by parameter (in byte order), a page at a time.
///
/// Only the rows that a page needs are read, however many there are. An imported instance all of whose events the graph
/// refused has no row and isn't met; it has no trigger to tell of either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instances {
    workflow: WorkflowId,
    place: Place,
    end: Option<Arc<str>>,
    left: usize,
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// With this parameter, or else the first one behind it.
    At(Arc<str>),
    /// With the first one behind this parameter.
    Behind(Arc<str>),
}

impl Instances {
    /// From the parameter `start` (included; it need not be one) on, at most so many.
    pub(crate) fn from(workflow: WorkflowId, start: &str, at_most: usize) -> Self {
        Self { workflow, place: Place::At(start.into()), end: None, left: at_most }
    }

    /// Up to a parameter, which is not included.
    pub(crate) fn up_to(mut self, end: &str) -> Self {
        self.end = Some(end.into());
        self
    }

    /// The next `size` instances, or fewer at the end.
    ///
    /// # Errors
    ///
    /// When the rows can't be read.
    pub(crate) fn next_page(&mut self, reader: &dyn LogReader, size: usize) -> Result<Vec<InstanceId>, LogError> {
        let size = size.min(self.left);
        if size == 0 {
            return Ok(Vec::new());
        }
        // A run that ends between the two reads is found in both, never in none.
        let mut found = self.active(reader, size)?;
        self.add_finished(reader, size, &mut found)?;
        let inside = found.into_iter().filter(|parameter| self.end.as_ref().is_none_or(|end| parameter < end));
        let page: Vec<Arc<str>> = inside.take(size).collect();
        self.left = if page.len() < size { 0 } else { self.left - size };
        if let Some(last) = page.last() {
            self.place = Place::Behind(Arc::clone(last));
        }
        Ok(page.into_iter().map(|parameter| self.instance(&parameter)).collect())
    }

    /// The first `size` that are active.
    fn active(&self, reader: &dyn LogReader, size: usize) -> Result<BTreeSet<Arc<str>>, LogError> {
        let id = self.workflow.clone();
        let scope = RowScope::Runs { component: Some(id.component().into()), workflow: Some(id.workflow().into()) };
        let (Place::At(from) | Place::Behind(from)) = &self.place;
        let after = RowKey::Run(self.instance(from));
        let mut found = BTreeSet::new();
        if matches!(self.place, Place::At(_)) && reader.get(&after)?.is_some() {
            found.insert(Arc::clone(from));
        }
        let rows = reader.scan(&scope, Some(&after), size)?;
        found.extend(rows.iter().filter_map(|(key, _)| match key {
            RowKey::Run(instance) => Some(instance.parameter().into()),
            _ => None,
        }));
        Ok(found)
    }

    /// Adds the first `size` that have a finished run: up to four rows each, one for each kind of trigger.
    fn add_finished(
        &self,
        reader: &dyn LogReader,
        size: usize,
        found: &mut BTreeSet<Arc<str>>,
    ) -> Result<(), LogError> {
        let scope = RowScope::Finished { workflow: self.workflow.clone() };
        let (Place::At(from) | Place::Behind(from)) = &self.place;
        let mut last = Arc::clone(from);
        let mut distinct = 0;
        if matches!(self.place, Place::At(_)) {
            for kind in TriggerKind::ALL {
                if reader.get(&RowKey::Finished(self.instance(from), kind))?.is_some() {
                    found.insert(Arc::clone(from));
                    distinct = 1;
                    break;
                }
            }
        }
        while distinct < size {
            let missing = size - distinct;
            // Behind all rows of the last instance.
            let after = RowKey::Finished(self.instance(&last), TriggerKind::Unknown);
            let rows = reader.scan(&scope, Some(&after), missing)?;
            for (key, _) in &rows {
                if let RowKey::Finished(instance, _) = key
                    && *instance.parameter() != *last
                {
                    last = instance.parameter().into();
                    found.insert(Arc::clone(&last));
                    distinct += 1;
                }
            }
            if rows.len() < missing {
                break;
            }
        }
        Ok(())
    }

    fn instance(&self, parameter: &str) -> InstanceId {
        InstanceId::new(self.workflow.clone(), parameter)
    }
}
