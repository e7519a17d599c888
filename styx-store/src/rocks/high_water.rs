//! The high-water mark: how far the log was durable at least, in a file of its own.
//!
//! A lost tail looks like a log that was never longer; this file knows better. It lags behind by up to a second, since it
//! has a sync of its own, so a shorter cut can't be seen.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use styx_core::{id::Position, log::LogError};
use styx_host::file::write_internal;

use super::chain::ChainHash;
use crate::{
    check::failed,
    error::{OpenError, while_doing},
};

/// The file's name.
pub const HIGH_WATER_FILE: &str = "high-water";

const VERSION: u8 = 1;
const LENGTH: usize = 45;

/// A tail that was durable, and the hash of all up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The last position.
    pub tail: Position,
    /// The chain hash of its batch.
    pub hash: ChainHash,
}

impl Mark {
    /// The mark of a data folder, if it has one.
    ///
    /// # Errors
    ///
    /// When the file can't be read or is damaged.
    pub fn read(dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = dir.join(HIGH_WATER_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(while_doing(format!("reading {}", path.display()))(error)),
        };
        Self::parse(&bytes).map(Some).ok_or_else(|| {
            let reason = "it isn't what was written; remove it to open the log without it".into();
            LogError::Corrupt { place: path.display().to_string(), reason }.into()
        })
    }

    fn bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION;
        bytes[1..9].copy_from_slice(&self.tail.0.to_be_bytes());
        bytes[9..41].copy_from_slice(&self.hash.0);
        let checksum = crc32c::crc32c(&bytes[..41]);
        bytes[41..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.try_into().ok()?;
        let tail = Position(u64::from_be_bytes(bytes[1..9].try_into().ok()?));
        let mark = Self { tail, hash: ChainHash(bytes[9..41].try_into().ok()?) };
        (mark.bytes() == *bytes).then_some(mark)
    }

    /// Replaces the file in one step: a crash leaves the old mark or the new one.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        write_internal(dir.join(HIGH_WATER_FILE), &self.bytes())
    }
}

/// Writes marks on a thread of its own, so that no append waits for a second sync.
#[derive(Debug)]
pub(super) struct HighWater {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is a mark to be written, or no more will come.
    changed: Condvar,
    /// No more will come: told apart, so that appends don't wake who only pauses.
    closed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: Option<Mark>,
    written: Option<Mark>,
    closing: bool,
    failed: Option<LogError>,
}

impl HighWater {
    /// Begins at `start`, which counts as written; a mark is written at most once in `every`, and at the end.
    pub(super) fn start(dir: PathBuf, every: Duration, start: Option<Mark>) -> io::Result<Self> {
        Self::start_with(move |mark| mark.write(&dir), every, start)
    }

    fn start_with(
        write: impl Fn(&Mark) -> io::Result<()> + Send + 'static,
        every: Duration,
        start: Option<Mark>,
    ) -> io::Result<Self> {
        let state = State { wanted: start, written: start, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), ..Shared::default() });
        let for_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("high-water".into()).spawn(move || for_thread.run(write, every))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// This is durable now.
    ///
    /// # Errors
    ///
    /// When an earlier mark couldn't be written: the disk fails, or the thread has ended. The log takes nothing more then.
    pub(super) fn note(&self, mark: Mark) -> Result<(), LogError> {
        let mut state = self.shared.lock();
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(failed("writing the high-water mark", "its thread has ended".to_owned()));
        }
        let was_idle = state.wanted == state.written;
        state.wanted = Some(mark);
        if was_idle {
            self.shared.changed.notify_one();
        }
        Ok(())
    }
}

impl Drop for HighWater {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_one();
        self.shared.closed.notify_one();
        if let Some(thread) = self.thread.take() {
            // If it panicked, the next mark was refused; there is nothing to do about it here.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, write: impl Fn(&Mark) -> io::Result<()>, every: Duration) {
        let mut state = self.lock();
        loop {
            let idle = |state: &mut State| state.wanted == state.written && !state.closing;
            state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
            let Some(mark) = state.wanted.filter(|mark| Some(*mark) != state.written) else {
                return;
            };
            drop(state);
            let result = write(&mark);
            state = self.lock();
            if let Err(error) = result {
                state.failed = Some(failed("writing the high-water mark", error.to_string()));
                return;
            }
            state.written = Some(mark);
            let open = |state: &mut State| !state.closing;
            let waited = self.closed.wait_timeout_while(state, every, open);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(tail: u64) -> Mark {
        Mark { tail: Position(tail), hash: ChainHash([7; 32]) }
    }

    #[test]
    fn a_mark_reads_back_and_no_bit_may_differ() {
        let bytes = mark(134).bytes();
        assert_eq!(Mark::parse(&bytes), Some(mark(134)));
        for bit in 0..LENGTH * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Mark::parse(&damaged), None, "bit {bit}");
        }
    }

    #[test]
    fn the_last_mark_is_written_on_close_however_long_the_pause() {
        let dir = tempfile::tempdir().unwrap();
        let high_water = HighWater::start(dir.path().into(), Duration::from_secs(3600), None).unwrap();
        for tail in 1..=100 {
            high_water.note(mark(tail)).unwrap();
        }
        drop(high_water);
        assert_eq!(Mark::read(dir.path()).unwrap(), Some(mark(100)));
    }

    #[test]
    fn a_mark_that_cannot_be_written_is_an_error_of_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let high_water = HighWater::start(dir.path().join("gone"), Duration::ZERO, None).unwrap();
        assert!(first_error(&high_water).starts_with("writing the high-water mark: "));
    }

    /// Else a lost tail would look like a log that was never longer, for as long as the server goes on.
    #[test]
    fn without_its_thread_no_mark_is_taken() {
        let high_water = HighWater::start_with(|_| panic!("a bad one"), Duration::ZERO, None).unwrap();
        assert_eq!(first_error(&high_water), "writing the high-water mark: its thread has ended");
    }

    fn first_error(high_water: &HighWater) -> String {
        let error = (1..).find_map(|tail| {
            thread::yield_now();
            high_water.note(mark(tail)).err()
        });
        error.unwrap().to_string()
    }
}
