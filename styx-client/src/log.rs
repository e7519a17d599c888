//! The log over HTTP, which only this server has: checkpoints and records.

use serde::{Deserialize, Serialize};

/// A copy of a server's log as it was at one moment: a data folder of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its name.
    pub name: String,
    /// The last record that it holds.
    pub position: u64,
    /// Where it is, relative to the server's data folder.
    pub path: String,
    /// When it was made: RFC 3339, in UTC, to the second.
    pub created_at: String,
}

/// All checkpoints of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointsPayload {
    /// The oldest first.
    pub checkpoints: Vec<Checkpoint>,
}

/// Records of a server's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordsPage {
    /// Each a JSON object, as `styx-server log show --format json` has it.
    pub lines: Vec<String>,
    /// Where the log ends.
    pub tail: u64,
}
