//! Bytes that are read as a record, or as a row, are those that it is written as; and a record's JSON reads as that record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use styx_store::{
    codec::{RECORD_VERSION, ROW_VERSION, decode_record, decode_row, encode_record, encode_row},
    json::{record_from_json, record_to_json},
};

fuzz_target!(|body: &[u8]| {
    let framed = frame(RECORD_VERSION, body);
    if let Ok(record) = decode_record(&framed) {
        let mut written = Vec::new();
        encode_record(&record, &mut written).expect("what was read can be written");
        assert_same(&written, &framed);
        assert_eq!(decode_record(&written).as_ref(), Ok(&record));
        let text = record_to_json(&record);
        assert_eq!(record_from_json(&text).as_ref(), Ok(&record), "{text}");
    }
    let framed = frame(ROW_VERSION, body);
    if let Ok(row) = decode_row(&framed) {
        let written = encode_row(&row).expect("what was read can be written");
        assert_same(&written, &framed);
        assert_eq!(decode_row(&written).as_ref(), Ok(&row));
    }
    // Without a frame chance finds no checksum, but it may find a panic.
    let _ = (decode_record(body), decode_row(body));
});

/// The same bytes, or fewer: an integer may have come with more bytes than it needs, which only foreign programs write.
fn assert_same(written: &[u8], read: &[u8]) {
    assert!(written == read || written.len() < read.len(), "read {read:02x?}, written {written:02x?}");
}

/// A body behind its header (docs/log-format.md), so that chance need not find its checksum.
fn frame(version: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short input").to_le_bytes();
    let start = [&[version], &length[..]].concat();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&start), body).to_le_bytes();
    [&start, &checksum[..], body].concat()
}
