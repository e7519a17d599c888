//! What the log costs, against floors in the same run: appending in groups, decoding and folding, and the disk at rest.
//!
//! `cargo bench --workspace --all-features --profile dev --bench log`

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rocksdb::{ColumnFamilyDescriptor, DB, DBCompressionType, Options, WriteBatch, WriteOptions};
use styx_benches::{Runs, group};
use styx_core::{
    id::Position,
    log::{Batch, Log},
    world::World,
};
use styx_store::{RocksLog, codec};

const GROUP: usize = 500;
const GROUPS: usize = 200;
const ROUNDS: usize = 3;
const AT_REST_RUNS: usize = 50_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    append()?;
    decode_and_fold()?;
    at_rest()?;
    Ok(())
}

/// Groups of 500 records with their rows through the log, against raw RocksDB writing the same record bytes alone.
///
/// The two take turns, group by group, so that a disk that others use slows both alike.
fn append() -> Result<(), Box<dyn std::error::Error>> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir()?;
        let mut log = RocksLog::open(folder.path().join("log"))?;
        let epoch = log.begin_epoch()?;
        let raw = Raw::open(&folder.path().join("raw"))?;
        let mut tail = Position(0);
        let (mut ours, mut floor) = (Duration::ZERO, Duration::ZERO);
        for batch in &groups(epoch, GROUPS * GROUP) {
            let begin = Instant::now();
            tail = log.append(epoch, tail, batch)?;
            ours += begin.elapsed();
            let begin = Instant::now();
            raw.append(batch)?;
            floor += begin.elapsed();
        }
        rounds.push((ours, floor));
    }
    let records = (GROUPS * GROUP) as f64;
    for (ours, floor) in rounds {
        println!(
            "append in groups of {GROUP}: {:.0} records/s; raw RocksDB, records alone: {:.0}/s; ratio {:.0} %",
            records / ours.as_secs_f64(),
            records / floor.as_secs_f64(),
            100.0 * floor.as_secs_f64() / ours.as_secs_f64()
        );
    }
    Ok(())
}

/// The floor: the same record bytes under their positions, one batch and one sync a group.
struct Raw {
    db: DB,
    sync: WriteOptions,
}

impl Raw {
    fn open(folder: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compression_type(DBCompressionType::Lz4);
        let mut sync = WriteOptions::default();
        sync.set_sync(true);
        Ok(Self { db: DB::open(&options, folder)?, sync })
    }

    fn append(&self, group: &Batch) -> Result<(), Box<dyn std::error::Error>> {
        let mut batch = WriteBatch::default();
        let mut bytes = Vec::new();
        for record in &group.records {
            bytes.clear();
            codec::encode_record(record, &mut bytes)?;
            batch.put(record.position.0.to_be_bytes(), &bytes);
        }
        Ok(self.db.write_opt(batch, &self.sync)?)
    }
}

/// Record bytes to world, one after the other.
fn decode_and_fold() -> Result<(), Box<dyn std::error::Error>> {
    let groups = groups(styx_core::id::Epoch(1), GROUPS * GROUP);
    let mut encoded = Vec::new();
    for record in groups.iter().flat_map(|group| &group.records) {
        let mut bytes = Vec::new();
        codec::encode_record(record, &mut bytes)?;
        encoded.push(bytes);
    }
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut world = World::default();
        for bytes in &encoded {
            world.apply(&codec::decode_record(bytes)?)?;
        }
        best = best.min(begin.elapsed());
    }
    let size: usize = encoded.iter().map(Vec::len).sum();
    let count = encoded.len();
    println!(
        "decode and fold: {:.0} ns a record ({count} records, {} bytes each)",
        best.as_nanos() as f64 / count as f64,
        size / count
    );
    Ok(())
}

/// The folder after many finished runs of one attempt, compacted and closed.
fn at_rest() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let mut log = RocksLog::open(folder.path())?;
    let epoch = log.begin_epoch()?;
    let (mut runs, first) = Runs::begin(epoch);
    let mut tail = log.append(epoch, Position(0), &first)?;
    for _ in 0..AT_REST_RUNS / 50 {
        let batch = group((0..50).map(|_| runs.one_run()));
        tail = log.append(epoch, tail, &batch)?;
    }
    drop(log);
    compact(folder.path())?;
    let bytes = size_of(folder.path())?;
    println!(
        "at rest: {} bytes a finished run of one attempt ({AT_REST_RUNS} runs, {tail} records, compacted)",
        bytes / AT_REST_RUNS as u64
    );
    Ok(())
}

fn groups(epoch: styx_core::id::Epoch, records: usize) -> Vec<Batch> {
    let (mut runs, first) = Runs::begin(epoch);
    let mut all = first;
    let mut groups = Vec::new();
    while groups.len() * GROUP < records {
        let mut parts = vec![std::mem::take(&mut all)];
        let mut size = parts[0].records.len();
        while size < GROUP {
            let run = runs.one_run();
            size += run.records.len();
            parts.push(run);
        }
        groups.push(group(parts));
    }
    groups
}

fn compact(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::Lz4);
    let names = DB::list_cf(&options, folder)?;
    let families = names.iter().map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
    let db = DB::open_cf_descriptors(&options, folder, families)?;
    for name in &names {
        if let Some(family) = db.cf_handle(name) {
            db.flush_cf(&family)?;
            db.compact_range_cf(&family, None::<&[u8]>, None::<&[u8]>);
        }
    }
    Ok(())
}

fn size_of(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        // RocksDB's own log of what it does is bounded and no part of the data.
        if !name.to_string_lossy().starts_with("LOG") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
