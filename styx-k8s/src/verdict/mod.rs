//! What a pod says about its execution: nothing yet, that it waits, that it runs, or how it ended.
//!
//! The verdict is a pure function of the pod as it is now, of what was seen of the same pod before, and of whether we asked
//! for its stop. No log of a container has a part in it. The raw facts that it rests on go into the record as evidence,
//! with the version of these rules.

mod cause;
mod evidence;
mod exit_code;
mod waiting;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::executor::Observed;

pub use exit_code::LogTrouble;
pub use waiting::{Waiting, WaitingClass};

use crate::view::{ContainerState, ContainerView, PodView, Termination};

/// The version of the rules; it stands in the evidence of every end.
pub const VERSION: u32 = 1;

/// How much later than the job's the keepalive's end must be for the job to have ended by itself. Of pods deleted on a busy
/// node, a third shows the job's end up to 5 s before the keepalive's, though one signal ended both.
pub const KEEPALIVE_MARGIN: TimeDelta = TimeDelta::seconds(10);

/// That we asked Kubernetes to end the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopAsked {
    /// When, by our clock.
    pub at: DateTime<Utc>,
}

/// What a pod says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was launched; its job doesn't run yet, or not again yet.
    Waiting(Waiting),
    /// Its job runs, as far as anybody knows.
    Running(Running),
    /// Its execution has ended; this never changes again.
    Ended(Arc<End>),
}

/// A job that runs, and what there is to say about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// How often the kubelet has started the job again in the same pod.
    pub restarts: i64,
    /// What threatens it: its node can't be reached, it is being deleted, it is condemned.
    pub trouble: Option<String>,
    /// Since when it runs.
    pub started_at: Option<DateTime<Utc>>,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Whose it is.
    pub class: Class,
    /// The exit code, if one is known.
    pub code: Option<i32>,
    /// What happened, in words.
    pub reason: Arc<str>,
    /// Whether the job ran at all.
    pub ran: bool,
    /// What was wrong with the termination log, if the code was to come from it.
    pub log_trouble: Option<LogTrouble>,
    /// When the job started, if that is known.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, if that is known.
    pub finished_at: Option<DateTime<Utc>>,
    /// The facts, as JSON.
    pub evidence: Arc<[u8]>,
}

/// Whose an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The workflow's: its success, or a failure that costs a try.
    User,
    /// The workflow's: the pod can't be started as it is.
    NotLaunchable,
    /// The infrastructure's: it costs nothing.
    Infrastructure,
    /// We asked for it, and no code is known.
    Stopped,
    /// Nobody knows.
    Lost,
}

impl Class {
    /// The class as evidence names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::NotLaunchable => "not launchable",
            Self::Infrastructure => "infrastructure",
            Self::Stopped => "stopped",
            Self::Lost => "lost",
        }
    }
}

impl End {
    /// The end as the core takes it.
    pub fn observed(&self) -> Observed {
        match self.class {
            Class::User => Observed::Exited { code: self.code },
            Class::NotLaunchable => Observed::NotLaunchable { reason: Arc::clone(&self.reason) },
            Class::Infrastructure | Class::Lost => Observed::Lost { reason: Arc::clone(&self.reason) },
            Class::Stopped if self.ran => Observed::Exited { code: None },
            Class::Stopped => Observed::NeverStarted,
        }
    }
}

/// What was seen of one pod, that is of one uid: as much of it as later verdicts need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Its job ran.
    started: bool,
    /// Somebody else deleted it before we asked for its stop.
    deleted_by_others: bool,
    /// Why it waited before it was deleted: a terminating pod forgets the reason.
    waiting: Option<Waiting>,
    /// What threatened it when it was seen last.
    trouble: Option<String>,
    /// The most restarts of the job in this pod.
    restarts: i64,
    /// How it ended.
    end: Option<Arc<End>>,
}

impl History {
    /// Whether the job was seen running, or must have run.
    pub fn has_started(&self) -> bool {
        self.started
    }

    /// Why the pod waits, or waited when its deletion was first seen.
    pub fn waiting(&self) -> Option<&Waiting> {
        self.waiting.as_ref()
    }

    /// How it ended. The first end stays, whatever is seen later.
    pub fn end(&self) -> Option<&Arc<End>> {
        self.end.as_ref()
    }

    /// Judges the pod as it is now and remembers what counts later.
    pub fn observe(&mut self, pod: &PodView, stop: Option<StopAsked>) -> Outcome {
        self.deleted_by_others |= stop.is_none() && pod.deletion.is_some();
        self.restarts = self.restarts.max(pod.job().map_or(0, |job| job.restart_count));
        self.trouble = cause::threat(pod);
        let outcome = judge(self, pod, stop);
        match &outcome {
            Outcome::Waiting(waiting) => self.waiting = Some(waiting.clone()),
            Outcome::Running(_) => self.started = true,
            Outcome::Ended(end) => {
                self.started |= end.ran;
                self.end.get_or_insert_with(|| Arc::clone(end));
            }
        }
        outcome
    }

    /// Judges a pod whose object is gone. `last` is how it was seen last, if that is known.
    pub fn observe_gone(&mut self, last: Option<&PodView>, stop: Option<StopAsked>) -> Arc<End> {
        if let Some(last) = last {
            self.observe(last, stop);
        }
        if let Some(end) = &self.end {
            return Arc::clone(end);
        }
        let absent = PodView::default();
        let end = Arc::new(judge_gone(&Case { seen: self, pod: last.unwrap_or(&absent), stop }));
        Arc::clone(self.end.insert(end))
    }
}

/// The verdict on a pod that was seen in this way before. [`History::observe`] asks it and remembers.
pub fn judge(seen: &History, pod: &PodView, stop: Option<StopAsked>) -> Outcome {
    if let Some(end) = &seen.end {
        return Outcome::Ended(Arc::clone(end));
    }
    let case = Case { seen, pod, stop };
    let end = match pod.job().map(|job| (job, &job.state)) {
        Some((job, ContainerState::Terminated(end))) if is_real(end) => judge_real_end(&case, job, end),
        Some((job, ContainerState::Terminated(end))) => judge_invented_end(&case, job, end),
        _ if pod.is_terminal() => judge_without_end(&case),
        Some((job, ContainerState::Running { started_at })) => {
            let running = Running {
                restarts: job.restart_count,
                trouble: cause::threat(pod),
                started_at: started_at.filter(|at| is_believable(*at)),
            };
            return Outcome::Running(running);
        }
        _ => match waiting::never_valid(pod) {
            Some(reason) => case.end(Class::NotLaunchable, None, reason),
            None => return Outcome::Waiting(waiting::reason(&case)),
        },
    };
    Outcome::Ended(Arc::new(end))
}

/// What a verdict looks at.
struct Case<'a> {
    seen: &'a History,
    pod: &'a PodView,
    stop: Option<StopAsked>,
}

impl Case<'_> {
    fn end(&self, class: Class, code: Option<i32>, reason: impl Into<Arc<str>>) -> End {
        let reason = reason.into();
        let termination = self.pod.job().and_then(|job| match &job.state {
            ContainerState::Terminated(end) => Some(end),
            _ => None,
        });
        let time = |time: fn(&Termination) -> Option<DateTime<Utc>>| {
            termination.and_then(time).filter(|at| is_believable(*at))
        };
        End {
            class,
            code,
            ran: self.seen.started,
            log_trouble: None,
            started_at: time(|end| end.started_at),
            finished_at: time(|end| end.finished_at),
            evidence: evidence::evidence(self, class, code, &reason),
            reason,
        }
    }

    /// Whether the deletion of the pod isn't ours.
    fn is_deleted_by_others(&self) -> bool {
        self.pod.deletion.is_some() && (self.stop.is_none() || self.seen.deleted_by_others)
    }
}

/// Whether the job ended, rather than that the kubelet or the runtime has lost it and made an end up.
fn is_real(end: &Termination) -> bool {
    match end.reason.as_deref() {
        Some("ContainerStatusUnknown") => false,
        Some("Unknown") => !matches!(end.exit_code, None | Some(255)),
        _ => true,
    }
}

/// Runtimes say 1970 for a container that never ran.
fn is_believable(at: DateTime<Utc>) -> bool {
    at.timestamp() > 0
}

/// The job's own end is there. It beats phase, reasons and conditions.
fn judge_real_end(case: &Case<'_>, job: &ContainerView, end: &Termination) -> End {
    let (code, log_trouble) = exit_code::exit_code(case.pod, end);
    let is_success = code == Some(0);
    let infrastructure = if is_success || cause::own_limit(case.pod).is_some() || has_failed_by_itself(case.pod, end) {
        None
    } else {
        cause::infrastructure(case)
    };
    let runtime_trouble = cause::runtime_trouble(end).filter(|_| !is_success);
    let judged = if let Some(reason) = infrastructure {
        case.end(Class::Infrastructure, code, reason)
    } else if let Some(reason) = &runtime_trouble {
        case.end(Class::Infrastructure, code, reason.as_str())
    } else {
        let reason = cause::own_limit(case.pod).unwrap_or_else(|| exit_code::in_words(code, &job.name, end));
        case.end(Class::User, code, reason)
    };
    End { ran: case.seen.started || runtime_trouble.is_none(), log_trouble, ..judged }
}

/// Whether the job's end can't come from what ended the pod. The kubelet reports the containers of a pod that it killed
/// together, so an end beside a keepalive that runs is the job's own; so is one long before the keepalive's.
fn has_failed_by_itself(pod: &PodView, end: &Termination) -> bool {
    match pod.keepalive().map(|keepalive| &keepalive.state) {
        Some(ContainerState::Running { .. }) => true,
        Some(ContainerState::Terminated(keepalive)) if is_real(keepalive) => {
            let times = end.finished_at.zip(keepalive.finished_at);
            times.is_some_and(|(job, keepalive)| keepalive - job > KEEPALIVE_MARGIN)
        }
        _ => false,
    }
}

/// The job's end was made up, so there is no code.
fn judge_invented_end(case: &Case<'_>, job: &ContainerView, end: &Termination) -> End {
    if let Some(limit) = cause::own_limit(case.pod) {
        End { ran: true, ..case.end(Class::User, None, limit) }
    } else if let Some(reason) = cause::infrastructure(case) {
        case.end(Class::Infrastructure, None, reason)
    } else if case.stop.is_some() {
        case.end(Class::Stopped, None, "stopped as asked; its exit code isn't known")
    } else {
        let reason = end.reason.as_deref().unwrap_or_default();
        let text = format!("nobody knows how container {} ended, reason: {reason}", job.name);
        case.end(Class::Lost, None, text)
    }
}

/// The pod has ended and its job shows no end.
fn judge_without_end(case: &Case<'_>) -> End {
    let job = case.pod.job();
    let runs = job.is_some_and(ContainerView::is_running);
    if let Some(limit) = cause::own_limit(case.pod) {
        let ran = case.seen.started || runs;
        let class = if ran { Class::User } else { Class::NotLaunchable };
        return End { ran, ..case.end(class, None, limit) };
    }
    if let Some(reason) = cause::infrastructure(case) {
        return End { ran: case.seen.started || runs, ..case.end(Class::Infrastructure, None, reason) };
    }
    if let Some((init, is_of_template)) = cause::failed_init_container(case.pod) {
        let class = if is_of_template { Class::NotLaunchable } else { Class::Infrastructure };
        return case.end(class, None, init);
    }
    if case.stop.is_some() {
        return End { ran: case.seen.started || runs, ..case.end(Class::Stopped, None, "stopped as asked") };
    }
    // In the words of Styx 2.x.
    let reason =
        if job.is_none() { "Could not find our container in pod" } else { "Unexpected null terminated status" };
    End {
        ran: case.seen.started || runs,
        ..case.end(Class::Infrastructure, None, cause::with_pod_reason(case.pod, reason))
    }
}

/// The pod's object is gone, and no end of its job was seen.
fn judge_gone(case: &Case<'_>) -> End {
    let runs = case.pod.job().is_some_and(ContainerView::is_running);
    let ran = case.seen.started || runs;
    if let Some(limit) = cause::own_limit(case.pod) {
        let class = if ran { Class::User } else { Class::NotLaunchable };
        End { ran, ..case.end(class, None, limit) }
    } else if let Some(reason) = cause::infrastructure(case) {
        End { ran, ..case.end(Class::Infrastructure, None, reason) }
    } else if case.stop.is_some() {
        End { ran, ..case.end(Class::Stopped, None, "stopped as asked, and gone") }
    } else {
        let text = "the pod is gone, and nobody knows how it ended";
        let reason = case.seen.trouble.as_ref().map(|trouble| format!("{text}; before, {trouble}"));
        End { ran, ..case.end(Class::Lost, None, reason.unwrap_or_else(|| text.to_owned())) }
    }
}
