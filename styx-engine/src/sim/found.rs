//! Defects that simulations have found, each as the shortest story that shows it: seeds change their meaning when the
//! simulator changes, these don't.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::{Config, Rate},
    decide::{Input, Reply, Request},
    event::TriggerParameters,
    executor::{Effect, EffectKind, Observation, Observed},
    extensions::Extensions,
    id::{ExecutionId, Position, WorkflowId},
    record::{Operator, Origin, StoredWorkflow},
    scheduler::StepError,
    workflow::WorkflowConfiguration,
};
use uuid::Uuid;

use super::log::SimLog;
use crate::machine::{Machine, MachineError, MachineOptions, Outputs, Ticket};

/// A machine with one workflow, and a run of it whose launch was asked for.
struct Launching {
    machine: Machine,
    now: DateTime<Utc>,
    execution: ExecutionId,
}

impl Launching {
    fn new() -> Self {
        Self::under(Config::default())
    }

    fn under(config: Config) -> Self {
        let now: DateTime<Utc> = "2024-05-06T07:08:09Z".parse().unwrap();
        let mut machine = Machine::open(SimLog::default().writer(), MachineOptions::default()).unwrap();
        let id = WorkflowId::new("c", "w");
        let mut configuration = WorkflowConfiguration::new("w", "hours");
        configuration.docker_image = Some("busybox".to_owned());
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        let config = Arc::new(config);
        let inputs = vec![
            (0, Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config }),
            asked(Request::StoreWorkflow { id: id.clone(), workflow }),
            trigger("2024-05-06T05"),
        ];
        let outputs = machine.step(now, inputs).unwrap();
        assert!(matches!(outputs.answers[1].1, Reply::Triggered { .. }));
        let [Effect::Launch(launch)] = &outputs.effects[..] else {
            panic!("expected a launch, found {:?}", outputs.effects);
        };
        let execution = launch.execution.clone();
        Self { machine, now, execution }
    }

    /// Lets the machine sleep until it wants to be woken.
    fn wake(&mut self, outputs: &Outputs) -> Outputs {
        self.now = outputs.wake.expect("it wants to be woken").max(self.now);
        self.machine.step(self.now, Vec::new()).unwrap()
    }

    fn observe(&mut self, after: TimeDelta, what: Observed) -> Outputs {
        self.now += after;
        let observation = Observation {
            execution: self.execution.clone(),
            runner: "default".into(),
            what,
            observed_at: None,
            evidence: Arc::default(),
            extensions: Extensions::default(),
        };
        self.machine.step(self.now, vec![(0, Input::Observed(observation))]).unwrap()
    }
}

fn asked(request: Request) -> (Ticket, Input) {
    let operator = Operator { actor: "a".into(), request_id: "r".into(), request: "{}".into() };
    (1, Input::Asked(request, Arc::new(operator)))
}

fn trigger(parameter: &str) -> (Ticket, Input) {
    let (workflow, parameters) = (WorkflowId::new("c", "w"), TriggerParameters::default());
    asked(Request::Trigger { workflow, parameter: parameter.into(), parameters, allow_future: false })
}

/// Records before the one that names the log can't be mended: nothing is launched for them, and the log can't begin any more.
#[test]
fn a_log_begins_with_its_start() {
    let mut machine = Machine::open(SimLog::default().writer(), MachineOptions::default()).unwrap();
    let now: DateTime<Utc> = "2024-05-06T07:08:09Z".parse().unwrap();
    let refused = machine.step(now, vec![trigger("2024-05-06T05")]).unwrap_err();
    assert!(matches!(refused, MachineError::Step(StepError::NotStarted)), "{refused}");
    assert_eq!(machine.world().tail(), Position(0));
}

/// What the first step launched was taken for what an earlier process left: nothing fell due until it had reported.
#[test]
fn a_first_step_waits_only_for_what_was_there_before() {
    let mut story = Launching::under(Config { max_executions: Some(1), ..Config::default() });
    story.machine.step(story.now, vec![trigger("2024-05-06T01")]).unwrap();
    let limit = Config { max_executions: Some(2), ..Config::default() };
    let outputs = story.machine.step(story.now, vec![asked(Request::Configure(limit.into()))]).unwrap();
    let kinds: Vec<_> = outputs.effects.iter().map(Effect::kind).collect();
    assert_eq!(kinds, [EffectKind::Launch], "there is room for it at once");
}

/// Seed 539 of the simulator with rates: the machine was woken at once, for ever, because the rate came due between two
/// milliseconds, and it counts in whole ones.
#[test]
fn a_rate_that_has_no_whole_interval_wakes_only_when_something_follows() {
    let mut story = Launching::under(Config { dequeue_rate: Rate::per_second(3.0), ..Config::default() });
    let parameters = ["2024-05-06T01", "2024-05-06T02", "2024-05-06T03", "2024-05-06T04"];
    let mut outputs = story.machine.step(story.now, parameters.map(trigger).into()).unwrap();
    for _ in 0..2 {
        outputs = story.wake(&outputs);
        assert!(outputs.effects.iter().any(|effect| effect.kind() == EffectKind::Launch), "{outputs:?}");
    }
}

/// Seed 8 of the first simulator: the launch was never asked for again, and the run hung until its time-out.
#[test]
fn a_refusal_that_is_heard_late_leads_to_another_launch_soon() {
    let mut story = Launching::new();
    let retry_at = story.now + TimeDelta::seconds(30);
    let outputs = story.observe(TimeDelta::seconds(60), Observed::Refused { retry_at, reason: "no room".into() });
    let soon = story.now + TimeDelta::seconds(1);
    assert!(!outputs.effects.is_empty() || outputs.wake.is_some_and(|wake| wake <= soon), "{outputs:?}");
    let later = story.machine.step(soon, Vec::new()).unwrap();
    let effects = outputs.effects.iter().chain(&later.effects);
    assert_eq!(effects.map(Effect::kind).collect::<Vec<_>>(), [EffectKind::Launch]);
}

#[test]
fn a_refusal_that_is_heard_in_time_leads_to_another_launch_when_it_said() {
    let mut story = Launching::new();
    let retry_at = story.now + TimeDelta::seconds(30);
    let outputs = story.observe(TimeDelta::seconds(1), Observed::Refused { retry_at, reason: "no room".into() });
    assert_eq!((outputs.effects.len(), outputs.wake), (0, Some(retry_at)));
    let outputs = story.machine.step(retry_at, Vec::new()).unwrap();
    assert_eq!(outputs.effects.iter().map(Effect::kind).collect::<Vec<_>>(), [EffectKind::Launch]);
}

/// However many ask, what is due comes to its turn: inputs filled step after step, and no natural trigger was decided.
#[test]
fn inputs_that_fill_every_step_leave_room_for_what_is_due() {
    let mut story = Launching::new();
    let patch = Request::PatchWorkflow {
        id: WorkflowId::new("c", "w"),
        enabled: Some(true),
        next_instant: None,
        next_fires_at: None,
    };
    story.machine.step(story.now, vec![asked(patch)]).unwrap();
    let natural = story.machine.world().workflows()[&WorkflowId::new("c", "w")].cursor.unwrap();
    let asks: Vec<_> = (1..=28)
        .flat_map(|day| (0..24).flat_map(move |hour| (1..=4).map(move |month| (month, day, hour))))
        .map(|(month, day, hour)| trigger(&format!("2024-{month:02}-{day:02}T{hour:02}")))
        .collect();
    let outputs = story.machine.step(natural.fires_at, asks).unwrap();
    assert!(!outputs.left.is_empty(), "more was asked than fits in a step");
    let moved = story.machine.world().workflows()[&WorkflowId::new("c", "w")].cursor.unwrap();
    assert!(moved.fires_at > natural.fires_at, "the trigger was due and isn't decided: {moved:?}");
}
