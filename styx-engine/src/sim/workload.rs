//! What operators ask for, drawn from the seed: workflows that come, change and go, triggers, halts, retries, settings.

mod backfills;
mod limits;

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::{Backoff, Config, ExecutorCapabilities, FailureLimit, Rate, Runtime, Timeouts},
    decide::Request,
    event::TriggerParameters,
    id::{Counter, InstanceId, WorkflowId},
    record::{Origin, StoredWorkflow},
    run::State,
    workflow::{FlyteExecConf, FlyteIdentifier, Secret, Span, WorkflowConfiguration},
    world::{Workflow, World},
};

use super::{
    calendar::{OFFSETS, TIMETABLES, Timetable},
    conditions::CONDITIONS,
    random::Random,
};

/// The one file of the workflow folder.
const FILE: &str = "sim.yaml";

/// A request, and the key under which it is to be done once.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) request: Request,
    pub(super) key: Option<Arc<str>>,
}

impl From<Request> for Asking {
    fn from(request: Request) -> Self {
        Self { request, key: None }
    }
}

/// Draws requests.
pub(super) struct Workload {
    random: Random,
    ids: Vec<WorkflowId>,
    /// What was asked for with a key.
    keyed: Vec<Asking>,
}

impl Workload {
    pub(super) fn new(mut random: Random) -> Self {
        let count = random.between(2, 4);
        let ids = (0..count).map(|n| WorkflowId::new("sim", format!("w{n}"))).collect();
        Self { random, ids, keyed: Vec::new() }
    }

    /// A configuration to begin with.
    pub(super) fn config(&mut self) -> Config {
        let random = &mut self.random;
        let by_state = BTreeMap::from([
            (State::Submitting, random.seconds(30, 400)),
            (State::Submitted, random.seconds(20, 300)),
            (State::Running, random.seconds(60, 900)),
        ]);
        let executor = ExecutorCapabilities {
            runs_api_workflows: random.chance(85),
            mounts_secrets: random.chance(50),
            ..Config::default().executor
        };
        Config {
            scheduling: true,
            max_executions: *random.pick(&[None, None, Some(1), Some(2), Some(3), Some(5)]),
            dequeue_rate: *random.pick(&[None, Some(Rate::DEFAULT), Rate::per_second(2.0), Rate::per_second(0.1)]),
            runtime: Runtime::default(),
            catch_up: *random.pick(&[0, 1, 2, 3, 10]),
            max_cost_tenths: *random.pick(&[10, 20, 30, 35]),
            missing_dependencies_delay: random.seconds(1, 120),
            backoff: Backoff { base: random.millis(100, 20_000), max_exponent: random.between(0, 3) as u32 },
            infrastructure_backoff: Backoff { base: random.millis(100, 5_000), max_exponent: 2 },
            infrastructure_limit: FailureLimit { count: 2, span: TimeDelta::minutes(10) },
            timeouts: Timeouts { by_state, max_running: Some(TimeDelta::minutes(20)), ..Timeouts::default() },
            executor,
            ..Config::default()
        }
    }

    /// Workflows to begin with: stored, and most of them enabled.
    pub(super) fn first(&mut self) -> Vec<Request> {
        let mut requests = self.first_resources();
        for id in self.ids.clone() {
            requests.push(self.store(id.clone()));
            if self.random.chance(80) {
                requests.push(enable(id, true));
            }
        }
        if self.random.chance(40) {
            requests.push(self.load_file());
        }
        requests
    }

    /// What is asked for next: something new, or what was asked for before with its key. `wall` is what the operator's
    /// clock shows.
    pub(super) fn next(&mut self, world: &World, wall: DateTime<Utc>) -> Vec<Asking> {
        if !self.keyed.is_empty() && self.random.chance(7) {
            let before = self.random.pick(&self.keyed).clone();
            let request = if self.random.chance(20) { self.request(world, wall) } else { before.request };
            return vec![Asking { request, key: before.key }];
        }
        let mut asking = Asking::from(self.request(world, wall));
        if self.random.chance(25) {
            asking.key = Some(format!("key-{}", self.keyed.len()).into());
            self.keyed.push(asking.clone());
        }
        let count = if asking.key.is_some() && self.random.chance(10) { 2 } else { 1 };
        vec![asking; count]
    }

    /// What is asked for when nothing new is to begin, and nothing may wait for ever.
    pub(super) fn last(&mut self, world: &World, wall: DateTime<Utc>) -> Vec<Request> {
        let mut requests = Vec::new();
        for id in world.workflows().keys().cloned() {
            requests.push(match self.random.below(4) {
                0 => enable(id, false),
                1 => take_away(world, id),
                _ => postpone(id, wall + TimeDelta::days(3_650)),
            });
        }
        requests.extend(self.let_go(world));
        requests.extend(self.finish_backfills(world));
        requests
    }

    fn request(&mut self, world: &World, wall: DateTime<Utc>) -> Request {
        let id = self.random.pick(&self.ids).clone();
        let to_active = match self.random.below(145) {
            0..26 => return self.trigger(world, id, wall),
            26..40 => self.active(world).map(|instance| Request::Halt { instance }),
            40..52 => self.retry(world),
            52..62 => None,
            62..67 => return enable(id, false),
            67..72 => return self.store(id),
            72..75 => return self.load_file(),
            75..79 => return Request::DeleteWorkflow { id },
            79..87 => return self.move_cursor(world, id, wall),
            87..92 => return Request::Configure(Arc::new(self.config())),
            92..93 => return Request::Configure(Arc::new(Config { max_executions: Some(0), ..self.config() })),
            93..100 => return Request::SwitchScheduling { enabled: self.random.chance(65) },
            100..109 => return self.set_resource(),
            109..112 => return self.delete_resource(),
            112..118 => return self.operate(),
            118..126 => return self.create_backfill(world, id, wall),
            126..129 => self.edit_backfill(world),
            129..133 => self.halt_backfill(world),
            133..136 => self.active(world).map(|instance| Request::Timeout { instance }),
            136..138 => self.end_execution(world),
            _ => self.expecting(world),
        };
        to_active.unwrap_or_else(|| enable(id, true))
    }

    fn retry(&mut self, world: &World) -> Option<Request> {
        let instance = self.active(world)?;
        Some(Request::Retry { instance, delay_millis: *self.random.pick(&[-5_000, 0, 1_000, 60_000]) })
    }

    fn end_execution(&mut self, world: &World) -> Option<Request> {
        let nth = self.random.below(world.executions().len());
        let execution = world.executions().keys().nth(nth).cloned()?;
        Some(Request::EndExecution { execution })
    }

    /// Something that is done only if the instance has the counter that was seen, which may be an old one.
    fn expecting(&mut self, world: &World) -> Option<Request> {
        let instance = self.active(world)?;
        let seen = world.runs().get(&instance).and_then(|run| run.counter);
        let counter = match self.random.below(10) {
            0..6 => seen,
            6..9 => seen.and_then(|counter| counter.0.checked_sub(1)).map(Counter),
            _ => None,
        };
        let request = match self.random.below(3) {
            0 => Request::Halt { instance: instance.clone() },
            1 => Request::Retry { instance: instance.clone(), delay_millis: 0 },
            _ => Request::Timeout { instance: instance.clone() },
        };
        Some(Request::Expecting { instance, counter, request: Box::new(request) })
    }

    fn active(&mut self, world: &World) -> Option<InstanceId> {
        let nth = self.random.below(world.runs().len());
        world.runs().keys().nth(nth).cloned()
    }

    fn store(&mut self, id: WorkflowId) -> Request {
        let workflow = self.workflow(&id, Origin::Api);
        Request::StoreWorkflow { id, workflow }
    }

    /// A file that defines some of the workflows, or none any more.
    fn load_file(&mut self) -> Request {
        let mut workflows = Vec::new();
        for id in self.ids.clone() {
            if self.random.chance(40) {
                let origin = Origin::File { path: FILE.into(), enabled: self.random.chance(70) };
                let workflow = self.workflow(&id, origin);
                workflows.push((id, workflow));
            }
        }
        Request::LoadFile { path: FILE.into(), workflows: workflows.into(), elsewhere: Arc::default() }
    }

    fn workflow(&mut self, id: &WorkflowId, origin: Origin) -> Arc<StoredWorkflow> {
        let random = &mut self.random;
        let table = random.pick(TIMETABLES);
        let (offset, _) = *random.pick(OFFSETS);
        let mut configuration = WorkflowConfiguration::new(id.workflow(), table.schedule);
        configuration.offset = offset.map(str::to_owned);
        match random.below(100) {
            0..8 => {}
            8..13 => configuration.flyte_exec_conf = Some(launch_plan()),
            _ => configuration.docker_image = Some("busybox".to_owned()),
        }
        configuration.resources = limits::needed(random);
        configuration.retry_condition = random.chance(40).then(|| random.pick(CONDITIONS).0.to_owned());
        configuration.secret = random.chance(5).then(|| Secret { name: "key".into(), mount_path: "/key".into() });
        configuration.docker_args = Some(vec!["run".to_owned(), "{}".to_owned(), random.below(3).to_string()]);
        configuration.running_timeout = random.chance(30).then(|| Span::from_seconds(random.between(30, 600)));
        Arc::new(StoredWorkflow::new(&configuration, origin))
    }

    fn trigger(&mut self, world: &World, id: WorkflowId, wall: DateTime<Utc>) -> Request {
        let partition = if self.random.chance(15) { self.next_partition(world, &id) } else { None };
        let random = &mut self.random;
        let cursor = world.workflows().get(&id).and_then(|workflow| workflow.cursor);
        let recent = wall - random.seconds(0, 7_200);
        let (parameter, allow_future) = match (random.below(100), cursor) {
            // Just the instant that its schedule fires next.
            (0..40, Some(cursor)) => (cursor.instant.format("%Y-%m-%dT%H:%M:%SZ").to_string(), random.chance(80)),
            (0..85, _) => (recent.format("%Y-%m-%dT%H:%M:%S").to_string(), false),
            (85..95, _) => ((wall + TimeDelta::days(3)).format("%Y-%m-%d").to_string(), random.chance(50)),
            _ => ("tomorrow".to_owned(), false),
        };
        let parameter = partition.unwrap_or(parameter);
        let parameters = TriggerParameters::default();
        Request::Trigger { workflow: id, parameter: parameter.into(), parameters, allow_future }
    }

    /// Mostly back from what fires about now, so that instants that have fired come again.
    fn move_cursor(&mut self, world: &World, id: WorkflowId, wall: DateTime<Utc>) -> Request {
        let spec = world.workflows().get(&id).map(|workflow| &workflow.spec);
        let table = spec.and_then(|spec| Some((Timetable::of(&spec.schedule)?, spec.offset.as_deref())));
        let back = self.random.seconds(-600, 5_400);
        let instant =
            table.map_or(wall - back, |(table, offset)| table.at_or_before(table.offset(offset).before(wall) - back));
        let fires_at = self.random.chance(50).then(|| wall + self.random.seconds(-600, 120));
        Request::PatchWorkflow { id, enabled: None, next_instant: Some(instant), next_fires_at: fires_at }
    }
}

fn launch_plan() -> FlyteExecConf {
    let reference_id = FlyteIdentifier {
        resource_type: "LAUNCH_PLAN".to_owned(),
        project: "sim".to_owned(),
        domain: "production".to_owned(),
        name: "plan".to_owned(),
        version: "1".to_owned(),
    };
    FlyteExecConf { reference_id, input_fields: BTreeMap::new() }
}

/// Takes a workflow away, as it came.
fn take_away(world: &World, id: WorkflowId) -> Request {
    match world.workflows().get(&id).and_then(Workflow::file).cloned() {
        Some(path) => Request::LoadFile { path, workflows: Arc::default(), elsewhere: Arc::default() },
        None => Request::DeleteWorkflow { id },
    }
}

/// Turns a workflow's natural triggers on or off.
fn enable(id: WorkflowId, enabled: bool) -> Request {
    Request::PatchWorkflow { id, enabled: Some(enabled), next_instant: None, next_fires_at: None }
}

/// Puts a workflow's next natural trigger far away, and leaves it enabled.
fn postpone(id: WorkflowId, until: DateTime<Utc>) -> Request {
    Request::PatchWorkflow { id, enabled: None, next_instant: None, next_fires_at: Some(until) }
}
