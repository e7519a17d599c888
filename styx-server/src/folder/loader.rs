//! From what the files say to requests, and from their answers to what is said about the files.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde_json::json;
use styx_core::{
    decide::{Refusal, Reply, Request},
    id::WorkflowId,
    log::{LogError, LogReader, for_each_row, stored_workflow},
    record::{Cause, Operator, Origin, StoredWorkflow, WorkflowSpec},
    workflow::{Rules, WorkflowConfiguration},
    world::{Row, RowKey, RowScope, Workflow},
};
use styx_files::{FileError, FileWorkflow, Folder, TriggerPlaces, component};

use super::halted::Halted;
use crate::http::new_request_id;

/// The most errors that are said at a time.
const SAID: usize = 100;
/// The most names in a line.
const NAMES: usize = 10;

/// The workflow folder, and what was said about it.
pub(crate) struct Loader {
    pub(super) folder: Folder,
    /// Files that the engine refused.
    refused: BTreeMap<String, FileError>,
    /// What was said last.
    said: BTreeSet<FileError>,
    /// Components of files that the start has missed: they may come back.
    pub(super) missed: BTreeSet<String>,
}

/// Where a workflow stands in its file, by line and column.
#[derive(Debug, Clone, Copy)]
struct Places {
    id: (u64, u64),
    triggers: TriggerPlaces,
}

/// What is to be asked about a file.
pub(crate) struct Load {
    pub(super) path: Arc<str>,
    workflows: Vec<(WorkflowId, Arc<StoredWorkflow>)>,
    elsewhere: Vec<WorkflowId>,
    places: BTreeMap<WorkflowId, Places>,
    /// Workflows that were made through the API.
    pub(crate) taken_over: Vec<WorkflowId>,
    /// How many are new or changed.
    pub(crate) changed: usize,
    /// Those that the file defines no more.
    pub(crate) removed: Vec<WorkflowId>,
    /// The file isn't there.
    pub(crate) is_gone: bool,
    /// What the removal halts.
    halted: BTreeMap<WorkflowId, Halted>,
}

impl Loader {
    /// A folder that has not been looked at.
    pub(crate) fn new(dir: &Path, rules: Rules) -> Self {
        let folder = Folder::new(dir, rules);
        Self { folder, refused: BTreeMap::new(), said: BTreeSet::new(), missed: BTreeSet::new() }
    }

    /// How many workflows the files without errors define, but those that the engine refused.
    pub(crate) fn count(&self) -> usize {
        self.folder.workflows().filter(|(path, _)| !self.refused.contains_key(*path)).count()
    }

    /// Takes out what is to be asked about files that aren't there; whoever keeps the folder waits for them.
    pub(crate) fn leave_missed(&mut self, loads: &mut Vec<Load>) {
        let missed = loads.extract_if(.., |load| load.is_gone);
        self.missed.extend(missed.map(|load| component(&load.path).to_owned()));
    }

    /// All components of which there are files, or workflows that came from files.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(crate) fn components(&self, reader: &dyn LogReader) -> Result<BTreeSet<String>, LogError> {
        let mut components: BTreeSet<String> = self.folder.components().map(Into::into).collect();
        for_each_row(reader, &RowScope::Workflows { component: None }, |_, row| {
            if let Row::Workflow(workflow) = row {
                components.extend(workflow.file().map(|path| component(path).to_owned()));
            }
            Ok(())
        })?;
        Ok(components)
    }

    /// What is to be asked so that the log holds what the files of these components say. Files that it holds already are
    /// left out, and so are files with errors: what they defined before stays.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(crate) fn loads(
        &mut self,
        reader: &dyn LogReader,
        components: &BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Load>, LogError> {
        self.refused.retain(|path, _| !components.contains(component(path)));
        let mut loads = Vec::new();
        for component in components {
            let mut rows = BTreeMap::new();
            for_each_row(reader, &RowScope::Workflows { component: Some(component.as_str().into()) }, |key, row| {
                if let (RowKey::Workflow(id), Row::Workflow(workflow)) = (key, row) {
                    rows.insert(id, workflow);
                }
                Ok(())
            })?;
            self.loads_of(component, reader, &rows, now, &mut loads)?;
        }
        Ok(loads)
    }

    fn loads_of(
        &self,
        component: &str,
        reader: &dyn LogReader,
        rows: &BTreeMap<WorkflowId, Workflow>,
        now: DateTime<Utc>,
        loads: &mut Vec<Load>,
    ) -> Result<(), LogError> {
        let mut files = self.folder.component(component);
        let mut held: BTreeMap<&str, Vec<&WorkflowId>> = BTreeMap::new();
        let mut gone: BTreeSet<&str> = BTreeSet::new();
        for (id, workflow) in rows {
            if let Some(path) = workflow.file() {
                held.entry(path).or_default().push(id);
                if self.folder.unlisted_above(path).is_none() {
                    // A file that is gone defines nothing.
                    files.entry(path).or_insert_with(|| {
                        gone.insert(&**path);
                        Ok(&[])
                    });
                }
            }
        }
        let sound = || files.iter().filter_map(|(path, said)| Some((*path, *said.as_ref().ok()?)));
        let defined: BTreeSet<_> = sound().flat_map(|(_, workflows)| workflows).map(|workflow| &workflow.id).collect();
        for (path, workflows) in sound() {
            let held = held.get(path).map(Vec::as_slice).unwrap_or_default();
            let mine: BTreeSet<_> = workflows.iter().map(|workflow| &workflow.id).collect();
            let (elsewhere, removed): (Vec<_>, Vec<_>) =
                held.iter().copied().filter(|id| !mine.contains(id)).cloned().partition(|id| defined.contains(id));
            let is_gone = gone.contains(path);
            let path: Arc<str> = path.into();
            let (changed, taken_over, places, halted) = (0, Vec::new(), BTreeMap::new(), BTreeMap::new());
            let mut load =
                Load { path, workflows: Vec::new(), elsewhere, places, taken_over, changed, removed, is_gone, halted };
            for workflow in workflows {
                load.add(reader, workflow, rows.get(&workflow.id), now)?;
            }
            if load.changed > 0 || !load.removed.is_empty() {
                loads.push(load);
            }
        }
        Ok(())
    }

    /// Takes note of the answer about a file, and says what it means.
    pub(crate) fn answered(&mut self, load: &Load, reply: &Reply) -> bool {
        if let Reply::Refused(refusal) = reply {
            self.refused.insert(load.path.to_string(), load.refusal(refusal));
            return false;
        }
        for id in &load.taken_over {
            tracing::warn!("workflow {id}, made through the API, is defined by the file {} from here on", load.path);
        }
        for id in &load.removed {
            let halted = load.halted.get(id).map(ToString::to_string).unwrap_or_default();
            tracing::warn!("workflow {id} was disabled: the file {} defines it no more{halted}", load.path);
        }
        true
    }

    /// Says what is wrong with the files that wasn't said before, and what was corrected. Returns how much is wrong.
    pub(crate) fn say(&mut self) -> usize {
        let mut errors = self.folder.errors();
        errors.extend(self.refused.values().cloned());
        let new: Vec<_> = errors.difference(&self.said).collect();
        for error in new.iter().take(SAID) {
            tracing::error!("{error}");
        }
        if let Some(left) = new.len().checked_sub(SAID).filter(|left| *left > 0) {
            tracing::error!("{left} more: `styx workflow lint {}` shows all", self.folder.dir().display());
        }
        if !new.is_empty() {
            tracing::warn!("files with errors are not taken; the workflows that they defined before stay as they are");
        }
        let paths = |errors: &BTreeSet<FileError>| -> BTreeSet<String> {
            errors.iter().map(|error| error.path.clone()).collect()
        };
        for path in paths(&self.said).difference(&paths(&errors)) {
            match self.folder.component(component(path)).contains_key(path.as_str()) {
                true => tracing::info!("{path}: nothing is wrong with it any more"),
                false => tracing::info!("{path}, which had errors, is gone"),
            }
        }
        self.said = errors;
        self.said.len()
    }

    /// Says which files are missed, and what becomes of their workflows unless they come back.
    pub(super) fn say_missed(&self, missed: &[&Load], after: Duration) {
        let seconds = after.as_secs_f64();
        if missed.len() > 1 && self.folder.is_empty() {
            tracing::error!(
                "all {} files of the workflow folder {} are gone, is something unmounted? Their workflows are disabled unless \
                 the files come back within {seconds} s",
                missed.len(),
                self.folder.dir().display()
            );
        }
        for Load { path, removed, .. } in missed.iter().take(SAID) {
            let ids = names(removed.iter().map(WorkflowId::key));
            tracing::warn!("the file {path} is gone: unless it comes back within {seconds} s, disabled will be {ids}");
        }
        if let Some(left) = missed.len().checked_sub(SAID).filter(|left| *left > 0) {
            tracing::warn!("and {left} files more");
        }
    }

    /// Says what is wrong with the folder as a whole.
    pub(super) fn missing(&self, error: &io::Error) {
        tracing::error!(
            "the workflow folder can't be listed, its workflows stay as they are until it is back: {error}"
        );
    }
}

/// Some names, and how many more there are.
pub(super) fn names(all: impl IntoIterator<Item = String>) -> String {
    let mut all = all.into_iter();
    let text = all.by_ref().take(NAMES).collect::<Vec<_>>().join(", ");
    match all.count() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

impl Load {
    /// Finds out what the removal of workflows halts, of all loads at once since it reads all backfills; to be asked before it
    /// is done. What can't be read isn't named.
    pub(crate) fn find_halted(loads: &mut [Self], reader: &dyn LogReader) {
        let removed: Vec<_> = loads.iter().flat_map(|load| load.removed.iter().cloned()).collect();
        let mut all = Halted::by(reader, &removed);
        for load in loads.iter_mut().filter(|load| !load.removed.is_empty()) {
            match &mut all {
                // A workflow is one file's.
                Ok(all) => {
                    load.halted = load.removed.iter().filter_map(|id| all.remove_entry(id)).collect();
                }
                Err(error) => tracing::warn!("what goes with the file {} can't be named: {error}", load.path),
            }
        }
    }

    fn add(
        &mut self,
        reader: &dyn LogReader,
        workflow: &FileWorkflow,
        before: Option<&Workflow>,
        now: DateTime<Utc>,
    ) -> Result<(), LogError> {
        let origin = Origin::File { path: Arc::clone(&self.path), enabled: workflow.enabled };
        let spec = WorkflowSpec::new(&workflow.configuration, origin);
        let same = match before {
            Some(before) if before.spec == spec => {
                let known = stored_workflow(reader, before.stored_at)?;
                is_same(&known, &workflow.configuration).then_some(known)
            }
            _ => None,
        };
        let stored = match same {
            // As it is in the log, time of deployment and all.
            Some(known) => known,
            None => {
                self.changed += 1;
                self.taken_over
                    .extend(before.filter(|before| before.spec.origin == Origin::Api).map(|_| workflow.id.clone()));
                let mut configuration = workflow.configuration.clone();
                configuration.deployment_time = Some(now);
                Arc::new(StoredWorkflow { json: configuration.to_json().into(), spec })
            }
        };
        let places = Places { id: workflow.place, triggers: workflow.trigger_places };
        self.places.insert(workflow.id.clone(), places);
        self.workflows.push((workflow.id.clone(), stored));
        Ok(())
    }

    /// What the engine is asked.
    pub(crate) fn request(&self) -> (Request, Arc<Operator>) {
        let request = Request::LoadFile {
            path: Arc::clone(&self.path),
            workflows: self.workflows.clone().into(),
            elsewhere: self.elsewhere.clone().into(),
        };
        let (actor, request_id) = ("styx-server".into(), new_request_id().into());
        (request, Arc::new(Operator { actor, request_id, request: self.json().into() }))
    }

    /// The request as its record keeps it: what the file defines stands in the records, or in those of before.
    fn json(&self) -> String {
        let keys = |ids: &mut dyn Iterator<Item = &WorkflowId>| -> Vec<String> { ids.map(WorkflowId::key).collect() };
        let defines = keys(&mut self.workflows.iter().map(|(id, _)| id));
        let elsewhere = keys(&mut self.elsewhere.iter());
        let whole = json!({ "file": *self.path, "defines": defines, "elsewhere": elsewhere }).to_string();
        if whole.len() <= Cause::MAX_EVIDENCE {
            return whole;
        }
        json!({ "file": *self.path, "omitted_workflows": self.workflows.len() }).to_string()
    }

    /// A refusal as an error of the file.
    fn refusal(&self, refusal: &Refusal) -> FileError {
        let whole = FileError::whole(&self.path, refusal.to_string());
        let Refusal::InFile { workflow, reason } = refusal else { return whole };
        let Some(places) = self.places.get(workflow) else { return whole };
        let stored = self.workflows.iter().find(|(id, _)| id == workflow);
        let schedule = stored.map_or("", |(_, stored)| &stored.spec.schedule);
        FileError::no_first_trigger(&self.path, schedule, places.triggers, reason)
            .unwrap_or(FileError { place: Some(places.id), ..whole })
    }
}

/// One line for the log.
impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, workflows, changed, removed, .. } = self;
        write!(f, "took {path}: {changed} new or changed, {} removed, {} in all", removed.len(), workflows.len())
    }
}

/// Whether a file says what is stored already. The time of the deployment doesn't count.
fn is_same(before: &StoredWorkflow, configuration: &WorkflowConfiguration) -> bool {
    let without_time = |mut configuration: WorkflowConfiguration| {
        configuration.deployment_time = None;
        configuration
    };
    let known = WorkflowConfiguration::from_json(&before.json).ok().map(without_time);
    known == Some(without_time(configuration.clone()))
}

#[cfg(test)]
mod laws;
