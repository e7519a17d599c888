//! The engine: one thread that owns the machine, and the handle by which all others reach it.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use styx_core::{
    decide::{Input, Reply, Request},
    executor::{Executor, Observation},
    executor_event::panic_text,
    log::LogReader,
    now::Now,
    record::{IdempotencyKey, Operator},
    world::World,
};

use crate::{
    clock::{Clock, ClockStatus},
    gather::Gather,
    machine::{Machine, MachineError, Outputs, Ticket},
    share::{Place, Share},
};

/// The most inputs that one step takes.
const MAX_INPUTS: usize = 1_000;
/// The longest sleep: a clock that was set, or a laptop that slept, is noticed after it.
const MAX_SLEEP: Duration = Duration::from_secs(30);
/// The ticket of inputs that nobody waits for.
const NOBODY: Ticket = 0;

/// Where inputs for an engine arrive. Made before the engine, so that executors can be given its other end.
pub struct Inbox {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    shares: Shares,
}

/// How many requests and how many observations may wait: after a start with many living executions the observations would take
/// all the places of one queue, and under load the requests would.
#[derive(Clone)]
struct Shares {
    requests: Arc<Share>,
    observations: Arc<Share>,
}

/// What waits for an engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Requests, and looks at the world.
    pub requests: usize,
    /// Observations of executors.
    pub observations: usize,
}

/// Takes observations to the engine; executors hold it.
#[derive(Clone)]
pub struct Observer {
    sender: Sender<Message>,
    share: Arc<Share>,
    /// The executor that holds it; none if each observation says by itself whose it is.
    executor: Option<Arc<str>>,
}

/// The only thing that others hold of an engine.
#[derive(Clone)]
pub struct EngineHandle {
    sender: Sender<Message>,
    shares: Shares,
    reader: Arc<dyn LogReader>,
    clock_status: Arc<Mutex<ClockStatus>>,
}

/// A running engine's thread.
pub struct EngineThread {
    sender: Sender<Message>,
    thread: JoinHandle<Result<(), EngineError>>,
}

/// What is done with an answer.
type Answer = Box<dyn FnOnce(Reply) + Send>;
/// Looks at the world as it is between two steps.
type Look = Box<dyn FnOnce(&World, Now) + Send>;

/// What is sent to the engine. A message takes its place in the share of its kind; the order is that of sending.
enum Message {
    Observed(Observation, Place),
    AllReported,
    Asked(Input, Answer, Place),
    Look(Look, Place),
    Stop,
}

/// The engine takes no more requests for now: too many wait, or it has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Busy {
    /// As many requests wait as may; try again in a moment.
    #[error("too many requests are waiting")]
    Full,
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Stopped,
}

/// Why an engine ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The log failed: nothing more may be answered.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A decision broke an invariant.
    #[error("the engine's thread panicked: {0}")]
    Panicked(String),
}

impl Inbox {
    /// An inbox that holds so many requests, further ones are turned away; and as many observations, whose senders wait.
    pub fn new(capacity: usize) -> Self {
        let (sender, receiver) = channel();
        let shares = Shares { requests: Share::new(capacity), observations: Share::new(capacity) };
        Self { sender, receiver, shares }
    }

    /// The end for executors.
    pub fn observer(&self) -> Observer {
        Observer { sender: self.sender.clone(), share: Arc::clone(&self.shares.observations), executor: None }
    }
}

impl Observer {
    /// The end for an executor of this name: whatever comes through it is that executor's, so none can report for another.
    #[must_use]
    pub fn of(&self, executor: impl Into<Arc<str>>) -> Self {
        Self { executor: Some(executor.into()), ..self.clone() }
    }

    /// Hands an observation over; waits while as many observations wait as may. After the engine has stopped it is dropped: the
    /// next process asks again.
    pub fn observe(&self, mut observation: Observation) {
        if let Some(executor) = &self.executor {
            observation.runner = Arc::clone(executor);
        }
        let place = self.share.take();
        let _ = self.sender.send(Message::Observed(observation, place));
    }

    /// Hands over that the executor has reported all that it knows. It comes after the observations that were handed over before
    /// and never waits.
    pub fn all_reported(&self) {
        let _ = self.sender.send(Message::AllReported);
    }
}

impl EngineHandle {
    /// Asks for something; `answer` is called once it is durable or refused, on the engine's thread, and must be quick.
    ///
    /// # Errors
    ///
    /// When as many requests wait as may, or the engine has stopped; then nothing happens and `answer` is never called.
    pub fn ask(
        &self,
        request: Request,
        operator: Arc<Operator>,
        answer: impl FnOnce(Reply) + Send + 'static,
    ) -> Result<(), Busy> {
        self.send(|place| Message::Asked(Input::Asked(request, operator), Box::new(answer), place))
    }

    /// As [`ask`](Self::ask), for a request that has a key of its own: it is done once, however often it comes.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub fn ask_once(
        &self,
        request: Request,
        operator: Arc<Operator>,
        key: IdempotencyKey,
        answer: impl FnOnce(Reply) + Send + 'static,
    ) -> Result<(), Busy> {
        self.send(|place| Message::Asked(Input::AskedOnce(request, operator, key), Box::new(answer), place))
    }

    /// Looks at the world between two steps, with the present: on the engine's thread, so it must be quick. All of it is durable.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub fn look(&self, look: impl FnOnce(&World, Now) + Send + 'static) -> Result<(), Busy> {
        self.send(|place| Message::Look(Box::new(look), place))
    }

    fn send(&self, message: impl FnOnce(Place) -> Message) -> Result<(), Busy> {
        let place = self.shares.requests.try_take().ok_or(Busy::Full)?;
        self.sender.send(message(place)).map_err(|_| Busy::Stopped)
    }

    /// How much waits for the engine.
    pub fn waiting(&self) -> Waiting {
        Waiting { requests: self.shares.requests.taken(), observations: self.shares.observations.taken() }
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask), and when the engine stops before it answers: then it may or may not have happened.
    pub fn ask_and_wait(&self, request: Request, operator: Arc<Operator>) -> Result<Reply, Busy> {
        let (sender, receiver) = sync_channel(1);
        self.ask(request, operator, move |reply| {
            let _ = sender.send(reply);
        })?;
        receiver.recv().map_err(|_| Busy::Stopped)
    }

    /// How the wall clock stood to the time that records carry when the engine looked last: half a minute ago at most, unless a
    /// step takes longer.
    pub fn clock_status(&self) -> ClockStatus {
        *self.clock_status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is durable.
    pub fn reader(&self) -> &dyn LogReader {
        self.reader.as_ref()
    }
}

impl EngineThread {
    /// Lets the engine finish the step it is in, and ends it. Executions go on.
    ///
    /// # Errors
    ///
    /// What the engine ended with, if it ended before.
    pub fn stop(self) -> Result<(), EngineError> {
        let _ = self.sender.send(Message::Stop);
        self.join()
    }

    /// Waits until the engine ends.
    ///
    /// # Errors
    ///
    /// What it ended with.
    pub fn join(self) -> Result<(), EngineError> {
        self.thread.join().unwrap_or_else(|panic| Err(EngineError::Panicked(panic_text(panic.as_ref()))))
    }
}

/// Starts the thread that owns the machine.
///
/// `ended` is called on it when it ends, with the reason if it was an error: a server stops its process there.
///
/// # Errors
///
/// When the first step fails or no thread can be started.
pub fn start(
    machine: Machine,
    inbox: Inbox,
    executor: Arc<dyn Executor>,
    clock: Arc<dyn Clock>,
    first: Vec<Input>,
    ended: impl FnOnce(Option<&EngineError>) + Send + 'static,
) -> Result<(EngineHandle, EngineThread), EngineError> {
    let clock_status = Arc::new(Mutex::new(machine.clock_status()));
    let reader = Arc::from(machine.reader());
    let handle = EngineHandle {
        sender: inbox.sender.clone(),
        shares: inbox.shares,
        reader,
        clock_status: Arc::clone(&clock_status),
    };
    let sender = inbox.sender;
    let mut engine = Loop {
        machine,
        receiver: inbox.receiver,
        executor,
        clock,
        clock_status,
        reported: ClockStatus::Agrees,
        answers: BTreeMap::new(),
        tickets: 0,
        looks: Vec::new(),
        waiting: VecDeque::new(),
        gather: Gather::default(),
    };
    for input in first {
        engine.decide(NOBODY, &input)?;
    }
    let wake = engine.finish()?;
    engine.executor.all_requested();
    let thread = thread::Builder::new().name("styx-engine".to_owned()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| engine.run(wake)))
            .unwrap_or_else(|panic| Err(EngineError::Panicked(panic_text(panic.as_ref()))));
        ended(result.as_ref().err());
        result
    });
    let thread = thread.map_err(|error| EngineError::Panicked(format!("starting the engine's thread: {error}")))?;
    Ok((handle, EngineThread { sender, thread }))
}

struct Loop {
    machine: Machine,
    receiver: Receiver<Message>,
    executor: Arc<dyn Executor>,
    clock: Arc<dyn Clock>,
    /// For others to see.
    clock_status: Arc<Mutex<ClockStatus>>,
    /// What the server's log last said about the clock.
    reported: ClockStatus,
    /// Who waits for an answer.
    answers: BTreeMap<Ticket, Answer>,
    tickets: Ticket,
    /// Within a step the world is ahead of the log: looks wait for its end.
    looks: Vec<Look>,
    /// Messages that came while the last step was made durable.
    waiting: VecDeque<Message>,
    gather: Gather,
}

impl Loop {
    fn run(&mut self, mut wake: Option<DateTime<Utc>>) -> Result<(), EngineError> {
        loop {
            let flow = self.receive(wake)?;
            // Also the last step is ended: what it took is appended and answered before the engine goes.
            wake = self.finish()?;
            if flow.is_break() {
                return Ok(());
            }
        }
    }

    /// Waits for a message or for `wake`, then takes all that is there, and those that the last step lets expect. What it takes
    /// is decided while the others are on their way.
    fn receive(&mut self, wake: Option<DateTime<Utc>>) -> Result<ControlFlow<()>, EngineError> {
        let begin = Instant::now();
        let now = self.machine.now(self.clock.read());
        let sleep = wake.map_or(MAX_SLEEP, |wake| (wake - now.at).to_std().unwrap_or(Duration::ZERO).min(MAX_SLEEP));
        let room = MAX_INPUTS.saturating_sub(self.waiting.len());
        self.waiting.extend(self.receiver.try_iter().take(room));
        let waiting = self.waiting.len();
        let mut taken = 0;
        while taken < MAX_INPUTS && !self.machine.is_full() {
            let message = match self.waiting.pop_front() {
                Some(message) => message,
                None => {
                    let patience = if taken == 0 { sleep } else { self.gather.patience(waiting, taken).min(sleep) };
                    match self.receiver.recv_timeout(patience.saturating_sub(begin.elapsed())) {
                        Ok(message) => message,
                        Err(RecvTimeoutError::Timeout) => break,
                        Err(RecvTimeoutError::Disconnected) => return Ok(ControlFlow::Break(())),
                    }
                }
            };
            if self.take(message)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            taken += 1;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn take(&mut self, message: Message) -> Result<ControlFlow<()>, EngineError> {
        match message {
            Message::Observed(observation, _place) => self.decide(NOBODY, &Input::Observed(observation))?,
            Message::AllReported => self.machine.all_reported(),
            Message::Asked(input, answer, _place) => {
                self.tickets += 1;
                self.answers.insert(self.tickets, answer);
                self.decide(self.tickets, &input)?;
            }
            Message::Look(look, _place) => self.looks.push(look),
            Message::Stop => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn decide(&mut self, ticket: Ticket, input: &Input) -> Result<(), EngineError> {
        Ok(self.machine.take(self.clock.read(), ticket, input)?)
    }

    /// Ends a step: append, then answer and act.
    fn finish(&mut self) -> Result<Option<DateTime<Utc>>, EngineError> {
        let begin = Instant::now();
        let mut outputs = self.machine.finish(self.clock.read())?;
        // Nearly all of it is the sync, if there was one.
        let took = if outputs.appended > 0 { begin.elapsed() } else { Duration::ZERO };
        self.look_at_clock();
        perform(&mut outputs, self.machine.world(), self.executor.as_ref());
        let Outputs { answers, wake, .. } = outputs;
        self.gather = Gather::after(took, answers.len());
        for (ticket, reply) in answers {
            if let Some(answer) = self.answers.remove(&ticket) {
                answer(reply);
            }
        }
        if !self.looks.is_empty() {
            let now = self.machine.now(self.clock.read());
            for look in self.looks.drain(..) {
                look(self.machine.world(), now);
            }
        }
        Ok(wake)
    }

    /// Reports a clock that was set, and one that is right again; once each.
    fn look_at_clock(&mut self) {
        let status = self.machine.clock_status();
        *self.clock_status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        if !status.is_news_after(self.reported) {
            return;
        }
        self.reported = status;
        match status {
            ClockStatus::Agrees => tracing::info!("{status} again"),
            ClockStatus::Behind { .. } | ClockStatus::NotBelieved { .. } => tracing::warn!("{status}"),
        }
    }
}

/// Asks the executors for the effects of a step, and logs which executions can't be reached and which observations didn't count:
/// the first of them, however many there are.
pub fn perform(outputs: &mut Outputs, world: &World, executor: &dyn Executor) {
    const NAMED: usize = 10;
    let foreign = std::mem::take(&mut outputs.foreign);
    for id in foreign.iter().take(NAMED) {
        match world.executions().get(id).filter(|execution| !world.config().has_executor(&execution.runner)) {
            Some(execution) => tracing::warn!(
                execution = %id,
                "{}: execution {id} is with the executor `{}`, which isn't configured: nothing is asked or heard of it; configure \
                 that executor again, halt the run, or declare the execution over",
                execution.instance,
                execution.runner
            ),
            None => tracing::warn!("execution {id} was started for another log: it is left alone"),
        }
    }
    if let Some(more) = foreign.len().checked_sub(NAMED).filter(|more| *more > 0) {
        tracing::warn!(
            "{more} more executions are with executors that aren't configured, or were started for another log"
        );
    }
    let misattributed = std::mem::take(&mut outputs.misattributed);
    if let Some((execution, executor)) = misattributed.first() {
        let count = misattributed.len();
        tracing::warn!(
            %execution, %executor, count,
            "the executor `{executor}` reported about execution {execution}, which isn't with it: {count} such observations changed \
             nothing"
        );
    }
    for effect in outputs.effects.drain(..) {
        executor.perform(effect);
    }
}
