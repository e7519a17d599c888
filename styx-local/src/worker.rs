//! The executor's thread: it takes requests, hears of ends, and lets each execution move on.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    io,
    os::fd::OwnedFd,
    sync::{Arc, atomic::Ordering, mpsc::Receiver},
    time::{Duration, Instant, SystemTime},
};

use rustix::event::{EventfdFlags, epoll, eventfd};
use styx_core::{
    executor::{Effect, Observation, Observed},
    executor_event::ExecutorEvent,
    extensions::Extensions,
    id::ExecutionId,
};
use uuid::Uuid;

use crate::{
    context::{Context, Shared},
    followed::{Followed, Step},
    process::{ProcessId, RecentProcesses, has_ended, reap},
    reactor::Watcher,
    retention::Retention,
    run_folder::RunFolder,
    shims::Living,
};

/// The token of the descriptor that wakes the thread.
const WAKE: u64 = 0;

/// When to look again after an error that may pass, such as a full disk.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// All that the thread owns.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    effects: Receiver<Effect>,
    watcher: Watcher,
    wake: Arc<OwnedFd>,
    followed: BTreeMap<u64, Followed>,
    tokens: BTreeMap<(ExecutionId, Uuid), u64>,
    /// Shims that have done their work and only have to end; the kernel keeps each until we wait for it.
    leaving: BTreeMap<u64, Vec<Arc<OwnedFd>>>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// Executions that can't go on because of an error that may pass.
    stuck: BTreeSet<u64>,
    next_token: u64,
    retention: Retention,
    /// The shims that lived when this was first asked: those that an earlier server has started.
    living: OnceCell<Living>,
    processes: RecentProcesses,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, effects: Receiver<Effect>) -> io::Result<Self> {
        // An early word if the kernel is too old, instead of a late one for each launch.
        if ProcessId::current()?.open()?.is_none() {
            return Err(io::Error::other("this process doesn't find itself in /proc"));
        }
        let watcher = Watcher::new()?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        watcher.watch(&wake, WAKE)?;
        Ok(Self {
            shared,
            effects,
            watcher,
            wake,
            followed: BTreeMap::new(),
            tokens: BTreeMap::new(),
            leaving: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            stuck: BTreeSet::new(),
            next_token: WAKE + 1,
            retention: Retention::default(),
            living: OnceCell::new(),
            processes: RecentProcesses::default(),
        })
    }

    /// The descriptor that wakes the thread.
    pub(crate) fn wake(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.wake)
    }

    /// Works until the executor is dropped.
    ///
    /// # Errors
    ///
    /// When it can't wait for events.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(64);
        while !self.shared.is_closed() {
            self.wait(&mut events)?;
            for event in events.drain(..) {
                match event.data.u64() {
                    WAKE => {
                        let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
                    }
                    token => {
                        self.see_off(token);
                        self.advance(token);
                    }
                }
            }
            // Read before the effects are taken: all of those that came before it are there.
            let all_requested = self.shared.all_requested.load(Ordering::SeqCst);
            while !self.shared.is_closed()
                && let Ok(effect) = self.effects.try_recv()
            {
                self.take(effect);
            }
            let now = Instant::now();
            while let Some(&(at, token)) = self.deadlines.first()
                && at <= now
            {
                self.deadlines.pop_first();
                self.advance(token);
            }
            if all_requested && self.stuck.is_empty() && !self.shared.is_closed() {
                self.shared.all_requested.store(false, Ordering::SeqCst);
                (self.shared.options.on_event)(ExecutorEvent::AllReported);
            }
        }
        Ok(())
    }

    fn wait(&self, events: &mut Vec<epoll::Event>) -> io::Result<()> {
        let left = self.deadlines.first().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        self.watcher.wait(events, left)
    }

    fn take(&mut self, effect: Effect) {
        let log_id = match &effect {
            Effect::Launch(launch) => launch.log_id,
            Effect::Adopt { log_id, .. } | Effect::Stop { log_id, .. } | Effect::CleanUp { log_id, .. } => *log_id,
        };
        let execution = effect.execution().clone();
        let Some(run) = RunFolder::new(&self.shared.place, &execution, log_id) else {
            self.refuse_name(&effect);
            return;
        };
        let token = *self.tokens.entry((execution.clone(), log_id)).or_insert_with(|| {
            self.next_token += 1;
            self.next_token
        });
        self.followed.entry(token).or_insert_with(|| Followed::new(execution, log_id, run)).ask(effect);
        self.advance(token);
    }

    fn advance(&mut self, token: u64) {
        let Some(followed) = self.followed.get_mut(&token) else {
            return;
        };
        let context = Context {
            shared: &self.shared,
            watcher: &self.watcher,
            living: &self.living,
            processes: &self.processes,
            token,
        };
        let settled = match followed.advance(&context) {
            Ok(Step::Wait(until)) => {
                self.deadlines.extend(until.map(|at| (at, token)));
                Ok(())
            }
            Ok(Step::Over { is_ours }) => self.finish(token, is_ours),
            Err(error) => Err(error),
        };
        match settled {
            Ok(()) => self.has_settled(token),
            Err(error) => {
                tracing::warn!(token, %error, "can't go on with an execution now, will look again");
                self.deadlines.insert((Instant::now() + LOOK_AGAIN, token));
                if self.stuck.insert(token) && self.stuck.len() == 1 {
                    let reason = format!("it can't go on with an execution: {error}");
                    (self.shared.options.on_event)(ExecutorEvent::Degraded { reason });
                }
            }
        }
    }

    /// An execution went on.
    fn has_settled(&mut self, token: u64) {
        if self.stuck.remove(&token) && self.stuck.is_empty() {
            (self.shared.options.on_event)(ExecutorEvent::Recovered);
        }
    }

    /// Lets go of an execution that needs nothing more, and cleans up if that was asked for.
    fn finish(&mut self, token: u64, is_ours: bool) -> io::Result<()> {
        let Some(followed) = self.followed.get(&token) else {
            return Ok(());
        };
        self.shared.running().remove(followed.execution());
        if followed.is_to_be_cleaned() {
            if is_ours {
                let (log_id, run, keep_runs) = (followed.log_id(), followed.run(), self.shared.options.keep_runs);
                self.retention.clean_up(&self.shared.place, log_id, run, keep_runs, SystemTime::now())?;
            }
            followed.report(&self.shared, Observed::Cleaned, None, serde_json::json!({}));
        }
        if let Some(followed) = self.followed.remove(&token) {
            self.tokens.remove(&(followed.execution().clone(), followed.log_id()));
            self.leaving.insert(token, followed.into_holds());
            self.see_off(token);
        }
        Ok(())
    }

    /// Waits for the shims of a finished execution that have ended by now.
    fn see_off(&mut self, token: u64) {
        if let Some(holds) = self.leaving.get_mut(&token) {
            holds.retain(|hold| !has_ended(hold).unwrap_or(true) || reap_and_forget(hold));
            if holds.is_empty() {
                self.leaving.remove(&token);
            }
        }
    }

    /// Answers for an id that can't be the name of a folder, and so was never claimed here.
    fn refuse_name(&self, effect: &Effect) {
        let reason: Arc<str> = "the execution's id can't be the name of a folder".into();
        let what = match effect {
            Effect::Launch(_) => Observed::NotLaunchable { reason },
            Effect::Adopt { .. } => Observed::Lost { reason },
            Effect::Stop { .. } => Observed::NeverStarted,
            Effect::CleanUp { .. } => Observed::Cleaned,
        };
        let (execution, runner) = (effect.execution().clone(), Arc::clone(&self.shared.options.runner));
        self.shared.report(Observation {
            execution,
            runner,
            what,
            observed_at: None,
            evidence: b"{}".as_slice().into(),
            extensions: Extensions::default(),
        });
    }
}

fn reap_and_forget(hold: &OwnedFd) -> bool {
    reap(hold);
    false
}
