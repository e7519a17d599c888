//! A thousand clients trigger, halt, retry, enable and disable while the server is killed again and again: for each instance and
//! each switch there is an order of all that was asked, within the times at which it was, that explains every answer.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

#[path = "linear/checker.rs"]
mod checker;
#[path = "linear/client.rs"]
mod client;
mod common;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use checker::{Call, explain};
use client::Client;
use common::{LONG, Server, data};
use styx_core::id::Position;

const CLIENTS: usize = 1_000;
const WORKFLOWS: usize = 20;
/// Instances of each workflow.
const PARTITIONS: usize = 15;
const KILLS: usize = 4;
/// How long the server lives each time.
const LIFE: Duration = Duration::from_millis(1_200);

#[test]
fn every_answer_fits_into_one_order_under_kill_9() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    for workflow in 0..WORKFLOWS {
        server.store("c", &format!("w{workflow}"), "years", LONG);
    }
    let began = Instant::now();
    // Where the server listens now; another port after each start.
    let address = Arc::new(Mutex::new(Some(server.address().to_owned())));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|seed| {
            let client = Client::new(seed, began, Arc::clone(&address), Arc::clone(&stop));
            thread::Builder::new().stack_size(256 * 1024).spawn(move || client.run()).unwrap()
        })
        .collect();
    let mut running = Some(server);
    for _ in 0..KILLS {
        thread::sleep(LIFE);
        *address.lock().unwrap() = None;
        running.take().unwrap().kill();
        let server = Server::start(&data);
        *address.lock().unwrap() = Some(server.address().to_owned());
        running = Some(server);
    }
    thread::sleep(LIFE);
    stop.store(true, Ordering::Relaxed);
    let mut histories: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    for client in clients {
        for (subject, call) in client.join().unwrap() {
            histories.entry(subject).or_default().push(call);
        }
    }
    // What is there at the end counts as one more answer.
    let server = running.unwrap();
    let end = began.elapsed();
    for (subject, history) in &mut histories {
        history.push(client::last_look(&server, subject, end));
    }
    assert_eq!(server.stop().code(), Some(0));

    let (mut answered, mut unknown) = (0, 0);
    for (subject, history) in &histories {
        answered += history.iter().filter(|call| call.answer.is_some()).count();
        unknown += history.iter().filter(|call| call.answer.is_none()).count();
        if let Err(stuck) = explain(history) {
            panic!("{subject}: no order explains {stuck:#?}");
        }
    }
    println!("{answered} answers and {unknown} requests without one, of {} subjects", histories.len());
    assert!(histories.len() >= WORKFLOWS * PARTITIONS / 2, "{} subjects", histories.len());
    assert!(answered > CLIENTS, "{answered} answers");
    assert!(styx_store::rocks::open_read_only(&data).is_ok_and(|log| {
        use styx_core::log::LogReader as _;
        log.tail().is_ok_and(|tail| tail > Position(1_000))
    }));
}

#[cfg(test)]
mod tests {
    use super::{
        checker::{Answer, Asked},
        *,
    };

    fn call(asked: Asked, from: u64, to: u64, answer: Option<Answer>) -> Call {
        Call { asked, began: Duration::from_millis(from), ended: Duration::from_millis(to), answer }
    }

    #[test]
    fn the_checker_tells_orders_from_disorder() {
        let (trigger, halt) = (Asked::Trigger, Asked::Halt);
        let (done, refused, nothing) = (Some(Answer::Done), Some(Answer::Conflict), Some(Answer::Nothing));
        let fits = |calls: &[Call]| explain(calls).is_ok();
        assert!(fits(&[call(trigger, 0, 5, done), call(trigger, 1, 4, refused), call(halt, 6, 7, done)]));
        // Twice done without a halt between.
        assert!(!fits(&[call(trigger, 0, 5, done), call(trigger, 1, 4, done)]));
        // Lost: it was answered, and what came after doesn't know of it.
        assert!(!fits(&[call(trigger, 0, 1, done), call(halt, 2, 3, nothing)]));
        // Without an answer it may have happened, later too.
        assert!(fits(&[call(trigger, 0, 1, None), call(halt, 2, 3, nothing), call(halt, 4, 5, done)]));
        assert!(!fits(&[call(trigger, 2, 3, None), call(halt, 0, 1, done)]));
        assert!(fits(&[call(Asked::Switch(true), 0, 1, done), call(Asked::Switch(true), 2, 3, nothing)]));
        assert!(!fits(&[call(Asked::Switch(true), 0, 1, done), call(Asked::Switch(true), 2, 3, done)]));
    }
}
