//! No input looks at all runs, executions or workflows: how many it looks at doesn't grow with how many there are.
//!
//! Counted are the entries of the world's maps and sets that are gone through one after the other
//! ([`styx_core::world::visits`]), so the machine's load doesn't matter. That is only done with debug assertions.

#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::{Config, Limit},
    decide::{Input, Request, RuntimePatch, Setting},
    event::TriggerParameters,
    executor::{Observation, Observed},
    id::{ExecutionId, InstanceId, WorkflowId},
    record::{Operator, Origin, StoredWorkflow},
    workflow::WorkflowConfiguration,
    world::visits,
};
use styx_engine::machine::{Machine, MachineOptions};
use styx_store::MemoryLog;
use uuid::Uuid;

const FEW: usize = 60;
const MANY: usize = 3_000;
/// How often each input is given.
const STEPS: usize = 10;
/// By so much more the count may differ: some inputs look at what the step before has left.
const SLACK: u64 = 10;

fn begin() -> DateTime<Utc> {
    "2024-05-06T00:00:00Z".parse().unwrap()
}

fn id(name: &str) -> WorkflowId {
    WorkflowId::new("c", name)
}

fn stored(name: &str, schedule: &str, image: &str, resources: &[&str], origin: Origin) -> Arc<StoredWorkflow> {
    let mut configuration = WorkflowConfiguration::new(name, schedule);
    configuration.docker_image = Some(image.to_owned());
    configuration.resources = resources.iter().map(|&id| id.to_owned()).collect();
    Arc::new(StoredWorkflow::new(&configuration, origin))
}

/// A machine with so many runs that live, so many that wait for a unit, so many workflows, and so many executions that have ended.
/// The workflow `idle` has none of them.
struct Host {
    machine: Machine,
    now: DateTime<Utc>,
    living: Vec<ExecutionId>,
    steps: usize,
    /// The most entries that each input looked at.
    looked: BTreeMap<&'static str, u64>,
}

impl Host {
    fn new(size: usize) -> Self {
        let machine = Machine::open(Box::new(MemoryLog::new()), MachineOptions::default()).unwrap();
        let mut host = Self { machine, now: begin(), living: Vec::new(), steps: 0, looked: BTreeMap::new() };
        let config = Arc::new(Config { dequeue_rate: None, ..Config::default() });
        host.give(Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config });
        host.operate(RuntimePatch { debug: Some(true), ..RuntimePatch::default() });
        host.ask(Request::SetResource { id: "none".into(), concurrency: 0 });
        host.store("busy", "busybox:1", &[]);
        host.store("kept", "busybox:1", &[]);
        host.store("waiting", "busybox:1", &["none"]);
        host.store("idle", "busybox:1", &[]);
        host.switch("idle", true);
        for number in 0..size {
            let (name, hours) = (format!("yearly-{number}"), number as i64 + 1);
            let workflow = stored(&name, "yearly", "busybox:1", &[], Origin::Api);
            host.ask(Request::StoreWorkflow { id: id(&name), workflow });
            host.switch(&name, true);
            for name in ["busy", "kept", "waiting"] {
                host.trigger(name, hours);
            }
            // With `debug` on it isn't cleaned up.
            let ended = host.execution("kept", hours);
            host.see(&ended, Observed::Exited { code: Some(0) });
            host.living.push(host.execution("busy", hours));
        }
        let world = host.machine.world();
        assert_eq!((world.index().living_count(), world.index().ended().len()), (size, size));
        assert_eq!(world.runs().len(), 2 * size);
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

    fn store(&mut self, name: &str, image: &str, resources: &[&str]) {
        let workflow = stored(name, "hours", image, resources, Origin::Api);
        self.ask(Request::StoreWorkflow { id: id(name), workflow });
    }

    fn switch(&mut self, name: &str, enabled: bool) {
        let (enabled, next_instant, next_fires_at) = (Some(enabled), None, None);
        self.ask(Request::PatchWorkflow { id: id(name), enabled, next_instant, next_fires_at });
    }

    fn instance(&self, name: &str, hours: i64) -> InstanceId {
        let at = begin() - TimeDelta::hours(hours);
        InstanceId::new(id(name), at.format("%Y-%m-%dT%H").to_string())
    }

    fn trigger(&mut self, name: &str, hours: i64) {
        let parameter = self.instance(name, hours).parameter().into();
        let parameters = TriggerParameters::default();
        self.ask(Request::Trigger { workflow: id(name), parameter, parameters, allow_future: false });
    }

    fn execution(&self, name: &str, hours: i64) -> ExecutionId {
        self.machine.world().index().living(&self.instance(name, hours)).unwrap().clone()
    }

    fn see(&mut self, execution: &ExecutionId, what: Observed) {
        let (runner, evidence) = ("default".into(), b"{}".as_slice().into());
        let (execution, extensions) = (execution.clone(), Default::default());
        let observation = Observation { execution, runner, what, observed_at: None, evidence, extensions };
        self.give(Input::Observed(observation));
    }

    fn operate(&mut self, patch: RuntimePatch) {
        self.ask(Request::Operate(patch));
    }

    fn load(&mut self, path: &str, image: Option<&str>) {
        let origin = || Origin::File { path: path.into(), enabled: true };
        let workflow = |image| (id("filed"), stored("filed", "yearly", image, &[], origin()));
        let workflows = image.map(workflow).into_iter().collect();
        self.ask(Request::LoadFile { path: path.into(), workflows, elsewhere: Arc::new([]) });
    }

    /// Looks how many entries it looks at, and whether it led to a record.
    fn count(&mut self, name: &'static str, act: impl FnOnce(&mut Self)) {
        let (before, tail) = (visits(), self.machine.world().tail());
        act(self);
        assert!(self.machine.world().tail() > tail || name == "nothing", "{name} led to nothing");
        let looked = self.looked.entry(name).or_default();
        *looked = (visits() - before).max(*looked);
    }

    /// One input of each kind.
    fn one_of_each(&mut self) {
        let (step, hours) = (self.steps, self.steps as i64 + 1);
        self.steps += 1;
        let living = |host: &Self, nth: usize| host.living[step * 4 + nth].clone();
        self.count("nothing", |host| {
            host.now += TimeDelta::milliseconds(1);
            host.machine.step(host.now, Vec::new()).unwrap();
        });
        self.observations(hours, &living);
        self.runs(hours, &living);
        self.workflows(hours);
        self.backfills_and_resources(hours);
        self.count("limit", |host| {
            let max_executions = Some(Setting::Value(Limit::AtMost(1_000_000 + step as u32)));
            host.operate(RuntimePatch { max_executions, ..RuntimePatch::default() });
        });
        self.count("scheduling off", |host| host.ask(Request::SwitchScheduling { enabled: false }));
        self.count("scheduling on", |host| host.ask(Request::SwitchScheduling { enabled: true }));
        // What was to be tried again, and each hour a natural trigger.
        self.count("due", |host| {
            host.now += TimeDelta::hours(1);
            host.machine.step(host.now, Vec::new()).unwrap();
        });
    }

    fn observations(&mut self, hours: i64, living: &dyn Fn(&Self, usize) -> ExecutionId) {
        self.count("launched", |host| host.see(&living(host, 0), Observed::Launched));
        self.count("started", |host| host.see(&living(host, 0), Observed::Started));
        self.count("exited", |host| host.see(&living(host, 0), Observed::Exited { code: Some(1) }));
        self.count("cleaned", |host| host.see(&living(host, 0), Observed::Cleaned));
        self.count("never started", |host| host.see(&living(host, 1), Observed::NeverStarted));
        self.count("lost", |host| host.see(&living(host, 2), Observed::Lost { reason: "gone".into() }));
        self.trigger("idle", 1_000 + hours);
        self.count("refused", |host| {
            let (execution, retry_at) = (host.execution("idle", 1_000 + hours), host.now + TimeDelta::seconds(10));
            host.see(&execution, Observed::Refused { retry_at, reason: "full".into() });
        });
        self.count("ended by an operator", |host| {
            let execution = living(host, 3);
            host.ask(Request::EndExecution { execution });
        });
    }

    fn runs(&mut self, hours: i64, living: &dyn Fn(&Self, usize) -> ExecutionId) {
        self.count("trigger", |host| host.trigger("idle", hours));
        self.count("timeout", |host| host.ask(Request::Timeout { instance: host.instance("idle", hours) }));
        let execution = self.execution("idle", hours);
        self.see(&execution, Observed::Lost { reason: "stopped".into() });
        self.count("retry", |host| {
            host.ask(Request::Retry { instance: host.instance("idle", hours), delay_millis: 0 })
        });
        self.count("halt", |host| host.ask(Request::Halt { instance: host.instance("idle", hours) }));
        let instance = self.machine.world().executions()[&living(self, 3)].instance.clone();
        let counter = self.machine.world().runs()[&instance].counter;
        self.count("halt of what was seen", |host| {
            let request = Box::new(Request::Halt { instance: instance.clone() });
            host.ask(Request::Expecting { instance: instance.clone(), counter, request });
        });
        self.count("halt of what waits", |host| host.ask(Request::Halt { instance: host.instance("waiting", hours) }));
    }

    fn workflows(&mut self, hours: i64) {
        self.count("workflow", |host| host.store("idle", &format!("busybox:1.{hours}"), &[]));
        self.count("workflow with runs", |host| host.store("busy", &format!("busybox:1.{hours}"), &[]));
        self.count("new workflow", |host| host.store("new", "busybox:1", &[]));
        self.count("switch", |host| host.switch("new", true));
        self.count("deleted", |host| host.ask(Request::DeleteWorkflow { id: id("new") }));
        self.count("switch of one with runs", |host| host.switch("busy", true));
        self.switch("busy", false);
        self.count("file", |host| host.load("a.yaml", Some(&format!("busybox:1.{hours}"))));
        self.count("file that is gone", |host| host.load("a.yaml", None));
    }

    fn backfills_and_resources(&mut self, hours: i64) {
        let start = begin() - TimeDelta::hours(2_000 + 10 * hours);
        self.count("backfill", |host| {
            host.ask(Request::CreateBackfill {
                workflow: id("idle"),
                start,
                end: start + TimeDelta::hours(3),
                concurrency: 1,
                reverse: false,
                description: None,
                parameters: None,
                allow_future: false,
            });
        });
        let backfill = self.machine.world().backfills().keys().next_back().unwrap().clone();
        self.count("backfill edited", |host| {
            host.ask(Request::EditBackfill { id: backfill.clone(), concurrency: Some(2), description: None });
        });
        self.count("backfill halted", |host| {
            host.ask(Request::HaltBackfill { id: backfill.clone(), graceful: false });
        });
        self.count("resource", |host| host.ask(Request::SetResource { id: "r".into(), concurrency: hours }));
        self.count("resource deleted", |host| host.ask(Request::DeleteResource { id: "r".into() }));
        self.count("unit for what waits", |host| {
            host.ask(Request::SetResource { id: "none".into(), concurrency: 1 });
        });
        self.ask(Request::SetResource { id: "none".into(), concurrency: 0 });
    }
}

#[test]
fn no_input_looks_at_more_because_there_is_more() {
    let looked = |size| {
        let mut host = Host::new(size);
        for _ in 0..STEPS {
            host.one_of_each();
        }
        host.looked
    };
    let (few, many) = (looked(FEW), looked(MANY));
    let of_both = few.iter().map(|(name, few)| (name, (*few, many[name])));
    let grown: Vec<_> = of_both.clone().filter(|(_, (few, many))| *many > few + SLACK).collect();
    assert!(grown.is_empty(), "with {FEW} and {MANY} of everything: {grown:#?} of {:#?}", of_both.collect::<Vec<_>>());
    // The count counts.
    assert!(few["due"] > 0 && few["backfill"] > 0, "{few:?}");
}

/// What `ARCHITECTURE.md` names: these look at as much as there is, of one kind or of one workflow.
#[test]
fn what_looks_at_more_is_named() {
    let mut host = Host::new(MANY);
    let size = MANY as u64;
    host.count("configuration", |host| {
        let config = Config { dequeue_rate: None, catch_up: 7, ..Config::default() };
        host.ask(Request::Configure(Arc::new(config)));
    });
    host.count("other resources", |host| host.store("busy", "busybox:1", &["other"]));
    host.count("debug off", |host| host.operate(RuntimePatch { debug: Some(false), ..RuntimePatch::default() }));
    let looked = &host.looked;
    assert!(looked["configuration"] > 4 * size, "{looked:?}");
    assert!((size..3 * size).contains(&looked["other resources"]), "{looked:?}");
    assert!((size..3 * size).contains(&looked["debug off"]), "{looked:?}");
}
