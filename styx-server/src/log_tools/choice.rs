//! Which records are wanted: every filter that is given must agree.

use std::{collections::BTreeSet, sync::Arc};

use clap::Args;
use styx_core::{
    event::EventKind,
    id::{ExecutionId, InstanceId, Position, WorkflowId},
    record::{Fact, Subject},
};

use super::facets::{CauseKind, Facets, Said};

/// Filters of records. Those of one kind add up, those of several kinds must all agree.
#[derive(Debug, Clone, Default, Args)]
pub struct ChoiceArgs {
    /// Only a workflow with its runs and their executions
    #[arg(long, value_name = "COMPONENT#WORKFLOW", value_parser = parse_workflow)]
    pub workflow: Option<WorkflowId>,
    /// Only the runs of an instance with their executions
    #[arg(long, value_name = "COMPONENT#WORKFLOW#PARAMETER", value_parser = parse_instance)]
    pub instance: Option<InstanceId>,
    /// Only an execution, and its run while it has it
    #[arg(long, value_name = "ID", value_parser = parse_execution)]
    pub execution: Option<ExecutionId>,
    /// Only a backfill with its runs and their executions
    #[arg(long, value_name = "ID")]
    pub backfill: Option<Arc<str>>,
    /// Only a resource: how many units it had, and from when on
    #[arg(long, value_name = "ID")]
    pub resource: Option<Arc<str>>,
    /// Only what these caused, with all that followed from it in the same decision
    #[arg(long, value_name = "CAUSE", value_enum, value_delimiter = ',')]
    pub cause: Vec<CauseKind>,
    /// Only what this person or program asked for, with all that followed from it in the same decision
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// Only these events
    #[arg(long, value_name = "EVENT", value_parser = clap::builder::PossibleValuesParser::new(Fact::names()), value_delimiter = ',', ignore_case = true)]
    pub event: Vec<String>,
}

/// What records are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// A workflow, its runs and their executions.
    Workflow(WorkflowId),
    /// The runs of an instance and their executions.
    Instance(InstanceId),
    /// An execution, and what its run says while it is the run's.
    Execution(ExecutionId),
    /// A backfill, its runs and their executions.
    Backfill(Arc<str>),
    /// A resource.
    Resource(Arc<str>),
}

impl ChoiceArgs {
    /// What the records must be about, the narrowest first.
    pub(super) fn about(&self) -> Vec<About> {
        let resource = self.resource.clone().map(About::Resource);
        let backfill = self.backfill.clone().map(About::Backfill);
        let execution = self.execution.clone().map(About::Execution);
        let instance = self.instance.clone().map(About::Instance);
        let workflow = self.workflow.clone().map(About::Workflow);
        [resource, execution, instance, backfill, workflow].into_iter().flatten().collect()
    }
}

/// Chooses among records that are shown to it in order.
pub(super) struct Choice<'a> {
    args: &'a ChoiceArgs,
    belongs: Vec<Belongs>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(args: &'a ChoiceArgs) -> Self {
        Self { args, belongs: args.about().into_iter().map(Belongs::new).collect() }
    }

    /// Whether the record is wanted. All records that may be about the same must be shown, also those that the caller has no
    /// use for: they say which executions belong to a run. `said` finds the cause of a decision, where it is asked for.
    pub(super) fn takes(&mut self, facets: &Facets<'_>, said: impl FnOnce() -> Option<Said>) -> bool {
        let mut is_wanted = true;
        for belongs in &mut self.belongs {
            is_wanted &= belongs.includes(facets);
        }
        let ChoiceArgs { cause, actor, event, .. } = self.args;
        is_wanted &= event.is_empty() || event.iter().any(|name| name.eq_ignore_ascii_case(facets.event));
        if is_wanted && (!cause.is_empty() || actor.is_some()) {
            is_wanted = said().is_some_and(|said| {
                let is_cause = cause.is_empty() || cause.contains(&said.kind);
                is_cause && actor.as_deref().is_none_or(|actor| said.actor.as_deref() == Some(actor))
            });
        }
        is_wanted
    }
}

/// Tells which records are about what is asked for.
#[derive(Debug)]
struct Belongs {
    about: About,
    /// The executions that began so far.
    executions: BTreeSet<ExecutionId>,
    /// Instances whose present run is the backfill's.
    runs: BTreeSet<InstanceId>,
    /// Whose execution it is, once and as long as the run follows it.
    follower: Option<InstanceId>,
    has_begun: bool,
}

impl Belongs {
    fn new(about: About) -> Self {
        Self { about, executions: BTreeSet::new(), runs: BTreeSet::new(), follower: None, has_begun: false }
    }

    fn includes(&mut self, facets: &Facets<'_>) -> bool {
        let Some(subject) = &facets.subject else { return false };
        match &self.about {
            About::Execution(id) => return self.has_to_do_with(&id.clone(), subject, facets),
            About::Workflow(id) => match subject {
                Subject::Workflow(of) => return of == id,
                Subject::Run(of) if of.workflow() == id => {}
                Subject::Execution(of) => return self.executions.contains(of),
                _ => return false,
            },
            About::Instance(id) => match subject {
                Subject::Run(of) if of == id => {}
                Subject::Execution(of) => return self.executions.contains(of),
                _ => return false,
            },
            About::Backfill(id) => match subject {
                Subject::Backfill(of) => return of == id,
                Subject::Run(of) => {
                    if facets.backfill == Some(id) {
                        self.runs.insert(of.clone());
                    } else if facets.event == EventKind::TriggerExecution.as_str() {
                        self.runs.remove(of);
                    }
                    if !self.runs.contains(of) {
                        return false;
                    }
                }
                Subject::Execution(of) => return self.executions.contains(of),
                _ => return false,
            },
            About::Resource(id) => return matches!(subject, Subject::Resource(of) if of == id),
        }
        self.executions.extend(facets.begins.clone());
        true
    }

    /// From its `submit` on, until the run turns to its next execution, or the instance to its next run.
    fn has_to_do_with(&mut self, id: &ExecutionId, subject: &Subject, facets: &Facets<'_>) -> bool {
        match subject {
            Subject::Execution(of) => of == id,
            Subject::Run(of) if facets.begins.as_ref() == Some(id) => {
                self.follower = (!self.has_begun).then(|| of.clone());
                self.has_begun = true;
                true
            }
            Subject::Run(of) if self.follower.as_ref() == Some(of) && facets.turns => {
                self.follower = None;
                false
            }
            Subject::Run(of) => self.follower.as_ref() == Some(of),
            _ => false,
        }
    }
}

/// The cause of the last decision that was asked about: records of one decision follow each other.
#[derive(Debug, Default)]
pub(super) struct LastDecision(Option<(Position, Option<Said>)>);

impl LastDecision {
    /// The cause of a decision; `read` finds it in its first record.
    pub(super) fn said(&mut self, decision: Position, read: impl FnOnce() -> Option<Said>) -> Option<Said> {
        match &self.0 {
            Some((last, said)) if *last == decision => said.clone(),
            _ => self.0.insert((decision, read())).1.clone(),
        }
    }
}

pub(super) fn parse_workflow(text: &str) -> Result<WorkflowId, String> {
    WorkflowId::parse_key(text).map_err(|_| "expected COMPONENT#WORKFLOW".into())
}

pub(super) fn parse_instance(text: &str) -> Result<InstanceId, String> {
    InstanceId::parse_key(text).map_err(|_| "expected COMPONENT#WORKFLOW#PARAMETER".into())
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants a Result")]
pub(super) fn parse_execution(text: &str) -> Result<ExecutionId, String> {
    Ok(ExecutionId::parse(text))
}
