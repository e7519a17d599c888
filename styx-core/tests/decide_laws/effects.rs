//! Laws of the tracker of effects, for any order of what changes the world, observations, refusals, restarts and time. A small
//! account of what was requested and refused stands beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use styx_core::{
    config::{ExecutorCapabilities, ExecutorTable},
    decide::{Input, Request},
    effects::{EffectTracker, Requests, TrackerOptions, desired, is_reachable},
    execution::Phase,
    executor::EffectKind,
    id::ExecutionId,
    now::Now,
    observation::{Observation, Observed},
    stored_workflow::Runs,
    world::RowKey,
};

use super::host::{Definition, Host, Op, config, observation, op};

#[derive(Debug, Clone)]
enum Event {
    Op(Op),
    Refuse {
        execution: usize,
        after: i64,
        reason: usize,
    },
    /// The executor of the process is another one; the one before is still there or not.
    Rename {
        other: bool,
        beside: bool,
    },
    /// Time passes, within a step.
    Pass {
        millis: i64,
    },
    EndStep,
    /// A new process, in the middle of a step or not.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => op().prop_map(Event::Op),
        4 => (any::<usize>(), -60..400_i64, 0..2_usize)
            .prop_map(|(execution, after, reason)| Event::Refuse { execution, after, reason }),
        1 => (proptest::bool::weighted(0.3), any::<bool>())
            .prop_map(|(other, beside)| Event::Rename { other, beside }),
        2 => (0..2_000_i64).prop_map(|millis| Event::Pass { millis }),
        1 => (0..600_000_i64).prop_map(|millis| Event::Pass { millis }),
        8 => Just(Event::EndStep),
        1 => Just(Event::Restart),
    ]
}

/// A process: a world and its tracker, and an account of what the tracker should have done.
struct Process {
    host: Host,
    tracker: EffectTracker,
    /// What was requested last for each execution.
    requested: BTreeMap<ExecutionId, EffectKind>,
    /// Launches that wait: no sooner than the first, no later than the second.
    waits: BTreeMap<ExecutionId, (DateTime<Utc>, DateTime<Utc>)>,
    /// Unknown executions that were reported in this step.
    unknown: BTreeSet<ExecutionId>,
}

impl Process {
    fn new() -> Self {
        let mut host = Host::new();
        // Something to run, whatever the ops are.
        for workflow in 0..3 {
            let definition = Definition {
                schedule: 2,
                offset: 0,
                runs: Runs::Image,
                condition: 0,
                secret: false,
                resources: BTreeSet::new(),
            };
            host.run(&Op::Store { workflow, definition });
            host.run(&Op::Trigger { workflow, minutes: -60, allow_future: true });
        }
        Self {
            host,
            tracker: EffectTracker::default(),
            requested: BTreeMap::new(),
            waits: BTreeMap::new(),
            unknown: BTreeSet::new(),
        }
    }

    fn after(events: &[Event]) -> Self {
        let mut process = Self::new();
        process.end_step();
        events.iter().for_each(|event| process.take(event));
        process
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Op(Op::Observe { execution, what }) => {
                let execution = self.host.execution(*execution);
                self.observe(observation(execution, what.clone(), self.host.now));
            }
            Event::Op(op) => self.host.run(op),
            Event::Refuse { execution, after, reason } => {
                let execution = self.host.execution(*execution);
                let retry_at = self.host.now + TimeDelta::seconds(*after);
                let reason: Arc<str> = format!("reason {reason}").into();
                self.observe(observation(execution, Observed::Refused { retry_at, reason }, self.host.now));
            }
            Event::Rename { other, beside } => {
                let mut config = config(Some(4), 2, 30, true);
                let names = if *other { ["other", "default"] } else { ["default", "other"] };
                let [executor, before] =
                    names.map(|name| ExecutorCapabilities { runner: name.into(), ..config.executor.clone() });
                config.executor = executor;
                let others = if *beside { vec![before] } else { Vec::new() };
                let config = config.with_executor_table(&ExecutorTable { others, routes: Vec::new() });
                self.host.ask(Request::Configure(Arc::new(config.unwrap())));
            }
            Event::Pass { millis } => self.host.now += TimeDelta::milliseconds(*millis),
            Event::EndStep => drop(self.end_step()),
            Event::Restart => {
                self.tracker = EffectTracker::default();
                (self.requested, self.waits) = Default::default();
                self.unknown.clear();
                self.host.dirty.clear();
                self.end_step();
            }
        }
    }

    /// An observation of the executor that has the execution.
    fn observe(&mut self, mut observation: Observation) {
        let (id, now) = (observation.execution.clone(), Now::from(self.host.now));
        if let Some(submitted) = self.host.world.executions().get(&id) {
            observation.runner = Arc::clone(&submitted.runner);
        }
        if !self.host.world.executions().contains_key(&id) {
            self.unknown.insert(id.clone());
        }
        if let Some(at) = observation.retry_at(now)
            && self.desires(&id) == Some(EffectKind::Launch)
            && self.requested.get(&id) == Some(&EffectKind::Launch)
        {
            let longest = self.host.now + TrackerOptions::default().longest_retry;
            self.waits.entry(id).or_insert((at, at.max(longest)));
        }
        self.tracker.observe(&self.host.world, &observation, now);
        self.host.take(&Input::Observed(observation));
    }

    fn desires(&self, id: &ExecutionId) -> Option<EffectKind> {
        desired(&self.host.world, &RowKey::Execution(id.clone())).map(|(_, kind)| kind)
    }

    fn end_step(&mut self) -> Requests {
        let dirty = std::mem::take(&mut self.host.dirty);
        let (world, now) = (&self.host.world, self.host.now);
        let requests = self.tracker.requests(world, dirty, now);
        for (id, execution) in world.executions() {
            // It was refused in an earlier process, or by another executor.
            if let Phase::Launching { retry_at: Some(at) } = execution.phase
                && at > now
                && is_reachable(world, id)
                && !self.requested.contains_key(id)
            {
                self.waits.entry(id.clone()).or_insert((at, at));
            }
        }
        for (executor, id, kind) in &requests.unknown {
            assert!(self.unknown.contains(id), "{kind:?} of {id}, which nobody reported");
            assert!(matches!(kind, EffectKind::Stop | EffectKind::CleanUp), "{kind:?} of an unknown {id}");
            assert_eq!(&**executor, "default", "it is for whom it was reported by");
        }
        for (id, kind) in &requests.effects {
            assert!(is_reachable(&self.host.world, id), "{kind:?} of {id}, which is out of reach");
            assert_eq!(self.desires(id), Some(*kind), "nobody desires it");
            let refused = self.waits.remove(id);
            if let Some((at, _)) = refused.filter(|_| *kind == EffectKind::Launch) {
                assert!(at <= now, "{id} was to be launched at {at} and is at {now}");
            }
            let before = self.requested.insert(id.clone(), *kind);
            let is_followed = *kind == EffectKind::Adopt && before == Some(EffectKind::Launch);
            assert!(refused.is_some() || before != Some(*kind) && !is_followed, "{kind:?} of {id} after {before:?}");
        }
        self.unknown.clear();
        self.check(&requests);
        requests
    }

    /// After each step all that is desired has been requested, or is a launch that waits for its time.
    fn check(&mut self, requests: &Requests) {
        let now = self.host.now;
        let executions: Vec<_> = self.host.world.executions().keys().cloned().collect();
        for id in &executions {
            let Some(kind) = self.desires(id) else {
                self.waits.remove(id);
                continue;
            };
            if kind != EffectKind::Launch {
                self.waits.remove(id);
            }
            if !is_reachable(&self.host.world, id) {
                continue;
            }
            assert!(!requests.foreign.contains(id));
            let requested = self.requested.get(id).copied();
            let is_followed = kind == EffectKind::Adopt && requested == Some(EffectKind::Launch);
            match self.waits.get(id) {
                Some((_, latest)) => {
                    assert!(*latest > now, "{id} waits until {latest}, and it is {now}");
                    let wake = self.tracker.next_wake();
                    assert!(wake.is_some_and(|wake| wake <= *latest), "{id} waits until {latest}, woken at {wake:?}");
                }
                None => assert!(requested == Some(kind) || is_followed, "{id} needs {kind:?}, had {requested:?}"),
            }
        }
        self.waits.retain(|id, _| executions.contains(id));
        self.requested.retain(|id, _| executions.contains(id));
        if self.waits.is_empty() {
            assert_eq!(self.tracker.next_wake(), None, "woken for nothing");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, failure_persistence: None, ..ProptestConfig::default() })]

    /// Asserted in [`Process::end_step`] and [`Process::check`] after every step: nothing is requested that isn't desired, or
    /// twice; nothing desired is left out; and the next wake is no later than the first launch that waits.
    #[test]
    fn what_is_desired_is_requested_once(events in proptest::collection::vec(event(), 0..160)) {
        let mut process = Process::after(&events);
        process.end_step();
        // As time passes, all that waits is requested.
        while let Some(at) = process.tracker.next_wake() {
            process.host.now = process.host.now.max(at);
            let Requests { effects, foreign, .. } = process.end_step();
            prop_assert!(!effects.is_empty() || !foreign.is_empty(), "woken for nothing");
        }
        prop_assert!(process.waits.keys().all(|id| !is_reachable(&process.host.world, id)), "{:?}", process.waits);
    }

    #[test]
    fn a_fresh_start_requests_what_is_desired_of_all_executions_once(
        events in proptest::collection::vec(event(), 0..160),
    ) {
        let mut process = Process::after(&events);
        process.host.now += TimeDelta::days(1);
        let world = &process.host.world;
        let mut expected: Vec<_> = world.executions().keys().filter(|id| is_reachable(world, id)).cloned().collect();
        expected.retain(|id| process.desires(id).is_some());
        let mut tracker = EffectTracker::default();
        prop_assert!(!tracker.has_begun());
        let requests = tracker.requests(world, BTreeSet::new(), process.host.now);
        let mut requested: Vec<_> = requests.effects.into_iter().map(|(id, _)| id).collect();
        requested.sort();
        prop_assert_eq!(requested, expected);
        prop_assert!(tracker.has_begun() && tracker.next_wake().is_none());
        prop_assert_eq!(tracker.requests(world, BTreeSet::new(), process.host.now).effects, []);
    }

    #[test]
    fn debugging_switched_off_cleans_up_what_was_kept(events in proptest::collection::vec(event(), 0..160)) {
        let mut process = Process::after(&events);
        for debug in [true, false] {
            process.take(&Event::Op(Op::Operate { max: None, rate: None, debug }));
            process.end_step();
        }
        let world = &process.host.world;
        let ended = world.index().ended().filter(|id| is_reachable(world, id));
        let kept: Vec<_> = ended.filter(|id| process.requested.get(*id) != Some(&EffectKind::CleanUp)).collect();
        prop_assert!(kept.is_empty(), "{kept:?}");
    }

    /// Each refusal in a row doubles the delay, from the shortest to the longest; a later time of the executor counts.
    #[test]
    fn refusals_in_a_row_are_retried_ever_less_often(
        first in 1..5_000_i64,
        longest in 5_000..300_000_i64,
        asked in proptest::collection::vec(-100_000..600_000_i64, 1..20),
    ) {
        let first = TimeDelta::milliseconds(first);
        let longest = TimeDelta::milliseconds(longest);
        let mut process = Process::new();
        let options = TrackerOptions::default().first_retry(first).longest_retry(longest);
        process.tracker = EffectTracker::new(options);
        process.end_step();
        let id = process.host.world.executions().keys().next().expect("one is launching").clone();
        let mut delay = first;
        for asked in asked {
            let now = process.host.now;
            let retry_at = now + TimeDelta::milliseconds(asked);
            let refused = observation(id.clone(), Observed::Refused { retry_at, reason: "full".into() }, now);
            let tail = process.host.log.len();
            // It comes twice: that counts once.
            process.observe(refused.clone());
            process.observe(refused);
            prop_assert!(process.host.log.len() <= tail + 1);
            process.end_step();
            let at = process.tracker.next_wake().expect("it waits");
            prop_assert_eq!(at, retry_at.max(now + delay));
            process.host.now = at - TimeDelta::milliseconds(1);
            prop_assert_eq!(process.end_step().effects, []);
            process.host.now = at;
            prop_assert_eq!(process.end_step().effects, [(id.clone(), EffectKind::Launch)]);
            delay = (delay * 2).min(longest);
        }
    }

    /// What is refused again for the same reason leaves no record.
    #[test]
    fn a_refusal_is_recorded_when_its_reason_is_another_one(reasons in proptest::collection::vec(0..3_usize, 1..20)) {
        let mut process = Process::new();
        process.end_step();
        let tail = process.host.log.len();
        for reason in &reasons {
            process.take(&Event::Refuse { execution: 0, after: 1, reason: *reason });
            process.host.now += TimeDelta::seconds(10);
        }
        let changes = reasons.chunk_by(|before, after| before == after).count();
        prop_assert_eq!(process.host.log.len() - tail, changes);
    }
}
