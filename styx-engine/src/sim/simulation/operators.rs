//! What operators do, what is done to the clock, and how a simulation comes to its end.

use std::sync::Arc;

use chrono::TimeDelta;
use styx_core::{
    decide::{Input, Request},
    id::ExecutionId,
    record::{IdempotencyKey, Operator},
    world::digest,
};

use super::{Happening, Phase, Simulation};
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
        if self.random.chance(3) {
            self.set_clock();
        }
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
        let (situation, by) = match self.random.chance(60) {
            true => (Situation::ClockStepsBack, self.random.seconds(-1_800, -1)),
            false => (Situation::ClockJumps, self.random.seconds(60, 3 * 3_600)),
        };
        self.coverage.reach(situation);
        self.skew += by;
        self.story.note(self.now, "fault", || format!("the clock is set by {} s", by.num_seconds()));
        // The loop never sleeps for longer than this.
        if let Some(process) = &mut self.process {
            process.timer += 1;
            let timer = process.timer;
            self.later(TimeDelta::seconds(30), Happening::Wake { process: self.processes, timer });
        }
    }

    pub(super) fn heal(&mut self) {
        self.story.note(self.now, "phase", || "faults stop".to_owned());
        self.phase = Phase::Healing;
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
