//! Clients that ask again as soon as they are answered share syncs.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use styx_core::{
    config::Config,
    decide::{Input, Reply, Request},
    id::{Epoch, Position},
    log::{Batch, Log, LogError, LogReader},
    record::Operator,
};
use styx_engine::{
    clock::SystemClock,
    engine::{Inbox, start},
    fake::FakeExecutor,
    machine::{Machine, MachineOptions},
};
use styx_store::MemoryLog;
use uuid::Uuid;

const CLIENTS: u64 = 8;
const ROUNDS: usize = 30;
/// The engine waits for half of a sync at most: far more than a thread that was woken takes to come back.
const SYNC: Duration = Duration::from_millis(20);

/// A log on a slow disk, which counts its syncs.
struct Slow {
    inner: MemoryLog,
    syncs: Arc<AtomicUsize>,
}

impl Log for Slow {
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        thread::sleep(SYNC);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.inner.append(epoch, expected_tail, batch)
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        self.inner.begin_epoch()
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.inner.reader()
    }
}

/// The engine waits for 10 ms at most, in which a busy machine may leave a client without a turn. What keeps clients apart is
/// seen in each try; what a busy machine does isn't.
const TRIES: usize = 10;

#[test]
fn a_sync_carries_all_clients_that_ask_again_as_soon_as_they_are_answered() {
    // In two groups that take turns it would be two for each round.
    let mut syncs = Vec::new();
    while syncs.iter().all(|took| *took >= ROUNDS * 3 / 2) {
        assert!(syncs.len() < TRIES, "{syncs:?} syncs for {ROUNDS} rounds of {CLIENTS} clients");
        syncs.push(syncs_taken());
    }
}

/// How many syncs all rounds of all clients take.
fn syncs_taken() -> usize {
    let syncs = Arc::new(AtomicUsize::new(0));
    let log = Slow { inner: MemoryLog::new(), syncs: Arc::clone(&syncs) };
    let machine = Machine::open(Box::new(log), MachineOptions::default()).unwrap();
    let inbox = Inbox::new(1_000);
    let observer = inbox.observer();
    let executor = Arc::new(FakeExecutor::start(move |observation| observer.observe(observation)).unwrap());
    let config = Arc::new(Config::default());
    let begin = Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config };
    let (engine, engine_thread) = start(machine, inbox, executor, Arc::new(SystemClock), vec![begin], |_| {}).unwrap();
    let ann = Arc::new(Operator { actor: "ann".into(), request_id: "".into(), request: "{}".into() });
    let before = syncs.load(Ordering::Relaxed);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (engine, ann) = (&engine, &ann);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let set = Request::SetResource { id: format!("client-{client}").into(), concurrency: round as i64 };
                    let reply = engine.ask_and_wait(set, Arc::clone(ann)).unwrap();
                    assert!(matches!(reply, Reply::Done), "{reply:?}");
                }
            });
        }
    });
    let took = syncs.load(Ordering::Relaxed) - before;
    engine_thread.stop().unwrap();
    took
}
