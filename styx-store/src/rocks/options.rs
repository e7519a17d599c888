//! How RocksDB is set up: each option with its reason.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel, Options,
    WriteOptions,
};

/// The column families, by what they hold.
pub(super) mod family {
    /// Position -> record.
    pub(in crate::rocks) const LOG: &str = "log";
    /// Subject and position -> nothing.
    pub(in crate::rocks) const BY_SUBJECT: &str = "by_subject";
    /// Row key -> row.
    pub(in crate::rocks) const ROWS: &str = "rows";
    /// First position of a batch -> number of records and chain hash.
    pub(in crate::rocks) const BATCHES: &str = "batches";
    /// Format, epoch, version of the rows.
    pub(in crate::rocks) const META: &str = "meta";
    /// RocksDB demands it; we keep nothing there.
    pub(in crate::rocks) const DEFAULT: &str = "default";

    pub(in crate::rocks) const ALL: [&str; 6] = [LOG, BY_SUBJECT, ROWS, BATCHES, META, DEFAULT];
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Options of the whole database.
pub(super) fn database() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // Point-in-time, the default, drops acknowledged records behind a damaged one without a word. This one accepts only
    // an unfinished write at the very end, which a crash leaves and which was never acknowledged.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // A WAL file that is missing or shorter than what was synced is an error, not an empty one.
    options.set_track_and_verify_wals_in_manifest(true);
    // Both would let a write be seen, or answered, before the one in front of it is durable.
    options.set_unordered_write(false);
    options.set_enable_pipelined_write(false);
    // There is one writer: nothing has to be made safe against a second one in the tables in memory.
    options.set_allow_concurrent_memtable_write(false);
    options.set_enable_write_thread_adaptive_yield(false);
    // A recycled WAL file holds old records behind the new ones, which a damaged length could bring back.
    options.set_recycle_log_file_num(0);
    // All families are flushed together: never does one know of a batch that another has lost.
    options.set_atomic_flush(true);
    options.set_paranoid_checks(true);
    // What memory may hold before it is flushed, over all families.
    options.set_db_write_buffer_size(32 * MIB);
    // Bounds the time that a start needs to read the WAL.
    options.set_max_total_wal_size(64 * MIB as u64);
    // Index and filter of a closed file take no memory; a server shall not run into the limit of open files.
    options.set_max_open_files(256);
    // One flush and one compaction: the machine is there for the executions.
    options.set_max_background_jobs(2);
    // RocksDB's own log files are few and short, and written only when something is wrong.
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(MIB);
    options.set_log_level(LogLevel::Warn);
    // No statistics: they cost a thread and lines that nobody reads.
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    // An empty log should look empty.
    options.set_manifest_preallocation_size(64 * KIB);
    // Opening shall not read every file.
    options.set_skip_stats_update_on_db_open(true);
    options
}

/// All families with their options.
pub(super) fn families() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(16 * MIB);
    family::ALL.iter().map(|name| ColumnFamilyDescriptor::new(*name, of_family(name, &cache))).collect()
}

/// One sync for a write: an answer never rests on what isn't on the disk.
pub(super) fn durable_write() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn of_family(name: &str, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    // Index and filters count against the cache, so memory doesn't grow with the log.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Larger blocks give LZ4 more to work with; most reads are of neighbours.
    blocks.set_block_size(16 * KIB);
    if name == family::ROWS {
        // A decision asks for rows that often aren't there (the finished row of a new instance).
        blocks.set_bloom_filter(10.0, false);
        blocks.set_block_size(4 * KIB);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(16 * MIB);
    // Memory is taken in small steps, so that families with little in them stay small; the log fills its own soon.
    options.set_arena_block_size(if name == family::LOG { MIB } else { 64 * KIB });
    options
}
