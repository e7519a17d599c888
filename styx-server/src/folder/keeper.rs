//! Keeps the log in step with the workflow folder while the server runs.

use std::{
    collections::BTreeSet,
    io,
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use chrono::{SubsecRound, TimeDelta};
use styx_engine::{
    clock::Clock,
    engine::{Busy, EngineHandle},
};
use styx_files::component;

use super::{
    debounce::{Debounce, Look, Seen},
    gone::Gone,
    loader::{Load, Loader},
    watch::{Stop, Watch, Woken},
};
use crate::{disk::Disk, health::Watchdog};

/// How often it is looked whether the folder is still the same one: what leads to it may change unseen.
const LOOK_UP: Duration = Duration::from_secs(30);
/// How often it is looked whether a folder that is missing is back, or whether what had to wait can be done.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How often a look at all is repeated at once because more happened meanwhile: what was on the move may have been missed.
const REPEATS: u32 = 3;
/// How many files are asked about at a time; the engine's inbox is for others, too.
const AT_A_TIME: usize = 256;

/// A workflow folder that is watched.
pub(crate) struct Keeper {
    /// What its files say.
    pub(crate) loader: Loader,
    watch: Watch,
    /// Components of which something changed that the engine wasn't asked about yet.
    pending: BTreeSet<String>,
    /// Files that are gone and may come back.
    gone: Gone,
    /// Said, and not over yet.
    is_missing: bool,
    is_held_up: bool,
    is_watched: bool,
}

/// What a keeper works with.
pub(crate) struct Surroundings {
    /// Takes what the files say, and knows what is held.
    pub(crate) engine: EngineHandle,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
    /// The disk of the data folder, on which space must be left.
    pub(crate) disk: Arc<Disk>,
}

/// A keeper's thread.
pub(crate) struct KeeperThread {
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Looks at a folder for the first time. Whatever happens to it from here on will be seen.
    ///
    /// # Errors
    ///
    /// When it can't be listed, or the system has nothing to watch it with.
    pub(crate) fn open(dir: &Path, max_running_timeout: TimeDelta) -> io::Result<Self> {
        let watch = Watch::new(dir).map_err(|error| {
            let hint = "sysctl fs.inotify.max_user_instances sets how many may be watching";
            io::Error::new(error.kind(), format!("can't watch it: {error}; {hint}"))
        })?;
        let (loader, pending) = (Loader::new(dir, max_running_timeout), BTreeSet::new());
        let gone = Gone::default();
        let mut keeper = Self { loader, watch, pending, gone, is_missing: false, is_held_up: false, is_watched: true };
        keeper.look_at_all(&BTreeSet::new())?;
        Ok(keeper)
    }

    /// Goes on on a thread of its own; the log holds what was seen so far. When it can't go on, the server ends.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub(crate) fn start(mut self, surroundings: Surroundings, watchdog: &Watchdog) -> io::Result<KeeperThread> {
        let stop = self.watch.stopper()?;
        self.pending.clear();
        let keep = move || {
            self.keep(&surroundings).map_err(|error| format!("the workflow folder can't be watched any more: {error}"))
        };
        let thread = watchdog.spawn("styx-folder", keep)?;
        Ok(KeeperThread { stop, thread })
    }

    /// Until it is told to stop, or the engine has stopped.
    fn keep(&mut self, surroundings: &Surroundings) -> io::Result<()> {
        let mut debounce = Debounce::default();
        let mut repeats = 0;
        // When it is tried again or looked up, whatever is seen meanwhile.
        let mut idle = Instant::now() + LOOK_UP;
        loop {
            let waits = self.is_missing || !self.pending.is_empty();
            if waits {
                idle = idle.min(Instant::now() + TRY_AGAIN);
            }
            let wake = [debounce.due(), self.gone.due(Instant::now())].into_iter().flatten().min();
            let wake = wake.map_or(idle, |due| due.min(idle));
            let woken = self.watch.wait(wake)?;
            let now = Instant::now();
            let mut may_ask = now >= wake;
            match woken {
                Woken::Stop => return Ok(()),
                Woken::Seen(all) if !all.is_empty() => {
                    all.into_iter().for_each(|seen| debounce.note(seen, now));
                    self.gone.note(now);
                    // Soon, with what is seen when it is looked at.
                    may_ask = false;
                }
                // Only what jobs write beside their files, or nothing.
                Woken::Seen(_) | Woken::Time => {}
            }
            if now >= idle {
                idle = now + LOOK_UP;
                if self.is_missing || !self.is_watched || self.watch.is_elsewhere() {
                    debounce.note(Seen::Any, now);
                }
            }
            if let Some(look) = debounce.take(now) {
                may_ask = true;
                let all = self.look(look);
                if all && repeats < REPEATS && self.sees_more(&mut debounce)? {
                    repeats += 1;
                    continue;
                }
                repeats = 0;
                self.loader.say();
            }
            if may_ask && !self.is_missing && !self.pending.is_empty() && self.ask(surroundings).is_err() {
                return Ok(());
            }
        }
    }

    /// Whether something has happened since a look began.
    fn sees_more(&mut self, debounce: &mut Debounce) -> io::Result<bool> {
        let now = Instant::now();
        match self.watch.wait(now)? {
            Woken::Seen(all) => all.into_iter().for_each(|seen| debounce.note(seen, now)),
            Woken::Stop | Woken::Time => {}
        }
        Ok(debounce.due().is_some())
    }

    /// Returns whether all was looked at.
    fn look(&mut self, look: Look) -> bool {
        let alone = match look {
            Look::All { alone } => alone,
            Look::Files(files) => {
                let watch = &mut self.watch;
                let looked = self.loader.folder.look_at(&files, &mut |looking| watch.looking(looking));
                self.pending.extend(looked.changed);
                if looked.is_whole && !self.watch.is_elsewhere() {
                    return false;
                }
                BTreeSet::new()
            }
        };
        match self.look_at_all(&alone) {
            Ok(()) if std::mem::take(&mut self.is_missing) => tracing::info!("the workflow folder is back"),
            Ok(()) => {}
            Err(error) if !std::mem::replace(&mut self.is_missing, true) => self.loader.missing(&error),
            Err(_) => {}
        }
        true
    }

    fn look_at_all(&mut self, alone: &BTreeSet<String>) -> io::Result<()> {
        let watch = &mut self.watch;
        watch.begin();
        let changed = self.loader.folder.look(alone, &mut |looking| watch.looking(looking));
        watch.end();
        let failed = watch.failed();
        if let Some(reason) = failed.filter(|_| self.is_watched) {
            tracing::warn!("not all of the workflow folder can be watched, it is listed every 30 s instead: {reason}");
        }
        self.is_watched = failed.is_none();
        self.pending.extend(changed?);
        // What was missed because the folder was taken away meanwhile isn't gone.
        if watch.is_elsewhere() { Err(io::Error::other("it is being replaced")) } else { Ok(()) }
    }

    /// Asks the engine to take over what is pending; what can't be asked now stays pending.
    fn ask(&mut self, surroundings: &Surroundings) -> Result<(), Busy> {
        let Surroundings { engine, clock, disk } = surroundings;
        if disk.refusal().is_some() {
            self.hold_up("the disk of the data folder is nearly full");
            return Ok(());
        }
        match self.loader.loads(engine.reader(), &self.pending, clock.now().trunc_subsecs(3)) {
            Ok(mut loads) => {
                let waiting = self.take_waiting(&mut loads);
                for some in loads.chunks(AT_A_TIME) {
                    if !self.ask_some(engine, some)? {
                        self.hold_up("the engine has too much to do");
                        return Ok(());
                    }
                }
                self.loader.say();
                self.is_held_up = false;
                self.pending = waiting;
            }
            Err(error) => self.hold_up(&error.to_string()),
        }
        Ok(())
    }

    /// Takes out the files that are gone and may come back; returns their components.
    fn take_waiting(&mut self, loads: &mut Vec<Load>) -> BTreeSet<String> {
        let gone = loads.iter().filter(|load| load.is_gone).map(|load| Arc::clone(&load.path)).collect();
        let removed = self.gone.removed(&gone, Instant::now());
        let waiting = loads.extract_if(.., |load| load.is_gone && !removed.contains(&load.path));
        waiting.map(|load| component(&load.path).to_owned()).collect()
    }

    /// Says whether the engine took them all; those that it took will be held when it is asked again.
    fn ask_some(&mut self, engine: &EngineHandle, loads: &[Load]) -> Result<bool, Busy> {
        let (sender, replies) = mpsc::channel();
        let mut asked = 0;
        for load in loads {
            let (request, operator) = load.request();
            let sender = sender.clone();
            let answer = move |reply| drop(sender.send((asked, reply)));
            match engine.ask(request, operator, answer) {
                Ok(()) => asked += 1,
                Err(Busy::Full) => break,
                Err(error) => return Err(error),
            }
        }
        drop(sender);
        let mut answered = 0;
        for (at, reply) in replies {
            answered += 1;
            if self.loader.answered(&loads[at], &reply) {
                tracing::info!("{}", loads[at]);
            }
        }
        // Who isn't answered asks an engine that has stopped.
        if answered < asked { Err(Busy::Stopped) } else { Ok(asked == loads.len()) }
    }

    fn hold_up(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_held_up, true) {
            tracing::error!("what changed in the workflow folder has to wait: {reason}");
        }
    }
}

impl KeeperThread {
    /// Ends it after what it is doing.
    pub(crate) fn stop(self) {
        self.stop.stop();
        // A panic has been logged.
        let _ = self.thread.join();
    }
}
