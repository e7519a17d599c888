//! What a start brings into the log: its beginning, the configuration, the workflows of the folder.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use anyhow::Context;
use chrono::{DateTime, SubsecRound, Utc};
use styx_core::{
    config::Config,
    decide::{Input, Reply, Request},
    executor::Executor,
    id::WorkflowId,
    log::{LogError, LogReader, stored_workflow},
    record::{Operator, Origin, StoredWorkflow},
    workflow::WorkflowConfiguration,
    world::World,
};
use styx_engine::{clock::Clock, machine::Machine};
use uuid::Builder;

use crate::{
    folder::{self, Folder, FolderWorkflow},
    http::new_request_id,
};

/// What became of the workflow folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// Workflows that the folder holds.
    pub(crate) workflows: usize,
    /// How many of them are new or changed.
    pub(crate) changed: usize,
    /// Workflows that were disabled, since their file is gone.
    pub(crate) vanished: usize,
    /// What is wrong with files, and workflows that were refused.
    pub(crate) errors: Vec<String>,
}

/// Brings all of it into the log, before anything that is due is looked at.
///
/// # Errors
///
/// When the folder can't be listed, or the log can't be written.
pub(crate) fn deploy(
    machine: &mut Machine,
    executor: &dyn Executor,
    clock: &dyn Clock,
    config: &Arc<Config>,
    scheduling: Option<bool>,
    workflows: Option<&Path>,
) -> anyhow::Result<Loaded> {
    let folder = match workflows {
        Some(dir) => {
            let limit = config.timeouts.max_running();
            let read = folder::read(dir, Some(limit));
            Some(read.with_context(|| format!("reading the workflow folder {}", dir.display()))?)
        }
        None => None,
    };
    let first = match machine.is_new() {
        true => Input::Start { log_id: random_uuid()?, root_seed: random_uuid()?, config: Arc::clone(config) },
        false => Input::Asked(Request::Configure(Arc::clone(config)), operator("configure")),
    };
    let mut requests: Vec<Request> =
        scheduling.map(|enabled| Request::SwitchScheduling { enabled }).into_iter().collect();
    let mut loaded = Loaded::default();
    if let Some(folder) = &folder {
        loaded.workflows = folder.workflows.len();
        loaded.errors = folder.errors.iter().map(ToString::to_string).collect();
        let now = clock.now().trunc_subsecs(3);
        let changed = changed(machine.world(), machine.reader().as_ref(), folder, now)?;
        loaded.changed = changed.len();
        requests.extend(changed);
        let gone = vanished(machine.world(), machine.reader().as_ref(), folder)?;
        loaded.vanished = gone.len();
        requests.extend(gone.into_iter().flatten());
    }
    let operator = operator("load the workflow folder");
    let asked = requests.iter().map(|request| Input::Asked(request.clone(), Arc::clone(&operator)));
    let inputs = std::iter::once(first).chain(asked).zip(0..).map(|(input, ticket)| (ticket, input));
    for (ticket, reply) in run(machine, executor, clock, inputs.collect())? {
        if let Reply::Refused(refusal) = reply {
            let about = usize::try_from(ticket).ok().and_then(|ticket| requests.get(ticket.checked_sub(1)?));
            let name = match about {
                Some(Request::StoreWorkflow { id, .. } | Request::PatchWorkflow { id, .. }) => format!("workflow {id}"),
                _ => "the configuration".to_owned(),
            };
            loaded.errors.push(format!("{name}: {refusal}"));
        }
    }
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
        let outputs = machine.step(clock.now(), inputs)?;
        for effect in outputs.effects {
            executor.perform(effect);
        }
        for execution in outputs.foreign {
            tracing::warn!(
                "execution {execution} was started by another executor or for another log: it is left alone"
            );
        }
        answers.extend(outputs.answers);
        inputs = outputs.left;
    }
    Ok(answers)
}

/// The workflows of the folder that the log doesn't hold as they are.
fn changed(
    world: &World,
    reader: &dyn LogReader,
    folder: &Folder,
    now: DateTime<Utc>,
) -> Result<Vec<Request>, LogError> {
    let mut requests = Vec::new();
    for workflow in &folder.workflows {
        if let Some(before) = world.workflows().get(&workflow.id)
            && is_same(stored_workflow(reader, before.stored_at)?.as_ref(), workflow)
        {
            continue;
        }
        let mut configuration = workflow.configuration.clone();
        configuration.deployment_time = Some(now);
        let stored = Arc::new(StoredWorkflow::new(&configuration, origin(workflow)));
        requests.push(Request::StoreWorkflow { id: workflow.id.clone(), workflow: stored });
    }
    Ok(requests)
}

/// Whether a file says what is stored already. The time of the deployment doesn't count.
fn is_same(before: &StoredWorkflow, workflow: &FolderWorkflow) -> bool {
    let without_time = |mut configuration: WorkflowConfiguration| {
        configuration.deployment_time = None;
        configuration
    };
    let configuration = WorkflowConfiguration::from_json(&before.json).ok().map(without_time);
    before.spec.origin == origin(workflow) && configuration == Some(without_time(workflow.configuration.clone()))
}

/// Workflows that came from a file and aren't in the folder any more: they are switched off, and on again when their file
/// comes back. A file that can't be read says nothing about its workflows.
fn vanished(world: &World, reader: &dyn LogReader, folder: &Folder) -> Result<Vec<Vec<Request>>, LogError> {
    let there: BTreeSet<&WorkflowId> = folder.workflows.iter().map(|workflow| &workflow.id).collect();
    let mut gone = Vec::new();
    for (id, workflow) in world.workflows().iter().filter(|(id, _)| !there.contains(id)) {
        let Origin::File { path, enabled } = &workflow.spec.origin else {
            continue;
        };
        if folder.is_broken(path) {
            continue;
        }
        let mut requests = Vec::new();
        if *enabled {
            let mut stored = stored_workflow(reader, workflow.stored_at)?.as_ref().clone();
            stored.spec.origin = Origin::File { path: Arc::clone(path), enabled: false };
            requests.push(Request::StoreWorkflow { id: id.clone(), workflow: Arc::new(stored) });
        }
        if workflow.enabled {
            let (next_instant, next_fires_at) = (None, None);
            requests.push(Request::PatchWorkflow { id: id.clone(), enabled: Some(false), next_instant, next_fires_at });
        }
        if !requests.is_empty() {
            gone.push(requests);
        }
    }
    Ok(gone)
}

fn origin(workflow: &FolderWorkflow) -> Origin {
    Origin::File { path: workflow.path.as_str().into(), enabled: workflow.enabled }
}

fn operator(what: &str) -> Arc<Operator> {
    let request = serde_json::json!({ "start": what }).to_string();
    Arc::new(Operator { actor: "styx-server".into(), request_id: new_request_id().into(), request: request.into() })
}

fn random_uuid() -> anyhow::Result<uuid::Uuid> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("drawing random bytes: {error}"))?;
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use styx_engine::clock::SystemClock;
    use styx_engine::machine::MachineOptions;
    use styx_store::{MemoryLog, MemoryStorage};

    use super::*;

    struct Nothing;

    impl Executor for Nothing {
        fn perform(&self, _: styx_core::executor::Effect) {}
    }

    fn start(storage: &MemoryStorage, dir: Option<&Path>) -> (Machine, Loaded) {
        let mut machine = Machine::open(Box::new(MemoryLog::open(storage)), MachineOptions::default()).unwrap();
        let config = Arc::new(Config::default());
        let loaded = deploy(&mut machine, &Nothing, &SystemClock, &config, None, dir).unwrap();
        (machine, loaded)
    }

    fn enabled(machine: &Machine, id: &str) -> bool {
        machine.world().workflows()[&WorkflowId::parse_key(id).unwrap()].enabled
    }

    #[test]
    fn files_are_stored_once_and_disabled_when_they_vanish() {
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
        assert!(loaded.errors[0].contains("c.yaml:1:"), "{loaded:?}");
        assert!(enabled(&machine, "c#w"), "a broken file says nothing");

        std::fs::remove_file(&file).unwrap();
        let (machine, _) = start(&storage, None);
        assert!(enabled(&machine, "c#w"), "without a folder nothing has vanished");
        let (machine, loaded) = start(&storage, Some(dir.path()));
        assert_eq!(loaded.vanished, 1);
        assert!(!enabled(&machine, "c#w"));

        std::fs::write(&file, text).unwrap();
        let (machine, _) = start(&storage, Some(dir.path()));
        assert!(enabled(&machine, "c#w"), "its file is back");
    }
}
