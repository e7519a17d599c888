//! A record without the values of environments: the mark stands in their place. Later fields, of which nobody here knows
//! whether they hold secrets, are left out. Everything else is as it was.

use std::{collections::BTreeMap, sync::Arc};

use styx_core::{
    config::Config,
    event::{Description, Event, ExecutionDescription, TriggerParameters},
    extensions::Extensions,
    record::{
        BackfillEvent, BackfillSpec, Cause, ConfigEvent, Fact, Operator, Record, RunEvent, StoredWorkflow,
        WorkflowEvent, WorkflowSpec,
    },
};

use super::redact;

/// The record with its secrets hidden; what is JSON and can't be read is hidden whole.
pub(super) fn record(record: &Record) -> Record {
    let mut record = record.clone();
    match &mut record.fact {
        Fact::Workflow(_, WorkflowEvent::Stored(stored)) => {
            let spec = WorkflowSpec { extensions: Extensions::default(), ..stored.spec.clone() };
            *stored = Arc::new(StoredWorkflow { json: text(&stored.json), spec });
        }
        Fact::Workflow(_, WorkflowEvent::CursorMoved { extensions, .. }) => *extensions = Extensions::default(),
        Fact::Config(ConfigEvent::Set(config)) if !config.extensions.is_empty() => {
            *config = Arc::new(Config { extensions: Extensions::default(), ..Config::clone(config) });
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
        Cause::Executor { evidence, extensions, .. } => {
            *extensions = Extensions::default();
            if !evidence.is_empty() {
                *evidence = redact::json(evidence).to_string().into_bytes().into();
            }
        }
        _ => {}
    }
    record
}

fn hide(event: &mut Event) {
    match event {
        Event::TriggerExecution { parameters, extensions, .. } => {
            *parameters = TriggerParameters { env: Arc::new(env(&parameters.env)) };
            *extensions = Extensions::default();
        }
        Event::Submit { description, extensions, .. } => {
            if let Description::Inline(inline) = description {
                let env = env(&inline.env);
                *inline = Arc::new(ExecutionDescription { env, ..ExecutionDescription::clone(inline) });
            }
            *extensions = Extensions::default();
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
