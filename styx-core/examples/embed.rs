//! The smallest complete use of the core: a store, a clock and an executor of your own around its pure functions.
//!
//! `cargo run -p styx-core --example embed`

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::Config,
    decide::{Draft, Facts, Input, Request, decide, needs},
    effects::desired,
    executor::{EffectKind, Observation, Observed},
    extensions::Extensions,
    id::{Epoch, ExecutionId, WorkflowId},
    record::{Operator, Origin, Record, StoredWorkflow},
    seed::Seed,
    workflow::WorkflowConfiguration,
    world::{Row, RowKey, World},
};
use uuid::Uuid;

/// A store: the records, the world they fold to, and the rows that aren't part of it.
#[derive(Default)]
struct Store {
    log: Vec<Record>,
    world: World,
    rows: BTreeMap<RowKey, Row>,
}

impl Store {
    /// Decides about an input, appends what was decided, and returns the executions that something is owed for.
    fn take(&mut self, input: &Input, now: DateTime<Utc>) -> Vec<(ExecutionId, EffectKind)> {
        let keys = needs(&self.world, input, now).into_iter();
        let facts: Facts =
            keys.filter_map(|key| self.rows.get_key_value(&key)).map(|(k, row)| (k.clone(), row.clone())).collect();
        let seed = Seed(self.world.root_seed().unwrap_or_default());
        let decisions = decide(&self.world, &facts, input, now, seed);
        // A real store makes these records durable in one batch before anything below happens.
        let mut keys = Vec::new();
        for draft in decisions.drafts {
            keys.extend(self.append(draft, now));
        }
        let mut effects: Vec<_> = keys.iter().filter_map(|key| desired(&self.world, key)).collect();
        effects.dedup();
        if decisions.again {
            effects.extend(self.take(&Input::Due, now));
        }
        effects
    }

    fn append(&mut self, draft: Draft, at: DateTime<Utc>) -> Vec<RowKey> {
        let record = draft.into_record(&self.world, at, Epoch(1));
        let mut changes = self.world.apply(&record).expect("what is decided can be folded");
        let dirty = std::mem::take(&mut changes.dirty);
        self.rows.extend(changes.into_rows().filter_map(|(key, row)| Some((key, row?))));
        self.log.push(record);
        dirty
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut store = Store::default();
    let mut now: DateTime<Utc> = "2026-03-29T00:59:00Z".parse()?;
    let config = Config::default().into();
    store.take(&Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config }, now);

    // A workflow that runs each hour, for the hour before; switched on.
    let id = WorkflowId::new("sales", "report");
    let mut configuration = WorkflowConfiguration::new("report", "hours");
    configuration.docker_image = Some("sales/report:7".to_owned());
    configuration.docker_args = Some(vec!["report".to_owned(), "{}".to_owned()]);
    let workflow = StoredWorkflow::new(&configuration, Origin::Api).into();
    let ann = Operator { actor: "ann".into(), request_id: "1".into(), request: "{}".into() };
    let ask = |request| Input::Asked(request, ann.clone().into());
    store.take(&ask(Request::StoreWorkflow { id: id.clone(), workflow }), now);
    let enable = Request::PatchWorkflow { id, enabled: Some(true), next_instant: None, next_fires_at: None };
    store.take(&ask(enable), now);

    // Its hour is over: a run begins, and the world owes a launch. Here the "executor" fails once and then succeeds.
    now += TimeDelta::minutes(1);
    let mut effects = store.take(&Input::Due, now);
    let mut exit_codes = [1, 0].into_iter();
    while let Some((execution, kind)) = effects.pop() {
        println!("{now}: {kind:?} {execution}");
        let what = match kind {
            EffectKind::Launch => Observed::Exited { code: exit_codes.next() },
            _ => Observed::Cleaned,
        };
        let runner = store.world.config().executor.runner.clone();
        let evidence = b"{}".as_slice().into();
        let seen = Input::Observed(Observation {
            execution,
            runner,
            what,
            observed_at: None,
            evidence,
            extensions: Extensions::default(),
        });
        effects.extend(store.take(&seen, now));
        // Nothing to do: sleep until something is due.
        if effects.is_empty()
            && let Some(due) = store.world.next_due()
            && !store.world.runs().is_empty()
        {
            now = due;
            effects = store.take(&Input::Due, now);
        }
    }

    for record in &store.log {
        println!("{:>3} {} {}", record.position, record.subject(), record.at);
    }
    let mut replayed = World::default();
    for record in &store.log {
        replayed.apply(record)?;
    }
    assert_eq!(replayed, store.world, "the log is all that it takes");
    assert!(store.rows.values().all(|row| matches!(row, Row::Finished(run) if run.0.last_exit == Some(0))));
    Ok(())
}
