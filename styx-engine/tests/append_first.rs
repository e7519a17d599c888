//! Append first, answer and act after; and all of a decision in one append.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::Config,
    decide::{Input, Reply, Request},
    event::{Event, Trigger, TriggerParameters},
    executor::{Effect, Executor},
    id::{Epoch, Position, WorkflowId},
    log::{Batch, Log, LogError, LogReader},
    record::{BackfillEvent, Fact, Operator, Origin, Record, RunEvent, StoredWorkflow, WorkflowEvent},
    workflow::WorkflowConfiguration,
};
use styx_engine::{
    clock::SystemClock,
    engine::{Inbox, start},
    machine::{Machine, MachineOptions},
};
use styx_store::MemoryLog;
use uuid::Uuid;

/// Long enough for what comes, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// What happens, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Append,
    Answer,
    Effect,
}

/// A log that reports each append of a trigger, and does it once it is let: well or not.
struct Gated {
    inner: MemoryLog,
    seen: Sender<Seen>,
    go_on: Receiver<bool>,
}

impl Log for Gated {
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        if batch.records.iter().any(|record| is_trigger(record).is_some()) {
            let _ = self.seen.send(Seen::Append);
            if !self.go_on.recv().expect("the test goes on") {
                return Err(LogError::Failed { doing: "appending".into(), reason: "asked for here".into() });
            }
        }
        self.inner.append(epoch, expected_tail, batch)
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        self.inner.begin_epoch()
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.inner.reader()
    }
}

struct Reports(Mutex<Sender<Seen>>);

impl Executor for Reports {
    fn perform(&self, _effect: Effect) {
        let _ = self.0.lock().expect("nobody panics").send(Seen::Effect);
    }

    fn all_requested(&self) {}
}

fn is_trigger(record: &Record) -> Option<&Trigger> {
    match &record.fact {
        Fact::Run(_, RunEvent::Styx { event: Event::TriggerExecution { trigger, .. }, .. }) => Some(trigger),
        _ => None,
    }
}

fn begin() -> Input {
    let config = Arc::new(Config { dequeue_rate: None, ..Config::default() });
    Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config }
}

fn ann() -> Arc<Operator> {
    Arc::new(Operator { actor: "ann".into(), request_id: "".into(), request: "{}".into() })
}

fn store(schedule: &str) -> Request {
    let mut configuration = WorkflowConfiguration::new("w", schedule);
    configuration.docker_image = Some("busybox:1".to_owned());
    Request::StoreWorkflow {
        id: WorkflowId::new("c", "w"),
        workflow: Arc::new(StoredWorkflow::new(&configuration, Origin::Api)),
    }
}

fn trigger() -> Request {
    Request::Trigger {
        workflow: WorkflowId::new("c", "w"),
        parameter: "2024-01-01".into(),
        parameters: TriggerParameters::default(),
        allow_future: false,
    }
}

/// A trigger, whose append is let or fails; what was seen before it ended, and after.
fn trigger_whose_append(goes_well: bool) -> (Vec<Seen>, Vec<Seen>) {
    let (seen, all) = channel();
    let (let_go, go_on) = channel();
    let log = Gated { inner: MemoryLog::new(), seen: seen.clone(), go_on };
    let machine = Machine::open(Box::new(log), MachineOptions::default()).expect("a new log");
    let executor = Arc::new(Reports(Mutex::new(seen.clone())));
    let (engine, thread) =
        start(machine, Inbox::new(100), executor, Arc::new(SystemClock), vec![begin()], |_| {}).expect("it starts");
    assert!(matches!(engine.ask_and_wait(store("days"), ann()), Ok(Reply::Stored(_))));
    engine
        .ask(trigger(), ann(), move |_| {
            let _ = seen.send(Seen::Answer);
        })
        .expect("it is taken");
    let first = all.recv_timeout(PATIENCE).expect("an append");
    // Whatever is done before the append ends was sent before it began.
    let before = [first].into_iter().chain(all.try_iter()).collect();
    let_go.send(goes_well).expect("it waits");
    let ended = thread.stop();
    assert_eq!(ended.is_ok(), goes_well, "{ended:?}");
    drop(engine);
    let mut after = Vec::new();
    loop {
        match all.recv_timeout(PATIENCE) {
            Ok(seen) => after.push(seen),
            Err(RecvTimeoutError::Disconnected) => return (before, after),
            Err(RecvTimeoutError::Timeout) => panic!("the engine's thread goes on"),
        }
    }
}

#[test]
fn nothing_is_answered_or_done_before_it_is_appended() {
    let (before, after) = trigger_whose_append(true);
    assert_eq!(before, [Seen::Append]);
    assert!(after.contains(&Seen::Answer) && after.contains(&Seen::Effect), "{after:?}");
}

#[test]
fn nothing_is_answered_or_done_when_it_can_not_be_appended() {
    assert_eq!(trigger_whose_append(false), (vec![Seen::Append], vec![]));
}

/// A log that looks at each batch.
struct Watched {
    inner: MemoryLog,
    batches: Arc<Mutex<Vec<Vec<Record>>>>,
}

impl Log for Watched {
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        self.batches.lock().expect("nobody panics").push(batch.records.clone());
        self.inner.append(epoch, expected_tail, batch)
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        self.inner.begin_epoch()
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.inner.reader()
    }
}

/// A crash between two appends would trigger an instant twice, or never.
#[test]
fn a_trigger_and_the_move_of_its_cursor_are_one_append() {
    let batches = Arc::default();
    let log = Watched { inner: MemoryLog::new(), batches: Arc::clone(&batches) };
    let mut machine = Machine::open(Box::new(log), MachineOptions::default()).expect("a new log");
    let mut now: DateTime<Utc> = "2024-05-06T00:30:00Z".parse().expect("a time");
    let asked = |request| Input::Asked(request, ann());
    let switched = Request::PatchWorkflow {
        id: WorkflowId::new("c", "w"),
        enabled: Some(true),
        next_instant: None,
        next_fires_at: None,
    };
    let start = now - TimeDelta::minutes(30) - TimeDelta::hours(10);
    let backfill = Request::CreateBackfill {
        workflow: WorkflowId::new("c", "w"),
        start,
        end: start + TimeDelta::hours(5),
        concurrency: 5,
        reverse: false,
        description: None,
        parameters: None,
        allow_future: false,
    };
    let first = [begin(), asked(store("hours")), asked(switched), asked(backfill)];
    machine.step(now, first.into_iter().map(|input| (1, input)).collect()).expect("it is appended");
    for _ in 0..5 {
        now += TimeDelta::hours(1);
        machine.step(now, Vec::new()).expect("it is appended");
    }
    let batches = batches.lock().expect("nobody panics");
    let mut triggered = BTreeSet::new();
    for batch in batches.iter() {
        assert_eq!(batch[0].decision, batch[0].position, "a batch begins in the middle of a decision: {batch:?}");
        for record in batch {
            let Some(trigger) = is_trigger(record) else { continue };
            let moves = batch.iter().filter(|other| other.decision == record.decision).any(|other| match &other.fact {
                Fact::Workflow(_, WorkflowEvent::CursorMoved { .. }) => *trigger == Trigger::Natural,
                Fact::Backfill(id, BackfillEvent::Advanced { .. }) => *trigger == Trigger::Backfill(Arc::clone(id)),
                _ => false,
            });
            assert!(moves, "nothing moves with {record:?}");
            triggered.insert((*trigger == Trigger::Natural, record.position));
        }
    }
    let natural = triggered.iter().filter(|(natural, _)| *natural).count();
    assert_eq!((natural, triggered.len()), (5, 10));
}
