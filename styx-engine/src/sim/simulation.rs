//! The simulation itself: what happens next, and the process that steps, crashes and starts again.

mod operators;
mod traffic;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    decide::Input,
    executor::{Effect, Observation},
    id::{ExecutionId, Position},
    now::Now,
};
use uuid::Uuid;

use super::{
    Coverage, Options, Outcome, Sabotage, Situation, Violation, describe,
    invariants::{self, Check, Invariant, View},
    log::{AppendFault, SimLog},
    marks::Marks,
    outside::{JobEvent, Outside},
    process::Process,
    random::Random,
    story::Story,
    workload::Workload,
};
use crate::{clock::Reading, machine::Outputs};

/// Something that will happen.
enum Happening {
    /// A process begins.
    Start,
    /// Inputs wait long enough.
    Step { process: u64 },
    /// The machine asked to be woken.
    Wake { process: u64, timer: u64 },
    /// An operator asks for something.
    Ask,
    /// An effect takes place outside.
    Arrive { process: u64, effect: Effect },
    /// A job goes on by itself.
    Job { execution: ExecutionId, event: JobEvent },
    /// An observation reaches the process that it is for.
    Observe { process: u64, observation: Observation },
    /// The executor has reported all that it knows to the process.
    AllReported { process: u64 },
    /// Faults have stopped a while ago: operators see to it that nothing new begins.
    Drain,
}

/// Where the process ends in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    BeforeDecision,
    Append(AppendFault),
    BeforeEffects,
    /// After so many effects.
    AfterEffects(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Faults happen.
    Safety,
    /// No more faults.
    Healing,
    /// Nothing new begins.
    Draining,
    /// As draining, with scheduling on at last.
    Released,
}

/// The most things that may happen before a simulation counts as endless.
const MAX_HAPPENINGS: u32 = 30_000;

/// A simulation on its way.
pub(super) struct Simulation {
    options: Options,
    random: Random,
    workload: Workload,
    outside: Outside,
    log: SimLog,
    /// The process that is alive, if one is, and how many there were.
    process: Option<Process>,
    processes: u64,
    queue: BTreeMap<(DateTime<Utc>, u64), Happening>,
    sequence: u64,
    /// True time, which no process knows.
    now: DateTime<Utc>,
    /// What the wall clock is ahead of it.
    skew: TimeDelta,
    /// How much of that is a jump that nobody can believe.
    wild: TimeDelta,
    phase: Phase,
    /// How often a process crashes, in percent of its steps.
    crashes: usize,
    requests: u64,
    /// Which process sees what becomes of an execution.
    watchers: BTreeMap<ExecutionId, u64>,
    /// An observation was lost and only a restart brings it again.
    lost: bool,
    seen: Position,
    steps: u32,
    happenings: u32,
    invariants: Vec<Box<dyn Invariant>>,
    marks: Marks,
    coverage: Coverage,
    story: Story,
    violation: Option<Violation>,
}

impl Simulation {
    pub(super) fn new(seed: u64, options: &Options) -> Self {
        let mut random = Random::new(seed, 0);
        // Any time of March 2024; often the end of a shorter month, where offsets with months cut days.
        let march = random.between(1_709_251_200, 1_709_251_200 + 30 * 86_400);
        let end_of_february = random.between(1_709_078_400, 1_709_251_200);
        let end_of_april = random.between(1_714_348_800, 1_714_521_600);
        let begin = *random.pick(&[march, march, end_of_february, end_of_april]);
        let now = DateTime::from_timestamp(begin, 0).unwrap_or_default();
        let crashes = *random.pick(&[0, 2, 6, 12]);
        Self {
            options: options.clone(),
            random,
            workload: Workload::new(Random::new(seed, 1)),
            outside: Outside::new(Random::new(seed, 2), options.sabotage),
            log: SimLog::new(options.sabotage),
            process: None,
            processes: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            now,
            skew: TimeDelta::zero(),
            wild: TimeDelta::zero(),
            phase: Phase::Safety,
            crashes,
            requests: 0,
            watchers: BTreeMap::new(),
            lost: false,
            seen: Position(0),
            steps: 0,
            happenings: 0,
            invariants: invariants::all(options.only.as_deref()),
            marks: Marks::default(),
            coverage: Coverage::default(),
            story: Story::new(options.story),
            violation: None,
        }
    }

    /// Lets everything happen.
    pub(super) fn run(mut self) -> Outcome {
        self.later(TimeDelta::zero(), Happening::Start);
        self.later(TimeDelta::milliseconds(1), Happening::Ask);
        while self.violation.is_none() {
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            let far = self.now + TimeDelta::days(365);
            match next.filter(|at| *at < far) {
                Some(_) if self.happenings > MAX_HAPPENINGS => self.end(false),
                Some(_) => self.proceed(),
                None if self.phase < Phase::Released => self.release(),
                None => {
                    self.end(true);
                    break;
                }
            }
        }
        Outcome {
            violation: self.violation,
            coverage: self.coverage,
            story: self.story.into_lines(),
            steps: self.steps,
            records: self.seen.0,
        }
    }

    fn proceed(&mut self) {
        let Some(((at, _), happening)) = self.queue.pop_first() else {
            return;
        };
        self.now = at;
        self.happenings += 1;
        match happening {
            Happening::Start => self.start(),
            Happening::Ask => self.operate(),
            Happening::Drain => self.drain(),
            Happening::Step { process } => {
                if self.processes == process && self.process.as_ref().is_some_and(|it| it.step_at == Some(at)) {
                    self.step();
                }
            }
            Happening::Wake { process, timer } => {
                if self.processes == process && self.process.as_ref().is_some_and(|it| it.timer == timer) {
                    self.step();
                }
            }
            Happening::Arrive { process, effect } => self.arrive(process, effect),
            Happening::AllReported { process } => self.all_reported(process),
            Happening::Job { execution, event } => {
                self.story.note(self.now, "outside", || format!("{} {event:?}", describe::short(&execution)));
                let follows = self.outside.happen(&execution, event);
                self.follow(&execution, follows);
            }
            Happening::Observe { process, observation } => {
                if self.processes == process && self.process.is_some() {
                    let Observation { execution, what, .. } = &observation;
                    self.story.note(self.now, "observed", || describe::observed(execution, what));
                    self.invariants.iter_mut().for_each(|invariant| invariant.observed(&observation));
                    self.input(0, Input::Observed(observation));
                }
            }
        }
    }

    fn later(&mut self, after: TimeDelta, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + after.max(TimeDelta::zero()), self.sequence), happening);
    }

    fn wall(&self) -> DateTime<Utc> {
        self.now + self.skew
    }

    fn reading(&self) -> Reading {
        let elapsed = match self.options.sabotage {
            Some(Sabotage::ElapsedForgotten) => Duration::ZERO,
            _ => (self.now - DateTime::UNIX_EPOCH).to_std().unwrap_or_default(),
        };
        Reading { wall: self.wall(), elapsed }
    }

    fn faulty(&self) -> bool {
        self.phase == Phase::Safety
    }

    /// Runs a check of each invariant; the first that fails ends the simulation.
    fn check(&mut self, check: impl Fn(&mut dyn Invariant) -> Check) {
        for invariant in &mut self.invariants {
            if let Err(found) = check(invariant.as_mut())
                && self.violation.is_none()
            {
                let (invariant, sentence) = (invariant.name().to_owned(), invariant.sentence().to_owned());
                self.violation = Some(Violation { invariant, sentence, found, at: self.now });
            }
        }
    }

    fn fail(&mut self, invariant: &str, sentence: &str, found: String) {
        let (invariant, sentence) = (invariant.to_owned(), sentence.to_owned());
        self.violation.get_or_insert(Violation { invariant, sentence, found, at: self.now });
    }

    fn start(&mut self) {
        self.processes += 1;
        self.story.note(self.now, "process", || format!("{} starts", self.processes));
        let mut process = match Process::open(&self.log, &mut self.random) {
            Ok(process) => process,
            Err(error) => return self.fail("opens", "a log that was written can be opened again", error.to_string()),
        };
        if process.machine.is_new() {
            let config = Arc::new(self.workload.config());
            let mut uuid = || Uuid::from_u64_pair(self.random.next(), self.random.next());
            process.inbox.push((0, Input::Start { log_id: uuid(), root_seed: uuid(), config }));
        }
        // What a crash took back, no invariant of what is there may count on.
        self.seen = self.seen.min(process.machine.world().tail());
        self.read_log();
        self.check(|invariant| invariant.restarted(process.machine.world()));
        self.process = Some(process);
        self.step();
        if self.random.chance(30) {
            for execution in self.outside.living() {
                self.coverage.reach(Situation::ReportUnasked);
                for what in self.outside.report(&execution) {
                    self.watchers.insert(execution.clone(), self.processes);
                    self.report(&execution, what);
                }
            }
        }
    }

    fn input(&mut self, ticket: u64, input: Input) {
        let wait = if self.random.chance(85) { self.random.millis(0, 5) } else { self.random.millis(5, 3_000) };
        let Some(process) = &mut self.process else {
            return;
        };
        process.inbox.push((ticket, input));
        if process.step_at.is_none() {
            process.step_at = Some(self.now + wait);
            self.later(wait, Happening::Step { process: self.processes });
        }
    }

    fn crash(&mut self, why: &str) {
        self.story.note(self.now, "fault", || format!("the process ends: {why}"));
        self.process = None;
        self.log.crash();
        self.invariants.iter_mut().for_each(|invariant| invariant.crashed());
        let hours = self.faulty() && self.random.chance(12);
        if hours {
            self.coverage.reach(Situation::Outage);
        }
        let away = if hours { self.random.seconds(3_600, 6 * 3_600) } else { self.random.millis(500, 40_000) };
        self.later(away, Happening::Start);
    }

    fn step(&mut self) {
        let crash = self.draw_crash();
        let reading = self.reading();
        let Some(process) = &mut self.process else {
            return;
        };
        process.step_at = None;
        if crash == Some(Crash::BeforeDecision) {
            if !process.inbox.is_empty() {
                self.coverage.reach(Situation::CrashBeforeDecision);
            }
            return self.crash("before it looks at its inputs");
        }
        self.steps += 1;
        self.log.arm(match crash {
            Some(Crash::Append(fault)) => Some(fault),
            _ => None,
        });
        let inputs = std::mem::take(&mut process.inbox);
        let before = process.machine.now(reading);
        let settled = process.has_settled(before.at);
        let result = catch_unwind(AssertUnwindSafe(|| process.machine.step(reading, inputs)));
        // An operator may have accepted the wall clock.
        let now = process.machine.now(reading);
        self.log.arm(None);
        match result {
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                self.fail("decides", "what is decided is accepted", text.unwrap_or_default());
            }
            Ok(Err(error)) => self.append_failed(crash, &error.to_string()),
            Ok(Ok(outputs)) => self.stepped(crash, now, settled, outputs),
        }
        if self.phase == Phase::Safety && self.steps >= self.options.steps {
            self.heal();
        }
    }

    fn draw_crash(&mut self) -> Option<Crash> {
        if !self.faulty() || !self.random.chance(self.crashes) {
            return None;
        }
        Some(match self.random.below(6) {
            0 => Crash::BeforeDecision,
            1 => Crash::Append(AppendFault::Forgotten),
            2 => Crash::Append(AppendFault::Kept),
            3 => Crash::BeforeEffects,
            _ => Crash::AfterEffects(self.random.below(3)),
        })
    }

    fn append_failed(&mut self, crash: Option<Crash>, error: &str) {
        let before = self.seen;
        self.read_log();
        match crash {
            Some(Crash::Append(AppendFault::Forgotten)) => self.coverage.reach(Situation::CrashForgotten),
            Some(Crash::Append(AppendFault::Kept)) if self.seen > before => self.coverage.reach(Situation::CrashKept),
            Some(Crash::Append(AppendFault::Kept)) => {}
            _ => return self.fail("appends", "only a crash ends the log's writer", error.to_owned()),
        }
        self.crash(&format!("{crash:?}"));
    }

    fn stepped(&mut self, crash: Option<Crash>, now: Now, settled: bool, outputs: Outputs) {
        self.read_log();
        self.marks.waiting(now, &mut self.coverage);
        let Outputs { answers, mut effects, wake, left, .. } = outputs;
        if self.options.sabotage == Some(Sabotage::StopsForgotten) {
            effects.retain(|effect| !matches!(effect, Effect::Stop { .. }));
        }
        if !left.is_empty() {
            self.coverage.reach(Situation::StepCut);
        }
        // With `wake` in the past the step was cut short.
        let settled = settled && left.is_empty() && wake.is_none_or(|wake| wake > now.at);
        if let Some(process) = self.process.take() {
            let (world, log) = (process.machine.world(), self.log.clone());
            let (wall, elapsed) = (self.wall(), self.now);
            let view =
                View { world, log: &log, now: now.at, clock: now, wall, elapsed, effects: &effects, wake, settled };
            self.check(|invariant| invariant.stepped(&view));
            self.process = Some(process);
        }
        match crash {
            Some(Crash::BeforeEffects) => {
                if !effects.is_empty() {
                    self.coverage.reach(Situation::CrashBeforeEffects);
                }
                return self.crash("between the append and its effects");
            }
            Some(Crash::AfterEffects(count)) => {
                if (1..effects.len()).contains(&count) {
                    self.coverage.reach(Situation::CrashBetweenEffects);
                }
                effects.into_iter().take(count).for_each(|effect| self.perform(effect));
                return self.crash(&format!("after {count} effects"));
            }
            _ => effects.into_iter().for_each(|effect| self.perform(effect)),
        }
        self.request_all();
        for (ticket, reply) in answers {
            let Some(asked) = self.process.as_mut().and_then(|process| process.asked.remove(&ticket)) else {
                continue;
            };
            self.story.note(self.now, "answer", || describe::reply(&asked.id, &reply));
            self.marks.answer(&asked, &reply, &mut self.coverage);
            self.check(|invariant| invariant.answered(&asked.id, &reply));
        }
        self.sleep(now.at, wake, left);
    }

    /// Sets the timer, in true time.
    fn sleep(&mut self, now: DateTime<Utc>, wake: Option<DateTime<Utc>>, left: Vec<(u64, Input)>) {
        let process_number = self.processes;
        let Some(process) = &mut self.process else {
            return;
        };
        process.inbox.splice(0..0, left);
        process.timer += 1;
        let timer = process.timer;
        if let Some(wake) = wake {
            self.later(wake - now, Happening::Wake { process: process_number, timer });
        }
    }

    /// Shows new records to whoever follows the log.
    fn read_log(&mut self) {
        for record in self.log.records_after(self.seen) {
            self.seen = record.position;
            self.story.note(self.now, "record", || describe::record(&record));
            self.marks.record(&record, &mut self.coverage);
            self.check(|invariant| invariant.recorded(&record));
        }
    }
}
