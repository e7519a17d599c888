//! The executor that needs no cluster: it runs a workflow's `docker_args` as a process of this machine.
//!
//! Between this process and each job stands a [`shim`], a process of its own that outlives a restart. It claims the
//! execution in a synced file before it starts the job, and notes the end after it; so whoever comes later reads from
//! these files alone what is true. `docs/adr/0006-local-executor.md` says why it is made this way.
//!
//! ```no_run
//! use styx_core::executor::{Effect, Executor};
//! use styx_engine::local::{LocalExecutor, LocalOptions};
//!
//! fn run(effect: Effect) -> std::io::Result<()> {
//!     // The binary's `main` hands `styx-server shim …` to `styx_engine::local::shim::main`.
//!     let mut options = LocalOptions::new("data/runs");
//!     options.workflows = Some("workflows".into());
//!     let executor = LocalExecutor::new(options, |observation| println!("{observation:?}"))?;
//!     executor.perform(effect);
//!     Ok(())
//! }
//! ```

mod environment;
mod family;
mod followed;
mod launch;
mod notes;
mod place;
mod process;
mod retention;
mod run_folder;
pub mod shim;
mod shims;
mod stop;
mod worker;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, io,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use styx_core::{
    executor::{Effect, Executor, Observation},
    id::ExecutionId,
};

use place::Place;
use worker::{Worker, wake};

use crate::executor_event::{ExecutorEvent, OnExecutorEvent, run_to_end};

/// How a [`LocalExecutor`] works.
#[derive(Clone)]
#[non_exhaustive]
pub struct LocalOptions {
    /// What observations say who saw it.
    pub runner: Arc<str>,
    /// The folder of run folders; made with mode 0700 if it isn't there. What they say of claims and ends is in its folder
    /// `.state`, which jobs have no business in.
    pub root: PathBuf,
    /// The folder of workflows: a job runs in the folder of its workflow's file. One that was made through the API runs
    /// in its run folder.
    pub workflows: Option<PathBuf>,
    /// `PATH` of jobs, unless their workflow sets it.
    pub path: String,
    /// What `STYX_ENVIRONMENT` says.
    pub environment: String,
    /// Variables of the operator, for names that neither a workflow nor Styx has set.
    pub execution_env: BTreeMap<String, String>,
    /// The program that stands between this process and a job.
    pub shim: ShimCommand,
    /// Of how many ended executions the output is kept.
    pub keep_runs: usize,
    /// How much output of an execution is kept; the rest is dropped, and the output says so.
    pub max_output_bytes: u64,
    /// How long a job has between the request to end (SIGTERM) and its end by force (SIGKILL), and what a job has left
    /// behind between the job's end and its own.
    pub stop_grace: Duration,
    /// Receives how the executor itself is.
    pub on_event: OnExecutorEvent,
    /// The umask of jobs; this process's own if it isn't said.
    pub umask: Option<u32>,
}

impl LocalOptions {
    /// The defaults, with run folders in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            runner: "local".into(),
            root: root.into(),
            workflows: None,
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            environment: "local".into(),
            execution_env: BTreeMap::new(),
            shim: ShimCommand::default(),
            keep_runs: 1000,
            max_output_bytes: 64 << 20,
            stop_grace: Duration::from_secs(30),
            on_event: Arc::new(|_| {}),
            umask: None,
        }
    }

    fn with_absolute_paths(mut self) -> io::Result<Self> {
        self.root = std::path::absolute(&self.root)?;
        if let Some(workflows) = &mut self.workflows {
            *workflows = std::path::absolute(&workflows)?;
        }
        if self.shim.program.components().count() > 1 {
            self.shim.program = std::path::absolute(&self.shim.program)?;
        }
        // It becomes the value of a variable and goes through JSON.
        if self.root.to_str().is_none_or(|root| root.contains('\0')) {
            let message = format!("the path of the run folders must be UTF-8: {}", self.root.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(self)
    }
}

/// Values of variables may be secrets: only their names are shown.
impl fmt::Debug for LocalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalOptions")
            .field("runner", &self.runner)
            .field("root", &self.root)
            .field("workflows", &self.workflows)
            .field("path", &self.path)
            .field("environment", &self.environment)
            .field("execution_env", &self.execution_env.keys().collect::<Vec<_>>())
            .field("shim", &self.shim)
            .field("keep_runs", &self.keep_runs)
            .field("max_output_bytes", &self.max_output_bytes)
            .field("stop_grace", &self.stop_grace)
            .finish_non_exhaustive()
    }
}

/// How a shim is started; the run folder follows as the last argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShimCommand {
    /// The program.
    pub program: PathBuf,
    /// The arguments before the run folder.
    pub args: Vec<OsString>,
}

/// This very program with the sub-command `shim`. Its name is `/proc/self/exe`, so that a new version that was installed
/// meanwhile doesn't become the shim of an old server.
impl Default for ShimCommand {
    fn default() -> Self {
        Self { program: "/proc/self/exe".into(), args: vec!["shim".into()] }
    }
}

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
}

impl Drop for LocalExecutor {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        wake(&self.wake);
    }
}

/// What the executor and its thread share.
struct Shared {
    options: LocalOptions,
    place: Arc<Place>,
    observations: Box<dyn Fn(Observation) + Send + Sync>,
    running: Mutex<BTreeMap<ExecutionId, Option<i32>>>,
    closed: AtomicBool,
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, BTreeMap<ExecutionId, Option<i32>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn report(&self, observation: Observation) {
        if !self.is_closed() {
            (self.observations)(observation);
        }
    }
}
