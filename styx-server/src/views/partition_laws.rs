//! What a backfill did is told from its own records and those of its runs, whatever came later.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use styx_client::RunStateData;
use styx_core::{
    config::Config,
    decide::{Input, Reply, Request},
    event::{Event, Trigger, TriggerParameters},
    executor::{Effect, Observation, Observed},
    extensions::Extensions,
    id::{Counter, ExecutionId, InstanceId, Position, WorkflowId},
    log::{Batch, Definitions, Log},
    record::{BackfillSpec, Cause, Fact, Operator, Origin, Record, RunEvent, StoredWorkflow, Subject},
    run::Run,
    workflow::WorkflowConfiguration,
    world::{Backfill, Finished, Row, RowKey, TriggerKind},
};
use styx_engine::machine::{Machine, MachineOptions};
use styx_store::MemoryLog;
use uuid::Uuid;

use super::{
    Descriptions,
    counting::Counting,
    partitions::{Partitions, RUN_PAGE},
};

/// A server without its threads; its executor is told how executions end.
struct Host {
    machine: Machine,
    now: DateTime<Utc>,
    /// How executions end, over and over.
    codes: Vec<i32>,
    ended: usize,
    /// Executions that go on for now: those of this instance.
    held: Option<InstanceId>,
    going_on: Vec<ExecutionId>,
    launched: Vec<ExecutionId>,
}

impl Host {
    fn new(codes: &[i32]) -> Self {
        let machine = Machine::open(Box::new(MemoryLog::new()), MachineOptions::default()).unwrap();
        let now = "2026-03-29T06:30:00Z".parse().unwrap();
        let (held, going_on, launched) = (None, Vec::new(), Vec::new());
        let mut host = Self { machine, now, codes: codes.to_vec(), ended: 0, held, going_on, launched };
        let config = Arc::new(Config::default());
        host.step(Some(Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config }));
        let mut configuration = WorkflowConfiguration::new("report", "days");
        configuration.docker_image = Some("sales/report:7".to_owned());
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        host.ask(Request::StoreWorkflow { id: workflow_id(), workflow });
        host
    }

    fn step(&mut self, input: Option<Input>) -> Option<Reply> {
        self.now += TimeDelta::seconds(1);
        let outputs = self.machine.step(self.now, input.into_iter().map(|input| (1, input)).collect()).unwrap();
        let launches = outputs.effects.into_iter().filter_map(|effect| match effect {
            Effect::Launch(launch) => Some(launch.execution),
            _ => None,
        });
        self.launched.extend(launches);
        outputs.answers.into_iter().next().map(|(_, reply)| reply)
    }

    fn ask(&mut self, request: Request) -> Reply {
        let ann = Operator { actor: "ann".into(), request_id: "1".into(), request: "{}".into() };
        self.step(Some(Input::Asked(request, Arc::new(ann)))).unwrap()
    }

    /// Begins a backfill of so many days.
    fn begin(&mut self, days: u32, reverse: bool, concurrency: u32) -> Arc<str> {
        let created = self.ask(Request::CreateBackfill {
            workflow: workflow_id(),
            start: day(1),
            end: day(1 + days),
            concurrency,
            reverse,
            description: None,
            parameters: None,
            allow_future: false,
        });
        let Reply::BackfillCreated { id } = created else { panic!("{created:?}") };
        id
    }

    /// All that runs comes to its end, and what waits for that too.
    fn finish(&mut self) {
        self.until_idle();
        self.held = None;
        self.launched.append(&mut self.going_on);
        self.until_idle();
        assert!(self.machine.world().runs().is_empty());
    }

    fn until_idle(&mut self) {
        loop {
            while let Some(execution) = self.launched.pop() {
                self.end(execution);
            }
            let active = self.machine.world().runs().len();
            if active == self.going_on.len() && self.machine.world().index().advancing().next().is_none() {
                return;
            }
            self.now += TimeDelta::minutes(10);
            self.step(None);
        }
    }

    fn end(&mut self, execution: ExecutionId) {
        let instance = &self.machine.world().executions()[&execution].instance;
        if self.held.as_ref() == Some(instance) {
            return self.going_on.push(execution);
        }
        let code = self.codes[self.ended % self.codes.len()];
        self.ended += 1;
        for what in [Observed::Started, Observed::Exited { code: Some(code) }, Observed::Cleaned] {
            let (runner, evidence) = ("default".into(), [].as_slice().into());
            let execution = execution.clone();
            self.step(Some(Input::Observed(Observation {
                execution,
                runner,
                what,
                observed_at: None,
                evidence,
                extensions: Extensions::default(),
            })));
        }
    }

    /// The view of a backfill, and how many records were read for it.
    fn view(&self, id: &str) -> (Vec<RunStateData>, usize) {
        let (reader, definitions) = (Counting::new(self.machine.reader()), Definitions::default());
        // What executions ran is read once, whoever asks for it.
        let uncounted = self.machine.reader();
        let descriptions = Descriptions::new(uncounted.as_ref(), &definitions, false);
        let mut partitions = Partitions::of(id, &self.machine.world().backfills()[id]);
        let states = std::iter::from_fn(|| partitions.next(&reader, &descriptions).unwrap()).collect();
        (states, reader.records())
    }

    fn records_of(&self, subject: &Subject) -> usize {
        self.machine.reader().history(subject, Position::FIRST, usize::MAX).unwrap().len()
    }
}

/// The most records that are read to find a partition's one in a short log.
const SEARCH: usize = 16;

fn workflow_id() -> WorkflowId {
    WorkflowId::new("sales", "report")
}

fn instance(day: u32) -> InstanceId {
    InstanceId::new(workflow_id(), format!("2026-02-{day:02}"))
}

fn day(day: u32) -> DateTime<Utc> {
    format!("2026-02-{day:02}T00:00:00Z").parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// What a backfill did stays what it was, and telling it costs what it cost, however often its partitions are run again.
    #[test]
    fn a_view_is_the_same_and_costs_no_more_after_later_backfills(
        days in 1..8_u32,
        reverse in any::<bool>(),
        concurrency in 1..4_u32,
        codes in prop::collection::vec(prop::sample::select(vec![0, 0, 1, 20, 50]), 1..6),
        active_before in prop::option::of(1..8_u32),
        later in prop::collection::vec((1..8_u32, any::<bool>(), 1..4_u32), 1..12),
    ) {
        let mut host = Host::new(&codes);
        let mine = host.begin(days, reverse, concurrency);
        if let Some(day) = active_before {
            // It may be active when its turn comes, so that the backfill passes it over.
            host.held = Some(instance(day));
            let (workflow, parameter) = (workflow_id(), instance(day).parameter().into());
            let parameters = TriggerParameters::default();
            host.ask(Request::Trigger { workflow, parameter, parameters, allow_future: false });
        }
        host.finish();
        let (before, _) = host.view(&mine);
        let of_runs: usize = (1..=days).map(|day| host.records_of(&Subject::Run(instance(day)))).sum();
        let of_backfill = host.records_of(&Subject::Backfill(Arc::clone(&mine)));
        for (days, reverse, concurrency) in later {
            host.begin(days, reverse, concurrency);
            host.finish();
        }
        let (after, records) = host.view(&mine);
        prop_assert_eq!(after, before);
        // Of what came later, a page for each at most is read with it, and what the search for the first one reads.
        let most = of_backfill + of_runs + days as usize * RUN_PAGE + SEARCH;
        prop_assert!(records <= most, "{} records were read, of {} and {}", records, of_backfill, of_runs);
    }
}

#[test]
fn a_long_later_history_is_not_read() {
    let mut host = Host::new(&[0]);
    let mine = host.begin(5, false, 2);
    host.finish();
    for _ in 0..40 {
        host.begin(5, false, 5);
        host.finish();
    }
    let (states, records) = host.view(&mine);
    assert!(states.iter().all(|state| state.state == "DONE"), "{states:?}");
    let of_runs: usize = (1..=5).map(|day| host.records_of(&Subject::Run(instance(day)))).sum();
    assert!(of_runs > 5 * 40 * 6, "the histories aren't long: {of_runs}");
    assert!(records < 6 + SEARCH + 5 * (7 + RUN_PAGE), "{records} of {of_runs} records were read");
}

/// Imported events tell of a backfill whose moves aren't in the log.
#[test]
fn an_imported_run_is_found_in_its_history() {
    let at = day(20);
    let event = |event| Fact::Run(instance(1), RunEvent::Styx { counter: Counter(0), event });
    let trigger = |id: &str| {
        let (trigger, parameters) = (Trigger::Backfill(id.into()), TriggerParameters::default());
        event(Event::TriggerExecution { trigger, parameters, missed: false, extensions: Extensions::default() })
    };
    let halt = || event(Event::Halt { reason: None });
    let of_others = ["a", "b", "c"].repeat(RUN_PAGE).into_iter().flat_map(|id| [trigger(id), halt()]);
    let facts = of_others.clone().chain([trigger("mine"), halt()]).chain(of_others);
    let (mut log, mut position) = (MemoryLog::new(), Position(0));
    let epoch = log.begin_epoch().unwrap();
    let records = facts.map(|fact| {
        position = position.next();
        let cause = Cause::Imported { at: at + TimeDelta::seconds(position.0 as i64) };
        let wall_offset = TimeDelta::zero();
        Record { position, decision: position, at, wall_offset, epoch, idempotency_key: None, cause, fact }
    });
    let records = records.collect();
    let mut last = Run::new(None, at);
    last.trigger = Some(Trigger::Backfill("c".into()));
    let finished = RowKey::Finished(instance(1), TriggerKind::Backfill);
    let rows = vec![(finished, Some(Row::Finished(Finished(last))))];
    log.append(epoch, Position(0), &Batch { records, rows }).unwrap();
    let spec = BackfillSpec {
        workflow: workflow_id(),
        start: day(1),
        end: day(2),
        reverse: false,
        schedule: "days".into(),
        concurrency: 1,
        description: None,
        parameters: None,
        first: day(1),
    };
    let backfill = Backfill {
        spec,
        concurrency: 1,
        description: None,
        next: day(2),
        all_triggered: true,
        halted: None,
        halts_runs: false,
        created_at: at,
        modified_at: at,
    };
    let (reader, definitions) = (log.reader(), Definitions::default());
    let descriptions = Descriptions::new(reader.as_ref(), &definitions, false);
    let state = Partitions::of("mine", &backfill).next(reader.as_ref(), &descriptions).unwrap().unwrap();
    let triggered_at = at + TimeDelta::seconds(6 * RUN_PAGE as i64 + 1);
    assert_eq!(state.state, "ERROR");
    assert_eq!(state.state_data.trigger_id.as_deref(), Some("mine"));
    assert_eq!(state.initial_timestamp, Some(triggered_at.timestamp_millis()));
}
