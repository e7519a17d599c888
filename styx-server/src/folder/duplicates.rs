//! Two workflows of one name: nobody can say which is meant.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, FileError, Problem};

/// Takes out the entries of all files that define a workflow which another place defines as well, and says where.
///
/// Neither wins: the order of files must not decide what runs.
pub(super) fn take(entries: &mut Vec<(String, Entry)>) -> Vec<FileError> {
    let mut places = BTreeMap::new();
    for (path, entry) in entries.iter() {
        places.entry(entry.id.clone()).or_insert_with(Vec::new).push((path.clone(), entry.place));
    }
    places.retain(|_, places| places.len() > 1);
    let mut errors = Vec::new();
    for (id, places) in &places {
        for (at, (path, place)) in places.iter().enumerate() {
            let others = places.iter().enumerate().filter(|(other, _)| *other != at);
            let others: Vec<_> = others.map(|(_, (path, place))| format!("{path}:{place}")).collect();
            let text = format!("the workflow {id} is defined at {} as well", others.join(" and "));
            let field = Some("id".into());
            errors.push(FileError::at(path, Problem { place: Some(*place), field, text, rule: None }));
        }
    }
    let broken: BTreeSet<_> = places.into_values().flatten().map(|(path, _)| path).collect();
    entries.retain(|(path, _)| !broken.contains(path));
    errors
}
