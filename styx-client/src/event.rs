//! Events: what happened to an instance, in order.

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{ExecutionDescription, Message, Trigger, TriggerParameters, lenient};

const TYPE: &str = "@type";
const INSTANCE: &str = "workflow_instance";

/// The answer to "what happened".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventsPayload {
    /// The events, oldest first.
    #[serde(default, deserialize_with = "lenient::list")]
    pub events: Vec<TimestampedEvent>,
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimestampedEvent {
    /// What happened.
    pub event: Event,
    /// When, in milliseconds since 1970.
    #[serde(deserialize_with = "lenient::integer")]
    pub timestamp: i64,
}

/// What happened to an instance.
///
/// An event of a kind that this version does not know, or cannot read, is kept as [`EventKind::Unknown`]: a newer
/// server may have more to tell than this client understands.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The key of the instance, `component#workflow#parameter`.
    pub workflow_instance: String,
    /// What happened.
    pub kind: EventKind,
}

/// The kinds of events. In JSON they bear the same names with a small first letter, and omit what is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "@type", rename_all = "camelCase", rename_all_fields = "snake_case")]
pub enum EventKind {
    /// The instance was triggered.
    TriggerExecution {
        /// What by.
        trigger: Trigger,
        /// What the trigger added.
        #[serde(default)]
        parameters: TriggerParameters,
    },
    /// Something was noted.
    Info {
        /// What.
        message: Message,
    },
    /// The run left the queue.
    Dequeue {
        /// The resources that it took.
        #[serde(default, deserialize_with = "lenient::texts")]
        resource_ids: Vec<String>,
    },
    /// An execution is to be started.
    Submit {
        /// What it runs.
        execution_description: Box<ExecutionDescription>,
        /// Its id, which only old histories lack.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
        execution_id: Option<String>,
    },
    /// The execution was handed over.
    Submitted {
        /// Its id, which only old histories lack.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
        execution_id: Option<String>,
        /// Where it runs.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
        runner_id: Option<String>,
    },
    /// The execution runs.
    Started {},
    /// The execution ended.
    Terminate {
        /// Its exit code, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_integer")]
        exit_code: Option<i64>,
    },
    /// The execution could not be started or was lost.
    RunError {
        /// Why.
        #[serde(deserialize_with = "lenient::text")]
        message: String,
    },
    /// The run is done.
    Success {},
    /// The run waits for another try.
    RetryAfter {
        /// For how long.
        #[serde(default, deserialize_with = "lenient::integer")]
        delay_millis: i64,
    },
    /// The run was given up.
    Stop {},
    /// The run took too long in one state.
    Timeout {},
    /// Somebody stopped the run.
    Halt {},
    /// Historic: the schedule triggered the instance.
    TimeTrigger {},
    /// Historic: another try at once.
    Retry {},
    /// Historic: the execution was handed over.
    Created {
        /// Its id.
        #[serde(deserialize_with = "lenient::text")]
        execution_id: String,
        /// Its image.
        #[serde(default = "unknown", deserialize_with = "lenient::text")]
        docker_image: String,
    },
    /// A kind that this version does not know or cannot read.
    #[serde(skip)]
    Unknown {
        /// The name of the kind.
        name: String,
        /// All that it tells, but name and instance.
        fields: Map<String, Value>,
    },
}

impl EventKind {
    /// The kind's name, such as `triggerExecution`.
    pub fn name(&self) -> &str {
        match self {
            Self::TriggerExecution { .. } => "triggerExecution",
            Self::Info { .. } => "info",
            Self::Dequeue { .. } => "dequeue",
            Self::Submit { .. } => "submit",
            Self::Submitted { .. } => "submitted",
            Self::Started {} => "started",
            Self::Terminate { .. } => "terminate",
            Self::RunError { .. } => "runError",
            Self::Success {} => "success",
            Self::RetryAfter { .. } => "retryAfter",
            Self::Stop {} => "stop",
            Self::Timeout {} => "timeout",
            Self::Halt {} => "halt",
            Self::TimeTrigger {} => "timeTrigger",
            Self::Retry {} => "retry",
            Self::Created { .. } => "created",
            Self::Unknown { name, .. } => name,
        }
    }

    /// Everything in the event but its name and instance.
    fn fields(&self) -> serde_json::Result<Map<String, Value>> {
        if let Self::Unknown { fields, .. } = self {
            return Ok(fields.clone());
        }
        let mut fields: Map<String, Value> = serde_json::from_value(serde_json::to_value(self)?)?;
        fields.shift_remove(TYPE);
        Ok(fields)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.kind.fields().map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(Some(fields.len() + 2))?;
        map.serialize_entry(TYPE, self.kind.name())?;
        map.serialize_entry(INSTANCE, &self.workflow_instance)?;
        for (name, value) in &fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let mut take = |name| match fields.shift_remove(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(D::Error::missing_field(name)),
        };
        let name = take(TYPE)?;
        let workflow_instance = take(INSTANCE)?;
        if !workflow_instance.contains('#') {
            return Err(D::Error::custom(format!("not the key of an instance: {workflow_instance:?}")));
        }
        Ok(Self { workflow_instance, kind: read_kind(name, fields) })
    }
}

/// Reads a kind, and keeps as it is what cannot be read.
fn read_kind(name: String, fields: Map<String, Value>) -> EventKind {
    let mut all = fields.clone();
    all.insert(TYPE.into(), name.clone().into());
    if name == "triggerExecution" && all.get("trigger").is_none_or(Value::is_null) {
        let trigger_id = all.get("trigger_id").and_then(Value::as_str).map_or_else(unknown, String::from);
        all.insert("trigger".into(), json!({TYPE: "unknown", "trigger_id": trigger_id}));
    }
    all.retain(|_, value| !value.is_null());
    serde_json::from_value(Value::Object(all)).unwrap_or(EventKind::Unknown { name, fields })
}

/// What the original puts for an id or image that an old event lacks.
fn unknown() -> String {
    "UNKNOWN".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> EventKind {
        serde_json::from_str::<Event>(json).unwrap().kind
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let json = r#"{"@type":"frozen","workflow_instance":"a#b#c","until":{"x":[1]}}"#;
        let event: Event = serde_json::from_str(json).unwrap();
        assert_eq!(event.kind.name(), "frozen");
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(read(r#"{"@type":"info","workflow_instance":"a#b#c","message":7}"#).name(), "info");
    }

    #[test]
    fn type_and_instance_are_required() {
        for json in
            [r#"{"workflow_instance":"a#b#c"}"#, r#"{"@type":"halt"}"#, r#"{"@type":"halt","workflow_instance":"abc"}"#]
        {
            assert!(serde_json::from_str::<Event>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn old_forms_are_read() {
        let trigger = |id: &str| EventKind::TriggerExecution {
            trigger: Trigger::Unknown { trigger_id: id.into() },
            parameters: TriggerParameters::default(),
        };
        assert_eq!(read(r#"{"@type":"triggerExecution","workflow_instance":"a#b#c"}"#), trigger("UNKNOWN"));
        let json = r#"{"@type":"triggerExecution","workflow_instance":"a#b#c","trigger_id":"t","trigger":null}"#;
        assert_eq!(read(json), trigger("t"));
        let json = r#"{"@type":"started","workflow_instance":"a#b#c","pod_name":"p"}"#;
        assert_eq!(read(json), EventKind::Started {});
        let json = r#"{"@type":"created","workflow_instance":"a#b#c","execution_id":"x"}"#;
        assert_eq!(read(json), EventKind::Created { execution_id: "x".into(), docker_image: "UNKNOWN".into() });
        let json = r#"{"@type":"retryAfter","workflow_instance":"a#b#c"}"#;
        assert_eq!(read(json), EventKind::RetryAfter { delay_millis: 0 });
        let json = r#"{"@type":"dequeue","workflow_instance":"a#b#c","resource_ids":null}"#;
        assert_eq!(read(json), EventKind::Dequeue { resource_ids: vec![] });
    }
}
