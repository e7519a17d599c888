//! The log behind `docs/incident.md`: three nights of a shop's two jobs, decided by the machine itself under a clock of its
//! own, so that what the page shows is what a server would have recorded.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::{Config, ExecutorCapabilities},
    decide::{Input, Reply, Request},
    executor::{Effect, Launch, Observation, Observed},
    extensions::Extensions,
    id::{ExecutionId, WorkflowId},
    record::{Operator, Origin, StoredWorkflow},
    workflow::WorkflowConfiguration,
};
use styx_engine::machine::{Machine, MachineOptions};
use styx_store::rocks::RocksLog;
use uuid::Uuid;

/// The condition that was added to the report on the afternoon before: it was meant to end failures after three tries.
const CONDITION: &str = "#exitCode == 1 && #tries < 3";

/// Writes the log into a folder.
pub(crate) fn write(dir: &Path) {
    let mut shop = Shop::open(dir);
    shop.start("2026-03-26T09:00:00Z");
    shop.load("2026-03-26T09:00:00Z", None);
    shop.run_until("2026-03-28T15:12:00Z");
    shop.load("2026-03-28T15:12:00Z", Some(CONDITION));
    shop.run_until("2026-03-29T09:05:00Z");
}

struct Shop {
    machine: Machine,
    /// What will happen outside, by when; the number keeps the order of what happens at the same time.
    coming: BTreeMap<(DateTime<Utc>, u64), Input>,
    wake: Option<DateTime<Utc>>,
    count: u64,
}

impl Shop {
    fn open(dir: &Path) -> Self {
        let log = Box::new(RocksLog::open(dir).unwrap());
        let machine = Machine::open(log, MachineOptions::default()).unwrap();
        Self { machine, coming: BTreeMap::new(), wake: None, count: 0 }
    }

    fn start(&mut self, at: &str) {
        let executor =
            ExecutorCapabilities { runner: "local".into(), runs_api_workflows: false, mounts_secrets: false };
        let config = Arc::new(Config { max_executions: Some(8), executor, ..Config::default() });
        let (log_id, root_seed) = (Uuid::from_u128(0x5409), Uuid::from_u128(0x5eed));
        self.later(time(at), Input::Start { log_id, root_seed, config });
        self.run_until(at);
    }

    /// Loads `shop.yaml`, as the server does at its start and when the file changes.
    fn load(&mut self, at: &str, condition: Option<&str>) {
        let workflow = |id: &str, offset: &str, condition: Option<&str>| {
            let mut configuration = WorkflowConfiguration::new(id, "daily");
            configuration.offset = Some(offset.to_owned());
            configuration.docker_image = Some(format!("shop/{id}:4"));
            configuration.docker_args = Some(vec![format!("./{id}.sh"), "{}".to_owned()]);
            configuration.retry_condition = condition.map(str::to_owned);
            // What a file says as before keeps the time at which it was stored.
            configuration.deployment_time = Some(time(if condition.is_some() { at } else { "2026-03-26T09:00:00Z" }));
            let origin = Origin::File { path: "shop.yaml".into(), enabled: true };
            (WorkflowId::new("shop", id), Arc::new(StoredWorkflow::new(&configuration, origin)))
        };
        let workflows = [workflow("daily-report", "P1DT2H", condition), workflow("orders", "P1DT1H", None)];
        let request = Request::LoadFile { path: "shop.yaml".into(), workflows: workflows.into(), elsewhere: [].into() };
        let defines = ["shop#daily-report", "shop#orders"];
        let asked = serde_json::json!({ "file": "shop.yaml", "defines": defines, "elsewhere": [] }).to_string();
        let actor = "styx-server".into();
        let operator = Operator { actor, request_id: format!("r-{}", self.count).into(), request: asked.into() };
        self.later(time(at), Input::Asked(request, Arc::new(operator)));
        self.run_until(at);
    }

    fn later(&mut self, at: DateTime<Utc>, input: Input) {
        self.count += 1;
        self.coming.insert((at, self.count), input);
    }

    fn run_until(&mut self, end: &str) {
        let end = time(end);
        loop {
            let outside = self.coming.keys().next().map(|(at, _)| *at);
            match [outside, self.wake].into_iter().flatten().min() {
                Some(at) if at <= end => self.step(at),
                _ => return,
            }
        }
    }

    fn step(&mut self, at: DateTime<Utc>) {
        let later = self.coming.split_off(&(at + TimeDelta::nanoseconds(1), 0));
        let inputs = std::mem::replace(&mut self.coming, later).into_iter().map(|((_, ticket), input)| (ticket, input));
        let outputs = self.machine.step(at, inputs.collect()).unwrap();
        assert!(outputs.left.is_empty(), "one step takes them all");
        for (_, reply) in outputs.answers {
            assert!(matches!(reply, Reply::Done | Reply::Stored(_)), "{reply:?}");
        }
        self.wake = outputs.wake;
        for effect in outputs.effects {
            self.perform(at, effect);
        }
    }

    /// What the executor makes of an effect.
    fn perform(&mut self, at: DateTime<Utc>, effect: Effect) {
        match effect {
            Effect::Launch(launch) => {
                let (code, lasts) = fate(&launch);
                let (started, ended) = (at + TimeDelta::milliseconds(9), at + lasts);
                let pid = 4_000 + launch.tries + u32::try_from(self.count).unwrap();
                let evidence = serde_json::json!({ "pid": pid, "startedAt": started.to_rfc3339() });
                self.see(started, &launch.execution, Observed::Started, &evidence);
                let evidence = serde_json::json!({ "endedAt": ended.to_rfc3339(), "pid": pid, "exit": code });
                self.see(ended, &launch.execution, Observed::Exited { code: Some(code) }, &evidence);
            }
            Effect::CleanUp { execution, .. } => {
                self.see(at + TimeDelta::milliseconds(2), &execution, Observed::Cleaned, &serde_json::json!({}));
            }
            Effect::Adopt { .. } | Effect::Stop { .. } => {
                unreachable!("the shop's server neither restarts nor stops a job")
            }
        }
    }

    fn see(&mut self, at: DateTime<Utc>, execution: &ExecutionId, what: Observed, evidence: &serde_json::Value) {
        let evidence = evidence.to_string().into_bytes().into();
        let (execution, runner) = (execution.clone(), "local".into());
        self.later(
            at,
            Input::Observed(Observation {
                execution,
                runner,
                what,
                observed_at: Some(at),
                evidence,
                extensions: Extensions::default(),
            }),
        );
    }
}

/// How an execution ends, and how long it takes. On the last night the orders came late, and so the report found none.
fn fate(launch: &Launch) -> (i32, TimeDelta) {
    let last_night = launch.instance.parameter() == "2026-03-28";
    match (launch.instance.workflow().workflow(), last_night, launch.tries) {
        ("orders", true, 0) => (1, TimeDelta::seconds(311)),
        ("orders", true, _) => (0, TimeDelta::minutes(74)),
        ("orders", false, _) => (0, TimeDelta::minutes(38)),
        (_, true, _) => (20, TimeDelta::milliseconds(640)),
        (_, false, _) => (0, TimeDelta::minutes(6)),
    }
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
