//! The rows of version 1, frozen: a change is a new version, and rows of another version are rebuilt from the log.

use std::sync::Arc;

use bincode::{BorrowDecode, Encode};
use styx_core::{
    event::TriggerParameters,
    execution::{Execution, Phase},
    id::{Counter, Position},
    run::{Note, Run},
    world::{Answered, Finished, LogRow, Owed, Row, Workflow},
};
use uuid::Uuid;

use super::{
    backfill_v1::{BackfillV1, ResourceV1},
    config_v1::ConfigV1,
    parts::{
        CursorV1, DescriptionV1, EndingV1, ExecutionIdV1, InstanceIdV1, MessageV1, StateV1, TriggerV1, WorkflowSpecV1,
    },
    primitives::{ExtensionsV1, InstantV1, Seq, SpanV1, VariablesV1, variables, variables_v1},
};
use crate::texts::shared;

/// By place, as every enum is encoded; the tags of the rows' keys are others.
#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum RowV1<'a> {
    Log(LogRowV1) = 0,
    Config(ConfigV1<'a>) = 1,
    Workflow(WorkflowV1<'a>) = 2,
    Run(RunV1<'a>) = 3,
    Execution(ExecutionV1<'a>) = 4,
    Backfill(BackfillV1<'a>) = 5,
    Resource(ResourceV1) = 6,
    Finished(RunV1<'a>) = 7,
    Answered(AnsweredV1) = 8,
}

impl<'a> From<&'a Row> for RowV1<'a> {
    fn from(row: &'a Row) -> Self {
        match row {
            Row::Log(log) => Self::Log(log.into()),
            Row::Config(config) => Self::Config((&**config).into()),
            Row::Workflow(workflow) => Self::Workflow(workflow.into()),
            Row::Run(run) => Self::Run(run.into()),
            Row::Execution(execution) => Self::Execution(execution.into()),
            Row::Backfill(backfill) => Self::Backfill(backfill.into()),
            Row::Resource(resource) => Self::Resource(resource.into()),
            Row::Finished(Finished(run)) => Self::Finished(run.into()),
            Row::Answered(answered) => Self::Answered(answered.into()),
        }
    }
}

impl From<RowV1<'_>> for Row {
    fn from(stored: RowV1<'_>) -> Self {
        match stored {
            RowV1::Log(log) => Self::Log(log.into()),
            RowV1::Config(config) => Self::Config(Arc::new(config.into())),
            RowV1::Workflow(workflow) => Self::Workflow(workflow.into()),
            RowV1::Run(run) => Self::Run(run.into()),
            RowV1::Execution(execution) => Self::Execution(execution.into()),
            RowV1::Backfill(backfill) => Self::Backfill(backfill.into()),
            RowV1::Resource(resource) => Self::Resource(resource.into()),
            RowV1::Finished(run) => Self::Finished(Finished(run.into())),
            RowV1::Answered(answered) => Self::Answered(answered.into()),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct LogRowV1 {
    identity: Option<([u8; 16], [u8; 16])>,
    tail: u64,
    at: InstantV1,
    decision: u64,
    rate_used: InstantV1,
}

impl From<&LogRow> for LogRowV1 {
    fn from(log: &LogRow) -> Self {
        let identity = log.identity.map(|(log_id, root_seed)| (log_id.into_bytes(), root_seed.into_bytes()));
        let (at, rate_used) = (log.at.into(), log.rate_used.into());
        Self { identity, tail: log.tail.0, at, decision: log.decision.0, rate_used }
    }
}

impl From<LogRowV1> for LogRow {
    fn from(stored: LogRowV1) -> Self {
        let identity = stored.identity.map(|(log_id, seed)| (Uuid::from_bytes(log_id), Uuid::from_bytes(seed)));
        let (tail, decision) = (Position(stored.tail), Position(stored.decision));
        Self { identity, tail, at: stored.at.into(), decision, rate_used: stored.rate_used.into() }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct WorkflowV1<'a> {
    stored_at: u64,
    deployed_at: InstantV1,
    json_digest: [u8; 16],
    spec: WorkflowSpecV1<'a>,
    enabled: bool,
    cursor: Option<CursorV1>,
    chosen_cursor: bool,
    owed: Seq<OwedV1<'a>>,
}

impl<'a> From<&'a Workflow> for WorkflowV1<'a> {
    fn from(workflow: &'a Workflow) -> Self {
        Self {
            stored_at: workflow.stored_at.0,
            deployed_at: workflow.deployed_at.into(),
            json_digest: workflow.json_digest.into_bytes(),
            spec: (&workflow.spec).into(),
            enabled: workflow.enabled,
            cursor: workflow.cursor.map(Into::into),
            chosen_cursor: workflow.chosen_cursor,
            owed: Seq(workflow.owed.iter().map(Into::into).collect()),
        }
    }
}

impl From<WorkflowV1<'_>> for Workflow {
    fn from(stored: WorkflowV1<'_>) -> Self {
        Self {
            stored_at: Position(stored.stored_at),
            deployed_at: stored.deployed_at.into(),
            json_digest: Uuid::from_bytes(stored.json_digest),
            spec: stored.spec.into(),
            enabled: stored.enabled,
            cursor: stored.cursor.map(Into::into),
            chosen_cursor: stored.chosen_cursor,
            owed: stored.owed.0.into_iter().map(Into::into).collect(),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
struct OwedV1<'a> {
    since: u64,
    schedule: &'a str,
    offset: Option<&'a str>,
    next: CursorV1,
    until: InstantV1,
}

impl<'a> From<&'a Owed> for OwedV1<'a> {
    fn from(owed: &'a Owed) -> Self {
        let Owed { since, schedule, offset, next, until } = owed;
        Self { since: since.0, schedule, offset: offset.as_deref(), next: (*next).into(), until: (*until).into() }
    }
}

impl From<OwedV1<'_>> for Owed {
    fn from(stored: OwedV1<'_>) -> Self {
        let OwedV1 { since, schedule, offset, next, until } = stored;
        Self {
            since: Position(since),
            schedule: shared(schedule),
            offset: offset.map(shared),
            next: next.into(),
            until: until.into(),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct RunV1<'a> {
    state: StateV1,
    counter: Option<u64>,
    began_at: InstantV1,
    since: InstantV1,
    last_event_at: InstantV1,
    eligible_at: Option<InstantV1>,
    retry_delay_millis: Option<i64>,
    tries: u32,
    consecutive_failures: u32,
    infrastructure_failures: u32,
    cost_tenths: u32,
    last_exit: Option<i32>,
    trigger: Option<TriggerV1<'a>>,
    env: Option<VariablesV1<'a>>,
    missed: bool,
    imported: bool,
    execution: Option<ExecutionIdV1<'a>>,
    runner: Option<&'a str>,
    description: Option<DescriptionV1<'a>>,
    running_timeout: Option<SpanV1>,
    retry_condition: Option<&'a str>,
    resources: Option<Seq<&'a str>>,
    note: Option<NoteV1<'a>>,
    infrastructure_since: Option<InstantV1>,
    trigger_extensions: ExtensionsV1,
    submit_extensions: ExtensionsV1,
}

impl<'a> From<&'a Run> for RunV1<'a> {
    fn from(run: &'a Run) -> Self {
        Self {
            state: run.state.into(),
            counter: run.counter.map(|counter| counter.0),
            began_at: run.began_at.into(),
            since: run.since.into(),
            last_event_at: run.last_event_at.into(),
            eligible_at: run.eligible_at.map(Into::into),
            retry_delay_millis: run.retry_delay_millis,
            tries: run.tries,
            consecutive_failures: run.consecutive_failures,
            infrastructure_failures: run.infrastructure_failures,
            cost_tenths: run.cost_tenths,
            last_exit: run.last_exit,
            trigger: run.trigger.as_ref().map(Into::into),
            env: run.parameters.as_ref().map(|parameters| variables_v1(&parameters.env)),
            missed: run.missed,
            imported: run.imported,
            execution: run.execution.as_ref().map(Into::into),
            runner: run.runner.as_deref(),
            description: run.description.as_ref().map(Into::into),
            running_timeout: run.running_timeout.map(Into::into),
            retry_condition: run.retry_condition.as_deref(),
            resources: run.resources.as_ref().map(|resources| Seq::of_texts(resources.iter())),
            note: run.note.as_ref().map(Into::into),
            infrastructure_since: run.infrastructure_since.map(Into::into),
            trigger_extensions: (&run.trigger_extensions).into(),
            submit_extensions: (&run.submit_extensions).into(),
        }
    }
}

impl From<RunV1<'_>> for Run {
    fn from(stored: RunV1<'_>) -> Self {
        Self {
            state: stored.state.into(),
            counter: stored.counter.map(Counter),
            began_at: stored.began_at.into(),
            since: stored.since.into(),
            last_event_at: stored.last_event_at.into(),
            eligible_at: stored.eligible_at.map(Into::into),
            retry_delay_millis: stored.retry_delay_millis,
            tries: stored.tries,
            consecutive_failures: stored.consecutive_failures,
            infrastructure_failures: stored.infrastructure_failures,
            cost_tenths: stored.cost_tenths,
            last_exit: stored.last_exit,
            trigger: stored.trigger.map(Into::into),
            parameters: stored.env.map(|env| TriggerParameters { env: Arc::new(variables(env)) }),
            missed: stored.missed,
            imported: stored.imported,
            execution: stored.execution.map(Into::into),
            runner: stored.runner.map(shared),
            description: stored.description.map(Into::into),
            running_timeout: stored.running_timeout.map(Into::into),
            retry_condition: stored.retry_condition.map(shared),
            resources: stored.resources.map(|resources| resources.shared()),
            note: stored.note.map(Into::into),
            infrastructure_since: stored.infrastructure_since.map(Into::into),
            trigger_extensions: stored.trigger_extensions.into(),
            submit_extensions: stored.submit_extensions.into(),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
enum NoteV1<'a> {
    Exit(Option<i32>) = 0,
    Error(&'a str) = 1,
    Said(MessageV1<'a>) = 2,
    TimedOut { state: StateV1, since: InstantV1, at: InstantV1 } = 3,
}

impl<'a> From<&'a Note> for NoteV1<'a> {
    fn from(note: &'a Note) -> Self {
        match note {
            Note::Exit(code) => Self::Exit(*code),
            Note::Error(message) => Self::Error(message),
            Note::Said(message) => Self::Said(message.into()),
            Note::TimedOut { state, since, at } => {
                Self::TimedOut { state: (*state).into(), since: (*since).into(), at: (*at).into() }
            }
        }
    }
}

impl From<NoteV1<'_>> for Note {
    fn from(stored: NoteV1<'_>) -> Self {
        match stored {
            NoteV1::Exit(code) => Self::Exit(code),
            NoteV1::Error(message) => Self::Error(message.into()),
            NoteV1::Said(message) => Self::Said(message.into()),
            NoteV1::TimedOut { state, since, at } => {
                Self::TimedOut { state: state.into(), since: since.into(), at: at.into() }
            }
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct ExecutionV1<'a> {
    instance: InstanceIdV1<'a>,
    submitted_by: u64,
    log_id: [u8; 16],
    runner: &'a str,
    resources: Seq<&'a str>,
    refusal: Option<&'a str>,
    phase: PhaseV1,
    since: InstantV1,
}

impl<'a> From<&'a Execution> for ExecutionV1<'a> {
    fn from(execution: &'a Execution) -> Self {
        Self {
            instance: (&execution.instance).into(),
            submitted_by: execution.submitted_by.0,
            log_id: execution.log_id.into_bytes(),
            runner: &execution.runner,
            resources: Seq::of_texts(execution.resources.iter()),
            refusal: execution.refusal.as_deref(),
            phase: execution.phase.into(),
            since: execution.since.into(),
        }
    }
}

impl From<ExecutionV1<'_>> for Execution {
    fn from(stored: ExecutionV1<'_>) -> Self {
        Self {
            instance: stored.instance.into(),
            submitted_by: Position(stored.submitted_by),
            log_id: Uuid::from_bytes(stored.log_id),
            runner: shared(stored.runner),
            resources: stored.resources.shared(),
            refusal: stored.refusal.map(Into::into),
            phase: stored.phase.into(),
            since: stored.since.into(),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
enum PhaseV1 {
    Launching { retry_at: Option<InstantV1> } = 0,
    Launched = 1,
    Running = 2,
    Ended(EndingV1) = 3,
}

impl From<Phase> for PhaseV1 {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Launching { retry_at } => Self::Launching { retry_at: retry_at.map(Into::into) },
            Phase::Launched => Self::Launched,
            Phase::Running => Self::Running,
            Phase::Ended(ending) => Self::Ended(ending.into()),
        }
    }
}

impl From<PhaseV1> for Phase {
    fn from(stored: PhaseV1) -> Self {
        match stored {
            PhaseV1::Launching { retry_at } => Self::Launching { retry_at: retry_at.map(Into::into) },
            PhaseV1::Launched => Self::Launched,
            PhaseV1::Running => Self::Running,
            PhaseV1::Ended(ending) => Self::Ended(ending.into()),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct AnsweredV1 {
    by: u64,
    digest: [u8; 16],
}

impl From<&Answered> for AnsweredV1 {
    fn from(answered: &Answered) -> Self {
        Self { by: answered.by.0, digest: answered.digest.into_bytes() }
    }
}

impl From<AnsweredV1> for Answered {
    fn from(stored: AnsweredV1) -> Self {
        Self { by: Position(stored.by), digest: Uuid::from_bytes(stored.digest) }
    }
}
