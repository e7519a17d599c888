//! The executor says that all it knows is reported, after the answers to what was requested before.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

#[path = "support/mod.rs"]
mod support;

use std::{
    sync::{Arc, Mutex, mpsc::channel},
    time::Duration,
};

use styx_core::{
    executor::{Effect, Executor},
    executor_event::ExecutorEvent,
    id::ExecutionId,
    observation::Observation,
};
use styx_local::LocalExecutor;
use support::{Place, execution};
use uuid::Uuid;

#[test]
fn all_is_reported_before_the_executor_says_so() {
    let place = Place::new();
    // An execution that was reported; none is the word that all are.
    let (sender, seen) = channel::<Option<ExecutionId>>();
    let observed = Mutex::new(sender.clone());
    let observe = move |observation: Observation| observed.lock().unwrap().send(Some(observation.execution)).unwrap();
    let said = Mutex::new(sender);
    let mut options = place.options();
    options.on_event = Arc::new(move |event| {
        if event == ExecutorEvent::AllReported {
            said.lock().unwrap().send(None).unwrap();
        }
    });
    let executor = LocalExecutor::new(options, observe).unwrap();
    for number in 1..=3 {
        executor.perform(Effect::Adopt {
            executor: "local".into(),
            log_id: Uuid::from_u128(1),
            execution: execution(number),
        });
    }
    executor.all_requested();
    let seen: Vec<_> = (0..4).map(|_| seen.recv_timeout(Duration::from_secs(30)).unwrap()).collect();
    assert_eq!(seen, [Some(execution(1)), Some(execution(2)), Some(execution(3)), None]);
}
