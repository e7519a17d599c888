//! The index by subject: for each batch and subject one entry, which names all its records.

use styx_core::{
    id::Position,
    log::LogError,
    record::{Record, Subject},
};

use super::{
    options::family,
    reader::corrupt,
    view::{Entries, View},
};
use crate::keys::{self, hex};

/// What a batch adds to the index.
#[derive(Default)]
pub(super) struct Additions {
    /// The subjects' keys, one after the other.
    keys: Vec<u8>,
    /// Where a key stands, and a record to be found under it.
    found: Vec<(usize, usize, Position)>,
}

impl Additions {
    pub(super) fn add(&mut self, record: &Record) {
        for subject in record.subjects() {
            let start = self.keys.len();
            keys::put_subject(&mut self.keys, &subject);
            self.found.push((start, self.keys.len(), record.position));
        }
    }

    /// Gives each entry's key and value, ascending by key.
    pub(super) fn write(mut self, mut put: impl FnMut(&[u8], &[u8])) {
        let of = |(start, end, _): &(usize, usize, Position)| &self.keys[*start..*end];
        self.found.sort_unstable_by(|a, b| of(a).cmp(of(b)).then(a.2.cmp(&b.2)));
        let (mut key, mut value) = (Vec::with_capacity(128), Vec::with_capacity(64));
        for group in self.found.chunk_by(|a, b| of(a) == of(b)) {
            key.clear();
            value.clear();
            key.extend_from_slice(of(&group[0]));
            key.extend_from_slice(&keys::position(group[0].2));
            for pair in group.windows(2) {
                // A batch has at most so many records, as its own entry counts them.
                let distance = (pair[1].2.0 - pair[0].2.0) as u32;
                value.extend_from_slice(&distance.to_be_bytes());
            }
            put(&key, &value);
        }
    }
}

/// Reads an entry: its subject, and the records to be found under it, ascending.
pub(super) fn parse(key: &[u8], value: &[u8]) -> Result<(Subject, Vec<Position>), LogError> {
    let place = || format!("index entry {}", hex(key));
    let (subject, first) = keys::parse_subject_entry(key).map_err(|error| corrupt(place(), error.to_string()))?;
    let (distances, rest) = value.as_chunks::<4>();
    let mut positions = vec![first];
    let mut last = first;
    for distance in distances {
        let distance = u64::from(u32::from_be_bytes(*distance));
        last = Position(last.0.saturating_add(distance));
        if distance == 0 {
            return Err(corrupt(place(), format!("it names {last} twice")));
        }
        positions.push(last);
    }
    if !rest.is_empty() {
        return Err(corrupt(place(), format!("its value is {}", hex(value))));
    }
    Ok((subject, positions))
}

impl<'a> View<'a> {
    /// The entries of a subject that may name records from a position on.
    pub(super) fn index_of(self, subject: &Subject, from: Position) -> Entries<'a> {
        let start = keys::subject(subject);
        let mut options = self.options();
        if let Some(end) = keys::after_prefix(&start) {
            options.set_iterate_upper_bound(end);
        }
        options.set_iterate_lower_bound(start);
        let from = keys::subject_entry(subject, from);
        let mut cursor = self.cursor(family::BY_SUBJECT, options);
        cursor.seek_for_prev(&from);
        if !cursor.valid() && cursor.status().is_ok() {
            cursor.seek(&from);
        }
        Entries::at(cursor, family::BY_SUBJECT)
    }

    /// Whether a record is found under a subject.
    pub(super) fn is_indexed(self, subject: &Subject, position: Position) -> Result<bool, LogError> {
        match self.index_of(subject, position).next()? {
            Some((key, value)) => Ok(parse(key, value)?.1.contains(&position)),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use styx_core::{
        id::{Epoch, WorkflowId},
        record::{Cause, Fact, WorkflowEvent},
    };

    use super::*;

    fn deleted(position: u64, workflow: &str) -> Record {
        let position = Position(position);
        Record {
            position,
            decision: position,
            at: chrono::DateTime::UNIX_EPOCH,
            wall_offset: chrono::TimeDelta::zero(),
            epoch: Epoch(1),
            idempotency_key: None,
            cause: Cause::Engine,
            fact: Fact::Workflow(WorkflowId::new("c", workflow), WorkflowEvent::Deleted),
        }
    }

    #[test]
    fn entries_name_every_record_once_and_read_back() {
        let mut additions = Additions::default();
        for (position, workflow) in [(7, "b"), (8, "a"), (9, "b"), (700_000, "b"), (700_001, "c")] {
            additions.add(&deleted(position, workflow));
        }
        let mut found = Vec::new();
        additions.write(|key, value| found.push(parse(key, value).unwrap()));
        let of = |workflow: &str, positions: &[u64]| {
            let positions = positions.iter().map(|position| Position(*position)).collect::<Vec<_>>();
            (Subject::Workflow(WorkflowId::new("c", workflow)), positions)
        };
        assert_eq!(found, [of("a", &[8]), of("b", &[7, 9, 700_000]), of("c", &[700_001])]);
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let key = keys::subject_entry(&Subject::Log, Position(3));
        for value in [&[0, 0, 0, 0][..], &[0, 0, 1], &[0, 0, 0, 1, 0]] {
            assert!(parse(&key, value).is_err(), "{value:?}");
        }
        assert!(parse(&key[1..], &[]).is_err());
    }
}
