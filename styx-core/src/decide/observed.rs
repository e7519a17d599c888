//! Observations: which events follow from what an executor saw.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Context, Decisions, Plan};
use crate::{
    event::{Event, FailureClass},
    execution::Ending,
    graph::State,
    now::Now,
    observation::{Observation, Observed},
    record::{Cause, ExecutionEvent, Fact},
};

/// Folds an observation into run and execution. What is late, doubled or about nobody changes nothing.
pub(super) fn observed(context: Context<'_>, observation: &Observation, out: &mut Decisions) {
    let Observation { execution: id, what, .. } = observation;
    let Some(execution) = context.world.executions().get(id) else {
        return;
    };
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
        Observed::Refused { retry_at, reason } => {
            if plan.run().state == State::Submitting {
                let retry_at = again_at(context.now, *retry_at, observation.observed_at);
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

/// When an execution is asked for again, as records have time: the executor says it by the wall clock. If that was set since
/// the executor read it, what counts is how long it wanted to wait.
fn again_at(now: Now, retry_at: DateTime<Utc>, observed_at: Option<DateTime<Utc>>) -> DateTime<Utc> {
    let by_clock = retry_at.checked_sub_signed(now.wall_offset()).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let by_delay = observed_at.and_then(|observed_at| now.at.checked_add_signed(retry_at - observed_at));
    let again_at = by_delay.map_or(by_clock, |by_delay| by_delay.min(by_clock));
    // In the future, however late the refusal comes: what is asked again at once was never refused.
    again_at.max(now.at + TimeDelta::milliseconds(1))
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
