//! How many runs and workflows are where: kept record by record, so that nothing is ever gone through to count it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use styx_core::{
    id::InstanceId,
    run::{Run, State},
    world::{Workflow, World},
};

/// Kinds of triggers, as Styx's metrics name them; `none` is a run without one, as damaged imported histories have.
pub(super) const TRIGGERS: [&str; 5] = ["natural", "adhoc", "backfill", "unknown", "none"];

/// Counts of what the world holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Active runs by state and kind of trigger.
    pub(super) active: [[u64; TRIGGERS.len()]; State::ALL.len()],
    /// Runs that are queued.
    pub(super) queue: Queue,
    /// Workflows.
    pub(super) workflows: Workflows,
}

/// How many workflows there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Workflows {
    pub(super) all: u64,
    /// They name an image.
    pub(super) configured: u64,
    /// They name an image and are enabled.
    pub(super) enabled: u64,
    /// They name an image whose exit code is read from its termination log.
    pub(super) termination_logging: u64,
}

/// How many runs are queued, and for what.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    /// An earlier execution of theirs still lives.
    pub(super) behind_execution: u64,
    /// They were imported, and nothing of ours has taken them up.
    pub(super) imported: u64,
    /// They may go on, as far as time is concerned.
    pub(super) ready: u64,
    /// Their delay isn't over.
    pub(super) delayed: u64,
    /// When the delays end, and of how many runs.
    ends: BTreeMap<DateTime<Utc>, u64>,
    /// What ends at this time or earlier is counted as ready.
    until: DateTime<Utc>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    state: usize,
    trigger: usize,
    queued: Option<Queued>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queued {
    BehindExecution,
    Imported,
    Until(DateTime<Utc>),
}

impl Place {
    /// Where the run of an instance stands; `None` if none is active.
    pub(super) fn of(world: &World, instance: &InstanceId) -> Option<Self> {
        let run = world.runs().get(instance)?;
        Some(Self {
            state: State::ALL.iter().position(|state| *state == run.state).unwrap_or_default(),
            trigger: trigger_index(run),
            queued: (run.state == State::Queued).then(|| {
                if run.imported {
                    Queued::Imported
                } else if world.index().living(instance).is_some() {
                    Queued::BehindExecution
                } else {
                    Queued::Until(run.eligible_at.unwrap_or(run.since))
                }
            }),
        })
    }
}

/// The kind of a run's trigger.
pub(super) fn trigger_of(run: &Run) -> &'static str {
    TRIGGERS[trigger_index(run)]
}

fn trigger_index(run: &Run) -> usize {
    let kind = run.trigger.as_ref().map_or("none", |trigger| trigger.kind());
    TRIGGERS.iter().position(|name| *name == kind).unwrap_or(TRIGGERS.len() - 1)
}

impl Workflows {
    /// A workflow, if there is one, counted.
    pub(super) fn of(workflow: Option<&Workflow>, logs_termination: bool) -> Self {
        use styx_core::record::Runs;
        let Some(workflow) = workflow else { return Self::default() };
        let configured = workflow.spec.runs == Runs::Image;
        Self {
            all: 1,
            configured: u64::from(configured),
            enabled: u64::from(configured && workflow.enabled),
            termination_logging: u64::from(configured && logs_termination),
        }
    }

    /// Puts one in the place of another.
    pub(super) fn replace(&mut self, before: Self, after: Self) {
        self.all = self.all + after.all - before.all;
        self.configured = self.configured + after.configured - before.configured;
        self.enabled = self.enabled + after.enabled - before.enabled;
        self.termination_logging = self.termination_logging + after.termination_logging - before.termination_logging;
    }
}

impl Tally {
    /// A run has moved.
    pub(super) fn replace(&mut self, before: Option<Place>, after: Option<Place>) {
        if before == after {
            return;
        }
        if let Some(place) = before {
            self.active[place.state][place.trigger] -= 1;
            place.queued.into_iter().for_each(|queued| self.queue.leave(queued));
        }
        if let Some(place) = after {
            self.active[place.state][place.trigger] += 1;
            place.queued.into_iter().for_each(|queued| self.queue.enter(queued));
        }
    }
}

impl Queue {
    /// Counts those as ready whose delay is over at `now`: each run once, whenever it is.
    pub(super) fn advance(&mut self, now: DateTime<Utc>) {
        self.until = self.until.max(now);
        while let Some(first) = self.ends.first_entry().filter(|first| *first.key() <= self.until) {
            let over = first.remove();
            self.delayed -= over;
            self.ready += over;
        }
    }

    fn enter(&mut self, queued: Queued) {
        match queued {
            Queued::BehindExecution => self.behind_execution += 1,
            Queued::Imported => self.imported += 1,
            Queued::Until(at) if at <= self.until => self.ready += 1,
            Queued::Until(at) => {
                self.delayed += 1;
                *self.ends.entry(at).or_default() += 1;
            }
        }
    }

    fn leave(&mut self, queued: Queued) {
        match queued {
            Queued::BehindExecution => self.behind_execution -= 1,
            Queued::Imported => self.imported -= 1,
            Queued::Until(at) if at <= self.until => self.ready -= 1,
            Queued::Until(at) => {
                self.delayed -= 1;
                if let Some(left) = self.ends.get_mut(&at) {
                    *left -= 1;
                    if *left == 0 {
                        self.ends.remove(&at);
                    }
                }
            }
        }
    }
}
