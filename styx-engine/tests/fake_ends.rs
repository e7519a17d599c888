//! A fake executor whose thread has ended reports that, and one that was dropped doesn't.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::sync::{
    Arc,
    mpsc::{Receiver, channel},
};

use styx_core::{
    executor::{Effect, Executor},
    executor_event::{ExecutorEvent, OnExecutorEvent},
    id::ExecutionId,
};
use styx_engine::fake::FakeExecutor;
use uuid::Uuid;

/// Where events go. The channel ends when nobody can send any more: then the executor's thread has ended.
fn events() -> (OnExecutorEvent, Receiver<ExecutorEvent>) {
    let (sender, receiver) = channel();
    (Arc::new(move |event| sender.send(event).unwrap()), receiver)
}

#[test]
fn an_executor_whose_thread_dies_reports_it() {
    let (on_event, events) = events();
    let executor = FakeExecutor::start_with(|_| panic!("nobody takes it"), on_event).unwrap();
    let (log_id, execution) = (Uuid::nil(), ExecutionId::from_uuid(Uuid::nil()));
    executor.perform(Effect::Stop { executor: "fake".into(), log_id, execution });
    let ended = vec![ExecutorEvent::Ended { reason: "it panicked: nobody takes it".to_owned() }];
    assert_eq!(events.iter().collect::<Vec<_>>(), ended);
}

#[test]
fn an_executor_that_is_dropped_reports_nothing() {
    let (on_event, events) = events();
    drop(FakeExecutor::start_with(|_| {}, on_event).unwrap());
    assert_eq!(events.iter().count(), 0);
}
