//! An empty server stays small: this test has a process of its own.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use styx_core::log::Log;
use styx_store::RocksLog;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn an_open_empty_log_takes_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let before = resident_kib();
    let mut log = RocksLog::open(dir.path()).unwrap();
    log.begin_epoch().unwrap();
    let after = resident_kib();
    println!("{before} KiB before, {after} KiB after");
    assert!(after < 40 * 1024, "{after} KiB");
}
