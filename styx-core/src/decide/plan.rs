//! A plan: events drafted for one run, each applied to a copy of it first, so that none is drafted that the graph refuses.

use std::{collections::BTreeSet, sync::Arc};

use chrono::SecondsFormat;

use super::{Context, Decisions, condition::unmet};
use crate::{
    eligibility::run_obstacle,
    event::{Description, Event, FailureClass},
    execution::Ending,
    execution_counter,
    graph::{IllegalTransition, Rules, State},
    id::{Counter, ExecutionId, InstanceId},
    record::{Cause, ExecutionEvent, Fact, RunEvent},
    run::Run,
    verdict::{Delay, Ended, StopReason, Verdict, verdict},
    world::Workflow,
};

/// The resource that stands for the limit on executions (spec SC-5).
pub(super) const GLOBAL_RESOURCE: &str = "GLOBAL_STYX_CLUSTER";

/// Events drafted for one run.
pub(super) struct Plan<'a> {
    context: Context<'a>,
    instance: InstanceId,
    run: Run,
    cause: Cause,
    facts: Vec<Fact>,
}

impl<'a> Plan<'a> {
    /// A plan for an active run; `None` when the instance has none.
    pub(super) fn of_active(context: Context<'a>, instance: &InstanceId, cause: Cause) -> Option<Self> {
        let run = context.world.runs().get(instance)?.clone();
        Some(Self { context, instance: instance.clone(), run, cause, facts: Vec::new() })
    }

    /// A plan for a run that begins with `trigger`.
    pub(super) fn of_new(context: Context<'a>, instance: InstanceId, trigger: Event, cause: Cause) -> Self {
        let next = context.facts.next_counter(&instance);
        let run = Run::new(next.0.checked_sub(1).map(Counter), context.now.at);
        let mut plan = Self { context, instance, run, cause, facts: Vec::new() };
        plan.push(trigger);
        plan
    }

    /// The run as it will be.
    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// Drafts an event, or says that the graph has no such edge.
    pub(super) fn try_push(&mut self, event: Event) -> Result<(), IllegalTransition> {
        self.run.apply(&event, self.context.now.at, Rules::Ours)?;
        let counter = self.run.counter.unwrap_or_default();
        self.facts.push(Fact::Run(self.instance.clone(), RunEvent::Styx { counter, event }));
        Ok(())
    }

    /// Drafts an event that the graph allows here.
    ///
    /// # Panics
    ///
    /// When it doesn't: the policy that planned it is wrong.
    pub(super) fn push(&mut self, event: Event) {
        if let Err(illegal) = self.try_push(event) {
            panic!("planned an illegal event: {} {illegal}", self.instance);
        }
    }

    /// Drafts that an execution has ended, on its own subject.
    pub(super) fn end_execution(&mut self, execution: &ExecutionId, ending: Ending) {
        self.facts.push(Fact::Execution(execution.clone(), ExecutionEvent::Ended(ending)));
    }

    /// Drafts one more fact of the same decision.
    pub(super) fn also(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Takes the run from the queue to its executor, if it may run; halts it if it never may (spec SM §16.3).
    ///
    /// Returns whether it began an execution.
    pub(super) fn admit(&mut self, workflow: Option<&Workflow>) -> bool {
        let obstacle = run_obstacle(self.context.world, &self.instance, &self.run, workflow);
        let (Some(workflow), None) = (workflow, &obstacle) else {
            self.push(Event::Halt { reason: obstacle });
            return false;
        };
        let config = self.context.world.config();
        let global = config.execution_limit().map(|_| GLOBAL_RESOURCE.into());
        let resources: BTreeSet<Arc<str>> = workflow.spec.resources.iter().cloned().chain(global).collect();
        let resources = resources.into_iter().collect();
        self.push(Event::Dequeue { resources });
        let counter = self.run.counter.unwrap_or_default().next();
        self.push(Event::Submit {
            description: Description::Stored(workflow.stored_at),
            execution: Some(self.context.seed.execution_id(&self.instance, counter)),
            runner: Some(config.executor_for(self.instance.workflow()).runner),
            running_timeout: Some(config.timeouts.limit(State::Running, workflow.spec.running_timeout)),
            retry_condition: workflow.spec.retry_condition.clone(),
            extensions: execution_counter::extensions(self.run.next_execution_counter()),
        });
        true
    }

    /// Drafts the events that the outside has shown to have happened, up to RUNNING.
    pub(super) fn catch_up_to(&mut self, state: State) {
        if self.run.state == State::Submitting {
            let id = self.run.execution.clone();
            let execution = id.as_ref().and_then(|id| self.context.world.executions().get(id));
            let runner = execution.map(|execution| Arc::clone(&execution.runner));
            self.push(Event::Submitted { execution: id, runner });
        }
        if self.run.state == State::Submitted && state == State::Running {
            self.push(Event::Started);
        }
    }

    /// Drafts that the run's execution could not be run or was lost, how it ended, and what follows.
    pub(super) fn fail(&mut self, execution: &ExecutionId, ending: Ending, message: &Arc<str>, class: FailureClass) {
        // An operator who ends an execution wants the run to go on; to end it there is `halt`.
        let may_give_up = ending != Ending::Operator;
        self.push(Event::RunError { message: Arc::clone(message), class });
        self.end_execution(execution, ending);
        self.judge_with(may_give_up);
    }

    /// Drafts what follows from TERMINATED or FAILED (spec SM §18): these states never rest.
    pub(super) fn judge(&mut self) {
        self.judge_with(true);
    }

    /// The same; `may_give_up` says whether too many failures without cost may end the run now.
    fn judge_with(&mut self, may_give_up: bool) {
        let config = self.context.world.config();
        let unmet = unmet(self.context.world, &self.instance, &self.run);
        let ended = Ended {
            state: self.run.state,
            last_exit: self.run.last_exit,
            cost_tenths: self.run.cost_tenths,
            infrastructure_failures: self.run.infrastructure_failures,
            infrastructure_limit_passed: self.run.infrastructure_since.is_some_and(|since| {
                let failures = self.run.infrastructure_failures;
                may_give_up && config.infrastructure_limit.is_passed(failures, since, self.context.now.at)
            }),
            condition_met: unmet.is_none(),
        };
        let Some(verdict) = verdict(&ended, config.max_cost_tenths) else {
            return;
        };
        let event = match verdict {
            Verdict::Success => Event::Success,
            Verdict::Stop(StopReason::ConditionNotMet) => Event::Stop { reason: unmet.map(Into::into) },
            Verdict::Stop(reason @ StopReason::InfrastructureLimit) => {
                let Run { infrastructure_failures, infrastructure_since, .. } = &self.run;
                let since = infrastructure_since.unwrap_or(self.context.now.at);
                let since = since.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                let text = format!("{}: {infrastructure_failures} since {since}", reason.as_str());
                Event::Stop { reason: Some(text.into()) }
            }
            Verdict::Stop(reason) => Event::Stop { reason: Some(reason.as_str().into()) },
            Verdict::Retry(delay) => {
                let random = self.context.seed.delay(&self.instance, self.run.counter.unwrap_or_default().next());
                let delay = match delay {
                    Delay::MissingDependencies => config.missing_dependencies_delay,
                    Delay::Backoff => config.backoff.delay(self.run.consecutive_failures, random),
                    Delay::Infrastructure => {
                        config.infrastructure_backoff.delay(self.run.infrastructure_failures, random)
                    }
                };
                Event::RetryAfter { delay_millis: delay.num_milliseconds() }
            }
        };
        self.push(event);
    }

    /// Puts what was drafted into the decision.
    pub(super) fn commit(self, out: &mut Decisions) {
        let mut cause = self.cause;
        for fact in self.facts {
            out.draft(fact, std::mem::replace(&mut cause, Cause::Decision));
        }
    }
}
