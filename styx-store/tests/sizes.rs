//! What a run takes on the disk; `--nocapture` shows the numbers. Speed is measured in `benches`.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod folder;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    event::{Description, Event, Trigger, TriggerParameters},
    executor::Observed,
    id::{Counter, Epoch, ExecutionId, InstanceId, Position, WorkflowId},
    log::{Batch, Log},
    record::{
        Cause, Cursor, CursorMove, ExecutionEvent, Fact, LogEvent, Origin, Record, RunEvent, StoredWorkflow,
        WorkflowEvent, WorkflowSpec,
    },
    world::{Row, RowKey, World},
};
use uuid::Uuid;

/// Makes runs of one attempt each, as a scheduler writes them.
struct Runs {
    world: World,
    decision: Position,
    batch: Batch,
    dirty: std::collections::BTreeMap<RowKey, Option<Row>>,
}

impl Runs {
    fn new(workflows: usize) -> Self {
        let mut runs = Self {
            world: World::default(),
            decision: Position::FIRST,
            batch: Batch::default(),
            dirty: Default::default(),
        };
        let started = LogEvent::Started { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2) };
        runs.push(Fact::Log(started), Cause::Engine);
        for number in 0..workflows {
            let stored = StoredWorkflow {
                json: format!(r#"{{"id":"workflow-{number}","schedule":"HOURLY","docker_image":"busybox:1.36"}}"#)
                    .into(),
                spec: WorkflowSpec {
                    schedule: "HOURLY".into(),
                    offset: None,
                    running_timeout: None,
                    runnable: true,
                    resources: Arc::from([]),
                    origin: Origin::Api,
                },
            };
            runs.push(Fact::Workflow(workflow(number), WorkflowEvent::Stored(Arc::new(stored))), Cause::Engine);
        }
        runs
    }

    fn push(&mut self, fact: Fact, cause: Cause) {
        let position = self.world.tail().next();
        let decision = if cause == Cause::Decision { self.decision } else { position };
        self.decision = decision;
        let at = DateTime::from_timestamp_millis(1_714_953_600_000 + position.0 as i64 * 37).unwrap();
        let record = Record { position, decision, at, epoch: Epoch(1), idempotency_key: None, cause, fact };
        let changes = self.world.apply(&record).unwrap();
        for key in changes.dirty {
            self.dirty.insert(key, None);
        }
        self.dirty.extend(changes.finished.map(|(key, row)| (key, Some(Row::Finished(row)))));
        self.batch.records.push(record);
    }

    fn take(&mut self) -> Batch {
        let mut batch = std::mem::take(&mut self.batch);
        for (key, row) in std::mem::take(&mut self.dirty) {
            let row = row.or_else(|| self.world.row(&key));
            batch.rows.push((key, row));
        }
        batch
    }

    fn start(&mut self, number: usize, hour: usize) {
        let id = instance(number, hour);
        let execution = execution(number, hour);
        let instant = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::hours(hour as i64);
        let cursor = Cursor { instant, fires_at: instant };
        let moved = WorkflowEvent::CursorMoved { to: Some(cursor), why: CursorMove::Triggered };
        let trigger = Event::TriggerExecution {
            trigger: Trigger::Natural,
            parameters: TriggerParameters::default(),
            missed: false,
        };
        let submit = Event::Submit {
            description: Description::Stored(Position(2 + number as u64)),
            execution: Some(execution),
            runner: Some("fake".into()),
            running_timeout: Some(TimeDelta::hours(24)),
        };
        self.event(&id, 0, trigger, Cause::Schedule);
        self.push(Fact::Workflow(workflow(number), moved), Cause::Decision);
        self.event(&id, 1, Event::Dequeue { resources: Arc::from([]) }, Cause::Decision);
        self.event(&id, 2, submit, Cause::Decision);
    }

    fn launch(&mut self, number: usize, hour: usize) {
        let id = instance(number, hour);
        let execution = Some(execution(number, hour));
        self.event(&id, 3, Event::Submitted { execution, runner: Some("fake".into()) }, executor(Observed::Launched));
        self.event(&id, 4, Event::Started, executor(Observed::Started));
    }

    fn end(&mut self, number: usize, hour: usize) {
        let id = instance(number, hour);
        self.event(&id, 5, Event::Terminate { exit_code: Some(0) }, executor(Observed::Exited { code: Some(0) }));
        self.event(&id, 6, Event::Success, Cause::Decision);
        self.push(Fact::Execution(execution(number, hour), ExecutionEvent::Cleaned), executor(Observed::Cleaned));
    }

    fn event(&mut self, id: &InstanceId, counter: u64, event: Event, cause: Cause) {
        self.push(Fact::Run(id.clone(), RunEvent::Styx { counter: Counter(counter), event }), cause);
    }
}

fn executor(what: Observed) -> Cause {
    Cause::Executor { runner: "fake".into(), what, observed_at: None, evidence: Arc::from(&b"{\"pid\":4711}"[..]) }
}

fn workflow(number: usize) -> WorkflowId {
    WorkflowId::new("component", format!("workflow-{number}"))
}

fn instance(number: usize, hour: usize) -> InstanceId {
    let instant = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::hours(hour as i64);
    InstanceId::new(workflow(number), instant.format("%Y-%m-%dT%H").to_string())
}

fn execution(number: usize, hour: usize) -> ExecutionId {
    let bits = ((number * 100_000 + hour) as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    ExecutionId::from_uuid(Uuid::from_u128(bits ^ (bits >> 71)))
}

fn bytes_of_tables(dir: &std::path::Path) -> u64 {
    folder::files(dir, "", ".sst").iter().map(|file| file.metadata().unwrap().len()).sum()
}

fn compact(dir: &std::path::Path) {
    let names = rocksdb::DB::list_cf(&rocksdb::Options::default(), dir).unwrap();
    let mut options = rocksdb::Options::default();
    options.set_compression_type(rocksdb::DBCompressionType::Lz4);
    let families = names.iter().map(|name| (name.as_str(), options.clone()));
    let db = rocksdb::DB::open_cf_with_opts(&options, dir, families).unwrap();
    let mut how = rocksdb::CompactOptions::default();
    how.set_bottommost_level_compaction(rocksdb::BottommostLevelCompaction::Force);
    for name in &names {
        db.flush_cf(db.cf_handle(name).unwrap()).unwrap();
        db.compact_range_cf_opt(db.cf_handle(name).unwrap(), None::<&[u8]>, None::<&[u8]>, &how);
        let size = db.property_int_value_cf(db.cf_handle(name).unwrap(), "rocksdb.total-sst-files-size").unwrap();
        println!("  {name}: {} bytes", size.unwrap_or_default());
    }
}

/// The largest layout: each step of each run is a batch of its own.
#[test]
fn a_finished_run_takes_less_than_a_kilobyte() {
    for (grouped, limit) in [(true, 1000), (false, 1000)] {
        let dir = folder::temporary();
        let mut runs = Runs::new(20);
        let mut log = folder::open(dir.path()).unwrap();
        let epoch = log.begin_epoch().unwrap();
        let mut tail = log.append(epoch, Position(0), &runs.take()).unwrap();
        let hours = 200;
        for hour in 0..hours {
            for step in [Runs::start, Runs::launch, Runs::end] {
                for number in 0..20 {
                    step(&mut runs, number, hour);
                    if !grouped || number == 19 {
                        tail = log.append(epoch, tail, &runs.take()).unwrap();
                    }
                }
            }
        }
        drop(log);
        println!("grouped: {grouped}");
        compact(dir.path());
        let per_run = bytes_of_tables(dir.path()) / (20 * hours as u64);
        println!("grouped: {grouped}, {per_run} bytes a run of {} records", (tail.0 - 21) / (20 * hours as u64));
        assert!(per_run < limit, "{per_run} bytes a run");
    }
}
