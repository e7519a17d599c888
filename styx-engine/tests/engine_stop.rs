//! A stop ends the step that is open: what the engine has taken is appended and answered.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use styx_core::{
    config::Config,
    decide::{Input, Reply, Request},
    record::Operator,
    world::{Row, RowKey},
};
use styx_engine::{
    clock::SystemClock,
    engine::{Inbox, start},
    fake::FakeExecutor,
    machine::{Machine, MachineOptions},
};
use styx_store::MemoryLog;
use uuid::Uuid;

#[test]
fn whatever_came_before_a_stop_is_answered_and_durable() {
    for asked in [1, 7, 40] {
        let machine = Machine::open(Box::new(MemoryLog::new()), MachineOptions::default()).unwrap();
        let inbox = Inbox::new(1_000);
        let observer = inbox.observer();
        let executor = Arc::new(FakeExecutor::start(move |observation| observer.observe(observation)).unwrap());
        let config = Arc::new(Config::default());
        let begin = Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config };
        let (engine, thread) = start(machine, inbox, executor, Arc::new(SystemClock), vec![begin], |_| {}).unwrap();
        let ann = Arc::new(Operator { actor: "ann".into(), request_id: "".into(), request: "{}".into() });
        let answered = Arc::new(AtomicUsize::new(0));
        for n in 0..asked {
            let set = Request::SetResource { id: format!("resource-{n}").into(), concurrency: 1 };
            let answered = Arc::clone(&answered);
            let count = move |reply| {
                assert!(matches!(reply, Reply::Done), "{reply:?}");
                answered.fetch_add(1, Ordering::SeqCst);
            };
            engine.ask(set, Arc::clone(&ann), count).unwrap();
        }
        thread.stop().unwrap();
        assert_eq!(answered.load(Ordering::SeqCst), asked);
        for n in 0..asked {
            let row = engine.reader().get(&RowKey::Resource(format!("resource-{n}").into())).unwrap();
            assert!(matches!(row, Some(Row::Resource(_))), "{n}");
        }
    }
}
