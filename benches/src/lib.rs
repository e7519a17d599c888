//! What the benchmarks share: the records of runs as an engine makes them.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::Config,
    decide::{Input, Request},
    executor::{Observation, Observed},
    extensions::Extensions,
    id::{Epoch, WorkflowId},
    log::Batch,
    record::{Operator, Origin, StoredWorkflow},
    scheduler::{LogName, Scheduler},
    workflow::WorkflowConfiguration,
    world::World,
};

/// Makes the records of whole runs: triggered, launched, ended, cleaned up.
pub struct Runs {
    scheduler: Scheduler,
    now: DateTime<Utc>,
    workflows: u64,
    begun: u64,
}

impl Runs {
    /// A log that has just started, with one workflow that runs each minute; its first batch comes with it.
    ///
    /// # Panics
    ///
    /// Never: what is decided can be folded.
    pub fn begin(epoch: Epoch) -> (Self, Batch) {
        Self::of_workflows(epoch, 1)
    }

    /// As [`begin`](Self::begin), with so many workflows that take turns.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn of_workflows(epoch: Epoch, workflows: u64) -> (Self, Batch) {
        assert!(workflows > 0, "runs are of workflows");
        let name = LogName::from_random_bytes([7; 32]);
        let scheduler = Scheduler::begin(name, Config::default()).with_epoch(epoch);
        let mut runs = Self { scheduler, now: start(), workflows, begun: 0 };
        let mut configuration = WorkflowConfiguration::new("report", "* * * * *");
        configuration.docker_image = Some("sales/report:7".to_owned());
        configuration.docker_args = Some(vec!["{}".to_owned()]);
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        for number in 0..workflows {
            let (id, workflow) = (Self::workflow(number), Arc::clone(&workflow));
            runs.take(&ann().requests(Request::StoreWorkflow { id, workflow }));
        }
        let batch = runs.finish();
        (runs, batch)
    }

    /// The records and rows of one whole run of one attempt that ends well.
    pub fn one_run(&mut self) -> Batch {
        let instant = start() - TimeDelta::minutes(i64::try_from(self.begun).unwrap_or_default());
        let workflow = Self::workflow(self.begun % self.workflows);
        self.begun += 1;
        self.now += TimeDelta::milliseconds(250);
        self.take(&ann().triggers(&workflow, &instant.format("%Y-%m-%dT%H:%M:%SZ").to_string()));
        if let Some(execution) = self.world().executions().keys().next().cloned() {
            for what in [Observed::Launched, Observed::Started, Observed::Exited { code: Some(0) }, Observed::Cleaned] {
                let (execution, runner) = (execution.clone(), "default".into());
                let (evidence, extensions) = (b"{\"pid\":4711}".as_slice().into(), Extensions::default());
                let seen = Observation { execution, runner, what, observed_at: None, evidence, extensions };
                self.take(&Input::Observed(seen));
            }
        }
        self.finish()
    }

    /// The world after all that was made.
    pub fn world(&self) -> &World {
        self.scheduler.world()
    }

    fn workflow(number: u64) -> WorkflowId {
        match number {
            0 => WorkflowId::new("sales", "report"),
            number => WorkflowId::new("sales", format!("report-{number}")),
        }
    }

    /// No instance runs twice, so there are no rows of finished runs to be read.
    fn take(&mut self, input: &Input) {
        self.scheduler.take(self.now, input, &BTreeMap::new()).expect("there is nothing to read");
    }

    fn finish(&mut self) -> Batch {
        let step = self.scheduler.finish(self.now, &BTreeMap::new()).expect("there is nothing to read");
        let batch = step.batch().clone();
        let _ = step.durable();
        batch
    }
}

fn ann() -> Operator {
    Operator { actor: "ann".into(), request_id: "0c9d5c31".into(), request: "{}".into() }
}

/// When the first run begins.
fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_774_742_400, 0).unwrap_or_default()
}

/// One batch of many: as a group commit puts them together.
pub fn group(batches: impl IntoIterator<Item = Batch>) -> Batch {
    let mut rows = BTreeMap::new();
    let mut records = Vec::new();
    for batch in batches {
        records.extend(batch.records);
        rows.extend(batch.rows);
    }
    Batch { records, rows: rows.into_iter().collect() }
}
