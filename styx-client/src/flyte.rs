//! What a workflow that runs on Flyte names instead of an image.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use styx_core::workflow;

/// A Flyte entity and its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlyteExecConf {
    /// What to launch.
    pub reference_id: FlyteIdentifier,
    /// Inputs by name.
    #[serde(default)]
    pub input_fields: BTreeMap<String, String>,
}

/// The full name of a Flyte entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlyteIdentifier {
    /// The kind of entity; only `LAUNCH_PLAN` can be run.
    pub resource_type: String,
    /// The project.
    pub project: String,
    /// The domain.
    pub domain: String,
    /// The entity's name.
    pub name: String,
    /// The entity's version.
    pub version: String,
}

impl From<&workflow::FlyteExecConf> for FlyteExecConf {
    fn from(conf: &workflow::FlyteExecConf) -> Self {
        Self { reference_id: (&conf.reference_id).into(), input_fields: conf.input_fields.clone() }
    }
}

impl From<&workflow::FlyteIdentifier> for FlyteIdentifier {
    fn from(id: &workflow::FlyteIdentifier) -> Self {
        Self {
            resource_type: id.resource_type.clone(),
            project: id.project.clone(),
            domain: id.domain.clone(),
            name: id.name.clone(),
            version: id.version.clone(),
        }
    }
}

impl fmt::Display for FlyteIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource_type, project, domain, name, version } = self;
        write!(f, "{resource_type}:{project}:{domain}:{name}:{version}")
    }
}
