//! The smallest complete use of the core: a store, a clock and jobs of your own around its scheduler.
//!
//! `cargo run -p styx-core --example embed`

use std::{collections::BTreeMap, error::Error};

use chrono::{DateTime, Utc};
use styx_core::{
    config::Config,
    executor::{Effect, Launch, Observed},
    id::{Position, WorkflowId},
    log::{Batch, LogError, Rows},
    record::{Operator, Record},
    request::Reply,
    scheduler::{LogName, Scheduler},
    stored_workflow::ValidWorkflow,
    workflow::{Rules, WorkflowConfiguration},
    world::{Row, RowKey, World},
};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let mut store = Store::default();
    let mut now: DateTime<Utc> = "2026-03-29T00:00:30Z".parse()?;
    let end: DateTime<Utc> = "2026-03-29T00:12:00Z".parse()?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    let mut styx = Scheduler::begin(LogName::from_random_bytes(random), Config::default());

    let ann = Operator::named("ann");
    let (tick, flaky) = (WorkflowId::new("app", "tick"), WorkflowId::new("app", "flaky"));
    let mut inputs = vec![
        ann.stores(workflow("tick", "* * * * *")?),
        ann.enables(&tick),
        ann.stores(workflow("flaky", "days")?),
        ann.triggers(&flaky, "2026-01-01"),
    ];
    let mut jobs = Jobs { failures: 1 };
    while now < end {
        let step = styx.step(now, inputs.drain(..), &store)?;
        store.append(step.batch()); // records and rows, both or neither
        let done = step.durable(); // takes the step: the only way to replies and effects
        for reply in &done.replies {
            match reply.clone().accepted()? {
                Reply::Triggered { instance, .. } => println!("{now} {instance} begins"),
                reply => println!("{now} {reply:?}"),
            }
        }
        for effect in &done.effects {
            println!("{now} {:?} {}", effect.kind(), effect.execution());
            let observed = match effect {
                Effect::Launch(launch) => Observed::Exited { code: Some(jobs.run(launch)) },
                Effect::Adopt { .. } => Observed::Lost { reason: "its process is gone".into() },
                Effect::Stop { .. } => Observed::Exited { code: Some(143) },
                Effect::CleanUp { .. } => Observed::Cleaned,
            };
            inputs.push(done.observed(effect, observed));
        }
        if inputs.is_empty() {
            now = done.wake.map_or(end, |wake| wake.max(now)); // a scripted clock
        }
    }

    assert_eq!(World::fold(&store.records)?, *styx.world(), "the log is all that it takes");
    println!("{} records, {} runs have ended", store.records.len(), store.finished());
    assert_eq!(store.finished(), 12, "eleven runs, one a minute, and the one that needed two tries");
    Ok(())
}

fn workflow(name: &str, schedule: &str) -> Result<ValidWorkflow, Box<dyn Error>> {
    let mut configuration = WorkflowConfiguration::new(name, schedule);
    configuration.docker_image = Some(format!("app/{name}:7"));
    configuration.docker_args = Some(vec!["{}".to_owned()]);
    Ok(ValidWorkflow::new("app", &configuration, &Rules::default())?)
}

/// A store in memory; a real one makes each batch durable before [`append`](Self::append) returns.
#[derive(Default)]
struct Store {
    records: Vec<Record>,
    rows: BTreeMap<RowKey, Row>,
}

impl Store {
    fn append(&mut self, batch: &Batch) {
        self.records.extend(batch.records.iter().cloned());
        for (key, row) in &batch.rows {
            match row {
                Some(row) => drop(self.rows.insert(key.clone(), row.clone())),
                None => drop(self.rows.remove(key)),
            }
        }
    }

    fn finished(&self) -> usize {
        self.rows.keys().filter(|key| matches!(key, RowKey::Finished(..))).count()
    }
}

impl Rows for Store {
    fn row(&self, key: &RowKey) -> Result<Option<Row>, LogError> {
        Ok(self.rows.get(key).cloned())
    }

    fn record(&self, position: Position) -> Result<Option<Record>, LogError> {
        Ok(self.records.iter().find(|record| record.position == position).cloned())
    }
}

/// Jobs that end at once; the first try of `flaky` fails.
struct Jobs {
    failures: u32,
}

impl Jobs {
    fn run(&mut self, launch: &Launch) -> i32 {
        let is_flaky = launch.instance.workflow().workflow() == "flaky";
        let fails = is_flaky && self.failures > 0;
        self.failures -= u32::from(fails);
        i32::from(fails)
    }
}
