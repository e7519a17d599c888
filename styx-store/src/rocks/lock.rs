//! Who may use a data folder: one writer, or any number of readers, never both.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

use crate::error::{OpenError, while_doing};

/// The file that is locked; it holds the pid of its last writer.
pub(super) const LOCK_FILE: &str = "styx.lock";

/// A data folder in use; free again when this is dropped, or its process is gone.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// For the one writer.
    pub(super) fn exclusive(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(LOCK_FILE);
        let doing = || format!("locking {}", path.display());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(while_doing(doing()))?;
        try_lock(&mut file, dir, FlockOperation::NonBlockingLockExclusive)?;
        file.set_len(0).map_err(while_doing(doing()))?;
        writeln!(file, "{}", std::process::id()).map_err(while_doing(doing()))?;
        Ok(Self { _file: Some(file) })
    }

    /// For a reader: nothing is written. A folder without a lock file was never opened by a writer of ours (or is a copy
    /// without it), so nobody can be in it.
    pub(super) fn shared(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(LOCK_FILE);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { _file: None }),
            Err(error) => return Err(while_doing(format!("locking {}", path.display()))(error)),
        };
        try_lock(&mut file, dir, FlockOperation::NonBlockingLockShared)?;
        Ok(Self { _file: Some(file) })
    }
}

fn try_lock(file: &mut File, dir: &Path, how: FlockOperation) -> Result<(), OpenError> {
    match flock(&*file, how) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse { dir: dir.into(), pid: holder(file) }),
        Err(error) => Err(while_doing(format!("locking {}", dir.join(LOCK_FILE).display()))(error.into())),
    }
}

/// Who holds the lock: the kernel knows; else what the last writer left.
fn holder(file: &mut File) -> Option<u32> {
    let inode = file.metadata().ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    holder_in(&locks, inode).or_else(|| {
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    })
}

/// Finds the holder in the form of `/proc/locks`: `1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF`.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, place, ..] = fields[..] else { return None };
        let found = place.rsplit(':').next()?.parse::<u64>().ok()?;
        pid.parse().ok().filter(|pid| found == inode && *pid != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_among_other_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 fe:00:42 0 EOF\n2: FLOCK  ADVISORY  WRITE 4711 fe:00:42 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 9 fe:00:42 0 EOF\n";
        assert_eq!(holder_in(locks, 42), Some(4711));
        assert_eq!(holder_in(locks, 43), None);
    }
}
