//! Worlds that random requests, observations and the passing of time have made.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use styx_core::{
    config::{Backoff, Config, Limit, Rate, Timeouts},
    decide::{Decisions, Draft, Input, Reply, Request, RuntimePatch, Setting},
    event::TriggerParameters,
    executor::{Observation, Observed},
    extensions::Extensions,
    id::{Epoch, ExecutionId, InstanceId, WorkflowId},
    record::{Cause, Fact, Operator, Origin, Record, Runs, StoredWorkflow},
    run::State,
    schedule::Schedule,
    scheduler::propose,
    workflow::{FlyteExecConf, FlyteIdentifier, Secret, WorkflowConfiguration},
    world::{Row, RowKey, World},
};
use uuid::Uuid;

/// What happens next; numbers choose among what there is.
#[derive(Debug, Clone)]
pub(crate) enum Op {
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
pub(crate) struct Definition {
    pub(crate) schedule: usize,
    pub(crate) offset: usize,
    pub(crate) runs: Runs,
    pub(crate) condition: usize,
    pub(crate) secret: bool,
    pub(crate) resources: BTreeSet<usize>,
}

pub(crate) const CONDITIONS: [Option<&str>; 5] =
    [None, None, Some("#tries < 2"), Some("#exitCode == 1 || #triggerType == 'natural'"), Some("1 / 0 == 1")];
/// The last one never fires.
pub(crate) const SCHEDULES: [&str; 5] = ["*/5 * * * *", "7,37 * * * *", "hours", "days", "0 0 31 2 *"];
pub(crate) const OFFSETS: [Option<&str>; 4] = [None, Some("PT0S"), Some("PT10M"), Some("-PT5M")];

pub(crate) fn observed() -> impl Strategy<Value = Observed> {
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

pub(crate) fn definition() -> impl Strategy<Value = Definition> {
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

pub(crate) fn load() -> impl Strategy<Value = Op> {
    let workflows = proptest::collection::btree_map(0..3_usize, (definition(), proptest::bool::weighted(0.8)), 0..3);
    let elsewhere = proptest::collection::btree_set(0..3_usize, 0..2);
    (0..2_usize, workflows, elsewhere).prop_map(|(file, workflows, elsewhere)| Op::Load { file, workflows, elsewhere })
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
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

pub(crate) fn launch_plan() -> FlyteExecConf {
    let text = String::new;
    let (resource_type, project, domain, name, version) = (text(), text(), text(), text(), text());
    let reference_id = FlyteIdentifier { resource_type, project, domain, name, version };
    FlyteExecConf { reference_id, input_fields: BTreeMap::new() }
}

pub(crate) fn begin() -> DateTime<Utc> {
    "2024-02-28T22:50:00Z".parse().unwrap()
}

pub(crate) fn config(max: Option<u32>, catch_up: u32, cost: u32, api: bool) -> Config {
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

pub(crate) fn observation(execution: ExecutionId, what: Observed, at: DateTime<Utc>) -> Observation {
    Observation {
        execution,
        runner: "default".into(),
        what,
        observed_at: Some(at),
        evidence: Arc::from(&b"{}"[..]),
        extensions: Extensions::default(),
    }
}

/// A world with its log, as an engine would keep them.
#[derive(Clone, Default)]
pub(crate) struct Host {
    pub(crate) world: World,
    pub(crate) log: Vec<Record>,
    pub(crate) rows: BTreeMap<RowKey, Row>,
    /// What has changed since somebody took it.
    pub(crate) dirty: BTreeSet<RowKey>,
    pub(crate) now: DateTime<Utc>,
}

impl Host {
    pub(crate) fn new() -> Self {
        let mut host = Self { now: begin(), ..Self::default() };
        let config = Arc::new(config(Some(2), 2, 30, true));
        host.take(&Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config });
        host
    }

    /// The world that these ops lead to.
    pub(crate) fn after(ops: &[Op]) -> Self {
        let mut host = Self::new();
        ops.iter().for_each(|op| host.run(op));
        host
    }

    pub(crate) fn decide(&self, input: &Input) -> Decisions {
        propose(&self.world, &self.rows, input, self.now).expect("the rows are in memory")
    }

    /// Decides and folds: what is drafted must be accepted, and what is said must fit what is drafted.
    pub(crate) fn take(&mut self, input: &Input) {
        let decisions = self.decide(input);
        assert_eq!(decisions, self.decide(input), "deciding twice gives two decisions");
        match &decisions.reply {
            Some(Reply::Done | Reply::Stored(_) | Reply::Triggered { .. } | Reply::BackfillCreated { .. }) => {
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
            let mut changes =
                changes.unwrap_or_else(|refused| panic!("{input:?} drafts what is refused: {refused}: {record:?}"));
            self.dirty.extend(std::mem::take(&mut changes.dirty));
            self.rows.extend(changes.into_rows().filter_map(|(key, row)| Some((key, row?))));
            self.log.push(record);
        }
    }

    /// Does all that is due.
    pub(crate) fn settle(&mut self) {
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
    pub(crate) fn record(&self, fact: Fact, cause: Cause) -> Record {
        Draft { fact, cause, idempotency_key: None }.into_record(&self.world, self.now, Epoch(1))
    }

    pub(crate) fn run(&mut self, op: &Op) {
        match op {
            Op::Wait { seconds } => self.now += TimeDelta::seconds(*seconds),
            Op::Due => self.take(&Input::Due),
            Op::Observe { execution, what } => {
                let execution = self.execution(*execution);
                let observation = observation(execution, what.clone(), self.now);
                self.take(&Input::Observed(observation));
            }
            op => drop(self.request(op).map(|request| self.ask(request))),
        }
    }

    /// What is asked for, if the op is a request.
    pub(crate) fn request(&self, op: &Op) -> Option<Request> {
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

    pub(crate) fn ask(&mut self, request: Request) -> Reply {
        let operator = Operator { actor: "a".into(), request_id: "r".into(), request: "{}".into() };
        let input = Input::Asked(request, Arc::new(operator));
        let reply = self.decide(&input).reply.expect("who asks is answered");
        self.take(&input);
        reply
    }

    pub(crate) fn execution(&self, execution: usize) -> ExecutionId {
        let unknown = || ExecutionId::from_uuid(Uuid::from_u128(9));
        nth(self.world.executions().keys(), execution).unwrap_or_else(unknown)
    }

    pub(crate) fn backfill(&self, backfill: usize) -> Arc<str> {
        nth(self.world.backfills().keys(), backfill).unwrap_or_else(|| "backfill-0".into())
    }

    pub(crate) fn instance(&self, run: usize) -> InstanceId {
        let unknown = || InstanceId::new(WorkflowId::new("c", "w0"), "2024-02-28T00:00:00Z");
        nth(self.world.runs().keys(), run).unwrap_or_else(unknown)
    }
}

impl Definition {
    pub(crate) fn stored(&self, id: usize, origin: Origin) -> Arc<StoredWorkflow> {
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

pub(crate) fn resource_id(nth: usize) -> Arc<str> {
    format!("r{nth}").into()
}

pub(crate) fn nth<'a, T: Clone + 'a>(mut all: impl ExactSizeIterator<Item = &'a T>, chosen: usize) -> Option<T> {
    let count = all.len();
    (count > 0).then(|| all.nth(chosen % count).cloned()).flatten()
}
