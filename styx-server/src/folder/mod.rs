//! The workflow folder: files that say what is to run, read all at once and judged file by file.
//!
//! Every `*.yaml`, `*.yml` and `*.json` below the folder holds one workflow or a list of them (`---` documents count as
//! well). The file's name without extension is the component, as in Styx. What begins with a dot is left out, which also
//! hides the `..data` of a mounted ConfigMap. A file with an error contributes nothing; the others aren't affected.

mod duplicates;
mod entry;
mod keys;
mod tree;
mod walk;

use std::{fmt, io, path::Path};

use chrono::TimeDelta;
use styx_core::{id::WorkflowId, workflow::WorkflowConfiguration};

use self::{
    entry::Entry,
    tree::{Place, Tree, Value},
};

/// The largest file that is read: whatever is longer isn't a workflow that somebody wrote.
const MAX_BYTES: u64 = 1024 * 1024;

/// What a workflow folder holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Folder {
    /// The workflows of all files without errors, by path and then as they stand in the file.
    pub workflows: Vec<FolderWorkflow>,
    /// What is wrong, by path and place.
    pub errors: Vec<FileError>,
}

impl Folder {
    /// Whether the file has errors, and so says nothing about its workflows: they aren't gone, they are unknown.
    ///
    /// Below a directory that could not be listed every file is broken.
    pub fn is_broken(&self, path: &str) -> bool {
        self.errors.iter().any(|error| {
            path.strip_prefix(error.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// A workflow of the folder.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderWorkflow {
    /// Its name; the component is the file's name without extension.
    pub id: WorkflowId,
    /// How it is to be run.
    pub configuration: WorkflowConfiguration,
    /// Its file, relative to the folder, with `/`.
    pub path: String,
    /// Its `enabled` line; true without one.
    pub enabled: bool,
}

/// What is wrong with a file. Shown as `FILE:LINE:COLUMN: FIELD: TEXT [RULE]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileError {
    /// The file, relative to the folder, with `/`.
    pub path: String,
    /// Line and column, counted from 1; `None` when the error is about the file as a whole.
    pub place: Option<(u64, u64)>,
    /// The field, names within other fields joined by dots; `None` when the text isn't YAML.
    pub field: Option<String>,
    /// What is wrong.
    pub text: String,
    /// The rule of Styx that is broken, such as `V-14`; `unsupported` for what can't be done yet.
    pub rule: Option<&'static str>,
}

impl FileError {
    /// An error about a file as a whole.
    fn whole(path: &str, text: impl Into<String>) -> Self {
        Self { path: path.into(), place: None, field: None, text: text.into(), rule: None }
    }

    fn at(path: &str, problem: Problem) -> Self {
        let Problem { place, field, text, rule } = problem;
        Self { path: path.into(), place: place.map(|place| (place.line, place.column)), field, text, rule }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ": {field}")?;
        }
        write!(f, ": {}", self.text)?;
        match self.rule {
            Some(rule) => write!(f, " [{rule}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FileError {}

/// What is wrong at a place of a file that is being read.
#[derive(Debug)]
struct Problem {
    place: Option<Place>,
    field: Option<String>,
    text: String,
    rule: Option<&'static str>,
}

/// Reads a workflow folder.
///
/// `max_running_timeout` is the server's limit of `running_timeout` (V-26).
///
/// # Errors
///
/// When the folder itself can't be listed. All else that goes wrong is in [`Folder::errors`].
pub fn read(dir: &Path, max_running_timeout: Option<TimeDelta>) -> io::Result<Folder> {
    let found = walk::files(dir)?;
    let mut errors = found.errors;
    let mut entries = Vec::new();
    for (path, file) in found.files {
        match read_file(&path, &file, max_running_timeout) {
            Ok(of_file) => entries.extend(of_file.into_iter().map(|entry| (path.clone(), entry))),
            Err(of_file) => errors.extend(of_file),
        }
    }
    errors.extend(duplicates::take(&mut entries));
    errors.sort();
    let workflows = entries.into_iter().map(|(path, entry)| {
        let Entry { id, configuration, enabled, .. } = entry;
        FolderWorkflow { id, configuration, path, enabled }
    });
    Ok(Folder { workflows: workflows.collect(), errors })
}

fn read_file(path: &str, file: &Path, max_running_timeout: Option<TimeDelta>) -> Result<Vec<Entry>, Vec<FileError>> {
    let text = walk::text(file, MAX_BYTES).map_err(|text| vec![FileError::whole(path, text)])?;
    let documents = tree::parse(&text).map_err(|problem| vec![FileError::at(path, problem)])?;
    let component = component(path);
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    for tree in documents.into_iter().flat_map(members) {
        match entry::read(component, tree, max_running_timeout) {
            Ok(entry) => entries.push(entry),
            Err(of_entry) => problems.extend(of_entry),
        }
    }
    if problems.is_empty() {
        return Ok(entries);
    }
    Err(problems.into_iter().map(|problem| FileError::at(path, problem)).collect())
}

/// The workflows of a document: itself, or its members if it is a list.
fn members(document: Tree) -> Vec<Tree> {
    match document.value {
        Value::List(members) => members,
        _ => vec![document],
    }
}

/// The file's name without its extension.
fn component(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
