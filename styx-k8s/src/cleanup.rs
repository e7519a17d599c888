//! When a pod is removed (scheduler and runner, d: "Pod cleanup").

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::run::State;

use crate::{
    pod::INSTANCE_ANNOTATION,
    view::{ContainerState, ContainerView, PodView},
};

/// Reasons of a waiting container whose image can't be had.
const IMAGE_ERRORS: [&str; 7] = [
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "PullImageError",
    "RegistryUnavailable",
];

/// What an executor's configuration says about the removal of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CleanupRules {
    /// How long a pod stays after its job has ended.
    pub delay: TimeDelta,
    /// How much longer Kubernetes has to remove it, before it is forced to.
    pub tolerance: TimeDelta,
    /// Whether all pods are kept, to be looked at (CL-6).
    pub keep_for_debugging: bool,
}

impl Default for CleanupRules {
    /// Styx's: 120 s, and 30 min more.
    fn default() -> Self {
        Self { delay: TimeDelta::seconds(120), tolerance: TimeDelta::minutes(30), keep_for_debugging: false }
    }
}

/// What is to be done with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Nothing, now.
    Keep,
    /// Get it once more and ask [`after_second_look`]: nothing wants it, and it still runs. The run may have ended, or begun,
    /// since the pod was listed.
    LookAgain,
    /// Delete it.
    Delete(Reason),
    /// Delete it with a grace period of 0.
    ForceDelete(Reason),
}

/// Why a pod is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its job ended long enough ago.
    Expired,
    /// Its job ended so long ago that it should be gone, or nobody knows when.
    Intolerant,
    /// Its image can't be had.
    ImageError,
    /// It runs for no run.
    Unowned,
}

impl Reason {
    /// The reason in the words of Styx 2.x (CL-7).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "Terminated and expired",
            Self::Intolerant => "Terminated, expired, and intolerant",
            Self::ImageError => "Pull image error",
            Self::Unowned => "No RunState, not terminated",
        }
    }
}

/// Whether a pod is removed at `now`. `owner` is the state of the active run whose execution the pod is, read after the pod.
///
/// A pod without the annotation of an instance isn't ours and is kept (EV-22).
pub fn removal(pod: &PodView, owner: Option<State>, now: DateTime<Utc>, rules: &CleanupRules) -> Removal {
    if rules.keep_for_debugging || !is_ours(pod) {
        return Removal::Keep;
    }
    match owner {
        None if !job_has_ended(pod) => Removal::LookAgain,
        Some(owner) if !has_ended(owner) => Removal::Keep,
        _ => pod.job().map_or(Removal::Keep, |job| removal_of_ended(&job.state, now, rules)),
    }
}

/// What is done with a pod that nothing wants and that still ran: `pod` is what there is of it now.
pub fn after_second_look(pod: Option<&PodView>) -> Removal {
    match pod {
        // The next round removes it when its time has come.
        Some(pod) if !job_has_ended(pod) => Removal::Delete(Reason::Unowned),
        _ => Removal::Keep,
    }
}

/// What is done with a pod whose run looks at its execution no more.
fn removal_of_ended(state: &ContainerState, now: DateTime<Utc>, rules: &CleanupRules) -> Removal {
    let ended = match state {
        ContainerState::Terminated(ended) => ended,
        ContainerState::Waiting { reason: Some(reason), .. } if IMAGE_ERRORS.contains(&reason.as_str()) => {
            return Removal::Delete(Reason::ImageError);
        }
        _ => return Removal::Keep,
    };
    match ended.finished_at.map(|at| now - at) {
        None => Removal::ForceDelete(Reason::Intolerant),
        Some(age) if age > rules.delay + rules.tolerance => Removal::ForceDelete(Reason::Intolerant),
        Some(age) if age > rules.delay => Removal::Delete(Reason::Expired),
        Some(_) => Removal::Keep,
    }
}

/// Whether a run in this state has seen the end of its execution.
fn has_ended(state: State) -> bool {
    matches!(state, State::Terminated | State::Failed | State::Error | State::Done)
}

fn job_has_ended(pod: &PodView) -> bool {
    pod.job().is_some_and(ContainerView::has_ended)
}

fn is_ours(pod: &PodView) -> bool {
    pod.annotations.contains_key(INSTANCE_ANNOTATION)
}
