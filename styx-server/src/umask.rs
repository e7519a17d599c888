//! The process's umask: whatever the server, a tool or RocksDB writes is private, and jobs have the umask that the server was
//! started with.

use std::sync::OnceLock;

use rustix::fs::Mode;

static INHERITED: OnceLock<u32> = OnceLock::new();

/// From now on nothing that this process makes is for others.
pub(crate) fn make_private() {
    let inherited = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // A second call finds our own.
    let _ = INHERITED.set(inherited.as_raw_mode());
}

/// The umask that this process was started with, if it was changed.
pub(crate) fn of_jobs() -> Option<u32> {
    INHERITED.get().copied()
}
