//! What records are chosen by, taken from a record or from the JSON line of one.

use clap::ValueEnum;
use serde_json::Value;
use styx_core::{
    event::{Event, EventKind, Trigger},
    id::{ExecutionId, InstanceId, Position, WorkflowId},
    record::{Cause, Fact, Record, RunEvent, Subject},
};

use super::wording;

/// What kind of cause a decision has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CauseKind {
    /// A natural trigger
    Schedule,
    /// Something else whose time had come
    Timer,
    /// The engine itself, at start or after another record
    Engine,
    /// A person or a program
    Operator,
    /// What an executor saw
    Executor,
    /// Another system's history
    Imported,
}

/// Who or what caused a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: CauseKind,
    /// Who, if it was an operator.
    pub(super) actor: Option<String>,
    /// For people.
    pub(super) words: String,
}

/// What a record is chosen by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facets<'a> {
    pub(super) position: Position,
    /// The first record of its decision.
    pub(super) decision: Position,
    /// Nothing for a kind of subject that this program doesn't know.
    pub(super) subject: Option<Subject>,
    /// The execution that it begins.
    pub(super) begins: Option<ExecutionId>,
    /// The backfill whose run it begins.
    pub(super) backfill: Option<&'a str>,
    /// With it a run leaves its last execution behind.
    pub(super) turns: bool,
    /// The event's name.
    pub(super) event: &'a str,
}

/// Events with which a run leaves its last execution behind.
const TURNS: [EventKind; 3] = [EventKind::TriggerExecution, EventKind::Dequeue, EventKind::Submit];

impl<'a> Facets<'a> {
    /// Those of a record.
    pub(super) fn of(record: &'a Record) -> Self {
        let event = match &record.fact {
            Fact::Run(_, RunEvent::Styx { event, .. }) => Some(event),
            _ => None,
        };
        let begins = match event {
            Some(Event::Submit { execution, .. }) => execution.clone(),
            _ => None,
        };
        let backfill = match event {
            Some(Event::TriggerExecution { trigger: Trigger::Backfill(id), .. }) => Some(&**id),
            _ => None,
        };
        Self {
            position: record.position,
            decision: record.decision,
            subject: Some(record.subject()),
            begins,
            backfill,
            turns: event.is_some_and(|event| TURNS.contains(&event.kind())),
            event: record.fact.name(),
        }
    }

    /// Those of a record's JSON; `None` when it isn't one.
    pub(super) fn of_json(line: &'a Value) -> Option<Self> {
        let event = line["event"]["name"].as_str()?;
        let is_styx = line["subject"]["kind"] == "run";
        let begins = line["event"]["execution_id"].as_str().filter(|_| is_styx && event == EventKind::Submit.as_str());
        let trigger = &line["event"]["trigger"];
        let backfill = trigger["id"].as_str().filter(|_| is_styx && trigger["kind"] == "backfill");
        Some(Self {
            position: Position(line["position"].as_u64()?),
            decision: Position(line["decision"].as_u64()?),
            subject: subject(&line["subject"]),
            begins: begins.map(ExecutionId::parse),
            backfill,
            turns: is_styx && TURNS.iter().any(|kind| kind.as_str() == event),
            event,
        })
    }
}

fn subject(subject: &Value) -> Option<Subject> {
    let text = |name: &str| subject[name].as_str();
    let workflow = || Some(WorkflowId::new(text("component")?, text("workflow")?));
    match text("kind")? {
        "log" => Some(Subject::Log),
        "config" => Some(Subject::Config),
        "workflow" => workflow().map(Subject::Workflow),
        "run" => Some(Subject::Run(InstanceId::new(workflow()?, text("parameter")?))),
        "execution" => text("id").map(|id| Subject::Execution(ExecutionId::parse(id))),
        "backfill" => text("id").map(|id| Subject::Backfill(id.into())),
        "resource" => text("id").map(|id| Subject::Resource(id.into())),
        _ => None,
    }
}

impl Said {
    /// What a record says of its cause; `None` when the first record of its decision says it.
    pub(super) fn of(cause: &Cause) -> Option<Self> {
        let (kind, actor) = match cause {
            Cause::Decision => return None,
            Cause::Schedule => (CauseKind::Schedule, None),
            Cause::Timer => (CauseKind::Timer, None),
            Cause::Engine => (CauseKind::Engine, None),
            Cause::Operator(operator) => (CauseKind::Operator, Some(operator.actor.to_string())),
            Cause::Executor { .. } => (CauseKind::Executor, None),
            Cause::Imported { .. } => (CauseKind::Imported, None),
        };
        Some(Self { kind, actor, words: wording::cause(cause).unwrap_or_default() })
    }

    /// As [`of`](Self::of), from a record's JSON.
    pub(super) fn of_json(line: &Value) -> Option<Self> {
        let cause = &line["cause"];
        let kind = CauseKind::from_str(cause["kind"].as_str()?, false).ok()?;
        let who = |name: &str| cause[name].as_str().map(wording::one_line);
        let (actor, words) = match kind {
            CauseKind::Operator => (cause["actor"].as_str(), format!("operator {}", who("actor").unwrap_or_default())),
            CauseKind::Executor => (None, format!("executor {}", who("runner").unwrap_or_default())),
            _ => (None, cause["kind"].as_str().unwrap_or_default().into()),
        };
        Some(Self { kind, actor: actor.map(str::to_owned), words })
    }
}
