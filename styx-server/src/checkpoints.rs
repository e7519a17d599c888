//! Checkpoints of a running server: data folders below its own, each the log as it was at one moment.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use styx_client::Checkpoint;
use styx_core::id::Position;
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
    /// One at a time.
    making: Mutex<()>,
}

/// Why none was made, or they can't be listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
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
    pub(crate) fn new(log: RocksReader, data: PathBuf) -> Self {
        Self { log, data, making: Mutex::new(()) }
    }

    /// Makes one of all that is durable now. It has its name only once it is whole.
    pub(crate) fn make(&self, now: DateTime<Utc>) -> Result<Checkpoint, CheckpointError> {
        let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder();
        let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        created.map_err(doing("creating", &folder))?;
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
            fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(doing("syncing", &folder))?;
        }
        Ok(checkpoint(&name, mark.tail, now))
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

    #[test]
    fn a_name_tells_position_and_time() {
        let at = "2026-03-29T07:00:01Z".parse().unwrap();
        let made = checkpoint("23-20260329T070001Z", Position(23), at);
        assert_eq!(parse("23-20260329T070001Z"), Some(made));
        for other in ["", "lost+found", ".new-77", "23", "x-20260329T070001Z", "23-2026", "23-20260329T070001"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
