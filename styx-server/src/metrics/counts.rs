//! What is counted of each record.

use chrono::{DateTime, Utc};
use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use styx_core::{
    event::{Event, Trigger},
    executor::Observed,
    id::{ExecutionId, InstanceId},
    record::{Cause, CursorMove, ExecutionEvent, Fact, Record, RunEvent, WorkflowEvent},
    run::State,
    world::{Changes, World},
};

use super::{Labels, Spans, tally::trigger_of};

/// Counters and histograms of records; they begin at zero with the process.
#[derive(Debug)]
pub(super) struct Counts {
    records: Family<Labels<2>, Counter>,
    natural_triggers: Family<Labels<1>, Counter>,
    lateness: Spans<1>,
    exit_codes: Family<[(&'static str, String); 1], Counter>,
    ended: Family<Labels<2>, Counter>,
    operations: Family<Labels<2>, Counter>,
    errors: Family<Labels<2>, Counter>,
    operation_duration: Spans<1>,
    submitted_to_running: Histogram,
}

impl Counts {
    /// In a registry.
    pub(super) fn register(registry: &mut Registry) -> Self {
        // From a millisecond to 70 minutes.
        let spans: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 4.0, 12));
        let counts = Self {
            records: Family::default(),
            natural_triggers: Family::default(),
            lateness: Family::new_with_constructor(spans),
            exit_codes: Family::default(),
            ended: Family::default(),
            operations: Family::default(),
            errors: Family::default(),
            operation_duration: Family::new_with_constructor(spans),
            submitted_to_running: spans(),
        };
        registry.register("records", "Records of the log, by subject and event", counts.records.clone());
        let help = "Instants of schedules that were reached, by what came of them";
        registry.register("natural_trigger", help, counts.natural_triggers.clone());
        let help = "How long after its time a natural trigger fired; missed ones were made up for";
        registry.register_with_unit("trigger_lateness", help, Unit::Seconds, counts.lateness.clone());
        registry.register("exit_code", "Executions that ended by themselves, by exit code", counts.exit_codes.clone());
        registry.register("runs_ended", "Runs that ended, by last state and trigger", counts.ended.clone());
        let help = "What the executor was asked for and has answered, by success";
        registry.register("docker_operation", help, counts.operations.clone());
        let help = "Failures of the executor, by kind";
        registry.register("docker_operation_error", help, counts.errors.clone());
        let help = "How long it took from the decision until the executor said that it was done";
        registry.register_with_unit(
            "docker_operation_duration",
            help,
            Unit::Seconds,
            counts.operation_duration.clone(),
        );
        let help = "How long it took from the executor's acceptance until the execution ran";
        let name = "time_transitioning_between_submitted_running";
        registry.register_with_unit(name, help, Unit::Seconds, counts.submitted_to_running.clone());
        counts
    }

    /// Counts a record that is about to be folded into `world`.
    pub(super) fn before(&self, record: &Record, world: &World) {
        self.records.get_or_create(&[("subject", subject(&record.fact)), ("event", record.fact.name())]).inc();
        if let Cause::Executor { what, .. } = &record.cause {
            self.observed(what);
        }
        match &record.fact {
            Fact::Workflow(_, WorkflowEvent::CursorMoved { why, .. } | WorkflowEvent::OwedMoved { why, .. }) => {
                self.cursor_moved(*why);
            }
            Fact::Run(instance, RunEvent::Styx { event, .. }) => self.run(record.at, instance, event, world),
            Fact::Execution(id, ExecutionEvent::Cleaned) => self.took("cleanup", record.at, id, world),
            _ => {}
        }
    }

    /// Counts a record that has been folded.
    pub(super) fn after(&self, before: Option<&'static str>, changes: &Changes) {
        if let Some((_, finished)) = changes.finished.as_deref() {
            let state = if finished.0.state == State::Done { "DONE" } else { "ERROR" };
            self.ended.get_or_create(&[("state", state), ("trigger", before.unwrap_or("none"))]).inc();
        }
    }

    /// The trigger of the run that a record is about.
    pub(super) fn trigger(record: &Record, world: &World) -> Option<&'static str> {
        match &record.fact {
            Fact::Run(instance, _) => world.runs().get(instance).map(trigger_of),
            _ => None,
        }
    }

    fn cursor_moved(&self, why: CursorMove) {
        let result = match why {
            CursorMove::Triggered => "triggered",
            CursorMove::AlreadyActive => "already_active",
            CursorMove::AlreadyCompleted => "already_completed",
            CursorMove::AlreadyTriggered => "already_triggered",
            CursorMove::NoExecution => "no_execution",
            CursorMove::Edited | CursorMove::Enabled | CursorMove::Operator => return,
        };
        self.natural_triggers.get_or_create(&[("result", result)]).inc();
    }

    fn run(&self, at: DateTime<Utc>, instance: &InstanceId, event: &Event, world: &World) {
        match event {
            Event::TriggerExecution { trigger: Trigger::Natural, missed, .. } => {
                let workflow = world.workflows().get(instance.workflow());
                if let Some(next) = workflow.and_then(|workflow| workflow.next_natural()) {
                    let missed = if *missed { "true" } else { "false" };
                    let late = self.lateness.get_or_create(&[("missed", missed)]);
                    late.observe(seconds_between(next.cursor.fires_at, at));
                }
            }
            Event::Submitted { execution: Some(id), .. } => self.took("start", at, id, world),
            Event::Started => {
                if let Some(run) = world.runs().get(instance).filter(|run| run.state == State::Submitted) {
                    self.submitted_to_running.observe(seconds_between(run.since, at));
                }
            }
            Event::Terminate { exit_code } => {
                // A termination log may hold any number, and each one would be a series for ever.
                let code = match exit_code {
                    None => "none".to_owned(),
                    Some(code) => u8::try_from(*code).map_or_else(|_| "other".to_owned(), |code| code.to_string()),
                };
                self.exit_codes.get_or_create(&[("exit_code", code)]).inc();
            }
            _ => {}
        }
    }

    fn observed(&self, what: &Observed) {
        let (operation, error) = match what {
            Observed::Launched => ("start", None),
            Observed::Refused { .. } => ("start", Some("refused")),
            Observed::NotLaunchable { .. } => ("start", Some("invalid-execution")),
            Observed::Cleaned => ("cleanup", None),
            Observed::NeverStarted => ("close", None),
            Observed::Lost { .. } => ("poll", Some("lost")),
            Observed::Started | Observed::Exited { .. } => return,
        };
        let status = if error.is_some() { "failure" } else { "success" };
        self.operations.get_or_create(&[("operation", operation), ("status", status)]).inc();
        if let Some(kind) = error {
            self.errors.get_or_create(&[("operation", operation), ("type", kind)]).inc();
        }
    }

    /// How long an execution was in its phase, which the executor ended by doing what it was asked for.
    fn took(&self, operation: &'static str, at: DateTime<Utc>, id: &ExecutionId, world: &World) {
        if let Some(execution) = world.executions().get(id) {
            let duration = self.operation_duration.get_or_create(&[("operation", operation)]);
            duration.observe(seconds_between(execution.since, at));
        }
    }
}

/// What kind of thing a record is about.
fn subject(fact: &Fact) -> &'static str {
    use styx_core::record::Subject;
    match fact.subject() {
        Subject::Log => "log",
        Subject::Config => "config",
        Subject::Workflow(_) => "workflow",
        Subject::Run(_) => "run",
        Subject::Execution(_) => "execution",
        Subject::Backfill(_) => "backfill",
        Subject::Resource(_) => "resource",
    }
}

fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64().max(0.0)
}
