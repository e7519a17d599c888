//! The JSON form over records of any content, and exports that were cut or changed.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;
mod generators;

use std::{collections::BTreeSet, fs, path::PathBuf};

use chrono::{DateTime, TimeDelta};
use generators::record;
use proptest::prelude::*;
use styx_core::{
    config::Config,
    id::Position,
    record::{Cause, ConfigEvent, Fact, LogEvent, Record},
};
use styx_store::json::{EnvValues, ExportReader, ExportWriter, Header, ImportError, record_from_json, record_to_json};
use uuid::Uuid;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_record_reads_back(record in record()) {
        let text = record_to_json(&record);
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(record_from_json(&text), Ok(record), "{}", text);
    }

    /// What is read of a text that was nearly a record's has one text.
    #[test]
    fn a_changed_text_is_refused_or_read(record in record(), at: prop::sample::Index, to in "[0-9a-zA-Z\"{}:,.-]") {
        let mut text = record_to_json(&record);
        let at = text.floor_char_boundary(at.index(text.len()));
        let end = at + text[at..].chars().next().map_or(0, char::len_utf8);
        text.replace_range(at..end, &to);
        if let Ok(read) = record_from_json(&text) {
            let again = record_to_json(&read);
            prop_assert_eq!(record_from_json(&again), Ok(read));
        }
    }

    #[test]
    fn any_text_is_refused_or_read(text in ".{0,80}") {
        let _ = record_from_json(&text);
    }
}

/// A new kind gets its file by `STYX_NEW_GOLDEN=1`, as its bytes do; what is there never changes.
#[test]
fn records_have_the_text_that_they_always_had() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden-json");
    let mut names = BTreeSet::new();
    for (name, record) in common::records() {
        let path = folder.join(format!("{name}.json"));
        let text = record_to_json(&record) + "\n";
        if !path.exists() && std::env::var_os("STYX_NEW_GOLDEN").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(text, golden, "{name}");
        assert_eq!(record_from_json(golden.trim_end()), Ok(record), "{name}");
        names.insert(path);
    }
    let there: BTreeSet<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(there, names, "what was written once stays");
}

/// The JSON of a fact names its event as [`Fact::name`] does, and the list of names has all of them, each once.
#[test]
fn events_have_one_name() {
    let listed: Vec<&str> = Fact::names().collect();
    let mut found = BTreeSet::new();
    for (sample, record) in common::records() {
        let name = record.fact.name();
        found.insert(name);
        let json: serde_json::Value = serde_json::from_str(&record_to_json(&record)).unwrap();
        let subject = json["fact"].as_object().unwrap().values().next().unwrap();
        let event = if subject["event"].is_null() { subject } else { &subject["event"] };
        let in_json = event.as_str().or_else(|| event.as_object()?.keys().next().map(String::as_str));
        if name != "ignored" {
            assert_eq!(in_json, Some(name), "{sample}: {json}");
        }
    }
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), found);
    assert_eq!(listed.len(), found.len());
}

#[test]
fn an_error_names_the_member_the_value_and_the_rule() {
    let (_, submit) = common::records().into_iter().find(|(name, _)| name == "run-submit").unwrap();
    let text = record_to_json(&submit);
    let error = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        let error = record_from_json(&text.replace(from, to)).unwrap_err().to_string();
        error.split(" (column ").next().unwrap().to_owned()
    };
    assert_eq!(
        error(r#""running_timeout":"PT24H""#, r#""running_timeout":"a day""#),
        r#"fact.run.event.submit.running_timeout: "a day" is no duration such as "PT24H""#
    );
    assert_eq!(
        error(r#""runner":"#, r#""ruhner":"#),
        "fact.run.event.submit.ruhner: unknown field `ruhner`, expected one of `description`, `execution`, `runner`, \
         `running_timeout`, `retry_condition`, `extensions`"
    );
    assert_eq!(error(r#""epoch":3,"#, ""), "missing field `epoch`");
    assert_eq!(
        error(r#""at":"2024-05-06T00:00:00.123Z""#, r#""at":"2024-05-06T00:00:00.1234Z""#),
        r#"at: "2024-05-06T00:00:00.123400Z" isn't in whole milliseconds"#
    );
    assert_eq!(
        error(r#""decision":69998"#, r#""decision":70001"#),
        "decision: 70001 lies behind the record, which is at 70000"
    );
    assert!(error(r#""cause":"#, r#""causes":"#).starts_with("causes: unknown field `causes`, expected one of"));
    assert_eq!(record_from_json("{").unwrap_err().to_string(), "EOF while parsing an object (column 1)");
    let twice = format!("{text}{text}");
    assert!(record_from_json(&twice).unwrap_err().to_string().starts_with("trailing characters"));
}

/// An export from before there was a rate of dequeues and run-time configuration can still be imported.
#[test]
fn a_configuration_without_what_came_later_has_none_of_it() {
    let (_, set) = common::records().into_iter().find(|(name, _)| name == "config-set").unwrap();
    let text = record_to_json(&set);
    let (rate, limit) =
        (r#""dequeue_rate_thousandths":1000000,"#, r#""infrastructure_limit":{"count":200,"span":"PT48H"},"#);
    assert!(text.contains(rate) && text.contains(limit) && !text.contains("runtime"), "{text}");
    let before = text.replace(rate, "").replace(limit, "");
    let Fact::Config(ConfigEvent::Set(config)) = record_from_json(&before).unwrap().fact else {
        panic!("a configuration is set");
    };
    assert_eq!(*config, Config { dequeue_rate: None, ..Config::default() });
}

#[test]
fn later_fields_have_one_form_and_bounds() {
    let (_, moved) = common::records().into_iter().find(|(name, _)| name == "workflow-cursor-extended").unwrap();
    let text = record_to_json(&moved);
    let extensions = r#""extensions":[{"tag":64,"hex":""},{"tag":1000,"hex":"deadbeef"}]"#;
    assert!(text.contains(extensions), "{text}");
    let error = |with: &str| record_from_json(&text.replace(extensions, with)).unwrap_err().to_string();
    let at = "fact.workflow.event.cursorMoved.extensions";
    let order = format!("{at}: tag 64 doesn't ascend from 64, the tag before it");
    assert!(error(r#""extensions":[{"tag":64,"hex":""},{"tag":64,"hex":""}]"#).starts_with(&order));
    let hex = error(r#""extensions":[{"tag":64,"hex":"DE"}]"#);
    assert!(hex.contains("\"DE\" isn't pairs of hexadecimal digits in lower case"), "{hex}");
    assert!(error(r#""extensions":[{"tag":-1,"hex":""}]"#).contains("invalid value: integer `-1`, expected u32"));
    let long = error(&format!(r#""extensions":[{{"tag":9,"hex":"{}"}}]"#, "00".repeat(64 * 1024 + 1)));
    assert!(long.contains("the bytes of the tags up to 9 are longer than 65536"), "{long}");
}

fn started(position: u64) -> Record {
    Record {
        position: Position(position),
        decision: Position(position),
        at: DateTime::UNIX_EPOCH,
        wall_offset: TimeDelta::zero(),
        epoch: styx_core::id::Epoch(1),
        idempotency_key: None,
        cause: Cause::Engine,
        fact: Fact::Log(LogEvent::Forked { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2) }),
    }
}

fn header(first: u64, last: u64) -> Header {
    let at = DateTime::UNIX_EPOCH;
    let (first, last) = (Position(first), Position(last));
    Header { log_id: Uuid::from_u128(1), first, last, first_at: at, last_at: at, env: EnvValues::Included }
}

fn export(header: &Header, positions: impl IntoIterator<Item = u64>) -> String {
    let mut writer = ExportWriter::begin(Vec::new(), header).unwrap();
    for position in positions {
        writer.add(&started(position)).unwrap();
    }
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

/// How many records come before an export's end, or before what is wrong with it.
fn read(bytes: &[u8]) -> Result<u64, (u64, ImportError)> {
    let mut reader = ExportReader::begin(bytes).map_err(|error| (0, error))?;
    let mut count = 0;
    loop {
        match reader.next_record() {
            Ok(Some(record)) => {
                assert_eq!(record, started(reader.header().first.0 + count));
                count += 1;
            }
            Ok(None) => return Ok(count),
            Err(error) => return Err((count, error)),
        }
    }
}

#[test]
fn an_export_that_was_cut_or_changed_is_refused() {
    let whole = export(&header(1, 3), 1..=3);
    assert_eq!(read(whole.as_bytes()).unwrap(), 3);
    assert_eq!(read(export(&header(7, 9), 7..=9).as_bytes()).unwrap(), 3);
    for length in 0..whole.len() {
        let (_, error) = read(&whole.as_bytes()[..length]).unwrap_err();
        assert!(matches!(error, ImportError::Cut { .. }), "{length}: {error}");
    }
    for index in 0..whole.len() {
        let mut bytes = whole.clone().into_bytes();
        bytes[index] ^= 1;
        let changed = std::panic::catch_unwind(|| read(&bytes));
        // A record may read as another one before the footer tells.
        assert!(changed.is_err() || changed.is_ok_and(|read| read.is_err()), "byte {index}");
    }
}

#[test]
fn what_is_wrong_with_an_export_is_said_with_its_line() {
    let error = |text: String| read(text.as_bytes()).unwrap_err().1.to_string();
    let whole = export(&header(1, 3), 1..=3);
    let newer = whole.replace(r#"{"version":1,"#, r#"{"version":2,"color":"red","#);
    assert_eq!(error(newer), "line 1: styx_log.version: 2 isn't 1, the version that this program knows");
    let unknown = whole.replace(r#"{"version":1,"#, r#"{"version":1,"color":"red","#);
    assert!(error(unknown).starts_with("line 1: styx_log.color: unknown field `color`"));
    assert_eq!(error(export(&header(1, 3), [1, 3])), "line 3: position: 3 stands where 2 belongs");
    let named = "it says 2, the header 3, and there are 2";
    assert_eq!(error(export(&header(1, 3), [1, 2])), format!("line 4: end.records: {named}"));
    let behind = "4 lies behind the last record that the header names";
    assert_eq!(error(export(&header(1, 3), 1..=4)), format!("line 5: position: {behind}"));
    assert_eq!(error(export(&header(3, 1), [])), "line 1: styx_log.last: 1 lies before the first, 3");
    assert_eq!(error(format!("{whole}x\n")), "line 6: it follows the last line");
    let other = whole.replace("00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000003");
    assert!(std::panic::catch_unwind(|| read(other.as_bytes())).is_err(), "another record is read");
    let records = record_to_json(&started(1));
    assert!(error(records + "\n").starts_with("line 1: missing field `styx_log`"));
    assert_eq!(error(String::new()), "the file ends after line 0 without the last line that an export has: it was cut");
}
