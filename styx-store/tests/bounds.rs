//! Numbers and times that no log holds: refused when they come from elsewhere, and reported where they are.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod folder;

use std::{path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use styx_core::{
    event::{Description, Event, Trigger, TriggerParameters},
    executor::Observed,
    extensions::Extensions,
    id::{Counter, Epoch, ExecutionId, InstanceId, Position, WorkflowId},
    log::{Batch, Log},
    record::{
        BackfillEvent, BackfillMove, BackfillSpec, Bounds, Cause, Cursor, CursorMove, ExecutionEvent, Fact, LogEvent,
        Origin, Record, RunEvent, Runs, StoredWorkflow, WorkflowEvent, WorkflowSpec,
    },
    world::World,
};
use styx_store::{
    OpenError,
    json::{ExportReader, record_from_json, record_to_json},
    open_read_only,
    rocks::{AddError, Importer},
    verify,
};
use uuid::Uuid;

const MAX: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;
const MIN: DateTime<Utc> = DateTime::<Utc>::MIN_UTC;

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_714_953_600, 0).unwrap()
}

fn record_of(fact: Fact) -> Record {
    let position = Position(3);
    Record {
        position,
        decision: position,
        at: at(),
        wall_offset: TimeDelta::zero(),
        epoch: Epoch(1),
        idempotency_key: None,
        cause: Cause::Engine,
        fact,
    }
}

fn started() -> Record {
    let fact = Fact::Log(LogEvent::Started { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2) });
    Record { position: Position(1), decision: Position(1), ..record_of(fact) }
}

fn stored() -> Record {
    let spec = WorkflowSpec {
        schedule: "days".into(),
        offset: None,
        running_timeout: None,
        runs: Runs::Image,
        resources: Arc::default(),
        retry_condition: None,
        mounts_secret: false,
        origin: Origin::Api,
        extensions: Extensions::default(),
    };
    let stored = WorkflowEvent::Stored(Arc::new(StoredWorkflow { json: "{}".into(), spec }));
    Record { position: Position(2), decision: Position(2), ..record_of(Fact::Workflow(workflow(), stored)) }
}

fn workflow() -> WorkflowId {
    WorkflowId::new("c", "w")
}

fn run(counter: u64, event: Event) -> Record {
    let instance = InstanceId::new(workflow(), "2024-05-06");
    record_of(Fact::Run(instance, RunEvent::Styx { counter: Counter(counter), event }))
}

fn triggered(counter: u64) -> Record {
    let (trigger, parameters) = (Trigger::Natural, TriggerParameters::default());
    run(counter, Event::TriggerExecution { trigger, parameters, missed: false, extensions: Extensions::default() })
}

fn caused(cause: Cause) -> Record {
    Record { cause, ..run(0, Event::Started) }
}

fn seen(what: Observed, observed_at: Option<DateTime<Utc>>) -> Cause {
    let (evidence, extensions) = (Arc::default(), Extensions::default());
    Cause::Executor { runner: "local".into(), what, observed_at, evidence, extensions }
}

fn moved(instant: DateTime<Utc>, fires_at: DateTime<Utc>) -> Record {
    let (to, extensions) = (Some(Cursor { instant, fires_at }), Extensions::default());
    record_of(Fact::Workflow(workflow(), WorkflowEvent::CursorMoved { to, why: CursorMove::Operator, extensions }))
}

fn made(start: DateTime<Utc>, end: DateTime<Utc>, first: DateTime<Utc>) -> Record {
    let spec = BackfillSpec {
        workflow: workflow(),
        start,
        end,
        reverse: true,
        schedule: "days".into(),
        concurrency: u32::MAX,
        description: None,
        parameters: None,
        first,
    };
    record_of(Fact::Backfill("b".into(), BackfillEvent::Created(Arc::new(spec))))
}

fn submit(stored_at: u64) -> Record {
    run(
        1,
        Event::Submit {
            description: Description::Stored(Position(stored_at)),
            execution: None,
            runner: None,
            running_timeout: None,
            retry_condition: None,
            extensions: Extensions::default(),
        },
    )
}

/// A record for each field, with a value beyond its bound.
fn beyond() -> Vec<(&'static str, Record)> {
    let refused = |retry_at| ExecutionEvent::Refused { retry_at, reason: "quota".into() };
    let advanced = |instant, next| {
        let event = BackfillEvent::Advanced { instant, next, all_triggered: false, why: BackfillMove::Triggered };
        record_of(Fact::Backfill("b".into(), event))
    };
    let execution = ExecutionId::parse("e");
    vec![
        ("position", Record { position: Position(u64::MAX), ..triggered(0) }),
        ("decision", Record { decision: Position(0), ..triggered(0) }),
        ("epoch", Record { epoch: Epoch(u64::MAX), ..triggered(0) }),
        ("at", Record { at: MAX, ..triggered(0) }),
        ("at", Record { at: "+10000-01-01T00:00:00Z".parse().unwrap(), ..triggered(0) }),
        ("fact.run.counter", triggered(u64::MAX)),
        ("fact.run.counter", triggered((1 << 63) + 1)),
        ("fact.run.event.submit.description.record", submit(u64::MAX)),
        ("fact.run.event.submit.description.record", submit(3)),
        ("fact.run.event.submit.description.record", submit(0)),
        ("fact.workflow.event.cursorMoved.to.instant", moved(MIN, at())),
        ("fact.workflow.event.cursorMoved.to.fires_at", moved(at(), MAX)),
        ("fact.execution.event.refused.retry_at", record_of(Fact::Execution(execution, refused(MAX)))),
        ("fact.backfill.event.created.start", made(MIN, at(), at())),
        ("fact.backfill.event.created.end", made(at(), MAX, at())),
        ("fact.backfill.event.created.first", made(at(), at(), MIN)),
        ("fact.backfill.event.advanced.instant", advanced(MIN, at())),
        ("fact.backfill.event.advanced.next", advanced(at(), MIN)),
        ("cause.executor.observed_at", caused(seen(Observed::Started, Some(MAX)))),
        (
            "cause.executor.observed.refused.retry_at",
            caused(seen(Observed::Refused { retry_at: MAX, reason: "quota".into() }, None)),
        ),
        ("cause.imported.at", caused(Cause::Imported { at: MAX })),
        ("cause.imported.at", caused(Cause::Imported { at: MIN })),
    ]
}

#[test]
fn an_import_names_what_is_beyond_its_bounds_and_takes_nothing_of_it() {
    let dir = folder::temporary();
    let mut importer = Importer::create(dir.path().join("log")).unwrap();
    importer.add(started()).unwrap();
    importer.add(stored()).unwrap();
    for (field, record) in beyond() {
        let error = importer.add(record.clone()).unwrap_err();
        assert!(matches!(error, AddError::OutOfBounds(_)), "{field}: {error}");
        assert!(error.to_string().starts_with(&format!("{field} is ")), "{field}: {error}");
        // The field is one of the record's JSON, so whoever made the export finds it.
        let json: serde_json::Value = serde_json::from_str(&record_to_json(&record)).unwrap();
        assert!(json.pointer(&format!("/{}", field.replace('.', "/"))).is_some(), "{field}: {json}");
    }
    let counter = importer.add(triggered(u64::MAX)).unwrap_err().to_string();
    assert_eq!(counter, "fact.run.counter is 18446744073709551615, but must be from 0 to 4611686018427387904");
    let year = importer.add(Record { at: MAX, ..triggered(0) }).unwrap_err().to_string();
    assert_eq!(year, "at is +262142-12-31T23:59:59.999999999Z, but must be in the years -9999 to 9999");
    importer.add(triggered(1 << 62)).unwrap();
    importer.finish().unwrap();
    assert!(verify(&open_read_only(dir.path().join("log")).unwrap(), |_| {}).unwrap().is_sound());
    folder::open(&dir.path().join("log")).unwrap();
}

#[test]
fn a_header_names_positions_of_a_log() {
    let header = |first: u64, last: u64| {
        let of = "\"log_id\":\"00000000-0000-0000-0000-000000000001\"";
        let at = "\"first_at\":\"2024-05-06T00:00:00.000Z\",\"last_at\":\"2024-05-06T00:00:00.000Z\"";
        let line = format!(
            "{{\"styx_log\":{{\"version\":1,{of},\"first\":{first},\"last\":{last},{at},\"env\":\"included\"}}}}\n"
        );
        ExportReader::begin(line.as_bytes()).err().map(|error| error.to_string())
    };
    let largest = 1 << 62;
    assert_eq!(header(1, largest), None);
    assert_eq!(header(0, 0).unwrap(), "line 1: styx_log.first: 0 lies before the first record of any log, 1");
    assert_eq!(
        header(1, u64::MAX).unwrap(),
        "line 1: styx_log.last: 18446744073709551615 must be from 0 to 4611686018427387904"
    );
    assert!(header(u64::MAX, u64::MAX).unwrap().contains("styx_log.first"));
}

/// What a writer writes that checks nothing; the records follow one another, and the world takes them.
fn write(dir: &Path, records: impl IntoIterator<Item = Record>) -> World {
    let mut log = folder::open(dir).unwrap();
    let epoch = log.begin_epoch().unwrap();
    let mut world = World::default();
    for record in records {
        let position = world.tail().next();
        let record = Record { position, decision: position, epoch, ..record };
        let changes = world.apply(&record).unwrap();
        let keys = changes.dirty.clone();
        let rows = keys.into_iter().map(|key| (key.clone(), world.row(&key))).chain(changes.into_rows()).collect();
        log.append(epoch, Position(position.0 - 1), &Batch { records: vec![record], rows }).unwrap();
    }
    world
}

fn damages(dir: &Path) -> Vec<String> {
    let report = verify(&open_read_only(dir).unwrap(), |_| {}).unwrap();
    report.damages.iter().map(|damage| format!("{}: {}", damage.place, damage.problem)).collect()
}

#[test]
fn a_verification_names_what_a_lenient_writer_wrote() {
    let dir = folder::temporary();
    // The fold stops at the edge instead of panicking, and goes on from there.
    write(dir.path(), [started(), stored(), triggered(u64::MAX), run(u64::MAX, Event::Halt { reason: None })]);
    let counter = "fact.run.counter is 18446744073709551615, but must be from 0 to 9223372036854775808";
    assert_eq!(damages(dir.path()), [format!("record 3: {counter}"), format!("record 4: {counter}")]);
    folder::open(dir.path()).unwrap();
}

#[test]
fn a_log_of_the_year_262142_is_refused_when_it_is_opened() {
    let dir = folder::temporary();
    let at = MAX - TimeDelta::nanoseconds(999_999);
    write(dir.path(), [started(), stored(), Record { at, ..triggered(0) }]);
    let year = "at is +262142-12-31T23:59:59.999Z, but must be in the years -9999 to 9999";
    assert_eq!(damages(dir.path()), [format!("record 3: {year}")]);
    let error = folder::open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Log(_)), "{error:?}");
    assert!(error.to_string().contains(&format!("record 3 is damaged: {year}")), "{error}");
}

#[test]
fn the_last_epoch_is_refused_when_a_folder_is_opened() {
    let dir = folder::temporary();
    write(dir.path(), [started()]);
    let names = rocksdb::DB::list_cf(&rocksdb::Options::default(), dir.path()).unwrap();
    let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.path(), names).unwrap();
    db.put_cf(db.cf_handle("meta").unwrap(), b"epoch", u64::MAX.to_be_bytes()).unwrap();
    drop(db);
    let error = folder::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("epoch is 18446744073709551615, but must be from 0 to"), "{error}");
}

fn edge() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0..3_u64).prop_map(|below| u64::MAX - below),
        (0..3_u64).prop_map(|beside| (1 << 63) - 1 + beside),
        (0..3_u64).prop_map(|beside| (1 << 62) - 1 + beside),
        0..3_u64,
    ]
}

proptest! {
    /// Whatever number stands where one may stand, reading it is an error or a value; what an import takes, it can go on from.
    #[test]
    fn any_number_anywhere_is_taken_or_refused(which in 0..beyond().len() + 3, numbers in prop::collection::vec(edge(), 12)) {
        let mut records: Vec<Record> = beyond().into_iter().map(|(_, record)| record).collect();
        records.extend([triggered(7), submit(1), made(at(), at() + TimeDelta::days(1), at())]);
        // Every run of digits behind a colon that stands for a number of its own becomes another one.
        let text = record_to_json(&records[which]);
        let mut numbers = numbers.into_iter();
        let mut changed = String::new();
        let mut rest = text.as_str();
        while let Some(colon) = rest.find(':') {
            let (before, after) = rest.split_at(colon + 1);
            changed.push_str(before);
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let is_member = before.ends_with("\":");
            match numbers.next().filter(|_| is_member && digits > 0) {
                Some(number) => changed.push_str(&number.to_string()),
                None => changed.push_str(&after[..digits]),
            }
            rest = &after[digits..];
        }
        changed.push_str(rest);
        if let Ok(record) = record_from_json(&changed) {
            let mut world = World::default();
            world.apply(&started()).unwrap();
            world.apply(&stored()).unwrap();
            let is_taken = Bounds::IMPORTED.check(&record).is_ok() && world.apply(&record).is_ok();
            if let Some((id, run)) = world.runs().iter().next().filter(|_| is_taken) {
                let next = run.counter.unwrap().next();
                let halt = Fact::Run(id.clone(), RunEvent::Styx { counter: next, event: Event::Halt { reason: None } });
                let position = world.tail().next();
                let halt = Record { position, decision: position, at: world.at(), ..record_of(halt) };
                prop_assert!(Bounds::STORED.check(&halt).is_ok());
                prop_assert!(world.apply(&halt).is_ok());
            }
        }
    }
}
