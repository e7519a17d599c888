//! A run is tried again after a failure of its own if and only if its retry condition holds: the one that its workflow had when
//! the try was submitted.

use std::{collections::BTreeMap, sync::Arc};

use styx_core::{
    event::{Event, FailureClass, Trigger},
    id::{InstanceId, WorkflowId},
    record::{Cause, Fact, Record, RunEvent, WorkflowEvent},
};

use super::{Check, Invariant};
use crate::sim::conditions::{Failed, holds};

#[derive(Default)]
struct Account {
    failed: Failed,
    /// The condition of the try that goes on, if one does; else the workflow's present one counts.
    condition: Option<Option<Arc<str>>>,
    /// The last failure wasn't the run's own.
    infrastructure: bool,
}

#[derive(Default)]
pub(super) struct Conditional {
    conditions: BTreeMap<WorkflowId, Option<Arc<str>>>,
    runs: BTreeMap<InstanceId, Account>,
}

impl Invariant for Conditional {
    fn name(&self) -> &'static str {
        "conditional"
    }

    fn sentence(&self) -> &'static str {
        "a run whose retry condition doesn't hold is never tried again, and one is given up for it only then"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        let (instance, event) = match &record.fact {
            Fact::Workflow(id, WorkflowEvent::Stored(stored)) => {
                self.conditions.insert(id.clone(), stored.spec.retry_condition.clone());
                return Ok(());
            }
            Fact::Workflow(id, WorkflowEvent::Deleted) => {
                self.conditions.remove(id);
                return Ok(());
            }
            Fact::Run(instance, RunEvent::Styx { event, .. }) => (instance, event),
            _ => return Ok(()),
        };
        let account = self.runs.entry(instance.clone()).or_default();
        let present = self.conditions.get(instance.workflow()).cloned().flatten();
        let failed = &mut account.failed;
        match event {
            Event::TriggerExecution { trigger, .. } => {
                *account = Account::default();
                account.failed.natural = *trigger == Trigger::Natural;
            }
            Event::Submit { retry_condition, .. } => {
                if *retry_condition != present {
                    return Err(format!("{instance} is submitted under {retry_condition:?} instead of {present:?}"));
                }
                account.condition = Some(present);
            }
            Event::Submitted { .. } => failed.tries += 1,
            Event::Terminate { exit_code } => {
                failed.exit = *exit_code;
                failed.failures = if matches!(exit_code, Some(0 | 20)) { 0 } else { failed.failures + 1 };
                account.infrastructure = false;
            }
            Event::RunError { class, .. } => {
                account.infrastructure = *class == FailureClass::Infrastructure;
                failed.exit = None;
                failed.failures += u32::from(!account.infrastructure);
            }
            Event::Timeout { .. } => {
                failed.exit = None;
                failed.failures += 1;
                account.infrastructure = false;
            }
            Event::RetryAfter { .. } => {
                if !matches!(record.cause, Cause::Operator(_)) {
                    account.check(true, present, format_args!("{instance} is tried again"))?;
                }
                account.condition = None;
            }
            Event::Stop { reason: Some(reason) } if reason.contains("condition") => {
                account.check(false, present, format_args!("{instance} is given up: {reason}"))?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Account {
    /// Whether the run may go on or not, as it does.
    fn check(&self, goes_on: bool, present: Option<Arc<str>>, what: std::fmt::Arguments<'_>) -> Check {
        let condition = self.condition.clone().unwrap_or(present);
        let condition = condition.as_deref();
        let met = condition.map_or(Ok(true), |condition| holds(condition, &self.failed))?;
        if (self.infrastructure || met) == goes_on {
            Ok(())
        } else {
            Err(format!("{what}, under {condition:?} with {:?}", self.failed))
        }
    }
}
