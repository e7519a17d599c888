//! What the files of state folder and run folder say.

use std::{collections::BTreeMap, time::SystemTime};

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::process::ProcessId;

/// Which log the folder belongs to.
pub(crate) const LOG_ID: &str = "log_id";
/// Who may start the execution: see [`Claim`].
pub(crate) const CLAIM: &str = "claim";
/// The job's process: see [`Job`].
pub(crate) const JOB: &str = "job";
/// How it ended: see [`Exit`].
pub(crate) const EXIT: &str = "exit";
/// What was asked for, for people; without the values of the environment.
pub(crate) const REQUEST: &str = "request.json";
/// All that the job wrote to its standard output and error.
pub(crate) const OUTPUT: &str = "output.log";
/// What the shim had to say, normally nothing.
pub(crate) const SHIM_LOG: &str = "shim.log";
/// The pipe that the shim holds open until the job runs.
pub(crate) const SIGNAL: &str = "signal";
/// Where a job with termination logging leaves its exit code.
pub(crate) const TERMINATION_LOG: &str = "termination-log";
/// There once the clean-up was asked for; its age is the time since.
pub(crate) const CLEANED: &str = "cleaned";

/// The present time as files and evidence show it.
pub(crate) fn now_text() -> String {
    DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The time that a file shows; nothing if it is none that a record can hold.
pub(crate) fn time_of(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (1970..=9999).contains(&at.year()).then_some(at)
}

/// Who has the only right to start an execution. Written once, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The log that the execution belongs to.
    pub(crate) log_id: String,
    /// Which execution.
    pub(crate) execution: String,
    /// When it was claimed.
    pub(crate) at: String,
    /// By whom.
    pub(crate) by: Claimant,
}

/// Who made a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Claimant {
    /// A shim, which starts the job.
    Shim {
        /// The boot of the machine that it lives in.
        boot_id: String,
        /// The shim.
        process: ProcessId,
    },
    /// Nobody: the job must never start.
    Tombstone {
        /// Why it counts as lost; nothing if it was stopped before it began.
        lost: Option<String>,
    },
    /// The file is damaged. It counts as a claim.
    #[serde(skip)]
    Unreadable,
}

/// The job's leading process; it leads a process group of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The process, in the boot that the claim names.
    pub(crate) process: ProcessId,
    /// When it was started.
    pub(crate) at: String,
}

/// The end of an execution; all its processes are gone when it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// When.
    pub(crate) at: String,
    /// How.
    pub(crate) how: How,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum How {
    /// It ran to its end.
    Ran {
        /// The exit status of the process, 128 + n after signal n.
        status: i32,
        /// The signal that ended it.
        signal: Option<i32>,
        /// The exit code that counts: the status, or what the termination log says.
        code: Option<i32>,
    },
    /// It can't be started: the workflow's fault.
    NotLaunchable {
        /// Why.
        reason: String,
    },
    /// It couldn't be started, or nobody knows how it ended: not the workflow's fault.
    Lost {
        /// Why.
        reason: String,
    },
}

/// What the shim is asked to do. It travels through memory, never through a file, for it holds the environment.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    /// Format of this structure.
    pub(crate) version: u32,
    /// The log that launches it.
    pub(crate) log_id: String,
    /// Which execution.
    pub(crate) execution: String,
    /// Program and arguments.
    pub(crate) argv: Vec<String>,
    /// The folder to run in.
    pub(crate) cwd: String,
    /// All of the job's environment.
    pub(crate) env: BTreeMap<String, String>,
    /// How much output is kept.
    pub(crate) max_output_bytes: u64,
    /// How long what the job left behind may go on after its end.
    pub(crate) grace_millis: u64,
    /// Whether the job reports its exit code in its termination log.
    pub(crate) termination_logging: bool,
    /// The umask of the job; the shim's own if it isn't said.
    #[serde(default)]
    pub(crate) umask: Option<u32>,
}

impl Request {
    /// The version of the format that this program writes and reads.
    pub(crate) const VERSION: u32 = 1;
}

/// The exit code that counts (spec part (d), exit code): the termination log decides if it is used and can be read,
/// but never turns a failure into a success.
///
/// `message` is `None` where termination logging is off; an empty text is a message that is missing.
pub(crate) fn exit_code(status: i32, message: Option<&str>) -> Option<i32> {
    let Some(message) = message else {
        return Some(status);
    };
    let logged = serde_json::from_str::<serde_json::Value>(message)
        .ok()
        .and_then(|value| value.get("exit_code")?.as_i64())
        .and_then(|code| i32::try_from(code).ok());
    match logged {
        Some(0) => Some(status),
        Some(code) => Some(code),
        None => (status != 0).then_some(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_termination_log_decides_where_it_is_used() {
        let logged = |code: &str| format!(r#"{{"workflow_id":"x","exit_code":{code}}}"#);
        assert_eq!(exit_code(20, None), Some(20));
        for (status, message, code) in [
            (0, logged("1"), Some(1)),
            (2, logged("3"), Some(3)),
            (2, logged("0"), Some(2)),
            (0, logged("0"), Some(0)),
            (0, String::new(), None),
            (0, "SUCCESS".into(), None),
            (0, r#"{"workflow_id":"x"}"#.into(), None),
            (0, logged("1.5"), None),
            (0, logged("4294967296"), None),
            (17, r#"{"workf"#.into(), Some(17)),
        ] {
            assert_eq!(exit_code(status, Some(&message)), code, "{status} {message}");
        }
    }
}
