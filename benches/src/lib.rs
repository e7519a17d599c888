//! What the benchmarks share: the records of runs as an engine makes them.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::Config,
    decide::{Facts, Input, Request, decide},
    event::TriggerParameters,
    executor::{Observation, Observed},
    extensions::Extensions,
    id::{Epoch, ExecutionId, WorkflowId},
    log::Batch,
    record::{Operator, Origin, StoredWorkflow},
    seed::Seed,
    workflow::WorkflowConfiguration,
    world::World,
};
use uuid::Uuid;

/// Makes the records of whole runs: triggered, launched, ended, cleaned up.
pub struct Runs {
    world: World,
    now: DateTime<Utc>,
    epoch: Epoch,
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
        let mut runs = Self { world: World::default(), now: start(), epoch, workflows, begun: 0 };
        let mut batch = Batch::default();
        let config = Arc::new(Config::default());
        runs.take(&Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config }, &mut batch);
        let mut configuration = WorkflowConfiguration::new("report", "* * * * *");
        configuration.docker_image = Some("sales/report:7".to_owned());
        configuration.docker_args = Some(vec!["{}".to_owned()]);
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        for number in 0..workflows {
            let (id, workflow) = (Self::workflow(number), Arc::clone(&workflow));
            runs.ask(Request::StoreWorkflow { id, workflow }, &mut batch);
        }
        (runs, batch)
    }

    /// The records and rows of one whole run of one attempt that ends well.
    pub fn one_run(&mut self) -> Batch {
        let mut batch = Batch::default();
        let instant = start() - TimeDelta::minutes(i64::try_from(self.begun).unwrap_or_default());
        let workflow = Self::workflow(self.begun % self.workflows);
        self.begun += 1;
        self.now += TimeDelta::milliseconds(250);
        let trigger = Request::Trigger {
            workflow,
            parameter: instant.format("%Y-%m-%dT%H:%M:%SZ").to_string().into(),
            parameters: TriggerParameters::default(),
            allow_future: false,
        };
        self.ask(trigger, &mut batch);
        let execution = self.world.executions().keys().next().cloned();
        for what in [Observed::Launched, Observed::Started, Observed::Exited { code: Some(0) }, Observed::Cleaned] {
            self.see(execution.clone(), what, &mut batch);
        }
        batch
    }

    /// The world after all that was made.
    pub fn world(&self) -> &World {
        &self.world
    }

    fn workflow(number: u64) -> WorkflowId {
        match number {
            0 => WorkflowId::new("sales", "report"),
            number => WorkflowId::new("sales", format!("report-{number}")),
        }
    }

    fn ask(&mut self, request: Request, batch: &mut Batch) {
        let operator = Operator { actor: "ann".into(), request_id: "0c9d5c31".into(), request: "{}".into() };
        self.take(&Input::Asked(request, Arc::new(operator)), batch);
    }

    fn see(&mut self, execution: Option<ExecutionId>, what: Observed, batch: &mut Batch) {
        if let Some(execution) = execution {
            let evidence = b"{\"pid\":4711}".as_slice().into();
            let seen = Observation {
                execution,
                runner: "default".into(),
                what,
                observed_at: None,
                evidence,
                extensions: Extensions::default(),
            };
            self.take(&Input::Observed(seen), batch);
        }
    }

    /// Decides about an input and then about all that is due, as an engine does.
    fn take(&mut self, input: &Input, batch: &mut Batch) {
        let mut input = input;
        while self.decide(input, batch) {
            input = &Input::Due;
        }
    }

    /// Decides once; gives whether anything was decided.
    fn decide(&mut self, input: &Input, batch: &mut Batch) -> bool {
        let before = batch.records.len();
        let seed = Seed(self.world.root_seed().unwrap_or_default());
        let mut dirty = Vec::new();
        for draft in decide(&self.world, &Facts::default(), input, self.now, seed).drafts {
            let record = draft.into_record(&self.world, self.now, self.epoch);
            match self.world.apply(&record) {
                Ok(mut changes) => {
                    dirty.append(&mut changes.dirty);
                    batch.rows.extend(changes.into_rows());
                }
                Err(refused) => panic!("decided a record that the world refuses: {refused}"),
            }
            batch.records.push(record);
        }
        dirty.sort();
        dirty.dedup();
        batch.rows.retain(|(key, _)| !dirty.contains(key));
        batch.rows.extend(dirty.into_iter().map(|key| (key.clone(), self.world.row(&key))));
        batch.records.len() > before
    }
}

/// When the first run begins.
fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_774_742_400, 0).unwrap_or_default()
}

/// One batch of many: as a group commit puts them together.
pub fn group(batches: impl IntoIterator<Item = Batch>) -> Batch {
    let mut rows = std::collections::BTreeMap::new();
    let mut records = Vec::new();
    for batch in batches {
        records.extend(batch.records);
        rows.extend(batch.rows);
    }
    Batch { records, rows: rows.into_iter().collect() }
}
