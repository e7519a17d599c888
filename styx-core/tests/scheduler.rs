//! What the scheduler promises to a program with a store, a clock and an executor of its own.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use styx_core::{
    config::Config,
    decide::{Input, Reply, Request},
    executor::{Effect, EffectKind, Observed},
    id::{Position, WorkflowId},
    log::{Batch, LogError, Rows},
    now::Now,
    record::{ConfigEvent, Fact, LogEvent, Operator, Record},
    request::Refusal,
    scheduler::{Done, LogName, Scheduler, StepError},
    stored_workflow::ValidWorkflow,
    workflow::{Rules, WorkflowConfiguration},
    world::{Row, RowKey, World},
};

/// A store of one's own: records and rows in memory.
#[derive(Debug, Clone, Default)]
struct Store {
    records: Vec<Record>,
    rows: BTreeMap<RowKey, Row>,
    /// Reading fails from here on.
    broken: bool,
}

impl Rows for Store {
    fn row(&self, key: &RowKey) -> Result<Option<Row>, LogError> {
        self.check()?;
        Ok(self.rows.get(key).cloned())
    }

    fn record(&self, position: Position) -> Result<Option<Record>, LogError> {
        self.check()?;
        Ok(self.records.iter().find(|record| record.position == position).cloned())
    }
}

impl Store {
    fn check(&self) -> Result<(), LogError> {
        let failed = LogError::Failed { doing: "reading".into(), reason: "the disk is gone".into() };
        if self.broken { Err(failed) } else { Ok(()) }
    }

    fn append(&mut self, batch: &Batch) {
        assert!(!batch.records.is_empty() || batch.rows.is_empty(), "rows come only with records");
        self.records.extend(batch.records.iter().cloned());
        for (key, row) in &batch.rows {
            match row {
                Some(row) => drop(self.rows.insert(key.clone(), row.clone())),
                None => drop(self.rows.remove(key)),
            }
        }
    }

    /// The world that the rows make, as after a restart.
    fn world(&self) -> World {
        let of_world = |key: &RowKey| !matches!(key, RowKey::Finished(..) | RowKey::Answered(_));
        let rows = self.rows.iter().filter(|(key, _)| of_world(key));
        World::from_rows(rows.map(|(key, row)| (key.clone(), row.clone()))).expect("the rows fit together")
    }
}

/// A scheduler with its store.
struct Host {
    scheduler: Scheduler,
    store: Store,
    now: DateTime<Utc>,
}

impl Host {
    fn new() -> Self {
        let scheduler = Scheduler::begin(LogName::from_random_bytes([7; 32]), config());
        Self { scheduler, store: Store::default(), now: time("2026-03-29T00:00:30Z") }
    }

    /// One step, made durable; the store then has the scheduler's world.
    fn step(&mut self, inputs: Vec<Input>) -> Done {
        let step = self.scheduler.step(self.now, inputs, &self.store).expect("a step");
        let tail = self.store.records.last().map_or(Position(0), |last| last.position);
        assert!(step.expected_tail().is_none_or(|expected| expected == tail));
        self.store.append(step.batch());
        let done = step.durable();
        assert_eq!(self.store.world(), *self.scheduler.world(), "the rows make another world");
        done
    }

    /// Steps without an input until nothing is due.
    fn settle(&mut self) -> Vec<(Effect, Input)> {
        let mut adopted = Vec::new();
        for _ in 0..1_000 {
            let done = self.step(Vec::new());
            adopted.extend(done.effects.iter().map(|it| (it.clone(), done.observed(it, Observed::Launched))));
            if done.wake.is_none_or(|wake| wake > self.now) {
                return adopted;
            }
        }
        panic!("it never comes to an end");
    }

    fn restart(&mut self) {
        self.scheduler = Scheduler::resume(self.store.world());
    }
}

fn config() -> Config {
    Config { max_executions: Some(2), ..Config::default() }
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

fn workflow(name: &str, schedule: &str) -> ValidWorkflow {
    let mut configuration = WorkflowConfiguration::new(name, schedule);
    configuration.docker_image = Some("busybox:1.37".to_owned());
    configuration.docker_args = Some(vec!["{}".to_owned()]);
    ValidWorkflow::new("app", &configuration, &Rules::default()).expect("a valid workflow")
}

fn id(name: &str) -> WorkflowId {
    WorkflowId::new("app", name)
}

fn ann() -> Operator {
    Operator::named("ann")
}

/// What happens next; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Op {
    Store(usize),
    Enable(usize),
    Trigger(usize, i64),
    Delete(usize),
    Wait(i64),
    Observe(usize, Observed),
    Restart,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn op() -> impl Strategy<Value = Op> {
    let observed = prop_oneof![
        3 => Just(Observed::Launched),
        2 => Just(Observed::Started),
        6 => prop_oneof![Just(0), Just(1), Just(50)].prop_map(|code| Observed::Exited { code: Some(code) }),
        1 => Just(Observed::Lost { reason: "gone".into() }),
        3 => Just(Observed::Cleaned),
    ];
    prop_oneof![
        2 => (0..3_usize).prop_map(Op::Store),
        2 => (0..3_usize).prop_map(Op::Enable),
        6 => (0..3_usize, 1..4_i64).prop_map(|(workflow, days)| Op::Trigger(workflow, days)),
        1 => (0..3_usize).prop_map(Op::Delete),
        3 => (1..600_000_i64).prop_map(Op::Wait),
        10 => (any::<usize>(), observed).prop_map(|(effect, what)| Op::Observe(effect, what)),
        1 => Just(Op::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// After every step the store has the scheduler's world, by its rows and by its records. No execution is launched twice in
    /// a process, and each request has its reply.
    #[test]
    fn a_store_has_the_world_of_its_scheduler(ops in proptest::collection::vec(proptest::collection::vec(op(), 0..4), 0..40)) {
        let mut host = Host::new();
        host.step(Vec::new());
        let mut open: Vec<(Done, Effect)> = Vec::new();
        for together in ops {
            let (mut inputs, mut requests) = (Vec::new(), 0);
            for op in together {
                match op {
                    Op::Store(at) => inputs.push(ann().stores(workflow(NAMES[at], ["hours", "days", "* * * * *"][at]))),
                    Op::Enable(at) => inputs.push(ann().enables(&id(NAMES[at]))),
                    Op::Trigger(at, days) => {
                        let day = host.now - TimeDelta::days(days);
                        inputs.push(ann().triggers(&id(NAMES[at]), &day.format("%Y-%m-%dT%H:%M:00Z").to_string()));
                    }
                    Op::Delete(at) => inputs.push(ann().requests(Request::DeleteWorkflow { id: id(NAMES[at]) })),
                    Op::Wait(millis) => {
                        host.now += TimeDelta::milliseconds(millis);
                        continue;
                    }
                    Op::Observe(at, what) => {
                        if !open.is_empty() {
                            let (done, effect) = &open[at % open.len()];
                            inputs.push(done.observed(effect, what));
                        }
                        continue;
                    }
                    Op::Restart => {
                        host.restart();
                        open.clear();
                        continue;
                    }
                }
                requests += 1;
            }
            let done = host.step(inputs);
            prop_assert_eq!(done.replies.len(), requests);
            for effect in done.effects.clone() {
                let again = |(_, before): &(Done, Effect)| {
                    before.kind() == EffectKind::Launch && before.execution() == effect.execution()
                };
                prop_assert!(effect.kind() != EffectKind::Launch || !open.iter().any(again), "launched twice");
                open.push((done.clone(), effect));
            }
        }
        let folded = World::fold(&host.store.records);
        prop_assert_eq!(folded.as_ref(), Ok(host.scheduler.world()));
    }
}

#[test]
fn a_log_begins_with_its_name_whatever_the_first_input_is() {
    let mut host = Host::new();
    assert_eq!(host.step(Vec::new()).replies, []);
    let facts: Vec<_> = host.store.records.iter().map(|record| &record.fact).collect();
    assert!(matches!(facts[..], [Fact::Log(LogEvent::Started { .. }), Fact::Config(ConfigEvent::Set(_))]), "{facts:?}");
}

#[test]
fn nothing_is_decided_on_a_log_without_a_name() {
    let mut scheduler = Scheduler::resume(World::default());
    let (store, now) = (Store::default(), time("2026-03-29T00:00:30Z"));
    let refused = scheduler.step(now, [ann().enables(&id("a"))], &store).expect_err("it has no name");
    assert_eq!(refused, StepError::NotStarted);
    assert_eq!(scheduler.world(), &World::default());
}

#[test]
fn a_step_that_is_dropped_poisons_its_scheduler() {
    let forget: [fn(&mut Scheduler, &Store, DateTime<Utc>); 2] = [
        |scheduler, store, now| drop(scheduler.step(now, [ann().enables(&id("a"))], store).expect("a step")),
        |scheduler, store, now| std::mem::forget(scheduler.finish(now, store).expect("a step")),
    ];
    for forget in forget {
        let mut host = Host::new();
        host.step(Vec::new());
        forget(&mut host.scheduler, &host.store, host.now);
        let input = ann().enables(&id("a"));
        assert_eq!(host.scheduler.take(host.now, &input, &host.store), Err(StepError::Poisoned));
        assert_eq!(host.scheduler.finish(host.now, &host.store).err(), Some(StepError::Poisoned));
        assert_eq!(host.scheduler.step(host.now, [input], &host.store).err(), Some(StepError::Poisoned));
        host.restart();
        host.step(Vec::new());
    }
}

#[test]
fn a_step_that_cannot_read_poisons_its_scheduler_and_the_log_goes_on() {
    let mut host = Host::new();
    host.step(vec![ann().stores(workflow("a", "days"))]);
    let trigger = || vec![ann().triggers(&id("a"), "2026-03-27")];
    host.store.broken = true;
    let refused = host.scheduler.step(host.now, trigger(), &host.store).expect_err("it can't be read");
    assert!(matches!(refused, StepError::Log(LogError::Failed { .. })), "{refused}");
    host.store.broken = false;
    assert_eq!(host.scheduler.step(host.now, trigger(), &host.store).err(), Some(StepError::Poisoned));
    host.restart();
    assert!(matches!(host.step(trigger()).replies[..], [Reply::Triggered { .. }]));
}

/// A store that mixes up its rows would let the counters of a run begin again.
#[test]
fn a_row_of_another_kind_is_damage() {
    struct Mixed(Row);
    impl Rows for Mixed {
        fn row(&self, _: &RowKey) -> Result<Option<Row>, LogError> {
            Ok(Some(self.0.clone()))
        }

        fn record(&self, _: Position) -> Result<Option<Record>, LogError> {
            Ok(None)
        }
    }
    let mut host = Host::new();
    host.step(vec![ann().stores(workflow("a", "days"))]);
    let mixed = Mixed(Row::Config(config().into()));
    let refused = host.scheduler.step(host.now, [ann().triggers(&id("a"), "2026-03-27")], &mixed).err();
    assert!(matches!(refused, Some(StepError::Log(LogError::Corrupt { .. }))), "{refused:?}");
}

/// The counter of a run goes on where that of the instance's last run ended, within a step and across steps.
#[test]
fn a_run_counts_on_from_the_rows_of_finished_ones() {
    let mut host = Host::new();
    let trigger = || ann().triggers(&id("a"), "2026-03-27");
    let halt = || {
        let instance = styx_core::id::InstanceId::new(id("a"), "2026-03-27");
        ann().requests(Request::Halt { instance })
    };
    host.step(vec![ann().stores(workflow("a", "days")), trigger(), halt(), trigger(), halt()]);
    host.step(vec![trigger()]);
    host.restart();
    host.step(vec![halt()]);
    host.step(vec![trigger()]);
    World::fold(&host.store.records).expect("the counters follow each other");
    let counters = host.store.records.iter().filter_map(|record| match &record.fact {
        Fact::Run(_, styx_core::record::RunEvent::Styx { counter, .. }) => Some(counter.0),
        _ => None,
    });
    let counters: Vec<_> = counters.collect();
    assert_eq!(counters, (0..counters.len() as u64).collect::<Vec<_>>());
}

#[test]
fn the_time_of_records_never_goes_back_and_has_whole_milliseconds() {
    let mut host = Host::new();
    host.step(Vec::new());
    let began = host.store.records[0].at;
    host.now = began - TimeDelta::days(1);
    host.step(vec![ann().stores(workflow("a", "days"))]);
    assert_eq!(host.store.records.last().map(|last| (last.at, last.wall_offset)), Some((began, TimeDelta::zero())));
    host.now = began + TimeDelta::nanoseconds(1_999_999);
    let done = host.step(vec![ann().enables(&id("a"))]);
    assert_eq!(host.store.records.last().map(|last| last.at), Some(began + TimeDelta::milliseconds(1)));
    assert!(done.wake.is_some_and(|wake| wake.timestamp_subsec_nanos() % 1_000_000 == 0));
    // A wall clock that was set back is still told from one that went back.
    let set_back = Now { at: host.now, wall: began - TimeDelta::hours(1) };
    let step = host.scheduler.step(set_back, [ann().stores(workflow("b", "days"))], &host.store).expect("a step");
    assert_eq!(step.batch().records[0].now().wall, began - TimeDelta::hours(1));
}

#[test]
fn a_launch_has_the_definition_that_its_own_step_stored() {
    let mut host = Host::new();
    let done = host.step(vec![ann().stores(workflow("a", "days")), ann().triggers(&id("a"), "2026-03-27")]);
    let [Effect::Launch(launch)] = &done.effects[..] else { panic!("{:?}", done.effects) };
    assert_eq!((launch.docker_image.as_str(), &launch.docker_args), ("busybox:1.37", &vec!["2026-03-27".to_owned()]));
}

#[test]
fn a_restart_requests_again_what_the_world_desires() {
    let mut host = Host::new();
    let done = host.step(vec![ann().stores(workflow("a", "days")), ann().triggers(&id("a"), "2026-03-27")]);
    assert_eq!(done.effects.len(), 1);
    assert_eq!(host.step(Vec::new()).effects, [], "it was requested");
    host.restart();
    assert_eq!(host.step(Vec::new()).effects, done.effects, "the definition is in the store");
    let launched = done.observed(&done.effects[0], Observed::Launched);
    host.step(vec![launched]);
    host.restart();
    let adopt: Vec<_> = host.step(Vec::new()).effects.iter().map(Effect::kind).collect();
    assert_eq!(adopt, [EffectKind::Adopt]);
    host.now += TimeDelta::days(1);
    host.settle();
}

#[test]
fn a_refusal_can_be_taken_as_an_error() {
    let mut host = Host::new();
    let mut done = host.step(vec![ann().triggers(&id("a"), "2026-03-27"), ann().stores(workflow("a", "days"))]);
    assert!(matches!(done.replies.pop().map(Reply::accepted), Some(Ok(Reply::Stored(_)))));
    assert_eq!(done.replies.pop().map(Reply::accepted), Some(Err(Refusal::TriggerOfUnknownWorkflow)));
}
