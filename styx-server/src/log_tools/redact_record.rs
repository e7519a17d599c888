//! A record without the values of environments: the mark stands in their place, and everything else is as it was.

use std::{collections::BTreeMap, sync::Arc};

use styx_core::{
    event::{Description, Event, ExecutionDescription, TriggerParameters},
    record::{BackfillEvent, BackfillSpec, Cause, Fact, Operator, Record, RunEvent, StoredWorkflow, WorkflowEvent},
};

use super::redact;

/// The record with its secrets hidden; what is JSON and can't be read is hidden whole.
pub(super) fn record(record: &Record) -> Record {
    let mut record = record.clone();
    match &mut record.fact {
        Fact::Workflow(_, WorkflowEvent::Stored(stored)) => {
            let json = text(&stored.json);
            *stored = Arc::new(StoredWorkflow { json, ..StoredWorkflow::clone(stored) });
        }
        Fact::Run(_, RunEvent::Styx { event, .. } | RunEvent::Ignored { event, .. }) => hide(event),
        Fact::Backfill(_, BackfillEvent::Created(spec)) => {
            let parameters =
                spec.parameters.as_ref().map(|parameters| TriggerParameters { env: Arc::new(env(&parameters.env)) });
            *spec = Arc::new(BackfillSpec { parameters, ..BackfillSpec::clone(spec) });
        }
        _ => {}
    }
    match &mut record.cause {
        Cause::Operator(operator) => {
            let request = text(&operator.request);
            *operator = Arc::new(Operator { request, ..Operator::clone(operator) });
        }
        Cause::Executor { evidence, .. } if !evidence.is_empty() => {
            *evidence = redact::json(evidence).to_string().into_bytes().into();
        }
        _ => {}
    }
    record
}

fn hide(event: &mut Event) {
    match event {
        Event::TriggerExecution { parameters, .. } => {
            *parameters = TriggerParameters { env: Arc::new(env(&parameters.env)) };
        }
        Event::Submit { description: Description::Inline(inline), .. } => {
            *inline = Arc::new(ExecutionDescription { env: env(&inline.env), ..ExecutionDescription::clone(inline) });
        }
        _ => {}
    }
}

fn env(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    env.keys().map(|name| (name.clone(), redact::HIDDEN.to_owned())).collect()
}

fn text(json: &str) -> Arc<str> {
    if json.is_empty() { json.into() } else { redact::json(json.as_bytes()).to_string().into() }
}
