//! A launch that its executor refuses for now is asked for again: however late the refusal is heard, and ever less often.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::Config,
    decide::{Input, Request},
    event::TriggerParameters,
    executor::{Effect, EffectKind},
    id::{ExecutionId, WorkflowId},
    observation::{Observation, Observed},
    record::Operator,
    stored_workflow::{Origin, StoredWorkflow},
    workflow::WorkflowConfiguration,
};
use styx_engine::machine::{Machine, MachineOptions, Outputs};
use styx_store::MemoryLog;
use uuid::Uuid;

/// A machine with one run, whose launch was asked for.
struct Host {
    machine: Machine,
    now: DateTime<Utc>,
    execution: ExecutionId,
}

impl Host {
    fn new() -> Self {
        let now: DateTime<Utc> = "2024-05-06T07:08:09Z".parse().unwrap();
        let mut machine = Machine::open(Box::new(MemoryLog::new()), MachineOptions::default()).unwrap();
        let workflow = WorkflowId::new("c", "w");
        let mut configuration = WorkflowConfiguration::new("w", "hours");
        configuration.docker_image = Some("busybox".to_owned());
        let stored = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        let (parameter, parameters) = ("2024-05-06T05".into(), TriggerParameters::default());
        let asks = [
            Request::StoreWorkflow { id: workflow.clone(), workflow: stored },
            Request::Trigger { workflow, parameter, parameters, allow_future: false },
        ];
        let ann = Arc::new(Operator { actor: "ann".into(), request_id: "1".into(), request: "{}".into() });
        let asks = asks.map(|request| (1, Input::Asked(request, Arc::clone(&ann))));
        let config = Arc::new(Config::default());
        let start = Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config };
        let outputs = machine.step(now, [(0, start)].into_iter().chain(asks).collect()).unwrap();
        assert_eq!(kinds(&outputs), [EffectKind::Launch]);
        let execution = outputs.effects[0].execution().clone();
        Self { machine, now, execution }
    }

    /// Takes the refusal of the launch; the step isn't ended.
    fn hear_refusal(&mut self, retry_at: DateTime<Utc>, reason: &str) {
        let observation = Observation {
            execution: self.execution.clone(),
            runner: "default".into(),
            what: Observed::Refused { retry_at, reason: reason.into() },
            observed_at: None,
            evidence: Arc::default(),
            extensions: Default::default(),
        };
        self.machine.take(self.now, 0, &Input::Observed(observation)).unwrap();
    }
}

fn kinds(outputs: &Outputs) -> Vec<EffectKind> {
    outputs.effects.iter().map(Effect::kind).collect()
}

/// The launch was forgotten, and the run hung until its time-out.
#[test]
fn a_refusal_whose_time_passes_within_the_step_leads_to_another_launch() {
    let mut host = Host::new();
    let retry_at = host.now + TimeDelta::seconds(2);
    host.hear_refusal(retry_at, "no room");
    // A slow step: it ends when the launch is to be asked for again.
    host.now += TimeDelta::seconds(3);
    let outputs = host.machine.finish(host.now).unwrap();
    assert_eq!(kinds(&outputs), [EffectKind::Launch], "{outputs:?}");
}

/// An executor that wants to be asked every 10 s is asked so only at first, and what it says again isn't recorded again.
#[test]
fn a_launch_that_is_refused_for_hours_is_requested_ever_less_often_and_has_one_record() {
    let mut host = Host::new();
    let (begin, tail) = (host.now, host.machine.world().tail().0);
    let mut requests = 0;
    while host.now < begin + TimeDelta::hours(2) {
        host.hear_refusal(host.now + TimeDelta::seconds(10), "no room");
        let outputs = host.machine.finish(host.now).unwrap();
        assert_eq!(kinds(&outputs), []);
        let wake = outputs.wake.unwrap();
        assert!(wake - host.now >= TimeDelta::seconds(10) && wake - host.now <= TimeDelta::minutes(5));
        host.now = wake;
        assert_eq!(kinds(&host.machine.finish(host.now).unwrap()), [EffectKind::Launch]);
        requests += 1;
    }
    assert!((24..40).contains(&requests), "{requests}");
    assert_eq!(host.machine.world().tail().0, tail + 1);
    // Another reason is news.
    host.hear_refusal(host.now, "no quota");
    host.machine.finish(host.now).unwrap();
    assert_eq!(host.machine.world().tail().0, tail + 2);
}
