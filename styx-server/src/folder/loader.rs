//! From what the files say to requests, and from their answers to what is said about the files.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use styx_core::{
    decide::{Refusal, Reply, Request},
    id::WorkflowId,
    log::{LogError, LogReader, for_each_row, stored_workflow},
    record::{Cause, Operator, Origin, StoredWorkflow, WorkflowSpec},
    workflow::WorkflowConfiguration,
    world::{Row, RowKey, RowScope, Workflow},
};
use styx_files::{FileError, FileWorkflow, Folder, component};

use crate::http::new_request_id;

/// The most errors that are said at a time.
const SAID: usize = 100;

/// The workflow folder, and what was said about it.
pub(crate) struct Loader {
    pub(super) folder: Folder,
    /// Files that the engine refused.
    refused: BTreeMap<String, FileError>,
    /// What was said last.
    said: BTreeSet<FileError>,
}

/// What is to be asked about a file.
pub(crate) struct Load {
    path: Arc<str>,
    workflows: Vec<(WorkflowId, Arc<StoredWorkflow>)>,
    elsewhere: Vec<WorkflowId>,
    places: BTreeMap<WorkflowId, (u64, u64)>,
    /// Workflows that were made through the API.
    pub(crate) taken_over: Vec<WorkflowId>,
    /// How many are new or changed.
    pub(crate) changed: usize,
    /// Those that the file defines no more.
    pub(crate) removed: Vec<WorkflowId>,
}

impl Loader {
    /// A folder that has not been looked at.
    pub(crate) fn new(dir: &Path, max_running_timeout: TimeDelta) -> Self {
        let folder = Folder::new(dir, Some(max_running_timeout));
        Self { folder, refused: BTreeMap::new(), said: BTreeSet::new() }
    }

    /// How many workflows the files without errors define.
    pub(crate) fn count(&self) -> usize {
        self.folder.workflows().count()
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
        for (id, workflow) in rows {
            if let Some(path) = workflow.file() {
                held.entry(path).or_default().push(id);
                if self.folder.unlisted_above(path).is_none() {
                    // A file that is gone defines nothing.
                    files.entry(path).or_insert(Ok(&[]));
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
            let path: Arc<str> = path.into();
            let (changed, taken_over, places) = (0, Vec::new(), BTreeMap::new());
            let mut load = Load { path, workflows: Vec::new(), elsewhere, places, taken_over, changed, removed };
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
            tracing::warn!("workflow {id} was disabled: the file {} defines it no more", load.path);
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
            tracing::info!("{path}: nothing is wrong with it any more");
        }
        self.said = errors;
        self.said.len()
    }

    /// Says what is wrong with the folder as a whole.
    pub(super) fn missing(&self, error: &io::Error) {
        tracing::error!(
            "the workflow folder can't be listed, its workflows stay as they are until it is back: {error}"
        );
    }
}

impl Load {
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
        self.places.insert(workflow.id.clone(), workflow.place);
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
        let workflow = match refusal {
            Refusal::InFile { workflow, .. } => Some(workflow),
            _ => None,
        };
        let place = workflow.and_then(|id| self.places.get(id).copied());
        FileError { place, ..FileError::whole(&self.path, refusal.to_string()) }
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
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use styx_core::{config::Config, decide::Input, world::World};
    use styx_engine::machine::{Machine, MachineOptions};
    use styx_store::{MemoryLog, MemoryStorage};
    use tempfile::TempDir;
    use uuid::Uuid;

    use super::*;

    const PATHS: [&str; 5] = ["a.yaml", "b.yaml", "eu/a.yaml", "us/a.yaml", "us/c.json"];
    const IDS: [&str; 3] = ["one", "two", "three"];
    /// The last one never fires, so the engine refuses it.
    const SCHEDULES: [&str; 4] = ["hourly", "daily", "yearly", "0 0 31 2 *"];

    /// What happens next; numbers choose among what there is.
    #[derive(Debug, Clone)]
    enum Op {
        /// A file with these workflows: each an id, a schedule and an `enabled` line.
        Write {
            path: usize,
            workflows: Vec<(usize, usize, Option<bool>)>,
        },
        Break {
            path: usize,
        },
        Remove {
            path: usize,
        },
        Rename {
            from: usize,
            to: usize,
        },
        Switch {
            component: usize,
            id: usize,
            enabled: bool,
        },
        /// All that happened is seen: by looking at what was touched, or at all.
        Look {
            all: bool,
        },
        /// The server starts again.
        Restart,
    }

    fn op() -> impl Strategy<Value = Op> {
        let path = || 0..PATHS.len();
        let workflow = (0..IDS.len(), prop_oneof![8 => 0..3_usize, 1 => Just(3)], proptest::option::of(any::<bool>()));
        prop_oneof![
            6 => (path(), proptest::collection::vec(workflow, 0..3))
                .prop_map(|(path, workflows)| Op::Write { path, workflows }),
            1 => path().prop_map(|path| Op::Break { path }),
            2 => path().prop_map(|path| Op::Remove { path }),
            2 => (path(), path()).prop_map(|(from, to)| Op::Rename { from, to }),
            3 => (0..3_usize, 0..IDS.len(), any::<bool>())
                .prop_map(|(component, id, enabled)| Op::Switch { component, id, enabled }),
            5 => any::<bool>().prop_map(|all| Op::Look { all }),
            1 => Just(Op::Restart),
        ]
    }

    /// A server without its threads.
    struct Host {
        dir: TempDir,
        storage: MemoryStorage,
        machine: Machine,
        loader: Loader,
        touched: BTreeSet<String>,
        now: DateTime<Utc>,
        /// What each workflow of a file should be like.
        model: BTreeMap<WorkflowId, Model>,
    }

    #[derive(Debug, Clone, PartialEq)]
    struct Model {
        path: String,
        configuration: WorkflowConfiguration,
        line: bool,
        enabled: bool,
    }

    impl Host {
        fn new() -> Self {
            let (dir, storage) = (TempDir::new().unwrap(), MemoryStorage::new());
            let machine = Machine::open(Box::new(MemoryLog::open(&storage)), MachineOptions::default()).unwrap();
            let loader = Loader::new(dir.path(), TimeDelta::hours(48));
            let now = "2026-03-29T06:30:00Z".parse().unwrap();
            let (touched, model) = (BTreeSet::new(), BTreeMap::new());
            let mut host = Self { dir, storage, machine, loader, touched, now, model };
            let config = Arc::new(Config { scheduling: false, ..Config::default() });
            let start = Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config };
            host.machine.step(now, vec![(0, start)]).unwrap();
            host
        }

        fn world(&self) -> &World {
            self.machine.world()
        }

        fn ask(&mut self, request: Request, operator: Arc<Operator>) -> Reply {
            let outputs = self.machine.step(self.now, vec![(1, Input::Asked(request, operator))]).unwrap();
            outputs.answers.into_iter().next().unwrap().1
        }

        fn run(&mut self, op: &Op) {
            let file = |path: &usize| self.dir.path().join(PATHS[*path]);
            fs::create_dir_all(self.dir.path().join("eu")).unwrap();
            fs::create_dir_all(self.dir.path().join("us")).unwrap();
            match op {
                Op::Write { path, workflows } => {
                    let workflows = workflows.iter().map(|(id, schedule, enabled)| {
                        let enabled = enabled.map_or(String::new(), |enabled| format!(", enabled: {enabled}"));
                        format!(
                            "- {{id: {}, schedule: {:?}, docker_image: a{enabled}}}\n",
                            IDS[*id], SCHEDULES[*schedule]
                        )
                    });
                    fs::write(file(path), format!("# all\n{}", workflows.collect::<String>())).unwrap();
                    self.touched.insert(PATHS[*path].into());
                }
                Op::Break { path } => {
                    fs::write(file(path), "id: [").unwrap();
                    self.touched.insert(PATHS[*path].into());
                }
                Op::Remove { path } => {
                    let _ = fs::remove_file(file(path));
                    self.touched.insert(PATHS[*path].into());
                }
                Op::Rename { from, to } => {
                    let _ = fs::rename(file(from), file(to));
                    self.touched.extend([PATHS[*from].into(), PATHS[*to].into()]);
                }
                Op::Switch { component, id, enabled } => {
                    let id = WorkflowId::new(["a", "b", "c"][*component], IDS[*id]);
                    let (next_instant, next_fires_at) = (None, None);
                    let request =
                        Request::PatchWorkflow { id: id.clone(), enabled: Some(*enabled), next_instant, next_fires_at };
                    let ann = Operator { actor: "ann".into(), request_id: "1".into(), request: "{}".into() };
                    self.ask(request, Arc::new(ann));
                    if let Some(model) = self.model.get_mut(&id) {
                        model.enabled = *enabled;
                    }
                }
                Op::Look { all } => {
                    let files = std::mem::take(&mut self.touched);
                    let changed = match all {
                        true => self.loader.folder.look(&BTreeSet::new(), &mut |_| {}).unwrap(),
                        false => self.loader.folder.look_at(&files, &mut |_| {}).changed,
                    };
                    self.load(&changed);
                }
                Op::Restart => {
                    self.machine =
                        Machine::open(Box::new(MemoryLog::open(&self.storage)), MachineOptions::default()).unwrap();
                    self.loader = Loader::new(self.dir.path(), TimeDelta::hours(48));
                    self.loader.folder.look(&BTreeSet::new(), &mut |_| {}).unwrap();
                    self.touched.clear();
                    let all = self.loader.components(self.machine.reader().as_ref()).unwrap();
                    self.load(&all);
                }
            }
        }

        fn load(&mut self, components: &BTreeSet<String>) {
            self.now += TimeDelta::seconds(1);
            let loads = self.loader.loads(self.machine.reader().as_ref(), components, self.now).unwrap();
            for load in &loads {
                let (request, operator) = load.request();
                let reply = self.ask(request, operator);
                assert_ne!(reply, Reply::Nothing, "asked for nothing: {load}");
                let taken = self.loader.answered(load, &reply);
                let is_off = |id: &WorkflowId| !self.machine.world().workflows()[id].enabled;
                assert!(!taken || load.removed.iter().all(is_off), "{load}: what was removed isn't disabled");
            }
            self.follow();
        }

        /// The same by a fresh reading and the rules alone, file by file.
        fn follow(&mut self) {
            let fresh = Folder::read(self.dir.path(), Some(TimeDelta::hours(48))).unwrap();
            let mut said: BTreeMap<String, Option<Vec<FileWorkflow>>> =
                self.model.values().map(|model| (model.path.clone(), Some(Vec::new()))).collect();
            for component in fresh.components() {
                for (path, workflows) in fresh.component(component) {
                    let never = |workflow: &&FileWorkflow| workflow.configuration.schedule.as_str() == SCHEDULES[3];
                    let sound = workflows.ok().filter(|workflows| workflows.iter().find(never).is_none());
                    said.insert(path.to_owned(), sound.map(<[_]>::to_vec));
                }
            }
            // What a file that the engine refuses says counts as said elsewhere, though it isn't taken.
            let defined: BTreeSet<_> = fresh.workflows().map(|(_, workflow)| workflow.id.clone()).collect();
            for (path, workflows) in said {
                let Some(workflows) = workflows else { continue };
                for FileWorkflow { id, configuration, enabled: line, .. } in workflows {
                    let before = self.model.get(&id);
                    let kept = before.filter(|before| before.line == line).map(|before| before.enabled);
                    let enabled = kept.unwrap_or(line);
                    self.model.insert(id, Model { path: path.clone(), configuration, line, enabled });
                }
                let of_file = |id: &WorkflowId| fresh.workflows().any(|(file, other)| file == path && other.id == *id);
                self.model.retain(|id, model| model.path != path || of_file(id) || defined.contains(id));
            }
        }

        /// What the world holds of files, in the form of the model.
        fn held(&self) -> BTreeMap<WorkflowId, Model> {
            let reader = self.machine.reader();
            let held = self.world().workflows().iter().filter_map(|(id, workflow)| {
                let Origin::File { path, enabled: line } = &workflow.spec.origin else {
                    return None;
                };
                let stored = stored_workflow(reader.as_ref(), workflow.stored_at).unwrap();
                let mut configuration = WorkflowConfiguration::from_json(&stored.json).unwrap();
                configuration.deployment_time = None;
                let (path, line, enabled) = (path.to_string(), *line, workflow.enabled);
                Some((id.clone(), Model { path, configuration, line, enabled }))
            });
            held.collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is done to files and by operators, what the log holds is what a fresh reading says.
        #[test]
        fn the_log_holds_what_the_files_say(ops in proptest::collection::vec(op(), 1..40)) {
            let mut host = Host::new();
            for op in ops.iter().chain([&Op::Look { all: false }, &Op::Look { all: true }]) {
                host.run(op);
                if matches!(op, Op::Look { .. } | Op::Restart) {
                    prop_assert_eq!(host.held(), host.model.clone());
                }
            }
            let tail = host.world().tail();
            host.run(&Op::Restart);
            prop_assert_eq!(host.world().tail(), tail, "nothing new, and something written");
        }
    }
}
