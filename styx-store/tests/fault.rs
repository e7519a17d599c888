//! The log that fails on purpose.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use styx_core::{id::Position, log::Log};
use styx_store::{
    MemoryLog,
    conformance::{Story, assert_tells},
    fault::{Fault, FaultLog},
};

fn fail_at_third(fault: Fault) -> (Story, Story, MemoryLog) {
    let memory = MemoryLog::new();
    let storage = memory.storage();
    let mut log = FaultLog::new(memory, 3, fault);
    let epoch = log.begin_epoch().unwrap();
    let mut story = Story::new(1);
    for _ in 0..2 {
        let before = story.tail();
        log.append(epoch, before, &story.next_batch(epoch, 5)).unwrap();
    }
    assert!(!log.has_failed());
    let before = story.clone();
    let batch = story.next_batch(epoch, 5);
    assert!(log.append(epoch, before.tail(), &batch).is_err());
    assert!(log.has_failed());
    for tail in [before.tail(), story.tail()] {
        assert!(log.append(epoch, tail, &batch).is_err(), "it refuses everything from then on");
    }
    assert!(log.begin_epoch().is_err());
    (before, story, MemoryLog::open(&storage))
}

#[test]
fn a_lost_batch_is_not_there() {
    let (before, _, reopened) = fail_at_third(Fault::Lost);
    assert_tells(&*reopened.reader(), &before);
}

#[test]
fn a_kept_batch_is_there_though_the_answer_was_an_error() {
    let (_, after, mut reopened) = fail_at_third(Fault::Kept);
    assert_tells(&*reopened.reader(), &after);
    let epoch = reopened.begin_epoch().unwrap();
    let mut story = after.clone();
    let batch = story.next_batch(epoch, 5);
    assert_eq!(reopened.append(epoch, after.tail(), &batch), Ok(story.tail()));
}

#[test]
fn an_error_of_the_log_itself_ends_it_too() {
    let mut log = FaultLog::new(MemoryLog::new(), 9, Fault::Kept);
    let epoch = log.begin_epoch().unwrap();
    let batch = Story::new(1).next_batch(epoch, 5);
    assert!(log.append(epoch, Position(4), &batch).is_err());
    assert!(log.has_failed());
    assert!(log.append(epoch, Position(0), &batch).is_err());
}
