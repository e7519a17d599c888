//! What a start brings into the log: its beginning, the configuration, the workflows of the folder.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::anyhow;
use chrono::SubsecRound;
use styx_core::{
    config::Config,
    decide::{Input, Reply, Request},
    executor::Executor,
    record::Operator,
};
use styx_engine::{clock::Clock, engine::perform, machine::Machine};
use uuid::Uuid;

use crate::{
    folder::{Load, Loader},
    http::new_request_id,
    random,
};

/// What became of the workflow folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// Workflows that the folder holds.
    pub(crate) workflows: usize,
    /// How many of them are new or changed.
    pub(crate) changed: usize,
    /// Workflows that were disabled, since no file defines them any more.
    pub(crate) removed: usize,
    /// How much is wrong with files.
    pub(crate) errors: usize,
}

/// Brings all of it into the log, before anything that is due is looked at.
///
/// # Errors
///
/// When the log can't be read or written.
pub(crate) fn deploy(
    machine: &mut Machine,
    executor: &dyn Executor,
    clock: &dyn Clock,
    config: &Arc<Config>,
    scheduling: Option<bool>,
    folder: Option<&mut Loader>,
) -> anyhow::Result<Loaded> {
    let first = match machine.is_new() {
        true => Input::Start { log_id: random_uuid()?, root_seed: random_uuid()?, config: Arc::clone(config) },
        false => Input::Asked(Request::Configure(Arc::clone(config)), operator("configure")),
    };
    let switch = scheduling.map(|enabled| {
        Input::Asked(Request::SwitchScheduling { enabled }, operator("switch scheduling as the configuration says"))
    });
    let first: Vec<_> = std::iter::once(first).chain(switch).map(|input| (0, input)).collect();
    run(machine, executor, clock, first)?;
    let Some(folder) = folder else {
        return Ok(Loaded::default());
    };
    let reader = machine.reader();
    let components = folder.components(reader.as_ref())?;
    let mut loads = folder.loads(reader.as_ref(), &components, clock.now().trunc_subsecs(3))?;
    // A file that isn't there now may be there in a moment: the folder may be mounted late.
    folder.leave_missed(&mut loads);
    Load::find_halted(&mut loads, reader.as_ref());
    let inputs = loads.iter().zip(0..).map(|(load, ticket)| {
        let (request, operator) = load.request();
        (ticket, Input::Asked(request, operator))
    });
    let replies: BTreeMap<_, _> = run(machine, executor, clock, inputs.collect())?.into_iter().collect();
    let mut loaded = Loaded::default();
    for (load, ticket) in loads.iter().zip(0..) {
        if replies.get(&ticket).is_some_and(|reply| folder.answered(load, reply)) {
            loaded.changed += load.changed;
            loaded.removed += load.removed.len();
        }
    }
    loaded.workflows = folder.count();
    loaded.errors = folder.say();
    Ok(loaded)
}

/// Steps until all inputs are decided; what is owed to the executor is asked for on the way.
fn run(
    machine: &mut Machine,
    executor: &dyn Executor,
    clock: &dyn Clock,
    mut inputs: Vec<(u64, Input)>,
) -> anyhow::Result<Vec<(u64, Reply)>> {
    let mut answers = Vec::new();
    while !inputs.is_empty() {
        let mut outputs = machine.step(clock.read(), inputs)?;
        perform(&mut outputs, machine.world(), executor);
        answers.extend(outputs.answers);
        inputs = outputs.left;
    }
    Ok(answers)
}

fn operator(what: &str) -> Arc<Operator> {
    let request = serde_json::json!({ "start": what }).to_string();
    Arc::new(Operator { actor: "styx-server".into(), request_id: new_request_id().into(), request: request.into() })
}

fn random_uuid() -> anyhow::Result<Uuid> {
    random::uuid().map_err(|error| anyhow!("drawing random bytes: {error}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use styx_core::{id::WorkflowId, workflow::Rules};
    use styx_engine::clock::SystemClock;
    use styx_engine::machine::MachineOptions;
    use styx_store::{MemoryLog, MemoryStorage};

    use super::*;
    use crate::{folder::Keeper, settings::FolderSettings};

    struct Nothing;

    impl Executor for Nothing {
        fn perform(&self, _: styx_core::executor::Effect) {}

        fn all_requested(&self) {}
    }

    fn start(storage: &MemoryStorage, dir: Option<&Path>) -> (Machine, Loaded) {
        let mut machine = Machine::open(Box::new(MemoryLog::open(storage)), MachineOptions::default()).unwrap();
        let config = Arc::new(Config::default());
        let mut keeper = dir.map(|dir| Keeper::open(dir, Rules::default(), &FolderSettings::default()).unwrap());
        let loader = keeper.as_mut().map(|keeper| &mut keeper.loader);
        let loaded = deploy(&mut machine, &Nothing, &SystemClock, &config, None, loader).unwrap();
        (machine, loaded)
    }

    fn enabled(machine: &Machine, id: &str) -> bool {
        machine.world().workflows()[&WorkflowId::parse_key(id).unwrap()].enabled
    }

    #[test]
    fn files_are_stored_once_and_waited_for_when_they_vanish() {
        let storage = MemoryStorage::new();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.yaml");
        let text = "id: w\nschedule: yearly\ndocker_image: busybox\n";
        std::fs::write(&file, text).unwrap();

        let (machine, loaded) = start(&storage, Some(dir.path()));
        assert_eq!(loaded, Loaded { workflows: 1, changed: 1, ..Loaded::default() });
        assert!(enabled(&machine, "c#w"));
        let tail = machine.world().tail();

        let (machine, loaded) = start(&storage, Some(dir.path()));
        assert_eq!((loaded.changed, machine.world().tail()), (0, tail), "nothing new, nothing written");

        std::fs::write(&file, "id: [").unwrap();
        let (machine, loaded) = start(&storage, Some(dir.path()));
        assert_eq!(loaded.errors, 1);
        assert!(enabled(&machine, "c#w"), "a broken file says nothing");

        std::fs::remove_file(&file).unwrap();
        let (machine, _) = start(&storage, None);
        assert!(enabled(&machine, "c#w"), "without a folder nothing has vanished");
        let (machine, loaded) = start(&storage, Some(dir.path()));
        assert_eq!(loaded, Loaded::default());
        assert!(enabled(&machine, "c#w"), "the file may come back: the folder's thread waits for it");
    }

    #[test]
    fn what_is_loaded_is_counted_as_it_was_taken() {
        let (storage, dir) = (MemoryStorage::new(), tempfile::tempdir().unwrap());
        let broken = "- {id: a, schedule: daily}\n- {id: b, schedule: 0 0 31 2 *}\n- {id: c, schedule: 0 0 30 2 *}\n";
        std::fs::write(dir.path().join("bad.yaml"), broken).unwrap();
        std::fs::write(dir.path().join("good.yaml"), "- {id: a, schedule: daily}\n").unwrap();
        let rules = Rules { fires_after: Some(SystemClock.now()), ..Rules::default() };
        let mut machine = Machine::open(Box::new(MemoryLog::open(&storage)), MachineOptions::default()).unwrap();
        let mut keeper = Keeper::open(dir.path(), rules, &FolderSettings::default()).unwrap();
        let config = Arc::new(Config::default());
        let loaded = deploy(&mut machine, &Nothing, &SystemClock, &config, None, Some(&mut keeper.loader)).unwrap();
        assert_eq!(loaded, Loaded { workflows: 1, changed: 1, removed: 0, errors: 2 });
    }
}
