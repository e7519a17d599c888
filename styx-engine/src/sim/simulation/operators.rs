//! What operators do, what is done to the clock, and how a simulation comes to its end.

use std::sync::Arc;

use chrono::TimeDelta;
use styx_core::{
    decide::{Input, Request, RuntimePatch},
    id::ExecutionId,
    record::{IdempotencyKey, Operator},
    world::digest,
};

use super::{Happening, Phase, Simulation};
use crate::clock::ClockStatus;
use crate::sim::{
    Situation, describe,
    invariants::End,
    process::{Asked, Process},
    workload::Asking,
};

impl Simulation {
    pub(super) fn operate(&mut self) {
        if self.phase != Phase::Safety {
            return;
        }
        let wall = self.wall();
        if let Some(process) = &self.process {
            let asking = match process.machine.world().workflows().is_empty() && self.requests == 0 {
                true => self.workload.first().into_iter().map(Asking::from).collect(),
                false => self.workload.next(process.machine.world(), wall),
            };
            asking.into_iter().for_each(|asking| self.ask(asking));
        }
        let asked = self.process.as_ref().is_some_and(|process| process.inbox.iter().any(|(_, input)| accepts(input)));
        let chance = if self.wild.is_zero() { 3 } else { 15 };
        if self.random.chance(chance) && !asked {
            self.set_clock();
        }
        self.accept_clock();
        let pause = match self.random.below(10) {
            0..3 => self.random.millis(0, 500),
            3..8 => self.random.seconds(1, 60),
            _ => self.random.seconds(60, 900),
        };
        self.later(pause, Happening::Ask);
    }

    pub(super) fn ask(&mut self, asking: Asking) {
        let Asking { request, key } = asking;
        self.requests += 1;
        let id = format!("req-{}", self.requests);
        self.story.note(self.now, "request", || describe::request(&id, key.as_deref(), &request));
        if let Request::EndExecution { execution } = &request {
            self.unplug(execution);
        }
        let Some(process) = &mut self.process else {
            return;
        };
        let expects = matches!(request, Request::Expecting { .. });
        process.asked.insert(self.requests, Asked { id: id.clone(), key: key.clone(), expects });
        let operator = Arc::new(Operator { actor: "sim".into(), request_id: id.as_str().into(), request: "{}".into() });
        let key = key.map(|key| IdempotencyKey { key, digest: digest(&format!("{request:?}")) });
        self.invariants.iter_mut().for_each(|invariant| invariant.asked(&id, &request, key.as_ref()));
        let input = match key {
            None => Input::Asked(request, operator),
            Some(key) => Input::AskedOnce(request, operator, key),
        };
        self.input(self.requests, input);
    }

    /// Whoever declares an execution over has seen to it that it is: nobody will report it.
    fn unplug(&mut self, execution: &ExecutionId) {
        self.story.note(self.now, "outside", || format!("{} is made an end of", describe::short(execution)));
        self.lost = true;
        if let Some(fact) = self.outside.unplug(execution) {
            self.check(|invariant| invariant.happened(&fact));
        }
    }

    pub(super) fn set_clock(&mut self) {
        if !self.wild.is_zero() {
            return self.set_clock_right();
        }
        let (situation, by) = match self.random.below(10) {
            0..5 => (Situation::ClockStepsBack, self.random.seconds(-1_800, -1)),
            5 => (Situation::ClockStepsBack, self.random.seconds(-86_400, -1_800)),
            6..8 => (Situation::ClockJumps, self.random.seconds(60, 3 * 3_600)),
            8 => (Situation::ClockWild, self.random.seconds(4 * 3_600, 10 * 3_600)),
            _ => (Situation::ClockWild, self.random.seconds(86_400, 60_000 * 86_400)),
        };
        self.coverage.reach(situation);
        if situation == Situation::ClockWild {
            self.wild = by;
        }
        self.set_clock_by(by);
    }

    /// What was wild is wild no more.
    pub(super) fn set_clock_right(&mut self) {
        let by = std::mem::take(&mut self.wild);
        self.coverage.reach(Situation::ClockRightAgain);
        self.set_clock_by(-by);
    }

    fn set_clock_by(&mut self, by: TimeDelta) {
        self.skew += by;
        self.story.note(self.now, "fault", || format!("the clock is set by {} s", by.num_seconds()));
        // The loop never sleeps for longer than this, and may wake before.
        if let Some(process) = &self.process {
            let timer = process.timer;
            self.later(TimeDelta::seconds(30), Happening::Wake { process: self.processes, timer });
        }
    }

    /// An operator accepts a clock that isn't believed, unless it shows another century: whoever accepts that must wait for all
    /// its partitions.
    fn accept_clock(&mut self) {
        let status = self.process.as_ref().map(|process| process.machine.clock_status());
        let is_held = matches!(status, Some(ClockStatus::NotBelieved { .. }));
        if self.wild > TimeDelta::hours(10) || !self.random.chance(if is_held { 30 } else { 1 }) {
            return;
        }
        // From here on it is no fault, and another jump would come on top.
        self.wild = TimeDelta::zero();
        self.ask(Request::Operate(RuntimePatch { accept_clock: true, ..RuntimePatch::default() }).into());
    }

    pub(super) fn heal(&mut self) {
        self.story.note(self.now, "phase", || "faults stop".to_owned());
        self.phase = Phase::Healing;
        if !self.wild.is_zero() {
            self.set_clock_right();
        }
        self.outside.faults = false;
        if self.process.is_some() && (self.lost || self.random.chance(30)) {
            self.crash("a restart brings again what was lost");
        }
        let pause = self.random.seconds(300, 3_600);
        self.later(pause, Happening::Drain);
    }

    pub(super) fn drain(&mut self) {
        let Some(process) = &self.process else {
            return self.later(TimeDelta::minutes(1), Happening::Drain);
        };
        self.story.note(self.now, "phase", || "nothing new begins".to_owned());
        self.phase = Phase::Draining;
        let requests = self.workload.last(process.machine.world(), self.wall());
        requests.into_iter().for_each(|request| self.ask(request.into()));
        if self.random.chance(80) {
            self.phase = Phase::Released;
            self.ask(Request::SwitchScheduling { enabled: true }.into());
        }
    }

    /// Nothing happens any more; what was held back by the switch is let go.
    pub(super) fn release(&mut self) {
        if self.phase != Phase::Draining {
            return self.fail("goes_on", "while faults last and workflows fire, something happens", String::new());
        }
        let Some(process) = self.process.take() else {
            return;
        };
        let blocked = !process.machine.world().config().scheduling;
        if blocked && !process.machine.world().runs().is_empty() {
            self.coverage.reach(Situation::BlockedByScheduling);
        }
        self.check_end(&process, true, blocked);
        self.process = Some(process);
        self.phase = Phase::Released;
        self.ask(Request::SwitchScheduling { enabled: true }.into());
    }

    pub(super) fn end(&mut self, quiet: bool) {
        match self.process.take() {
            Some(process) => self.check_end(&process, quiet, false),
            None => self.fail("restarts", "after a crash a process starts", String::new()),
        }
    }

    pub(super) fn check_end(&mut self, process: &Process, quiet: bool, blocked: bool) {
        let (world, log) = (process.machine.world(), self.log.clone());
        let end = End { world, log: &log, quiet, outside_quiet: self.outside.is_quiet(), blocked };
        self.check(|invariant| invariant.ended(&end));
        if !quiet {
            self.fail("ends", "once faults stop, everything ends", "it goes on and on".to_owned());
        }
    }
}

/// Whether an input asks for the wall clock to count.
fn accepts(input: &Input) -> bool {
    matches!(input, Input::Asked(Request::Operate(patch), _) if patch.accept_clock)
}
