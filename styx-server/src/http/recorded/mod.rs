//! What Styx 2.x answered, beside what we answer to the same requests at the same times.
//!
//! A session is replayed on a scripted clock. Requests that were left out of a recording are made up for from what later
//! answers tell of them, at the times that they tell.

mod compare;
mod exchange;
mod story;

#[path = "../../../tests/common/answer.rs"]
mod answer;

use std::{fs, io::Read, net::SocketAddr, path::Path, time::Duration};

use chrono::TimeDelta;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::{
    answer::Answer,
    compare::{Comparison, Ids},
    exchange::Exchange,
    story::{LeftOut, Step, Story},
};
use super::{Limits, scripted::ScriptedServer, serve};
use crate::auth::{Access, StaticTokens, make_token};

/// A difference on purpose. `docs/differences-from-styx-2.md` is to have a line for each.
struct Rule {
    what: &'static str,
    applies: fn(&Exchange) -> bool,
    /// What we answer instead.
    answers: fn(&Answer) -> bool,
}

const RULES: &[Rule] = &[
    Rule {
        what: "HEAD is answered like GET (http-head)",
        applies: |exchange| exchange.method == "HEAD" && exchange.reason == "Unauthorized access",
        answers: |answer| answer.status == 200 && answer.body.is_empty(),
    },
    Rule {
        what: "the ends of a backfill are any texts of partitions (backfill-ends)",
        applies: |exchange| {
            exchange.method == "POST"
                && exchange.path.contains("/backfills")
                && exchange.reason.contains("value of type `java.time.Instant` from String \"20")
        },
        answers: |answer| answer.status == 200,
    },
];

/// Texts of which only the beginning is a promise.
const FREE: &[&str] = &[
    "Invalid payload. ",
    "Invalid workflow configuration: [invalid retry condition: ",
    "Payload parsing failed: ",
    "Cannot parse time parameter ",
    // The rest names what is near, and says which end is exclusive (backfill-ends).
    "start parameter not aligned with schedule",
    "end parameter not aligned with schedule",
];

/// A server that asks for tokens as the recorded one did, and the ids that it made in the place of the recorded ones.
struct Session {
    server: ScriptedServer,
    _runtime: Runtime,
    address: String,
    token: String,
    ids: Ids,
    /// How many times were compared.
    times: usize,
}

impl Session {
    fn start(dir: &Path, story: &mut Story) -> Self {
        let begin = story.steps.first().unwrap().0 - TimeDelta::seconds(1);
        let tokens = dir.join("tokens.json");
        let token = make_token(&tokens, "ann", begin);
        let access = Access::Tokens { verifier: Box::new(StaticTokens::new(tokens)), anonymous_reads: true };
        let endings = std::mem::take(&mut story.endings);
        let direct = Box::new(move |launch: &mut _, now| endings.direct(launch, now));
        let server = ScriptedServer::start(&dir.join("data"), access, begin, direct);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let address = listen(&runtime, &server).to_string();
        Self { server, _runtime: runtime, address, token, ids: Ids::default(), times: 0 }
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

    /// Makes up for a request that isn't in the recording; returns what became of it if it was refused.
    fn make_up(&mut self, asked: &LeftOut) -> Option<String> {
        let path = self.ids.ours(&asked.path);
        let answer = self.ask(asked.method, &path, asked.body.as_ref().map(Value::to_string).as_deref());
        if let (Some(recorded), Ok(told)) = (&asked.id, serde_json::from_str::<Value>(&answer.body))
            && let Some(ours) = told["trigger_id"].as_str().or(told["id"].as_str())
        {
            self.ids.pair(recorded, ours);
        }
        let is_negative = |body: &Value| body["concurrency"].as_i64().is_some_and(|most| most < 0);
        // There are no such backfills (backfill-negative).
        let is_impossible = asked.path.contains("/backfills") && asked.body.as_ref().is_some_and(is_negative);
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
    let mut used = vec![0; RULES.len()];
    for (at, step) in story.steps {
        session.server.advance(at);
        let exchange = match step {
            Step::Recorded(exchange) => exchange,
            Step::LeftOut(asked) => {
                failures.extend(session.make_up(&asked));
                continue;
            }
        };
        prepare(&session, &exchange);
        let answer = session.send(&exchange);
        let mut problems = Vec::new();
        if let Some(rule) = RULES.iter().position(|rule| (rule.applies)(&exchange)) {
            used[rule] += 1;
            if !(RULES[rule].answers)(&answer) {
                problems.push(format!("not as the rule says: {}", RULES[rule].what));
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
    assert!(failures.is_empty(), "{} of {compared}:\n{}", failures.len(), failures.join("\n"));
    if is_own_copy {
        assert!(compared >= 230, "{compared}");
        assert!(session.times >= 900, "{}", session.times);
        for (rule, used) in RULES.iter().zip(used) {
            assert!(used > 0, "the rule `{}` matched nothing", rule.what);
        }
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
fn prepare(session: &Session, exchange: &Exchange) {
    let blocked = match exchange.status {
        406 => exchange.headers.iter().filter(|(name, _)| name == "User-Agent").map(|(_, value)| value).collect(),
        _ => Vec::new(),
    };
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
        session.ask("DELETE", &format!("/api/v3/workflows/{component}/{workflow}"), None);
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
    }
}

/// Halts what is active and isn't in a list of all that was active: whoever halted it is not in the recording.
fn halt_others(session: &Session, exchange: &Exchange) {
    let instances = |answer: &Value| -> Vec<Value> {
        let states = answer["active_states"].as_array().into_iter().flatten();
        states.map(|state| state["workflow_instance"].clone()).collect()
    };
    let recorded = instances(exchange.told());
    for instance in instances(&session.ask("GET", &exchange.path, None).json()) {
        if !recorded.contains(&instance) {
            session.ask("POST", "/api/v3/scheduler/halt", Some(&instance.to_string()));
        }
    }
}

fn ensure(session: &Session, component: &str, workflow: &str, runs: bool) {
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
    }
}

fn compare(session: &mut Session, exchange: &Exchange, answer: &Answer, problems: &mut Vec<String>) {
    if answer.status != exchange.status {
        problems.push(format!("status {} was {} {}", answer.status, exchange.status, exchange.reason));
        return;
    }
    let free = FREE.iter().find(|free| exchange.reason.starts_with(**free));
    match free {
        Some(free) => {
            if !answer.reason.starts_with(free) {
                problems.push(format!("the text was {}", exchange.reason));
            }
            if let Some((_, field)) = exchange.reason.split_once("problem: ") {
                let field = field.split_whitespace().next().unwrap_or_default();
                if !answer.reason.contains(&format!("problem: {field}")) {
                    problems.push(format!("doesn't name the field {field}"));
                }
            }
        }
        None if answer.reason != exchange.reason => problems.push(format!("the text was {}", exchange.reason)),
        None => {}
    }
    if answer.header("x-styx-request-id").is_some() != exchange.has_request_id {
        problems.push("the request id is not where it was".to_owned());
    }
    if exchange.status < 300
        && let Some(recorded) = &exchange.answer
    {
        if exchange.is_json && answer.header("content-type") != Some("application/json") {
            problems.push("not JSON".to_owned());
        }
        let mut comparison = Comparison {
            ids: &mut session.ids,
            problems,
            is_edit: exchange.method == "PUT" && exchange.path.contains("/backfills/"),
            times: &mut session.times,
        };
        comparison.same("", recorded, &answer.json());
    }
}
