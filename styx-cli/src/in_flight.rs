//! Many requests at once, though not too many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use styx_client::Error;

/// How many requests are on their way at most.
pub(crate) const MOST: usize = 5;

/// Asks for each of several things, at most `most` at a time, and takes the outcomes in the order of the things, each as
/// soon as it and those before it are there.
///
/// A refusal does not keep the others from being asked for. Only when there is no answer at all there is no use in
/// going on: what was not asked for by then has no outcome. What becomes of an outcome here ends nothing.
pub(crate) fn for_each<'a, T, R>(
    things: &'a [T],
    most: usize,
    ask: impl Fn(&'a T) -> Result<R, Error> + Sync,
    mut take: impl FnMut(&'a T, Result<R, Error>),
) where
    T: Sync,
    R: Send,
{
    let queue = Mutex::new(things.iter().enumerate());
    let is_over = AtomicBool::new(false);
    let (sender, outcomes) = channel();
    thread::scope(|scope| {
        for _ in 0..most.min(things.len()) {
            let (queue, is_over, ask, sender) = (&queue, &is_over, &ask, sender.clone());
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let Some((place, thing)) = queue.lock().expect("no thread panics with the lock").next() else {
                        return;
                    };
                    let outcome = ask(thing);
                    if matches!(outcome, Err(Error::Transport { .. })) {
                        is_over.store(true, Ordering::Relaxed);
                    }
                    sender.send((place, outcome)).expect("outcomes are taken as long as there are any");
                }
            });
        }
        drop(sender);
        let mut early: Vec<_> = things.iter().map(|_| None).collect();
        let mut next = 0;
        for (place, outcome) in outcomes {
            early[place] = Some(outcome);
            while let Some(outcome) = early.get_mut(next).and_then(Option::take) {
                take(&things[next], outcome);
                next += 1;
            }
        }
    });
}

/// Says what became of something, unless an earlier outcome could not be said. Nobody may be there to read it; what was asked
/// for is done all the same.
pub(crate) fn say<E>(said: &mut Result<(), E>, outcome: impl FnOnce() -> Result<(), E>) {
    if said.is_ok() {
        *said = outcome();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use proptest::prelude::*;
    use styx_client::ApiError;

    use super::*;

    fn refusal() -> Error {
        let (reason, request_id) = (String::new(), String::new());
        ApiError { status: 403, reason, request_id, authenticated: false, retry_after: None }.into()
    }

    proptest! {
        #[test]
        fn every_outcome_is_taken_in_order_and_few_are_on_their_way(slow in proptest::collection::vec(0..3_u64, 0..20), most in 1..7_usize) {
            let (now, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let ask = |wait: &u64| {
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(*wait));
                now.fetch_sub(1, Ordering::SeqCst);
                if *wait == 1 { Err(refusal()) } else { Ok(*wait) }
            };
            let mut taken = Vec::new();
            for_each(&slow, most, ask, |wait, outcome| taken.push((*wait, outcome.is_ok())));
            let expected: Vec<_> = slow.iter().map(|wait| (*wait, *wait != 1)).collect();
            prop_assert_eq!(taken, expected);
            prop_assert!(peak.into_inner() <= most);
        }
    }
}
