//! Keeps the log in step with the workflow folder while the server runs.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use chrono::SubsecRound;
use styx_core::workflow::Rules;
use styx_engine::{
    clock::Clock,
    engine::{Busy, EngineHandle},
};

use super::{
    debounce::{Debounce, How, Look, Seen},
    gone::Gone,
    loader::{Load, Loader},
    watch::{Stop, Watch, Woken},
};
use crate::{disk::Disk, health::Watchdog, settings::FolderSettings};

/// How soon it is looked again at files that look as if somebody was writing to them.
const SETTLE: Duration = Duration::from_secs(1);
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
    /// How often the folder is swept: what leads to it and its files may change unseen.
    sweep_every: Duration,
    /// The device that the folder was on when there were files in it.
    device: Option<u64>,
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
    pub(crate) fn open(dir: &Path, rules: Rules, settings: &FolderSettings) -> io::Result<Self> {
        let mut keeper = Self {
            loader: Loader::new(dir, rules),
            watch: Watch::new(dir)?,
            pending: BTreeSet::new(),
            gone: Gone::new(settings.removed_after.std()),
            sweep_every: settings.sweep_every.std(),
            device: None,
            is_missing: false,
            is_held_up: false,
            is_watched: true,
        };
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
        // What the start has taken is done with; what it missed is waited for.
        self.pending = std::mem::take(&mut self.loader.missed);
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
        let begin = Instant::now();
        // When the folder is swept, when what was suspect is looked at again, and when it is tried again to do what couldn't
        // be done.
        let (mut sweep, mut settle, mut again) = (begin + self.sweep_every, None, Some(begin));
        loop {
            // What is pending already is asked about when it is tried again.
            let gone = self.gone.due().filter(|_| self.pending.is_empty());
            let wake = [debounce.due(), gone, again, settle].into_iter().flatten().fold(sweep, Instant::min);
            let woken = self.watch.wait(wake)?;
            let now = Instant::now();
            match woken {
                Woken::Stop => return Ok(()),
                Woken::Seen(all) => all.into_iter().for_each(|seen| debounce.note(seen, now)),
                Woken::Time => {}
            }
            if now >= sweep || settle.is_some_and(|settle| now >= settle) {
                let is_due = now >= sweep;
                settle = self.sweep(is_due, &mut debounce, now).then_some(now + SETTLE);
                sweep = if is_due { now + self.sweep_every } else { sweep };
            }
            if self.is_missing && again.is_some_and(|again| now >= again) {
                debounce.note(Seen::Any, now);
            }
            if let Some(look) = debounce.take(now) {
                let all = self.look(look);
                if all && repeats < REPEATS && self.sees_more(&mut debounce)? {
                    repeats += 1;
                    continue;
                }
                repeats = 0;
                self.loader.say();
            }
            if self.is_missing {
                self.gone.begin_again(now);
            } else {
                self.pending.extend(self.gone.take_due(now));
                // With what is about to be looked at it makes one.
                let looks_soon = debounce.due().is_some_and(|due| due < now + TRY_AGAIN);
                let may_ask = !self.is_held_up || again.is_some_and(|again| now >= again);
                if !self.pending.is_empty() && may_ask && !looks_soon && self.ask(surroundings).is_err() {
                    return Ok(());
                }
            }
            let waits = self.is_missing || !self.pending.is_empty();
            again = waits.then(|| again.filter(|again| *again > now).unwrap_or(now + TRY_AGAIN));
        }
    }

    /// Finds what no notification told of; with `all` everywhere, else among what was suspect. Says whether something is
    /// suspect.
    fn sweep(&mut self, all: bool, debounce: &mut Debounce, now: Instant) -> bool {
        if all && (self.is_missing || !self.is_watched || self.watch.is_elsewhere()) {
            debounce.note(Seen::Any, now);
        }
        let swept = if all { self.loader.folder.sweep() } else { Ok(self.loader.folder.sweep_suspects()) };
        let Ok(swept) = swept else {
            debounce.note(Seen::Any, now);
            return false;
        };
        if swept.listing {
            debounce.note(Seen::Any, now);
        }
        swept.files.into_iter().for_each(|path| debounce.note(Seen::File(path, How::Swept), now));
        swept.suspects
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
        let device = fs::metadata(self.loader.folder.dir()).ok().map(|about| about.dev());
        let is_mounted_otherwise = self.device.is_some() && device.is_some() && device != self.device;
        let before = (is_mounted_otherwise && !self.loader.folder.is_empty()).then(|| self.loader.folder.clone());
        let changed = self.loader.folder.look(alone, &mut |looking| watch.looking(looking));
        watch.end();
        if self.loader.folder.is_empty()
            && let Some(before) = before
        {
            self.loader.folder = before;
            return Err(io::Error::other(
                "it is empty, and on another file system than before, as if something had been unmounted",
            ));
        }
        if !self.loader.folder.is_empty() {
            self.device = device;
        }
        let failed = watch.failed();
        if let Some(reason) = failed.filter(|_| self.is_watched) {
            tracing::warn!(
                "not all of the workflow folder can be watched, it is swept every {} s instead: {reason}",
                self.sweep_every.as_secs()
            );
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
                self.leave_waiting(&mut loads);
                for some in loads.chunks_mut(AT_A_TIME) {
                    if !self.ask_some(engine, some)? {
                        self.hold_up("the engine has too much to do");
                        return Ok(());
                    }
                }
                self.loader.say();
                self.is_held_up = false;
                self.pending.clear();
            }
            Err(error) => self.hold_up(&error.to_string()),
        }
        Ok(())
    }

    /// Takes out the files that are gone and may come back, and says so of those that are missed for the first time.
    fn leave_waiting(&mut self, loads: &mut Vec<Load>) {
        let now = Instant::now();
        let gone = loads.iter().filter(|load| load.is_gone).map(|load| Arc::clone(&load.path)).collect();
        let new = self.gone.note(&self.pending, &gone, now);
        let missed: Vec<_> = loads.iter().filter(|load| new.contains(&load.path)).collect();
        self.loader.say_missed(&missed, self.gone.after());
        loads.retain(|load| !load.is_gone || self.gone.is_removed(&load.path, now));
    }

    /// Says whether the engine took them all; those that it took will be held when it is asked again.
    fn ask_some(&mut self, engine: &EngineHandle, loads: &mut [Load]) -> Result<bool, Busy> {
        Load::find_halted(loads, engine.reader());
        let (sender, replies) = mpsc::channel();
        let mut asked = 0;
        for load in &*loads {
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
            self.gone.forget(&loads[at].path);
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
