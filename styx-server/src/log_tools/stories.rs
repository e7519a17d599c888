//! Logs for tests: stories of the conformance suite in a folder.

use std::path::Path;

use styx_core::log::Log;
use styx_store::{RocksLog, conformance::Story, rocks::RocksReader};

/// The story of a seed, told to a log in a folder in sixty batches.
pub(crate) fn told(dir: &Path, seed: u64) -> (Story, RocksReader) {
    let mut story = Story::new(seed);
    let mut log = RocksLog::open(dir).unwrap();
    let epoch = log.begin_epoch().unwrap();
    for _ in 0..60 {
        let tail = story.tail();
        log.append(epoch, tail, &story.next_batch(epoch, 12)).unwrap();
    }
    let reader = log.rocks_reader();
    (story, reader)
}
