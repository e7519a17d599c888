//! What Styx 2.x answered, beside what we answer to the same requests at the same times.
//!
//! A session is replayed on a scripted clock. Requests that were left out of a recording are made up for from what later
//! answers tell of them, at the times that they tell.

mod changes;
mod compare;
mod exchange;
mod executions;
mod rules;
mod story;

#[path = "../../../tests/common/answer.rs"]
mod answer;

use std::{collections::BTreeMap, fs, io::Read, net::SocketAddr, path::Path, time::Duration};

use chrono::TimeDelta;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::{
    answer::Answer,
    compare::{Comparison, Ids},
    exchange::Exchange,
    rules::Excuses,
    story::{LeftOut, Step, Story},
};
use super::{Limits, scripted::ScriptedServer, serve};
use crate::auth::{Access, StaticTokens, make_token};

/// What answers all of a request otherwise than the recording, on purpose.
struct OtherAnswer {
    /// The rule that says so.
    anchor: &'static str,
    applies: fn(&Exchange) -> bool,
    /// What we answer instead.
    answers: fn(&Answer) -> bool,
}

const OTHER_ANSWERS: &[OtherAnswer] = &[
    OtherAnswer {
        anchor: "http-head",
        applies: |exchange| exchange.method == "HEAD" && exchange.reason == "Unauthorized access",
        answers: |answer| answer.status == 200 && answer.body.is_empty(),
    },
    OtherAnswer {
        anchor: "backfill-ends",
        applies: |exchange| {
            exchange.method == "POST"
                && exchange.path.contains("/backfills")
                && exchange.reason.contains("value of type `java.time.Instant` from String \"20")
        },
        answers: |answer| answer.status == 200,
    },
];

/// Texts of which only the beginning is a promise, and the rules that say so.
const FREE: &[(&str, &str)] = &[
    ("Invalid payload. ", "workflow-texts"),
    ("Invalid workflow configuration: [invalid retry condition: ", "condition-texts"),
    ("Payload parsing failed: ", "workflow-texts"),
    ("Cannot parse time parameter ", "schedule-texts"),
    // The rest names what is near, and says which end is exclusive.
    ("start parameter not aligned with schedule", "backfill-ends"),
    ("end parameter not aligned with schedule", "backfill-ends"),
];

/// Headers that every server sends as it likes.
const OWN_HEADERS: &[&str] = &["date", "connection", "transfer-encoding", "vary", "content-length", "server"];

/// How often a state had to be made for which no answer has a trace, in the project's own recording: the recording leaves out
/// requests, and this is what they did.
const PREPARED: &[(&str, usize)] = &[("client blocked", 1), ("instance halted", 1), ("run triggered", 2)];

/// A server that asks for tokens as the recorded one did, and the ids that it made in the place of the recorded ones.
struct Session {
    server: ScriptedServer,
    _runtime: Runtime,
    address: String,
    token: String,
    ids: Ids,
    excuses: Excuses,
    /// How often each state was made for which no answer has a trace.
    prepared: BTreeMap<&'static str, usize>,
    /// How many times were compared.
    times: usize,
}

impl Session {
    fn start(dir: &Path, story: &mut Story) -> Self {
        let begin = story.steps.first().unwrap().0 - TimeDelta::seconds(1);
        let tokens = dir.join("tokens.json");
        let token = make_token(&tokens, "ann", begin);
        let access = Access::Tokens { verifier: Box::new(StaticTokens::new(tokens)), anonymous_reads: true };
        let executions = std::mem::take(&mut story.executions);
        let direct = Box::new(move |launch: &_, now| executions.script(launch, now));
        let server = ScriptedServer::start(&dir.join("data"), access, begin, direct);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let address = listen(&runtime, &server).to_string();
        let (ids, excuses, prepared) = (Ids::default(), Excuses::default(), BTreeMap::new());
        Self { server, _runtime: runtime, address, token, ids, excuses, prepared, times: 0 }
    }

    /// Sends what was recorded, with our ids and our token.
    fn send(&self, exchange: &Exchange) -> Answer {
        let headers: Vec<(&str, String)> = exchange
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.replace("Bearer TOKEN", &format!("Bearer {}", self.token))))
            .collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (path, body) = (self.ids.ours(&exchange.path), self.ids.ours(&exchange.body));
        let has_body = matches!(exchange.method.as_str(), "POST" | "PUT" | "PATCH");
        self.request(&exchange.method, &path, &headers, has_body.then_some(body.as_str()))
    }

    /// Asks as an operator who may.
    fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        self.request(method, path, &[("Authorization", &bearer)], body)
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let answer = Answer::to_request(&self.address, method, path, headers, body);
        self.server.settle();
        answer
    }

    fn count(&mut self, prepared: &'static str) {
        *self.prepared.entry(prepared).or_default() += 1;
    }

    /// Makes up for a request that isn't in the recording; returns what became of it if it was refused.
    fn make_up(&mut self, asked: &LeftOut) -> Option<String> {
        let path = self.ids.ours(&asked.path);
        let body = asked.body.as_ref().map(|body| self.ids.ours(&body.to_string()));
        let answer = self.ask(asked.method, &path, body.as_deref());
        if let (Some(recorded), Ok(told)) = (&asked.id, serde_json::from_str::<Value>(&answer.body))
            && let Some(ours) = told["trigger_id"].as_str().or(told["id"].as_str())
        {
            self.ids.pair(recorded, ours);
        }
        let is_negative = |body: &Value| body["concurrency"].as_i64().is_some_and(|most| most < 0);
        // There are no such backfills (backfill-negative).
        let is_impossible = asked.path.contains("/backfills") && asked.body.as_ref().is_some_and(is_negative);
        if is_impossible {
            self.excuses.excuse("backfill-negative");
        }
        let is_as_expected = if is_impossible { answer.status == 400 } else { answer.status < 300 };
        (!is_as_expected).then(|| format!("{asked:?}: {} {}", answer.status, answer.reason))
    }
}

/// Opens a port for the server's routes, as the program does.
fn listen(runtime: &Runtime, server: &ScriptedServer) -> SocketAddr {
    let limits = Limits {
        connections: 16,
        header_bytes: server.app.http.max_header_bytes,
        client_timeout: server.app.http.client_timeout.std(),
        stop_timeout: Duration::from_secs(1),
    };
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = server.app.metrics.http.clone();
    runtime.spawn(serve(listener, server.router(), limits, metrics, std::future::pending()));
    address
}

#[test]
fn recorded_sessions_are_answered_as_they_were() {
    let (lines, is_own_copy) = lines();
    let lines = lines.lines().filter(|line| !line.is_empty());
    let mut story = Story::of(lines.map(|line| Exchange::of(&serde_json::from_str(line).unwrap())).collect());
    let dir = TempDir::new().unwrap();
    let mut session = Session::start(dir.path(), &mut story);
    let mut failures = Vec::new();
    let mut compared = 0;
    for (at, step) in story.steps {
        session.server.advance(at);
        let exchange = match step {
            Step::Recorded(exchange) => exchange,
            Step::LeftOut(asked) => {
                failures.extend(session.make_up(&asked));
                continue;
            }
        };
        prepare(&mut session, &exchange);
        let answer = session.send(&exchange);
        let mut problems = Vec::new();
        if let Some(other) = OTHER_ANSWERS.iter().find(|other| (other.applies)(&exchange)) {
            session.excuses.excuse(other.anchor);
            if !(other.answers)(&answer) {
                problems.push(format!("not as {} has it", other.anchor));
            }
            // What was made here and not there is in no recorded list.
            if let Some(id) = serde_json::from_str::<Value>(&answer.body).unwrap_or_default()["id"].as_str() {
                session.ids.alone.insert(id.to_owned());
            }
        } else {
            compared += 1;
            compare(&mut session, &exchange, &answer, &mut problems);
        }
        if !problems.is_empty() {
            let (method, path) = (&exchange.method, &exchange.path);
            failures.push(format!("{} {method} {path}: {problems:#?}\n{answer:?}", exchange.n));
        }
    }
    println!("{compared} answers and {} times compared", session.times);
    session.excuses.print();
    println!("made without a trace: {:?}", session.prepared);
    assert!(failures.is_empty(), "{} of {compared}:\n{}", failures.len(), failures.join("\n"));
    if is_own_copy {
        assert!(compared >= 230, "{compared}");
        assert!(session.times >= 900, "{}", session.times);
        assert_eq!(session.excuses.unexpected(), Vec::<String>::new());
        assert_eq!(session.prepared, PREPARED.iter().copied().collect());
    }
}

/// The recorded lines of the folder that `STYX_VECTORS` names, or the project's own copy, and whether they are that.
fn lines() -> (String, bool) {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors");
    let dir = std::env::var("STYX_VECTORS").ok();
    let (plain, packed) = ["jsonl", "jsonl.gz"]
        .map(|ending| Path::new(dir.as_deref().unwrap_or(own)).join(format!("http-exchanges.{ending}")))
        .into();
    if let Ok(text) = fs::read_to_string(&plain) {
        return (text, dir.is_none());
    }
    let file = fs::File::open(&packed).unwrap_or_else(|error| panic!("{}: {error}", packed.display()));
    let mut text = String::new();
    MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    (text, dir.is_none())
}

/// Brings about what an exchange found, where no answer tells of the requests that did so.
fn prepare(session: &mut Session, exchange: &Exchange) {
    let blocked = match exchange.status {
        406 => exchange.headers.iter().filter(|(name, _)| name == "User-Agent").map(|(_, value)| value).collect(),
        _ => Vec::new(),
    };
    if !blocked.is_empty() {
        session.count("client blocked");
    }
    let patch = json!({ "client_blacklist": blocked }).to_string();
    assert_eq!(session.ask("PATCH", "/api/v4/config", Some(&patch)).status, 200);
    if exchange.path == "/api/v3/status/activeStates" {
        return halt_others(session, exchange);
    }
    if exchange.path.contains("/backfills") {
        let body: Value = serde_json::from_str(&exchange.body).unwrap_or_default();
        if let (Some(component), Some(workflow)) = (body["component"].as_str(), body["workflow"].as_str())
            && exchange.status != 404
        {
            ensure(session, component, workflow, !exchange.reason.starts_with("Workflow is missing"));
        }
        return;
    }
    let (Some(component), Some(workflow), parameter) = exchange.names() else {
        return;
    };
    let unknown = (exchange.status == 404 && exchange.reason != "Workflow instance not found")
        || exchange.reason == "The specified workflow is not found in the scheduler";
    if unknown {
        if session.ask("DELETE", &format!("/api/v3/workflows/{component}/{workflow}"), None).status < 300 {
            session.count("workflow deleted");
        }
        return;
    }
    if exchange.path.contains("/status/") {
        return;
    }
    ensure(session, &component, &workflow, true);
    if let Some(parameter) = parameter.filter(|_| exchange.meets_active_run()) {
        let id = json!({ "component_id": component, "id": workflow });
        let body = json!({ "workflow_id": id, "parameter": parameter }).to_string();
        let answer = session.ask("POST", "/api/v3/scheduler/trigger?allowFuture=true", Some(&body));
        assert!(matches!(answer.status, 200 | 409), "{component} {workflow} {parameter}: {answer:?}");
        if answer.status == 200 {
            session.count("run triggered");
        }
    }
}

/// Halts what is active and isn't in a list of all that was active: whoever halted it is not in the recording.
fn halt_others(session: &mut Session, exchange: &Exchange) {
    let instances = |answer: &Value| -> Vec<Value> {
        let states = answer["active_states"].as_array().into_iter().flatten();
        states.map(|state| state["workflow_instance"].clone()).collect()
    };
    let recorded = instances(exchange.told());
    for instance in instances(&session.ask("GET", &exchange.path, None).json()) {
        if !recorded.contains(&instance) {
            session.ask("POST", "/api/v3/scheduler/halt", Some(&instance.to_string()));
            session.count("instance halted");
        }
    }
}

fn ensure(session: &mut Session, component: &str, workflow: &str, runs: bool) {
    if session.ask("GET", &format!("/api/v3/workflows/{component}/{workflow}"), None).status == 404 {
        let schedule = match workflow {
            "hh" => "hours",
            "mm" => "months",
            "yy" => "years",
            "ww" => "weeks",
            "cr" | "three" => "0 7 * * *",
            _ => "days",
        };
        let image = if runs { r#""docker_image":"busybox:1.36","# } else { "" };
        let body = format!(r#"{{"id":"{workflow}",{image}"schedule":"{schedule}"}}"#);
        let answer = session.ask("POST", &format!("/api/v3/workflows/{component}"), Some(&body));
        assert_eq!(answer.status, 200, "{answer:?}");
        session.count("workflow made");
    }
}

fn compare(session: &mut Session, exchange: &Exchange, answer: &Answer, problems: &mut Vec<String>) {
    if answer.status != exchange.status {
        problems.push(format!("status {} was {} {}", answer.status, exchange.status, exchange.reason));
        return;
    }
    compare_reason(session, exchange, answer, problems);
    compare_headers(session, exchange, answer, problems);
    if exchange.status >= 300 {
        let ours: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        if exchange.method != "HEAD" && ours["error"] != answer.reason.as_str() {
            problems.push(format!("the body doesn't have the reason: {}", answer.body));
        }
        session.excuses.excuse("http-error-body");
        return;
    }
    let Some(recorded) = &exchange.answer else {
        if exchange.has_body == answer.body.is_empty() {
            problems.push(format!("the body was {}", if exchange.has_body { "not JSON" } else { "empty" }));
        }
        return;
    };
    let mut comparison = Comparison {
        ids: &mut session.ids,
        excuses: &mut session.excuses,
        problems,
        is_edit: exchange.method == "PUT" && exchange.path.contains("/backfills/"),
        times: &mut session.times,
    };
    comparison.same("", recorded, &answer.json());
}

fn compare_reason(session: &mut Session, exchange: &Exchange, answer: &Answer, problems: &mut Vec<String>) {
    if answer.reason == exchange.reason {
        return;
    }
    let Some((start, rule)) = FREE.iter().find(|(start, _)| exchange.reason.starts_with(start)) else {
        return problems.push(format!("the text was {}", exchange.reason));
    };
    session.excuses.excuse(rule);
    if !answer.reason.starts_with(start) {
        problems.push(format!("the text was {}", exchange.reason));
    }
    if let Some((_, field)) = exchange.reason.split_once("problem: ") {
        let field = field.split_whitespace().next().unwrap_or_default();
        if !answer.reason.contains(&format!("problem: {field}")) {
            problems.push(format!("doesn't name the field {field}"));
        }
    }
}

/// Every header that was recorded is there with its value; of those with an id, and of ours, only that they are there.
fn compare_headers(session: &mut Session, exchange: &Exchange, answer: &Answer, problems: &mut Vec<String>) {
    let is_error = exchange.status >= 300;
    for (name, value) in exchange.sent.iter().filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str())) {
        match answer.header(name) {
            _ if name.starts_with("okhttp-") => session.excuses.excuse("http-headers"),
            None => problems.push(format!("the header {name} was {value}")),
            Some(_) if name == "x-styx-request-id" => {}
            Some(ours) if ours == value => {}
            // What a body of ours is that Styx doesn't send.
            Some(_) if name == "content-type" && is_error => {}
            Some(ours) => problems.push(format!("the header {name}: {ours} was {value}")),
        }
    }
    for (name, value) in &answer.headers {
        let name = name.to_ascii_lowercase();
        let is_ours = name.starts_with("x-styx-") && name != "x-styx-request-id";
        let is_of_error = is_error && name == "content-type";
        let is_expected = exchange.sent.contains_key(&name) || OWN_HEADERS.contains(&name.as_str());
        if !is_expected && !is_ours && !is_of_error {
            problems.push(format!("the header {name} was not there: {value}"));
        }
    }
}
