//! Data folders for tests, in memory where the system has such a place: their syncs cost nothing there.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use styx_core::{id::Position, log::Log};
use styx_store::{RocksLog, conformance::Story, rocks::OpenOptions};
use tempfile::TempDir;

pub(crate) fn temporary() -> TempDir {
    let fast = Path::new("/dev/shm");
    if fast.is_dir() { tempfile::tempdir_in(fast).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Opens a folder; the high-water mark is written when it is closed.
pub(crate) fn open(dir: &Path) -> Result<RocksLog, styx_store::OpenError> {
    RocksLog::open_with(dir, &OpenOptions::default().high_water_every(Duration::from_secs(3600)), &mut |_| {})
}

/// Tells a story to a folder, and gives the tails between batches, the first being zero.
pub(crate) fn tell(dir: &Path, story: &mut Story, batches: usize, longest: usize) -> Vec<Position> {
    let mut log = open(dir).unwrap();
    let epoch = log.begin_epoch().unwrap();
    let mut tails = vec![story.tail()];
    for _ in 0..batches {
        let before = story.tail();
        tails.push(log.append(epoch, before, &story.next_batch(epoch, longest)).unwrap());
    }
    tails
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// The files of a folder whose names begin and end like this, the newest last.
pub(crate) fn files(dir: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(start) && name.ends_with(end)).collect();
    names.sort();
    names.into_iter().map(|name| dir.join(name)).collect()
}
