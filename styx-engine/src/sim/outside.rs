//! The outside world of a simulation: what really runs. It survives every crash, and keeps the contract of an executor
//! unless it is broken on purpose.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    executor::{Effect, Observed},
    id::{ExecutionId, InstanceId},
};

use super::{Coverage, Sabotage, Situation, random::Random};

/// What happens to a job by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobEvent {
    /// It begins to run.
    Starts,
    /// It ends by itself.
    Ends(Option<i32>),
    /// It is gone, and nobody knows how it ended.
    Vanishes,
    /// It ends because it was told to.
    Stops(Option<i32>),
}

/// The truth about an execution, for the invariants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OutsideFact {
    /// It began to run.
    Started(ExecutionId, InstanceId),
    /// It runs no more.
    Over(ExecutionId),
}

/// What follows when an effect arrives or something happens outside.
#[derive(Debug, Default)]
pub(super) struct Follows {
    /// To be reported to whoever watches.
    pub(super) reports: Vec<Observed>,
    /// To happen later.
    pub(super) later: Vec<(TimeDelta, JobEvent)>,
    /// What is true now.
    pub(super) facts: Vec<OutsideFact>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A mark that forbids it: it never started and never will.
    Forbidden,
    /// The workflow's own fault: it never started and never will.
    NotLaunchable,
    /// Taken; doesn't run yet.
    Claimed,
    Running,
    Ended(Option<i32>),
    Gone,
}

#[derive(Debug)]
struct Job {
    instance: Option<InstanceId>,
    phase: Phase,
    stopping: bool,
}

/// All that was ever asked of the outside.
pub(super) struct Outside {
    jobs: BTreeMap<ExecutionId, Job>,
    random: Random,
    sabotage: Option<Sabotage>,
    /// While faults last: refusals, losses, and things that never start.
    pub(super) faults: bool,
}

impl Outside {
    pub(super) fn new(random: Random, sabotage: Option<Sabotage>) -> Self {
        Self { jobs: BTreeMap::new(), random, sabotage, faults: true }
    }

    /// Whether anything runs or may begin to run.
    pub(super) fn is_quiet(&self) -> bool {
        !self.jobs.values().any(|job| matches!(job.phase, Phase::Claimed | Phase::Running))
    }

    /// An effect takes place; `wall` is what the clocks there show.
    pub(super) fn arrive(&mut self, effect: &Effect, wall: DateTime<Utc>, coverage: &mut Coverage) -> Follows {
        let id = effect.execution();
        match effect {
            Effect::Launch(launch) => match self.jobs.get(id).map(|job| job.phase) {
                Some(phase) => self.launch_again(id, phase, coverage),
                None => self.launch(id, &launch.instance, wall, coverage),
            },
            Effect::Adopt { .. } => {
                coverage.reach(Situation::Adopted);
                self.status(id)
            }
            Effect::Stop { .. } => self.stop(id, coverage),
            // The id stays known: a launch that is still under way must find the mark.
            Effect::CleanUp { .. } => Follows { reports: vec![Observed::Cleaned], ..Follows::default() },
        }
    }

    fn launch(
        &mut self,
        id: &ExecutionId,
        instance: &InstanceId,
        wall: DateTime<Utc>,
        coverage: &mut Coverage,
    ) -> Follows {
        let mut follows = Follows::default();
        let random = &mut self.random;
        if self.faults && random.chance(12) {
            coverage.reach(Situation::RefusedLaunch);
            let retry_at = wall + random.seconds(-1, 90);
            follows.reports.push(Observed::Refused { retry_at, reason: "no room".into() });
            return follows;
        }
        let mut job = Job { instance: Some(instance.clone()), phase: Phase::Claimed, stopping: false };
        if random.chance(4) {
            coverage.reach(Situation::NotLaunchable);
            job.phase = Phase::NotLaunchable;
            follows.reports.push(Observed::NotLaunchable { reason: "no such program".into() });
        } else {
            follows.reports.push(Observed::Launched);
            let start = random.millis(0, 5_000);
            if self.faults && random.chance(4) {
                coverage.reach(Situation::NeverStarts);
            } else {
                follows.later.push((start, JobEvent::Starts));
            }
            if self.faults && random.chance(4) {
                follows.later.push((start + random.seconds(-2, 20), JobEvent::Vanishes));
            }
        }
        self.jobs.insert(id.clone(), job);
        follows
    }

    /// Asked again: it starts nothing, and reports again how things stand.
    fn launch_again(&mut self, id: &ExecutionId, phase: Phase, coverage: &mut Coverage) -> Follows {
        coverage.reach(Situation::LaunchedAgain);
        if phase == Phase::Forbidden {
            coverage.reach(Situation::LaunchFoundMark);
        }
        let mut follows = self.status(id);
        if self.sabotage == Some(Sabotage::StartsTwice) && matches!(phase, Phase::Claimed | Phase::Running) {
            let instance = self.jobs.get(id).and_then(|job| job.instance.clone());
            follows.facts.extend(instance.map(|instance| OutsideFact::Started(id.clone(), instance)));
        }
        follows
    }

    fn status(&self, id: &ExecutionId) -> Follows {
        let reports = match self.jobs.get(id).map(|job| job.phase) {
            None => vec![Observed::Lost { reason: "never heard of it".into() }],
            Some(Phase::Forbidden) => vec![Observed::NeverStarted],
            Some(Phase::NotLaunchable) => vec![Observed::NotLaunchable { reason: "no such program".into() }],
            Some(Phase::Claimed) => vec![Observed::Launched],
            Some(Phase::Running) => vec![Observed::Started],
            Some(Phase::Ended(code)) => vec![Observed::Exited { code }],
            Some(Phase::Gone) => vec![Observed::Lost { reason: "its node is gone".into() }],
        };
        Follows { reports, ..Follows::default() }
    }

    fn stop(&mut self, id: &ExecutionId, coverage: &mut Coverage) -> Follows {
        let mut follows = Follows::default();
        let random = &mut self.random;
        let Some(job) = self.jobs.get_mut(id) else {
            coverage.reach(Situation::Tombstone);
            self.jobs.insert(id.clone(), Job { instance: None, phase: Phase::Forbidden, stopping: false });
            follows.reports.push(Observed::NeverStarted);
            return follows;
        };
        match job.phase {
            Phase::Claimed if random.chance(50) => {
                job.phase = Phase::Forbidden;
                follows.reports.push(Observed::NeverStarted);
            }
            Phase::Claimed | Phase::Running if job.stopping => {}
            Phase::Claimed | Phase::Running => {
                job.stopping = true;
                let code = *random.pick(&[Some(143), Some(137), Some(0), None]);
                follows.later.push((random.seconds(0, 40), JobEvent::Stops(code)));
            }
            _ => follows = self.status(id),
        }
        if self.sabotage == Some(Sabotage::StopNeverAnswers) {
            follows.reports.clear();
        }
        follows
    }

    /// Something happens to a job by itself.
    pub(super) fn happen(&mut self, id: &ExecutionId, event: JobEvent) -> Follows {
        let mut follows = Follows::default();
        let random = &mut self.random;
        let Some(job) = self.jobs.get_mut(id) else {
            return follows;
        };
        let over = OutsideFact::Over(id.clone());
        match (event, job.phase) {
            (JobEvent::Starts, Phase::Claimed) => {
                job.phase = Phase::Running;
                let started = job.instance.clone().map(|instance| OutsideFact::Started(id.clone(), instance));
                follows.facts.extend(started);
                follows.reports.push(Observed::Started);
                let (code, length) = plan(random, self.faults);
                if self.sabotage == Some(Sabotage::EndsEarly) {
                    follows.reports.push(Observed::Exited { code });
                }
                follows.later.extend(length.map(|length| (length, JobEvent::Ends(code))));
            }
            (JobEvent::Ends(code), Phase::Running) => {
                job.phase = Phase::Ended(code);
                follows.facts.push(over);
                follows.reports.push(Observed::Exited { code });
            }
            (JobEvent::Stops(code), Phase::Running | Phase::Claimed) => {
                if job.phase == Phase::Running {
                    follows.facts.push(over);
                }
                job.phase = Phase::Ended(code);
                if self.sabotage != Some(Sabotage::StopNeverAnswers) {
                    follows.reports.push(Observed::Exited { code });
                }
            }
            (JobEvent::Vanishes, Phase::Running | Phase::Claimed) => {
                if job.phase == Phase::Running {
                    follows.facts.push(over);
                }
                job.phase = Phase::Gone;
                follows.reports.push(Observed::Lost { reason: "its node is gone".into() });
            }
            _ => {}
        }
        follows
    }

    /// Ends what there may be of an execution, for good and so that nobody reports it.
    pub(super) fn unplug(&mut self, id: &ExecutionId) -> Option<OutsideFact> {
        let forbidden = Job { instance: None, phase: Phase::Forbidden, stopping: false };
        let job = self.jobs.entry(id.clone()).or_insert(forbidden);
        let was = job.phase;
        if matches!(was, Phase::Claimed | Phase::Running) {
            job.phase = Phase::Gone;
        }
        (was == Phase::Running).then(|| OutsideFact::Over(id.clone()))
    }

    /// What carries the log's name and may still be going on.
    pub(super) fn living(&self) -> Vec<ExecutionId> {
        let living = self.jobs.iter().filter(|(_, job)| matches!(job.phase, Phase::Claimed | Phase::Running));
        living.map(|(id, _)| id.clone()).collect()
    }

    /// How a job stands, for a report that nobody asked for.
    pub(super) fn report(&self, id: &ExecutionId) -> Vec<Observed> {
        self.status(id).reports
    }
}

/// How a job ends and after how long; never, if it must be stopped.
fn plan(random: &mut Random, faults: bool) -> (Option<i32>, Option<TimeDelta>) {
    let code = match random.below(100) {
        0..55 => Some(0),
        55..70 => Some(1),
        70..80 => Some(20),
        80..85 => Some(50),
        85..88 => None,
        _ if faults => Some(137),
        _ => Some(0),
    };
    let length = match random.below(100) {
        0..60 => random.millis(0, 30_000),
        60..85 => random.seconds(30, 300),
        85..93 => random.seconds(300, 3_000),
        _ => return (code, None),
    };
    (code, Some(length))
}
