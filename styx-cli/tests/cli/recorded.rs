//! The command does and says what the command of Styx 2.x did and said: the same requests to the same answers, the same
//! output and the same exit code. `../data/recorded.jsonl` holds one run of the original a line.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Answer, Request, Server, styx, text};
use serde::Deserialize;
use serde_json::Value;

/// One run of the original.
#[derive(Deserialize)]
struct Run {
    args: Vec<String>,
    exit_code: i32,
    stdout: String,
    stderr: String,
    #[serde(default)]
    files: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    stdin: String,
    exchanges: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    method: String,
    path: String,
    body: Option<String>,
    status: u16,
    reason: String,
    request_id: String,
    answer: Option<String>,
}

#[test]
fn every_run_is_as_recorded() {
    let lines = include_str!("../data/recorded.jsonl").lines();
    let runs: Vec<Run> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(runs.len(), RUNS);
    let mut exceptions = BTreeSet::new();
    for run in &runs {
        check(run, &mut exceptions);
    }
    assert_eq!(exceptions.into_iter().collect::<Vec<_>>(), EXCEPTIONS, "exceptions that no run needs");
}

const RUNS: usize = 85;

/// Where the command differs on purpose.
const EXCEPTIONS: [&str; 2] = [
    // The original's order is that of a hash map; ours is ascending.
    "order of JSON objects",
    // The rest of the text is that of the library that read the file.
    "structure errors only begin alike",
];

fn check(run: &Run, exceptions: &mut BTreeSet<&'static str>) {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in &run.files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    let server = Server::answering(run.exchanges.iter().map(answer_of).collect());
    // The original colours what it writes into a pipe.
    let mut args = vec!["--color", "always"];
    args.extend(run.args.iter().map(String::as_str));
    let output = styx(&args, Some(server.host()), dir.path(), &run.stdin);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let name = run.args.join(" ");

    assert_eq!(output.status.code(), Some(run.exit_code), "{name}: {stderr}");
    let expected: Vec<_> = run.exchanges.iter().map(request_of).collect();
    assert_eq!(server.requests(), expected, "{name}");

    let is_object = run.stdout.starts_with('{');
    if is_object && stdout != run.stdout {
        exceptions.insert(EXCEPTIONS[0]);
        assert_eq!(parse(&stdout), parse(&run.stdout), "{name}");
    } else {
        assert_eq!(stdout, run.stdout, "{name}");
    }
    if run.exit_code == 6 {
        exceptions.insert(EXCEPTIONS[1]);
        let start = "Workflow configuration doesn't conform to the expected structure, ";
        assert!(run.stderr.starts_with(start) && stderr.starts_with(start), "{name}: {stderr}");
    } else {
        assert_eq!(stderr.trim_end(), run.stderr.trim_end(), "{name}");
    }
}

fn answer_of(exchange: &Exchange) -> Answer {
    let mut answer = Answer::new(exchange.status, &exchange.reason, exchange.answer.as_deref().unwrap_or_default());
    answer.headers = vec![("X-Styx-Request-Id".into(), exchange.request_id.clone())];
    answer
}

fn request_of(exchange: &Exchange) -> Request {
    let Exchange { method, path, body, .. } = exchange;
    Request { method: method.clone(), path: path.clone(), body: body.clone().unwrap_or_default() }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
