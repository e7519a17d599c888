//! Workflow files: what somebody wrote in YAML or JSON, as workflows, and what is wrong with it, by line and column.
//!
//! The server's workflow folder and the commands `styx workflow create` and `styx workflow lint` read through this crate,
//! so that all of them see the same. A file holds one workflow or a list of them; `---` documents count as well. Its name
//! without extension is the component, as in Styx. A file with an error contributes nothing.
//!
//! ```
//! let text = "id: report\nschedule: daily\ndocker_imgae: busybox\n";
//! let errors = styx_files::read_text("eu/sales.yaml", text, &Default::default()).unwrap_err();
//! let said = errors[0].to_string();
//! assert_eq!(said, "eu/sales.yaml:3:1: docker_imgae: unknown key, did you mean `docker_image`?");
//! ```

mod doubtful;
mod duplicates;
mod entry;
mod error;
mod folder;
mod keys;
mod kubernetes;
mod named;
mod seeming;
mod sent;
mod tree;
mod walk;

use std::path::Path;

use styx_core::{
    id::WorkflowId,
    workflow::{Rules, WorkflowConfiguration},
};

use self::tree::{Tree, Value};
pub use self::{
    error::{FileError, FileWarning, TriggerPlaces},
    folder::{Folder, Looked},
    named::{NamedFile, read_named},
    sent::{Unreadable, configurations},
    walk::{Looking, is_candidate},
};

/// The largest file that is read: whatever is longer isn't a workflow that somebody wrote.
const MAX_BYTES: u64 = 1024 * 1024;

/// A workflow of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileWorkflow {
    /// Its name; the component is the file's name without extension.
    pub id: WorkflowId,
    /// How it is to be run.
    pub configuration: WorkflowConfiguration,
    /// Its `enabled` line; true without one.
    pub enabled: bool,
    /// Line and column of its id, counted from 1.
    pub place: (u64, u64),
    /// Where its schedule and its offset stand.
    pub trigger_places: TriggerPlaces,
    /// What in it may mean something else than its author thinks.
    pub warnings: Vec<FileWarning>,
}

/// Reads the text of a file. `path` names it in errors, and its component.
///
/// # Errors
///
/// All that is wrong with it.
pub fn read_text(path: &str, text: &str, rules: &Rules) -> Result<Vec<FileWorkflow>, Vec<FileError>> {
    let text = tree::without_mark(text);
    // What is being written begins empty: that it defines nothing any more has to be said in a comment.
    let empty = || vec![FileError::whole(path, "is empty; a comment would say that it's meant to be")];
    if text.trim().is_empty() {
        return Err(empty());
    }
    let documents = tree::parse(text).map_err(|problem| vec![FileError::at(path, problem)])?;
    if documents.is_empty() && !text.contains('#') {
        return Err(empty());
    }
    let (mut workflows, mut problems) = (Vec::new(), Vec::new());
    for tree in documents.into_iter().flat_map(members) {
        match entry::read(component(path), tree, text, rules) {
            Ok(workflow) => workflows.push(workflow),
            Err(of_entry) => problems.extend(of_entry),
        }
    }
    let mut errors: Vec<_> = problems.into_iter().map(|problem| FileError::at(path, problem)).collect();
    errors.extend(duplicates::find(workflows.iter().map(|workflow| (path, workflow))));
    if errors.is_empty() { Ok(workflows) } else { Err(errors) }
}

/// Reads a file that stands alone: [`read_named`] reads several. `path` names it in errors.
///
/// # Errors
///
/// As [`read_text`], and when there is no text to be had.
pub fn read_file(path: &str, file: &Path, rules: &Rules) -> Result<Vec<FileWorkflow>, Vec<FileError>> {
    let text = walk::text(file, MAX_BYTES).map_err(|problem| vec![FileError::at(path, problem)])?;
    read_text(path, &text, rules)
}

/// The workflows of a document: itself, or its members if it is a list.
fn members(document: Tree) -> Vec<Tree> {
    match document.value {
        Value::List(members) => members,
        _ => vec![document],
    }
}

/// The component of a file's workflows: the file's name without its extension.
pub fn component(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
