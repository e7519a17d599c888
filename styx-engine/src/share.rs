//! How many messages of a kind may wait for the engine. Each kind has a share of its own, so that none keeps out another.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The places of one kind of message.
#[derive(Debug)]
pub(crate) struct Share {
    places: usize,
    taken: Mutex<usize>,
    freed: Condvar,
}

/// A place in a share, from when a message is sent until the engine handles it.
#[derive(Debug)]
pub(crate) struct Place(Arc<Share>);

impl Share {
    /// With so many places.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places, taken: Mutex::new(0), freed: Condvar::new() })
    }

    /// A place, if one is free.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.lock();
        (*taken < self.places).then(|| {
            *taken += 1;
            Place(Arc::clone(self))
        })
    }

    /// Waits for a place.
    pub(crate) fn take(self: &Arc<Self>) -> Place {
        let taken = self.freed.wait_while(self.lock(), |taken| *taken >= self.places);
        *taken.unwrap_or_else(PoisonError::into_inner) += 1;
        Place(Arc::clone(self))
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        *self.lock()
    }

    /// Nothing that is done under the lock panics.
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc::channel, thread};

    use super::*;

    #[test]
    fn a_share_has_so_many_places_and_each_comes_back() {
        let share = Share::new(2);
        let places = [share.try_take(), share.try_take()];
        assert!(places.iter().all(Option::is_some) && share.try_take().is_none());
        assert_eq!(share.taken(), 2);
        drop(places);
        assert_eq!(share.taken(), 0);
    }

    #[test]
    fn whoever_waits_for_a_place_gets_the_next_free_one() {
        let share = Share::new(1);
        let first = share.take();
        let (sender, receiver) = channel();
        let waiting = Arc::clone(&share);
        let thread = thread::spawn(move || {
            let place = waiting.take();
            sender.send(waiting.taken()).unwrap();
            drop(place);
        });
        assert!(receiver.try_recv().is_err());
        drop(first);
        assert_eq!(receiver.recv(), Ok(1));
        thread.join().unwrap();
        assert_eq!(share.taken(), 0);
    }
}
