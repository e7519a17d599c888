//! What the log holds is what the files say, whatever is done to them.

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
/// The last one never fires.
const SCHEDULES: [&str; 4] = ["hourly", "daily", "yearly", "0 0 31 2 *"];

/// Those of a server that was started when the story begins.
fn rules() -> Rules {
    let fires_after = Some("2026-03-29T06:30:00Z".parse().unwrap());
    Rules {
        max_running_timeout: Some(chrono::TimeDelta::hours(48)),
        needs_program: false,
        pod_check: None,
        fires_after,
    }
}

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
        let loader = Loader::new(dir.path(), rules());
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
                    format!("- {{id: {}, schedule: {:?}, docker_image: a{enabled}}}\n", IDS[*id], SCHEDULES[*schedule])
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
                self.loader = Loader::new(self.dir.path(), rules());
                self.loader.folder.look(&BTreeSet::new(), &mut |_| {}).unwrap();
                self.touched.clear();
                let all = self.loader.components(self.machine.reader().as_ref()).unwrap();
                self.load(&all);
            }
        }
    }

    fn load(&mut self, components: &BTreeSet<String>) {
        self.now += chrono::TimeDelta::seconds(1);
        let loads = self.loader.loads(self.machine.reader().as_ref(), components, self.now).unwrap();
        for load in &loads {
            let (request, operator) = load.request();
            let reply = self.ask(request, operator);
            assert_ne!(reply, Reply::Nothing, "asked for nothing: {load}");
            let taken = self.loader.answered(load, &reply);
            assert!(taken, "the engine refuses what lint finds sound: {reply:?}");
            let is_off = |id: &WorkflowId| !self.machine.world().workflows()[id].enabled;
            assert!(!taken || load.removed.iter().all(is_off), "{load}: what was removed isn't disabled");
        }
        self.follow();
    }

    /// The same by a fresh reading and the rules alone, file by file.
    fn follow(&mut self) {
        let fresh = Folder::read(self.dir.path(), rules()).unwrap();
        let mut said: BTreeMap<String, Option<Vec<FileWorkflow>>> =
            self.model.values().map(|model| (model.path.clone(), Some(Vec::new()))).collect();
        for component in fresh.components() {
            for (path, workflows) in fresh.component(component) {
                said.insert(path.to_owned(), workflows.ok().map(<[_]>::to_vec));
            }
        }
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

    /// Lint says of the folder what the server says, in number and in words.
    fn compare_with_lint(&self) {
        let files = styx_files::read_named(&[self.dir.path()], &rules()).unwrap();
        let sound: usize = files.iter().filter_map(|file| file.said.as_ref().ok()).map(Vec::len).sum();
        let prefix = format!("{}/", self.dir.path().display());
        let errors = files.into_iter().filter_map(|file| file.said.err()).flatten();
        let errors: BTreeSet<String> = errors.map(|error| error.to_string().replace(&prefix, "")).collect();
        assert_eq!(
            (self.loader.count(), self.loader.folder.errors().iter().map(ToString::to_string).collect()),
            (sound, errors)
        );
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
            if matches!(op, Op::Look { all: true } | Op::Restart) {
                host.compare_with_lint();
            }
        }
        let tail = host.world().tail();
        host.run(&Op::Restart);
        prop_assert_eq!(host.world().tail(), tail, "nothing new, and something written");
    }
}
