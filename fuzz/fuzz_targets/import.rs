//! A line that is read as a record is written as one that reads as the same record, and so is an export of it; a file that
//! is read as an export holds the records that its header names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use styx_core::record::Record;
use styx_store::codec::{decode_record, encode_record};
use styx_store::json::{EnvValues, ExportReader, ExportWriter, Header, record_from_json, record_to_json};
use uuid::Uuid;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = std::str::from_utf8(bytes).map_err(drop).and_then(|text| record_from_json(text).map_err(drop)) {
        let written = record_to_json(&record);
        assert_eq!(record_from_json(&written).as_ref(), Ok(&record), "{written}");
        export_and_import(&record);
        let mut encoded = Vec::new();
        if encode_record(&record, &mut encoded).is_ok() {
            assert_eq!(decode_record(&encoded).as_ref(), Ok(&record));
        }
    }
    import(bytes);
});

fn export_and_import(record: &Record) {
    let (first, last) = (record.position, record.position);
    let (first_at, last_at) = (record.at, record.at);
    let header = Header { log_id: Uuid::nil(), first, last, first_at, last_at, env: EnvValues::Included };
    let mut writer = ExportWriter::begin(Vec::new(), &header).expect("memory takes all");
    writer.add(record).expect("memory takes all");
    let export = writer.finish().expect("memory takes all");
    let mut reader = ExportReader::begin(export.as_slice()).expect("the header was just written");
    assert_eq!(reader.header(), &header);
    // Nothing can follow the last position of all.
    if record.position.0 < u64::MAX {
        assert_eq!(reader.next_record().expect("the record was just written").as_ref(), Some(record));
        assert_eq!(reader.next_record().expect("the footer was just written"), None);
    }
}

fn import(bytes: &[u8]) {
    let Ok(mut reader) = ExportReader::begin(bytes) else { return };
    let (mut next, last) = (reader.header().first.0, reader.header().last.0);
    loop {
        match reader.next_record() {
            Ok(Some(record)) => assert_eq!(record.position.0, next),
            Ok(None) => return assert_eq!(next, last + 1, "it ends where its header says"),
            Err(_) => return,
        }
        next += 1;
    }
}
