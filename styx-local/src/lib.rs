//! The executor that needs no cluster: it runs a workflow's `docker_args` as a process of this machine.
//!
//! Between this process and each job stands a [`shim`], a process of its own that outlives a restart. It claims the
//! execution in a synced file before it starts the job, and notes the end after it; so whoever comes later reads from
//! these files alone what is true. `docs/adr/0006-local-executor.md` says why it is made this way.
//!
//! ```no_run
//! use styx_core::executor::{Effect, Executor};
//! use styx_local::{LocalExecutor, LocalOptions};
//!
//! fn run(effect: Effect) -> std::io::Result<()> {
//!     // The binary's `main` hands `styx-server shim …` to `styx_local::shim::main`.
//!     let mut options = LocalOptions::new("data/runs");
//!     options.workflows = Some("workflows".into());
//!     let executor = LocalExecutor::new(options, |observation| println!("{observation:?}"))?;
//!     executor.perform(effect);
//!     Ok(())
//! }
//! ```

mod context;
mod environment;
mod family;
mod followed;
mod launch;
mod notes;
mod options;
mod place;
mod process;
mod reactor;
mod retention;
mod run_folder;
pub mod shim;
mod shims;
mod stop;
mod worker;

use std::{
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
};

use styx_core::{
    executor::{Effect, Executor, Observation},
    executor_event::{ExecutorEvent, run_to_end},
    id::ExecutionId,
};

pub use crate::options::{LocalOptions, ShimCommand};
use crate::{context::Shared, place::Place, reactor::wake, worker::Worker};

/// An execution that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Which execution.
    pub execution: ExecutionId,
    /// The job's process and process group, once it runs: `kill -- -PID` ends it.
    pub pid: Option<i32>,
    /// Where its output goes.
    pub output: PathBuf,
}

/// Runs executions as processes of this machine.
///
/// One thread does all of it, woken by requests, by ends of processes and by the few deadlines there are. Dropping the
/// executor ends the thread and nothing else: jobs go on, and the next executor adopts them.
pub struct LocalExecutor {
    inbox: Sender<Effect>,
    wake: Arc<OwnedFd>,
    shared: Arc<Shared>,
}

impl LocalExecutor {
    /// Starts an executor whose observations go to `observations`, which is called on the executor's thread. Where it waits,
    /// for room in a queue for example, the executor waits with it; requests are still taken.
    ///
    /// # Errors
    /// When a folder can't be made, or the machine lacks pidfds (Linux before 5.4).
    pub fn new(options: LocalOptions, observations: impl Fn(Observation) + Send + Sync + 'static) -> io::Result<Self> {
        let options = options.with_absolute_paths()?;
        let place = Arc::new(Place::make(&options.root)?);
        run_folder::remove_unfinished(&place)?;
        let shared = Arc::new(Shared {
            place,
            options,
            observations: Box::new(observations),
            running: Mutex::default(),
            all_requested: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let (inbox, effects) = channel();
        let worker = Worker::new(Arc::clone(&shared), effects)?;
        let wake = worker.wake();
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().name("local-executor".into()).spawn(move || {
            let reason = run_to_end(|| worker.run());
            if !of_thread.is_closed() {
                (of_thread.options.on_event)(ExecutorEvent::Ended { reason });
            }
        })?;
        Ok(Self { inbox, wake, shared })
    }

    /// The executions that live, as far as this executor was asked about them.
    pub fn running(&self) -> Vec<Running> {
        let running = self.shared.running();
        let row = |(execution, pid): (&ExecutionId, &Option<i32>)| Running {
            execution: execution.clone(),
            pid: *pid,
            output: self.output_of(execution),
        };
        running.iter().map(row).collect()
    }

    /// Where the output of an execution is, if it is still kept: standard output and error in the order written.
    pub fn output_of(&self, execution: &ExecutionId) -> PathBuf {
        self.shared.place.shown().join(execution.to_string()).join(notes::OUTPUT)
    }
}

impl Executor for LocalExecutor {
    fn perform(&self, effect: Effect) {
        if self.inbox.send(effect).is_err() {
            tracing::error!("the local executor's thread is gone");
        }
        wake(&self.wake);
    }

    fn all_requested(&self) {
        self.shared.all_requested.store(true, Ordering::SeqCst);
        wake(&self.wake);
    }
}

impl Drop for LocalExecutor {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        wake(&self.wake);
    }
}
