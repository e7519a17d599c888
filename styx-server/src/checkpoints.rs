//! Checkpoints of a running server: data folders below its own, each the log as it was at one moment.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, TryLockError},
};

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use styx_client::Checkpoint;
use styx_core::id::Position;
use styx_host::{file::sync_folder, folder};
use styx_store::{OpenError, rocks::RocksReader};

/// The folder that holds them, in the data folder.
const FOLDER: &str = "checkpoints";
/// How a name says when its checkpoint was made.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// What the name of an unfinished one begins with.
const UNFINISHED: &str = ".new-";

/// Makes and lists them.
pub(crate) struct Checkpoints {
    log: RocksReader,
    data: PathBuf,
    /// How many are kept: the oldest ones go when a new one is there.
    keep: usize,
    /// One at a time.
    making: Mutex<()>,
}

/// Why none was made, or they can't be listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// Another one is being made, and whoever waited for it would take a thread from those who read.
    #[error("another checkpoint is being made: try again when it is done")]
    Busy,
    /// It can't be written.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The folder can't be used.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Checkpoints {
    /// Those of a log in its data folder.
    pub(crate) fn new(log: RocksReader, data: PathBuf, keep: usize) -> Self {
        Self { log, data, keep, making: Mutex::new(()) }
    }

    /// Makes one of all that is durable now, and removes the oldest ones if there are too many then. It has its name only once
    /// it is whole.
    pub(crate) fn make(&self, now: DateTime<Utc>) -> Result<Checkpoint, CheckpointError> {
        let _one_at_a_time = match self.making.try_lock() {
            Ok(lock) => lock,
            // Whoever panicked has left a folder that is removed below.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(CheckpointError::Busy),
        };
        let folder = self.folder();
        folder::create(&folder).map_err(doing("creating", &folder))?;
        self.remove_unfinished()?;
        let unfinished = folder.join(format!("{UNFINISHED}{}", std::process::id()));
        let mark = self.log.checkpoint(&unfinished)?;
        let name = format!("{}-{}", mark.tail, now.format(TIME));
        let path = folder.join(&name);
        if path.exists() {
            // Of the same records, in the same second.
            fs::remove_dir_all(&unfinished).map_err(doing("removing", &unfinished))?;
        } else {
            fs::rename(&unfinished, &path).map_err(doing("renaming", &unfinished))?;
            sync_folder(&folder).map_err(doing("syncing", &folder))?;
        }
        self.remove_oldest()?;
        Ok(checkpoint(&name, mark.tail, now))
    }

    /// As if one were being made, until what is returned is dropped.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> std::sync::MutexGuard<'_, ()> {
        self.making.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Removes what is too much; one that somebody looks at stays until the next time.
    fn remove_oldest(&self) -> Result<(), CheckpointError> {
        let all = self.list()?;
        for Checkpoint { name, .. } in &all[..all.len().saturating_sub(self.keep)] {
            match styx_store::rocks::remove(self.folder().join(name)) {
                Ok(()) => tracing::info!("removed the checkpoint {name}: the last {} are kept", self.keep),
                Err(error) => tracing::warn!("the checkpoint {name} can't be removed: {error}"),
            }
        }
        Ok(())
    }

    /// All that there are, the oldest first.
    pub(crate) fn list(&self) -> Result<Vec<Checkpoint>, CheckpointError> {
        let mut found: Vec<_> = self.names()?.iter().filter_map(|name| parse(name)).collect();
        found.sort_by(|one, other| (one.position, &one.name).cmp(&(other.position, &other.name)));
        Ok(found)
    }

    fn folder(&self) -> PathBuf {
        self.data.join(FOLDER)
    }

    /// What a process left that ended while it made one.
    fn remove_unfinished(&self) -> Result<(), CheckpointError> {
        for name in self.names()?.iter().filter(|name| name.starts_with(UNFINISHED)) {
            let path = self.folder().join(name);
            fs::remove_dir_all(&path).map_err(doing("removing", &path))?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, CheckpointError> {
        let folder = self.folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(doing("reading", &folder)(error)),
        };
        let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().into_string());
        let names: Result<Vec<_>, _> = entries.map(name).collect();
        Ok(names.map_err(doing("reading", &folder))?.into_iter().flatten().collect())
    }
}

fn doing(what: &str, path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let doing = format!("{what} {}", path.display());
    move |source| CheckpointError::Io { doing, source }
}

fn checkpoint(name: &str, position: Position, at: DateTime<Utc>) -> Checkpoint {
    Checkpoint {
        name: name.to_owned(),
        position: position.0,
        path: format!("{FOLDER}/{name}"),
        created_at: at.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

/// A checkpoint by its name: `POSITION-TIME`.
fn parse(name: &str) -> Option<Checkpoint> {
    let (position, time) = name.split_once('-')?;
    let at = NaiveDateTime::parse_from_str(time, TIME).ok()?.and_utc();
    Some(checkpoint(name, Position(position.parse().ok()?), at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_tools::stories::told;

    #[test]
    fn a_name_tells_position_and_time() {
        let at = "2026-03-29T07:00:01Z".parse().unwrap();
        let made = checkpoint("23-20260329T070001Z", Position(23), at);
        assert_eq!(parse("23-20260329T070001Z"), Some(made));
        for other in ["", "lost+found", ".new-77", "23", "x-20260329T070001Z", "23-2026", "23-20260329T070001"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_are_kept_and_two_at_a_time_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let (_, reader) = told(&data, 1);
        let checkpoints = Checkpoints::new(reader, data, 2);
        let at = |second: i64| DateTime::from_timestamp(1_774_768_000 + second, 0).unwrap();
        let names: Vec<String> = (0..4).map(|second| checkpoints.make(at(second)).unwrap().name).collect();
        let left = || checkpoints.list().unwrap().into_iter().map(|checkpoint| checkpoint.name).collect::<Vec<_>>();
        assert_eq!(left(), names[2..]);
        let reading = styx_store::open_read_only(checkpoints.folder().join(&names[2])).unwrap();
        let newest = checkpoints.make(at(9)).unwrap().name;
        assert_eq!(left(), [names[2].clone(), names[3].clone(), newest.clone()], "one that is read stays");
        drop(reading);
        let _busy = checkpoints.making.lock().unwrap();
        assert!(matches!(checkpoints.make(at(10)), Err(CheckpointError::Busy)));
        assert_eq!(left().len(), 3);
    }
}
