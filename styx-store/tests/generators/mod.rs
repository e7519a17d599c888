//! Records and rows of any content.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use styx_core::{
    config::{Backoff, Config, ExecutorCapabilities, FailureLimit, Limit, Rate, Runtime, Timeouts},
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

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![".{0,12}", "[a-z#/ ]{0,4}"].prop_map(Arc::from)
}

fn string() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.to_string())
}

fn maybe<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::of(of)
}

fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    let (min, max) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
    prop_oneof![
        4 => whole_instant(),
        1 => (min.timestamp()..=max.timestamp(), 0..1_000_000_000_u32)
            .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap_or_default()),
        1 => (0..40_000_000_i64, 1_000_000_000..2_000_000_000_u32)
            .prop_map(|(minutes, nanos)| DateTime::from_timestamp(minutes * 60 + 59, nanos).unwrap()),
        1 => Just(min),
        1 => Just(max),
    ]
}

fn whole_instant() -> impl Strategy<Value = DateTime<Utc>> {
    (-100_000_000_000_000_i64..100_000_000_000_000).prop_map(|millis| DateTime::from_timestamp_millis(millis).unwrap())
}

fn span() -> impl Strategy<Value = TimeDelta> {
    prop_oneof![
        any::<i32>().prop_map(|seconds| TimeDelta::seconds(seconds.into())),
        any::<i64>().prop_map(TimeDelta::nanoseconds),
        Just(TimeDelta::MIN),
        Just(TimeDelta::MAX),
    ]
}

fn extensions() -> BoxedStrategy<Extensions> {
    let tag = prop_oneof![0..20_u32, any::<u32>()];
    let some = prop::collection::btree_map(tag, prop::collection::vec(any::<u8>(), 0..20), 1..4);
    prop_oneof![2 => Just(Extensions::default()), 1 => some.prop_map(|fields| Extensions::new(fields).unwrap())].boxed()
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn variables() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(string(), string(), 0..4)
}

fn texts() -> impl Strategy<Value = Arc<[Arc<str>]>> {
    prop::collection::vec(text(), 0..4).prop_map(Arc::from)
}

fn workflow_id() -> impl Strategy<Value = WorkflowId> {
    (text(), text()).prop_map(|(component, workflow)| WorkflowId::new(component, workflow))
}

fn instance_id() -> impl Strategy<Value = InstanceId> {
    (workflow_id(), text()).prop_map(|(workflow, parameter)| InstanceId::new(workflow, parameter))
}

fn execution_id() -> impl Strategy<Value = ExecutionId> {
    prop_oneof![uuid().prop_map(ExecutionId::Run), text().prop_map(ExecutionId::Text)]
}

fn position() -> impl Strategy<Value = Position> {
    any::<u64>().prop_map(Position)
}

fn counter() -> impl Strategy<Value = Counter> {
    prop_oneof![0..300_u64, any::<u64>()].prop_map(Counter)
}

fn state() -> impl Strategy<Value = State> {
    prop::sample::select(&State::ALL[..])
}

fn config() -> BoxedStrategy<Config> {
    let backoff = || (span(), any::<u32>()).prop_map(|(base, max_exponent)| Backoff { base, max_exponent });
    let timeouts = (span(), prop::collection::btree_map(state(), span(), 0..5), maybe(span()))
        .prop_map(|(default, by_state, max_running)| Timeouts { default, by_state, max_running });
    let executor = (text(), any::<bool>(), any::<bool>()).prop_map(|(runner, runs_api_workflows, mounts_secrets)| {
        ExecutorCapabilities { runner, runs_api_workflows, mounts_secrets }
    });
    let numbers = (any::<bool>(), maybe(any::<u32>()), maybe(rate()), any::<u32>(), any::<u32>(), span());
    let limit = (any::<u32>(), span()).prop_map(|(count, span)| FailureLimit { count, span });
    (numbers, backoff(), backoff(), limit, timeouts, executor, runtime(), extensions())
        .prop_map(
            |(
                numbers,
                backoff,
                infrastructure_backoff,
                infrastructure_limit,
                timeouts,
                executor,
                runtime,
                extensions,
            )| {
                Config {
                    scheduling: numbers.0,
                    max_executions: numbers.1,
                    dequeue_rate: numbers.2,
                    catch_up: numbers.3,
                    max_cost_tenths: numbers.4,
                    missing_dependencies_delay: numbers.5,
                    backoff,
                    infrastructure_backoff,
                    infrastructure_limit,
                    timeouts,
                    executor,
                    runtime,
                    extensions,
                }
            },
        )
        .boxed()
}

fn rate() -> impl Strategy<Value = Rate> {
    prop_oneof![1..=u32::MAX, 1..300_u32].prop_map(|rate| Rate(NonZeroU32::new(rate).unwrap()))
}

fn runtime() -> BoxedStrategy<Runtime> {
    let limit = prop_oneof![Just(Limit::Unlimited), any::<u32>().prop_map(Limit::AtMost)];
    let clients = prop::collection::btree_set(text(), 0..4);
    let set = (maybe(limit), maybe(rate()), clients, any::<bool>()).prop_map(
        |(max_executions, dequeue_rate, clients, debug)| Runtime {
            max_executions,
            dequeue_rate,
            blocked_clients: Arc::new(clients),
            debug,
        },
    );
    prop_oneof![1 => Just(Runtime::default()), 3 => set].boxed()
}

fn backfill_spec() -> BoxedStrategy<BackfillSpec> {
    let times = (instant(), instant(), instant());
    let asked = (any::<bool>(), text(), any::<u32>(), maybe(text()), maybe(parameters()));
    (workflow_id(), times, asked)
        .prop_map(|(workflow, (start, end, first), asked)| BackfillSpec {
            workflow,
            start,
            end,
            reverse: asked.0,
            schedule: asked.1,
            concurrency: asked.2,
            description: asked.3,
            parameters: asked.4,
            first,
        })
        .boxed()
}

fn backfill_event() -> impl Strategy<Value = BackfillEvent> {
    use BackfillMove as B;
    let why = prop::sample::select(vec![B::Triggered, B::AlreadyActive]);
    prop_oneof![
        backfill_spec().prop_map(|spec| BackfillEvent::Created(Arc::new(spec))),
        (maybe(any::<u32>()), maybe(text()))
            .prop_map(|(concurrency, description)| BackfillEvent::Edited { concurrency, description }),
        (instant(), instant(), any::<bool>(), why).prop_map(|(instant, next, all_triggered, why)| {
            BackfillEvent::Advanced { instant, next, all_triggered, why }
        }),
        (any::<bool>(), text()).prop_map(|(runs, reason)| BackfillEvent::Halted { runs, reason }),
    ]
}

fn backfill() -> impl Strategy<Value = Backfill> {
    let edited = (any::<u32>(), maybe(text()));
    let times = (instant(), instant(), instant());
    (backfill_spec(), edited, times, any::<bool>(), maybe(text()), any::<bool>()).prop_map(
        |(spec, edited, (next, created_at, modified_at), all_triggered, halted, halts_runs)| Backfill {
            spec,
            concurrency: edited.0,
            description: edited.1,
            next,
            all_triggered,
            halted,
            halts_runs,
            created_at,
            modified_at,
        },
    )
}

fn stored_workflow() -> BoxedStrategy<StoredWorkflow> {
    let origin = prop_oneof![
        (text(), any::<bool>()).prop_map(|(path, enabled)| Origin::File { path, enabled }),
        Just(Origin::Api),
        text().prop_map(|path| Origin::RemovedFile { path }),
    ];
    let runs = prop::sample::select(vec![Runs::Nothing, Runs::Image, Runs::Flyte]);
    let times = (text(), maybe(text()), maybe(span()));
    (".{0,400}", times, runs, texts(), maybe(text()), any::<bool>(), origin, extensions())
        .prop_map(|(json, times, runs, resources, retry_condition, mounts_secret, origin, extensions)| {
            let (schedule, offset, running_timeout) = times;
            let spec = WorkflowSpec {
                schedule,
                offset,
                running_timeout,
                runs,
                resources,
                retry_condition,
                mounts_secret,
                origin,
                extensions,
            };
            StoredWorkflow { json: json.into(), spec }
        })
        .boxed()
}

fn cursor() -> impl Strategy<Value = Cursor> {
    (instant(), instant()).prop_map(|(instant, fires_at)| Cursor { instant, fires_at })
}

fn cursor_move() -> impl Strategy<Value = CursorMove> {
    use CursorMove as C;
    prop::sample::select(vec![
        C::Triggered,
        C::AlreadyActive,
        C::AlreadyCompleted,
        C::AlreadyTriggered,
        C::NoExecution,
        C::Edited,
        C::Enabled,
        C::Operator,
    ])
}

fn trigger() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        Just(Trigger::Natural),
        text().prop_map(Trigger::AdHoc),
        text().prop_map(Trigger::Backfill),
        text().prop_map(Trigger::Unknown),
    ]
}

fn parameters() -> impl Strategy<Value = TriggerParameters> {
    variables().prop_map(|env| TriggerParameters { env: Arc::new(env) })
}

fn message() -> impl Strategy<Value = Message> {
    use MessageLevel as L;
    (prop::sample::select(vec![L::Info, L::Warning, L::Error, L::Unknown]), text())
        .prop_map(|(level, line)| Message { level, line })
}

fn description() -> BoxedStrategy<Description> {
    let optional = || maybe(string());
    let head = (optional(), prop::collection::vec(string(), 0..4), any::<bool>(), optional(), optional());
    let inline = (head, variables(), maybe(span()), optional(), optional(), optional()).prop_map(
        |(head, env, running_timeout, retry_condition, flyte_exec_conf, flyte_execution_id)| ExecutionDescription {
            docker_image: head.0,
            docker_args: head.1,
            docker_termination_logging: head.2,
            service_account: head.3,
            commit_sha: head.4,
            env,
            running_timeout,
            retry_condition,
            flyte_exec_conf,
            flyte_execution_id,
        },
    );
    prop_oneof![
        position().prop_map(Description::Stored),
        inline.prop_map(|inline| Description::Inline(Arc::new(inline)))
    ]
    .boxed()
}

fn event() -> BoxedStrategy<Event> {
    let class = prop::sample::select(vec![FailureClass::User, FailureClass::Infrastructure]);
    prop_oneof![
        (trigger(), parameters(), any::<bool>(), extensions()).prop_map(|(trigger, parameters, missed, extensions)| {
            Event::TriggerExecution { trigger, parameters, missed, extensions }
        }),
        message().prop_map(|message| Event::Info { message }),
        texts().prop_map(|resources| Event::Dequeue { resources }),
        (description(), maybe(execution_id()), maybe(text()), maybe(span()), maybe(text()), extensions()).prop_map(
            |(description, execution, runner, running_timeout, retry_condition, extensions)| {
                Event::Submit { description, execution, runner, running_timeout, retry_condition, extensions }
            }
        ),
        (maybe(execution_id()), maybe(text())).prop_map(|(execution, runner)| Event::Submitted { execution, runner }),
        maybe(any::<i32>()).prop_map(|exit_code| Event::Terminate { exit_code }),
        (text(), class).prop_map(|(message, class)| Event::RunError { message, class }),
        any::<i64>().prop_map(|delay_millis| Event::RetryAfter { delay_millis }),
        maybe(text()).prop_map(|reason| Event::Stop { reason }),
        maybe(text()).prop_map(|reason| Event::Timeout { reason }),
        maybe(text()).prop_map(|reason| Event::Halt { reason }),
        (execution_id(), text()).prop_map(|(execution, docker_image)| Event::Created { execution, docker_image }),
        prop::sample::select(vec![Event::Started, Event::Success, Event::TimeTrigger, Event::Retry]),
    ]
    .boxed()
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        maybe(any::<i32>()).prop_map(|code| Ending::Exit { code }),
        prop::sample::select(vec![Ending::NeverStarted, Ending::Lost, Ending::Operator]),
    ]
}

fn fact() -> BoxedStrategy<Fact> {
    let log = prop_oneof![
        (uuid(), uuid()).prop_map(|(log_id, root_seed)| LogEvent::Started { log_id, root_seed }),
        (uuid(), uuid()).prop_map(|(log_id, root_seed)| LogEvent::Forked { log_id, root_seed }),
    ];
    let workflow = prop_oneof![
        stored_workflow().prop_map(|stored| WorkflowEvent::Stored(Arc::new(stored))),
        Just(WorkflowEvent::Deleted),
        text().prop_map(|path| WorkflowEvent::FileRemoved { path }),
        any::<bool>().prop_map(|enabled| WorkflowEvent::Switched { enabled }),
        (instant(), instant(), any::<u64>(), prop_oneof![Just(SkipReason::Edited), Just(SkipReason::TooManyOwed)])
            .prop_map(|(first, last, count, reason)| WorkflowEvent::CursorSkipped { first, last, count, reason }),
        (text(), maybe(text()), cursor(), instant(), any::<u64>()).prop_map(
            |(schedule, offset, next, until, count)| { WorkflowEvent::Owed { schedule, offset, next, until, count } }
        ),
        (position(), maybe(cursor()), cursor_move()).prop_map(|(owed, to, why)| WorkflowEvent::OwedMoved {
            owed,
            to,
            why
        }),
        (maybe(cursor()), cursor_move(), extensions()).prop_map(|(to, why, extensions)| WorkflowEvent::CursorMoved {
            to,
            why,
            extensions
        }),
    ];
    let run = prop_oneof![
        4 => (counter(), event()).prop_map(|(counter, event)| RunEvent::Styx { counter, event }),
        1 => (counter(), event(), text())
            .prop_map(|(counter, event, error)| RunEvent::Ignored { counter, event, error }),
    ];
    let execution = prop_oneof![
        ending().prop_map(ExecutionEvent::Ended),
        Just(ExecutionEvent::Cleaned),
        (instant(), text()).prop_map(|(retry_at, reason)| ExecutionEvent::Refused { retry_at, reason }),
    ];
    let resource = prop_oneof![
        any::<i64>().prop_map(|concurrency| ResourceEvent::Set { concurrency }),
        Just(ResourceEvent::Deleted),
    ];
    prop_oneof![
        1 => log.prop_map(Fact::Log),
        1 => config().prop_map(|config| Fact::Config(ConfigEvent::Set(Arc::new(config)))),
        1 => any::<bool>().prop_map(|enabled| Fact::Config(ConfigEvent::SchedulingSwitched { enabled })),
        1 => runtime().prop_map(|runtime| Fact::Config(ConfigEvent::Operated(Arc::new(runtime)))),
        1 => Just(Fact::Config(ConfigEvent::ClockAccepted)),
        2 => (text(), backfill_event()).prop_map(|(id, event)| Fact::Backfill(id, event)),
        1 => (text(), resource).prop_map(|(id, event)| Fact::Resource(id, event)),
        2 => (workflow_id(), workflow).prop_map(|(id, event)| Fact::Workflow(id, event)),
        6 => (instance_id(), run).prop_map(|(id, event)| Fact::Run(id, event)),
        2 => (execution_id(), execution).prop_map(|(id, event)| Fact::Execution(id, event)),
    ]
    .boxed()
}

fn cause() -> BoxedStrategy<Cause> {
    prop_oneof![
        prop::sample::select(vec![Cause::Schedule, Cause::Timer, Cause::Engine, Cause::Decision]),
        (text(), text(), text()).prop_map(|(actor, request_id, request)| {
            Cause::Operator(Arc::new(Operator { actor, request_id, request }))
        }),
        (text(), observed(), maybe(instant()), prop::collection::vec(any::<u8>(), 0..40), extensions()).prop_map(
            |(runner, what, observed_at, evidence, extensions)| Cause::Executor {
                runner,
                what,
                observed_at,
                evidence: evidence.into(),
                extensions,
            }
        ),
        instant().prop_map(|at| Cause::Imported { at }),
    ]
    .boxed()
}

fn observed() -> impl Strategy<Value = Observed> {
    prop_oneof![
        prop::sample::select(vec![Observed::Launched, Observed::Started, Observed::NeverStarted, Observed::Cleaned]),
        (instant(), text()).prop_map(|(retry_at, reason)| Observed::Refused { retry_at, reason }),
        text().prop_map(|reason| Observed::NotLaunchable { reason }),
        text().prop_map(|reason| Observed::Lost { reason }),
        maybe(any::<i32>()).prop_map(|code| Observed::Exited { code }),
    ]
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    let key = (text(), uuid()).prop_map(|(key, digest)| IdempotencyKey { key, digest });
    let wall_offset =
        prop_oneof![Just(0), any::<i64>().prop_map(|millis| millis.max(-i64::MAX))].prop_map(TimeDelta::milliseconds);
    (any::<u64>(), 0..1000_u64, (whole_instant(), wall_offset), any::<u64>(), maybe(key), cause(), fact()).prop_map(
        |(position, back, (at, wall_offset), epoch, idempotency_key, cause, fact)| Record {
            position: Position(position),
            decision: Position(position.saturating_sub(back)),
            at,
            wall_offset,
            epoch: Epoch(epoch),
            idempotency_key,
            cause,
            fact,
        },
    )
}

fn run() -> BoxedStrategy<Run> {
    let note = prop_oneof![
        maybe(any::<i32>()).prop_map(Note::Exit),
        text().prop_map(Note::Error),
        message().prop_map(Note::Said),
        (state(), instant(), instant()).prop_map(|(state, since, at)| Note::TimedOut { state, since, at }),
    ];
    let times = (instant(), instant(), instant(), maybe(instant()));
    let head = (state(), maybe(counter()), times, maybe(any::<i64>()));
    let infrastructure = (any::<u32>(), maybe(instant()));
    let tally = (any::<u32>(), any::<u32>(), infrastructure, any::<u32>(), maybe(any::<i32>()));
    let origin = (maybe(trigger()), maybe(parameters()), any::<bool>(), any::<bool>(), extensions());
    let limits = (maybe(span()), maybe(text()), extensions());
    let tried = (maybe(execution_id()), maybe(text()), maybe(description()), limits, maybe(texts()));
    (head, tally, origin, tried, maybe(note))
        .prop_map(|(head, tally, origin, tried, note)| Run {
            state: head.0,
            counter: head.1,
            began_at: head.2.0,
            since: head.2.1,
            last_event_at: head.2.2,
            eligible_at: head.2.3,
            retry_delay_millis: head.3,
            tries: tally.0,
            consecutive_failures: tally.1,
            infrastructure_failures: tally.2.0,
            infrastructure_since: tally.2.1,
            cost_tenths: tally.3,
            last_exit: tally.4,
            trigger: origin.0,
            parameters: origin.1,
            missed: origin.2,
            trigger_extensions: origin.4,
            imported: origin.3,
            execution: tried.0,
            runner: tried.1,
            description: tried.2,
            running_timeout: tried.3.0,
            retry_condition: tried.3.1,
            submit_extensions: tried.3.2,
            resources: tried.4,
            note,
        })
        .boxed()
}

pub(crate) fn row() -> impl Strategy<Value = Row> {
    let log = (maybe((uuid(), uuid())), position(), instant(), position(), instant()).prop_map(
        |(identity, tail, at, decision, rate_used)| Row::Log(LogRow { identity, tail, at, decision, rate_used }),
    );
    let owed = (position(), text(), maybe(text()), cursor(), instant())
        .prop_map(|(since, schedule, offset, next, until)| Owed { since, schedule, offset, next, until });
    let due = (any::<bool>(), maybe(cursor()), any::<bool>(), proptest::collection::vec(owed, 0..3));
    let workflow = (position(), instant(), uuid(), stored_workflow(), due).prop_map(
        |(stored_at, deployed_at, json_digest, stored, (enabled, cursor, chosen_cursor, owed))| {
            let spec = stored.spec;
            Row::Workflow(Workflow { stored_at, deployed_at, json_digest, spec, enabled, cursor, chosen_cursor, owed })
        },
    );
    let phase = prop_oneof![
        maybe(instant()).prop_map(|retry_at| Phase::Launching { retry_at }),
        Just(Phase::Launched),
        Just(Phase::Running),
        ending().prop_map(Phase::Ended),
    ];
    let given = (uuid(), text(), texts(), maybe(text()));
    let execution = (instance_id(), position(), given, phase, instant()).prop_map(
        |(instance, submitted_by, given, phase, since)| {
            let (log_id, runner, resources, refusal) = given;
            Row::Execution(Execution { instance, submitted_by, log_id, runner, resources, refusal, phase, since })
        },
    );
    prop_oneof![
        log,
        config().prop_map(|config| Row::Config(Arc::new(config))),
        workflow,
        run().prop_map(Row::Run),
        execution,
        backfill().prop_map(Row::Backfill),
        any::<i64>().prop_map(|concurrency| Row::Resource(Resource { concurrency })),
        run().prop_map(|run| Row::Finished(Finished(run))),
        (position(), uuid()).prop_map(|(by, digest)| Row::Answered(Answered { by, digest })),
    ]
}
