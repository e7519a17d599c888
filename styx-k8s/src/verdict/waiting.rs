//! Why a pod's job doesn't run yet.

use styx_core::observation::Observed;

use super::Case;
use crate::{
    verdict::cause::with_message,
    view::{ContainerState, ContainerView, PodView},
};

/// Why a job waits, and whose fault it is if that takes too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Why, as Kubernetes names it.
    pub reason: String,
    /// Why, in a sentence.
    pub message: Option<String>,
    /// Whose fault it is.
    pub class: WaitingClass,
    /// How often the kubelet has started the job again in the same pod.
    pub restarts: i64,
}

/// Whose fault a wait is that ends with the time-out of SUBMITTED (decision 56).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingClass {
    /// The workflow's: it names a secret or a config map that isn't there.
    User,
    /// The infrastructure's: images, room, volumes.
    Infrastructure,
    /// Nobody's: a scheduling gate holds it (Kueue). The wait doesn't count.
    Gated,
}

/// Why the pod waits. Once somebody has asked for its end, why it waited before: a terminating pod forgets the reason.
pub(super) fn reason(case: &Case<'_>) -> Waiting {
    let is_ending = case.pod.deletion.is_some() || case.stop.is_some();
    let kept = case.seen.waiting.clone().filter(|_| is_ending);
    kept.unwrap_or_else(|| Waiting { restarts: case.seen.restarts, ..of_pod(case.pod) })
}

/// Why the pod can never start, if that is certain: a name that no image can have. What a webhook put into the pod isn't the
/// workflow's, so it only waits.
pub(super) fn never_valid(pod: &PodView) -> Option<String> {
    let of_templates = pod.init_containers.iter().filter(|init| pod.is_of_template(&init.name));
    pod.job().into_iter().chain(of_templates).find_map(|container| match &container.state {
        // In the words of Styx 2.x.
        ContainerState::Waiting { reason: Some(reason), message } if reason == "InvalidImageName" => Some(format!(
            "Container {} has invalid image name {}, message: {}",
            container.name,
            container.image.as_deref().unwrap_or_default(),
            message.as_deref().unwrap_or_default()
        )),
        _ => None,
    })
}

fn of_pod(pod: &PodView) -> Waiting {
    let scheduled =
        pod.conditions.iter().find(|condition| condition.kind == "PodScheduled" && condition.status == "False");
    if let Some(condition) = scheduled {
        let reason = condition.reason.clone().unwrap_or_else(|| "Unschedulable".to_owned());
        let class = if reason == "SchedulingGated" { WaitingClass::Gated } else { WaitingClass::Infrastructure };
        return Waiting { reason, message: condition.message.clone(), class, restarts: 0 };
    }
    // Init containers run one after the other; the job says `PodInitializing` meanwhile.
    let containers = pod.init_containers.iter().chain(pod.job());
    containers.filter_map(of_container).next().unwrap_or_else(|| Waiting {
        reason: pod.reason.clone().unwrap_or_else(|| "ContainerCreating".to_owned()),
        message: pod.message.clone(),
        class: WaitingClass::Infrastructure,
        restarts: 0,
    })
}

/// Why this container waits, if it is the one that the pod waits for.
fn of_container(container: &ContainerView) -> Option<Waiting> {
    let ContainerState::Waiting { reason: Some(reason), message } = &container.state else { return None };
    if reason == "PodInitializing" {
        return None;
    }
    let is_config = matches!(reason.as_str(), "CreateContainerConfigError" | "CreateContainerError");
    let is_users = is_config && message.as_deref().is_some_and(names_missing_object);
    let class = if is_users { WaitingClass::User } else { WaitingClass::Infrastructure };
    Some(Waiting { reason: reason.clone(), message: message.clone(), class, restarts: 0 })
}

/// Whether the kubelet says that a secret or a config map isn't there, or hasn't the key.
fn names_missing_object(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let is_of_object = message.contains("secret") || message.contains("configmap") || message.contains("config map");
    let is_missing = ["not found", "couldn't find key", "non-existent"].iter().any(|text| message.contains(text));
    is_of_object && is_missing
}

impl Waiting {
    /// What a wait is that has lasted for the time-out of SUBMITTED, which also asks for the pod's stop. `None` for one that
    /// doesn't count.
    pub fn timed_out(&self) -> Option<Observed> {
        let reason = format!("waited too long: {}", self.in_words()).into();
        match self.class {
            WaitingClass::User => Some(Observed::NotLaunchable { reason }),
            WaitingClass::Infrastructure => Some(Observed::Lost { reason }),
            WaitingClass::Gated => None,
        }
    }

    /// The reason with its message.
    pub fn in_words(&self) -> String {
        with_message(self.reason.clone(), self.message.as_deref())
    }
}
