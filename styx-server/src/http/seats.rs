//! Connections without a request give way when there is no room for another one: whoever only stays connected keeps nobody
//! from being answered.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::Notify;

/// The connections that wait for a request.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// By when they began to wait: the numbers only grow.
    connections: BTreeMap<u64, Arc<Notify>>,
    last: u64,
    /// The next one that would wait gives way instead.
    is_one_wanted: bool,
}

/// A connection, from when it is accepted until it ends.
#[derive(Debug)]
pub(super) struct Seat {
    idle: Arc<Idle>,
    give_way: Arc<Notify>,
    /// Its number among those that wait; 0 while it has a request.
    number: AtomicU64,
    has_asked: AtomicBool,
}

impl Idle {
    /// Asks the connections that have waited longest to give way, at most so many, or else the next one that would wait;
    /// returns how many there were.
    pub(super) fn make_room(&self, at_most: usize) -> usize {
        let mut waiting = self.lock();
        let longest: Vec<_> = (0..at_most).map_while(|_| waiting.connections.pop_first()).collect();
        waiting.is_one_wanted = longest.is_empty();
        longest.iter().for_each(|(_, give_way)| give_way.notify_one());
        longest.len()
    }

    /// There is room: nobody needs to give way any more.
    pub(super) fn has_room(&self) {
        self.lock().is_one_wanted = false;
    }

    /// Nothing that is done under the lock panics.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Of a connection that waits for its first request.
    pub(super) fn take(idle: &Arc<Idle>) -> Self {
        let seat = Self {
            idle: Arc::clone(idle),
            give_way: Arc::default(),
            number: AtomicU64::new(0),
            has_asked: AtomicBool::new(false),
        };
        seat.wait();
        seat
    }

    /// A request has come.
    pub(super) fn begin(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
        let number = self.number.swap(0, Ordering::Relaxed);
        self.idle.lock().connections.remove(&number);
    }

    /// The body of an answer; once it is sent the connection waits again.
    pub(super) fn answer(self: &Arc<Self>, body: Body) -> Body {
        Body::new(Answer { body, seat: Arc::clone(self) })
    }

    /// Whether there ever was a request.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Waits until the connection is to give way.
    pub(super) async fn gives_way(&self) {
        self.give_way.notified().await;
    }

    fn wait(&self) {
        let mut waiting = self.idle.lock();
        if std::mem::take(&mut waiting.is_one_wanted) {
            self.give_way.notify_one();
            return;
        }
        waiting.last += 1;
        let number = waiting.last;
        waiting.connections.insert(number, Arc::clone(&self.give_way));
        self.number.store(number, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let number = *self.number.get_mut();
        self.idle.lock().connections.remove(&number);
    }
}

/// The body of an answer, which knows whose connection it is on.
struct Answer {
    body: Body,
    seat: Arc<Seat>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.seat.wait();
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn is_asked_to_go(seat: &Seat) -> bool {
        seat.gives_way().now_or_never().is_some()
    }

    #[test]
    fn the_one_that_has_waited_longest_gives_way() {
        let idle = Arc::default();
        let seats: Vec<Arc<Seat>> = (0..3).map(|_| Arc::new(Seat::take(&idle))).collect();
        seats[0].begin();
        let body = seats[0].answer(Body::empty());
        assert!(idle.make_room(1) == 1 && is_asked_to_go(&seats[1]));
        assert!(!is_asked_to_go(&seats[0]) && !is_asked_to_go(&seats[2]));
        drop(body);
        // The first one waits again, and now less long than the third.
        assert!(idle.make_room(1) == 1 && is_asked_to_go(&seats[2]));
        assert!(idle.make_room(1) == 1 && is_asked_to_go(&seats[0]));
        assert_eq!(idle.make_room(2), 0);
        assert!(seats[0].has_asked() && !seats[1].has_asked());
    }

    #[test]
    fn while_all_are_busy_the_next_one_that_is_done_gives_way() {
        let idle = Arc::default();
        let seats: Vec<Arc<Seat>> = (0..2).map(|_| Arc::new(Seat::take(&idle))).collect();
        seats.iter().for_each(|seat| seat.begin());
        let bodies: Vec<Body> = seats.iter().map(|seat| seat.answer(Body::empty())).collect();
        assert_eq!(idle.make_room(2), 0);
        drop(bodies);
        assert!(is_asked_to_go(&seats[0]) && !is_asked_to_go(&seats[1]));
        seats[1].begin();
        assert_eq!(idle.make_room(2), 0);
        idle.has_room();
        drop(seats[1].answer(Body::empty()));
        assert!(!is_asked_to_go(&seats[1]));
        drop(seats);
        assert!(idle.lock().connections.is_empty());
    }
}
