//! A story that a log can hold: valid records of every kind, with the rows that belong to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::{Config, Limit, Rate, Runtime},
    event::{Description, Event, FailureClass, Message, MessageLevel, Trigger, TriggerParameters},
    execution::Phase,
    executor::Observed,
    extensions::Extensions,
    id::{Counter, Epoch, ExecutionId, InstanceId, Position, WorkflowId},
    log::Batch,
    record::{
        BackfillEvent, BackfillMove, BackfillSpec, Cause, ConfigEvent, Cursor, CursorMove, Ending, ExecutionEvent,
        Fact, IdempotencyKey, LogEvent, Operator, Origin, Record, ResourceEvent, RunEvent, Runs, StoredWorkflow,
        WorkflowEvent, WorkflowSpec,
    },
    run::State,
    world::{Finished, Row, RowKey, TriggerKind, Workflow, World},
};
use uuid::Uuid;

/// Names that a careless key would mix up.
const WORKFLOWS: [(&str, &str); 8] =
    [("c", "a"), ("c", "a#b"), ("c", "a/b c"), ("c", "a\0"), ("c", "a\0b"), ("c", ""), ("cä", "ü"), ("", "x")];

const PARAMETERS: [&str; 5] = ["2024-05-06", "2024-05-06T07", "2024", "a#b", ""];

const BACKFILLS: [&str; 5] = ["backfill-1489054446085-53384", "backfill-1489054446085-5338", "b#1", "b\0", ""];

const RESOURCES: [&str; 4] = ["warehouse", "GLOBAL_STYX_CLUSTER", "a#b/ü", ""];

/// Makes batches out of a seed. What comes next depends on the seed and on what is told so far, so a story can be taken up
/// again from the records that a log holds.
#[derive(Debug, Clone)]
pub struct Story {
    seed: u64,
    world: World,
    records: Vec<Record>,
    rows: BTreeMap<RowKey, Row>,
}

impl Story {
    /// A story that begins.
    pub fn new(seed: u64) -> Self {
        Self { seed, world: World::default(), records: Vec::new(), rows: BTreeMap::new() }
    }

    /// A story that goes on where these records end.
    ///
    /// # Panics
    ///
    /// When they don't follow from each other.
    pub fn resume(seed: u64, records: &[Record]) -> Self {
        let mut story = Self::new(seed);
        let rows = story.take(records.iter().cloned());
        story.keep(&rows);
        story
    }

    /// The next batch: the records of one writer's step, at most `longest`, and their rows.
    ///
    /// # Panics
    ///
    /// When `longest` is zero.
    pub fn next_batch(&mut self, epoch: Epoch, longest: usize) -> Batch {
        let mut dice = Dice::new(self.seed, self.tail());
        let count = 1 + dice.below(longest);
        let mut decision = self.tail().next();
        let mut batch = Batch::default();
        let mut dirty = BTreeMap::new();
        while batch.records.len() < count {
            let position = self.tail().next();
            let at = self.world.at() + TimeDelta::milliseconds(dice.below(1500) as i64);
            let (fact, mut cause) = self.next_fact(&mut dice, at);
            if !batch.records.is_empty() && !matches!(cause, Cause::Imported { .. }) && dice.chance(50) {
                cause = Cause::Decision;
            } else {
                decision = position;
            }
            let idempotency_key = dice.chance(10).then(|| {
                let key = format!("key-{}", position.0 % 50).into();
                IdempotencyKey { key, digest: dice.uuid() }
            });
            let wall_offset = match &cause {
                Cause::Decision => TimeDelta::zero(),
                _ if dice.chance(10) => TimeDelta::milliseconds(dice.below(4_000_000) as i64 - 2_000_000),
                _ => TimeDelta::zero(),
            };
            let record = Record { position, decision, at, wall_offset, epoch, idempotency_key, cause, fact };
            dirty.extend(self.take([record.clone()]));
            batch.records.push(record);
        }
        self.keep(&dirty);
        batch.rows = dirty.into_iter().collect();
        batch
    }

    /// All records so far.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// All rows that there are now.
    pub fn rows(&self) -> &BTreeMap<RowKey, Row> {
        &self.rows
    }

    /// The world that the records fold to.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The last position.
    pub fn tail(&self) -> Position {
        self.world.tail()
    }

    /// Folds records and gives the rows that differ.
    fn take(&mut self, records: impl IntoIterator<Item = Record>) -> BTreeMap<RowKey, Option<Row>> {
        let mut dirty = BTreeSet::new();
        let mut rows = BTreeMap::new();
        for record in records {
            let mut changes = self.world.apply(&record).expect("a story's records follow from each other");
            dirty.extend(changes.dirty.drain(..));
            rows.extend(changes.into_rows());
            self.records.push(record);
        }
        rows.extend(dirty.into_iter().map(|key| {
            let row = self.world.row(&key);
            (key, row)
        }));
        rows
    }

    fn keep(&mut self, rows: &BTreeMap<RowKey, Option<Row>>) {
        for (key, row) in rows {
            match row {
                Some(row) => drop(self.rows.insert(key.clone(), row.clone())),
                None => drop(self.rows.remove(key)),
            }
        }
    }

    fn next_fact(&self, dice: &mut Dice, at: DateTime<Utc>) -> (Fact, Cause) {
        match self.tail().0 {
            0 => {
                let (log_id, root_seed) = (dice.uuid(), dice.uuid());
                return (Fact::Log(LogEvent::Started { log_id, root_seed }), Cause::Engine);
            }
            1 => return (Fact::Config(ConfigEvent::Set(Arc::default())), Cause::Engine),
            _ => {}
        }
        let cause = cause(dice);
        match dice.below(100) {
            0 => return (Fact::Log(LogEvent::Forked { log_id: dice.uuid(), root_seed: dice.uuid() }), cause),
            1 => {
                let enabled = dice.chance(70);
                return (Fact::Config(ConfigEvent::SchedulingSwitched { enabled }), cause);
            }
            2 => {
                let config =
                    Config { catch_up: dice.below(5) as u32, extensions: extensions(dice), ..Config::default() };
                return (Fact::Config(ConfigEvent::Set(Arc::new(config))), cause);
            }
            3 => return (Fact::Config(ConfigEvent::Operated(runtime(dice))), cause),
            4..=30 => {
                if let Some(fact) = self.execution_fact(dice, at) {
                    return (fact, cause);
                }
            }
            31..=34 => {
                let id = *dice.pick(&BACKFILLS);
                return (Fact::Backfill(id.into(), self.backfill_event(id, dice, at)), cause);
            }
            35..=37 => {
                let id = *dice.pick(&RESOURCES);
                let event = match self.world.resources().contains_key(id) && dice.chance(40) {
                    true => ResourceEvent::Deleted,
                    false => ResourceEvent::Set { concurrency: dice.below(5) as i64 - 1 },
                };
                return (Fact::Resource(id.into(), event), cause);
            }
            _ => {}
        }
        let (component, workflow) = dice.pick(&WORKFLOWS);
        let id = WorkflowId::new(*component, *workflow);
        if !self.world.workflows().contains_key(&id) || dice.chance(8) {
            return (Fact::Workflow(id.clone(), self.workflow_event(&id, dice, at)), cause);
        }
        self.run_fact(InstanceId::new(id, *dice.pick(&PARAMETERS)), dice, at, cause)
    }

    fn workflow_event(&self, id: &WorkflowId, dice: &mut Dice, at: DateTime<Utc>) -> WorkflowEvent {
        let exists = self.world.workflows().contains_key(id);
        match dice.below(4) {
            0 if exists => WorkflowEvent::Deleted,
            1 if exists => match self.world.workflows().get(id).and_then(Workflow::file) {
                Some(path) if dice.chance(50) => WorkflowEvent::FileRemoved { path: Arc::clone(path) },
                _ => WorkflowEvent::Switched { enabled: dice.chance(70) },
            },
            2 if exists => {
                let instant = at + TimeDelta::hours(1);
                let cursor = Cursor { instant, fires_at: instant + TimeDelta::minutes(5) };
                WorkflowEvent::CursorMoved {
                    to: Some(cursor),
                    why: CursorMove::Triggered,
                    extensions: extensions(dice),
                }
            }
            _ => WorkflowEvent::Stored(Arc::new(StoredWorkflow {
                json: format!(r#"{{"id":"{}","schedule":"HOURLY"}}"#, id.workflow().escape_default()).into(),
                spec: WorkflowSpec {
                    schedule: "hours".into(),
                    offset: dice.chance(50).then(|| "PT5M".into()),
                    running_timeout: dice.chance(50).then(|| TimeDelta::hours(3)),
                    runs: *dice.pick(&[Runs::Image, Runs::Flyte, Runs::Nothing]),
                    resources: if dice.chance(50) { Arc::from([Arc::from("warehouse")]) } else { Arc::default() },
                    retry_condition: dice.chance(50).then(|| "#tries < 4".into()),
                    mounts_secret: dice.chance(20),
                    origin: if dice.chance(50) {
                        Origin::Api
                    } else {
                        Origin::File { path: "workflows/a.yaml".into(), enabled: true }
                    },
                    extensions: extensions(dice),
                },
            })),
        }
    }

    fn backfill_event(&self, id: &str, dice: &mut Dice, at: DateTime<Utc>) -> BackfillEvent {
        let Some(backfill) = self.world.backfills().get(id) else {
            let (component, workflow) = *dice.pick(&WORKFLOWS);
            return BackfillEvent::Created(Arc::new(BackfillSpec {
                workflow: WorkflowId::new(component, workflow),
                start: at - TimeDelta::hours(9),
                end: at,
                reverse: dice.chance(30),
                schedule: "hours".into(),
                concurrency: 1 + dice.below(3) as u32,
                description: dice.chance(50).then(|| "again, with the right prices".into()),
                parameters: dice.chance(50).then(|| parameters(dice)),
                first: at - TimeDelta::hours(9),
            }));
        };
        match dice.below(10) {
            0 => BackfillEvent::Halted { runs: dice.chance(50), reason: "halted by ann".into() },
            1..=7 if backfill.is_open() => BackfillEvent::Advanced {
                instant: backfill.next,
                next: backfill.next + TimeDelta::hours(1),
                all_triggered: dice.chance(10),
                why: *dice.pick(&[BackfillMove::Triggered, BackfillMove::AlreadyActive]),
            },
            _ => BackfillEvent::Edited {
                concurrency: dice.chance(50).then(|| 1 + dice.below(5) as u32),
                description: dice.chance(50).then(|| "edited".into()),
            },
        }
    }

    /// What can happen to an execution apart from its run: it ends behind it, or it is cleaned up.
    fn execution_fact(&self, dice: &mut Dice, at: DateTime<Utc>) -> Option<Fact> {
        let follows = |id: &ExecutionId, instance| {
            self.world.runs().get(instance).is_some_and(|run| run.execution.as_ref() == Some(id))
        };
        let executions: Vec<_> = self.world.executions().iter().collect();
        let (id, execution) = *dice.pick_from(&executions)?;
        let event = match execution.phase {
            Phase::Ended(_) => ExecutionEvent::Cleaned,
            _ if !follows(id, &execution.instance) => {
                let endings =
                    [Ending::Exit { code: Some(0) }, Ending::Exit { code: None }, Ending::NeverStarted, Ending::Lost];
                ExecutionEvent::Ended(*dice.pick(&endings))
            }
            Phase::Launching { .. } => {
                ExecutionEvent::Refused { retry_at: at + TimeDelta::seconds(10), reason: "quota".into() }
            }
            _ => return None,
        };
        Some(Fact::Execution(id.clone(), event))
    }

    fn run_fact(&self, id: InstanceId, dice: &mut Dice, at: DateTime<Utc>, cause: Cause) -> (Fact, Cause) {
        let (counter, event) = match self.world.runs().get(&id) {
            None => (self.next_counter(&id), trigger(dice)),
            Some(run) => {
                let counter = run.counter.map_or(Counter(0), Counter::next);
                (counter, self.run_event(&id, run.state, run.execution.as_ref(), dice))
            }
        };
        // The history of one parameter is another system's, with its own counters and times.
        if id.parameter() == "2024" {
            let cause = Cause::Imported { at: at - TimeDelta::days(1000) };
            let event = match event {
                event if dice.chance(15) => {
                    RunEvent::Ignored { counter, event, error: "received info while in RUNNING".into() }
                }
                event => RunEvent::Styx { counter, event },
            };
            return (Fact::Run(id, event), cause);
        }
        (Fact::Run(id, RunEvent::Styx { counter, event }), cause)
    }

    fn run_event(&self, id: &InstanceId, state: State, execution: Option<&ExecutionId>, dice: &mut Dice) -> Event {
        let reason = || Some(Arc::<str>::from("asked for"));
        if dice.chance(5) {
            return if dice.chance(50) {
                Event::Halt { reason: reason() }
            } else {
                Event::Timeout { reason: reason() }
            };
        }
        match state {
            State::Queued if dice.chance(20) => {
                Event::Info { message: Message { level: MessageLevel::Info, line: "waits for its resource".into() } }
            }
            State::Queued => Event::Dequeue { resources: Arc::from([Arc::from("GLOBAL_STYX_CLUSTER")]) },
            State::Prepare => match self.world.workflows().get(id.workflow()) {
                Some(workflow) if self.world.index().living(id).is_none() => Event::Submit {
                    description: Description::Stored(workflow.stored_at),
                    execution: Some(ExecutionId::from_uuid(dice.uuid())),
                    runner: Some("default".into()),
                    running_timeout: dice.chance(50).then(|| TimeDelta::hours(1)),
                    retry_condition: dice.chance(50).then(|| "#exitCode == 1".into()),
                    extensions: extensions(dice),
                },
                _ => Event::Halt { reason: None },
            },
            State::Submitting | State::Submitted if dice.chance(10) => {
                Event::RunError { message: "no such image: é".into(), class: FailureClass::Infrastructure }
            }
            State::Submitting => Event::Submitted { execution: execution.cloned(), runner: Some("default".into()) },
            State::Submitted => Event::Started,
            State::Running => Event::Terminate { exit_code: *dice.pick(&[Some(0), Some(1), Some(20), None]) },
            State::Terminated if dice.chance(60) => Event::Success,
            State::Terminated | State::Failed if dice.chance(80) => Event::RetryAfter { delay_millis: 180_000 },
            State::Terminated | State::Failed => Event::Stop { reason: None },
            State::New | State::Error | State::Done => Event::Halt { reason: None },
        }
    }

    fn next_counter(&self, id: &InstanceId) -> Counter {
        let last =
            TriggerKind::ALL.iter().filter_map(|kind| match self.rows.get(&RowKey::Finished(id.clone(), *kind)) {
                Some(Row::Finished(Finished(run))) => run.counter,
                _ => None,
            });
        last.max().map_or(Counter(0), Counter::next)
    }
}

fn trigger(dice: &mut Dice) -> Event {
    let trigger = match dice.below(4) {
        0 => Trigger::AdHoc("ad-hoc-cli-1489054446085-53384".into()),
        1 => Trigger::Backfill((*dice.pick(&BACKFILLS)).into()),
        _ => Trigger::Natural,
    };
    let parameters = parameters(dice);
    let missed = trigger == Trigger::Natural && dice.chance(10);
    Event::TriggerExecution { trigger, parameters, missed, extensions: extensions(dice) }
}

/// Later fields, now and then.
fn extensions(dice: &mut Dice) -> Extensions {
    let fields = dice.chance(20).then(|| (dice.below(1_000) as u32, "später"));
    Extensions::new(fields).expect("it is one tag with a few bytes")
}

fn parameters(dice: &mut Dice) -> TriggerParameters {
    let env = dice.chance(20).then(|| ("NAME".to_owned(), "wert ä".to_owned()));
    TriggerParameters { env: Arc::new(env.into_iter().collect()) }
}

fn runtime(dice: &mut Dice) -> Arc<Runtime> {
    let limit = if dice.chance(50) { Limit::Unlimited } else { Limit::AtMost(dice.below(9) as u32) };
    let rate = Rate::per_second(0.5 + dice.below(100) as f64);
    let blocked = dice.chance(30).then(|| "styx-cli/1.0".into());
    Arc::new(Runtime {
        max_executions: dice.chance(50).then_some(limit),
        dequeue_rate: rate.filter(|_| dice.chance(50)),
        blocked_clients: Arc::new(blocked.into_iter().collect()),
        debug: dice.chance(20),
    })
}

fn cause(dice: &mut Dice) -> Cause {
    match dice.below(6) {
        0 => Cause::Schedule,
        1 => Cause::Timer,
        2 => Cause::Operator(Arc::new(Operator {
            actor: "anonymous".into(),
            request_id: "r-1".into(),
            request: r#"{"method":"POST"}"#.into(),
        })),
        3 => Cause::Executor {
            runner: "local".into(),
            what: Observed::Exited { code: Some(0) },
            observed_at: dice.chance(50).then_some(DateTime::UNIX_EPOCH),
            evidence: Arc::from(&br#"{"exit":0}"#[..]),
            extensions: extensions(dice),
        },
        _ => Cause::Engine,
    }
}

/// Numbers that look random and are the same for the same seed and position.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64, tail: Position) -> Self {
        Self(seed ^ tail.0.wrapping_mul(0xA24B_AED4_963E_E407))
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn pick_from<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| self.pick(from))
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u128(u128::from(self.next()) << 64 | u128::from(self.next()))
    }
}
