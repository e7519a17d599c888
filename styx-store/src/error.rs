//! Why a data folder can't be opened.

use std::{io, path::PathBuf};

use styx_core::{id::Position, log::LogError};

/// Why a data folder can't be opened: each a line that a person can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Somebody else has it.
    #[error("data folder {} is in use by another process ({})", dir.display(), pid_text(*.pid))]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// Who, as far as it can be found out.
        pid: Option<u32>,
    },
    /// There is no log in it.
    #[error("{} holds no log", dir.display())]
    NoLog {
        /// The folder.
        dir: PathBuf,
    },
    /// It belongs to another user, who couldn't read any more what this one writes into it.
    #[error(
        "the log in {} belongs to user {owner}, who couldn't read what user {user} writes into it: run this as user {owner}, \
         or change the owner of the folder and of all that is in it",
        dir.display()
    )]
    NotOurs {
        /// The folder.
        dir: PathBuf,
        /// Whom it belongs to.
        owner: u32,
        /// Who opens it.
        user: u32,
    },
    /// Something is in a folder in which a log was to begin.
    #[error("{} isn't empty: name a folder that doesn't exist yet", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// It was written by a newer program.
    #[error("data folder {} has {found}; this program knows format {known}: use a newer program", dir.display())]
    UnknownFormat {
        /// The folder.
        dir: PathBuf,
        /// What was found.
        found: String,
        /// The newest format that is known.
        known: u32,
    },
    /// It was written by a version that was never released: until 0.1.0 no format is kept.
    #[error(
        "data folder {} has format {found}, of an unreleased version before 0.1.0: export it with the program that \
         wrote it and import that, or begin anew in another folder",
        dir.display()
    )]
    Unreleased {
        /// The folder.
        dir: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Records are missing at its end.
    #[error("the log ends at {tail}, but {durable} was durable before: records are missing; restore the folder, or remove {} to go on without them", mark.display())]
    Shortened {
        /// Where it ends.
        tail: Position,
        /// Where it ended at least.
        durable: Position,
        /// The file that says so.
        mark: PathBuf,
    },
    /// Its records aren't those that were written.
    #[error("the log up to {durable} isn't the one that was durable before: its chain hash is {found}, not {expected}, which {} holds", mark.display())]
    Rewritten {
        /// Up to where the hash goes.
        durable: Position,
        /// The hash that was durable.
        expected: String,
        /// The hash that is there.
        found: String,
        /// The file that says so.
        mark: PathBuf,
    },
    /// A file or folder can't be used.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// The log itself can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(|| "its pid is unknown".into(), |pid| format!("pid {pid}"))
}

/// For `map_err`: says what was being done.
pub(crate) fn while_doing(doing: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { doing: doing.into(), source }
}
