//! Checkpoints: a data folder as it is at one moment, taken while its server goes on writing.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use rocksdb::checkpoint::Checkpoint;
use styx_core::log::LogReader;

use super::{
    Mark, RocksReader,
    lock::Lock,
    open_read_only,
    reader::{corrupt, engine_error},
};
use crate::error::{OpenError, while_doing};

impl RocksReader {
    /// Makes a data folder of all that is durable now in `dir`, which must not exist and lie in the same file system: its
    /// tables are links to the ones that are there, so it takes little time and, at first, little space.
    ///
    /// It holds at least what was durable when this was called; how far it goes is in the answer. A crash on the way leaves a
    /// folder that may not be whole: make it under another name and rename it.
    ///
    /// # Errors
    ///
    /// When it can't be written, or what was written can't be read back.
    pub fn checkpoint(&self, dir: impl AsRef<Path>) -> Result<Mark, OpenError> {
        let dir = dir.as_ref();
        let durable = self.tail()?;
        let place = format!("the checkpoint {}", dir.display());
        let made = Checkpoint::new(&self.store.db).and_then(|checkpoint| checkpoint.create_checkpoint(dir));
        made.map_err(|error| engine_error(&place, &error))?;
        let writing = || while_doing(format!("writing {}", dir.display()));
        fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(writing())?;
        let mark = {
            let copy = open_read_only(dir)?;
            let tail = copy.tail()?;
            let batch = copy.store.batch_at(tail)?.filter(|batch| batch.last() == tail && tail >= durable);
            let problem = || corrupt(place.as_str(), format!("it ends at {tail}, and the log at {durable} or later"));
            Mark { tail, hash: batch.ok_or_else(problem)?.hash }
        };
        mark.write(dir).map_err(writing())?;
        // A reader writes nothing: it locks the file that is there, so that nobody removes what it reads.
        drop(Lock::exclusive(dir)?);
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(writing())?;
        Ok(mark)
    }
}
