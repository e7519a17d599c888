//! A small log that holds a bit of everything: a job whose input comes late, and one that an operator halts.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::Config,
    decide::Draft,
    event::{Description, Event, Trigger, TriggerParameters},
    executor::Observed,
    extensions::Extensions,
    id::{Counter, ExecutionId, InstanceId, Position, WorkflowId},
    log::{Batch, Log},
    record::{
        Cause, ConfigEvent, Cursor, CursorMove, ExecutionEvent, Fact, LogEvent, Operator, Origin, RunEvent, Runs,
        StoredWorkflow, WorkflowEvent, WorkflowSpec,
    },
    world::{Row, World},
};
use styx_store::rocks::RocksLog;
use uuid::Uuid;

/// What must never be shown.
pub(crate) const SECRET: &str = "s3cret";

/// The first execution of the job whose input comes late, and the second one.
pub(crate) const FIRST: &str = "styx-run-00000000-0000-4000-8000-000000000001";
pub(crate) const SECOND: &str = "styx-run-00000000-0000-4000-8000-000000000002";

/// Writes the log into a folder.
pub(crate) fn write(dir: &Path) {
    let mut story = Story {
        log: RocksLog::open(dir).unwrap(),
        world: World::default(),
        at: time("06:59:58"),
        runs: BTreeMap::new(),
    };
    story.begin();
    story.input_comes_late();
    story.operator_halts();
}

struct Story {
    log: RocksLog,
    world: World,
    at: DateTime<Utc>,
    /// The last counter of each instance.
    runs: BTreeMap<InstanceId, u64>,
}

impl Story {
    fn begin(&mut self) {
        let started = LogEvent::Started { log_id: Uuid::from_u128(0x10), root_seed: Uuid::from_u128(0x5eed) };
        let mut config = Config { max_executions: Some(8), ..Config::default() };
        // That of the executions.
        config.executor.runner = "local".into();
        let config = ConfigEvent::Set(Arc::new(config));
        self.decide(Cause::Engine, vec![Fact::Log(started), Fact::Config(config)]);

        self.at = time("06:59:59");
        let spec = WorkflowSpec {
            schedule: "hours".into(),
            offset: None,
            running_timeout: None,
            runs: Runs::Image,
            resources: [].into(),
            retry_condition: None,
            mounts_secret: false,
            origin: Origin::File { path: "examples.yaml".into(), enabled: true },
            extensions: Extensions::default(),
        };
        let json = format!(r#"{{"id":"best-product","schedule":"hours","env":{{"TOKEN":"{SECRET}"}}}}"#);
        let stored = WorkflowEvent::Stored(Arc::new(StoredWorkflow { json: json.into(), spec }));
        let facts = [stored, WorkflowEvent::Switched { enabled: true }, moved(6, CursorMove::Edited)];
        self.decide(Cause::Engine, facts.map(|event| Fact::Workflow(workflow(), event)).into());
    }

    fn input_comes_late(&mut self) {
        let run = instance("2026-03-29T06");
        self.at = time("07:00:00");
        let trigger = Event::TriggerExecution {
            trigger: Trigger::Natural,
            parameters: TriggerParameters::default(),
            missed: false,
            extensions: Extensions::default(),
        };
        let facts = vec![
            self.event(&run, trigger),
            Fact::Workflow(workflow(), moved(7, CursorMove::Triggered)),
            self.event(&run, Event::Dequeue { resources: [].into() }),
            self.event(&run, submit(FIRST)),
        ];
        self.decide(Cause::Schedule, facts);
        self.execute(&run, FIRST, 20, Event::RetryAfter { delay_millis: 10_000 });

        self.at = time("07:00:10");
        let facts = vec![self.event(&run, Event::Dequeue { resources: [].into() }), self.event(&run, submit(SECOND))];
        self.decide(Cause::Timer, facts);
        self.execute(&run, SECOND, 0, Event::Success);
    }

    /// An execution from the executor's answer to its end.
    fn execute(&mut self, run: &InstanceId, id: &str, code: i32, then: Event) {
        self.at += TimeDelta::milliseconds(12);
        let submitted = Event::Submitted { execution: Some(ExecutionId::parse(id)), runner: Some("local".into()) };
        let facts = vec![self.event(run, submitted), self.event(run, Event::Started)];
        self.decide(seen(Observed::Started), facts);
        self.at += TimeDelta::milliseconds(140);
        let facts = vec![self.event(run, Event::Terminate { exit_code: Some(code) }), self.event(run, then)];
        self.decide(seen(Observed::Exited { code: Some(code) }), facts);
        self.at += TimeDelta::milliseconds(3);
        self.decide(seen(Observed::Cleaned), vec![Fact::Execution(ExecutionId::parse(id), ExecutionEvent::Cleaned)]);
    }

    fn operator_halts(&mut self) {
        let run = instance("2026-03-29T05");
        self.at = time("07:01:00");
        let env = BTreeMap::from([("TOKEN".to_owned(), SECRET.to_owned())]);
        let trigger = Event::TriggerExecution {
            trigger: Trigger::AdHoc("ad-hoc-cli-1774767660000-00042".into()),
            parameters: TriggerParameters { env: Arc::new(env) },
            missed: false,
            extensions: Extensions::default(),
        };
        let facts = vec![self.event(&run, trigger)];
        self.decide(asked(&format!(r#"{{"trigger_parameters":{{"env":{{"TOKEN":"{SECRET}"}}}}}}"#)), facts);
        self.at = time("07:01:30");
        let facts = vec![self.event(&run, Event::Halt { reason: Some("by\nann".into()) })];
        self.decide(asked(r#"{"halt":"best-product"}"#), facts);
    }

    fn event(&mut self, run: &InstanceId, event: Event) -> Fact {
        let next = self.runs.get(run).map_or(0, |counter| counter + 1);
        self.runs.insert(run.clone(), next);
        Fact::Run(run.clone(), RunEvent::Styx { counter: Counter(next), event })
    }

    /// Appends a decision, with the rows that change with it.
    fn decide(&mut self, cause: Cause, facts: Vec<Fact>) {
        let epoch = self.log.begin_epoch().unwrap();
        let tail = self.world.tail();
        let mut batch = Batch::default();
        let mut rows = BTreeMap::new();
        for fact in facts {
            let cause = if batch.records.is_empty() { cause.clone() } else { Cause::Decision };
            let record = Draft { fact, cause, idempotency_key: None }.into_record(&self.world, self.at, epoch);
            let mut changes = self.world.apply(&record).unwrap();
            rows.extend(changes.dirty.drain(..).map(|key| (key, None)));
            rows.extend(changes.into_rows());
            batch.records.push(record);
        }
        let row = |(key, row): (_, Option<Row>)| {
            let row = row.or_else(|| self.world.row(&key));
            (key, row)
        };
        batch.rows = rows.into_iter().map(row).collect();
        assert_eq!(self.log.append(epoch, tail, &batch).unwrap(), self.world.tail());
    }
}

fn workflow() -> WorkflowId {
    WorkflowId::new("examples", "best-product")
}

fn instance(parameter: &str) -> InstanceId {
    InstanceId::new(workflow(), parameter)
}

fn moved(hour: u32, why: CursorMove) -> WorkflowEvent {
    let at = |hour: u32| time(&format!("{hour:02}:00:00"));
    WorkflowEvent::CursorMoved {
        to: Some(Cursor { instant: at(hour), fires_at: at(hour + 1) }),
        why,
        extensions: Extensions::default(),
    }
}

fn submit(execution: &str) -> Event {
    Event::Submit {
        description: Description::Stored(Position(3)),
        execution: Some(ExecutionId::parse(execution)),
        runner: Some("local".into()),
        running_timeout: None,
        retry_condition: None,
        extensions: Extensions::default(),
    }
}

fn seen(what: Observed) -> Cause {
    let evidence = format!(r#"{{"pid":4711,"env":[{{"name":"TOKEN","value":"{SECRET}"}}]}}"#);
    Cause::Executor {
        runner: "local".into(),
        what,
        observed_at: None,
        evidence: evidence.as_bytes().into(),
        extensions: Extensions::default(),
    }
}

fn asked(request: &str) -> Cause {
    let operator = Operator { actor: "ann".into(), request_id: "r-1".into(), request: request.into() };
    Cause::Operator(Arc::new(operator))
}

fn time(clock: &str) -> DateTime<Utc> {
    format!("2026-03-29T{clock}Z").parse().unwrap()
}
