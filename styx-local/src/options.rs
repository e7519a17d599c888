//! How a local executor works: its folders, what jobs get, what is kept, and the program of the shim.

use std::{collections::BTreeMap, ffi::OsString, fmt, io, path::PathBuf, sync::Arc, time::Duration};

use styx_core::executor_event::OnExecutorEvent;

/// How a [`LocalExecutor`](crate::LocalExecutor) works.
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

    pub(crate) fn with_absolute_paths(mut self) -> io::Result<Self> {
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
