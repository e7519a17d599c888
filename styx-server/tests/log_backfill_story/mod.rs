//! A small log that the decisions themselves have made: a backfill whose runs share a resource, and what operators set.
#![allow(dead_code, reason = "each user uses a part")]

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::{Config, Limit, Rate},
    decide::{Input, Reply, Request, RuntimePatch, Setting},
    event::TriggerParameters,
    executor::{Observation, Observed},
    extensions::Extensions,
    id::{Epoch, ExecutionId, WorkflowId},
    log::{Batch, Log},
    record::{IdempotencyKey, Operator, Origin, StoredWorkflow},
    scheduler::propose,
    workflow::WorkflowConfiguration,
    world::World,
};
use styx_store::rocks::RocksLog;
use uuid::Uuid;

/// What must never be shown.
pub(crate) const SECRET: &str = "s3cret";

/// Writes the log into a folder, and gives the backfill's id.
pub(crate) fn write(dir: &Path) -> Arc<str> {
    let mut log = RocksLog::open(dir).unwrap();
    let epoch = log.begin_epoch().unwrap();
    let mut story = Story { log, epoch, world: World::default(), now: "2026-03-29T07:00:00Z".parse().unwrap() };
    story.tell()
}

struct Story {
    log: RocksLog,
    epoch: Epoch,
    world: World,
    now: DateTime<Utc>,
}

impl Story {
    fn tell(&mut self) -> Arc<str> {
        let (log_id, root_seed) = (Uuid::from_u128(0x10), Uuid::from_u128(0x5eed));
        self.take(&Input::Start { log_id, root_seed, config: Arc::new(Config::default()) });
        let id = WorkflowId::new("sales", "report");
        let mut configuration = WorkflowConfiguration::new("report", "days");
        configuration.docker_image = Some("sales/report:7".to_owned());
        configuration.docker_args = Some(vec!["{}".to_owned()]);
        configuration.resources = vec!["warehouse".to_owned()];
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        self.ask(Request::StoreWorkflow { id: id.clone(), workflow });
        self.ask(Request::SetResource { id: "warehouse".into(), concurrency: 1 });
        self.ask(Request::Operate(RuntimePatch {
            max_executions: Some(Setting::Value(Limit::AtMost(40))),
            dequeue_rate: Some(Setting::Value(Rate::per_second(2.0).unwrap())),
            blocked_clients: Some(Arc::new(["styx-cli/1.0".into()].into())),
            ..RuntimePatch::default()
        }));
        let env = BTreeMap::from([("TOKEN".to_owned(), SECRET.to_owned())]);
        let created = self.ask_once(Request::CreateBackfill {
            workflow: id,
            start: day(25),
            end: day(28),
            concurrency: 2,
            reverse: false,
            description: Some("again, with the right prices".into()),
            parameters: Some(TriggerParameters { env: Arc::new(env) }),
            allow_future: false,
        });
        let Some(Reply::BackfillCreated { id: backfill }) = created else { panic!("{created:?}") };
        self.end_one_run();
        let description = Some("with the right prices".into());
        self.ask(Request::EditBackfill { id: Arc::clone(&backfill), concurrency: Some(1), description });
        self.end_one_run();
        self.ask(Request::HaltBackfill { id: Arc::clone(&backfill), graceful: false });
        self.ask(Request::DeleteResource { id: "warehouse".into() });
        backfill
    }

    /// The execution that lives runs to its end; what follows from that begins at once.
    fn end_one_run(&mut self) {
        let (id, _) = self.world.executions().iter().find(|(_, execution)| execution.is_alive()).unwrap();
        let id = id.clone();
        for what in [Observed::Launched, Observed::Started, Observed::Exited { code: Some(0) }, Observed::Cleaned] {
            self.see(&id, what);
        }
    }

    fn see(&mut self, execution: &ExecutionId, what: Observed) {
        self.now += TimeDelta::milliseconds(500);
        let evidence = br#"{"pid":4711}"#.as_slice().into();
        let (execution, runner) = (execution.clone(), "default".into());
        self.take(&Input::Observed(Observation {
            execution,
            runner,
            what,
            observed_at: None,
            evidence,
            extensions: Extensions::default(),
        }));
    }

    fn ask(&mut self, request: Request) {
        self.now += TimeDelta::seconds(1);
        let reply = self.take(&Input::Asked(request, ann()));
        assert!(matches!(reply, Some(Reply::Done | Reply::Stored(_))), "{reply:?}");
    }

    fn ask_once(&mut self, request: Request) -> Option<Reply> {
        self.now += TimeDelta::seconds(1);
        let key = IdempotencyKey { key: "ann 42".into(), digest: Uuid::from_u128(42) };
        self.take(&Input::AskedOnce(request, ann(), key))
    }

    /// Decides about an input and then about all that is due; gives the answer.
    fn take(&mut self, input: &Input) -> Option<Reply> {
        let (mut again, reply) = self.decide(input);
        while again {
            (again, _) = self.decide(&Input::Due);
        }
        reply
    }

    fn decide(&mut self, input: &Input) -> (bool, Option<Reply>) {
        let decisions = propose(&self.world, self.log.reader().as_ref(), input, self.now).unwrap();
        let tail = self.world.tail();
        let mut batch = Batch::default();
        let mut rows = BTreeMap::new();
        for draft in decisions.drafts {
            let record = draft.into_record(&self.world, self.now, self.epoch);
            let mut changes = self.world.apply(&record).unwrap();
            rows.extend(changes.dirty.drain(..).map(|key| (key, None)));
            rows.extend(changes.into_rows());
            batch.records.push(record);
        }
        batch.rows = rows.into_iter().map(|(key, row)| (key.clone(), row.or_else(|| self.world.row(&key)))).collect();
        self.log.append(self.epoch, tail, &batch).unwrap();
        (self.world.tail() > tail, decisions.reply)
    }
}

fn day(day: u32) -> DateTime<Utc> {
    format!("2026-03-{day:02}T00:00:00Z").parse().unwrap()
}

fn ann() -> Arc<Operator> {
    Arc::new(Operator { actor: "ann".into(), request_id: "r-1".into(), request: "{}".into() })
}
