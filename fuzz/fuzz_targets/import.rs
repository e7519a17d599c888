//! A line that is read as a record has one text and one export, which read as the same record. A file that is read as an
//! export holds the records that its header names, and the world takes or refuses each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use styx_core::{
    record::{Bounds, Record},
    world::World,
};
use styx_store::{
    codec::{decode_record, encode_record},
    json::{EnvValues, ExportReader, ExportWriter, Header, record_from_json, record_to_json},
};
use uuid::Uuid;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        text.lines().for_each(line);
    }
    import(bytes);
});

fn line(text: &str) {
    let Ok(record) = record_from_json(text) else { return };
    let written = record_to_json(&record);
    let again = record_from_json(&written).expect("what is written can be read");
    assert_eq!(again, record, "{written}");
    assert_eq!(record_to_json(&again), written);
    export_and_import(&record);
    let mut bytes = Vec::new();
    if encode_record(&record, &mut bytes).is_ok() {
        assert_eq!(decode_record(&bytes), Ok(record), "{written}");
    }
}

fn export_and_import(record: &Record) {
    let (first, last) = (record.position, record.position);
    let (first_at, last_at) = (record.at, record.at);
    let header = Header { log_id: Uuid::nil(), first, last, first_at, last_at, env: EnvValues::Included };
    let mut writer = ExportWriter::begin(Vec::new(), &header).expect("memory takes all");
    writer.add(record).expect("memory takes all");
    let export = writer.finish().expect("memory takes all");
    let reader = ExportReader::begin(export.as_slice());
    if Bounds::IMPORTED.check_place(record).is_err() {
        return;
    }
    let mut reader = reader.expect("the header was just written");
    assert_eq!(reader.header(), &header);
    assert_eq!(reader.next_record().expect("the record was just written").as_ref(), Some(record));
    assert_eq!(reader.next_record().expect("the footer was just written"), None);
}

fn import(bytes: &[u8]) {
    let Ok(mut reader) = ExportReader::begin(bytes) else { return };
    let (mut next, last) = (reader.header().first.0, reader.header().last.0);
    let mut world = World::default();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => {
                assert_eq!(record.position.0, next);
                next += 1;
                if Bounds::IMPORTED.check(&record).is_err() || world.apply(&record).is_err() {
                    return;
                }
            }
            Ok(None) => {
                assert_eq!(next, last + 1, "it ends where its header says");
                break;
            }
            Err(_) => break,
        }
    }
    // From its rows the same world comes back.
    assert_eq!(World::from_rows(world.rows()), Ok(world));
}
