//! What a run takes on the disk, and how fast records are written and read; `--nocapture` shows the numbers.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod folder;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    event::{Description, Event, Trigger, TriggerParameters},
    id::{Counter, Epoch, ExecutionId, InstanceId, Position, WorkflowId},
    log::{Batch, Log},
    record::{
        Cause, Cursor, CursorMove, ExecutionEvent, Fact, LogEvent, Origin, Record, RunEvent, StoredWorkflow,
        WorkflowEvent,
    },
    world::{Row, RowKey, World},
};
use styx_store::codec::{decode_record, encode_record, encode_row};
use uuid::Uuid;

/// Makes runs of one attempt each, as a scheduler writes them.
struct Runs {
    world: World,
    batch: Batch,
    dirty: std::collections::BTreeMap<RowKey, Option<Row>>,
}

impl Runs {
    fn new(workflows: usize) -> Self {
        let mut runs = Self { world: World::default(), batch: Batch::default(), dirty: Default::default() };
        let started = LogEvent::Started { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2) };
        runs.push(Fact::Log(started), Cause::Engine);
        for number in 0..workflows {
            let stored = StoredWorkflow {
                json: format!(r#"{{"id":"workflow-{number}","schedule":"HOURLY","docker_image":"busybox:1.36"}}"#)
                    .into(),
                schedule: "HOURLY".into(),
                offset: None,
                running_timeout: None,
                runnable: true,
                origin: Origin::Api,
            };
            runs.push(Fact::Workflow(workflow(number), WorkflowEvent::Stored(Arc::new(stored))), Cause::Engine);
        }
        runs
    }

    fn push(&mut self, fact: Fact, cause: Cause) {
        let position = self.world.tail().next();
        let at = DateTime::from_timestamp_millis(1_714_953_600_000 + position.0 as i64 * 37).unwrap();
        let record = Record { position, decision: position, at, epoch: Epoch(1), idempotency_key: None, cause, fact };
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
            description: Description::Stored(Position(2)),
            execution: Some(execution),
            running_timeout: Some(TimeDelta::hours(24)),
        };
        self.event(&id, 0, trigger, Cause::Schedule);
        self.push(Fact::Workflow(workflow(number), moved), Cause::Schedule);
        self.event(&id, 1, Event::Dequeue { resources: Arc::from([]) }, Cause::Schedule);
        self.event(&id, 2, submit, Cause::Schedule);
    }

    fn launch(&mut self, number: usize, hour: usize) {
        let id = instance(number, hour);
        let execution = Some(execution(number, hour));
        self.event(&id, 3, Event::Submitted { execution, runner: Some("fake".into()) }, executor());
        self.event(&id, 4, Event::Started, executor());
    }

    fn end(&mut self, number: usize, hour: usize) {
        let id = instance(number, hour);
        self.event(&id, 5, Event::Terminate { exit_code: Some(0) }, executor());
        self.event(&id, 6, Event::Success, Cause::Engine);
        self.push(Fact::Execution(execution(number, hour), ExecutionEvent::Cleaned), executor());
    }

    fn event(&mut self, id: &InstanceId, counter: u64, event: Event, cause: Cause) {
        self.push(Fact::Run(id.clone(), RunEvent::Styx { counter: Counter(counter), event }), cause);
    }
}

fn executor() -> Cause {
    Cause::Executor { runner: "fake".into(), evidence: Arc::from(&b""[..]) }
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

/// Time that this thread has computed: others may be busy too.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Not a bench: says only how far we are from the targets.
#[test]
#[ignore = "measures; run alone with --nocapture"]
fn speed() {
    let dir = tempfile::tempdir().unwrap();
    let raw_dir = tempfile::tempdir().unwrap();
    let mut runs = Runs::new(1000);
    let mut log = folder::open(dir.path()).unwrap();
    let epoch = log.begin_epoch().unwrap();
    let mut tail = log.append(epoch, Position(0), &runs.take()).unwrap();
    let mut batches = Vec::new();
    for hour in 0..12 {
        for step in [Runs::start, Runs::launch, Runs::end] {
            for number in 0..1000 {
                step(&mut runs, number, hour);
                if runs.batch.records.len() >= 500 {
                    batches.push(runs.take());
                }
            }
        }
    }
    let count: usize = batches.iter().map(|batch| batch.records.len()).sum();
    let rows: usize = batches.iter().map(|batch| batch.rows.len()).sum();
    let (begin, computed) = (Instant::now(), cpu());
    for batch in &batches {
        tail = log.append(epoch, tail, batch).unwrap();
    }
    let (ours, our_cpu) = (begin.elapsed(), cpu() - computed);
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.set_compression_type(rocksdb::DBCompressionType::Lz4);
    let raw = rocksdb::DB::open(&options, raw_dir.path()).unwrap();
    let mut sync = rocksdb::WriteOptions::default();
    sync.set_sync(true);
    let encoded: Vec<Vec<(u64, Vec<u8>)>> = batches
        .iter()
        .map(|batch| {
            let bytes = |record: &Record| {
                let mut bytes = Vec::new();
                encode_record(record, &mut bytes).unwrap();
                (record.position.0, bytes)
            };
            batch.records.iter().map(bytes).collect()
        })
        .collect();
    let bytes: usize = encoded.iter().flatten().map(|(_, bytes)| bytes.len()).sum();
    let (begin, computed) = (Instant::now(), cpu());
    for batch in &encoded {
        let mut write = rocksdb::WriteBatch::default();
        for (position, bytes) in batch {
            write.put(position.to_be_bytes(), bytes);
        }
        raw.write_opt(write, &sync).unwrap();
    }
    let (theirs, their_cpu) = (begin.elapsed(), cpu() - computed);
    println!("{count} records of {} bytes, {rows} rows, {} batches", bytes / count, batches.len());
    println!("ours {ours:?}, raw {theirs:?}: {:.0} %", 100.0 * theirs.as_secs_f64() / ours.as_secs_f64());
    println!("computing: ours {our_cpu:?}, raw {their_cpu:?}");
    let computed = cpu();
    let mut bytes = Vec::new();
    for record in batches.iter().flat_map(|batch| &batch.records) {
        bytes.clear();
        encode_record(std::hint::black_box(record), &mut bytes).unwrap();
    }
    println!("encode {:?} a record", (cpu() - computed) / count as u32);
    let computed = cpu();
    for row in batches.iter().flat_map(|batch| &batch.rows).filter_map(|(_, row)| row.as_ref()) {
        std::hint::black_box(encode_row(row).unwrap());
    }
    println!("encode {:?} a row", (cpu() - computed) / rows as u32);
    let mut world = World::default();
    for record in log.reader().read(Position(0), 1001).unwrap() {
        world.apply(&record).unwrap();
    }
    let computed = cpu();
    for (_, bytes) in encoded.iter().flatten() {
        std::hint::black_box(decode_record(bytes).unwrap());
    }
    println!("decode {:?} a record", (cpu() - computed) / count as u32);
    let computed = cpu();
    for (_, bytes) in encoded.iter().flatten() {
        world.apply(&decode_record(bytes).unwrap()).unwrap();
    }
    println!("decode and apply {:?} a record", (cpu() - computed) / count as u32);
    println!("tail {tail}");
}
