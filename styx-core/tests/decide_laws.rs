//! Laws of fold and decision, on worlds that random requests, observations and the passing of time have made.
#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use styx_core::{
    config::{Backoff, Config, Limit, Rate, Timeouts},
    decide::{Decisions, Draft, Facts, Input, Refusal, Reply, Request, RuntimePatch, Setting, decide, needs},
    event::{Event, Trigger, TriggerParameters},
    executor::{Observation, Observed},
    explain::{Reason, explain, explain_workflow},
    id::{Epoch, ExecutionId, InstanceId, WorkflowId},
    record::{Cause, Fact, IdempotencyKey, Operator, Origin, Record, RunEvent, Runs, StoredWorkflow, WorkflowEvent},
    run::State,
    schedule::Schedule,
    seed::Seed,
    workflow::{FlyteExecConf, FlyteIdentifier, Secret, WorkflowConfiguration},
    world::{Row, RowKey, World},
};
use uuid::Uuid;

/// What happens next; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Op {
    Store { workflow: usize, definition: Definition },
    Load { file: usize, workflows: BTreeMap<usize, (Definition, bool)>, elsewhere: BTreeSet<usize> },
    Patch { workflow: usize, enabled: Option<bool>, instant: Option<i64>, fires_at: Option<i64> },
    Delete { workflow: usize },
    Trigger { workflow: usize, minutes: i64, allow_future: bool },
    Halt { run: usize },
    Retry { run: usize, delay_millis: i64 },
    Configure { max: Option<u32>, catch_up: u32, cost: u32, api: bool },
    Switch { enabled: bool },
    Operate { max: Option<Option<u32>>, rate: Option<Option<u32>>, debug: bool },
    Resource { resource: usize, concurrency: Option<i64> },
    Backfill { workflow: usize, from: i64, partitions: u8, concurrency: u32, reverse: bool },
    EditBackfill { backfill: usize, concurrency: u32 },
    HaltBackfill { backfill: usize, graceful: bool },
    Timeout { run: usize },
    EndExecution { execution: usize },
    Observe { execution: usize, what: Observed },
    Wait { seconds: i64 },
    Due,
}

/// What a workflow is like.
#[derive(Debug, Clone)]
struct Definition {
    schedule: usize,
    offset: usize,
    runs: Runs,
    condition: usize,
    secret: bool,
    resources: BTreeSet<usize>,
}

const CONDITIONS: [Option<&str>; 5] =
    [None, None, Some("#tries < 2"), Some("#exitCode == 1 || #triggerType == 'natural'"), Some("1 / 0 == 1")];
/// The last one never fires.
const SCHEDULES: [&str; 5] = ["*/5 * * * *", "7,37 * * * *", "hours", "days", "0 0 31 2 *"];
const OFFSETS: [Option<&str>; 4] = [None, Some("PT0S"), Some("PT10M"), Some("-PT5M")];

fn observed() -> impl Strategy<Value = Observed> {
    prop_oneof![
        4 => Just(Observed::Launched),
        4 => Just(Observed::Started),
        6 => prop_oneof![Just(Some(0)), Just(Some(1)), Just(Some(20)), Just(Some(50)), Just(None)]
            .prop_map(|code| Observed::Exited { code }),
        2 => (-60..600_i64).prop_map(|after| Observed::Refused {
            retry_at: begin() + TimeDelta::seconds(after),
            reason: "full".into(),
        }),
        1 => Just(Observed::NotLaunchable { reason: "no such program".into() }),
        2 => Just(Observed::Lost { reason: "gone".into() }),
        2 => Just(Observed::NeverStarted),
        3 => Just(Observed::Cleaned),
    ]
}

fn definition() -> impl Strategy<Value = Definition> {
    let runs = prop_oneof![18 => Just(Runs::Image), 1 => Just(Runs::Flyte), 1 => Just(Runs::Nothing)];
    let resources = proptest::collection::btree_set(0..3_usize, 0..3);
    let secret = proptest::bool::weighted(0.1);
    (0..SCHEDULES.len(), 0..4_usize, runs, 0..CONDITIONS.len(), secret, resources).prop_map(
        |(schedule, offset, runs, condition, secret, resources)| Definition {
            schedule,
            offset,
            runs,
            condition,
            secret,
            resources,
        },
    )
}

fn load() -> impl Strategy<Value = Op> {
    let workflows = proptest::collection::btree_map(0..3_usize, (definition(), proptest::bool::weighted(0.8)), 0..3);
    let elsewhere = proptest::collection::btree_set(0..3_usize, 0..2);
    (0..2_usize, workflows, elsewhere).prop_map(|(file, workflows, elsewhere)| Op::Load { file, workflows, elsewhere })
}

fn op() -> impl Strategy<Value = Op> {
    let offset = || proptest::option::of(-90..90_i64);
    prop_oneof![
        2 => (0..3_usize, definition()).prop_map(|(workflow, definition)| Op::Store { workflow, definition }),
        2 => load(),
        3 => (0..3_usize, proptest::option::weighted(0.8, proptest::bool::weighted(0.8)), offset(), offset())
            .prop_map(|(workflow, enabled, instant, fires_at)| Op::Patch { workflow, enabled, instant, fires_at }),
        1 => (0..3_usize).prop_map(|workflow| Op::Delete { workflow }),
        4 => (0..3_usize, -600..60_i64, any::<bool>())
            .prop_map(|(workflow, minutes, allow_future)| Op::Trigger { workflow, minutes, allow_future }),
        2 => any::<usize>().prop_map(|run| Op::Halt { run }),
        2 => (any::<usize>(), -5_000..60_000_i64).prop_map(|(run, delay_millis)| Op::Retry { run, delay_millis }),
        1 => (proptest::option::of(0..4_u32), 0..3_u32, 1..40_u32, any::<bool>())
            .prop_map(|(max, catch_up, cost, api)| Op::Configure { max, catch_up, cost, api }),
        1 => proptest::bool::weighted(0.7).prop_map(|enabled| Op::Switch { enabled }),
        1 => (proptest::option::of(proptest::option::of(0..4_u32)), proptest::option::of(proptest::option::of(1..40_u32)), any::<bool>())
            .prop_map(|(max, rate, debug)| Op::Operate { max, rate, debug }),
        3 => (0..3_usize, proptest::option::weighted(0.9, -1..3_i64))
            .prop_map(|(resource, concurrency)| Op::Resource { resource, concurrency }),
        2 => (0..3_usize, -600..60_i64, 0..9_u8, 0..4_u32, any::<bool>()).prop_map(
            |(workflow, from, partitions, concurrency, reverse)| {
                Op::Backfill { workflow, from, partitions, concurrency, reverse }
            }),
        1 => (any::<usize>(), 0..5_u32)
            .prop_map(|(backfill, concurrency)| Op::EditBackfill { backfill, concurrency }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(backfill, graceful)| Op::HaltBackfill { backfill, graceful }),
        1 => any::<usize>().prop_map(|run| Op::Timeout { run }),
        1 => any::<usize>().prop_map(|execution| Op::EndExecution { execution }),
        14 => (any::<usize>(), observed()).prop_map(|(execution, what)| Op::Observe { execution, what }),
        3 => (1..1_200_i64).prop_map(|seconds| Op::Wait { seconds }),
        6 => Just(Op::Due),
    ]
}

fn launch_plan() -> FlyteExecConf {
    let text = String::new;
    let (resource_type, project, domain, name, version) = (text(), text(), text(), text(), text());
    let reference_id = FlyteIdentifier { resource_type, project, domain, name, version };
    FlyteExecConf { reference_id, input_fields: BTreeMap::new() }
}

fn begin() -> DateTime<Utc> {
    "2024-02-28T22:50:00Z".parse().unwrap()
}

fn config(max: Option<u32>, catch_up: u32, cost: u32, api: bool) -> Config {
    let by_state = [State::Submitting, State::Submitted, State::Running].map(|state| (state, TimeDelta::minutes(4)));
    let mut config = Config {
        max_executions: max,
        catch_up,
        max_cost_tenths: cost,
        missing_dependencies_delay: TimeDelta::seconds(20),
        backoff: Backoff { base: TimeDelta::seconds(2), max_exponent: 2 },
        timeouts: Timeouts { by_state: by_state.into(), ..Timeouts::default() },
        ..Config::default()
    };
    config.executor.runs_api_workflows = api;
    config.executor.mounts_secrets = api;
    config
}

/// A world with its log, as an engine would keep them.
#[derive(Clone, Default)]
struct Host {
    world: World,
    log: Vec<Record>,
    rows: BTreeMap<RowKey, Row>,
    now: DateTime<Utc>,
}

impl Host {
    fn new() -> Self {
        let mut host = Self { now: begin(), ..Self::default() };
        let config = Arc::new(config(Some(2), 2, 30, true));
        host.take(&Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config });
        host
    }

    /// The world that these ops lead to.
    fn after(ops: &[Op]) -> Self {
        let mut host = Self::new();
        ops.iter().for_each(|op| host.run(op));
        host
    }

    fn decide(&self, input: &Input) -> Decisions {
        let keys = needs(&self.world, input, self.now).into_iter();
        let facts: Facts = keys.filter_map(|key| self.rows.get(&key).cloned().map(|row| (key, row))).collect();
        let seed = Seed(self.world.root_seed().unwrap_or_default());
        decide(&self.world, &facts, input, self.now, seed)
    }

    /// Decides and folds: what is drafted must be accepted, and what is said must fit what is drafted.
    fn take(&mut self, input: &Input) {
        let decisions = self.decide(input);
        assert_eq!(decisions, self.decide(input), "deciding twice gives two decisions");
        match &decisions.reply {
            Some(Reply::Done | Reply::Triggered { .. } | Reply::BackfillCreated { .. }) => {
                assert!(!decisions.drafts.is_empty(), "done, and not recorded")
            }
            Some(Reply::Nothing | Reply::Refused(_) | Reply::Repeated { .. }) => {
                assert_eq!(decisions.drafts, [], "recorded, and not done")
            }
            None => {}
        }
        for draft in decisions.drafts {
            let record = draft.into_record(&self.world, self.now, Epoch(1));
            let changes = self.world.apply(&record);
            let changes =
                changes.unwrap_or_else(|refused| panic!("{input:?} drafts what is refused: {refused}: {record:?}"));
            self.rows.extend(changes.into_rows().filter_map(|(key, row)| Some((key, row?))));
            self.log.push(record);
        }
    }

    /// Does all that is due.
    fn settle(&mut self) {
        let mut decisions = 0;
        while self.world.next_due().is_some_and(|due| due <= self.now) {
            let before = self.world.tail();
            self.take(&Input::Due);
            assert!(self.world.tail() > before, "something is due, and nothing follows");
            decisions += 1;
            assert!(decisions < 2_000, "it never comes to an end");
        }
    }

    /// A record that would come next.
    fn record(&self, fact: Fact, cause: Cause) -> Record {
        Draft { fact, cause, idempotency_key: None }.into_record(&self.world, self.now, Epoch(1))
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Wait { seconds } => self.now += TimeDelta::seconds(*seconds),
            Op::Due => self.take(&Input::Due),
            Op::Observe { execution, what } => {
                let execution = self.execution(*execution);
                let (runner, observed_at, evidence) = ("default".into(), Some(self.now), Arc::from(&b"{}"[..]));
                let observation = Observation { execution, runner, what: what.clone(), observed_at, evidence };
                self.take(&Input::Observed(observation));
            }
            op => drop(self.request(op).map(|request| self.ask(request))),
        }
    }

    /// What is asked for, if the op is a request.
    fn request(&self, op: &Op) -> Option<Request> {
        let workflow = |nth: &usize| WorkflowId::new("c", format!("w{nth}"));
        let minutes = |by: &i64| self.now + TimeDelta::minutes(*by);
        Some(match op {
            Op::Wait { .. } | Op::Due | Op::Observe { .. } => return None,
            Op::Store { workflow: id, definition } => {
                Request::StoreWorkflow { id: workflow(id), workflow: definition.stored(*id, Origin::Api) }
            }
            Op::Load { file, workflows, elsewhere } => {
                let path: Arc<str> = format!("{file}/c.yaml").into();
                let origin = |enabled: bool| Origin::File { path: Arc::clone(&path), enabled };
                let workflows = workflows
                    .iter()
                    .map(|(id, (definition, enabled))| (workflow(id), definition.stored(*id, origin(*enabled))));
                let workflows = workflows.collect();
                let elsewhere = elsewhere.iter().map(workflow).collect();
                Request::LoadFile { path, workflows, elsewhere }
            }
            Op::Patch { workflow: id, enabled, instant, fires_at } => Request::PatchWorkflow {
                id: workflow(id),
                enabled: *enabled,
                next_instant: instant.as_ref().map(minutes),
                next_fires_at: fires_at.as_ref().map(minutes),
            },
            Op::Delete { workflow: id } => Request::DeleteWorkflow { id: workflow(id) },
            Op::Trigger { workflow: id, minutes: by, allow_future } => Request::Trigger {
                workflow: workflow(id),
                parameter: minutes(by).format("%Y-%m-%dT%H:%M:%SZ").to_string().into(),
                parameters: TriggerParameters::default(),
                allow_future: *allow_future,
            },
            Op::Halt { run } => Request::Halt { instance: self.instance(*run) },
            Op::Retry { run, delay_millis } => {
                Request::Retry { instance: self.instance(*run), delay_millis: *delay_millis }
            }
            Op::Configure { max, catch_up, cost, api } => {
                Request::Configure(Arc::new(config(*max, *catch_up, *cost, *api)))
            }
            Op::Switch { enabled } => Request::SwitchScheduling { enabled: *enabled },
            Op::Operate { max, rate, debug } => Request::Operate(RuntimePatch {
                max_executions: max
                    .map(|max| max.map_or(Setting::Configured, |max| Setting::Value(Limit::AtMost(max)))),
                dequeue_rate: rate.map(|rate| {
                    let rate = rate.and_then(|rate| Rate::per_second(f64::from(rate) / 10.0));
                    rate.map_or(Setting::Configured, Setting::Value)
                }),
                debug: Some(*debug),
                ..RuntimePatch::default()
            }),
            Op::Resource { resource, concurrency } => {
                let id = resource_id(*resource);
                match *concurrency {
                    Some(concurrency) => Request::SetResource { id, concurrency },
                    None => Request::DeleteResource { id },
                }
            }
            Op::Backfill { workflow: nth, from, partitions, concurrency, reverse } => {
                let id = workflow(nth);
                let known = self.world.workflows().get(&id);
                let schedule = Schedule::parse(known.map_or("hours", |workflow| &workflow.spec.schedule)).unwrap();
                let start = schedule.next(minutes(from)).unwrap_or(self.now);
                let end = (0..*partitions).fold(start, |end, _| schedule.next(end).unwrap_or(end));
                Request::CreateBackfill {
                    workflow: id,
                    start,
                    end,
                    concurrency: *concurrency,
                    reverse: *reverse,
                    description: None,
                    parameters: None,
                    allow_future: true,
                }
            }
            Op::EditBackfill { backfill, concurrency } => Request::EditBackfill {
                id: self.backfill(*backfill),
                concurrency: Some(*concurrency),
                description: None,
            },
            Op::HaltBackfill { backfill, graceful } => {
                Request::HaltBackfill { id: self.backfill(*backfill), graceful: *graceful }
            }
            Op::Timeout { run } => Request::Timeout { instance: self.instance(*run) },
            Op::EndExecution { execution } => Request::EndExecution { execution: self.execution(*execution) },
        })
    }

    fn ask(&mut self, request: Request) -> Reply {
        let operator = Operator { actor: "a".into(), request_id: "r".into(), request: "{}".into() };
        let input = Input::Asked(request, Arc::new(operator));
        let reply = self.decide(&input).reply.expect("who asks is answered");
        self.take(&input);
        reply
    }

    fn execution(&self, execution: usize) -> ExecutionId {
        let unknown = || ExecutionId::from_uuid(Uuid::from_u128(9));
        nth(self.world.executions().keys(), execution).unwrap_or_else(unknown)
    }

    fn backfill(&self, backfill: usize) -> Arc<str> {
        nth(self.world.backfills().keys(), backfill).unwrap_or_else(|| "backfill-0".into())
    }

    fn instance(&self, run: usize) -> InstanceId {
        let unknown = || InstanceId::new(WorkflowId::new("c", "w0"), "2024-02-28T00:00:00Z");
        nth(self.world.runs().keys(), run).unwrap_or_else(unknown)
    }
}

impl Definition {
    fn stored(&self, id: usize, origin: Origin) -> Arc<StoredWorkflow> {
        let mut configuration = WorkflowConfiguration::new(format!("w{id}"), SCHEDULES[self.schedule]);
        configuration.offset = OFFSETS[self.offset].map(Into::into);
        configuration.docker_image = (self.runs == Runs::Image).then(|| "busybox".to_owned());
        configuration.flyte_exec_conf = (self.runs == Runs::Flyte).then(launch_plan);
        configuration.retry_condition = CONDITIONS[self.condition].map(Into::into);
        configuration.resources = self.resources.iter().map(|nth| resource_id(*nth).to_string()).collect();
        configuration.secret = self.secret.then(|| Secret { name: "s".into(), mount_path: "/s".into() });
        Arc::new(StoredWorkflow::new(&configuration, origin))
    }
}

fn resource_id(nth: usize) -> Arc<str> {
    format!("r{nth}").into()
}

fn nth<'a, T: Clone + 'a>(mut all: impl ExactSizeIterator<Item = &'a T>, chosen: usize) -> Option<T> {
    let count = all.len();
    (count > 0).then(|| all.nth(chosen % count).cloned()).flatten()
}

fn fold<'a>(mut world: World, records: impl IntoIterator<Item = &'a Record>) -> World {
    for record in records {
        world.apply(record).unwrap_or_else(|refused| panic!("{refused}: {record:?}"));
    }
    world
}

/// Whether the drafts take the run out of the queue: to an execution, or to its end.
fn moves(decisions: &Decisions, instance: &InstanceId) -> bool {
    decisions.drafts.iter().any(|draft| match &draft.fact {
        Fact::Run(id, RunEvent::Styx { event, .. }) => {
            id == instance && matches!(event, Event::Dequeue { .. } | Event::Halt { .. })
        }
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, failure_persistence: None, ..ProptestConfig::default() })]

    /// Asserted in [`Host::take`] for every decision on the way.
    #[test]
    fn what_is_decided_is_accepted_and_decided_the_same_again(ops in proptest::collection::vec(op(), 0..120)) {
        let host = Host::after(&ops);
        prop_assert_eq!(host.world.tail().0, host.log.len() as u64);
    }

    #[test]
    fn due_comes_to_an_end(ops in proptest::collection::vec(op(), 0..80)) {
        let mut host = Host::after(&ops);
        host.settle();
        prop_assert_eq!(host.decide(&Input::Due).drafts, []);
    }

    #[test]
    fn a_prefix_and_the_rest_fold_to_the_whole(ops in proptest::collection::vec(op(), 0..80), cut in any::<usize>()) {
        let host = Host::after(&ops);
        let (prefix, rest) = host.log.split_at(cut % (host.log.len() + 1));
        let part = fold(World::default(), prefix);
        let back = World::from_rows(part.rows());
        prop_assert_eq!(back.as_ref(), Ok(&part));
        prop_assert_eq!(&fold(part, rest), &host.world);
        prop_assert_eq!(World::from_rows(host.world.rows()), Ok(host.world));
    }

    /// Only the keys that a record names have another row after it.
    #[test]
    fn what_changed_is_named(ops in proptest::collection::vec(op(), 0..50)) {
        let mut world = World::default();
        for record in &Host::after(&ops).log {
            let before: BTreeMap<_, _> = world.rows().collect();
            let changes = world.apply(record).unwrap();
            let after: BTreeMap<_, _> = world.rows().collect();
            for key in before.keys().chain(after.keys()) {
                let same = before.get(key) == after.get(key);
                prop_assert!(same || changes.dirty.contains(key), "{key:?} changed by {record:?}");
            }
        }
    }

    /// A file that was loaded is what the world says of it, and loading it again changes nothing.
    #[test]
    fn a_file_is_taken_over_whole_or_not_at_all(ops in proptest::collection::vec(op(), 0..60), load in load()) {
        let mut host = Host::after(&ops);
        let Some(Request::LoadFile { path, workflows, elsewhere }) = host.request(&load) else { unreachable!() };
        let before = host.world.clone();
        let held: BTreeSet<_> = before.index().of_file(&path).cloned().collect();
        let request = Request::LoadFile { path: Arc::clone(&path), workflows: Arc::clone(&workflows), elsewhere: Arc::clone(&elsewhere) };
        let never = workflows.iter().any(|(_, stored)| *stored.spec.schedule == *SCHEDULES[4]);
        match host.ask(request.clone()) {
            Reply::Refused(refusal) => {
                prop_assert!(never, "{}", refusal);
                prop_assert_eq!(&host.world, &before);
            }
            _ => {
                prop_assert!(!never);
                let defined: BTreeSet<_> = workflows.iter().map(|(id, _)| id.clone()).collect();
                let left = held.iter().filter(|id| elsewhere.contains(id)).cloned();
                let expected: BTreeSet<_> = defined.iter().cloned().chain(left).collect();
                prop_assert_eq!(host.world.index().of_file(&path).cloned().collect::<BTreeSet<_>>(), expected.clone());
                for (id, stored) in workflows.iter() {
                    prop_assert_eq!(&host.world.workflows()[id].spec, &stored.spec);
                }
                for id in held.difference(&expected) {
                    let workflow = &host.world.workflows()[id];
                    prop_assert_eq!(&workflow.spec.origin, &Origin::RemovedFile { path: Arc::clone(&path) });
                    prop_assert!(!workflow.enabled);
                }
                for (id, workflow) in before.workflows().iter().filter(|(id, _)| !defined.contains(id) && !held.contains(id)) {
                    prop_assert_eq!(&host.world.workflows()[id], workflow, "{} is no affair of the file", id);
                }
                prop_assert_eq!(host.ask(request), Reply::Nothing);
            }
        }
    }

    /// What a file defines, the API neither changes nor deletes; its switch stays the operator's.
    #[test]
    fn what_a_file_defines_is_the_files(ops in proptest::collection::vec(op(), 0..60)) {
        let mut host = Host::after(&ops);
        for (id, workflow) in host.world.workflows().clone() {
            let definition = Definition { schedule: 0, offset: 0, runs: Runs::Image, condition: 0, secret: false, resources: BTreeSet::new() };
            let definition = definition.stored(0, Origin::Api);
            let refused = workflow.file().map(|path| Reply::Refused(Refusal::OwnedByFile { path: Arc::clone(path) }));
            let owned = refused.is_some();
            let stored = host.ask(Request::StoreWorkflow { id: id.clone(), workflow: definition });
            prop_assert_eq!(matches!(stored, Reply::Refused(_)), owned);
            let deleted = host.ask(Request::DeleteWorkflow { id: id.clone() });
            prop_assert_eq!(deleted, refused.unwrap_or(Reply::Done));
            let (next_instant, next_fires_at) = (None, None);
            let switch = Request::PatchWorkflow { id, enabled: Some(false), next_instant, next_fires_at };
            prop_assert_eq!(matches!(host.ask(switch), Reply::Refused(_)), !owned);
        }
    }

    #[test]
    fn a_refused_record_changes_nothing(
        ops in proptest::collection::vec(op(), 0..60),
        others in proptest::collection::vec(op(), 0..60),
        late in any::<bool>(),
    ) {
        let (host, other) = (Host::after(&ops), Host::after(&others));
        // Facts of another history, and records of this one out of their place.
        let foreign = other.log.iter().map(|record| host.record(record.fact.clone(), Cause::Engine));
        for mut record in foreign.chain(host.log.iter().cloned()) {
            if late {
                record.at = begin() - TimeDelta::hours(1);
            }
            let mut world = host.world.clone();
            if world.apply(&record).is_err() {
                prop_assert_eq!(&world, &host.world, "{:?} was refused and changed something", record);
            } else {
                prop_assert_eq!(World::from_rows(world.rows()), Ok(world));
            }
        }
    }

    #[test]
    fn explain_never_says_that_a_run_waits_which_starts(ops in proptest::collection::vec(op(), 0..80)) {
        let host = Host::after(&ops);
        let decisions = host.decide(&Input::Due);
        for instance in host.world.runs().keys() {
            let reasons = explain(&host.world, instance, host.now).unwrap();
            let waits = reasons.iter().any(|reason| !matches!(reason, Reason::Next | Reason::Halting { .. }));
            prop_assert!(!(waits && moves(&decisions, instance)), "{instance} starts, and waits for {reasons:?}");
        }
    }

    #[test]
    fn explain_never_says_that_a_run_is_next_when_nothing_is_due(ops in proptest::collection::vec(op(), 0..80)) {
        let mut host = Host::after(&ops);
        host.settle();
        for instance in host.world.runs().keys() {
            let reasons = explain(&host.world, instance, host.now).unwrap();
            let is_next = reasons.iter().any(|reason| matches!(reason, Reason::Next | Reason::Halting { .. }));
            prop_assert!(!is_next, "{instance} is next, and nothing is due");
        }
    }

    /// Units are held by what lives, never beyond the limit that counted when they were taken, and the waiting are told.
    #[test]
    fn resources_hold(ops in proptest::collection::vec(op(), 0..120)) {
        let host = Host::after(&ops);
        let mut world = World::default();
        for record in &host.log {
            let units = |world: &World, id: &str| {
                let living = world.executions().values().filter(|execution| execution.is_alive());
                let prepared = world.runs().values().filter(|run| run.state == State::Prepare).filter_map(|run| run.resources.as_ref());
                let held = living.map(|execution| &execution.resources).chain(prepared);
                held.filter(|held| held.iter().any(|held| **held == *id)).count() as u64
            };
            world.apply(record).unwrap();
            for nth in 0..3 {
                let id = resource_id(nth);
                prop_assert_eq!(world.index().queue().used(&id), units(&world, &id), "{} after {:?}", id, record);
            }
            if let Fact::Run(instance, RunEvent::Styx { event: Event::Dequeue { resources }, .. }) = &record.fact {
                for id in resources.iter().filter(|id| ***id != *"GLOBAL_STYX_CLUSTER") {
                    let limit = world.resources().get(id).map_or(0, |resource| resource.concurrency);
                    prop_assert!(units(&world, id) as i64 <= limit, "{} went on with {} of {}", instance, limit, id);
                }
            }
        }
    }

    /// When nothing is due, no run waits that could go on, and of a workflow the smaller partition went first.
    #[test]
    fn no_run_waits_that_could_go_on(ops in proptest::collection::vec(op(), 0..120)) {
        let mut host = Host::after(&ops);
        host.settle();
        let world = &host.world;
        let config = world.config();
        let paced = world.rate_allows_at().is_some_and(|at| at > host.now);
        let closed = !config.scheduling || world.index().free_slots(config) == 0 || paced;
        for (instance, run) in world.runs().iter().filter(|(_, run)| run.state == State::Queued) {
            let is_ready = run.eligible_at.unwrap_or(run.since) <= host.now && world.index().living(instance).is_none();
            let needed = world.workflows().get(instance.workflow()).map(|workflow| workflow.spec.resources.clone());
            let has_units = needed.unwrap_or_default().iter().all(|id| world.index().queue().free(id) > Some(0));
            prop_assert!(!is_ready || closed || !has_units, "{} could go on", instance);
        }
    }

    /// A backfill triggers each of its partitions at most once, in order, never more at a time than it may.
    #[test]
    fn backfills_go_on_in_order(ops in proptest::collection::vec(op(), 0..120)) {
        let mut host = Host::after(&ops);
        host.settle();
        let mut world = World::default();
        let mut triggered: BTreeMap<Arc<str>, Vec<InstanceId>> = BTreeMap::new();
        for record in &host.log {
            world.apply(record).unwrap();
            if let Fact::Run(id, RunEvent::Styx { event: Event::TriggerExecution { trigger: Trigger::Backfill(backfill), .. }, .. }) = &record.fact {
                triggered.entry(Arc::clone(backfill)).or_default().push(id.clone());
                let active = world.index().runs_of_backfill(backfill).len();
                prop_assert!(active <= world.backfills()[backfill].concurrency as usize, "{} has {}", backfill, active);
            }
        }
        for (id, backfill) in world.backfills() {
            let schedule = Schedule::parse(&backfill.spec.schedule).unwrap();
            let mut range: Vec<_> = schedule.range(backfill.spec.start, backfill.spec.end).unwrap().collect();
            if backfill.spec.reverse {
                range.reverse();
            }
            let parameters: Vec<String> = range.iter().map(|at| schedule.parameter(*at)).collect();
            let mut expected = parameters.iter();
            let in_order = triggered.get(id).into_iter().flatten().all(|run| expected.any(|next| next == run.parameter()));
            prop_assert!(in_order, "{} out of order: {:?}", id, triggered.get(id));
            let is_done = !range.contains(&backfill.next);
            prop_assert_eq!(backfill.all_triggered, is_done, "{}", id);
            let may = backfill.is_open() && world.config().scheduling;
            let active = world.index().runs_of_backfill(id).len();
            prop_assert!(!may || active >= backfill.concurrency as usize, "{} could go on", id);
        }
    }

    /// A request with a key is done once; the same key again finds what followed.
    #[test]
    fn a_key_is_used_once(ops in proptest::collection::vec(op(), 0..40), asked in op(), later in proptest::collection::vec(op(), 0..20)) {
        let mut host = Host::after(&ops);
        let Some(request) = host.request(&asked) else { return Ok(()) };
        let operator = Arc::new(Operator { actor: "a".into(), request_id: "r".into(), request: "{}".into() });
        let key = IdempotencyKey { key: "key".into(), digest: Uuid::from_u128(7) };
        let other = IdempotencyKey { key: "key".into(), digest: Uuid::from_u128(8) };
        let other = Input::AskedOnce(request.clone(), Arc::clone(&operator), other);
        let input = Input::AskedOnce(request, operator, key);
        let before = host.log.len();
        host.take(&input);
        let Some(first) = host.log.get(before).map(|record| record.position) else { return Ok(()) };
        later.iter().for_each(|op| host.run(op));
        prop_assert_eq!(host.decide(&input).reply, Some(Reply::Repeated { by: first }));
        prop_assert_eq!(host.decide(&input).drafts, []);
        prop_assert_eq!(host.decide(&other).reply, Some(Reply::Refused(Refusal::KeyOfAnother)));
        prop_assert_eq!(host.decide(&other).drafts, []);
    }

    #[test]
    fn explain_says_why_a_workflow_does_not_fire(ops in proptest::collection::vec(op(), 0..80)) {
        let mut host = Host::after(&ops);
        // Other things that are due come first.
        let is_move = |draft: &Draft| matches!(draft.fact, Fact::Workflow(_, WorkflowEvent::CursorMoved { .. }));
        let mut decisions = host.decide(&Input::Due);
        while decisions.again && !decisions.drafts.iter().any(is_move) {
            host.take(&Input::Due);
            decisions = host.decide(&Input::Due);
        }
        for id in host.world.workflows().keys() {
            let mut reasons = explain_workflow(&host.world, id).unwrap();
            // Its instants come and go all the same.
            reasons.retain(|reason| !matches!(reason, Reason::Skipped { .. } | Reason::Halted { .. }));
            let due = matches!(&reasons[..], [Reason::NextTrigger { at }] if *at <= host.now);
            let fires = decisions.drafts.iter().any(|draft| {
                matches!(&draft.fact, Fact::Workflow(moved, WorkflowEvent::CursorMoved { .. }) if moved == id)
            });
            prop_assert_eq!(due, fires, "{} is explained by {:?}", id, reasons);
        }
    }
}
