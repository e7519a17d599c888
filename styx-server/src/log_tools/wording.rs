//! What a record says, in words: for a run's events the info texts of Styx's tools (SM §26).

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use styx_core::{
    config::{Config, Limit, Rate, Runtime},
    event::{Description, Event, ExecutionDescription, TriggerParameters},
    id::ExecutionId,
    record::{
        BackfillEvent, BackfillMove, BackfillSpec, Cause, ConfigEvent, CursorMove, Ending, ExecutionEvent, Fact,
        LogEvent, Origin, Record, ResourceEvent, RunEvent, SkipReason, WorkflowEvent,
    },
    workflow::Span,
};
use styx_host::text::visible;

use super::redact;

/// The details of what happened, on one line; often empty.
pub(super) fn info(record: &Record) -> String {
    let text = match &record.fact {
        Fact::Log(LogEvent::Started { log_id, .. } | LogEvent::Forked { log_id, .. }) => format!("Log id: {log_id}"),
        Fact::Config(ConfigEvent::Set(config)) => config_text(config),
        Fact::Config(ConfigEvent::SchedulingSwitched { enabled }) => on_off(*enabled).into(),
        Fact::Config(ConfigEvent::Operated(runtime)) => runtime_text(runtime),
        Fact::Config(ConfigEvent::ClockAccepted) => "the wall clock counts, which wasn't believed".into(),
        Fact::Workflow(_, event) => workflow_text(event),
        Fact::Run(_, RunEvent::Styx { event, .. }) => event_text(event),
        Fact::Run(_, RunEvent::Ignored { event, error, .. }) => format!("{}: {error}", event.kind()),
        Fact::Execution(_, event) => execution_text(event),
        Fact::Backfill(_, event) => backfill_text(event),
        Fact::Resource(_, ResourceEvent::Set { concurrency }) => format!("Concurrency: {concurrency}"),
        Fact::Resource(_, ResourceEvent::Deleted) => String::new(),
    };
    one_line(&text)
}

/// Who or what caused it; `None` for what its decision's first record says.
pub(super) fn cause(cause: &Cause) -> Option<String> {
    Some(match cause {
        Cause::Decision => return None,
        Cause::Schedule => "schedule".into(),
        Cause::Timer => "timer".into(),
        Cause::Engine => "engine".into(),
        Cause::Operator(operator) => one_line(&format!("operator {}", operator.actor)),
        Cause::Executor { runner, .. } => one_line(&format!("executor {runner}")),
        Cause::Imported { .. } => "imported".into(),
    })
}

/// An instant as in the API.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Why a cursor moved.
pub(super) fn move_name(why: CursorMove) -> &'static str {
    match why {
        CursorMove::Triggered => "triggered",
        CursorMove::AlreadyActive => "alreadyActive",
        CursorMove::AlreadyCompleted => "alreadyCompleted",
        CursorMove::AlreadyTriggered => "alreadyTriggered",
        CursorMove::NoExecution => "noExecution",
        CursorMove::Edited => "edited",
        CursorMove::Enabled => "enabled",
        CursorMove::Operator => "operator",
    }
}

/// Why instants are skipped.
pub(super) fn skip_name(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Edited => "edited",
        SkipReason::TooManyOwed => "tooManyOwed",
    }
}

/// What became of a partition of a backfill.
pub(super) fn backfill_move_name(why: BackfillMove) -> &'static str {
    match why {
        BackfillMove::Triggered => "triggered",
        BackfillMove::AlreadyActive => "alreadyActive",
    }
}

/// Styx's words for an exit code.
fn exit_text(code: Option<i32>) -> String {
    code.map_or_else(|| "Exit code: -".into(), |code| format!("Exit code: {code}"))
}

fn event_text(event: &Event) -> String {
    match event {
        Event::TriggerExecution { trigger, parameters, missed, .. } => {
            let missed = if *missed { ", missed" } else { "" };
            format!("Trigger id: {}, Parameters: {}{missed}", trigger.id(), parameters_text(parameters))
        }
        Event::Info { message } => message.line.to_string(),
        Event::Dequeue { resources } if resources.is_empty() => String::new(),
        Event::Dequeue { resources } => format!("Resources: {}", resources.join(", ")),
        Event::Submit { description, execution, runner, retry_condition, .. } => {
            let description = match description {
                Description::Stored(position) => format!("record {position}"),
                Description::Inline(description) => inline_text(description),
            };
            let condition = retry_condition.as_ref().map(|condition| format!(", retry condition: {condition}"));
            format!(
                "Execution description: {description}, id: {}{}{}",
                id_text(execution.as_ref()),
                runner_text(runner),
                condition.unwrap_or_default()
            )
        }
        Event::Submitted { execution, runner } => {
            format!("Execution id: {}{}", id_text(execution.as_ref()), runner_text(runner))
        }
        Event::Terminate { exit_code } => exit_text(*exit_code),
        Event::RunError { message, .. } => format!("Error message: {message}"),
        Event::RetryAfter { delay_millis } => format!("Delay (seconds): {}", delay_millis / 1000),
        Event::Stop { reason } | Event::Timeout { reason } | Event::Halt { reason } => {
            reason.as_deref().unwrap_or_default().into()
        }
        Event::Created { execution, docker_image } => {
            format!("Execution id: {execution}, Docker image: {docker_image}")
        }
        Event::Started | Event::Success | Event::TimeTrigger | Event::Retry => String::new(),
    }
}

fn parameters_text(parameters: &TriggerParameters) -> String {
    json!({ "env": redact::env(&parameters.env) }).to_string()
}

fn inline_text(description: &ExecutionDescription) -> String {
    let ExecutionDescription { docker_image, docker_args, .. } = description;
    format!("{} {docker_args:?}", docker_image.as_deref().unwrap_or("-"))
}

fn id_text(execution: Option<&ExecutionId>) -> String {
    execution.map_or_else(|| "-".into(), ToString::to_string)
}

fn runner_text(runner: &Option<impl AsRef<str>>) -> String {
    runner.as_ref().map_or_else(String::new, |runner| format!(", runner id: {}", runner.as_ref()))
}

fn config_text(config: &Config) -> String {
    let Config { max_executions, dequeue_rate, catch_up, max_cost_tenths, .. } = config;
    let Config { missing_dependencies_delay, backoff, executor, .. } = config;
    let max_executions = max_executions.map_or_else(|| "no limit".into(), |max| max.to_string());
    let dequeue_rate = dequeue_rate.map_or_else(|| "no limit".into(), rate_text);
    format!(
        "Max executions: {max_executions}, dequeues: {dequeue_rate}, catch-up: {catch_up}, max cost: {}.{}, back-off: {}, \
         missing dependencies: {}, executor: {}{}",
        max_cost_tenths / 10,
        max_cost_tenths % 10,
        Span::from(backoff.base),
        Span::from(*missing_dependencies_delay),
        executor.runner,
        executors_text(config),
    )
}

/// The executors beside the configuration's own, and the choice of operators, if there are any.
fn executors_text(config: &Config) -> String {
    let others = config.executor_table().others;
    let names: Vec<&str> = others.iter().map(|executor| &*executor.runner).collect();
    let beside = if names.is_empty() { String::new() } else { format!(", beside: {}", names.join(", ")) };
    let chosen = config.chosen_executor().map(|name| format!(", chosen by operators: {name}"));
    beside + &chosen.unwrap_or_default()
}

fn rate_text(rate: Rate) -> String {
    format!("{} a second", rate.to_per_second())
}

fn runtime_text(runtime: &Runtime) -> String {
    let Runtime { max_executions, dequeue_rate, blocked_clients, debug } = runtime;
    let max_executions = match max_executions {
        None => "as configured".into(),
        Some(Limit::Unlimited) => "no limit".into(),
        Some(Limit::AtMost(max)) => max.to_string(),
    };
    let dequeue_rate = dequeue_rate.map_or_else(|| "as configured".into(), rate_text);
    let clients: Vec<&str> = blocked_clients.iter().map(|client| &**client).collect();
    let clients = if clients.is_empty() { "none".into() } else { clients.join(", ") };
    let debug = on_off(*debug).to_lowercase();
    format!("Max executions: {max_executions}, dequeues: {dequeue_rate}, blocked clients: {clients}, debug: {debug}")
}

fn backfill_text(event: &BackfillEvent) -> String {
    match event {
        BackfillEvent::Created(spec) => {
            let BackfillSpec { workflow, start, end, reverse, concurrency, description, parameters, .. } = &**spec;
            let reverse = if *reverse { ", in reverse" } else { "" };
            let description = description.as_ref().map(|text| format!(", description: {text}")).unwrap_or_default();
            let parameters =
                parameters.as_ref().map(|parameters| format!(", Parameters: {}", parameters_text(parameters)));
            format!(
                "Workflow: {workflow}, from {} to {}{reverse}, concurrency: {concurrency}{description}{}",
                instant(*start),
                instant(*end),
                parameters.unwrap_or_default()
            )
        }
        BackfillEvent::Edited { concurrency, description } => {
            let concurrency = concurrency.map(|concurrency| format!("Concurrency: {concurrency}"));
            let description = description.as_ref().map(|description| format!("Description: {description}"));
            concurrency.into_iter().chain(description).collect::<Vec<_>>().join(", ")
        }
        BackfillEvent::Advanced { instant: at, next, all_triggered, why } => {
            let next = if *all_triggered { "none".into() } else { instant(*next) };
            format!("Partition: {}, next: {next} ({})", instant(*at), backfill_move_name(*why))
        }
        BackfillEvent::Halted { runs, reason } => {
            format!("{reason}{}", if *runs { ", with its active runs" } else { "" })
        }
    }
}

fn workflow_text(event: &WorkflowEvent) -> String {
    match event {
        WorkflowEvent::Stored(stored) => {
            let offset = stored.spec.offset.as_ref().map_or_else(String::new, |offset| format!(", offset: {offset}"));
            let from = match &stored.spec.origin {
                Origin::File { path, .. } => format!("file {path}"),
                Origin::Api => "the API".into(),
                Origin::RemovedFile { path } => format!("removed file {path}"),
            };
            format!("Schedule: {}{offset}, from: {from}", stored.spec.schedule)
        }
        WorkflowEvent::Deleted => String::new(),
        WorkflowEvent::FileRemoved { path } => format!("File: {path}"),
        WorkflowEvent::Switched { enabled } => on_off(*enabled).into(),
        WorkflowEvent::CursorSkipped { first, last, count, reason } => {
            format!("Instants: {count}, from {} to {} ({})", instant(*first), instant(*last), skip_name(*reason))
        }
        WorkflowEvent::Owed { schedule, offset, next, until, count } => {
            let offset = offset.as_ref().map_or_else(String::new, |offset| format!(", offset: {offset}"));
            format!(
                "Schedule: {schedule}{offset}, instants: {count}, next: {}, fired until: {}",
                instant(next.instant),
                instant(*until)
            )
        }
        WorkflowEvent::OwedMoved { owed, to: None, why } => {
            format!("Nothing is owed by {owed} any more ({})", move_name(*why))
        }
        WorkflowEvent::OwedMoved { owed, to: Some(cursor), why } => {
            format!("Next owed by {owed}: {} ({})", instant(cursor.instant), move_name(*why))
        }
        WorkflowEvent::CursorMoved { to: None, why, .. } => format!("No further trigger ({})", move_name(*why)),
        WorkflowEvent::CursorMoved { to: Some(cursor), why, .. } => {
            format!("Next: {}, fires: {} ({})", instant(cursor.instant), instant(cursor.fires_at), move_name(*why))
        }
    }
}

fn execution_text(event: &ExecutionEvent) -> String {
    match event {
        ExecutionEvent::Ended(Ending::Exit { code }) => exit_text(*code),
        ExecutionEvent::Ended(Ending::NeverStarted) => "Never started".into(),
        ExecutionEvent::Ended(Ending::Lost) => "Lost".into(),
        ExecutionEvent::Ended(Ending::Operator) => "Declared over by an operator".into(),
        ExecutionEvent::Cleaned => String::new(),
        ExecutionEvent::Refused { retry_at, reason } => format!("{reason}, again at {}", instant(*retry_at)),
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "On" } else { "Off" }
}

/// No text can break a line, or play with the terminal.
pub(super) fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }).collect();
    visible(&spaced).into_owned()
}
