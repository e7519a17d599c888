//! Events: what happened to an instance, in order.

use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use styx_core::id::InstanceId;

use crate::lenient::{Fields, each_once};
use crate::{ExecutionDescription, Message, Trigger, TriggerParameters};

const TYPE: &str = "@type";
const INSTANCE: &str = "workflow_instance";

/// The answer to "what happened".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventsPayload {
    /// The events, oldest first.
    pub events: Vec<TimestampedEvent>,
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimestampedEvent {
    /// What happened.
    pub event: Event,
    /// When, in milliseconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
}

/// An event as the `styx` command prints it; no server sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInfo {
    /// When it happened, in milliseconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
    /// The name of its kind.
    pub name: String,
    /// What it has to tell, in words.
    pub info: String,
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
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EventKind {
    /// The instance was triggered.
    TriggerExecution {
        /// What by.
        trigger: Trigger,
        /// What the trigger added.
        parameters: TriggerParameters,
    },
    /// Something was noted.
    Info {
        /// What.
        message: Message,
    },
    /// The run left the queue.
    Dequeue {
        /// The resources that it took, each once.
        resource_ids: Vec<String>,
    },
    /// An execution is to be started.
    Submit {
        /// What it runs.
        execution_description: Box<ExecutionDescription>,
        /// Its id, which only old histories lack.
        #[serde(skip_serializing_if = "Option::is_none")]
        execution_id: Option<String>,
    },
    /// The execution was handed over.
    Submitted {
        /// Its id, which only old histories lack.
        #[serde(skip_serializing_if = "Option::is_none")]
        execution_id: Option<String>,
        /// Where it runs.
        #[serde(skip_serializing_if = "Option::is_none")]
        runner_id: Option<String>,
    },
    /// The execution runs.
    Started {},
    /// The execution ended.
    Terminate {
        /// Its exit code, if it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
    },
    /// The execution could not be started or was lost.
    RunError {
        /// Why.
        message: String,
    },
    /// The run is done.
    Success {},
    /// The run waits for another try.
    RetryAfter {
        /// For how long.
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
        execution_id: String,
        /// Its image.
        docker_image: String,
    },
    /// A kind that this version does not know or cannot read.
    Unknown {
        /// The name of the kind.
        #[serde(skip)]
        name: String,
        /// All that it tells, but name and instance.
        #[serde(flatten)]
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

    /// Whether this version knows the kind and could read all of it.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    fn read(name: &str, fields: &Fields<'_>) -> serde_json::Result<Self> {
        Ok(match name {
            "triggerExecution" => Self::TriggerExecution {
                trigger: match fields.optional("trigger")? {
                    Some(trigger) => trigger,
                    None => Trigger::Unknown { trigger_id: fields.optional("trigger_id")?.unwrap_or_else(unknown) },
                },
                parameters: fields.optional("parameters")?.unwrap_or_default(),
            },
            "info" => Self::Info { message: fields.required("message")? },
            "dequeue" => {
                Self::Dequeue { resource_ids: each_once(fields.optional("resource_ids")?.unwrap_or_default()) }
            }
            "submit" => Self::Submit {
                execution_description: fields.required("execution_description")?,
                execution_id: fields.optional("execution_id")?,
            },
            "submitted" => Self::Submitted {
                execution_id: fields.optional("execution_id")?,
                runner_id: fields.optional("runner_id")?,
            },
            "started" => Self::Started {},
            "terminate" => Self::Terminate { exit_code: fields.optional_scalar("exit_code")? },
            "runError" => Self::RunError { message: fields.required("message")? },
            "success" => Self::Success {},
            "retryAfter" => Self::RetryAfter { delay_millis: fields.optional("delay_millis")?.unwrap_or_default() },
            "stop" => Self::Stop {},
            "timeout" => Self::Timeout {},
            "halt" => Self::Halt {},
            "timeTrigger" => Self::TimeTrigger {},
            "retry" => Self::Retry {},
            "created" => Self::Created {
                execution_id: fields.required("execution_id")?,
                docker_image: fields.optional("docker_image")?.unwrap_or_else(unknown),
            },
            _ => return Err(serde_json::Error::custom(format!("no kind of event: {name}"))),
        })
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            #[serde(rename = "@type")]
            name: &'a str,
            workflow_instance: &'a str,
            #[serde(flatten)]
            kind: &'a EventKind,
        }
        Wire { name: self.kind.name(), workflow_instance: &self.workflow_instance, kind: &self.kind }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(&raw).map_err(D::Error::custom)
    }
}

impl Event {
    fn read(raw: &RawValue) -> serde_json::Result<Self> {
        let fields = Fields::of(raw)?;
        let name: String = fields.required(TYPE)?;
        let workflow_instance: String = fields.required(INSTANCE)?;
        InstanceId::parse_key(&workflow_instance).map_err(serde_json::Error::custom)?;
        let kind = match EventKind::read(&name, &fields) {
            Ok(kind) => kind,
            Err(_) => {
                let mut fields: Map<String, Value> = serde_json::from_str(raw.get())?;
                fields.retain(|name, _| ![TYPE, INSTANCE].contains(&name.as_str()));
                EventKind::Unknown { name, fields }
            }
        };
        Ok(Self { workflow_instance, kind })
    }
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
    fn numbers_of_what_is_not_known_read_back() {
        let read = |json: &str| crate::json::from_slice::<Event>(json.as_bytes()).unwrap();
        let event = read(r#"{"@type":"frozen","workflow_instance":"a#b#c","cost":3000000e040}"#);
        assert_eq!(read(&crate::json::to_string(&event).unwrap()), event);
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
