//! How late a natural trigger is durable, against the disk's sync in the same run.
//!
//! `cargo bench --workspace --all-features --profile dev --bench lateness`

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use rocksdb::{DB, Options, WriteOptions};
use styx_core::{
    config::Config,
    decide::{Input, Request},
    id::{Epoch, Position, WorkflowId},
    log::{Batch, Log, LogError, LogReader},
    record::{CursorMove, Fact, Operator, Origin, StoredWorkflow, WorkflowEvent},
    workflow::WorkflowConfiguration,
};
use styx_engine::{
    clock::{Clock, SystemClock},
    engine::{Inbox, start},
    fake::FakeExecutor,
    machine::{Machine, MachineOptions},
};
use styx_store::RocksLog;
use uuid::Uuid;

/// One instant is due each 50 milliseconds.
const FILE: &str = "bench.yaml";
const WORKFLOWS: u64 = 1_200;
const SECONDS: u64 = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let sync_before = sync_latencies(folder.path())?;
    let lateness = Arc::new(Mutex::new(Vec::new()));
    let log = Timed {
        inner: Box::new(RocksLog::open(folder.path().join("log"))?),
        cursors: BTreeMap::new(),
        lateness: Arc::clone(&lateness),
    };
    let machine = Machine::open(Box::new(log), MachineOptions::default())?;
    let inbox = Inbox::new(10_000);
    let observer = inbox.observer();
    let executor = Arc::new(FakeExecutor::start(move |observation| observer.observe(observation))?);
    let config = Arc::new(Config::default());
    let begin = Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config };
    let (engine, thread_of_engine) = start(machine, inbox, executor, Arc::new(SystemClock), vec![begin], |_| {})?;
    let ann = Arc::new(Operator { actor: "bench".into(), request_id: "".into(), request: "{}".into() });
    let mut workflows = Vec::new();
    for index in 0..WORKFLOWS {
        let millis = index * 60_000 / WORKFLOWS;
        let offset = format!("PT{}.{:03}S", millis / 1_000, millis % 1_000);
        let mut configuration = WorkflowConfiguration::new(format!("w{index}"), "* * * * *");
        configuration.offset = Some(offset);
        configuration.docker_image = Some("busybox".to_owned());
        let origin = Origin::File { path: FILE.into(), enabled: true };
        let workflow = Arc::new(StoredWorkflow::new(&configuration, origin));
        workflows.push((WorkflowId::new("bench", format!("w{index}")), workflow));
    }
    let load = Request::LoadFile { path: FILE.into(), workflows: workflows.into(), elsewhere: Arc::default() };
    engine.ask_and_wait(load, ann)?;
    // What was due while the workflows were made isn't counted.
    thread::sleep(Duration::from_secs(1));
    lateness.lock().map_err(|_| "poisoned")?.clear();
    thread::sleep(Duration::from_secs(SECONDS));
    let mut lateness = std::mem::take(&mut *lateness.lock().map_err(|_| "poisoned")?);
    thread_of_engine.stop()?;
    let mut sync = sync_before;
    sync.extend(sync_latencies(folder.path())?);
    let (late_p50, late_p99) = percentiles(&mut lateness);
    let (sync_p50, sync_p99) = percentiles(&mut sync);
    println!("sync of one small write: p50 {sync_p50:?}, p99 {sync_p99:?}");
    println!("trigger due at T durable after: p50 {late_p50:?}, p99 {late_p99:?} ({} triggers)", lateness.len());
    println!("allowed, 2 sync p99 + 5 ms: {:?}", sync_p99 * 2 + Duration::from_millis(5));
    Ok(())
}

/// The floor: one small write and its sync.
fn sync_latencies(folder: &std::path::Path) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let mut options = Options::default();
    options.create_if_missing(true);
    let db = DB::open(&options, folder.join("raw"))?;
    let mut sync = WriteOptions::default();
    sync.set_sync(true);
    let mut latencies = Vec::new();
    for index in 0..500_u64 {
        let begin = Instant::now();
        db.put_opt(index.to_be_bytes(), [0; 400], &sync)?;
        latencies.push(begin.elapsed());
    }
    Ok(latencies)
}

fn percentiles(latencies: &mut [Duration]) -> (Duration, Duration) {
    latencies.sort_unstable();
    let at = |share: usize| latencies.get(latencies.len() * share / 100).copied().unwrap_or_default();
    (at(50), at(99))
}

/// A log that notes, after each append, how long ago the triggers in it were due.
struct Timed {
    inner: Box<dyn Log>,
    cursors: BTreeMap<WorkflowId, DateTime<Utc>>,
    lateness: Arc<Mutex<Vec<Duration>>>,
}

impl Log for Timed {
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        let tail = self.inner.append(epoch, expected_tail, batch)?;
        let now = SystemClock.now();
        for record in &batch.records {
            if let Fact::Workflow(id, WorkflowEvent::CursorMoved { to: Some(to), why, .. }) = &record.fact {
                let due = self.cursors.insert(id.clone(), to.fires_at);
                if let (CursorMove::Triggered, Some(due), Ok(mut lateness)) = (why, due, self.lateness.lock()) {
                    lateness.extend((now - due).to_std());
                }
            }
        }
        Ok(tail)
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        self.inner.begin_epoch()
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.inner.reader()
    }
}
