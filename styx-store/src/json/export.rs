//! A log as JSON lines: a header, a line for each record, and a footer that tells whether all of it is there.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use styx_core::{id::Position, record::Record};
use uuid::Uuid;

use super::{
    VERSION, record_to_json, to_json,
    values::{MillisJson, UuidJson},
};
use crate::keys::hex;

/// What an export says of itself in its first line.
///
/// It doesn't say when it was made, so that exports of the same records are the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The log's name, after the last fork before `last`.
    pub log_id: Uuid,
    /// The first record's position.
    pub first: Position,
    /// The last record's position.
    pub last: Position,
    /// The first record's time.
    pub first_at: DateTime<Utc>,
    /// The last record's time.
    pub last_at: DateTime<Utc>,
    /// Whether values of environment variables are there.
    pub env: EnvValues,
}

/// Whether an export holds values of environment variables, which may be secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EnvValues {
    /// As they were recorded.
    Included,
    /// A mark stands in their place; it becomes the value when such an export is imported.
    Redacted,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderLine {
    pub(super) styx_log: HeaderJson,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderJson {
    version: u32,
    log_id: UuidJson,
    first: u64,
    last: u64,
    first_at: MillisJson,
    last_at: MillisJson,
    env: EnvValues,
}

impl From<&Header> for HeaderJson {
    fn from(header: &Header) -> Self {
        Self {
            version: VERSION,
            log_id: UuidJson(header.log_id),
            first: header.first.0,
            last: header.last.0,
            first_at: MillisJson(header.first_at),
            last_at: MillisJson(header.last_at),
            env: header.env,
        }
    }
}

impl From<HeaderJson> for Header {
    fn from(json: HeaderJson) -> Self {
        Self {
            log_id: json.log_id.0,
            first: Position(json.first),
            last: Position(json.last),
            first_at: json.first_at.0,
            last_at: json.last_at.0,
            env: json.env,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FooterLine {
    pub(super) end: FooterJson,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FooterJson {
    /// How many records there are.
    pub(super) records: u64,
    /// SHA-256 of all bytes before this line, in hexadecimal.
    pub(super) sha256: String,
}

/// Writes an export.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use styx_core::{id::{Epoch, Position}, record::{Cause, Fact, LogEvent, Record}};
/// use styx_store::json::{EnvValues, ExportReader, ExportWriter, Header};
/// use uuid::Uuid;
///
/// let (log_id, at) = (Uuid::from_u128(1), DateTime::UNIX_EPOCH);
/// let started = Record {
///     position: Position::FIRST,
///     decision: Position::FIRST,
///     at,
///     wall_offset: TimeDelta::zero(),
///     epoch: Epoch(1),
///     idempotency_key: None,
///     cause: Cause::Engine,
///     fact: Fact::Log(LogEvent::Started { log_id, root_seed: Uuid::from_u128(2) }),
/// };
/// let (first, last) = (Position::FIRST, Position::FIRST);
/// let header = Header { log_id, first, last, first_at: at, last_at: at, env: EnvValues::Included };
/// let mut writer = ExportWriter::begin(Vec::new(), &header)?;
/// writer.add(&started)?;
/// let bytes = writer.finish()?;
///
/// let mut reader = ExportReader::begin(bytes.as_slice())?;
/// assert_eq!(reader.header(), &header);
/// assert_eq!(reader.next_record()?, Some(started));
/// assert_eq!(reader.next_record()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ExportWriter<W> {
    out: W,
    hash: Sha256,
    records: u64,
}

impl<W: Write> ExportWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// When the output can't be written, as all of these.
    pub fn begin(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { out, hash: Sha256::new(), records: 0 };
        writer.line(to_json(&HeaderLine { styx_log: header.into() }))?;
        Ok(writer)
    }

    /// Writes the next record. They must come in order, from the header's first to its last.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub fn add(&mut self, record: &Record) -> io::Result<()> {
        self.records += 1;
        self.line(record_to_json(record))
    }

    /// Writes the footer, and gives the output back.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub fn finish(mut self) -> io::Result<W> {
        let sha256 = hex(&self.hash.finalize());
        let footer = to_json(&FooterLine { end: FooterJson { records: self.records, sha256 } });
        writeln!(self.out, "{footer}")?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn line(&mut self, mut line: String) -> io::Result<()> {
        line.push('\n');
        self.hash.update(&line);
        self.out.write_all(line.as_bytes())
    }
}
