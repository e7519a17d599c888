//! What Styx 2.x answered, against what we answer: the same status and text, and a body of the same form.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{fs, io::Read};

use common::{Answer, LONG, Server, data};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

/// A difference on purpose. `docs/differences-from-styx-2.md` is to have a line for each.
struct Rule {
    what: &'static str,
    applies: fn(&Exchange) -> bool,
    /// What we answer instead.
    answers: fn(&Answer) -> bool,
}

const RULES: &[Rule] = &[
    Rule {
        what: "not built yet",
        applies: |exchange| {
            let later = ["/resources", "/backfills", "/scheduler/events"];
            later.iter().any(|part| exchange.path.contains(part))
        },
        answers: |answer| answer.status == 501 && answer.reason.starts_with("not built yet: "),
    },
    Rule {
        what: "without authentication everybody is allowed",
        applies: |exchange| exchange.reason == "Unauthorized access",
        answers: |answer| answer.status != 401,
    },
    Rule {
        what: "resources limit nothing yet (workflow-resources): the run that was blocked by one is over, not active",
        applies: |exchange| {
            let body: Value = serde_json::from_str(&exchange.body).unwrap_or_default();
            exchange.status == 409 && body["workflow_id"]["id"] == "blk"
        },
        answers: |answer| answer.status == 200 || answer.status == 409,
    },
];

/// Texts of which only the beginning is a promise.
const FREE: &[&str] = &[
    "Invalid payload. ",
    "Invalid workflow configuration: [invalid retry condition: ",
    "Payload parsing failed: ",
    "Cannot parse time parameter ",
];

/// One recorded exchange.
struct Exchange {
    n: u64,
    method: String,
    path: String,
    body: String,
    status: u16,
    reason: String,
    answer: Option<Value>,
    has_request_id: bool,
    is_json: bool,
}

impl Exchange {
    fn of(line: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (request, response) = (&line["request"], &line["response"]);
        let headers = response["headers"].as_object().unwrap();
        let header = |wanted: &str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        Self {
            n: line["n"].as_u64().unwrap(),
            method: text(&request["method"]),
            path: text(&request["path"]),
            body: text(&request["body"]),
            status: response["status"].as_u64().unwrap() as u16,
            reason: text(&response["reason"]),
            answer: response["body"].as_str().and_then(|body| serde_json::from_str(body).ok()),
            has_request_id: header("x-styx-request-id").is_some(),
            is_json: header("content-type").is_some_and(|(_, value)| *value == "application/json"),
        }
    }

    /// Component, workflow and parameter, as far as the request names them.
    fn names(&self) -> (Option<String>, Option<String>, Option<String>) {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        if let Some(id) = body.get("workflow_id") {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            return (text(&id["component_id"]), text(&id["id"]), text(&body["parameter"]));
        }
        let path = self.path.split('?').next().unwrap_or_default();
        let mut segments = path.split('/').skip(3);
        if path.starts_with("/api/v3/status/events/") {
            segments.nth(1);
        } else if segments.next() != Some("workflows") {
            return (None, None, None);
        }
        let mut next = || segments.next().filter(|segment| !segment.is_empty()).map(str::to_owned);
        (next(), next(), next())
    }
}

#[test]
fn recorded_exchanges_agree_by_form() {
    let lines = lines();
    let (_dir, data) = data();
    let server = Server::start(&data);
    let mut failures = Vec::new();
    let mut compared = 0;
    let mut used = vec![0; RULES.len()];
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let exchange = Exchange::of(&serde_json::from_str(line).unwrap());
        let rule = RULES.iter().position(|rule| (rule.applies)(&exchange));
        prepare(&server, &exchange);
        let body = matches!(exchange.method.as_str(), "POST" | "PUT" | "PATCH").then_some(exchange.body.as_str());
        let answer = server.ask(&exchange.method, &exchange.path, &[], body);
        let mut problems = Vec::new();
        if let Some(rule) = rule {
            used[rule] += 1;
            if !(RULES[rule].answers)(&answer) {
                problems.push(format!("not as the rule says: {}", RULES[rule].what));
            }
        } else {
            compared += 1;
            compare(&exchange, &answer, &mut problems);
        }
        if !problems.is_empty() {
            let (method, path) = (&exchange.method, &exchange.path);
            failures.push(format!("{} {method} {path}: {problems:#?}\n{answer:?}", exchange.n));
        }
    }
    assert!(failures.is_empty(), "{} of {compared}:\n{}", failures.len(), failures.join("\n"));
    assert!(compared >= 100, "{compared}");
    for (rule, used) in RULES.iter().zip(used) {
        assert!(used > 0, "the rule `{}` matched nothing", rule.what);
    }
}

/// The project's copy of the recorded lines. Other recordings come with the API, which replays whole sessions.
fn lines() -> String {
    let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/http-exchanges.jsonl.gz");
    let file = fs::File::open(packed).unwrap_or_else(|error| panic!("{packed}: {error}"));
    let mut text = String::new();
    MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// Brings about what an exchange found: requests that did so may have been left out of the recording.
fn prepare(server: &Server, exchange: &Exchange) {
    if exchange.path.contains("activeStates") {
        let states = exchange.answer.iter().flat_map(|answer| answer["active_states"].as_array().into_iter().flatten());
        for state in states.take(3) {
            let instance = &state["workflow_instance"];
            let id = &instance["workflow_id"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            activate(server, &text(&id["component_id"]), &text(&id["id"]), &text(&instance["parameter"]));
        }
        return;
    }
    let (Some(component), Some(workflow), parameter) = exchange.names() else {
        return;
    };
    let unknown = exchange.status == 404 || exchange.reason == "The specified workflow is not found in the scheduler";
    let path = format!("/api/v3/workflows/{component}/{workflow}");
    if unknown {
        server.ask("DELETE", &path, &[], None);
        return;
    }
    ensure(server, &component, &workflow);
    let Some(parameter) = parameter else {
        return;
    };
    let halt = || {
        let body = format!(
            r#"{{"workflow_id":{{"component_id":"{component}","id":"{workflow}"}},"parameter":"{parameter}"}}"#
        );
        server.post("/api/v3/scheduler/halt", &body);
    };
    if exchange.status == 409 {
        activate(server, &component, &workflow, &parameter);
    } else if exchange.path.contains("/status/events/")
        && exchange.answer.as_ref().is_some_and(|answer| answer["events"][0].is_object())
    {
        activate(server, &component, &workflow, &parameter);
        halt();
    } else if exchange.status == 200 && exchange.path.contains("/scheduler/") {
        halt();
    }
}

fn activate(server: &Server, component: &str, workflow: &str, parameter: &str) {
    ensure(server, component, workflow);
    let body =
        format!(r#"{{"workflow_id":{{"component_id":"{component}","id":"{workflow}"}},"parameter":"{parameter}"}}"#);
    let answer = server.post("/api/v3/scheduler/trigger?allowFuture=true", &body);
    assert!(matches!(answer.status, 200 | 409), "{component} {workflow} {parameter}: {answer:?}");
}

fn ensure(server: &Server, component: &str, workflow: &str) {
    if server.get(&format!("/api/v3/workflows/{component}/{workflow}")).status == 404 {
        let schedule = match workflow {
            "hh" => "hours",
            "mm" => "months",
            "yy" => "years",
            "ww" => "weeks",
            "cr" | "three" => "0 7 * * *",
            _ => "days",
        };
        server.store(component, workflow, schedule, LONG);
    }
}

fn compare(exchange: &Exchange, answer: &Answer, problems: &mut Vec<String>) {
    // These dates were in the future when they were recorded.
    let past = exchange.reason == "Cannot trigger an instance of the future"
        && exchange.names().2.is_some_and(|parameter| parameter < today());
    if past {
        return;
    }
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
        same_form("", recorded, &answer.json(), problems);
    }
}

fn today() -> String {
    chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).format("%Y-%m-%d").to_string()
}

/// Names in the same order, values of the same kinds; null stands for any value.
fn same_form(at: &str, recorded: &Value, ours: &Value, problems: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(recorded), Value::Object(ours)) if at.ends_with(".env") => {
            if !recorded.values().chain(ours.values()).all(Value::is_string) {
                problems.push(format!("{at}: not all texts"));
            }
        }
        (Value::Object(recorded), Value::Object(ours)) => {
            let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            if names(recorded) != names(ours) {
                problems.push(format!("{at}: {:?} was {:?}", names(ours), names(recorded)));
                return;
            }
            for (name, recorded) in recorded {
                same_form(&format!("{at}.{name}"), recorded, &ours[name], problems);
            }
        }
        (Value::Array(recorded), Value::Array(ours)) if at == ".events" => {
            // What happened differs; the form of each kind of event doesn't.
            for ours in ours {
                let kind = &ours["event"]["@type"];
                if let Some(recorded) = recorded.iter().find(|recorded| recorded["event"]["@type"] == *kind) {
                    same_form(&format!("{at}[]"), recorded, ours, problems);
                }
            }
        }
        (Value::Array(recorded), Value::Array(ours)) => {
            for (recorded, ours) in recorded.iter().zip(ours).take(1) {
                same_form(&format!("{at}[]"), recorded, ours, problems);
            }
        }
        (Value::String(recorded), Value::String(ours)) => {
            let kind = |text: &str| {
                let prefix = ["styx-run-", "ad-hoc-cli-"].into_iter().find(|prefix| text.starts_with(prefix));
                (prefix, chrono::DateTime::parse_from_rfc3339(text).is_ok())
            };
            if kind(recorded) != kind(ours) {
                problems.push(format!("{at}: {ours} was {recorded}"));
            }
        }
        (Value::Number(recorded), Value::Number(ours)) if recorded.is_f64() == ours.is_f64() => {}
        (Value::Bool(_), Value::Bool(_)) => {}
        _ => problems.push(format!("{at}: {ours} was {recorded}")),
    }
}
