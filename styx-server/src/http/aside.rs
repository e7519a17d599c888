//! Work on threads that may wait for the disk: so many at a time, and none for callers who have gone.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::JoinError};

/// How many of them scrapes have for themselves: what is measured is wanted most when all others are taken.
const SCRAPES: usize = 2;

/// Hands work to threads. Whoever goes away before a thread is free has cost none: the queue is of those who still wait.
pub(crate) struct Aside {
    reads: Arc<Semaphore>,
    scrapes: Arc<Semaphore>,
}

impl Default for Aside {
    fn default() -> Self {
        let reads = Arc::new(Semaphore::new(Self::THREADS - SCRAPES));
        Self { reads, scrapes: Arc::new(Semaphore::new(SCRAPES)) }
    }
}

impl Aside {
    /// How many such threads there are; the runtime makes no more.
    pub(crate) const THREADS: usize = 16;

    /// Works for a request.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        run(&self.reads, work).await
    }

    /// Works for a scrape.
    pub(crate) async fn scrape<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        run(&self.scrapes, work).await
    }
}

async fn run<T: Send + 'static>(
    threads: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    // Nobody closes it.
    let thread = Arc::clone(threads).acquire_owned().await.ok();
    let work = move || {
        let _thread = thread;
        work()
    };
    tokio::task::spawn_blocking(work).await
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc::sync_channel,
        },
        time::Duration,
    };

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn those_who_have_gone_cost_no_thread_and_scrapes_find_one() {
        let aside = Arc::new(Aside::default());
        let (free, held) = sync_channel::<()>(0);
        let held = Arc::new(std::sync::Mutex::new(held));
        let mut holders = Vec::new();
        for _ in 0..Aside::THREADS - SCRAPES {
            let (aside, held) = (Arc::clone(&aside), Arc::clone(&held));
            holders.push(tokio::spawn(async move { aside.read(move || held.lock().unwrap().recv().unwrap()).await }));
        }
        while aside.reads.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let worked = Arc::new(AtomicUsize::new(0));
        for _ in 0..1_000 {
            let worked = Arc::clone(&worked);
            let work = aside.read(move || worked.fetch_add(1, Ordering::Relaxed));
            assert!(tokio::time::timeout(Duration::ZERO, work).await.is_err(), "all threads are taken");
        }
        assert_eq!(aside.scrape(|| 7).await.unwrap(), 7);
        for holder in holders {
            free.send(()).unwrap();
            drop(holder);
        }
        assert_eq!(aside.read(|| 8).await.unwrap(), 8);
        assert_eq!(worked.load(Ordering::Relaxed), 0, "nobody waits for it");
    }
}
