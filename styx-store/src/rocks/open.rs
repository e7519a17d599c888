//! Opening a data folder: lock, format, and whether what is there can be trusted.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rocksdb::{DB, Options, WriteBatch};
use styx_core::{
    id::{Epoch, Position},
    log::LogError,
    record::Bounds,
    world::{Row, RowKey},
};
use styx_host::folder;

use super::{
    RocksLog,
    chain::{BatchEntry, ChainHash, Link},
    framing::check_framing,
    high_water::{HIGH_WATER_FILE, HighWater, Mark},
    lock::{LOCK_FILE, Lock},
    options::{database, durable_write, families, family},
    reader::{RocksReader, Store, corrupt, decode_record, decode_row, engine_error, meta},
    rebuild::rebuild_rows,
};
use crate::{
    codec::ROW_VERSION,
    error::{OpenError, while_doing},
    keys,
};

/// The version of the layout: families, keys, what stands in `meta`. Records and rows have versions of their own.
pub const FORMAT: u32 = 4;

/// How many of the last batches are hashed again when a folder is opened.
const CHECKED_BATCHES: usize = 16;

/// How a folder is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenOptions {
    /// The high-water mark is written at most once in this time.
    pub high_water_every: Duration,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { high_water_every: Duration::from_secs(1) }
    }
}

impl OpenOptions {
    /// The high-water mark is written at most once in `every`.
    #[must_use]
    pub fn high_water_every(mut self, every: Duration) -> Self {
        self.high_water_every = every;
        self
    }
}

/// What was found when a folder was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opening {
    /// The folder was new.
    pub created: bool,
    /// The last record.
    pub tail: Position,
    /// Why the rows were rebuilt from the log, if they were.
    pub rebuilt_rows: Option<String>,
}

/// Something that opening takes its time for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Rows are rebuilt from the log.
    RebuildingRows {
        /// Why.
        reason: String,
        /// How far it is.
        done: Position,
        /// Where it ends.
        of: Position,
    },
    /// Others could enter the folder, and can't now.
    MadePrivate {
        /// The folder.
        dir: PathBuf,
        /// The mode that it had.
        mode: u32,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RebuildingRows { reason, done, of } => {
                write!(f, "rebuilding the rows from the log, since {reason}: {done} of {of} records")
            }
            Self::MadePrivate { dir, mode } => {
                let dir = dir.display();
                write!(f, "others could enter the data folder {dir} (mode {mode:04o}); its mode is 0700 now")
            }
        }
    }
}

/// Opens a folder for reading: changes nothing in it, and doesn't judge it (`verify` does).
///
/// # Errors
///
/// When there is no log, a server has it, or a newer program wrote it.
pub fn open_read_only(dir: impl AsRef<Path>) -> Result<RocksReader, OpenError> {
    let dir = dir.as_ref();
    if !holds_log(dir)? {
        return Err(OpenError::NoLog { dir: dir.into() });
    }
    let lock = Lock::shared(dir)?;
    check_framing(dir)?;
    check_families(dir)?;
    let mut options = database();
    options.create_if_missing(false);
    options.create_missing_column_families(false);
    let db =
        DB::open_cf_descriptors_read_only(&options, dir, families(), false).map_err(|error| opening(dir, &error))?;
    let store = Store { db, dir: dir.into(), _lock: lock };
    check_format(&store)?;
    Ok(RocksReader::new(Arc::new(store)))
}

/// Whether a folder holds a log. Who may not look into it learns that, not that there is none.
fn holds_log(dir: &Path) -> Result<bool, OpenError> {
    match fs::metadata(dir.join("CURRENT")) {
        Ok(found) => Ok(found.is_file()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(while_doing(format!("looking into {}", dir.display()))(error)),
    }
}

/// The administrator may open a log that belongs to somebody else, but would write files into it which that user can't read.
fn check_owner(dir: &Path) -> Result<(), OpenError> {
    let user = rustix::process::geteuid().as_raw();
    for name in [LOCK_FILE, "CURRENT", HIGH_WATER_FILE] {
        match fs::metadata(dir.join(name)).map(|found| found.uid()) {
            Ok(owner) if owner != user => return Err(OpenError::NotOurs { dir: dir.into(), owner, user }),
            _ => {}
        }
    }
    Ok(())
}

/// Removes a data folder that nobody uses.
///
/// # Errors
///
/// When somebody uses it, or it can't be removed.
pub fn remove(dir: impl AsRef<Path>) -> Result<(), OpenError> {
    let dir = dir.as_ref();
    let _lock = Lock::exclusive(dir)?;
    std::fs::remove_dir_all(dir).map_err(while_doing(format!("removing {}", dir.display())))
}

/// Checks what opening for writing checks, and changes nothing: that the last batches are as they were written, and that
/// nothing is missing behind them as far as the high-water mark knows. Gives the end.
///
/// # Errors
///
/// When that isn't so.
pub fn verify_end(reader: &RocksReader) -> Result<Mark, OpenError> {
    let store = &*reader.store;
    let head = check_head(store)?;
    check_high_water(store, head, Mark::read(&store.dir)?)?;
    Ok(head)
}

/// Bytes that may still be written in the file system of a folder, without the reserve of the system's administrator.
///
/// # Errors
///
/// When the system doesn't say.
pub fn free_bytes(dir: impl AsRef<Path>) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir.as_ref())?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// A new database without a format: opening it later refuses, unless the format was written at last.
pub(super) fn create_unfinished(dir: &Path) -> Result<RocksLog, OpenError> {
    private_folder(dir, &mut |_| {})?;
    let lock = Lock::exclusive(dir)?;
    let db = DB::open_cf_descriptors(&database(), dir, families()).map_err(|error| opening(dir, &error))?;
    let store = Store { db, dir: dir.into(), _lock: lock };
    let high_water = HighWater::start(dir.into(), OpenOptions::default().high_water_every, None)
        .map_err(while_doing("starting the thread of the high-water mark"))?;
    Ok(RocksLog {
        store: Arc::new(store),
        high_water,
        opening: Opening { created: true, tail: Position(0), rebuilt_rows: None },
        epoch: Epoch(0),
        tail: Position(0),
        hash: ChainHash::EMPTY,
        ended_by: None,
    })
}

/// Makes the folder, or takes the one that is there. It holds what only its owner may know.
fn private_folder(dir: &Path, notice: &mut dyn FnMut(Notice)) -> Result<(), OpenError> {
    folder::create(dir).map_err(while_doing(format!("creating {}", dir.display())))?;
    let made_private = folder::make_private(dir, &[LOCK_FILE, "CURRENT"]);
    if let Some(mode) = made_private.map_err(while_doing(format!("using the data folder {}", dir.display())))? {
        notice(Notice::MadePrivate { dir: dir.into(), mode });
    }
    Ok(())
}

pub(super) fn open(dir: &Path, options: &OpenOptions, notice: &mut dyn FnMut(Notice)) -> Result<RocksLog, OpenError> {
    check_owner(dir)?;
    private_folder(dir, notice)?;
    let lock = Lock::exclusive(dir)?;
    let exists = dir.join("CURRENT").is_file();
    if exists {
        check_framing(dir)?;
        check_families(dir)?;
    } else if dir.join(HIGH_WATER_FILE).exists() {
        return Err(missing_database(dir));
    }
    let db = DB::open_cf_descriptors(&database(), dir, families()).map_err(|error| opening(dir, &error))?;
    let store = Store { db, dir: dir.into(), _lock: lock };
    let created = check_format(&store)?;
    if created {
        write_format(&store)?;
    }
    let head = check_head(&store)?;
    let mark = Mark::read(dir)?;
    check_high_water(&store, head, mark)?;
    let rebuilt_rows = why_rebuild(&store, head.tail)?;
    if let Some(reason) = &rebuilt_rows {
        rebuild_rows(&store, head.tail, reason, notice)?;
    }
    let high_water = HighWater::start(dir.into(), options.high_water_every, mark)
        .map_err(while_doing("starting the thread of the high-water mark"))?;
    if head.tail.0 > 0 {
        high_water.note(head)?;
    }
    let epoch = store.epoch()?;
    Bounds::STORED.check_number("epoch", epoch.0).map_err(|error| corrupt("the epoch", error.to_string()))?;
    Ok(RocksLog {
        store: Arc::new(store),
        high_water,
        opening: Opening { created, tail: head.tail, rebuilt_rows },
        epoch,
        tail: head.tail,
        hash: head.hash,
        ended_by: None,
    })
}

/// A database with families of another layout isn't touched.
fn check_families(dir: &Path) -> Result<(), OpenError> {
    let found = DB::list_cf(&Options::default(), dir).map_err(|error| opening(dir, &error))?;
    match found.into_iter().find(|name| !family::ALL.contains(&name.as_str())) {
        Some(name) => Err(unknown_format(dir, format!("a part named {name:?}"))),
        None => Ok(()),
    }
}

/// Whether the format is known; true when there is none yet, in an empty database.
fn check_format(store: &Store) -> Result<bool, OpenError> {
    let Some(bytes) = store.get(family::META, meta::FORMAT)? else {
        if store.now().tail()? == Position(0) {
            return Ok(true);
        }
        return Err(corrupt("the format", "it is missing, but there are records".into()).into());
    };
    match <[u8; 4]>::try_from(bytes.as_slice()).map(u32::from_be_bytes) {
        Ok(FORMAT) => Ok(false),
        Ok(older) if older < FORMAT => Err(OpenError::Unreleased { dir: store.dir.clone(), found: older }),
        Ok(other) => Err(unknown_format(&store.dir, format!("format {other}"))),
        Err(_) => Err(corrupt("the format", format!("it is {}", keys::hex(&bytes))).into()),
    }
}

fn write_format(store: &Store) -> Result<(), LogError> {
    let meta_family = store.family(family::META);
    let mut write = WriteBatch::default();
    write.put_cf(meta_family, meta::FORMAT, FORMAT.to_be_bytes());
    write.put_cf(meta_family, meta::ROWS, [ROW_VERSION]);
    store.db.write_opt(write, &durable_write()).map_err(|error| engine_error("the format", &error))
}

/// The last batches fit their records, and nothing lies behind them.
fn check_head(store: &Store) -> Result<Mark, LogError> {
    let tail = store.now().tail()?;
    let last = store.batch_at(Position(u64::MAX))?;
    let ends_at = last.map_or(Position(0), |batch| batch.last());
    if ends_at != tail {
        return Err(corrupt("the log's end", format!("its last record is {tail}, its last batch ends at {ends_at}")));
    }
    let Some(last) = last else {
        return Ok(Mark { tail, hash: ChainHash::EMPTY });
    };
    let mut batch = last;
    for _ in 0..CHECKED_BATCHES {
        let before = match batch.first.0.checked_sub(1) {
            Some(0) | None => None,
            Some(end) => Some(check_joined(store, batch.first, Position(end))?),
        };
        check_batch(store, &batch, before.map_or(ChainHash::EMPTY, |before| before.hash))?;
        match before {
            Some(before) => batch = before,
            None => break,
        }
    }
    Ok(Mark { tail, hash: last.hash })
}

/// The batch that ends right before `first`.
fn check_joined(store: &Store, first: Position, end: Position) -> Result<BatchEntry, LogError> {
    match store.batch_at(end)? {
        Some(before) if before.last() == end => Ok(before),
        _ => Err(corrupt(format!("batch {first}"), "the batch before it doesn't end where it begins".into())),
    }
}

/// A batch's records decode, are indexed, and give its hash.
fn check_batch(store: &Store, batch: &BatchEntry, previous: ChainHash) -> Result<(), LogError> {
    let mut link = Link::new(&previous, batch.first);
    let mut entries = store.now().entries(family::LOG, &keys::position(batch.first), None);
    for expected in batch.first.0..=batch.last().0 {
        let expected = Position(expected);
        let missing = || corrupt(format!("record {expected}"), "it is missing".into());
        let (key, value) = entries.next()?.ok_or_else(missing)?;
        if key != keys::position(expected) {
            return Err(missing());
        }
        let record = decode_record(expected, value)?;
        let bounds = Bounds::STORED.check_place(&record);
        bounds.map_err(|error| corrupt(format!("record {expected}"), error.to_string()))?;
        for subject in record.subjects() {
            if !store.now().is_indexed(&subject, expected)? {
                return Err(corrupt(format!("record {expected}"), format!("it isn't in the index of {subject}")));
            }
        }
        link.add(value);
    }
    let found = link.finish();
    if found != batch.hash {
        let reason = format!("its chain hash is {}, but its records give {found}", batch.hash);
        return Err(corrupt(format!("batch {}", batch.first), reason));
    }
    Ok(())
}

fn check_high_water(store: &Store, head: Mark, mark: Option<Mark>) -> Result<(), OpenError> {
    let Some(mark) = mark else { return Ok(()) };
    let path = store.dir.join(HIGH_WATER_FILE);
    if head.tail < mark.tail {
        return Err(OpenError::Shortened { tail: head.tail, durable: mark.tail, mark: path });
    }
    match store.batch_at(mark.tail)? {
        Some(batch) if batch.last() == mark.tail && batch.hash == mark.hash => Ok(()),
        batch => Err(OpenError::Rewritten {
            durable: mark.tail,
            expected: mark.hash.to_string(),
            found: batch.map_or_else(|| "none".into(), |batch| batch.hash.to_string()),
            mark: path,
        }),
    }
}

/// Why the rows can't be used as they are.
fn why_rebuild(store: &Store, tail: Position) -> Result<Option<String>, LogError> {
    match store.rows_version()? {
        Some(ROW_VERSION) => {}
        Some(other) => return Ok(Some(format!("they have version {other} instead of {ROW_VERSION}"))),
        None => return Ok(Some("they aren't complete".into())),
    }
    let row = store.get(family::ROWS, &keys::row(&RowKey::Log))?;
    match row.map(|bytes| decode_row(&RowKey::Log, &bytes)) {
        None if tail == Position(0) => Ok(None),
        None => Ok(Some("they are missing".into())),
        Some(Ok(Row::Log(row))) if row.tail == tail => Ok(None),
        Some(Ok(Row::Log(row))) => Ok(Some(format!("they end at {}, the log at {tail}", row.tail))),
        Some(Ok(_)) => Ok(Some("they don't fit their keys".into())),
        Some(Err(error)) => Ok(Some(error.to_string())),
    }
}

fn missing_database(dir: &Path) -> OpenError {
    let reason = format!("it is missing, but {HIGH_WATER_FILE} says that there was a log");
    corrupt(dir.join("CURRENT").display().to_string(), reason).into()
}

fn unknown_format(dir: &Path, found: String) -> OpenError {
    OpenError::UnknownFormat { dir: PathBuf::from(dir), found, known: FORMAT }
}

fn opening(dir: &Path, error: &rocksdb::Error) -> OpenError {
    match engine_error("", error) {
        LogError::Corrupt { reason, .. } => corrupt(dir.display().to_string(), reason).into(),
        _ => crate::check::failed(format!("opening {}", dir.display()), error.to_string()).into(),
    }
}
