//! How records, requests, effects and observations read in a story.

use styx_core::{
    decide::{Reply, Request},
    event::Event,
    executor::{Effect, Observed},
    id::ExecutionId,
    record::{BackfillEvent, Cause, ConfigEvent, ExecutionEvent, Fact, LogEvent, Record, RunEvent, WorkflowEvent},
};

/// The first eight characters that tell executions apart.
pub(super) fn short(id: &ExecutionId) -> String {
    id.to_string().trim_start_matches("styx-run-").chars().take(8).collect()
}

pub(super) fn record(record: &Record) -> String {
    let cause = match &record.cause {
        Cause::Decision => "same".to_owned(),
        Cause::Operator(operator) => operator.request_id.to_string(),
        Cause::Executor { .. } => "executor".to_owned(),
        Cause::Imported { .. } => "imported".to_owned(),
        cause => format!("{cause:?}").to_lowercase(),
    };
    format!("{:>4} [{cause}] {}", record.position, fact(&record.fact))
}

fn fact(fact: &Fact) -> String {
    match fact {
        Fact::Log(LogEvent::Started { .. }) => "log started".to_owned(),
        Fact::Log(LogEvent::Forked { .. }) => "log forked".to_owned(),
        Fact::Config(ConfigEvent::Set(config)) => format!(
            "config max_executions={:?} catch_up={} max_cost={}",
            config.max_executions, config.catch_up, config.max_cost_tenths
        ),
        Fact::Config(ConfigEvent::SchedulingSwitched { enabled }) => format!("scheduling switched to {enabled}"),
        Fact::Workflow(id, event) => format!("workflow {id} {}", workflow_event(event)),
        Fact::Run(id, RunEvent::Styx { counter, event }) => format!("run {id} #{counter} {}", run_event(event)),
        Fact::Run(id, RunEvent::Ignored { .. }) => format!("run {id} ignored"),
        Fact::Execution(id, event) => format!("execution {} {}", short(id), execution_event(event)),
        Fact::Config(ConfigEvent::ClockAccepted) => "the clock is accepted".to_owned(),
        Fact::Config(ConfigEvent::Operated(runtime)) => format!("operated {runtime:?}"),
        Fact::Resource(id, event) => format!("resource {id} {event:?}"),
        Fact::Backfill(id, event) => format!("backfill {id} {}", backfill_event(event)),
    }
}

fn workflow_event(event: &WorkflowEvent) -> String {
    match event {
        WorkflowEvent::Stored(stored) => {
            let spec = &stored.spec;
            let offset = spec.offset.as_deref().unwrap_or("default");
            format!("stored: `{}` offset {offset}, runs {:?}, {:?}", spec.schedule, spec.runs, spec.origin)
        }
        WorkflowEvent::Deleted => "deleted".to_owned(),
        WorkflowEvent::FileRemoved { path } => format!("isn't in {path} any more"),
        WorkflowEvent::Switched { enabled } => format!("switched to {enabled}"),
        WorkflowEvent::CursorMoved { to: Some(to), why, .. } => {
            format!("cursor to {}, fires at {} ({why:?})", to.instant.to_rfc3339(), to.fires_at.to_rfc3339())
        }
        WorkflowEvent::CursorMoved { to: None, why, .. } => format!("cursor to nothing ({why:?})"),
        WorkflowEvent::CursorSkipped { first, last, count, reason } => {
            format!("skips {count} instants, {} to {} ({reason:?})", first.to_rfc3339(), last.to_rfc3339())
        }
        WorkflowEvent::Owed { schedule, offset, next, until, count } => {
            let (next, until) = (next.instant.to_rfc3339(), until.to_rfc3339());
            format!("owes {count} instants by `{schedule}` offset {offset:?}, from {next}, fired until {until}")
        }
        WorkflowEvent::OwedMoved { owed, to, why } => {
            let to = to.map_or_else(|| "nothing".to_owned(), |to| to.instant.to_rfc3339());
            format!("owed by {owed}: to {to} ({why:?})")
        }
    }
}

fn backfill_event(event: &BackfillEvent) -> String {
    match event {
        BackfillEvent::Created(spec) => {
            let (start, end) = (spec.start.to_rfc3339(), spec.end.to_rfc3339());
            format!("of {} {start}..{end} concurrency={} reverse={}", spec.workflow, spec.concurrency, spec.reverse)
        }
        BackfillEvent::Edited { concurrency, .. } => format!("edited concurrency={concurrency:?}"),
        BackfillEvent::Advanced { instant, next, all_triggered, why } => {
            format!("from {} to {} ({why:?}) last={all_triggered}", instant.to_rfc3339(), next.to_rfc3339())
        }
        BackfillEvent::Halted { runs, reason } => format!("halted: {reason}, runs={runs}"),
    }
}

fn run_event(event: &Event) -> String {
    let kind = event.kind();
    match event {
        Event::TriggerExecution { trigger, missed, .. } => format!("{kind} {} missed={missed}", trigger.kind()),
        Event::Submit { execution: Some(execution), .. } => format!("{kind} {}", short(execution)),
        Event::Dequeue { resources } => format!("{kind} {resources:?}"),
        Event::Info { message } => format!("{kind}: {}", message.line),
        Event::Terminate { exit_code } => format!("{kind} {exit_code:?}"),
        Event::RetryAfter { delay_millis } => format!("{kind} {delay_millis} ms"),
        Event::RunError { message, class } => format!("{kind} {class:?}: {message}"),
        Event::Halt { reason: Some(reason) }
        | Event::Stop { reason: Some(reason) }
        | Event::Timeout { reason: Some(reason) } => format!("{kind}: {reason}"),
        _ => kind.to_string(),
    }
}

fn execution_event(event: &ExecutionEvent) -> String {
    match event {
        ExecutionEvent::Ended(ending) => format!("ended {ending:?}"),
        ExecutionEvent::Cleaned => "cleaned".to_owned(),
        ExecutionEvent::Refused { retry_at, .. } => format!("refused until {}", retry_at.to_rfc3339()),
    }
}

pub(super) fn effect(effect: &Effect) -> String {
    let of = match effect {
        Effect::Launch(launch) => format!(" of {} try {}", launch.instance, launch.tries),
        _ => String::new(),
    };
    format!("{:?} {}{of}", effect.kind(), short(effect.execution())).to_lowercase()
}

pub(super) fn observed(execution: &ExecutionId, what: &Observed) -> String {
    let what = match what {
        Observed::Refused { retry_at, .. } => format!("Refused until {}", retry_at.to_rfc3339()),
        Observed::NotLaunchable { .. } => "NotLaunchable".to_owned(),
        Observed::Lost { .. } => "Lost".to_owned(),
        what => format!("{what:?}"),
    };
    format!("{} {what}", short(execution))
}

pub(super) fn request(id: &str, key: Option<&str>, request: &Request) -> String {
    let text = match request {
        Request::Configure(config) => format!("configure max_executions={:?}", config.max_executions),
        Request::SwitchScheduling { enabled } => format!("switch scheduling to {enabled}"),
        Request::StoreWorkflow { id, workflow } => format!("store {id} `{}`", workflow.spec.schedule),
        Request::DeleteWorkflow { id } => format!("delete {id}"),
        Request::LoadFile { path, workflows, .. } => {
            let workflows = workflows.iter().map(|(id, stored)| format!("{id} `{}`", stored.spec.schedule));
            format!("load {path}: {}", workflows.collect::<Vec<_>>().join(", "))
        }
        Request::PatchWorkflow { id, enabled, next_instant, next_fires_at } => {
            format!("patch {id} enabled={enabled:?} instant={next_instant:?} fires_at={next_fires_at:?}")
        }
        Request::Trigger { workflow, parameter, allow_future, .. } => {
            format!("trigger {workflow} {parameter} future={allow_future}")
        }
        Request::Halt { instance } => format!("halt {instance}"),
        Request::Retry { instance, delay_millis } => format!("retry {instance} after {delay_millis} ms"),
        Request::Timeout { instance } => format!("time out {instance}"),
        Request::EndExecution { execution } => format!("declare {} over", short(execution)),
        Request::Expecting { instance, counter, request } => {
            format!("if {instance} is at {counter:?}: {request:?}")
        }
        Request::SetResource { id, concurrency } => format!("resource {id} has {concurrency}"),
        Request::DeleteResource { id } => format!("delete resource {id}"),
        Request::CreateBackfill { workflow, start, end, concurrency, reverse, .. } => {
            let (start, end) = (start.to_rfc3339(), end.to_rfc3339());
            format!("backfill {workflow} {start}..{end} concurrency={concurrency} reverse={reverse}")
        }
        Request::EditBackfill { id, concurrency, .. } => format!("edit {id} concurrency={concurrency:?}"),
        Request::HaltBackfill { id, graceful } => format!("halt {id} graceful={graceful}"),
        other => format!("{other:?}"),
    };
    let key = key.map(|key| format!(" with {key}")).unwrap_or_default();
    format!("{id}{key}: {text}")
}

pub(super) fn reply(id: &str, reply: &Reply) -> String {
    match reply {
        Reply::Triggered { instance, .. } => format!("{id}: triggered {instance}"),
        Reply::Refused(refusal) => format!("{id}: refused, {refusal}"),
        reply => format!("{id}: {reply:?}").to_lowercase(),
    }
}
