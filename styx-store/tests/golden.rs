//! What was written once is read for ever: bytes of every kind of record and row, kept in `tests/golden`.
//!
//! A new kind gets a sample in `tests/common/mod.rs`; its file is written by
//! `STYX_NEW_GOLDEN=1 cargo test -p styx-store --test golden`, which never touches a file that is there. A file that differs
//! means that the format changed: that takes a new version beside the old one, and the old files stay.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{collections::BTreeSet, fs, path::PathBuf};

use styx_store::codec::{decode_record, decode_row, encode_record, encode_row};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The golden bytes of a sample.
fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = folder().join(format!("{name}.bin"));
    if !path.exists() && std::env::var_os("STYX_NEW_GOLDEN").is_some() {
        fs::write(&path, bytes).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn records_are_read_and_written_as_ever() {
    for (name, record) in common::records() {
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes).unwrap();
        let golden = golden(&format!("record-v1-{name}"), &bytes);
        assert_eq!(decode_record(&golden).as_ref(), Ok(&record), "{name}");
        assert_eq!(bytes, golden, "{name}");
    }
}

#[test]
fn rows_are_read_and_written_as_ever() {
    for (name, row) in common::rows() {
        let bytes = encode_row(&row).unwrap();
        let golden = golden(&format!("row-v1-{name}"), &bytes);
        assert_eq!(decode_row(&golden).as_ref(), Ok(&row), "{name}");
        assert_eq!(bytes, golden, "{name}");
    }
}

#[test]
fn every_file_has_its_sample() {
    let records = common::records().into_iter().map(|(name, _)| format!("record-v1-{name}.bin"));
    let rows = common::rows().into_iter().map(|(name, _)| format!("row-v1-{name}.bin"));
    let samples: BTreeSet<String> = records.chain(rows).collect();
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.collect::<BTreeSet<_>>(), samples);
}

#[test]
fn no_bit_of_a_sample_may_differ() {
    for (name, record) in common::records() {
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes).unwrap();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_record(&bytes).is_err(), "bit {bit} of {name}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for length in 0..bytes.len() {
            assert!(decode_record(&bytes[..length]).is_err(), "{name} cut at {length}");
        }
    }
}
