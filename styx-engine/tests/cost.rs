//! No input looks at all runs: what it costs doesn't grow with how many there are.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::{Config, Limit},
    decide::{Input, Request, RuntimePatch, Setting},
    event::TriggerParameters,
    executor::{Observation, Observed},
    id::{ExecutionId, InstanceId, WorkflowId},
    record::{Operator, Origin, StoredWorkflow},
    workflow::WorkflowConfiguration,
};
use styx_engine::machine::{Machine, MachineOptions};
use styx_store::MemoryLog;
use uuid::Uuid;

const FEW: usize = 50;
const MANY: usize = 50_000;

/// A machine in which executions of one workflow live, and another workflow has no run.
struct Host {
    machine: Machine,
    now: DateTime<Utc>,
    executions: Vec<ExecutionId>,
    steps: usize,
}

impl Host {
    fn new(living: usize) -> Self {
        let machine = Machine::open(Box::new(MemoryLog::new()), MachineOptions::default()).unwrap();
        let now = "2024-05-06T00:00:00Z".parse().unwrap();
        let mut host = Self { machine, now, executions: Vec::new(), steps: 0 };
        let config = Arc::new(Config { dequeue_rate: None, ..Config::default() });
        host.give(Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config });
        host.store("busy", "hours", "busybox:1");
        host.store("idle", "hours", "busybox:1");
        for hours in 1..=living {
            host.trigger("busy", hours as i64);
        }
        host.executions = host.machine.world().executions().keys().cloned().collect();
        assert_eq!(host.executions.len(), living);
        host
    }

    fn give(&mut self, input: Input) {
        self.now += TimeDelta::milliseconds(1);
        let outputs = self.machine.step(self.now, vec![(1, input)]).unwrap();
        assert!(outputs.left.is_empty());
    }

    fn ask(&mut self, request: Request) {
        let ann = Operator { actor: "ann".into(), request_id: "1".into(), request: "{}".into() };
        self.give(Input::Asked(request, Arc::new(ann)));
    }

    fn store(&mut self, name: &str, schedule: &str, image: &str) {
        let mut configuration = WorkflowConfiguration::new(name, schedule);
        configuration.docker_image = Some(image.to_owned());
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        self.ask(Request::StoreWorkflow { id: WorkflowId::new("c", name), workflow });
    }

    fn instance(&self, name: &str, hours: i64) -> InstanceId {
        let begin: DateTime<Utc> = "2024-05-06T00:00:00Z".parse().unwrap();
        let at = begin - TimeDelta::hours(hours);
        InstanceId::new(WorkflowId::new("c", name), at.format("%Y-%m-%dT%H").to_string())
    }

    fn trigger(&mut self, name: &str, hours: i64) {
        let parameter = self.instance(name, hours).parameter().into();
        let (workflow, parameters) = (WorkflowId::new("c", name), TriggerParameters::default());
        self.ask(Request::Trigger { workflow, parameter, parameters, allow_future: false });
    }

    fn see(&mut self, number: usize, what: Observed) {
        let execution = self.executions[number].clone();
        let (runner, evidence) = ("default".into(), b"{}".as_slice().into());
        self.give(Input::Observed(Observation {
            execution,
            runner,
            what,
            observed_at: None,
            evidence,
            extensions: Default::default(),
        }));
    }

    fn operate(&mut self, patch: RuntimePatch) {
        self.ask(Request::Operate(patch));
    }

    /// One input of each kind.
    fn one_of_each(&mut self, mut took: impl FnMut(&'static str, Duration)) {
        self.steps += 1;
        let (step, hours) = (self.steps, self.steps as i64);
        let mut time = |name, act: &mut dyn FnMut(&mut Self)| {
            let begin = Instant::now();
            act(self);
            took(name, begin.elapsed());
        };
        time("nothing", &mut |host| {
            host.now += TimeDelta::milliseconds(1);
            host.machine.step(host.now, Vec::new()).unwrap();
        });
        time("trigger", &mut |host| host.trigger("idle", hours));
        time("halt", &mut |host| host.ask(Request::Halt { instance: host.instance("idle", hours) }));
        time("accepted", &mut |host| host.see(step, Observed::Launched));
        time("begun", &mut |host| host.see(step, Observed::Started));
        time("ended", &mut |host| host.see(step, Observed::Exited { code: Some(1) }));
        time("cleaned", &mut |host| host.see(step, Observed::Cleaned));
        time("resource", &mut |host| {
            host.ask(Request::SetResource { id: "r".into(), concurrency: hours });
        });
        time("workflow", &mut |host| host.store("idle", "hours", &format!("busybox:{hours}")));
        time("workflow with runs", &mut |host| host.store("busy", "hours", &format!("busybox:{hours}")));
        time("debug on", &mut |host| host.operate(RuntimePatch { debug: Some(true), ..RuntimePatch::default() }));
        time("debug off", &mut |host| host.operate(RuntimePatch { debug: Some(false), ..RuntimePatch::default() }));
        time("limit", &mut |host| {
            let max_executions = Some(Setting::Value(Limit::AtMost(1_000_000 + step as u32)));
            host.operate(RuntimePatch { max_executions, ..RuntimePatch::default() });
        });
        time("scheduling", &mut |host| host.ask(Request::SwitchScheduling { enabled: step % 2 == 0 }));
    }

    /// The least that each kind of input took.
    fn least(&mut self) -> BTreeMap<&'static str, Duration> {
        let mut least = BTreeMap::new();
        for _ in 0..FEW - 10 {
            self.one_of_each(|name, took| {
                let least = least.entry(name).or_insert(took);
                *least = took.min(*least);
            });
        }
        least
    }
}

#[test]
fn no_input_costs_more_because_there_are_more_runs() {
    let few = Host::new(FEW).least();
    let many = Host::new(MANY).least();
    for (name, of_few) in few {
        let of_many = many[name];
        // A look at all of them would take 200 times as long; a tree that is deeper and less in caches takes a few times.
        assert!(
            of_many < of_few * 20 + Duration::from_micros(100),
            "{name}: {of_many:?} with {MANY} runs, {of_few:?} with {FEW}"
        );
    }
}
