//! Events of backfills and resources as JSON; frozen as the codec's types are: a member never changes its meaning.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use styx_core::{
    event::TriggerParameters,
    id::WorkflowId,
    record::{BackfillEvent, BackfillMove, BackfillSpec, ResourceEvent},
};

use super::{parts::frozen, values::InstantJson};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum BackfillEventJson {
    Created(Box<BackfillSpecJson>),
    Edited {
        #[serde(skip_serializing_if = "Option::is_none")]
        concurrency: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    Advanced {
        instant: InstantJson,
        next: InstantJson,
        all_triggered: bool,
        why: BackfillMoveJson,
    },
    Halted {
        runs: bool,
        reason: String,
    },
}

impl From<&BackfillEvent> for BackfillEventJson {
    fn from(event: &BackfillEvent) -> Self {
        match event {
            BackfillEvent::Created(spec) => Self::Created(Box::new((&**spec).into())),
            BackfillEvent::Edited { concurrency, description } => {
                Self::Edited { concurrency: *concurrency, description: description.as_ref().map(ToString::to_string) }
            }
            BackfillEvent::Advanced { instant, next, all_triggered, why } => Self::Advanced {
                instant: InstantJson(*instant),
                next: InstantJson(*next),
                all_triggered: *all_triggered,
                why: (*why).into(),
            },
            BackfillEvent::Halted { runs, reason } => Self::Halted { runs: *runs, reason: reason.to_string() },
        }
    }
}

impl From<BackfillEventJson> for BackfillEvent {
    fn from(json: BackfillEventJson) -> Self {
        match json {
            BackfillEventJson::Created(spec) => Self::Created(Arc::new((*spec).into())),
            BackfillEventJson::Edited { concurrency, description } => {
                Self::Edited { concurrency, description: description.map(Into::into) }
            }
            BackfillEventJson::Advanced { instant, next, all_triggered, why } => {
                Self::Advanced { instant: instant.0, next: next.0, all_triggered, why: why.into() }
            }
            BackfillEventJson::Halted { runs, reason } => Self::Halted { runs, reason: reason.into() },
        }
    }
}

frozen!(BackfillMoveJson of BackfillMove {
    Triggered = "triggered", AlreadyActive = "alreadyActive",
});

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackfillSpecJson {
    component: String,
    workflow: String,
    start: InstantJson,
    end: InstantJson,
    reverse: bool,
    schedule: String,
    concurrency: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<BTreeMap<String, String>>,
    first: InstantJson,
}

impl From<&BackfillSpec> for BackfillSpecJson {
    fn from(spec: &BackfillSpec) -> Self {
        Self {
            component: spec.workflow.component().into(),
            workflow: spec.workflow.workflow().into(),
            start: InstantJson(spec.start),
            end: InstantJson(spec.end),
            reverse: spec.reverse,
            schedule: spec.schedule.to_string(),
            concurrency: spec.concurrency,
            description: spec.description.as_ref().map(ToString::to_string),
            env: spec.parameters.as_ref().map(|parameters| BTreeMap::clone(&parameters.env)),
            first: InstantJson(spec.first),
        }
    }
}

impl From<BackfillSpecJson> for BackfillSpec {
    fn from(json: BackfillSpecJson) -> Self {
        Self {
            workflow: WorkflowId::new(json.component, json.workflow),
            start: json.start.0,
            end: json.end.0,
            reverse: json.reverse,
            schedule: json.schedule.into(),
            concurrency: json.concurrency,
            description: json.description.map(Into::into),
            parameters: json.env.map(|env| TriggerParameters { env: Arc::new(env) }),
            first: json.first.0,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum ResourceEventJson {
    Set { concurrency: i64 },
    Deleted,
}

impl From<&ResourceEvent> for ResourceEventJson {
    fn from(event: &ResourceEvent) -> Self {
        match *event {
            ResourceEvent::Set { concurrency } => Self::Set { concurrency },
            ResourceEvent::Deleted => Self::Deleted,
        }
    }
}

impl From<ResourceEventJson> for ResourceEvent {
    fn from(json: ResourceEventJson) -> Self {
        match json {
            ResourceEventJson::Set { concurrency } => Self::Set { concurrency },
            ResourceEventJson::Deleted => Self::Deleted,
        }
    }
}
