//! After a start nothing falls due until the executor has reported all that it knows: what ended well during an outage isn't
//! timed out. An executor that is out of contact is waited for no longer than a minute.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::Config,
    decide::{Input, Request},
    event::TriggerParameters,
    executor::{Effect, EffectKind, Executor},
    executor_event::ExecutorEvent,
    id::{ExecutionId, WorkflowId},
    observation::{Observation, Observed},
    record::Operator,
    stored_workflow::{Origin, StoredWorkflow},
    workflow::WorkflowConfiguration,
};
use styx_engine::{
    clock::{Clock, SystemClock},
    engine::{self, Inbox, Observer},
    fake::FakeExecutor,
    machine::{Machine, MachineOptions, Outputs},
};
use styx_store::{MemoryLog, MemoryStorage};
use uuid::Uuid;

/// No test waits for so long, unless it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an executor is asked for, and what it reports.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Effect(EffectKind),
    AllRequested,
    Observed(ExecutionId),
    AllReported,
}

fn observation(execution: &ExecutionId, what: Observed) -> Input {
    let (execution, runner, evidence) = (execution.clone(), "default".into(), Arc::default());
    Input::Observed(Observation {
        execution,
        runner,
        what,
        observed_at: None,
        evidence,
        extensions: Default::default(),
    })
}

fn open(storage: &MemoryStorage) -> Machine {
    Machine::open(Box::new(MemoryLog::open(storage)), MachineOptions::default()).unwrap()
}

/// A log in which two executions began to run at that time, and which they are.
fn two_run(at: DateTime<Utc>) -> (MemoryStorage, Vec<ExecutionId>) {
    let storage = MemoryStorage::default();
    let mut machine = open(&storage);
    let workflow = WorkflowId::new("c", "w");
    let mut configuration = WorkflowConfiguration::new("w", "hours");
    configuration.docker_image = Some("busybox".to_owned());
    let stored = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
    let trigger = |hours: i64| Request::Trigger {
        workflow: workflow.clone(),
        parameter: (at - TimeDelta::hours(hours)).format("%Y-%m-%dT%H").to_string().into(),
        parameters: TriggerParameters::default(),
        allow_future: false,
    };
    let asks = [Request::StoreWorkflow { id: workflow.clone(), workflow: stored }, trigger(2), trigger(3)];
    let ann = Arc::new(Operator { actor: "ann".into(), request_id: "1".into(), request: "{}".into() });
    let asks = asks.map(|request| (1, Input::Asked(request, Arc::clone(&ann))));
    let config = Arc::new(Config::default());
    let start = Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config };
    let outputs = machine.step(at, [(0, start)].into_iter().chain(asks).collect()).unwrap();
    let executions: Vec<_> = outputs.effects.iter().map(|effect| effect.execution().clone()).collect();
    assert_eq!(kinds(&outputs), [EffectKind::Launch, EffectKind::Launch]);
    let started = executions.iter().map(|execution| (0, observation(execution, Observed::Started)));
    machine.step(at, started.collect()).unwrap();
    (storage, executions)
}

fn kinds(outputs: &Outputs) -> Vec<EffectKind> {
    outputs.effects.iter().map(Effect::kind).collect()
}

/// A start two days later, when the time of both runs is long up. Nothing is due yet.
fn after_an_outage() -> (Machine, DateTime<Utc>, Vec<ExecutionId>) {
    let now: DateTime<Utc> = "2024-05-08T07:08:09Z".parse().unwrap();
    let (storage, executions) = two_run(now - TimeDelta::days(2));
    let mut machine = open(&storage);
    let outputs = machine.step(now, Vec::new()).unwrap();
    assert_eq!(kinds(&outputs), [EffectKind::Adopt, EffectKind::Adopt]);
    assert_eq!(outputs.wake, Some(now + TimeDelta::minutes(1)));
    (machine, now, executions)
}

#[test]
fn what_ended_well_during_an_outage_is_not_timed_out_and_what_is_silent_is_once_all_is_reported() {
    let (mut machine, now, executions) = after_an_outage();
    // It takes longer than any fixed time that is short enough to wait for.
    let now = now + TimeDelta::seconds(50);
    let exited = observation(&executions[0], Observed::Exited { code: Some(0) });
    let outputs = machine.step(now, vec![(0, exited)]).unwrap();
    assert_eq!(kinds(&outputs), [EffectKind::CleanUp], "it ended, and the other isn't timed out");
    machine.all_reported();
    let outputs = machine.step(now, Vec::new()).unwrap();
    assert_eq!(kinds(&outputs), [EffectKind::Stop]);
    assert_eq!(outputs.effects[0].execution(), &executions[1]);
}

#[test]
fn an_executor_that_is_out_of_contact_is_waited_for_a_minute() {
    let (mut machine, now, _) = after_an_outage();
    let outputs = machine.step(now + TimeDelta::seconds(59), Vec::new()).unwrap();
    assert_eq!(kinds(&outputs), []);
    let outputs = machine.step(now + TimeDelta::seconds(60), Vec::new()).unwrap();
    assert_eq!(kinds(&outputs), [EffectKind::Stop, EffectKind::Stop]);
}

/// An executor that knows nothing of any execution, and says so at once.
struct Silent {
    seen: Mutex<Sender<Seen>>,
    observer: Observer,
}

impl Executor for Silent {
    fn perform(&self, effect: Effect) {
        self.seen.lock().unwrap().send(Seen::Effect(effect.kind())).unwrap();
    }

    fn all_requested(&self) {
        self.seen.lock().unwrap().send(Seen::AllRequested).unwrap();
        self.observer.all_reported();
    }
}

#[test]
fn the_engine_lets_the_executor_know_when_all_is_requested_and_goes_on_when_all_is_reported() {
    let (storage, _) = two_run(SystemClock.now() - TimeDelta::days(2));
    let inbox = Inbox::new(16);
    let (sender, seen) = channel();
    let executor = Arc::new(Silent { seen: Mutex::new(sender), observer: inbox.observer() });
    let (_handle, thread) =
        engine::start(open(&storage), inbox, executor, Arc::new(SystemClock), Vec::new(), |_| {}).unwrap();
    let seen: Vec<_> = (0..5).map(|_| seen.recv_timeout(PATIENCE).unwrap()).collect();
    let [adopt, stop] = [EffectKind::Adopt, EffectKind::Stop].map(|kind| move || Seen::Effect(kind));
    assert_eq!(seen, [adopt(), adopt(), Seen::AllRequested, stop(), stop()]);
    thread.stop().unwrap();
}

#[test]
fn the_fake_executor_reports_all_before_it_says_so() {
    let (sender, seen) = channel();
    let observed = sender.clone();
    let observe = move |observation: Observation| observed.send(Seen::Observed(observation.execution)).unwrap();
    let on_event = move |event| {
        assert_eq!(event, ExecutorEvent::AllReported);
        sender.send(Seen::AllReported).unwrap();
    };
    let executor = FakeExecutor::start_with(observe, Arc::new(on_event)).unwrap();
    let executions: Vec<_> = (1..=3).map(|number| ExecutionId::from_uuid(Uuid::from_u128(number))).collect();
    for execution in executions.clone() {
        executor.perform(Effect::Adopt { executor: "fake".into(), log_id: Uuid::from_u128(1), execution });
    }
    executor.all_requested();
    let seen: Vec<_> = (0..4).map(|_| seen.recv_timeout(PATIENCE).unwrap()).collect();
    let expected: Vec<_> = executions.into_iter().map(Seen::Observed).chain([Seen::AllReported]).collect();
    assert_eq!(seen, expected);
}
