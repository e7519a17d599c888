//! Requests and observations wait for the engine in shares of their own: neither keeps out the other.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
};

use styx_core::{
    config::Config,
    decide::{Input, Request},
    executor::{Effect, Executor, Observation, Observed},
    id::ExecutionId,
    record::Operator,
};
use styx_engine::{
    clock::SystemClock,
    engine::{Busy, EngineHandle, EngineThread, Inbox, Observer, Waiting, start},
    machine::{Machine, MachineOptions},
};
use styx_store::MemoryLog;
use uuid::Uuid;

const SHARE: usize = 4;

struct Nothing;

impl Executor for Nothing {
    fn perform(&self, _: Effect) {}

    fn all_requested(&self) {}
}

fn engine() -> (EngineHandle, EngineThread, Observer) {
    let machine = Machine::open(Box::new(MemoryLog::new()), MachineOptions::default()).unwrap();
    let inbox = Inbox::new(SHARE);
    let observer = inbox.observer();
    let config = Arc::new(Config::default());
    let begin = Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config };
    let clock = Arc::new(SystemClock);
    let (engine, thread) = start(machine, inbox, Arc::new(Nothing), clock, vec![begin], |_| {}).unwrap();
    (engine, thread, observer)
}

/// Keeps the engine's thread busy until the sender is dropped.
fn hold(engine: &EngineHandle) -> Sender<()> {
    let (release, released) = channel::<()>();
    let (held, is_held) = channel();
    let look = move |_: &_, _| {
        held.send(()).unwrap();
        let _ = released.recv();
    };
    engine.look(look).unwrap();
    is_held.recv().unwrap();
    release
}

fn ask(engine: &EngineHandle, answered: &Arc<AtomicUsize>) -> Result<(), Busy> {
    let ann = Arc::new(Operator { actor: "ann".into(), request_id: "".into(), request: "{}".into() });
    let answered = Arc::clone(answered);
    let request = Request::SetResource { id: "r".into(), concurrency: 1 };
    engine.ask(request, ann, move |_| {
        answered.fetch_add(1, Ordering::SeqCst);
    })
}

fn observation(number: usize) -> Observation {
    Observation {
        execution: ExecutionId::parse(&format!("unknown-{number}")),
        runner: "test".into(),
        what: Observed::Cleaned,
        observed_at: None,
        evidence: b"{}".as_slice().into(),
        extensions: Default::default(),
    }
}

/// Waits until as much waits for the engine as is expected; what is sent next arrives on other threads.
fn wait_for(engine: &EngineHandle, waiting: Waiting) {
    while engine.waiting() != waiting {
        thread::yield_now();
    }
}

fn waiting(requests: usize, observations: usize) -> Waiting {
    let mut waiting = Waiting::default();
    (waiting.requests, waiting.observations) = (requests, observations);
    waiting
}

#[test]
fn requests_are_taken_while_more_observations_come_than_may_wait() {
    let (engine, engine_thread, observer) = engine();
    let release = hold(&engine);
    let (sent, answered) = (Arc::new(AtomicUsize::new(0)), Arc::default());
    let observing = {
        let sent = Arc::clone(&sent);
        thread::spawn(move || {
            for number in 0..10 * SHARE {
                observer.observe(observation(number));
                sent.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    wait_for(&engine, waiting(0, SHARE));
    for _ in 0..SHARE {
        assert_eq!(ask(&engine, &answered), Ok(()));
    }
    assert_eq!(engine.waiting(), waiting(SHARE, SHARE));
    assert_eq!(ask(&engine, &answered), Err(Busy::Full), "requests have a bound of their own");
    assert_eq!(sent.load(Ordering::SeqCst), SHARE, "the other observations wait with their sender");
    drop(release);
    observing.join().unwrap();
    wait_for(&engine, waiting(0, 0));
    engine_thread.stop().unwrap();
    assert_eq!((sent.load(Ordering::SeqCst), answered.load(Ordering::SeqCst)), (10 * SHARE, SHARE));
}

#[test]
fn observations_are_taken_while_requests_are_turned_away() {
    let (engine, engine_thread, observer) = engine();
    let release = hold(&engine);
    let answered = Arc::default();
    let taken = (0..10 * SHARE).filter(|_| ask(&engine, &answered).is_ok()).count();
    assert_eq!(taken, SHARE);
    // On this thread: none of them waits.
    (0..SHARE).for_each(|number| observer.observe(observation(number)));
    assert_eq!(engine.waiting(), waiting(SHARE, SHARE));
    drop(release);
    wait_for(&engine, waiting(0, 0));
    engine_thread.stop().unwrap();
    assert_eq!(answered.load(Ordering::SeqCst), SHARE);
}

#[test]
fn an_engine_that_has_stopped_keeps_nobody_waiting() {
    let (engine, engine_thread, observer) = engine();
    let release = hold(&engine);
    let observing = thread::spawn(move || (0..10 * SHARE).for_each(|number| observer.observe(observation(number))));
    wait_for(&engine, waiting(0, SHARE));
    let stopping = thread::spawn(move || engine_thread.stop());
    drop(release);
    stopping.join().unwrap().unwrap();
    observing.join().unwrap();
    assert_eq!(ask(&engine, &Arc::default()), Err(Busy::Stopped));
}
