//! The `fake` executor: runs nothing, and ends each execution as its environment says. For tests, demonstrations, benches.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use styx_core::{
    executor::{Effect, Executor, Launch, Observation, Observed},
    id::ExecutionId,
};

/// Exit codes by try, as a comma list; the last one repeats. Default 0.
pub const EXIT_CODES: &str = "STYX_FAKE_EXIT_CODES";
/// Milliseconds from start to end. Default 0.
pub const DURATION_MS: &str = "STYX_FAKE_DURATION_MS";

/// How an execution goes, as its environment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// How it ends.
    pub exit_code: i32,
    /// How long it takes.
    pub duration: Duration,
}

impl Script {
    /// Reads the script of a launch.
    ///
    /// # Errors
    ///
    /// Names the variable and the value that isn't a number.
    pub fn of(launch: &Launch) -> Result<Self, String> {
        let codes = launch.env.get(EXIT_CODES).map_or("0", String::as_str);
        let codes: Vec<&str> = codes.split(',').collect();
        let code = codes.get(launch.tries as usize).or(codes.last()).copied().unwrap_or("0").trim();
        let exit_code =
            code.parse().map_err(|_| format!("{EXIT_CODES}: `{code}` is not an exit code, expected e.g. `1,20,0`"))?;
        let millis = launch.env.get(DURATION_MS).map_or("0", String::as_str).trim();
        let millis =
            millis.parse().map_err(|_| format!("{DURATION_MS}: `{millis}` is not a number of milliseconds"))?;
        Ok(Self { exit_code, duration: Duration::from_millis(millis) })
    }
}

/// Ends each execution as its environment says, from one thread.
pub struct FakeExecutor {
    effects: Sender<Effect>,
}

impl FakeExecutor {
    /// Starts it; what happens is handed to `observe`.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(observe: impl Fn(Observation) + Send + 'static) -> std::io::Result<Self> {
        let (effects, receiver) = channel();
        let mut fakes = Fakes { receiver, observe, due: BTreeSet::new(), known: BTreeMap::new() };
        thread::Builder::new().name("styx-fake".to_owned()).spawn(move || fakes.run())?;
        Ok(Self { effects })
    }
}

impl Executor for FakeExecutor {
    fn perform(&self, effect: Effect) {
        // The thread ends only after the sender is gone.
        let _ = self.effects.send(effect);
    }
}

/// How far a fake execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fake {
    Runs {
        ends_at: Instant,
        exit_code: i32,
    },
    /// Ended with this code, or never to be started.
    Over(Option<i32>),
}

struct Fakes<F> {
    receiver: Receiver<Effect>,
    observe: F,
    due: BTreeSet<(Instant, ExecutionId)>,
    known: BTreeMap<ExecutionId, Fake>,
}

impl<F: Fn(Observation)> Fakes<F> {
    fn run(&mut self) {
        loop {
            let effect = match self.due.first() {
                Some((at, _)) => self.receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match effect {
                Ok(effect) => self.perform(effect),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.end_due();
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Launch(launch) => self.launch(&launch),
            Effect::Adopt { execution, .. } => match self.known.get(&execution).copied() {
                Some(fake) => self.report_again(&execution, fake),
                None => {
                    let reason = "fake executions end with the process that runs them".into();
                    self.report(&execution, Observed::Lost { reason });
                }
            },
            Effect::Stop { execution, .. } => {
                let over = match self.known.get(&execution).copied() {
                    Some(Fake::Runs { ends_at, .. }) => {
                        self.due.remove(&(ends_at, execution.clone()));
                        Fake::Over(Some(143))
                    }
                    Some(over) => over,
                    None => Fake::Over(None),
                };
                self.known.insert(execution.clone(), over);
                self.report_again(&execution, over);
            }
            Effect::CleanUp { execution, .. } => {
                self.known.remove(&execution);
                self.report(&execution, Observed::Cleaned);
            }
        }
    }

    fn launch(&mut self, launch: &Launch) {
        match Script::of(launch) {
            Ok(Script { exit_code, duration }) => {
                let ends_at = Instant::now() + duration;
                if let Some(fake) = self.known.get(&launch.execution).copied() {
                    return self.report_again(&launch.execution, fake);
                }
                self.known.insert(launch.execution.clone(), Fake::Runs { ends_at, exit_code });
                self.due.insert((ends_at, launch.execution.clone()));
                self.report(&launch.execution, Observed::Launched);
                self.report(&launch.execution, Observed::Started);
            }
            Err(reason) => self.report(&launch.execution, Observed::NotLaunchable { reason: reason.into() }),
        }
    }

    /// How an execution stands that was asked for before.
    fn report_again(&self, execution: &ExecutionId, fake: Fake) {
        self.report(
            execution,
            match fake {
                Fake::Runs { .. } => Observed::Started,
                Fake::Over(None) => Observed::NeverStarted,
                Fake::Over(code) => Observed::Exited { code },
            },
        );
    }

    fn end_due(&mut self) {
        while let Some((at, execution)) = self.due.first().cloned()
            && at <= Instant::now()
        {
            self.due.pop_first();
            if let Some(Fake::Runs { exit_code, .. }) = self.known.get(&execution).copied() {
                self.known.insert(execution.clone(), Fake::Over(Some(exit_code)));
                self.report(&execution, Observed::Exited { code: Some(exit_code) });
            }
        }
    }

    fn report(&self, execution: &ExecutionId, what: Observed) {
        let evidence: Arc<[u8]> = Arc::from(&b"{}"[..]);
        (self.observe)(Observation {
            execution: execution.clone(),
            runner: "fake".into(),
            what,
            observed_at: None,
            evidence,
        });
    }
}
