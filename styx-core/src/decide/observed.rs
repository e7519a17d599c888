//! Observations: which events follow from what an executor saw.

use std::sync::Arc;

use super::{Context, Decisions, Plan};
use crate::{
    event::{Event, FailureClass},
    execution::Ending,
    graph::State,
    observation::{Observation, Observed},
    record::{Cause, ExecutionEvent, Fact},
};

/// Folds an observation into run and execution. What is late, doubled, about nobody, or reported by an
/// executor that the execution isn't with changes nothing.
pub(super) fn observed(context: Context<'_>, observation: &Observation, out: &mut Decisions) {
    let Observation { execution: id, what, .. } = observation;
    let Some(execution) = context.world.executions().get(id) else {
        return;
    };
    if execution.runner != observation.runner {
        return;
    }
    let cause = cause(observation);
    if !execution.is_alive() {
        if *what == Observed::Cleaned {
            out.draft(Fact::Execution(id.clone(), ExecutionEvent::Cleaned), cause);
        }
        return;
    }
    if !context.world.is_followed(id) {
        if let Some(ending) = ending(what) {
            out.draft(Fact::Execution(id.clone(), ExecutionEvent::Ended(ending)), cause);
        }
        return;
    }
    let Some(mut plan) = Plan::of_active(context, &execution.instance, cause) else {
        return;
    };
    match what {
        Observed::Launched => plan.catch_up_to(State::Submitted),
        Observed::Started => plan.catch_up_to(State::Running),
        Observed::Exited { code } => {
            plan.catch_up_to(State::Running);
            plan.push(Event::Terminate { exit_code: *code });
            plan.judge();
        }
        Observed::Refused { reason, .. } => {
            // A refusal for the same reason as before is no news: it isn't recorded each time.
            let is_news = execution.refusal.as_ref() != Some(reason);
            if let Some(retry_at) = observation.retry_at(context.now).filter(|_| is_news)
                && plan.run().state == State::Submitting
            {
                let reason = Arc::clone(reason);
                plan.also(Fact::Execution(id.clone(), ExecutionEvent::Refused { retry_at, reason }));
            }
        }
        Observed::NotLaunchable { reason } => plan.fail(id, Ending::NeverStarted, reason, FailureClass::User),
        Observed::Lost { reason } => plan.fail(id, Ending::Lost, reason, FailureClass::Infrastructure),
        Observed::NeverStarted => {
            let reason = "the executor has a mark that forbids this execution".into();
            plan.fail(id, Ending::NeverStarted, &reason, FailureClass::Infrastructure);
        }
        Observed::Cleaned => {}
    }
    plan.commit(out);
}

/// How an execution has ended, if that is what was seen.
fn ending(what: &Observed) -> Option<Ending> {
    match what {
        Observed::Exited { code } => Some(Ending::Exit { code: *code }),
        Observed::Lost { .. } => Some(Ending::Lost),
        Observed::NotLaunchable { .. } | Observed::NeverStarted => Some(Ending::NeverStarted),
        Observed::Launched | Observed::Started | Observed::Refused { .. } | Observed::Cleaned => None,
    }
}

fn cause(observation: &Observation) -> Cause {
    let Observation { runner, what, observed_at, evidence, extensions, .. } = observation.clone();
    let evidence = if evidence.len() > Cause::MAX_EVIDENCE { Arc::default() } else { evidence };
    Cause::Executor { runner, what, observed_at, evidence, extensions }
}
