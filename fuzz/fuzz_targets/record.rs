//! Bytes that are read as a record or a row are written as bytes, and as JSON, that read as the same one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use styx_store::{
    codec::{decode_record, decode_row, encode_record, encode_row},
    json::{record_from_json, record_to_json},
};

fuzz_target!(|bytes: &[u8]| {
    let framed = framed(bytes);
    for bytes in [bytes, &framed] {
        if let Ok(record) = decode_record(bytes) {
            let mut written = Vec::new();
            encode_record(&record, &mut written).expect("what was read can be written");
            assert_eq!(decode_record(&written).as_ref(), Ok(&record));
            let text = record_to_json(&record);
            assert_eq!(record_from_json(&text).as_ref(), Ok(&record), "{text}");
        }
        if let Ok(row) = decode_row(bytes) {
            let written = encode_row(&row).expect("what was read can be written");
            assert_eq!(decode_row(&written), Ok(row));
        }
    }
});

/// A frame that is right around any body: chance finds no checksum.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(u32::try_from(body.len()).expect("inputs are short").to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes), body);
    bytes.extend(checksum.to_le_bytes());
    bytes.extend(body);
    bytes
}
