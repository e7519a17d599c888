//! The `fake` executor: runs nothing, and ends each execution as its environment says. For tests, demonstrations, benches.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use styx_core::{
    executor::{Effect, Executor, Launch, Observation, Observed},
    executor_event::{ExecutorEvent, OnExecutorEvent, run_to_end},
    extensions::Extensions,
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
    requests: Sender<Request>,
}

/// What the executor is asked for.
enum Request {
    Effect(Box<Effect>),
    /// To say when all before this is answered.
    AllRequested,
}

impl FakeExecutor {
    /// Starts it; what happens is handed to `observe`.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(observe: impl Fn(Observation) + Send + 'static) -> std::io::Result<Self> {
        Self::start_with(observe, Arc::new(|_| {}))
    }

    /// As [`start`](Self::start); `on_event` receives how the executor itself is.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(
        observe: impl Fn(Observation) + Send + 'static,
        on_event: OnExecutorEvent,
    ) -> std::io::Result<Self> {
        let (requests, receiver) = channel();
        thread::Builder::new().name("styx-fake".to_owned()).spawn(move || {
            let mut was_dropped = false;
            let work = || {
                run(&receiver, observe, &on_event);
                was_dropped = true;
                Ok::<_, Infallible>(())
            };
            let reason = run_to_end(work);
            if !was_dropped {
                on_event(ExecutorEvent::Ended { reason });
            }
        })?;
        Ok(Self { requests })
    }
}

impl Executor for FakeExecutor {
    fn perform(&self, effect: Effect) {
        // The thread ends only after the sender is gone; that it ended before has been reported.
        let _ = self.requests.send(Request::Effect(Box::new(effect)));
    }

    fn all_requested(&self) {
        let _ = self.requests.send(Request::AllRequested);
    }
}

fn run(receiver: &Receiver<Request>, observe: impl Fn(Observation), on_event: &OnExecutorEvent) {
    let begin = Instant::now();
    let mut fakes = Fakes::default();
    loop {
        let request = match fakes.next_end() {
            Some(at) => receiver.recv_timeout(at.saturating_sub(begin.elapsed())),
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let observations = match request {
            Ok(Request::Effect(effect)) => fakes.perform(*effect, begin.elapsed()),
            Ok(Request::AllRequested) => {
                on_event(ExecutorEvent::AllReported);
                Vec::new()
            }
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        observations.into_iter().for_each(&observe);
        fakes.end_due(begin.elapsed()).into_iter().for_each(&observe);
    }
}

/// The fake executions and how far they are, without a thread and a clock: `now` is the time since a moment that the caller
/// chose.
#[derive(Debug, Default)]
pub struct Fakes {
    due: BTreeSet<(Duration, ExecutionId)>,
    /// Each with the executor that it was asked of.
    known: BTreeMap<ExecutionId, (Arc<str>, Fake)>,
}

/// How far a fake execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fake {
    Runs {
        ends_at: Duration,
        exit_code: i32,
    },
    /// Ended with this code, or never to be started.
    Over(Option<i32>),
}

impl Fakes {
    /// Takes on an effect; returns what is to be reported at once.
    pub fn perform(&mut self, effect: Effect, now: Duration) -> Vec<Observation> {
        match effect {
            Effect::Launch(launch) => self.launch(&launch, now),
            Effect::Adopt { executor, execution, .. } => match self.fake(&execution) {
                Some(fake) => vec![report_again(&executor, &execution, fake)],
                None => {
                    let reason = "fake executions end with the process that runs them".into();
                    vec![report(&executor, &execution, Observed::Lost { reason })]
                }
            },
            Effect::Stop { executor, execution, .. } => {
                let over = match self.fake(&execution) {
                    Some(Fake::Runs { ends_at, .. }) => {
                        self.due.remove(&(ends_at, execution.clone()));
                        Fake::Over(Some(143))
                    }
                    Some(over) => over,
                    None => Fake::Over(None),
                };
                let report = report_again(&executor, &execution, over);
                self.known.insert(execution, (executor, over));
                vec![report]
            }
            Effect::CleanUp { executor, execution, .. } => {
                self.known.remove(&execution);
                vec![report(&executor, &execution, Observed::Cleaned)]
            }
        }
    }

    /// Ends what has run for as long as it should; returns what is to be reported.
    pub fn end_due(&mut self, now: Duration) -> Vec<Observation> {
        let mut ended = Vec::new();
        while self.next_end().is_some_and(|at| at <= now)
            && let Some((_, execution)) = self.due.pop_first()
        {
            if let Some((executor, fake)) = self.known.get_mut(&execution)
                && let Fake::Runs { exit_code, .. } = *fake
            {
                *fake = Fake::Over(Some(exit_code));
                ended.push(report(executor, &execution, Observed::Exited { code: Some(exit_code) }));
            }
        }
        ended
    }

    /// When the next execution ends.
    pub fn next_end(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    fn fake(&self, execution: &ExecutionId) -> Option<Fake> {
        self.known.get(execution).map(|(_, fake)| *fake)
    }

    fn launch(&mut self, launch: &Launch, now: Duration) -> Vec<Observation> {
        let Launch { executor, execution, .. } = launch;
        match Script::of(launch) {
            Ok(Script { exit_code, duration }) => {
                if let Some(fake) = self.fake(execution) {
                    return vec![report_again(executor, execution, fake)];
                }
                let ends_at = now + duration;
                self.known.insert(execution.clone(), (Arc::clone(executor), Fake::Runs { ends_at, exit_code }));
                self.due.insert((ends_at, execution.clone()));
                [Observed::Launched, Observed::Started].map(|what| report(executor, execution, what)).into()
            }
            Err(reason) => vec![report(executor, execution, Observed::NotLaunchable { reason: reason.into() })],
        }
    }
}

/// How an execution stands that was asked for before.
fn report_again(executor: &Arc<str>, execution: &ExecutionId, fake: Fake) -> Observation {
    report(
        executor,
        execution,
        match fake {
            Fake::Runs { .. } => Observed::Started,
            Fake::Over(None) => Observed::NeverStarted,
            Fake::Over(code) => Observed::Exited { code },
        },
    )
}

fn report(executor: &Arc<str>, execution: &ExecutionId, what: Observed) -> Observation {
    let evidence: Arc<[u8]> = Arc::from(&b"{}"[..]);
    Observation {
        execution: execution.clone(),
        runner: Arc::clone(executor),
        what,
        observed_at: None,
        evidence,
        extensions: Extensions::default(),
    }
}
