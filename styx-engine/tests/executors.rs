//! Executors by name: each effect goes to the executor that the execution's `submit` names, whatever became of the default since.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::{Config, ExecutorCapabilities, ExecutorName, ExecutorTable},
    decide::{Input, Reply, Request, RuntimePatch, Setting},
    event::TriggerParameters,
    executor::{Effect, EffectKind, Executor, Observation, Observed},
    extensions::Extensions,
    id::{ExecutionId, InstanceId, WorkflowId},
    record::{Operator, Origin, StoredWorkflow},
    workflow::WorkflowConfiguration,
};
use styx_engine::{
    engine::perform,
    executors::Executors,
    machine::{Machine, MachineOptions, Outputs},
};
use styx_store::{MemoryLog, MemoryStorage};
use uuid::Uuid;

/// Takes effects and does nothing.
#[derive(Default)]
struct Taken(Mutex<Vec<(EffectKind, ExecutionId)>>);

impl Taken {
    fn take(&self) -> Vec<(EffectKind, ExecutionId)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Executor for Taken {
    fn perform(&self, effect: Effect) {
        self.0.lock().unwrap().push((effect.kind(), effect.execution().clone()));
    }

    fn all_requested(&self) {}
}

/// A machine with the executors `green`, which is the default, and `blue`.
struct Host {
    storage: MemoryStorage,
    machine: Machine,
    now: DateTime<Utc>,
    green: Arc<Taken>,
    blue: Arc<Taken>,
    executors: Executors,
}

fn config(has_blue: bool) -> Arc<Config> {
    let capabilities =
        |name: &str| ExecutorCapabilities { runner: name.into(), runs_api_workflows: true, mounts_secrets: true };
    let config = Config { executor: capabilities("green"), dequeue_rate: None, ..Config::default() };
    let others = if has_blue { vec![capabilities("blue")] } else { Vec::new() };
    Arc::new(config.with_executor_table(&ExecutorTable { others, routes: Vec::new() }).unwrap())
}

fn ann() -> Arc<Operator> {
    Arc::new(Operator { actor: "ann".into(), request_id: "1".into(), request: "{}".into() })
}

fn instance(hour: &str) -> InstanceId {
    InstanceId::new(WorkflowId::new("c", "w"), format!("2024-05-06T{hour}"))
}

impl Host {
    fn new() -> Self {
        let storage = MemoryStorage::new();
        let machine = Machine::open(Box::new(MemoryLog::open(&storage)), MachineOptions::default()).unwrap();
        let (green, blue) = (Arc::new(Taken::default()), Arc::new(Taken::default()));
        let executors = Executors::default()
            .with("green", Arc::clone(&green) as Arc<dyn Executor>)
            .with("blue", Arc::clone(&blue) as Arc<dyn Executor>);
        let mut host = Self { storage, machine, now: "2024-05-06T20:00:00Z".parse().unwrap(), green, blue, executors };
        let (log_id, root_seed) = (Uuid::from_u128(1), Uuid::from_u128(2));
        host.step(Input::Start { log_id, root_seed, config: config(true) });
        let mut configuration = WorkflowConfiguration::new("w", "hours");
        configuration.docker_image = Some("busybox:1".to_owned());
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        host.ask(Request::StoreWorkflow { id: WorkflowId::new("c", "w"), workflow });
        host
    }

    /// The next process, with another configuration.
    fn restart(&mut self, has_blue: bool) {
        self.machine = Machine::open(Box::new(MemoryLog::open(&self.storage)), MachineOptions::default()).unwrap();
        self.ask(Request::Configure(config(has_blue)));
    }

    fn step(&mut self, input: Input) -> Outputs {
        self.now += TimeDelta::seconds(1);
        let mut outputs = self.machine.step(self.now, vec![(1, input)]).unwrap();
        let foreign = outputs.foreign.clone();
        let misattributed = outputs.misattributed.clone();
        perform(&mut outputs, self.machine.world(), &self.executors);
        Outputs { foreign, misattributed, ..outputs }
    }

    fn ask(&mut self, request: Request) -> Outputs {
        let outputs = self.step(Input::Asked(request, ann()));
        assert!(outputs.answers.iter().all(|(_, reply)| !matches!(reply, Reply::Refused(_))), "{outputs:?}");
        outputs
    }

    fn choose(&mut self, name: &str) {
        let default_executor = Some(Setting::Value(ExecutorName::parse(name).unwrap()));
        self.ask(Request::Operate(RuntimePatch { default_executor, ..RuntimePatch::default() }));
    }

    fn trigger(&mut self, hour: &str) {
        let parameter = format!("2024-05-06T{hour}").into();
        let parameters = TriggerParameters::default();
        let workflow = WorkflowId::new("c", "w");
        self.ask(Request::Trigger { workflow, parameter, parameters, allow_future: false });
    }

    fn observe(&mut self, execution: &ExecutionId, runner: &str, what: Observed) -> Outputs {
        self.step(Input::Observed(Observation {
            execution: execution.clone(),
            runner: runner.into(),
            what,
            observed_at: None,
            evidence: Arc::default(),
            extensions: Extensions::default(),
        }))
    }

    /// The one execution that an executor was asked for, for this.
    fn asked(taken: &Taken, kind: EffectKind) -> ExecutionId {
        let effects = taken.take();
        assert!(effects.len() == 1 && effects[0].0 == kind, "{effects:?}");
        effects[0].1.clone()
    }
}

#[test]
fn executions_stay_with_their_executor_while_the_default_is_switched() {
    let mut host = Host::new();
    host.trigger("00");
    let first = Host::asked(&host.green, EffectKind::Launch);
    host.observe(&first, "green", Observed::Started);
    host.choose("blue");
    host.trigger("01");
    let second = Host::asked(&host.blue, EffectKind::Launch);
    host.observe(&second, "blue", Observed::Started);
    assert_eq!(host.green.take(), []);

    host.ask(Request::Halt { instance: instance("00") });
    assert_eq!((Host::asked(&host.green, EffectKind::Stop), host.blue.take()), (first.clone(), vec![]));
    host.observe(&first, "green", Observed::Exited { code: Some(143) });
    assert_eq!((Host::asked(&host.green, EffectKind::CleanUp), host.blue.take()), (first, vec![]));

    // After a restart each is asked about where it is; what `blue` runs isn't `green`'s to adopt.
    host.restart(true);
    assert_eq!((Host::asked(&host.blue, EffectKind::Adopt), host.green.take().len()), (second, 1));
    host.trigger("02");
    assert_eq!(host.blue.take().len(), 1, "the choice outlives the process");
}

#[test]
fn an_executor_can_not_report_for_another() {
    let mut host = Host::new();
    host.trigger("00");
    let execution = Host::asked(&host.green, EffectKind::Launch);
    let outputs = host.observe(&execution, "blue", Observed::Exited { code: Some(0) });
    assert_eq!((outputs.appended, outputs.misattributed), (0, vec![(execution.clone(), "blue".into())]));
    let outputs = host.observe(&execution, "green", Observed::Exited { code: Some(0) });
    assert!(outputs.appended > 0 && outputs.misattributed.is_empty());
    assert_eq!(host.green.take().len(), 1);
    // What nobody knows is stopped where it was seen.
    let unknown = ExecutionId::from_uuid(Uuid::from_u128(9));
    host.observe(&unknown, "blue", Observed::Started);
    assert_eq!((Host::asked(&host.blue, EffectKind::Stop), host.green.take()), (unknown, vec![]));
}

#[test]
fn what_is_with_an_executor_that_is_not_configured_is_reported_and_ended() {
    let mut host = Host::new();
    host.choose("blue");
    host.trigger("00");
    let execution = Host::asked(&host.blue, EffectKind::Launch);
    host.observe(&execution, "blue", Observed::Started);
    host.machine = Machine::open(Box::new(MemoryLog::open(&host.storage)), MachineOptions::default()).unwrap();
    let outputs = host.ask(Request::Configure(config(false)));
    assert_eq!(outputs.foreign, [execution.clone()].into());
    assert_eq!((host.green.take(), host.blue.take()), (vec![], vec![]));

    host.ask(Request::Halt { instance: instance("00") });
    host.trigger("00");
    assert_ne!(Host::asked(&host.green, EffectKind::Launch), execution, "the instance is free again");

    // It is removed as soon as its executor is there again.
    host.restart(true);
    assert_eq!(Host::asked(&host.blue, EffectKind::CleanUp), execution);
    host.observe(&execution, "blue", Observed::Cleaned);
    assert!(!host.machine.world().executions().contains_key(&execution));
}
