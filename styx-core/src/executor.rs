//! The contract of an executor: what it is asked for, and what it reports.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

pub use crate::observation::{Observation, Observed};
use crate::{
    event::Trigger,
    id::{ExecutionId, InstanceId},
    stored_workflow::Origin,
    workflow::{PodTemplate, Secret},
};

/// Runs executions somewhere else. What happened comes back as [`Observation`]s, on whatever channel it was built with.
///
/// # What every implementation holds
///
/// 1. `perform` returns at once and never fails: every outcome is an observation.
/// 2. Asked twice for the same execution, it does it once: a launch of an id that was ever claimed starts nothing.
/// 3. Effects of one execution take place in the order asked: a stop isn't confirmed while a launch is outstanding.
/// 4. A stop of an id that was never launched makes sure that it never will be.
/// 5. It touches only what carries the log id of the request.
/// 6. Every effect leads to an observation sooner or later, in this process or, asked again, the next.
/// 7. What it knows of an execution stays until the clean-up. Asked again, by a launch, an adoption or a stop, it reports
///    again how things stand, the same end included: what was reported may have been lost with the process.
/// 8. `Lost` is said only of what is gone for certain, since a new attempt starts on it. What can't be reached isn't lost.
/// 9. Whatever carries the log id and is found without being asked for is reported too. The engine asks to stop and to clean
///    up what it doesn't know.
/// 10. After [`all_requested`](Self::all_requested), and after each new look at all that there is, it reports that all it knows
///     is reported. Until then its silence about an execution means nothing.
pub trait Executor: Send + Sync {
    /// Takes on an effect.
    fn perform(&self, effect: Effect);

    /// All that earlier processes have left has been requested, by effects that came before this. Returns at once. When each of
    /// them has been answered, the executor reports that all it knows is reported, on the channel of its observations and
    /// after them. One that is out of contact keeps silent; the wait for it has a bound.
    fn all_requested(&self);
}

/// What the world owes to the outside, with all that an executor needs to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start this execution; report `Launched`, then `Started`, then its end.
    Launch(Box<Launch>),
    /// It was launched before this process began: report how it stands and how it ends.
    Adopt {
        /// The executor that has it.
        executor: Arc<str>,
        /// The log that launched it.
        log_id: Uuid,
        /// Which execution.
        execution: ExecutionId,
    },
    /// End it, or make sure that it never starts; report its end.
    Stop {
        /// The executor that has it.
        executor: Arc<str>,
        /// The log that launched it.
        log_id: Uuid,
        /// Which execution.
        execution: ExecutionId,
    },
    /// It has ended: remove what is left of it, and report `Cleaned`.
    CleanUp {
        /// The executor that has it.
        executor: Arc<str>,
        /// The log that launched it.
        log_id: Uuid,
        /// Which execution.
        execution: ExecutionId,
    },
}

impl Effect {
    /// Which execution it is about.
    pub fn execution(&self) -> &ExecutionId {
        match self {
            Self::Launch(launch) => &launch.execution,
            Self::Adopt { execution, .. } | Self::Stop { execution, .. } | Self::CleanUp { execution, .. } => execution,
        }
    }

    /// The executor that it is for: the one that the execution was submitted to.
    pub fn executor(&self) -> &Arc<str> {
        match self {
            Self::Launch(launch) => &launch.executor,
            Self::Adopt { executor, .. } | Self::Stop { executor, .. } | Self::CleanUp { executor, .. } => executor,
        }
    }

    /// What is asked.
    pub fn kind(&self) -> EffectKind {
        match self {
            Self::Launch(_) => EffectKind::Launch,
            Self::Adopt { .. } => EffectKind::Adopt,
            Self::Stop { .. } => EffectKind::Stop,
            Self::CleanUp { .. } => EffectKind::CleanUp,
        }
    }
}

/// The kind of an [`Effect`]: with the execution's id it names the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the effect of the same name")]
pub enum EffectKind {
    Launch,
    Adopt,
    Stop,
    CleanUp,
}

/// All that a launch needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The executor that it is given to.
    pub executor: Arc<str>,
    /// The log that launches it.
    pub log_id: Uuid,
    /// Which execution.
    pub execution: ExecutionId,
    /// Whose try it is.
    pub instance: InstanceId,
    /// The image.
    pub docker_image: String,
    /// The entry point that is run instead of the image's; none is the image's.
    pub docker_command: Option<Vec<String>>,
    /// Arguments, with the parameter put in.
    pub docker_args: Vec<String>,
    /// Environment of the workflow and of the trigger; STYX_* variables come on top (spec part (d)).
    pub env: BTreeMap<String, String>,
    /// The trigger.
    pub trigger: Option<Trigger>,
    /// How many tries there were before this one.
    pub tries: u32,
    /// How many executions of its trigger were begun before this one.
    pub execution_counter: u32,
    /// Service account to run as.
    pub service_account: Option<String>,
    /// Commit that the image was built from.
    pub commit_sha: Option<String>,
    /// Whether the container reports its exit code in its termination log.
    pub docker_termination_logging: bool,
    /// A secret to mount.
    pub secret: Option<Secret>,
    /// What the pod has beside what Styx puts into it.
    pub pod: Option<PodTemplate>,
    /// Where the workflow comes from: the local executor runs in the folder of its file.
    pub origin: Origin,
}

impl Launch {
    /// The variables of Styx that are the same wherever it runs (scheduler and runner, d: PD-2). An executor adds
    /// `STYX_ENVIRONMENT` and `STYX_TERMINATION_LOG`, which are its own.
    ///
    /// Those of a trigger that isn't known are `None`.
    pub fn styx_variables(&self) -> [(&'static str, Option<String>); 13] {
        let text = |text: &str| Some(text.to_owned());
        let trigger = |part: fn(&Trigger) -> &str| self.trigger.as_ref().map(|trigger| part(trigger).to_owned());
        let workflow = self.instance.workflow();
        [
            ("STYX_COMPONENT_ID", text(workflow.component())),
            ("STYX_WORKFLOW_ID", text(workflow.workflow())),
            ("STYX_PARAMETER", text(self.instance.parameter())),
            ("STYX_COMMIT_SHA", text(self.commit_sha.as_deref().unwrap_or_default())),
            ("STYX_SERVICE_ACCOUNT", text(self.service_account.as_deref().unwrap_or_default())),
            ("STYX_DOCKER_ARGS", Some(self.docker_args.join(" "))),
            ("STYX_DOCKER_IMAGE", text(&self.docker_image)),
            ("STYX_EXECUTION_ID", Some(self.execution.to_string())),
            ("STYX_TRIGGER_ID", trigger(Trigger::id)),
            ("STYX_TRIGGER_TYPE", trigger(|trigger| trigger.kind())),
            ("STYX_LOGGING", text("structured")),
            ("STYX_EXECUTION_TRIES", Some(self.tries.to_string())),
            // Ours: the tries leave out executions that were never taken.
            ("STYX_EXECUTION_COUNTER", Some(self.execution_counter.to_string())),
        ]
    }
}
