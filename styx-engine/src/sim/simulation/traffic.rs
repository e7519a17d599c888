//! What goes between a process and the outside: effects and observations, late, twice, or lost with the process.

use std::sync::Arc;

use styx_core::{
    executor::{Effect, Observation, Observed},
    extensions::Extensions,
    id::ExecutionId,
};

use super::{Happening, Simulation};
use crate::sim::{Situation, describe, outside::Follows};

impl Simulation {
    pub(super) fn perform(&mut self, effect: Effect) {
        self.story.note(self.now, "effect", || describe::effect(&effect));
        let slow = self.faulty() && self.random.chance(10);
        let way = if slow { self.random.millis(2_000, 60_000) } else { self.random.millis(0, 500) };
        let mut at = self.now + way;
        if let Some(process) = &mut self.process {
            let last = process.arrivals.entry(effect.execution().clone()).or_insert(at);
            at = at.max(*last);
            *last = at;
        }
        self.later(at - self.now, Happening::Arrive { process: self.processes, effect });
    }

    /// After its first effects, a process lets the executor know that it has requested all. One that is out of contact never
    /// answers.
    pub(super) fn request_all(&mut self) {
        let silent = self.faulty() && self.random.chance(10);
        let answer = self.random.millis(400, 2_000);
        let Some(process) = self.process.as_mut().filter(|process| !process.all_requested) else {
            return;
        };
        process.all_requested = true;
        let last = process.arrivals.values().max().copied().unwrap_or(self.now);
        if silent {
            return self.coverage.reach(Situation::ExecutorSilent);
        }
        self.later(last - self.now + answer, Happening::AllReported { process: self.processes });
    }

    pub(super) fn all_reported(&mut self, process: u64) {
        let Some(current) = self.process.as_mut().filter(|_| self.processes == process) else {
            return;
        };
        self.story.note(self.now, "observed", || "all that the executor knows".to_owned());
        current.all_reported = true;
        current.machine.all_reported();
        self.step();
    }

    pub(super) fn arrive(&mut self, process: u64, effect: Effect) {
        let current = self.processes == process && self.process.is_some();
        if !current && self.random.chance(30) {
            let way = self.random.seconds(5, 200);
            return self.later(way, Happening::Arrive { process, effect });
        }
        if !current && self.random.chance(30) {
            self.coverage.reach(Situation::EffectLost);
            return self.story.note(self.now, "fault", || format!("lost: {}", describe::effect(&effect)));
        }
        self.story.note(self.now, "arrives", || describe::effect(&effect));
        if current {
            self.watchers.insert(effect.execution().clone(), process);
        } else {
            self.coverage.reach(Situation::EffectLate);
        }
        let wall = self.wall();
        let mut follows = self.outside.arrive(&effect, wall, &mut self.coverage);
        if !current {
            // Whoever asked is gone. What became true is seen by who watches now, a refusal by nobody.
            follows.reports.retain(|what| !matches!(what, Observed::Refused { .. }));
        }
        self.follow(effect.execution(), follows);
    }

    pub(super) fn follow(&mut self, execution: &ExecutionId, follows: Follows) {
        for fact in follows.facts {
            self.check(|invariant| invariant.happened(&fact));
        }
        for (after, event) in follows.later {
            self.later(after, Happening::Job { execution: execution.clone(), event });
        }
        for what in follows.reports {
            self.report(execution, what);
        }
    }

    /// Sends an observation to the process that watches: late, twice or not at all.
    pub(super) fn report(&mut self, execution: &ExecutionId, what: Observed) {
        let Some(process) = self.watchers.get(execution).copied() else {
            return;
        };
        let faulty = self.faulty();
        if faulty && self.random.chance(4) {
            self.lost = true;
            self.coverage.reach(Situation::ObservationLost);
            return self.story.note(self.now, "fault", || format!("unheard: {}", describe::observed(execution, &what)));
        }
        let copies = if faulty && self.random.chance(6) { 2 } else { 1 };
        if copies == 2 {
            self.coverage.reach(Situation::ObservationDoubled);
        }
        for _ in 0..copies {
            let slow = faulty && self.random.chance(12);
            let way = if slow { self.random.millis(1_000, 90_000) } else { self.random.millis(0, 400) };
            if slow && what == Observed::Started {
                self.coverage.reach(Situation::ObservationOvertaken);
            }
            let observation = Observation {
                execution: execution.clone(),
                runner: "default".into(),
                what: what.clone(),
                observed_at: Some(self.wall()),
                evidence: Arc::from(&b"{}"[..]),
                extensions: Extensions::default(),
            };
            self.later(way, Happening::Observe { process, observation });
        }
    }
}
