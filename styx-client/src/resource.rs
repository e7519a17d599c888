//! Resources, which bound how many runs execute at once.

use serde::{Deserialize, Serialize};

/// A resource that workflows can name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// How many units of it there are. Nothing checks it: none or less means that no run gets any.
    #[serde(default)]
    pub concurrency: i64,
}

/// The answer to "which resources are there".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourcesPayload {
    /// The resources.
    pub resources: Vec<Resource>,
}
