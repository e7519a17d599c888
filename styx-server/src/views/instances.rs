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
        // Where these are reads of two moments, a run that ends between them is found in both, never in none.
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;
    use styx_core::{
        id::{Counter, Position},
        log::{Batch, Log},
        record::{Cause, Fact, LogEvent, Record},
        run::{Run, State},
        world::{Finished, Row},
    };
    use styx_store::MemoryLog;
    use uuid::Uuid;

    use super::{super::counting::Counting, *};

    fn workflow() -> WorkflowId {
        WorkflowId::new("c", "w")
    }

    /// The instances that are active, and those that have finished, once for each kind of trigger.
    fn reader<'a>(
        active: impl IntoIterator<Item = &'a str>,
        finished: impl IntoIterator<Item = (&'a str, TriggerKind)>,
    ) -> Counting {
        let at = DateTime::UNIX_EPOCH;
        let instance = |id: &WorkflowId, parameter: &str| InstanceId::new(id.clone(), parameter);
        let run = |id| (RowKey::Run(id), Some(Row::Run(Run::new(None, at))));
        let end = Finished(Run { state: State::Done, ..Run::new(Some(Counter(1)), at) });
        let finished_row = |id, kind| (RowKey::Finished(id, kind), Some(Row::Finished(end.clone())));
        let mut rows: Vec<_> = active.into_iter().map(|parameter| run(instance(&workflow(), parameter))).collect();
        rows.extend(finished.into_iter().map(|(parameter, kind)| finished_row(instance(&workflow(), parameter), kind)));
        // Neighbours that must not be met.
        for neighbour in [WorkflowId::new("c", "v"), WorkflowId::new("c", "w#a"), WorkflowId::new("ca", "")] {
            rows.push(run(instance(&neighbour, "a")));
            rows.push(finished_row(instance(&neighbour, "b"), TriggerKind::Natural));
        }
        let mut log = MemoryLog::new();
        let epoch = log.begin_epoch().unwrap();
        let started = Record {
            position: Position::FIRST,
            decision: Position::FIRST,
            at,
            wall_offset: chrono::TimeDelta::zero(),
            epoch,
            idempotency_key: None,
            cause: Cause::Engine,
            fact: Fact::Log(LogEvent::Started { log_id: Uuid::nil(), root_seed: Uuid::nil() }),
        };
        log.append(epoch, Position(0), &Batch { records: vec![started], rows }).unwrap();
        Counting::new(log.reader())
    }

    /// All of them, page by page; rows are enough for that, no record is read.
    fn all(mut instances: Instances, reader: &Counting, page: usize) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            let next = instances.next_page(reader, page).unwrap();
            assert!(next.len() <= page && next.iter().all(|instance| *instance.workflow() == workflow()));
            if next.is_empty() {
                assert_eq!(reader.records(), 0);
                return found;
            }
            found.extend(next.iter().map(|instance| instance.parameter().to_owned()));
        }
    }

    fn parameter() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]{0,3}", "2024-0[1-2]-0[1-3]", "[#\\x00 a]{0,2}"]
    }

    proptest! {
        #[test]
        fn ranges_and_pages_are_those_of_a_sorted_set(
            active in prop::collection::btree_set(parameter(), 0..12),
            finished in prop::collection::btree_set((parameter(), 0..4_usize), 0..20),
            (start, end) in (parameter(), prop::option::of(parameter())),
            (limit, page) in (1..20_usize, 1..6_usize),
        ) {
            let ended = finished.iter().map(|(parameter, kind)| (parameter.as_str(), TriggerKind::ALL[*kind]));
            let reader = reader(active.iter().map(String::as_str), ended);
            let known: BTreeSet<&String> = active.iter().chain(finished.iter().map(|(parameter, _)| parameter)).collect();
            let expected: Vec<&String> = known
                .iter()
                .copied()
                .filter(|found| **found >= start && end.as_ref().is_none_or(|end| *found < end))
                .take(limit)
                .collect();
            let range = Instances::from(workflow(), &start, limit);
            let range = end.iter().fold(range, |range, end| range.up_to(end));
            let found = all(range, &reader, page);
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        }

        /// As clients page: from the last one that was seen, leaving out the first of each answer.
        #[test]
        fn paging_by_the_last_one_seen_gives_the_whole_list(
            active in prop::collection::btree_set(parameter(), 0..12),
            finished in prop::collection::btree_set((parameter(), 0..4_usize), 0..20),
            limit in 2..6_usize,
        ) {
            let ended = finished.iter().map(|(parameter, kind)| (parameter.as_str(), TriggerKind::ALL[*kind]));
            let reader = reader(active.iter().map(String::as_str), ended);
            let mut paged = all(Instances::from(workflow(), "", limit), &reader, 3);
            while let Some(last) = paged.last() {
                let next = all(Instances::from(workflow(), last, limit), &reader, 3);
                prop_assert_eq!(&next[0], last);
                if next.len() == 1 {
                    break;
                }
                paged.extend_from_slice(&next[1..]);
            }
            prop_assert_eq!(paged, all(Instances::from(workflow(), "", usize::MAX), &reader, 100));
        }
    }

    #[test]
    fn a_page_reads_no_more_rows_than_it_needs() {
        let names: Vec<String> = (0..100_000).map(|number| format!("{number:06}")).collect();
        let finished = names.iter().flat_map(|name| TriggerKind::ALL.map(|kind| (name.as_str(), kind)));
        let reader = reader(names.iter().map(String::as_str).step_by(3), finished);
        let page = all(Instances::from(workflow(), "050000", 10).up_to("9"), &reader, 100);
        assert_eq!((page.len(), page[0].as_str(), page[9].as_str()), (10, "050000", "050009"));
        let read = reader.rows();
        assert!(read <= 10 + 4 * 10 + 5, "{read} rows for ten instances");
    }
}
