//! One execution, as far as this executor follows it.
//!
//! What is true stands in the run folder. Each time something may have changed, [`Followed::advance`] looks there, tells
//! what hasn't been told, and does the next thing that was asked for. Launch and adoption differ only in what happens
//! when there is no claim.

use std::{
    fs, io,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use chrono::{DateTime, TimeDelta, Utc};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use serde_json::{Value, json};
use styx_core::{
    executor::{Effect, Launch, Observation, Observed},
    extensions::Extensions,
    id::ExecutionId,
};
use uuid::Uuid;

use crate::{
    context::{Context, Shared},
    family::{Family, Left},
    launch::{Unfit, for_people, request, start_shim},
    notes::{Claimant, Exit, How, Job, SHIM_LOG, SIGNAL, now_text, time_of},
    process::{ProcessId, boot_id},
    run_folder::{Owner, RunFolder},
    shims::{ChildIs, Living, Shims},
    stop::Stop,
};

/// When a launch that failed for reasons of this machine is to be asked for again.
const ASK_AGAIN: TimeDelta = TimeDelta::seconds(10);

/// For how long it may stay unsure whether a process belongs to a dead shim's job. A program becomes another in far less.
const UNSURE: Duration = Duration::from_secs(1);
/// When to look again meanwhile: no event tells of it.
const LOOK_CLOSER: Duration = Duration::from_millis(10);

/// What comes next for an execution.
pub(crate) enum Step {
    /// An event, or this time.
    Wait(Option<Instant>),
    /// Nothing: all that was asked for has been told.
    Over {
        /// Whether there is, or was, a run folder of ours.
        is_ours: bool,
    },
}

/// An execution that is followed until its end has been told.
pub(crate) struct Followed {
    execution: ExecutionId,
    log_id: Uuid,
    run: RunFolder,
    launch: Option<Box<Launch>>,
    adopt: bool,
    stop: Stop,
    clean_up: bool,
    tell: Tell,
    shims: Shims,
    /// Our end of the pipe that the shim holds open until the job runs.
    signal: Option<OwnedFd>,
    /// The shim that has the claim, once that was seen: it has it whatever becomes of the folder.
    claim: Option<ShimClaim>,
    /// One of the processes that outlived their shim.
    survivor: Option<OwnedFd>,
    unsure_until: Option<Instant>,
}

/// A shim's claim, as it was seen.
#[derive(Clone)]
struct ShimClaim {
    boot_id: String,
    process: ProcessId,
    at: Option<DateTime<Utc>>,
}

/// What is still to be told.
#[derive(Default)]
struct Tell {
    launched: bool,
    started: bool,
    end: bool,
}

impl Followed {
    pub(crate) fn new(execution: ExecutionId, log_id: Uuid, run: RunFolder) -> Self {
        Self {
            execution,
            log_id,
            run,
            launch: None,
            adopt: false,
            stop: Stop::No,
            clean_up: false,
            tell: Tell::default(),
            shims: Shims::default(),
            signal: None,
            claim: None,
            survivor: None,
            unsure_until: None,
        }
    }

    pub(crate) fn execution(&self) -> &ExecutionId {
        &self.execution
    }

    pub(crate) fn log_id(&self) -> Uuid {
        self.log_id
    }

    pub(crate) fn run(&self) -> &RunFolder {
        &self.run
    }

    /// Whether the clean-up was asked for.
    pub(crate) fn is_to_be_cleaned(&self) -> bool {
        self.clean_up
    }

    /// Takes on a request. What it comes to, the next [`Followed::advance`] sees.
    pub(crate) fn ask(&mut self, effect: Effect) {
        match effect {
            Effect::Launch(launch) => {
                self.tell = Tell { launched: true, started: true, end: true };
                self.launch = Some(launch);
            }
            Effect::Adopt { .. } => {
                self.tell = Tell { launched: true, started: true, end: true };
                self.adopt = true;
            }
            Effect::Stop { .. } => {
                self.tell.end = true;
                self.stop.ask();
            }
            Effect::CleanUp { .. } => self.clean_up = true,
        }
    }

    /// The shims that may not have ended yet.
    pub(crate) fn into_holds(self) -> Vec<Arc<OwnedFd>> {
        self.shims.into_holds()
    }

    /// Moves on as far as possible now.
    pub(crate) fn advance(&mut self, context: &Context<'_>) -> io::Result<Step> {
        loop {
            if let Some(step) = self.look(context)? {
                return Ok(step);
            }
        }
    }

    /// One look; nothing when it changed what there is to see.
    fn look(&mut self, context: &Context<'_>) -> io::Result<Option<Step>> {
        // Whether a process has ended is asked before its files are read: then they hold its last word.
        self.shims.see_child()?;
        if let Some(claim) = self.claim.clone() {
            return self.claimed(context, &claim);
        }
        let owner = self.run.owner()?;
        // Our shim was started in a folder of ours. If that is gone, its job may have removed it: the shim notes the end all the same.
        if owner != Owner::Us
            && let Some(process) = self.shims.living_child()?
        {
            self.claim = Some(ShimClaim { boot_id: boot_id()?, process, at: None });
            return Ok(None);
        }
        match owner {
            Owner::Another => {
                if self.find_shim(context)? {
                    return Ok(None);
                }
                let lost = match self.shims.child() {
                    ChildIs::Ended(how) => Some(format!("its notes are gone, and its shim ended ({how})")),
                    _ => self.adopt.then(|| "its run folder belongs to another log".to_owned()),
                };
                if lost.is_some()
                    && !self.adopt
                    && let Some(step) = self.end_left_behind(context, None)?
                {
                    return Ok(Some(step));
                }
                self.tell_never_started(context.shared, lost, None, json!({}));
                return Ok(Some(Step::Over { is_ours: false }));
            }
            Owner::Nobody => return self.unclaimed(context, false),
            Owner::Us => {}
        }
        let Some(claim) = self.run.read_claim()? else {
            return match self.run.read_exit()? {
                // The folder was emptied, and the end noted again.
                Some(exit) => Ok(Some(self.ended(context.shared, &exit))),
                None => self.unclaimed(context, true),
            };
        };
        let at = time_of(&claim.at);
        match claim.by {
            Claimant::Tombstone { lost } => {
                self.tell_never_started(context.shared, lost, at, json!({"claim": "tombstone"}));
                Ok(Some(Step::Over { is_ours: true }))
            }
            Claimant::Shim { boot_id, process } => {
                self.claim = Some(ShimClaim { boot_id, process, at });
                Ok(None)
            }
            Claimant::Unreadable => match self.run.read_exit()? {
                Some(exit) => Ok(Some(self.ended(context.shared, &exit))),
                None => self.bury(context, None, "its claim is damaged"),
            },
        }
    }

    /// Looks for a shim of an earlier server whose folder is gone: it will note the end all the same. `false` if there is none,
    /// or if nobody asks to adopt or to stop it.
    fn find_shim(&mut self, context: &Context<'_>) -> io::Result<bool> {
        if !(self.adopt || self.stop.is_asked()) || !matches!(self.shims.child(), ChildIs::None) {
            return Ok(false);
        }
        let living = match context.living.get() {
            Some(living) => living,
            None => {
                let living = Living::find()?;
                context.living.get_or_init(|| living)
            }
        };
        let Some(process) = living.of(&self.log_id.to_string(), self.run.name(), &self.run.shown()) else {
            return Ok(false);
        };
        tracing::warn!(
            execution = self.run.name(),
            "the notes of an execution are gone; its shim, which lives, is followed"
        );
        self.claim = Some(ShimClaim { boot_id: boot_id()?, process, at: None });
        Ok(true)
    }

    fn unclaimed(&mut self, context: &Context<'_>, has_folder: bool) -> io::Result<Option<Step>> {
        let is_called_off = self.stop.is_asked() || self.clean_up;
        let child_ended = match self.shims.child() {
            ChildIs::Alive if !is_called_off => return Ok(Some(Step::Wait(None))),
            ChildIs::Ended(how) => Some(how.to_owned()),
            ChildIs::Alive | ChildIs::None => None,
        };
        if is_called_off || (self.adopt && child_ended.is_none()) {
            if !(has_folder || self.stop.is_asked() || self.adopt) {
                return Ok(Some(Step::Over { is_ours: true }));
            }
            if self.find_shim(context)? {
                return Ok(None);
            }
            let lost = self.adopt && child_ended.is_none() && !self.stop.is_asked();
            if lost && let Some(step) = self.end_left_behind(context, None)? {
                return Ok(Some(step));
            }
            let lost = lost.then(|| "nothing is known of it here".to_owned());
            // If a shim is faster, it has the claim; either way the next look sees one. A shim that hangs before its claim
            // doesn't hold up the stop: it can't claim any more.
            if self.run.ensure()? == Owner::Us && self.run.claim(Claimant::Tombstone { lost })? {
                self.shims.kill_child()?;
            }
            return Ok(None);
        }
        if let Some(how) = child_ended {
            self.launch = None;
            let said = fs::read_to_string(self.run.state().join(SHIM_LOG)).unwrap_or_default();
            let said = said.lines().last().unwrap_or_default().chars().take(300).collect::<String>();
            let reason = format!("the shim ended without a claim ({how}): {said}");
            return Ok(Some(self.refused(context.shared, reason)));
        }
        let Some(launch) = self.launch.take() else {
            return Ok(Some(Step::Over { is_ours: true }));
        };
        match self.start(context, &launch) {
            Ok(step) => Ok(step),
            Err(error) => Ok(Some(self.refused(context.shared, format!("can't start a shim: {error}")))),
        }
    }

    fn start(&mut self, context: &Context<'_>, launch: &Launch) -> io::Result<Option<Step>> {
        let request = match request(&context.shared.options, launch, &self.run) {
            Ok(request) => request,
            Err(Unfit::Server(reason)) => return Ok(Some(self.refused(context.shared, reason))),
            Err(Unfit::Workflow(reason)) => {
                self.report(context.shared, Observed::NotLaunchable { reason: reason.into() }, None, json!({}));
                self.tell = Tell::default();
                return Ok(Some(Step::Over { is_ours: true }));
            }
        };
        if self.run.ensure()? != Owner::Us {
            return Ok(None);
        }
        self.run.make_run()?;
        self.run.write_request(&for_people(launch, &request))?;
        self.listen(context)?;
        let pid = start_shim(&context.shared.options, &self.run, &request)?;
        self.shims.started(context, pid)?;
        Ok(Some(Step::Wait(None)))
    }

    fn claimed(&mut self, context: &Context<'_>, claim: &ShimClaim) -> io::Result<Option<Step>> {
        let (boot, shim) = (&claim.boot_id, claim.process);
        self.launch = None;
        if self.tell.launched {
            self.tell.launched = false;
            self.report(context.shared, Observed::Launched, claim.at, json!({"shim": shim.pid}));
        }
        let lives = self.shims.see_claimant(context, boot, shim)?;
        if let Some(exit) = self.run.read_exit()? {
            return Ok(Some(self.ended(context.shared, &exit)));
        }
        let Some(hold) = lives else {
            if boot_id()? != *boot {
                return Ok(Some(self.lost(context.shared, "the machine was restarted while it ran")));
            }
            return self.bury(context, Some(shim), "its shim ended without a note of its end");
        };
        let job = self.run.read_job()?;
        context.shared.running().insert(self.execution.clone(), job.as_ref().map(|job| job.process.pid));
        match &job {
            Some(job) => {
                self.signal = None;
                if self.tell.started {
                    self.tell.started = false;
                    self.report(context.shared, Observed::Started, time_of(&job.at), job_evidence(job));
                }
            }
            None if self.signal.is_none() => {
                if self.listen(context)? {
                    return Ok(None);
                }
                // The pipe is gone: the job runs or has ended by now.
                if self.run.read_job()?.is_some() || self.run.read_exit()?.is_some() {
                    return Ok(None);
                }
            }
            None => {}
        }
        if self.clean_up {
            self.stop.ask();
        }
        let name = self.run.name().to_owned();
        let family = Family {
            shim: Some(shim),
            shim_lives: true,
            job: job.as_ref(),
            execution: &name,
            run_folder: self.run.shown(),
        };
        let grace = context.shared.options.stop_grace;
        Ok(Some(Step::Wait(self.stop.proceed(&family, &hold, context.processes, grace, Instant::now())?)))
    }

    /// Ends what a dead shim left behind; when it is gone, so is the execution.
    fn bury(&mut self, context: &Context<'_>, shim: Option<ProcessId>, reason: &str) -> io::Result<Option<Step>> {
        match self.end_left_behind(context, shim)? {
            Some(wait) => Ok(Some(wait)),
            None => Ok(Some(self.lost(context.shared, reason))),
        }
    }

    /// Kills the processes of an execution without a shim; nothing once there are none.
    fn end_left_behind(&mut self, context: &Context<'_>, shim: Option<ProcessId>) -> io::Result<Option<Step>> {
        let job = self.run.read_job()?;
        let family = Family {
            shim,
            shim_lives: false,
            job: job.as_ref(),
            execution: self.run.name(),
            run_folder: self.run.shown(),
        };
        let Left { survivor, is_unsure } = family.kill()?;
        self.survivor = survivor;
        if let Some(survivor) = &self.survivor {
            context.watcher.watch(survivor, context.token)?;
        }
        let now = Instant::now();
        // Without a claim nothing tells a process that clears its environment now from those that did so long ago.
        let is_patient = shim.is_some() && now < *self.unsure_until.get_or_insert(now + UNSURE);
        Ok(match (self.survivor.is_none(), is_unsure && is_patient) {
            (true, false) => None,
            (_, true) => Some(Step::Wait(Some(now + LOOK_CLOSER))),
            (false, false) => Some(Step::Wait(None)),
        })
    }

    fn lost(&mut self, shared: &Shared, reason: &str) -> Step {
        let exit = Exit { at: now_text(), how: How::Lost { reason: reason.to_owned() } };
        // Whoever asks again shall hear the same; without it they find out for themselves.
        if let Err(error) = self.run.write_exit(&exit) {
            tracing::warn!(execution = self.run.name(), %error, "can't note the loss of an execution");
        }
        self.ended(shared, &exit)
    }

    fn ended(&mut self, shared: &Shared, exit: &Exit) -> Step {
        shared.running().remove(&self.execution);
        let job = self.run.read_job().ok().flatten();
        let mut evidence = json!({"endedAt": exit.at});
        if let Some(job) = &job {
            evidence["pid"] = job.process.pid.into();
            evidence["startedAt"] = job.at.as_str().into();
        }
        let what = match &exit.how {
            How::Ran { status, signal, code } => {
                evidence["exit"] = (*status).into();
                evidence["signal"] = (*signal).into();
                if self.tell.started {
                    let at = job.as_ref().and_then(|job| time_of(&job.at));
                    self.report(shared, Observed::Started, at, job.as_ref().map_or_else(|| json!({}), job_evidence));
                }
                Observed::Exited { code: *code }
            }
            How::NotLaunchable { reason } => Observed::NotLaunchable { reason: reason.as_str().into() },
            How::Lost { reason } => Observed::Lost { reason: reason.as_str().into() },
        };
        if self.tell.end {
            self.report(shared, what, time_of(&exit.at), evidence);
        }
        self.tell = Tell::default();
        Step::Over { is_ours: true }
    }

    fn refused(&mut self, shared: &Shared, reason: String) -> Step {
        let retry_at = DateTime::<Utc>::from(SystemTime::now()) + ASK_AGAIN;
        tracing::warn!(execution = self.run.name(), reason, "can't launch an execution now");
        self.report(shared, Observed::Refused { retry_at, reason: reason.into() }, None, json!({}));
        self.tell = Tell::default();
        Step::Over { is_ours: true }
    }

    fn tell_never_started(
        &mut self,
        shared: &Shared,
        lost: Option<String>,
        at: Option<DateTime<Utc>>,
        evidence: Value,
    ) {
        if self.tell.end {
            let what = lost.map_or(Observed::NeverStarted, |reason| Observed::Lost { reason: reason.into() });
            self.report(shared, what, at, evidence);
        }
        self.tell = Tell::default();
    }

    /// Reports a fact, with the time at which it became one if that is noted. `evidence` is an object without secrets.
    pub(crate) fn report(
        &self,
        shared: &Shared,
        what: Observed,
        observed_at: Option<DateTime<Utc>>,
        mut evidence: Value,
    ) {
        evidence["runFolder"] = self.run.name().into();
        let evidence: Arc<[u8]> = evidence.to_string().into_bytes().into();
        let (execution, runner) = (self.execution.clone(), Arc::clone(&shared.options.runner));
        shared.report(Observation {
            execution,
            runner,
            what,
            observed_at,
            evidence,
            extensions: Extensions::default(),
        });
    }

    /// Opens our end of the shim's pipe. `false` if there is none any more.
    fn listen(&mut self, context: &Context<'_>) -> io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::open(self.run.state().join(SIGNAL), flags, Mode::empty()) {
            Ok(signal) => {
                context.watcher.watch(&signal, context.token)?;
                self.signal = Some(signal);
                Ok(true)
            }
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn job_evidence(job: &Job) -> Value {
    json!({"pid": job.process.pid, "startedAt": job.at})
}
