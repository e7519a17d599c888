//! Two workflows of one name: nobody can say which is meant.

use std::collections::BTreeMap;

use crate::{FileError, FileWorkflow};

/// As [`find`], by file.
pub(super) fn by_file<'a>(
    workflows: impl Iterator<Item = (&'a str, &'a FileWorkflow)>,
) -> BTreeMap<String, Vec<FileError>> {
    let mut errors: BTreeMap<String, Vec<FileError>> = BTreeMap::new();
    for error in find(workflows) {
        errors.entry(error.path.clone()).or_default().push(error);
    }
    errors
}

/// Finds what is defined more than once; each place is told of the others.
///
/// Neither wins: the order of files must not decide what runs.
pub(super) fn find<'a>(workflows: impl Iterator<Item = (&'a str, &'a FileWorkflow)>) -> Vec<FileError> {
    let mut places = BTreeMap::new();
    for (path, workflow) in workflows {
        places.entry(&workflow.id).or_insert_with(Vec::new).push((path, workflow.place));
    }
    let mut errors = Vec::new();
    for (id, places) in places.iter().filter(|(_, places)| places.len() > 1) {
        for (at, (path, place)) in places.iter().enumerate() {
            let others = places.iter().enumerate().filter(|(other, _)| *other != at);
            let others: Vec<_> = others.map(|(_, (path, (line, column)))| format!("{path}:{line}:{column}")).collect();
            let text = format!("the workflow {id} is defined at {} as well", others.join(" and "));
            let (path, place, field) = ((*path).to_owned(), Some(*place), Some("id".to_owned()));
            errors.push(FileError { path, place, field, text, rule: None });
        }
    }
    errors
}
