//! What Styx 2.x answered, against what we answer: the same status and text, and a body of the same form.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{collections::BTreeMap, fs, io::Read, path::Path, process::Command};

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

const RULES: &[Rule] = &[Rule {
    what: "HEAD is answered like GET (http-head)",
    applies: |exchange| exchange.method == "HEAD" && exchange.reason == "Unauthorized access",
    answers: |answer| answer.status == 200 && answer.body.is_empty(),
}];

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
    headers: Vec<(String, String)>,
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
            headers: request["headers"]
                .as_object()
                .map(|headers| headers.iter().map(|(name, value)| (name.clone(), text(value))).collect())
                .unwrap_or_default(),
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
        if let Some((workflow, parameter)) = body["workflow_instance"].as_str().and_then(|key| key.rsplit_once('#'))
            && let Some((component, workflow)) = workflow.split_once('#')
        {
            return (Some(component.to_owned()), Some(workflow.to_owned()), Some(parameter.to_owned()));
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

/// A server that asks for tokens as the recorded one did, and the ids that it made in the place of the recorded ones.
struct Session {
    server: Server,
    token: String,
    ids: BTreeMap<String, String>,
}

impl Session {
    fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_styx-server"));
        let created = command.env_clear().args(["token", "create", "--name", "ann", "--data"]).arg(data).output();
        let token = String::from_utf8(created.unwrap().stdout).unwrap().trim().to_owned();
        let args = ["--executor", "fake", "--auth", "tokens", "--anonymous-reads"];
        Self { server: Server::start_with(data, &args), token, ids: BTreeMap::new() }
    }

    /// Sends what was recorded, with our ids and our token.
    fn send(&self, exchange: &Exchange) -> Answer {
        let headers: Vec<(&str, String)> = exchange
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.replace("Bearer TOKEN", &format!("Bearer {}", self.token))))
            .collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (path, body) = (self.ours(&exchange.path), self.ours(&exchange.body));
        let has_body = matches!(exchange.method.as_str(), "POST" | "PUT" | "PATCH");
        self.server.ask(&exchange.method, &path, &headers, has_body.then_some(body.as_str()))
    }

    fn ours(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
    }

    /// Asks as an operator who may.
    fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        self.server.ask(method, path, &[("Authorization", &bearer)], body)
    }
}

#[test]
fn recorded_exchanges_agree_by_form() {
    let (lines, is_own_copy) = lines();
    let (_dir, data) = data();
    std::fs::create_dir_all(&data).unwrap();
    let mut session = Session::start(&data);
    let mut failures = Vec::new();
    let mut compared = 0;
    let mut used = vec![0; RULES.len()];
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let exchange = Exchange::of(&serde_json::from_str(line).unwrap());
        let rule = RULES.iter().position(|rule| (rule.applies)(&exchange));
        prepare(&mut session, &exchange);
        let answer = session.send(&exchange);
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
        if let Some((Some(recorded), Some(ours))) = exchange.answer.as_ref().map(|recorded| {
            let ours = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
            (recorded["id"].as_str().map(str::to_owned), ours["id"].as_str().map(str::to_owned))
        }) {
            session.ids.insert(recorded, ours);
        }
        if !problems.is_empty() {
            let (method, path) = (&exchange.method, &exchange.path);
            failures.push(format!("{} {method} {path}: {problems:#?}\n{answer:?}", exchange.n));
        }
    }
    assert!(failures.is_empty(), "{} of {compared}:\n{}", failures.len(), failures.join("\n"));
    if is_own_copy {
        assert!(compared >= 230, "{compared}");
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

/// Brings about what an exchange found: requests that did so may have been left out of the recording.
fn prepare(session: &mut Session, exchange: &Exchange) {
    let blocked = match exchange.status {
        406 => exchange.headers.iter().filter(|(name, _)| name == "User-Agent").map(|(_, value)| value).collect(),
        _ => Vec::new(),
    };
    let patch = serde_json::json!({ "client_blacklist": blocked }).to_string();
    assert_eq!(session.ask("PATCH", "/api/v4/config", Some(&patch)).status, 200);
    if exchange.path.contains("activeStates") {
        let states = exchange.answer.iter().flat_map(|answer| answer["active_states"].as_array().into_iter().flatten());
        for state in states.take(3) {
            let instance = &state["workflow_instance"];
            let id = &instance["workflow_id"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            activate(session, &text(&id["component_id"]), &text(&id["id"]), &text(&instance["parameter"]));
        }
        return;
    }
    if exchange.path.contains("/resources") {
        return prepare_resources(session, exchange);
    }
    if exchange.path.contains("/backfills") {
        return prepare_backfills(session, exchange);
    }
    let (Some(component), Some(workflow), parameter) = exchange.names() else {
        return;
    };
    let unknown = exchange.status == 404 || exchange.reason == "The specified workflow is not found in the scheduler";
    let path = format!("/api/v3/workflows/{component}/{workflow}");
    if unknown {
        session.ask("DELETE", &path, None);
        return;
    }
    ensure(session, &component, &workflow, true);
    let Some(parameter) = parameter else {
        return;
    };
    let halt = |session: &Session| {
        let body = format!(
            r#"{{"workflow_id":{{"component_id":"{component}","id":"{workflow}"}},"parameter":"{parameter}"}}"#
        );
        session.ask("POST", "/api/v3/scheduler/halt", Some(&body));
    };
    if exchange.status == 409 {
        activate(session, &component, &workflow, &parameter);
    } else if exchange.reason.ends_with("while in RUNNING") {
        activate(session, &component, &workflow, &parameter);
        let path = format!("/api/v3/status/activeStates?component={component}&workflow={workflow}");
        session.server.wait_for(&path, |json| json.to_string().contains("RUNNING"));
    } else if exchange.path.contains("/status/events/")
        && exchange.answer.as_ref().is_some_and(|answer| answer["events"][0].is_object())
    {
        activate(session, &component, &workflow, &parameter);
        halt(session);
    } else if exchange.status == 200 && exchange.path.contains("/scheduler/") {
        halt(session);
    }
}

/// The resources that an answer has, and no other.
fn prepare_resources(session: &Session, exchange: &Exchange) {
    let Some(recorded) = exchange.answer.as_ref().and_then(|answer| answer["resources"].as_array()) else {
        return;
    };
    let present = session.ask("GET", "/api/v3/resources", None).json();
    for resource in present["resources"].as_array().unwrap() {
        session.ask("DELETE", &format!("/api/v3/resources/{}", resource["id"].as_str().unwrap()), None);
    }
    for resource in recorded {
        session.ask("POST", "/api/v3/resources", Some(&resource.to_string()));
    }
}

/// The workflow of a backfill, and what it waits for: a resource without a unit.
fn prepare_backfills(session: &mut Session, exchange: &Exchange) {
    let body: Value = serde_json::from_str(&exchange.body).unwrap_or_default();
    let (component, workflow) = (body["component"].as_str(), body["workflow"].as_str());
    if let (Some(component), Some(workflow)) = (component, workflow)
        && exchange.status != 404
    {
        session.ask("POST", "/api/v3/resources", Some(r#"{"id":"zero","concurrency":0}"#));
        ensure(session, component, workflow, !exchange.reason.starts_with("Workflow is missing"));
    }
}

fn activate(session: &Session, component: &str, workflow: &str, parameter: &str) {
    ensure(session, component, workflow, true);
    let body =
        format!(r#"{{"workflow_id":{{"component_id":"{component}","id":"{workflow}"}},"parameter":"{parameter}"}}"#);
    let answer = session.ask("POST", "/api/v3/scheduler/trigger?allowFuture=true", Some(&body));
    assert!(matches!(answer.status, 200 | 409), "{component} {workflow} {parameter}: {answer:?}");
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
        let body = format!(r#"{{"id":"{workflow}","schedule":"{schedule}",{image}"env":{LONG}}}"#);
        let answer = session.ask("POST", &format!("/api/v3/workflows/{component}"), Some(&body));
        assert_eq!(answer.status, 200, "{answer:?}");
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
                let prefix =
                    ["styx-run-", "ad-hoc-cli-", "backfill-"].into_iter().find(|prefix| text.starts_with(prefix));
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
