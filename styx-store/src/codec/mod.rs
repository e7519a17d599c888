//! Records and rows as bytes: the only module that names the encoding.
//!
//! A value is `version | length | checksum | body`. The body is the frozen type of that version, encoded by bincode
//! (standard configuration: little-endian, variable-length integers). `docs/log-format.md` gives every byte.

mod backfill_v1;
mod cause_v1;
mod config_v1;
mod parts;
mod primitives;
mod record_v1;
mod row_v1;

use bincode::{
    BorrowDecode, Encode,
    config::{Configuration, Limit, LittleEndian, Varint},
    de::{
        BorrowDecoder, DecoderImpl,
        read::{Reader, SliceReader},
    },
    error::DecodeError,
};
use styx_core::{record::Record, world::Row};

use self::{record_v1::RecordV1, row_v1::RowV1};

/// The version that records are written in; every version up to it can be read.
pub const RECORD_VERSION: u8 = 1;

/// The version that rows are written in; rows of another version are rebuilt from the log.
pub const ROW_VERSION: u8 = 1;

/// The longest body.
pub const MAX_BODY: usize = 16 * 1024 * 1024;

/// Bytes before the body: version, length, checksum.
pub const HEADER: usize = 9;

/// What a decoder may claim. It counts an integer at its full width, eight times what it may take in the body; so
/// whatever was written can be read. Texts are borrowed and sequences grow as they are read, so that memory follows the
/// input and not what it says of itself.
const MAX_CLAIM: usize = 8 * MAX_BODY;

const CONFIG: Configuration<LittleEndian, Varint, Limit<MAX_CLAIM>> =
    bincode::config::standard().with_limit::<MAX_CLAIM>();

/// Why bytes are no record or row, or a record can't become bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The version isn't one that this program knows.
    #[error("version {found} is unknown; this program knows up to {known}")]
    UnknownVersion {
        /// The version that was found.
        found: u8,
        /// The newest that is known.
        known: u8,
    },
    /// There are more or fewer bytes than the header says.
    #[error("{found} bytes instead of {expected}")]
    WrongLength {
        /// How many there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The bytes aren't those that were written.
    #[error("the checksum is {found:08x}, not {expected:08x}")]
    WrongChecksum {
        /// What the header says.
        expected: u32,
        /// What the bytes give.
        found: u32,
    },
    /// The body isn't what its version holds.
    #[error("malformed body: {0}")]
    Malformed(String),
    /// The record has a field that this program doesn't know.
    #[error("written by a newer version: it has the field {tag}, which this program doesn't know")]
    Newer {
        /// The field's tag.
        tag: u32,
    },
    /// The value can't be written in this version.
    #[error("can't be stored: {0}")]
    Unstorable(&'static str),
}

/// Appends a record's bytes to `out`.
///
/// # Errors
///
/// `Unstorable` when the time isn't in whole milliseconds, the decision lies behind the record, or the body is longer than
/// [`MAX_BODY`]; `out` is as it was.
pub fn encode_record(record: &Record, out: &mut Vec<u8>) -> Result<(), CodecError> {
    frame(RECORD_VERSION, &RecordV1::try_from(record)?, out)
}

/// Reads a record.
///
/// # Errors
///
/// When a byte differs from what was written, or the version is unknown.
pub fn decode_record(bytes: &[u8]) -> Result<Record, CodecError> {
    unframe::<RecordV1<'_>>(RECORD_VERSION, bytes)?.try_into()
}

/// A row's bytes.
///
/// # Errors
///
/// `Unstorable` when the body is longer than [`MAX_BODY`].
pub fn encode_row(row: &Row) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    append_row(row, &mut out)?;
    Ok(out)
}

/// Appends a row's bytes to `out`.
pub(crate) fn append_row(row: &Row, out: &mut Vec<u8>) -> Result<(), CodecError> {
    frame(ROW_VERSION, &RowV1::from(row), out)
}

/// Reads a row.
///
/// # Errors
///
/// When a byte differs from what was written, or the version is another one.
pub fn decode_row(bytes: &[u8]) -> Result<Row, CodecError> {
    unframe::<RowV1<'_>>(ROW_VERSION, bytes).map(Row::from)
}

fn frame(version: u8, value: &impl Encode, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    out.extend_from_slice(&[version, 0, 0, 0, 0, 0, 0, 0, 0]);
    let body_length = match bincode::encode_into_std_write(value, out, CONFIG) {
        Ok(written) if written <= MAX_BODY => written as u32,
        _ => {
            out.truncate(start);
            return Err(CodecError::Unstorable("its body is too long"));
        }
    };
    out[start + 1..start + 5].copy_from_slice(&body_length.to_le_bytes());
    let checksum = checksum(&out[start..]);
    out[start + 5..start + HEADER].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

fn unframe<'a, T: BorrowDecode<'a, ()>>(known: u8, bytes: &'a [u8]) -> Result<T, CodecError> {
    let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(CodecError::WrongLength { expected: HEADER as u64, found: bytes.len() as u64 });
    };
    let [version, l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    if version != known {
        return Err(CodecError::UnknownVersion { found: version, known });
    }
    let expected = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
    let found = body.len() as u64;
    if expected != found || body.len() > MAX_BODY {
        return Err(CodecError::WrongLength { expected, found });
    }
    let (expected, found) = (u32::from_le_bytes([c0, c1, c2, c3]), checksum(bytes));
    if expected != found {
        return Err(CodecError::WrongChecksum { expected, found });
    }
    let mut decoder = DecoderImpl::new(SliceReader::new(body), CONFIG, ());
    let value = T::borrow_decode(&mut decoder).map_err(|error| malformed(&error))?;
    match decoder.borrow_reader().peek_read(1) {
        None => Ok(value),
        Some(_) => Err(CodecError::Malformed("bytes are left over".into())),
    }
}

/// CRC32C of a framed value, without the checksum's own bytes.
fn checksum(framed: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&framed[..HEADER - 4]), &framed[HEADER..])
}

fn malformed(error: &DecodeError) -> CodecError {
    CodecError::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bytes_are_refused_even_under_a_right_checksum() {
        let mut bytes = Vec::new();
        frame(RECORD_VERSION, &7_u64, &mut bytes).unwrap();
        assert_eq!(unframe::<u64>(RECORD_VERSION, &bytes), Ok(7));
        let mut longer = Vec::new();
        frame(RECORD_VERSION, &(7_u64, 1_u8), &mut longer).unwrap();
        assert!(matches!(unframe::<u64>(RECORD_VERSION, &longer), Err(CodecError::Malformed(_))));
    }

    #[test]
    fn a_length_that_lies_allocates_nothing() {
        let mut bytes = Vec::new();
        // A sequence that says it holds 15 million entries, and holds none.
        frame(RECORD_VERSION, &15_000_000_u64, &mut bytes).unwrap();
        assert!(unframe::<primitives::Seq<&str>>(RECORD_VERSION, &bytes).is_err());
        assert!(unframe::<&[u8]>(RECORD_VERSION, &bytes).is_err());
    }

    #[test]
    fn an_unknown_version_names_both() {
        let error = decode_record(&[2, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap_err();
        assert_eq!(error.to_string(), "version 2 is unknown; this program knows up to 1");
    }

    /// bincode's derive writes a variant's place and ignores its number, so the numbers in the code must be the places: a gap, or
    /// a variant that isn't put last, would be another format than the one that the code shows.
    #[test]
    fn the_numbers_of_variants_are_their_places() {
        let sources = [
            include_str!("backfill_v1.rs"),
            include_str!("cause_v1.rs"),
            include_str!("config_v1.rs"),
            include_str!("parts.rs"),
            include_str!("record_v1.rs"),
            include_str!("row_v1.rs"),
        ];
        let (mut place, mut seen) = (0, 0);
        for line in sources.iter().flat_map(|source| source.lines()) {
            if line.contains("enum ") || line.starts_with("frozen!(") {
                place = 0;
            }
            for part in line.split(" = ").skip(1) {
                let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
                if digits.is_empty() || !part[digits.len()..].starts_with([',', ' ']) {
                    continue;
                }
                assert_eq!(digits.parse(), Ok(place), "{line}");
                (place, seen) = (place + 1, seen + 1);
            }
        }
        assert!(seen > 100, "{seen} variants were seen");
    }
}
