//! An export, and what looks like one, is refused or read: each record has one text, and the world takes or refuses it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use styx_core::world::World;
use styx_store::{
    codec::{decode_record, encode_record},
    json::{ExportReader, record_from_json, record_to_json},
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        text.lines().for_each(line);
    }
    let Ok(mut reader) = ExportReader::begin(bytes) else { return };
    let mut world = World::default();
    while let Ok(Some(record)) = reader.next_record() {
        if world.apply(&record).is_err() {
            return;
        }
    }
    // From its rows the same world comes back.
    assert_eq!(World::from_rows(world.rows()), Ok(world));
});

fn line(text: &str) {
    let Ok(record) = record_from_json(text) else { return };
    let written = record_to_json(&record);
    let again = record_from_json(&written).expect("what is written can be read");
    assert_eq!(again, record, "{written}");
    assert_eq!(record_to_json(&again), written);
    let mut bytes = Vec::new();
    if encode_record(&record, &mut bytes).is_ok() {
        assert_eq!(decode_record(&bytes), Ok(record), "{written}");
    }
}
