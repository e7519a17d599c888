//! Logs that keep the contract of [`styx_core::log`]: one in memory, one on RocksDB.
//!
//! The smallest complete use: append to a log, open it again, read back.
//!
//! ```
//! use chrono::{DateTime, TimeDelta};
//! use styx_core::{
//!     id::Position,
//!     log::{Batch, Log},
//!     record::{Cause, Fact, LogEvent, Record},
//! };
//! use styx_store::memory::MemoryLog;
//! use uuid::Uuid;
//!
//! let mut log = MemoryLog::new();
//! let epoch = log.begin_epoch()?;
//! let started = Record {
//!     position: Position::FIRST,
//!     decision: Position::FIRST,
//!     at: DateTime::UNIX_EPOCH,
//!     wall_offset: TimeDelta::zero(),
//!     epoch,
//!     idempotency_key: None,
//!     cause: Cause::Engine,
//!     fact: Fact::Log(LogEvent::Started { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2) }),
//! };
//! let batch = Batch { records: vec![started.clone()], rows: Vec::new() };
//! let tail = log.append(epoch, Position(0), &batch)?;
//! assert_eq!(tail, Position(1));
//!
//! let reopened = MemoryLog::open(&log.storage());
//! assert_eq!(reopened.reader().read(Position::FIRST, 10)?, [started]);
//! # Ok::<(), styx_core::log::LogError>(())
//! ```
//!
//! `RocksLog` (feature `rocks`, on by default) does the same in a folder and across crashes; `docs/log-format.md` says how.
//! [`json`] writes and reads records as JSON lines; `docs/export-format.md` says how.

mod check;
pub mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "rocks")]
pub mod error;
#[cfg(feature = "conformance")]
pub mod fault;
#[cfg(feature = "rocks")]
mod fold;
pub mod json;
pub mod keys;
pub mod memory;
#[cfg(feature = "rocks")]
pub mod rocks;
mod texts;

pub use self::memory::{MemoryLog, MemoryStorage};
#[cfg(feature = "rocks")]
pub use self::{
    error::OpenError,
    rocks::{RocksLog, open_read_only, verify},
};
