//! What the tests of the local executor share: a folder, an executor that is watched, and jobs that say when they are ready.

#![allow(dead_code, unreachable_pub, reason = "a module of several test programs, each of which uses a part of it")]
#![expect(clippy::unwrap_used, reason = "only tests use it")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{CWD, Mode, mkfifoat},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};
use serde_json::Value;
use styx_core::{
    event::Trigger,
    executor::{Effect, Executor, Launch, Observation, Observed},
    id::{ExecutionId, InstanceId, WorkflowId},
    record::Origin,
};
use styx_local::{LocalExecutor, LocalOptions, ShimCommand};
use uuid::Uuid;

/// No test waits longer for an event.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with run folders, and what belongs to a test's log.
pub struct Place {
    folder: tempfile::TempDir,
    pub log_id: Uuid,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("workflows")).unwrap();
        Self { folder, log_id: Uuid::from_u128(7) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn options(&self) -> LocalOptions {
        options_at(self.folder.path())
    }

    pub fn executor(&self) -> Watched {
        Watched::new(self.options())
    }

    pub fn launch(&self, execution: &ExecutionId, argv: &[&str]) -> Launch {
        launch(self.log_id, execution, argv)
    }

    pub fn stop(&self, execution: &ExecutionId) -> Effect {
        Effect::Stop { executor: "local".into(), log_id: self.log_id, execution: execution.clone() }
    }

    pub fn adopt(&self, execution: &ExecutionId) -> Effect {
        Effect::Adopt { executor: "local".into(), log_id: self.log_id, execution: execution.clone() }
    }

    pub fn clean_up(&self, execution: &ExecutionId) -> Effect {
        Effect::CleanUp { executor: "local".into(), log_id: self.log_id, execution: execution.clone() }
    }

    /// A named pipe; who reads from it waits for the job's word.
    pub fn word(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        path
    }

    pub fn run_folder(&self, execution: &ExecutionId) -> PathBuf {
        self.path("runs").join(execution.to_string())
    }

    pub fn state_folder(&self, execution: &ExecutionId) -> PathBuf {
        self.path("runs/.state").join(execution.to_string())
    }

    pub fn note(&self, execution: &ExecutionId, name: &str) -> Option<Value> {
        let text = fs::read(self.state_folder(execution).join(name)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The number of the shim that has the claim.
    pub fn shim_pid(&self, execution: &ExecutionId) -> i32 {
        pid_of(&self.note(execution, "claim").unwrap()["by"]["shim"]["process"])
    }
}

/// A test that fails must leave no process behind either. Ended is only what runs for this folder, as its environment says.
impl Drop for Place {
    fn drop(&mut self) {
        let tag = format!("STYX_RUN_DIR={}/", self.folder.path().display()).into_bytes();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let pid = entry.file_name().to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
            if environment.split(|&byte| byte == 0).any(|entry| entry.starts_with(&tag)) {
                let _ = kill_process(pid.unwrap(), Signal::KILL);
            }
        }
    }
}

fn pid_of(process: &Value) -> i32 {
    i32::try_from(process["pid"].as_i64().unwrap()).unwrap()
}

pub fn options_at(folder: &Path) -> LocalOptions {
    let mut options = LocalOptions::new(folder.join("runs"));
    options.workflows = Some(folder.join("workflows"));
    options.shim = ShimCommand { program: env!("CARGO_BIN_EXE_styx-shim").into(), args: Vec::new() };
    options.stop_grace = Duration::from_secs(20);
    options
}

pub fn launch(log_id: Uuid, execution: &ExecutionId, argv: &[&str]) -> Launch {
    Launch {
        executor: "local".into(),
        log_id,
        execution: execution.clone(),
        instance: InstanceId::new(WorkflowId::new("sales", "daily"), "2024-05-06"),
        docker_image: "busybox:1.36".into(),
        docker_command: None,
        docker_args: argv.iter().map(|&argument| argument.into()).collect(),
        env: std::collections::BTreeMap::new(),
        trigger: Some(Trigger::Natural),
        tries: 0,
        execution_counter: 0,
        service_account: None,
        commit_sha: None,
        docker_termination_logging: false,
        secret: None,
        pod: None,
        origin: Origin::File { path: Arc::from("daily.yaml"), enabled: true },
    }
}

/// The id of the n-th execution of a test program. As in earnest nobody else on this machine has it: whoever looks for what is
/// left of an execution finds it by this id, wherever its folder was. A program that a test starts shares the ids by `SALT`.
pub fn execution(n: u128) -> ExecutionId {
    let salt = std::env::var(SALT).ok().and_then(|salt| salt.parse().ok()).unwrap_or_else(std::process::id);
    ExecutionId::from_uuid(Uuid::from_u128(n << 64 | u128::from(salt) << 16 | 0xfeed))
}

/// The variable with what tells the ids of one test program from those of another.
pub const SALT: &str = "STYX_TEST_SALT";

/// An executor, and what it has seen.
pub struct Watched {
    pub executor: LocalExecutor,
    seen: Receiver<Observation>,
}

impl Watched {
    pub fn new(options: LocalOptions) -> Self {
        let (sender, seen) = channel();
        let executor = LocalExecutor::new(options, move |observation| {
            let _ = sender.send(observation);
        });
        Self { executor: executor.unwrap(), seen }
    }

    pub fn launch(&self, launch: Launch) {
        self.perform(Effect::Launch(Box::new(launch)));
    }

    pub fn perform(&self, effect: Effect) {
        self.executor.perform(effect);
    }

    pub fn next(&self) -> Observation {
        self.seen.recv_timeout(PATIENCE).expect("an observation")
    }

    /// The next observation, whose execution must be this one.
    pub fn next_of(&self, execution: &ExecutionId) -> Observed {
        let observation = self.next();
        assert_eq!(&observation.execution, execution);
        let evidence: Value = serde_json::from_slice(&observation.evidence).unwrap();
        assert_eq!(evidence["runFolder"], execution.to_string());
        observation.what
    }

    /// The exit code with which it ended, whatever was told before; anything else is a failure.
    pub fn exit_of(&self, execution: &ExecutionId) -> Option<i32> {
        loop {
            match self.next_of(execution) {
                Observed::Launched | Observed::Started => {}
                Observed::Exited { code } => return code,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Expects these observations, in this order.
    pub fn expect(&self, execution: &ExecutionId, expected: &[Observed]) {
        for what in expected {
            assert_eq!(&self.next_of(execution), what);
        }
    }

    pub fn expect_running(&self, execution: &ExecutionId) {
        self.expect(execution, &[Observed::Launched, Observed::Started]);
    }

    pub fn expect_nothing_more(&self) {
        assert_eq!(self.seen.try_recv().ok(), None);
    }

    pub fn pid_of(&self, execution: &ExecutionId) -> i32 {
        let running = self.executor.running();
        running.iter().find(|running| &running.execution == execution).and_then(|running| running.pid).unwrap()
    }

    pub fn output(&self, execution: &ExecutionId) -> String {
        fs::read_to_string(self.executor.output_of(execution)).unwrap()
    }
}

pub fn exited(code: i32) -> Observed {
    Observed::Exited { code: Some(code) }
}

/// Reads one line from a named pipe: waits until somebody writes it.
pub fn hear(word: &Path) -> String {
    let mut line = String::new();
    BufReader::new(fs::File::open(word).unwrap()).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

/// A hold on a process that lives now.
pub fn hold(pid: i32) -> OwnedFd {
    pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap()
}

/// Whether it ends within a time.
pub fn ends_within(hold: &OwnedFd, time: Duration) -> bool {
    let mut fds = [PollFd::new(hold, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::try_from(time).unwrap())).unwrap() > 0
}

pub fn has_ended(hold: &OwnedFd) -> bool {
    ends_within(hold, Duration::ZERO)
}

pub fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// Reads the numbers of so many processes from a named pipe.
pub fn hear_pids(word: &Path, count: usize) -> Vec<OwnedFd> {
    let file = fs::OpenOptions::new().read(true).write(true).open(word).unwrap();
    let lines = BufReader::new(file).lines().take(count);
    lines.map(|line| line.unwrap()).map(|line| hold(line.trim().parse().unwrap_or_else(|_| panic!("{line}")))).collect()
}

/// Starts a job with these helpers, kills its shim, and lets `after` find what is left.
pub fn orphaned(place: &Place, n: u128, script: &str, count: usize) -> (ExecutionId, Vec<OwnedFd>) {
    let (id, word) = (execution(n), place.word("word"));
    let data = place.path("data");
    fs::create_dir_all(data.join("workflows")).unwrap();
    let executor = Watched::new(options_at(&data));
    executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap()]));
    executor.expect_running(&id);
    let all = hear_pids(&word, count);
    let claim = fs::read(data.join("runs/.state").join(id.to_string()).join("claim")).unwrap();
    let claim: serde_json::Value = serde_json::from_slice(&claim).unwrap();
    let shim = i32::try_from(claim["by"]["shim"]["process"]["pid"].as_i64().unwrap()).unwrap();
    drop(executor);
    let held = hold(shim);
    kill(shim);
    assert!(ends_within(&held, PATIENCE));
    (id, all)
}

/// An executor on this data folder takes the execution for lost, and has ended what was left of it.
pub fn adopt_ends(place: &Place, data: &Path, id: &ExecutionId, all: &[OwnedFd]) {
    let executor = Watched::new(options_at(data));
    executor.perform(place.adopt(id));
    executor.expect(id, &[Observed::Launched]);
    assert!(matches!(executor.next_of(id), Observed::Lost { .. }), "{}", data.display());
    assert!(all.iter().all(has_ended), "{}", data.display());
}
