//! An executor whose thread has ended reports that, and one that was dropped doesn't.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

#[path = "support/mod.rs"]
mod support;

use std::sync::{
    Arc,
    mpsc::{Receiver, channel},
};

use styx_core::{
    executor::{Effect, Executor},
    executor_event::{ExecutorEvent, OnExecutorEvent},
};
use styx_local::LocalExecutor;
use support::{Place, execution};

/// Where events go. The channel ends when nobody can send any more: then the executor's thread has ended.
fn events() -> (OnExecutorEvent, Receiver<ExecutorEvent>) {
    let (sender, receiver) = channel();
    (Arc::new(move |event| sender.send(event).unwrap()), receiver)
}

#[test]
fn an_executor_whose_thread_dies_reports_it() {
    let place = Place::new();
    let (on_event, events) = events();
    let mut options = place.options();
    options.on_event = on_event;
    let executor = LocalExecutor::new(options, |_| panic!("nobody takes it")).unwrap();
    executor.perform(Effect::Launch(Box::new(place.launch(&execution(1), &["true"]))));
    let ended = vec![ExecutorEvent::Ended { reason: "it panicked: nobody takes it".to_owned() }];
    assert_eq!(events.recv().into_iter().collect::<Vec<_>>(), ended);
    drop(executor);
    assert_eq!(events.iter().count(), 0);
}

#[test]
fn an_executor_that_is_dropped_reports_nothing() {
    let place = Place::new();
    let (on_event, events) = events();
    let mut options = place.options();
    options.on_event = on_event;
    drop(LocalExecutor::new(options, |_| {}).unwrap());
    assert_eq!(events.iter().count(), 0);
}
