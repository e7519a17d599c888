//! Instances of a workflow and what ran for them (E-09, E-10): of a live server, and of a log with imported histories.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;
#[path = "../../styx-core/tests/vectors/harness.rs"]
mod harness;
#[path = "../../styx-core/tests/vectors/state_machine.rs"]
#[allow(dead_code, reason = "only what reads events is needed")]
mod state_machine;

use std::{collections::BTreeMap, fs, io::Read, path::Path};

use common::{LONG, Server, data};
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use styx_core::{
    decide::Draft,
    id::{Counter, Epoch, InstanceId, Position, WorkflowId},
    log::{Batch, Log},
    record::{Cause, Fact, LogEvent, RunEvent},
    world::{RefusedRecord, Row, RowKey, World},
};
use styx_store::RocksLog;
use uuid::Uuid;

const LIST: &str = "/api/v3/workflows/c/w/instances";

/// The parameters in a list.
fn parameters(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|data| data["workflow_instance"]["parameter"].as_str().unwrap()).collect()
}

#[test]
fn the_executions_of_an_instance_are_shown() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.get(&format!("{LIST}/2024-01-02")).check(404, "Workflow instance not found");
    assert_eq!(server.get(LIST).check(200, "OK").body, "[]");

    let workflow = r#"{"id":"w","schedule":"days","docker_image":"busybox:1.36","docker_args":["x"],"commit_sha":"4f1c9e","env":{"STYX_FAKE_EXIT_CODES":"20,0"}}"#;
    assert_eq!(server.post("/api/v3/workflows/c", workflow).status, 200);
    let trigger = server.post(
        "/api/v3/scheduler/trigger",
        r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2024-01-02","trigger_parameters":{"env":{"STYX_FAKE_DURATION_MS":"1"}}}"#,
    );
    let path = format!("{LIST}/2024-01-02");
    server.wait_for(&path, |json| {
        json["triggers"][0]["executions"][0]["statuses"].as_array().is_some_and(|all| all.len() == 3)
    });
    server.post("/api/v3/scheduler/retry", r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2024-01-02"}"#);
    let told = server.wait_for(&path, |json| json["triggers"][0]["complete"] == json!(true));

    let body = server.get(&path).body;
    let expected_start = format!(
        r#"{{"workflow_instance":{{"workflow_id":{{"component_id":"c","id":"w"}},"parameter":"2024-01-02"}},"triggers":[{{"trigger_id":{},"timestamp":"#,
        trigger.json()["trigger_id"]
    );
    assert!(body.starts_with(&expected_start), "{body}");
    let [trigger] = told["triggers"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!(trigger["parameters"], json!({"env": {"STYX_FAKE_DURATION_MS": "1"}}));
    let executions = trigger["executions"].as_array().unwrap();
    let names: Vec<&String> = executions[0].as_object().unwrap().keys().collect();
    let expected = [
        "execution_id",
        "docker_image",
        "commit_sha",
        "flyte_exec_conf",
        "flyte_execution_id",
        "runner_id",
        "statuses",
    ];
    assert_eq!(names, expected);
    let statuses = |execution: &Value| {
        let statuses = execution["statuses"].as_array().unwrap().iter();
        statuses.map(|status| (status["status"].as_str().unwrap().to_owned(), status["message"].clone())).collect()
    };
    let seen: Vec<Vec<(String, Value)>> = executions.iter().map(statuses).collect();
    let ends = |end: &str| {
        vec![("SUBMITTED".to_owned(), Value::Null), ("STARTED".to_owned(), Value::Null), (end.to_owned(), Value::Null)]
    };
    assert_eq!(seen, [ends("MISSING_DEPS"), ends("SUCCESS")]);
    for execution in executions {
        assert!(execution["execution_id"].as_str().unwrap().starts_with("styx-run-"));
        assert_eq!((&execution["docker_image"], &execution["commit_sha"]), (&json!("busybox:1.36"), &json!("4f1c9e")));
        assert!(execution["runner_id"].is_string() && execution["flyte_exec_conf"].is_null());
    }
    assert_eq!(server.get(LIST).body, format!("[{body}]"));
}

#[test]
fn lists_have_pages_ranges_and_tails() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "hours", LONG);
    server.store("c", "w#w", "hours", LONG);
    let hours: Vec<String> = (0..8).map(|hour| format!("2024-03-01T{hour:02}")).collect();
    for hour in hours.iter().rev() {
        assert_eq!(server.trigger("c", "w", hour).status, 200);
    }
    assert_eq!(server.trigger("c", "w#w", "2024-03-01T01").status, 200);
    // Half of them have ended, one of these is active again.
    for hour in hours.iter().step_by(2) {
        let body = format!(r#"{{"workflow_id":{{"component_id":"c","id":"w"}},"parameter":"{hour}"}}"#);
        assert_eq!(server.post("/api/v3/scheduler/halt", &body).status, 200);
    }
    server.trigger("c", "w", &hours[2]);

    let list = |query: &str| {
        let list = server.get(&format!("{LIST}{query}")).json();
        parameters(&list).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for unlimited in ["", "?limit=0", "?limit=-3", "?offset=", "?tail=false", "?tail=yes", "?start=&stop=2024"] {
        assert_eq!(list(unlimited), hours, "{unlimited}");
    }
    assert_eq!(list("?limit=3"), hours[..3]);
    assert_eq!(list("?limit=3&offset=2024-03-01T02"), hours[2..5]);
    assert_eq!(list("?limit=3;offset=2024-03-01T025"), hours[3..6], "an offset need not be a parameter");
    assert_eq!(list("?offset=2025"), [""; 0]);
    assert_eq!(list("?start=2024-03-01&stop=2024-03-02&limit=1"), hours, "a range has no limit");
    assert_eq!(list("?start=2024-03-01T03&stop=2024-03-01T05&offset=2024-03-01T04"), hours[3..5]);
    assert_eq!(list("?start=2024-03-01T06&stop="), hours[6..]);
    assert_eq!(list("?start=2024-03-01T05&stop=2024-03-01T03"), [""; 0]);
    let two = server.get(&format!("{LIST}?start=2024-03-01T02&stop=2024-03-01T03")).json();
    assert_eq!(two[0]["triggers"].as_array().unwrap().len(), 2, "the halted run and the one after it");
    assert_eq!(server.get("/api/v3/workflows/c/nosuch/instances").body, "[]");
    for bad in ["x", "", "1.5", "99999999999999999999"] {
        let answer = server.get(&format!("{LIST}?limit={bad}"));
        answer.check(400, &format!("limit: {bad} is not a whole number such as 168"));
    }

    // From the next natural trigger backwards.
    let next =
        r#"{"next_natural_trigger":"2024-03-01T06:00:00Z","next_natural_offset_trigger":"2100-01-01T00:00:00Z"}"#;
    assert_eq!(server.ask("PATCH", "/api/v3/workflows/c/w/state", &[], Some(next)).status, 200);
    assert_eq!(list("?tail=true&limit=2"), hours[4..6]);
    assert_eq!(list("?tail=TRUE"), hours[..6]);
    assert_eq!(list("?tail=true&limit=2&start=2024-03-01T07"), hours[4..6], "the tail comes first");
    assert_eq!(list("?tail=true&limit=0"), [""; 0]);
    let far = server.get(&format!("{LIST}?tail=true&limit=1000001"));
    far.check(400, "limit: 1000001 is more than 1000000, the most with tail");
    server.get("/api/v3/workflows/c/nosuch/instances?tail=true").check(404, "Could not find workflow.");
    server.store("c", "once", "0 0 1 1 *", LONG);
    assert_eq!(server.get("/api/v3/workflows/c/once/instances?tail=true&limit=1000000").body, "[]");
}

#[test]
fn a_tail_goes_back_in_the_order_in_which_instants_fire() {
    let (_dir, data) = data();
    let server = Server::start(&data);
    // With a month, the 29th to the 31st of January fire on 29 February: those of 06:00 before those of 20:00.
    let body = r#"{"id":"w","schedule":"0 6,20 * * *","offset":"P1M","docker_image":"a","docker_args":["b"]}"#;
    assert_eq!(server.post("/api/v3/workflows/c", body).status, 200);
    for instant in ["28T06", "28T20", "29T06", "29T20", "30T06", "30T20", "31T06", "31T20"] {
        assert_eq!(server.trigger("c", "w", &format!("2024-01-{instant}:00")).status, 200);
    }
    let next =
        r#"{"next_natural_trigger":"2024-01-30T20:00:00Z","next_natural_offset_trigger":"2100-01-01T00:00:00Z"}"#;
    assert_eq!(server.ask("PATCH", "/api/v3/workflows/c/w/state", &[], Some(next)).status, 200);
    let tail = |limit: usize| {
        let list = server.get(&format!("{LIST}?tail=true&limit={limit}")).json();
        parameters(&list).into_iter().map(|name| name[8..13].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tail(0), [""; 0]);
    assert_eq!(tail(1), ["29T20"]);
    assert_eq!(tail(2), ["29T20", "31T06"]);
    assert_eq!(tail(5), ["28T20", "29T06", "29T20", "30T06", "31T06"]);
    assert_eq!(tail(100), ["28T06", "28T20", "29T06", "29T20", "30T06", "31T06"]);
}

/// What Styx 2.x answered for histories of all sorts, of which a server tells that has them in its log.
#[test]
fn imported_histories_are_told_as_styx_told_them() {
    let (_dir, data) = data();
    let vectors = vectors();
    Import::into(&data).all(&vectors);
    let server = Server::start(&data);
    let told = |vector: &Value| vector["expected"]["triggers"].clone();
    for vector in vectors.iter().step_by(5) {
        let answer = server.get(&format!("{LIST}/{}", vector["id"].as_str().unwrap()));
        match vector["crash"].as_str() {
            _ if vector["events"] == json!([]) => drop(answer.check(404, "Workflow instance not found")),
            Some(_) => {
                assert!(answer.status == 500 && answer.reason.contains("UntellableHistory: the history "), "{answer:?}")
            }
            None => assert_eq!(answer.json()["triggers"], told(vector), "{}", vector["id"]),
        }
    }

    // A long list comes in pieces, and one that can't be told spoils no other.
    let whole = server.get(&format!("{LIST}?limit=0"));
    assert_eq!((whole.status, whole.header("transfer-encoding")), (200, Some("chunked")));
    let whole = whole.json();
    let mut expected: BTreeMap<&str, Value> =
        vectors.iter().map(|vector| (vector["id"].as_str().unwrap(), told(vector))).collect();
    let mut found = 0;
    for data in whole.as_array().unwrap() {
        let expected = expected.remove(data["workflow_instance"]["parameter"].as_str().unwrap()).unwrap();
        let expected = if expected.is_null() { json!([]) } else { expected };
        assert_eq!(data["triggers"], expected, "{}", data["workflow_instance"]);
        found += 1;
    }
    assert!(found > 1_400 && expected.values().all(Value::is_null), "only what can't be told is left out");

    // Page by page, as clients do.
    let mut paged: Vec<Value> = Vec::new();
    loop {
        let offset = paged.last().map_or("", |last| last["workflow_instance"]["parameter"].as_str().unwrap());
        let page = server.get(&format!("{LIST}?limit=500&offset={offset}")).json();
        let new = page.as_array().unwrap().iter().skip(usize::from(!paged.is_empty())).cloned();
        let before = paged.len();
        paged.extend(new.collect::<Vec<_>>());
        if paged.len() == before {
            break;
        }
    }
    assert_eq!(Value::from(paged), whole);
    let log = server.log();
    assert!(log.contains("is listed without its triggers: the history "), "{log}");
}

fn vectors() -> Vec<Value> {
    let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/execution-data.jsonl.gz");
    let mut text = String::new();
    MultiGzDecoder::new(fs::File::open(packed).unwrap()).read_to_string(&mut text).unwrap();
    let mut vectors: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for vector in &mut vectors {
        for execution in vector["expected"]["triggers"]
            .as_array_mut()
            .into_iter()
            .flatten()
            .flat_map(|trigger| trigger["executions"].as_array_mut().unwrap())
            .filter(|execution| execution["flyte_exec_conf"].is_object())
        {
            // An absent map is an empty one.
            let inputs =
                execution["flyte_exec_conf"].as_object_mut().unwrap().entry("input_fields").or_insert(Value::Null);
            if inputs.is_null() {
                *inputs = json!({});
            }
        }
    }
    vectors
}

/// Writes histories of another system into a log, as an import does: what the graph refuses is kept and marked.
struct Import {
    log: RocksLog,
    epoch: Epoch,
    world: World,
    batch: Batch,
    rows: BTreeMap<RowKey, Option<Row>>,
}

impl Import {
    fn into(dir: &Path) -> Self {
        let mut log = RocksLog::open(dir).unwrap();
        let epoch = log.begin_epoch().unwrap();
        let mut import = Self { log, epoch, world: World::default(), batch: Batch::default(), rows: BTreeMap::new() };
        let started = LogEvent::Started { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2) };
        import.take(Fact::Log(started), Cause::Engine).unwrap();
        import
    }

    fn all(mut self, vectors: &[Value]) {
        for vector in vectors {
            let instance = InstanceId::new(WorkflowId::new("c", "w"), vector["id"].as_str().unwrap());
            let mut events = vector["events"].as_array().unwrap().clone();
            events.sort_by_key(|event| event["counter"].as_u64());
            for recorded in &events {
                let cause = Cause::Imported { at: state_machine::millis(&recorded["timestamp"]) };
                let counter = Counter(recorded["counter"].as_u64().unwrap());
                let event = state_machine::event(&recorded["event"]);
                let taken = RunEvent::Styx { counter, event: event.clone() };
                if let Err(refused) = self.take(Fact::Run(instance.clone(), taken), cause.clone()) {
                    let ignored = RunEvent::Ignored { counter, event, error: refused.to_string().into() };
                    self.take(Fact::Run(instance.clone(), ignored), cause).unwrap();
                }
            }
        }
        let row = |(key, row): (RowKey, Option<Row>)| {
            let row = row.or_else(|| self.world.row(&key));
            (key, row)
        };
        self.batch.rows = self.rows.into_iter().map(row).collect();
        self.log.append(self.epoch, Position(0), &self.batch).unwrap();
    }

    fn take(&mut self, fact: Fact, cause: Cause) -> Result<(), RefusedRecord> {
        let at: chrono::DateTime<chrono::Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let record = Draft { fact, cause, idempotency_key: None }.into_record(&self.world, at, self.epoch);
        let mut changes = self.world.apply(&record)?;
        self.rows.extend(changes.dirty.drain(..).map(|key| (key, None)));
        self.rows.extend(changes.into_rows());
        self.batch.records.push(record);
        Ok(())
    }
}
