//! Replays of small logs: nothing differs while nothing changed, and a changed configuration shows exactly what it changes.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::{Backoff, Config, ExecutorCapabilities, ExecutorName, ExecutorTable},
    decide::{Input, Request, RuntimePatch, Setting},
    event::{Event, EventKind, FailureClass, TriggerParameters},
    executor::{Observation, Observed},
    extensions::Extensions,
    id::{Counter, Epoch, ExecutionId, InstanceId, Position, WorkflowId},
    record::{Cause, Fact, Operator, Origin, Record, RunEvent, StoredWorkflow},
    run::{Rules, State},
    scheduler::propose,
    workflow::WorkflowConfiguration,
    world::{Row, RowKey, World},
};
use styx_engine::replay::{Difference, Kind, Options, Replay, Summary};
use uuid::Uuid;

/// A log that is written as the machine writes one, without a machine.
struct Teller {
    world: World,
    others: BTreeMap<RowKey, Row>,
    records: Vec<Record>,
    at: DateTime<Utc>,
}

impl Teller {
    fn new(config: Config) -> Self {
        let at = "2024-05-06T00:00:00Z".parse().unwrap();
        let mut teller = Self { world: World::default(), others: BTreeMap::new(), records: Vec::new(), at };
        let (log_id, root_seed) = (Uuid::from_u128(1), Uuid::from_u128(2));
        teller.give(&Input::Start { log_id, root_seed, config: Arc::new(config) });
        teller
    }

    fn give(&mut self, input: &Input) {
        for draft in propose(&self.world, &self.others, input, self.at).unwrap().drafts {
            let record = draft.into_record(&self.world, self.at, Epoch(1));
            self.append(record);
        }
    }

    fn append(&mut self, record: Record) {
        let changes = self.world.apply(&record).unwrap();
        self.others.extend(changes.into_rows().filter_map(|(key, row)| Some((key, row?))));
        self.records.push(record);
    }

    fn ask(&mut self, request: Request) {
        let operator = Operator { actor: "ann".into(), request_id: "r".into(), request: "{}".into() };
        self.give(&Input::Asked(request, Arc::new(operator)));
    }

    /// Lets time pass, and everything fall due.
    fn wait(&mut self, seconds: i64) {
        let until = self.at + TimeDelta::seconds(seconds);
        while let Some(due) = self.world.next_due().filter(|due| *due <= until) {
            self.at = self.at.max(due);
            self.give(&Input::Due);
        }
        self.at = until;
    }

    fn store(&mut self, name: &str, schedule: &str) {
        let mut configuration = WorkflowConfiguration::new(name, schedule);
        configuration.docker_image = Some("busybox".into());
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        self.ask(Request::StoreWorkflow { id: id(name), workflow });
    }

    fn enable(&mut self, name: &str) {
        let (next_instant, next_fires_at) = (None, None);
        self.ask(Request::PatchWorkflow { id: id(name), enabled: Some(true), next_instant, next_fires_at });
    }

    fn trigger(&mut self, name: &str, parameter: &str) -> InstanceId {
        let (workflow, parameters) = (id(name), TriggerParameters::default());
        self.ask(Request::Trigger { workflow, parameter: parameter.into(), parameters, allow_future: false });
        InstanceId::new(id(name), parameter)
    }

    fn see(&mut self, instance: &InstanceId, what: Observed) {
        let execution = self.world.index().living(instance).unwrap().clone();
        self.observe(execution, what);
    }

    fn observe(&mut self, execution: ExecutionId, what: Observed) {
        let evidence = Arc::from(&b"{}"[..]);
        self.give(&Input::Observed(Observation {
            execution,
            runner: "default".into(),
            what,
            observed_at: None,
            evidence,
            extensions: Extensions::default(),
        }));
    }

    /// A run of a workflow that fails once, waits and succeeds.
    fn fails_once(&mut self) {
        self.store("w", "days");
        let run = self.trigger("w", "2024-05-01");
        for what in [Observed::Launched, Observed::Started, Observed::Exited { code: Some(1) }] {
            self.wait(60);
            self.see(&run, what);
        }
        self.wait(3 * 3600);
        for what in [Observed::Launched, Observed::Started, Observed::Exited { code: Some(0) }] {
            self.wait(1);
            self.see(&run, what);
        }
    }

    fn replay(&self, options: Options) -> (Vec<Difference>, Summary) {
        let mut replay = Replay::new(options);
        let mut found = Vec::new();
        for record in &self.records {
            found.extend(replay.add(record.clone()).unwrap());
        }
        found.extend(replay.finish().unwrap());
        let summary = *replay.summary();
        assert_eq!(summary.records, self.records.len() as u64);
        assert_eq!(summary.differences(), found.len() as u64);
        (found, summary)
    }

    fn with(&self, config: Config) -> Vec<Difference> {
        self.replay(Options { config: Some(Arc::new(config)), ..Options::default() }).0
    }

    /// Where a run's event of this kind stands.
    fn position(&self, kind: EventKind) -> Position {
        let is_it = |record: &&Record| match &record.fact {
            Fact::Run(_, RunEvent::Styx { event, .. }) => event.kind() == kind,
            _ => false,
        };
        self.records.iter().find(is_it).unwrap().position
    }
}

fn id(name: &str) -> WorkflowId {
    WorkflowId::new("c", name)
}

fn events(records: &[Record]) -> Vec<EventKind> {
    let event = |record: &Record| match &record.fact {
        Fact::Run(_, RunEvent::Styx { event, .. }) => Some(event.kind()),
        _ => None,
    };
    records.iter().filter_map(event).collect()
}

#[test]
fn nothing_differs_while_nothing_changed() {
    let mut teller = Teller::new(Config::default());
    teller.fails_once();
    for number in 0..300 {
        teller.store(&format!("many-{number}"), "hours");
        teller.enable(&format!("many-{number}"));
    }
    teller.wait(2 * 3600);
    teller.ask(Request::SwitchScheduling { enabled: false });
    teller.ask(Request::Halt { instance: InstanceId::new(id("many-7"), "2024-05-06T03") });
    teller.ask(Request::DeleteWorkflow { id: id("many-8") });
    teller.ask(Request::Configure(Arc::new(Config { catch_up: 3, ..Config::default() })));
    let (found, summary) = teller.replay(Options::default());
    assert_eq!(found, []);
    assert_eq!((summary.unknown, summary.not_decided), (0, 0));
    assert!(summary.same > 1_000, "{summary:?}");
    // The configuration that it was, again.
    let (found, summary) = teller.replay(Options { config: Some(Arc::default()), ..Options::default() });
    assert_eq!(found, []);
    assert_eq!(summary.overruled, 1);
    let (_, part) = teller.replay(Options { from: Some(Position(40)), to: Some(Position(60)), ..Options::default() });
    assert!(part.same < 21, "{part:?}");
}

/// A choice is recorded with the whole configuration: it is told from a start, which says that anew.
#[test]
fn a_choice_of_an_executor_is_decided_again() {
    let blue = ExecutorCapabilities { runner: "blue".into(), runs_api_workflows: true, mounts_secrets: true };
    let table = ExecutorTable { others: vec![blue], routes: Vec::new() };
    let config = Config::default().with_executor_table(&table).unwrap();
    let choose = |choice| RuntimePatch { default_executor: Some(choice), ..RuntimePatch::default() };
    let mut teller = Teller::new(config.clone());
    teller.store("w", "days");
    let blue = choose(Setting::Value(ExecutorName::parse("blue").unwrap()));
    teller.ask(Request::Operate(RuntimePatch { scheduling: Some(false), debug: Some(true), ..blue.clone() }));
    teller.ask(Request::SwitchScheduling { enabled: true });
    teller.trigger("w", "2024-05-01");
    teller.ask(Request::Configure(Arc::new(Config { catch_up: 3, ..config })));
    teller.trigger("w", "2024-05-02");
    teller.ask(Request::Operate(choose(Setting::Configured)));
    teller.ask(Request::Operate(blue));
    let (found, summary) = teller.replay(Options::default());
    assert_eq!((found, summary.unknown, summary.not_decided), (vec![], 0, 0));
    let runners = teller.world.executions().values().map(|execution| &*execution.runner);
    assert_eq!(runners.collect::<Vec<_>>(), ["blue", "blue"]);
}

#[test]
fn another_back_off_changes_the_delay_and_nothing_else() {
    let mut teller = Teller::new(Config::default());
    teller.fails_once();
    let backoff = Backoff { base: TimeDelta::seconds(7), max_exponent: 2 };
    let found = teller.with(Config { backoff, ..Config::default() });
    let [Difference { position, kind, recorded, decided, .. }] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((*position, *kind), (teller.position(EventKind::Terminate), Kind::Changed));
    assert_eq!(recorded[0], decided[0], "the end is the same");
    assert_eq!(events(decided), [EventKind::Terminate, EventKind::RetryAfter]);
    assert_ne!(recorded[1].fact, decided[1].fact);
}

#[test]
fn a_lower_limit_of_cost_stops_what_was_tried_again() {
    let mut teller = Teller::new(Config::default());
    teller.fails_once();
    let found = teller.with(Config { max_cost_tenths: 5, ..Config::default() });
    let [Difference { kind: Kind::Changed, decided, .. }] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(events(decided), [EventKind::Terminate, EventKind::Stop]);
}

#[test]
fn a_shorter_time_out_is_told_once_and_when_it_would_have_come() {
    let mut teller = Teller::new(Config::default());
    teller.fails_once();
    let mut config = Config::default();
    config.timeouts.by_state.insert(State::Submitted, TimeDelta::seconds(20));
    let found = teller.with(config);
    let [Difference { position, at, kind, recorded, decided, .. }] = found.as_slice() else { panic!("{found:#?}") };
    let submitted = &teller.records[teller.position(EventKind::Submitted).0 as usize - 1];
    assert_eq!((*position, *kind), (teller.position(EventKind::Started), Kind::Added));
    assert_eq!(*at, submitted.at + TimeDelta::seconds(20));
    assert_eq!(recorded, &[]);
    assert_eq!(events(decided), [EventKind::Timeout, EventKind::RetryAfter]);
}

#[test]
fn a_time_out_that_would_not_have_come_is_dropped() {
    let mut teller = Teller::new(Config::default());
    teller.store("w", "days");
    let run = teller.trigger("w", "2024-05-01");
    teller.see(&run, Observed::Launched);
    teller.wait(700);
    assert_eq!(
        teller.records.last().map(|record| events(std::slice::from_ref(record))),
        Some(vec![EventKind::RetryAfter])
    );
    let mut config = Config::default();
    config.timeouts.by_state.insert(State::Submitted, TimeDelta::hours(1));
    let found = teller.with(config);
    let [Difference { position, kind, decided, .. }] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((*position, *kind), (teller.position(EventKind::Timeout), Kind::Dropped));
    assert_eq!(decided, &[]);
}

#[test]
fn a_limit_on_executions_holds_back_and_one_less_lets_go() {
    let mut teller = Teller::new(Config::default());
    teller.store("w", "days");
    for day in 1..=3 {
        teller.wait(60);
        let run = teller.trigger("w", &format!("2024-05-0{day}"));
        teller.see(&run, Observed::Started);
    }
    let limit = |max| Config { max_executions: Some(max), ..Config::default() };
    // Each trigger went on at once; with a limit of one the second and third wait, since what was recorded still runs.
    let found = teller.with(limit(1));
    let shown: Vec<_> = found.iter().map(|it| (it.kind, events(&it.decided))).collect();
    let waits = (Kind::Changed, vec![EventKind::TriggerExecution]);
    // The first holds a unit of the limit, which it didn't without one.
    let first = (Kind::Changed, vec![EventKind::TriggerExecution, EventKind::Dequeue, EventKind::Submit]);
    assert_eq!(shown, [first, waits.clone(), waits]);

    let mut teller = Teller::new(limit(1));
    teller.store("w", "days");
    let first = teller.trigger("w", "2024-05-01");
    teller.wait(60);
    teller.trigger("w", "2024-05-02");
    teller.wait(60);
    teller.see(&first, Observed::Exited { code: Some(0) });
    teller.wait(60);
    let found = teller.with(limit(2));
    let shown: Vec<_> = found.iter().map(|it| (it.kind, events(&it.decided))).collect();
    let goes_on = vec![EventKind::TriggerExecution, EventKind::Dequeue, EventKind::Submit];
    // It would have gone on when it was triggered; what was recorded waits, and would go on right after.
    let admitted = (Kind::Added, vec![EventKind::Dequeue, EventKind::Submit]);
    assert_eq!(shown, [(Kind::Changed, goes_on), admitted]);
}

#[test]
fn imported_events_are_folded_under_other_rules() {
    let mut teller = Teller::new(Config::default());
    teller.store("w", "days");
    let instance = InstanceId::new(id("w"), "2024-05-01");
    let trigger = Event::TriggerExecution {
        trigger: styx_core::event::Trigger::Natural,
        parameters: TriggerParameters::default(),
        missed: false,
        extensions: Extensions::default(),
    };
    let failed = Event::RunError { message: "no node".into(), class: FailureClass::Infrastructure };
    let history = [trigger, Event::Created { execution: ExecutionId::parse("x"), docker_image: "b".into() }, failed];
    for (counter, event) in (0..).map(Counter).zip(history) {
        let position = teller.world.tail().next();
        let event = RunEvent::Styx { counter, event };
        teller.append(Record {
            position,
            decision: position,
            at: teller.at,
            wall_offset: TimeDelta::zero(),
            epoch: Epoch(1),
            idempotency_key: None,
            cause: Cause::Imported { at: teller.at },
            fact: Fact::Run(instance.clone(), event),
        });
    }
    let under = |rules| {
        let (found, summary) = teller.replay(Options { rules, ..Options::default() });
        assert_eq!(summary.not_decided, 3);
        found.into_iter().map(|it| (it.kind, it.reason.unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(under(None), []);
    assert_eq!(under(Some(Rules::Styx2)), []);
    let refused = (Kind::RefusedByRules, "received created while in QUEUED".to_owned());
    let text = "cost in tenths 0 instead of 10, failures in a row 0 instead of 1, failures of the infrastructure 1 instead of 0";
    assert_eq!(under(Some(Rules::Ours)), [refused, (Kind::FoldedOtherwise, text.to_owned())]);
}
