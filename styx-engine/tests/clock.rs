//! A clock that is set while the machine runs: what waits goes on, nothing fires twice, and no wild clock is followed.
#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::Config,
    decide::{Input, Refusal, Reply, Request, RuntimePatch},
    event::{Event, Trigger, TriggerParameters},
    executor::{Effect, Observation, Observed},
    extensions::Extensions,
    id::{ExecutionId, Position, WorkflowId},
    record::{ConfigEvent, Fact, IdempotencyKey, Operator, Origin, Record, RunEvent, StoredWorkflow},
    workflow::WorkflowConfiguration,
};
use styx_engine::{
    clock::{Clock, ClockStatus, Reading},
    engine::{self, Inbox},
    machine::{Machine, MachineOptions, Outputs},
    replay::{Options, Replay},
};
use styx_store::memory::{MemoryLog, MemoryStorage};
use uuid::Uuid;

/// A machine on a host whose clock can be set, with one hourly workflow.
struct Host {
    machine: Machine,
    storage: MemoryStorage,
    true_time: DateTime<Utc>,
    skew: TimeDelta,
}

impl Host {
    fn new() -> Self {
        let log = MemoryLog::new();
        let storage = log.storage();
        let machine = Machine::open(Box::new(log), MachineOptions::default()).unwrap();
        let true_time = "2026-03-29T06:59:00Z".parse().unwrap();
        let mut host = Self { machine, storage, true_time, skew: TimeDelta::zero() };
        let config = Arc::new(Config::default());
        host.step([Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config }]);
        host.begin("w");
        host
    }

    /// An hourly workflow is stored and enabled.
    fn begin(&mut self, name: &str) {
        let id = WorkflowId::new("c", name);
        let mut configuration = WorkflowConfiguration::new(name, "hours");
        configuration.docker_image = Some("busybox".to_owned());
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        self.ask(Request::StoreWorkflow { id: id.clone(), workflow });
        self.ask(Request::PatchWorkflow { id, enabled: Some(true), next_instant: None, next_fires_at: None });
    }

    fn reading(&self) -> Reading {
        let elapsed = (self.true_time - DateTime::UNIX_EPOCH).to_std().unwrap();
        Reading { wall: self.true_time + self.skew, elapsed }
    }

    fn step(&mut self, inputs: impl IntoIterator<Item = Input>) -> Outputs {
        let reading = self.reading();
        self.machine.step(reading, inputs.into_iter().map(|input| (1, input)).collect()).unwrap()
    }

    fn after(&mut self, passed: TimeDelta) -> Outputs {
        self.true_time += passed;
        self.step([])
    }

    fn ask(&mut self, request: Request) -> Reply {
        self.step([Input::Asked(request, operator())]).answers.pop().unwrap().1
    }

    fn accept(&mut self, key: &str) -> Reply {
        let patch = RuntimePatch { accept_clock: true, ..RuntimePatch::default() };
        let key = IdempotencyKey { key: key.into(), digest: Uuid::from_u128(7) };
        self.step([Input::AskedOnce(Request::Operate(patch), operator(), key)]).answers.pop().unwrap().1
    }

    fn trigger(&mut self, parameter: &str) -> Outputs {
        let (workflow, parameters) = (WorkflowId::new("c", "w"), TriggerParameters::default());
        let request = Request::Trigger { workflow, parameter: parameter.into(), parameters, allow_future: false };
        self.step([Input::Asked(request, operator())])
    }

    fn observe(&mut self, execution: &ExecutionId, what: Observed) -> Outputs {
        let observation = Observation {
            execution: execution.clone(),
            runner: "default".into(),
            what,
            observed_at: None,
            evidence: Arc::default(),
            extensions: Extensions::default(),
        };
        self.step([Input::Observed(observation)])
    }

    fn restart(&mut self) {
        let log = MemoryLog::open(&self.storage);
        self.machine = Machine::open(Box::new(log), MachineOptions::default()).unwrap();
    }

    fn records(&self) -> Vec<Record> {
        self.machine.reader().read(Position::FIRST, 10_000).unwrap()
    }

    /// Parameters of the natural triggers so far.
    fn natural(&self) -> Vec<String> {
        let natural = |record: Record| match record.fact {
            Fact::Run(instance, RunEvent::Styx { event: Event::TriggerExecution { trigger, .. }, .. }) => {
                (trigger == Trigger::Natural).then(|| instance.parameter().to_owned())
            }
            _ => None,
        };
        self.records().into_iter().filter_map(natural).collect()
    }

    /// Every decision comes out as it is in the log, when it is asked again with what it saw of the clock.
    fn replays(&self) {
        let mut replay = Replay::new(Options::default());
        let mut found = Vec::new();
        for record in self.records() {
            found.extend(replay.add(record).unwrap());
        }
        found.extend(replay.finish().unwrap());
        assert_eq!(found, []);
        assert_eq!(replay.summary().unknown, 0);
    }
}

fn operator() -> Arc<Operator> {
    Arc::new(Operator { actor: "ann".into(), request_id: "r".into(), request: "{}".into() })
}

fn launched(outputs: &Outputs) -> ExecutionId {
    match &outputs.effects[..] {
        [Effect::Launch(launch)] => launch.execution.clone(),
        effects => panic!("expected a launch, found {effects:?}"),
    }
}

#[test]
fn what_waits_goes_on_while_the_clock_is_set_back() {
    let mut host = Host::new();
    let execution = launched(&host.trigger("2026-03-29T03"));
    host.skew = TimeDelta::hours(-2);
    // An exit with 20 waits ten minutes, and no two hours.
    let outputs = host.observe(&execution, Observed::Exited { code: Some(20) });
    let wake = outputs.wake.unwrap();
    assert_eq!(wake, host.machine.world().at() + TimeDelta::minutes(10));
    let early = host.after(TimeDelta::seconds(599));
    assert!(early.effects.iter().all(|effect| !matches!(effect, Effect::Launch(_))), "{early:?}");
    let second = launched(&host.after(TimeDelta::seconds(1)));
    // The executor says by the wall clock when it is to be asked again.
    let retry_at = host.reading().wall + TimeDelta::seconds(30);
    let outputs = host.observe(&second, Observed::Refused { retry_at, reason: "no room".into() });
    assert_eq!((outputs.effects.len(), outputs.wake), (0, Some(host.machine.world().at() + TimeDelta::seconds(30))));
    launched(&host.after(TimeDelta::seconds(30)));
    host.replays();
}

#[test]
fn a_clock_that_is_set_back_repeats_no_trigger_and_loses_none() {
    let mut host = Host::new();
    host.after(TimeDelta::minutes(2));
    assert_eq!(host.natural(), ["2026-03-29T06"]);
    host.skew = TimeDelta::hours(-2);
    for _ in 0..59 {
        host.after(TimeDelta::minutes(1));
    }
    assert_eq!(host.natural(), ["2026-03-29T06"], "its hour comes a second time");
    let back = host.records().last().map(|record| record.now().is_believed());
    assert_eq!(back, Some(true));
    host.skew = TimeDelta::zero();
    host.after(TimeDelta::minutes(1));
    assert_eq!(host.natural(), ["2026-03-29T06", "2026-03-29T07"]);
    // By the wall clock, which is behind, nothing is due in the present of the records.
    host.skew = TimeDelta::hours(-2);
    let outputs = host.after(TimeDelta::minutes(1));
    let wake = outputs.wake.unwrap();
    assert!(wake > host.machine.world().at() + TimeDelta::minutes(100), "{wake}");
    host.replays();
}

#[test]
fn no_wild_clock_triggers_anything_until_it_is_accepted() {
    let mut host = Host::new();
    host.skew = TimeDelta::days(174 * 365);
    let outputs = host.after(TimeDelta::minutes(2));
    assert!(host.natural().is_empty() && outputs.wake.is_none(), "{outputs:?}");
    assert!(matches!(host.machine.clock_status(), ClockStatus::NotBelieved { .. }));
    // What the clock shows isn't the present: the instant of next year lies in the future.
    let refused = host.trigger("2027-03-29T03").answers.pop().unwrap().1;
    assert_eq!(refused, Reply::Refused(Refusal::Future));
    launched(&host.trigger("2026-03-29T03"));
    let seen = host.records().last().map(|record| record.decision).unwrap();
    let seen = host.records().into_iter().find(|record| record.position == seen).unwrap();
    assert!(!seen.now().is_believed() && seen.now().wall == host.reading().wall, "{seen:?}");
    host.skew = TimeDelta::zero();
    host.after(TimeDelta::zero());
    assert_eq!(host.natural(), ["2026-03-29T06"]);
    host.replays();
}

#[test]
fn an_operator_accepts_the_clock_once() {
    let mut host = Host::new();
    let accepted =
        |host: &Host| host.records().iter().filter(|it| it.fact == Fact::Config(ConfigEvent::ClockAccepted)).count();
    assert_eq!(host.accept("early"), Reply::Nothing, "there is nothing to accept");
    host.skew = TimeDelta::hours(30);
    host.after(TimeDelta::minutes(2));
    assert!(host.natural().is_empty());
    assert_eq!((host.accept("once"), accepted(&host)), (Reply::Done, 1));
    assert!(!host.natural().is_empty());
    assert_eq!(host.machine.world().at(), host.reading().wall);
    // The same request again, while another jump waits to be accepted: it accepts nothing.
    host.skew += TimeDelta::hours(30);
    assert!(matches!(host.accept("once"), Reply::Repeated { .. }));
    assert!(host.machine.clock_status().holds() && accepted(&host) == 1);
    assert_eq!((host.accept("twice"), accepted(&host)), (Reply::Done, 2));
    host.replays();
}

#[test]
fn a_start_believes_a_year_and_no_more() {
    for (days, believed) in [(365, true), (367, false)] {
        let mut host = Host::new();
        host.true_time += TimeDelta::days(days);
        host.restart();
        host.step([]);
        assert_eq!(host.machine.clock_status() == ClockStatus::Agrees, believed, "{days}");
        host.after(TimeDelta::seconds(20));
        assert_eq!(!host.natural().is_empty(), believed, "{days}");
    }
}

struct Scripted(Mutex<Reading>);

impl Clock for Scripted {
    fn now(&self) -> DateTime<Utc> {
        self.0.lock().unwrap().wall
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().elapsed
    }
}

#[test]
fn the_engines_handle_says_how_the_clock_stands() {
    let machine = Machine::open(Box::new(MemoryLog::new()), MachineOptions::default()).unwrap();
    let begin: DateTime<Utc> = "2026-03-29T06:59:00Z".parse().unwrap();
    let clock = Arc::new(Scripted(Mutex::new(Reading { wall: begin, elapsed: Duration::from_secs(7) })));
    let config = Arc::new(Config::default());
    let start = Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config };
    let executor = Arc::new(styx_engine::fake::FakeExecutor::start(|_| {}).unwrap());
    let (engine, thread) =
        engine::start(machine, Inbox::new(10), executor, Arc::clone(&clock) as Arc<dyn Clock>, vec![start], |_| {})
            .unwrap();
    let ask = || engine.ask_and_wait(Request::SwitchScheduling { enabled: true }, operator()).unwrap();
    // The answer comes after the step that looked at the clock.
    ask();
    assert_eq!(engine.clock_status(), ClockStatus::Agrees);
    clock.0.lock().unwrap().wall = begin - TimeDelta::hours(1);
    ask();
    assert_eq!(engine.clock_status(), ClockStatus::Behind { by: TimeDelta::hours(1) });
    clock.0.lock().unwrap().wall = begin + TimeDelta::days(2);
    ask();
    assert!(engine.clock_status().holds());
    clock.0.lock().unwrap().wall = begin;
    ask();
    assert_eq!(engine.clock_status(), ClockStatus::Agrees);
    thread.stop().unwrap();
}

#[test]
fn a_workflow_that_is_stored_before_the_clock_is_set_fires_nothing_of_the_past() {
    let mut host = Host::new();
    host.restart();
    // A machine without a battery: it starts in 1971.
    host.skew = TimeDelta::days(-20_000);
    host.begin("new");
    host.after(TimeDelta::seconds(20));
    host.skew = TimeDelta::zero();
    host.after(TimeDelta::seconds(20));
    assert_eq!(host.natural(), [""; 0]);
    host.after(TimeDelta::hours(1));
    assert_eq!(host.natural(), ["2026-03-29T06", "2026-03-29T06"]);
    host.replays();
}
