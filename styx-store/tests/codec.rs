//! The codec over records and rows of any content.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod generators;

use chrono::{DateTime, TimeDelta};
use generators::{record, row};
use proptest::prelude::*;
use styx_core::{
    id::{Epoch, Position},
    record::{Cause, ConfigEvent, Fact, LogEvent, Record},
};
use styx_store::codec::{HEADER, decode_record, decode_row, encode_record, encode_row};
use uuid::Uuid;

/// A frame that is right around any body.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend((body.len() as u32).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes), body);
    bytes.extend(checksum.to_le_bytes());
    bytes.extend(body);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_record_reads_back(record in record()) {
        let mut bytes = vec![7; 3];
        encode_record(&record, &mut bytes).unwrap();
        prop_assert_eq!(decode_record(&bytes[3..]), Ok(record));
    }

    #[test]
    fn a_row_reads_back(row in row()) {
        prop_assert_eq!(decode_row(&encode_row(&row).unwrap()), Ok(row));
    }

    #[test]
    fn a_flipped_bit_is_refused(record in record(), at: prop::sample::Index, bit in 0..8_u8) {
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(decode_record(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
        let _ = decode_record(&bytes);
        let _ = decode_row(&bytes);
        let _ = decode_record(&framed(&bytes));
        let _ = decode_row(&framed(&bytes));
    }

    /// Bodies that are nearly right get further than random ones.
    #[test]
    fn a_changed_body_is_refused_or_read(record in record(), row in row(), at: prop::sample::Index, to: u8) {
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes).unwrap();
        let mut body = bytes.split_off(HEADER);
        let index = at.index(body.len());
        body[index] = to;
        if let Ok(read) = decode_record(&framed(&body)) {
            let mut again = Vec::new();
            encode_record(&read, &mut again).unwrap();
            prop_assert_eq!(decode_record(&again), Ok(read));
        }
        let mut body = encode_row(&row).unwrap().split_off(HEADER);
        let index = at.index(body.len());
        body[index] = to;
        let _ = decode_row(&framed(&body));
    }
}

#[test]
fn a_time_with_a_part_of_a_millisecond_is_no_record_time() {
    let record = Record {
        position: Position(1),
        decision: Position(1),
        at: DateTime::from_timestamp(0, 1).unwrap(),
        wall_offset: TimeDelta::zero(),
        epoch: Epoch(1),
        idempotency_key: None,
        cause: Cause::Engine,
        fact: Fact::Log(LogEvent::Forked { log_id: Uuid::nil(), root_seed: Uuid::nil() }),
    };
    let mut bytes = Vec::new();
    assert!(encode_record(&record, &mut bytes).is_err());
    assert!(bytes.is_empty());
    let behind = Record { at: DateTime::UNIX_EPOCH, decision: Position(2), ..record };
    assert!(encode_record(&behind, &mut bytes).is_err());
}

#[test]
fn a_field_of_a_newer_version_is_refused_by_its_tag() {
    let record = Record {
        position: Position(1),
        decision: Position(1),
        at: DateTime::UNIX_EPOCH,
        wall_offset: TimeDelta::zero(),
        epoch: Epoch(1),
        idempotency_key: None,
        cause: Cause::Engine,
        fact: Fact::Config(ConfigEvent::SchedulingSwitched { enabled: false }),
    };
    let mut bytes = Vec::new();
    encode_record(&record, &mut bytes).unwrap();
    let mut body = bytes.split_off(HEADER);
    assert_eq!(body.pop(), Some(0), "no later field");
    body.extend([1, 9, 2, 7, 7]);
    let error = decode_record(&framed(&body)).unwrap_err();
    assert_eq!(error.to_string(), "written by a newer version: it has the field 9, which this program doesn't know");
}

#[test]
fn a_wall_clocks_offset_has_one_form() {
    let record = Record {
        position: Position(1),
        decision: Position(1),
        at: DateTime::UNIX_EPOCH,
        wall_offset: TimeDelta::milliseconds(-1),
        epoch: Epoch(1),
        idempotency_key: None,
        cause: Cause::Engine,
        fact: Fact::Config(ConfigEvent::ClockAccepted),
    };
    let mut bytes = Vec::new();
    encode_record(&record, &mut bytes).unwrap();
    let body = bytes.split_off(HEADER);
    let (begin, later) = body.split_at(body.len() - 4);
    assert_eq!(later, [1, 1, 1, 1], "one field, tag 1, one byte: minus one");
    let read = |later: &[u8]| decode_record(&framed(&[begin, later].concat()));
    assert_eq!(read(later).unwrap().wall_offset, TimeDelta::milliseconds(-1));
    assert_eq!(read(&[1, 1, 3, 251, 44, 1]).unwrap().wall_offset, TimeDelta::milliseconds(150));
    // Zero, a longer form, the smallest integer, nothing, too much, twice.
    let smallest = [&[1, 1, 9, 253][..], &[255; 8]].concat();
    for bad in
        [&[1, 1, 1, 0][..], &[1, 1, 3, 251, 1, 0], &smallest, &[1, 1, 0], &[1, 1, 2, 1, 1], &[2, 1, 1, 1, 1, 1, 1]]
    {
        assert!(read(bad).is_err(), "{bad:?}");
    }
    let finer = Record { wall_offset: TimeDelta::microseconds(1_500), ..record };
    assert!(encode_record(&finer, &mut Vec::new()).is_err());
}
