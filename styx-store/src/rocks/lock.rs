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

/// How long a folder may stay in use by a process that ends, or by what a dead one left behind, such as a child that was just
/// being forked.
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
        try_lock(&file, dir, FlockOperation::NonBlockingLockExclusive, PATIENCE)?;
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
        try_lock(&file, dir, FlockOperation::NonBlockingLockShared, PATIENCE)?;
        Ok(Self { _file: Some(file) })
    }
}

fn try_lock(file: &File, dir: &Path, how: FlockOperation, patience: Duration) -> Result<(), OpenError> {
    let begin = Instant::now();
    let mut was_alive = false;
    loop {
        match flock(file, how) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(while_doing(format!("locking {}", dir.join(LOCK_FILE).display()))(error.into())),
        }
        let pid = holder(file);
        let is_alive = !pid.is_some_and(is_gone);
        // Seen twice: between a try and a look it may have ended.
        if is_alive && was_alive || begin.elapsed() >= patience {
            return Err(OpenError::InUse { dir: dir.into(), pid });
        }
        was_alive = is_alive;
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

/// Whether there is no process with this id any more, or soon won't be.
fn is_gone(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| is_ending(&stat))
}

/// Whether a process ends, by what `/proc/…/stat` says of it: `4711 (its name) S 1 …`. What it holds, it holds until its memory
/// is given back.
fn is_ending(stat: &str) -> bool {
    const EXITING: u64 = 0x4;
    const KILLED: u64 = 1 << 8;
    let Some((_, fields)) = stat.rsplit_once(')') else { return false };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let has = |field: usize, bit| {
        let bits = fields.get(field).and_then(|bits| bits.parse::<u64>().ok());
        bits.is_some_and(|bits| bits & bit != 0)
    };
    // Counted from the state on: what the process is about, and the signals that it has yet to see.
    matches!(fields.first(), Some(&("Z" | "X"))) || has(6, EXITING) || has(28, KILLED)
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
    use std::process::{Command, Stdio};

    use super::*;

    /// Nothing here takes so long.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_holder_is_found_among_other_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 fe:00:42 0 EOF\n2: FLOCK  ADVISORY  WRITE 4711 fe:00:42 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 9 fe:00:42 0 EOF\n";
        assert_eq!(holder_in(locks, 42), Some(4711));
        assert_eq!(holder_in(locks, 43), None);
    }

    #[test]
    fn a_process_that_ends_counts_as_gone() {
        let stat = |state, flags, signals| {
            format!(
                "4711 (a) S (b) {state} 1 1 1 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 9 9 9 9 1 1 1 1 1 {signals} 0 0 0 0"
            )
        };
        for (state, flags, signals, ends) in [
            ("S", 4_194_304, 0, false),
            ("R", 4_194_304 + 4, 0, true),
            ("T", 4_194_304, 256, true),
            ("S", 4_194_304, 0x4000, false),
            ("Z", 4_194_304, 0, true),
        ] {
            assert_eq!(is_ending(&stat(state, flags, signals)), ends, "{state} {flags} {signals}");
        }
        assert!(!is_gone(std::process::id()));
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        assert!(!is_gone(child.id()));
        child.kill().unwrap();
        let begin = Instant::now();
        while !is_gone(child.id()) {
            assert!(begin.elapsed() < LONG, "it was killed, only its parent hasn't looked");
        }
        child.wait().unwrap();
        assert!(is_gone(child.id()));
    }

    #[test]
    fn what_a_dead_writer_left_behind_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(LOCK_FILE);
        // The shell has gone, and its child, which waits for our word, has the lock.
        let (word, script) = (
            dir.path().join("word"),
            r#"mkfifo "$1"; exec 9>"$0"; flock -n 9 || exit 1; echo $$ >"$0"; cat "$1" & exit 0"#,
        );
        let ended = Command::new("sh").args(["-c", script]).args([&file, &word]).stdout(Stdio::null()).status();
        assert!(ended.unwrap().success());
        let held = File::open(&file).unwrap();
        let how = FlockOperation::NonBlockingLockExclusive;
        assert_eq!(flock(&held, how), Err(rustix::io::Errno::WOULDBLOCK), "nobody holds the lock");
        let refused = try_lock(&held, dir.path(), how, Duration::ZERO);
        assert!(matches!(refused, Err(OpenError::InUse { .. })), "{refused:?}");
        let child = thread::spawn(move || fs::write(word, "go\n"));
        try_lock(&held, dir.path(), how, LONG).unwrap();
        child.join().unwrap().unwrap();
        drop(held);
        let lock = Lock::exclusive(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{}\n", std::process::id()));
        drop(lock);
    }

    #[test]
    fn a_living_holder_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = Lock::exclusive(dir.path()).unwrap();
        let file = File::open(dir.path().join(LOCK_FILE)).unwrap();
        // However long it could wait.
        for how in [FlockOperation::NonBlockingLockExclusive, FlockOperation::NonBlockingLockShared] {
            let refused = try_lock(&file, dir.path(), how, LONG);
            let pid = Some(std::process::id());
            assert!(matches!(&refused, Err(OpenError::InUse { pid: said, .. }) if *said == pid), "{refused:?}");
        }
        assert!(matches!(Lock::exclusive(dir.path()), Err(OpenError::InUse { .. })));
        assert!(matches!(Lock::shared(dir.path()), Err(OpenError::InUse { .. })));
    }
}
