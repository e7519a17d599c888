//! One record of every kind and every row, for the golden files.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    config::{Config, Limit, Rate, Runtime},
    event::{
        Description, Event, ExecutionDescription, FailureClass, Message, MessageLevel, Trigger, TriggerParameters,
    },
    execution::{Execution, Phase},
    executor::Observed,
    extensions::Extensions,
    id::{Counter, Epoch, ExecutionId, InstanceId, Position, WorkflowId},
    record::{
        BackfillEvent, BackfillMove, BackfillSpec, Cause, ConfigEvent, Cursor, CursorMove, Ending, ExecutionEvent,
        Fact, IdempotencyKey, LogEvent, Operator, Origin, Record, ResourceEvent, RunEvent, Runs, SkipReason,
        StoredWorkflow, WorkflowEvent, WorkflowSpec,
    },
    run::{Note, Run, State},
    world::{Answered, Backfill, Finished, LogRow, Owed, Resource, Row, Workflow},
};
use uuid::Uuid;

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_714_953_600_000 + millis).unwrap()
}

fn uuid(last: u128) -> Uuid {
    Uuid::from_u128(0x0b9d_6d0e_6a55_4d3a_9a7d_2f5f_7c3f_0000 | last)
}

fn workflow() -> WorkflowId {
    WorkflowId::new("sales", "daily#eu")
}

fn instance() -> InstanceId {
    InstanceId::new(workflow(), "2024-05-06")
}

fn execution() -> ExecutionId {
    ExecutionId::Run(uuid(3))
}

fn variables() -> BTreeMap<String, String> {
    [("A", "1"), ("ZÜRICH", "wert")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn stored(origin: Origin) -> Arc<StoredWorkflow> {
    Arc::new(StoredWorkflow { json: r#"{"id":"daily#eu","schedule":"days"}"#.into(), spec: spec(origin) })
}

/// One of a file runs an image and has everything, one of the API runs in Flyte and has little.
fn spec(origin: Origin) -> WorkflowSpec {
    let is_file = matches!(origin, Origin::File { .. });
    WorkflowSpec {
        schedule: "days".into(),
        offset: Some("PT1H".into()),
        running_timeout: Some(TimeDelta::hours(3)),
        runs: if is_file { Runs::Image } else { Runs::Flyte },
        resources: Arc::from([Arc::from("warehouse")]),
        retry_condition: is_file.then(|| "#tries < 3".into()),
        mounts_secret: is_file,
        extensions: Extensions::default(),
        origin,
    }
}

fn cursor() -> Cursor {
    Cursor { instant: at(0), fires_at: at(3_600_000) }
}

fn moved(to: Option<Cursor>, why: CursorMove) -> WorkflowEvent {
    WorkflowEvent::CursorMoved { to, why, extensions: Extensions::default() }
}

/// Later fields: one without bytes, and one with bytes that are no text.
fn extensions() -> Extensions {
    Extensions::new([(64, &[][..]), (1_000, &[0xde, 0xad, 0xbe, 0xef])]).unwrap()
}

fn runtime() -> Runtime {
    Runtime {
        max_executions: Some(Limit::AtMost(40)),
        dequeue_rate: Rate::per_second(0.5),
        blocked_clients: Arc::new(BTreeSet::from(["styx-cli/1.0".into(), "ü".into()])),
        debug: true,
    }
}

/// Everything, or as little as there can be.
fn backfill(full: bool) -> BackfillSpec {
    BackfillSpec {
        workflow: workflow(),
        start: at(0),
        end: at(86_400_000),
        reverse: full,
        schedule: "days".into(),
        concurrency: 3,
        description: full.then(|| "again, with the right prices".into()),
        parameters: full.then(|| TriggerParameters { env: Arc::new(variables()) }),
        first: at(0),
    }
}

fn events() -> Vec<(&'static str, Event)> {
    let inline = ExecutionDescription {
        docker_image: Some("busybox:1.1".into()),
        docker_args: vec!["echo".into(), "2024-05-06".into()],
        docker_termination_logging: true,
        service_account: Some("a@b.c".into()),
        commit_sha: Some("71d70fca99e29812e81d1ed0a5c9d3559f4118e9".into()),
        env: variables(),
        running_timeout: Some(TimeDelta::minutes(90)),
        retry_condition: Some("#tries < 3".into()),
        flyte_exec_conf: Some("{}".into()),
        flyte_execution_id: Some("f-1".into()),
    };
    let reason = || Some(Arc::from("asked for"));
    vec![
        (
            "trigger-execution",
            Event::TriggerExecution {
                trigger: Trigger::AdHoc("ad-hoc-cli-1489054446085-53384".into()),
                parameters: TriggerParameters { env: Arc::new(variables()) },
                missed: true,
                extensions: Extensions::default(),
            },
        ),
        (
            "trigger-execution-natural",
            Event::TriggerExecution {
                trigger: Trigger::Natural,
                parameters: TriggerParameters::default(),
                missed: false,
                extensions: Extensions::default(),
            },
        ),
        (
            "trigger-execution-backfill",
            Event::TriggerExecution {
                trigger: Trigger::Backfill("backfill-1".into()),
                parameters: TriggerParameters::default(),
                missed: false,
                extensions: Extensions::default(),
            },
        ),
        (
            "trigger-execution-unknown",
            Event::TriggerExecution {
                trigger: Trigger::Unknown("UNKNOWN".into()),
                parameters: TriggerParameters::default(),
                missed: false,
                extensions: Extensions::default(),
            },
        ),
        (
            "trigger-execution-extended",
            Event::TriggerExecution {
                trigger: Trigger::Natural,
                parameters: TriggerParameters::default(),
                missed: false,
                extensions: extensions(),
            },
        ),
        (
            "submit-extended",
            Event::Submit {
                description: Description::Stored(Position(17)),
                execution: Some(execution()),
                runner: Some("default".into()),
                running_timeout: None,
                retry_condition: None,
                extensions: extensions(),
            },
        ),
        ("info", Event::Info { message: Message { level: MessageLevel::Warning, line: "waits: ä".into() } }),
        ("dequeue", Event::Dequeue { resources: Arc::from([Arc::from("a"), Arc::from("b")]) }),
        (
            "submit",
            Event::Submit {
                description: Description::Stored(Position(17)),
                execution: Some(execution()),
                runner: Some("default".into()),
                running_timeout: Some(TimeDelta::hours(24)),
                retry_condition: Some("#exitCode != 1".into()),
                extensions: Extensions::default(),
            },
        ),
        (
            "submit-inline",
            Event::Submit {
                description: Description::Inline(Arc::new(inline)),
                execution: Some(ExecutionId::Text("styx-run-x".into())),
                runner: None,
                running_timeout: None,
                retry_condition: None,
                extensions: Extensions::default(),
            },
        ),
        ("submitted", Event::Submitted { execution: Some(execution()), runner: Some("default".into()) }),
        ("started", Event::Started),
        ("terminate", Event::Terminate { exit_code: Some(-1) }),
        ("run-error", Event::RunError { message: "no such image".into(), class: FailureClass::Infrastructure }),
        ("success", Event::Success),
        ("retry-after", Event::RetryAfter { delay_millis: i64::MAX }),
        ("stop", Event::Stop { reason: reason() }),
        ("timeout", Event::Timeout { reason: reason() }),
        ("halt", Event::Halt { reason: None }),
        ("time-trigger", Event::TimeTrigger),
        ("created", Event::Created { execution: execution(), docker_image: "busybox".into() }),
        ("retry", Event::Retry),
    ]
}

/// Records by the name of their golden file. New kinds are added; what is here stays.
pub(crate) fn records() -> Vec<(String, Record)> {
    let mut facts = vec![
        ("log-started".to_owned(), Fact::Log(LogEvent::Started { log_id: uuid(1), root_seed: uuid(2) })),
        ("config-scheduling-switched".to_owned(), Fact::Config(ConfigEvent::SchedulingSwitched { enabled: false })),
        ("log-forked".to_owned(), Fact::Log(LogEvent::Forked { log_id: uuid(4), root_seed: uuid(5) })),
        ("config-set".to_owned(), Fact::Config(ConfigEvent::Set(Arc::new(Config::default())))),
        (
            "workflow-stored-file".to_owned(),
            Fact::Workflow(
                workflow(),
                WorkflowEvent::Stored(stored(Origin::File { path: "eu/daily.yaml".into(), enabled: true })),
            ),
        ),
        ("workflow-stored-api".to_owned(), Fact::Workflow(workflow(), WorkflowEvent::Stored(stored(Origin::Api)))),
        (
            "workflow-stored-removed-file".to_owned(),
            Fact::Workflow(
                workflow(),
                WorkflowEvent::Stored(stored(Origin::RemovedFile { path: "eu/daily.yaml".into() })),
            ),
        ),
        (
            "workflow-file-removed".to_owned(),
            Fact::Workflow(workflow(), WorkflowEvent::FileRemoved { path: "eu/daily.yaml".into() }),
        ),
        ("workflow-deleted".to_owned(), Fact::Workflow(workflow(), WorkflowEvent::Deleted)),
        ("workflow-switched".to_owned(), Fact::Workflow(workflow(), WorkflowEvent::Switched { enabled: true })),
        ("execution-cleaned".to_owned(), Fact::Execution(execution(), ExecutionEvent::Cleaned)),
        (
            "execution-refused".to_owned(),
            Fact::Execution(execution(), ExecutionEvent::Refused { retry_at: at(9), reason: "quota".into() }),
        ),
        (
            "config-set-operated".to_owned(),
            Fact::Config(ConfigEvent::Set(Arc::new(Config {
                max_executions: Some(7),
                dequeue_rate: None,
                runtime: runtime(),
                ..Config::default()
            }))),
        ),
        ("config-operated".to_owned(), Fact::Config(ConfigEvent::Operated(Arc::new(runtime())))),
        ("config-clock-accepted".to_owned(), Fact::Config(ConfigEvent::ClockAccepted)),
        (
            "config-operated-unlimited".to_owned(),
            Fact::Config(ConfigEvent::Operated(Arc::new(Runtime {
                max_executions: Some(Limit::Unlimited),
                ..Runtime::default()
            }))),
        ),
        (
            "run-ignored".to_owned(),
            Fact::Run(
                instance(),
                RunEvent::Ignored {
                    counter: Counter(3),
                    event: Event::Started,
                    error: "received started while in QUEUED".into(),
                },
            ),
        ),
    ];
    facts.extend([
        (
            "workflow-stored-extended".to_owned(),
            Fact::Workflow(
                workflow(),
                WorkflowEvent::Stored(Arc::new(StoredWorkflow {
                    json: "{}".into(),
                    spec: WorkflowSpec { extensions: extensions(), ..spec(Origin::Api) },
                })),
            ),
        ),
        (
            "workflow-cursor-extended".to_owned(),
            Fact::Workflow(
                workflow(),
                WorkflowEvent::CursorMoved { to: Some(cursor()), why: CursorMove::Triggered, extensions: extensions() },
            ),
        ),
        (
            "config-set-extended".to_owned(),
            Fact::Config(ConfigEvent::Set(Arc::new(Config { extensions: extensions(), ..Config::default() }))),
        ),
    ]);
    let moves = [
        ("triggered", CursorMove::Triggered),
        ("already-active", CursorMove::AlreadyActive),
        ("already-completed", CursorMove::AlreadyCompleted),
        ("no-execution", CursorMove::NoExecution),
        ("edited", CursorMove::Edited),
        ("enabled", CursorMove::Enabled),
        ("operator", CursorMove::Operator),
        ("already-triggered", CursorMove::AlreadyTriggered),
    ];
    facts.extend(moves.map(|(name, why)| {
        let to = (why != CursorMove::Edited).then(cursor);
        (format!("workflow-cursor-{name}"), Fact::Workflow(workflow(), moved(to, why)))
    }));
    let owed = |offset: Option<&str>| WorkflowEvent::Owed {
        schedule: "0 6,20 * * *".into(),
        offset: offset.map(Into::into),
        next: cursor(),
        until: at(7_200_000),
        count: 300,
    };
    let owed_moved = |to| WorkflowEvent::OwedMoved { owed: Position(70_000), to, why: CursorMove::Triggered };
    let skipped = |reason| WorkflowEvent::CursorSkipped { first: at(0), last: at(7_200_000), count: 3, reason };
    let owed_events = [
        ("owed", owed(None)),
        ("owed-offset", owed(Some("P1DT2H"))),
        ("owed-moved", owed_moved(Some(cursor()))),
        ("owed-done", owed_moved(None)),
        ("skipped-edited", skipped(SkipReason::Edited)),
        ("skipped-too-many-owed", skipped(SkipReason::TooManyOwed)),
    ];
    facts.extend(owed_events.map(|(name, event)| (format!("workflow-{name}"), Fact::Workflow(workflow(), event))));
    let advanced = |all_triggered, why| BackfillEvent::Advanced { instant: at(1), next: at(2), all_triggered, why };
    let backfill_events = [
        ("created", BackfillEvent::Created(Arc::new(backfill(false)))),
        ("created-full", BackfillEvent::Created(Arc::new(backfill(true)))),
        ("edited", BackfillEvent::Edited { concurrency: Some(5), description: Some("ä".into()) }),
        ("edited-nothing", BackfillEvent::Edited { concurrency: None, description: None }),
        ("advanced", advanced(false, BackfillMove::Triggered)),
        ("advanced-active", advanced(true, BackfillMove::AlreadyActive)),
        ("halted", BackfillEvent::Halted { runs: true, reason: "halted by ann".into() }),
    ];
    facts.extend(
        backfill_events.map(|(name, event)| (format!("backfill-{name}"), Fact::Backfill("backfill-1".into(), event))),
    );
    let resource_events = [("set", ResourceEvent::Set { concurrency: -3 }), ("deleted", ResourceEvent::Deleted)];
    facts.extend(
        resource_events.map(|(name, event)| (format!("resource-{name}"), Fact::Resource("warehouse".into(), event))),
    );
    let endings = [
        ("exit", Ending::Exit { code: Some(143) }),
        ("exit-unknown", Ending::Exit { code: None }),
        ("never-started", Ending::NeverStarted),
        ("lost", Ending::Lost),
        ("operator", Ending::Operator),
    ];
    facts.extend(endings.map(|(name, ending)| {
        let id = ExecutionId::Text("old/name".into());
        (format!("execution-ended-{name}"), Fact::Execution(id, ExecutionEvent::Ended(ending)))
    }));
    facts.extend(events().into_iter().map(|(name, event)| {
        (format!("run-{name}"), Fact::Run(instance(), RunEvent::Styx { counter: Counter(300), event }))
    }));
    let mut records: Vec<_> = facts.into_iter().map(|(name, fact)| (name, record(fact, Cause::Engine))).collect();
    let causes = [
        ("schedule", Cause::Schedule),
        ("timer", Cause::Timer),
        (
            "operator",
            Cause::Operator(Arc::new(Operator {
                actor: "anonymous".into(),
                request_id: "r-1".into(),
                request: r#"{"method":"POST"}"#.into(),
            })),
        ),
        ("executor", seen(Observed::Exited { code: Some(0) })),
        ("executor-launched", seen(Observed::Launched)),
        ("executor-refused", seen(Observed::Refused { retry_at: at(9), reason: "quota".into() })),
        ("executor-not-launchable", seen(Observed::NotLaunchable { reason: "no such program".into() })),
        ("executor-started", seen(Observed::Started)),
        ("executor-lost", seen(Observed::Lost { reason: "node gone".into() })),
        ("executor-never-started", seen(Observed::NeverStarted)),
        ("executor-cleaned", seen(Observed::Cleaned)),
        (
            "executor-extended",
            Cause::Executor {
                runner: "local".into(),
                what: Observed::Launched,
                observed_at: None,
                evidence: Arc::default(),
                extensions: extensions(),
            },
        ),
        ("imported", Cause::Imported { at: at(-5) }),
        ("engine", Cause::Engine),
        ("decision", Cause::Decision),
    ];
    let caused =
        |cause| record(Fact::Run(instance(), RunEvent::Styx { counter: Counter(1), event: Event::Success }), cause);
    records.extend(causes.map(|(name, cause)| (format!("cause-{name}"), caused(cause))));
    // The wall clock was set back by two hours; it shows the year 2200 and isn't believed.
    for (name, wall_offset) in [("back", TimeDelta::hours(-2)), ("ahead", TimeDelta::days(63_000))] {
        let triggered = caused(Cause::Timer);
        records
            .push((format!("wall-offset-{name}"), Record { decision: triggered.position, wall_offset, ..triggered }));
    }
    records
}

fn seen(what: Observed) -> Cause {
    let evidence = Arc::from(&br#"{"exit":0}"#[..]);
    Cause::Executor {
        runner: "local".into(),
        what,
        observed_at: Some(at(-7)),
        evidence,
        extensions: Extensions::default(),
    }
}

fn record(fact: Fact, cause: Cause) -> Record {
    Record {
        position: Position(70_000),
        decision: Position(69_998),
        at: at(123),
        wall_offset: TimeDelta::zero(),
        epoch: Epoch(3),
        idempotency_key: matches!(cause, Cause::Operator(_))
            .then(|| IdempotencyKey { key: "once".into(), digest: uuid(7) }),
        cause,
        fact,
    }
}

/// Rows by the name of their golden file.
pub(crate) fn rows() -> Vec<(String, Row)> {
    let mut run = Run::new(Some(Counter(5)), at(0));
    run.began_at = at(-60_000);
    run.state = State::Running;
    run.eligible_at = Some(DateTime::<Utc>::MAX_UTC);
    run.retry_delay_millis = Some(-1);
    run.tries = 2;
    run.consecutive_failures = 1;
    run.infrastructure_failures = 3;
    run.infrastructure_since = Some(at(-30_000));
    run.cost_tenths = 11;
    run.last_exit = Some(20);
    run.trigger = Some(Trigger::Backfill("backfill-1".into()));
    run.parameters = Some(TriggerParameters { env: Arc::new(variables()) });
    run.missed = true;
    run.imported = true;
    run.execution = Some(execution());
    run.runner = Some("default".into());
    run.description = Some(Description::Stored(Position(17)));
    run.running_timeout = Some(TimeDelta::hours(1));
    run.retry_condition = Some("#exitCode != 1".into());
    run.resources = Some(Arc::from([Arc::from("a")]));
    let notes = [
        ("exit", Note::Exit(Some(20))),
        ("error", Note::Error("no such image".into())),
        ("said", Note::Said(Message { level: MessageLevel::Unknown, line: "x".into() })),
        ("timed-out", Note::TimedOut { state: State::Submitted, since: at(0), at: at(600_000) }),
    ];
    let extended = Run { trigger_extensions: extensions(), submit_extensions: extensions(), ..run.clone() };
    let phases = [
        ("launching", Phase::Launching { retry_at: Some(at(1)) }),
        ("launched", Phase::Launched),
        ("running", Phase::Running),
        ("ended", Phase::Ended(Ending::Lost)),
    ];
    let finished = Run {
        state: State::Done,
        began_at: at(-60_000),
        trigger: Some(Trigger::Natural),
        note: Some(Note::Exit(Some(0))),
        ..Run::new(Some(Counter(8)), at(0))
    };
    let made = Backfill {
        spec: backfill(true),
        concurrency: 5,
        description: Some("ä".into()),
        next: at(1),
        all_triggered: false,
        halted: Some("halted by ann".into()),
        halts_runs: true,
        created_at: at(2),
        modified_at: at(3),
    };
    let open = Backfill { spec: backfill(false), description: None, halted: None, halts_runs: false, ..made.clone() };
    let workflow = Workflow {
        stored_at: Position(17),
        deployed_at: at(0),
        json_digest: uuid(6),
        spec: spec(Origin::Api),
        enabled: true,
        cursor: Some(cursor()),
        chosen_cursor: false,
        owed: Vec::new(),
    };
    let owed = |since, offset: Option<&str>| Owed {
        since: Position(since),
        schedule: "hours".into(),
        offset: offset.map(Into::into),
        next: cursor(),
        until: at(7_200_000),
    };
    let owing =
        Workflow { chosen_cursor: true, owed: vec![owed(3, None), owed(70_000, Some("PT2H"))], ..workflow.clone() };
    let removed = Workflow { spec: spec(Origin::RemovedFile { path: "eu/daily.yaml".into() }), ..workflow.clone() };
    let mut rows = vec![
        (
            "log".to_owned(),
            Row::Log(LogRow {
                identity: Some((uuid(1), uuid(2))),
                tail: Position(70_000),
                at: at(5),
                decision: Position(69_998),
                rate_used: DateTime::from_timestamp(1_714_953_600, 7_001_000).unwrap(),
            }),
        ),
        ("log-empty".to_owned(), Row::Log(LogRow::default())),
        ("config".to_owned(), Row::Config(Arc::new(Config::default()))),
        ("workflow".to_owned(), Row::Workflow(workflow)),
        ("workflow-removed-file".to_owned(), Row::Workflow(removed.clone())),
        (
            "workflow-extended".to_owned(),
            Row::Workflow(Workflow {
                spec: WorkflowSpec { extensions: extensions(), ..spec(Origin::Api) },
                ..removed.clone()
            }),
        ),
        ("run-extended".to_owned(), Row::Run(extended)),
        ("config-extended".to_owned(), Row::Config(Arc::new(Config { extensions: extensions(), ..Config::default() }))),
        ("workflow-owing".to_owned(), Row::Workflow(owing)),
        ("run-new".to_owned(), Row::Run(Run::new(None, at(0)))),
        ("config-operated".to_owned(), Row::Config(Arc::new(Config { runtime: runtime(), ..Config::default() }))),
        ("finished".to_owned(), Row::Finished(Finished(finished))),
        ("backfill".to_owned(), Row::Backfill(open)),
        ("backfill-halted".to_owned(), Row::Backfill(made)),
        ("resource".to_owned(), Row::Resource(Resource { concurrency: -3 })),
        ("answered".to_owned(), Row::Answered(Answered { by: Position(70_000), digest: uuid(7) })),
    ];
    rows.extend(notes.map(|(name, note)| {
        let run = Run { note: Some(note), ..run.clone() };
        (format!("run-{name}"), Row::Run(run))
    }));
    rows.extend(phases.map(|(name, phase)| {
        let row = Execution {
            instance: instance(),
            submitted_by: Position(20),
            log_id: uuid(1),
            runner: "default".into(),
            resources: Arc::from([Arc::from("a")]),
            refusal: Some("quota".into()),
            phase,
            since: at(2),
        };
        (format!("execution-{name}"), Row::Execution(row))
    }));
    rows
}
