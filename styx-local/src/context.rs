//! What the executor, its thread and each execution work with.

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use styx_core::{executor::Observation, id::ExecutionId};

use crate::{options::LocalOptions, place::Place, process::RecentProcesses, reactor::Watcher, shims::Living};

/// What the executor and its thread share.
pub(crate) struct Shared {
    pub(crate) options: LocalOptions,
    pub(crate) place: Arc<Place>,
    pub(crate) observations: Box<dyn Fn(Observation) + Send + Sync>,
    pub(crate) running: Mutex<BTreeMap<ExecutionId, Option<i32>>>,
    /// That all it knows is reported is to be said, once the effects that came before are answered.
    pub(crate) all_requested: AtomicBool,
    pub(crate) closed: AtomicBool,
}

impl Shared {
    pub(crate) fn running(&self) -> MutexGuard<'_, BTreeMap<ExecutionId, Option<i32>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn report(&self, observation: Observation) {
        if !self.is_closed() {
            (self.observations)(observation);
        }
    }
}

/// What an execution needs to move on.
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) watcher: &'a Watcher,
    /// The shims of earlier servers, once they were looked for.
    pub(crate) living: &'a OnceCell<Living>,
    pub(crate) processes: &'a RecentProcesses,
    /// Which events are about it.
    pub(crate) token: u64,
}
