//! Who may use a data folder: one writer, or any number of readers, never both.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, flock};

use crate::error::{OpenError, while_doing};

/// The file that is locked; it holds the pid of its last writer.
pub(super) const LOCK_FILE: &str = "styx.lock";

/// How long a folder may stay in use by what a dead process left behind, such as a child that was just being forked.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait from one try to the next.
const STEP: Duration = Duration::from_millis(10);

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
        try_lock(&file, dir, FlockOperation::NonBlockingLockExclusive)?;
        file.set_len(0).map_err(while_doing(doing()))?;
        writeln!(file, "{}", std::process::id()).map_err(while_doing(doing()))?;
        Ok(Self { _file: Some(file) })
    }

    /// For a reader: nothing is written. A folder without a lock file was never opened by a writer of ours (or is a copy
    /// without it), so nobody can be in it.
    pub(super) fn shared(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(LOCK_FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { _file: None }),
            Err(error) => return Err(while_doing(format!("locking {}", path.display()))(error)),
        };
        try_lock(&file, dir, FlockOperation::NonBlockingLockShared)?;
        Ok(Self { _file: Some(file) })
    }
}

fn try_lock(file: &File, dir: &Path, how: FlockOperation) -> Result<(), OpenError> {
    let begin = Instant::now();
    loop {
        match flock(file, how) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(while_doing(format!("locking {}", dir.join(LOCK_FILE).display()))(error.into())),
        }
        let pid = holder(file);
        if begin.elapsed() >= PATIENCE || !pid.is_some_and(is_gone) {
            return Err(OpenError::InUse { dir: dir.into(), pid });
        }
        thread::sleep(STEP);
    }
}

/// Who holds the lock: the kernel knows; else what the last writer left.
fn holder(file: &File) -> Option<u32> {
    let inode = file.metadata().ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    holder_in(&locks, inode).or_else(|| {
        let mut text = [0; 16];
        // At a place, so that whoever writes next begins where they would have.
        let length = file.read_at(&mut text, 0).ok()?;
        std::str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
    })
}

/// Whether there is no process with this id any more.
fn is_gone(pid: u32) -> bool {
    !Path::new("/proc").join(pid.to_string()).exists()
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
    use std::process::Command;

    use super::*;

    #[test]
    fn the_holder_is_found_among_other_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 fe:00:42 0 EOF\n2: FLOCK  ADVISORY  WRITE 4711 fe:00:42 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 9 fe:00:42 0 EOF\n";
        assert_eq!(holder_in(locks, 42), Some(4711));
        assert_eq!(holder_in(locks, 43), None);
    }

    #[test]
    fn what_a_dead_writer_left_behind_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(LOCK_FILE);
        let script = r#"exec 9>"$0"; flock -n 9 || exit 1; echo $$ >"$0"; sleep 0.3 & exit 0"#;
        assert!(Command::new("sh").args(["-c", script]).arg(&file).status().unwrap().success());
        let begin = Instant::now();
        let lock = Lock::exclusive(dir.path()).unwrap();
        assert!(begin.elapsed() > Duration::from_millis(100), "nobody held the lock: {:?}", begin.elapsed());
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{}\n", std::process::id()));
        drop(lock);
    }

    #[test]
    fn a_living_holder_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = Lock::exclusive(dir.path()).unwrap();
        let begin = Instant::now();
        for refused in [Lock::exclusive(dir.path()), Lock::shared(dir.path())] {
            let pid = Some(std::process::id());
            assert!(matches!(&refused, Err(OpenError::InUse { pid: said, .. }) if *said == pid), "{refused:?}");
        }
        assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
    }
}
