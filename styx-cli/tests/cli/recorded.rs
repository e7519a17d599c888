//! The command does and says what the command of Styx 2.x did and said: the same requests to the same answers, the same
//! output and the same exit code.
//!
//! `cli-output` holds the runs of the original, `http-exchanges` what it asked and was answered, in the same order.
//! `STYX_VECTORS` names a folder with other recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::support::{Answer, Request, Server, styx, text};

/// One run of the original.
#[derive(Deserialize)]
struct Run {
    args: Vec<String>,
    at: String,
    exit_code: i32,
    stdout: String,
    stderr: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    stdin: String,
}

/// What it asked, and the answer.
#[derive(Clone, Deserialize)]
struct Exchange {
    at: String,
    client: String,
    request: Asked,
    response: Answered,
}

#[derive(Clone, Deserialize)]
struct Asked {
    method: String,
    path: String,
    body: Option<String>,
}

#[derive(Clone, Deserialize)]
struct Answered {
    status: u16,
    reason: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

/// Where the command differs on purpose.
struct Exception {
    name: &'static str,
    /// Of its line in `docs/differences-from-styx-2.md`.
    anchor: &'static str,
    /// How many runs of the project's own copy need it.
    count: usize,
}

const fn exception(name: &'static str, anchor: &'static str, count: usize) -> Exception {
    Exception { name, anchor, count }
}

const EXCEPTIONS: [Exception; 8] = [
    // The options and commands of the original are all there; the words are ours.
    exception("help", "cli-texts", 5),
    // The words about arguments are ours; they begin with `styx: error: `, and the exit code is the original's.
    exception("usage", "cli-texts", 8),
    // A bad `-e` is a bad argument: exit code 2 and no stack trace.
    exception("bad variable", "cli-colour", 1),
    // The original's order is that of a hash map; ours is ascending.
    exception("order of JSON objects", "cli-texts", 2),
    // The rest of the text is that of the library that read the file.
    exception("structure errors only begin alike", "workflow-texts", 4),
    // What the original says of Google's credentials after the refusal, ours says of tokens.
    exception("hint about credentials", "cli-texts", 1),
    // What is logged while it works.
    exception("debug", "cli-texts", 1),
    // What is asked after a refusal, or where there are no events, for names that may be meant.
    exception("suggestions", "cli-suggestions", 24),
];

/// How many runs needed each exception, by its name.
type Exceptions = BTreeMap<&'static str, usize>;

#[test]
fn every_exception_has_its_line() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/differences-from-styx-2.md")).unwrap();
    for Exception { name, anchor, .. } in EXCEPTIONS {
        assert!(page.contains(&format!("<a id=\"{anchor}\">")), "{name}: {anchor}");
    }
}

#[test]
fn every_run_is_as_recorded() {
    let folder = std::env::var_os("STYX_VECTORS").map(PathBuf::from);
    let is_own_copy = folder.is_none();
    let folder = folder.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors").into());
    let runs: Vec<Run> = lines(&folder, "cli-output");
    let mut exchanges: Vec<Exchange> = lines(&folder, "http-exchanges");
    exchanges.retain(|exchange| exchange.client == "cli" && exchange.at >= runs[0].at);
    let mut left = exchanges.as_slice();
    let mut exceptions = Exceptions::new();
    for run in &runs {
        let (own, later) = left.split_at(requests_of(run).min(left.len()));
        left = later;
        check(run, own, &exchanges, &mut exceptions);
    }
    assert_eq!(left.len(), 0, "exchanges that no run asked for");
    if is_own_copy {
        assert_eq!(runs.len(), 185);
        let expected: Exceptions = EXCEPTIONS.iter().map(|exception| (exception.name, exception.count)).collect();
        assert_eq!(exceptions, expected, "the exceptions that runs need");
    }
}

/// How many requests the original made in a run: one for each workflow, or one.
fn requests_of(run: &Run) -> usize {
    let args: Vec<_> = run.args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    match args.as_slice() {
        _ if matches!(run.exit_code, 1 | 2 | 3 | 6) || is_help(run) => 0,
        ["workflow", "create", ..] => {
            let file = run.files.values().next().unwrap_or(&run.stdin);
            file.lines().filter(|line| *line == "---").count() + 1
        }
        ["workflow", "delete" | "enable" | "disable", _, workflows @ ..] => workflows.len(),
        ["resource" | "backfill", "edit" | "e", _] => 0,
        _ => 1,
    }
}

fn is_help(run: &Run) -> bool {
    run.args.is_empty() || run.args.iter().any(|arg| arg == "--help" || arg == "--version")
}

fn check(run: &Run, own: &[Exchange], all: &[Exchange], exceptions: &mut Exceptions) {
    let name = run.args.join(" ");
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in &run.files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    let mut expected: Vec<_> = own.iter().map(|exchange| request_of(&exchange.request)).collect();
    let lists = lists(all);
    let server = replaying(own.to_vec(), lists.clone());
    // The original colours what it writes into a pipe. Without any argument there is nothing to colour.
    let mut args = if run.args.is_empty() { vec![] } else { vec!["--color", "always"] };
    let closed = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    args.extend(run.args.iter().map(|arg| if arg == "http://HOST" { closed.as_str() } else { arg }));
    let host = if run.stderr.ends_with("styx: error: Styx API host not set\n") { None } else { Some(server.host()) };
    let output = styx(&args, host, dir.path(), &run.stdin);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr).replace(&closed, "http://HOST"));

    let mut except = |exception: &'static str| {
        assert!(EXCEPTIONS.iter().any(|known| known.name == exception));
        *exceptions.entry(exception).or_default() += 1;
    };
    let mut requests = server.requests();
    let is_empty = own.iter().any(|exchange| exchange.response.body.as_deref() == Some(r#"{"events":[]}"#));
    if run.exit_code == 4 || run.stdout.contains("not found") || is_empty {
        // What follows a refusal, or no events, are questions for names that may be meant.
        let questions = requests.split_off(requests.len().min(expected.len()));
        if !questions.is_empty() {
            except("suggestions");
        }
        let is_question = |request: &Request| request.method == "GET" && lists.contains_key(&request.path);
        assert!(questions.iter().all(is_question), "{name}: {questions:?}");
    }
    // Several requests are on their way at once.
    requests.sort();
    expected.sort();
    assert_eq!(requests, expected, "{name}");

    if is_help(run) {
        except("help");
        assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{name}");
        return check_help(run, &stdout);
    }
    if run.exit_code == 1 {
        except("bad variable");
        assert_eq!((output.status.code(), stdout.as_str()), (Some(2), ""), "{name}");
        return assert!(stderr.starts_with("styx: error: "), "{name}: {stderr}");
    }
    assert_eq!(output.status.code(), Some(run.exit_code), "{name}: {stderr}");
    if run.stdout.starts_with('{') && stdout != run.stdout {
        except("order of JSON objects");
        assert_eq!(parse(&stdout), parse(&run.stdout), "{name}");
    } else {
        assert_eq!(stdout, run.stdout, "{name}");
    }
    if run.stderr.starts_with("usage:") {
        except("usage");
        assert!(stderr.starts_with("styx: error: "), "{name}: {stderr}");
        // What is no more than a sentence is the same.
        if run.stderr.contains("host not set") {
            assert_eq!(stderr.lines().next(), run.stderr.lines().last(), "{name}");
        }
    } else if run.exit_code == 6 {
        except("structure errors only begin alike");
        let start = "Workflow configuration doesn't conform to the expected structure, ";
        assert!(run.stderr.starts_with(start) && stderr.starts_with(start), "{name}: {stderr}");
    } else if run.exit_code == 5 {
        except("hint about credentials");
        let refusal = |text: &str| text.lines().find(|line| line.starts_with("API error: ")).map(str::to_owned);
        assert_eq!(refusal(&stderr), refusal(&run.stderr), "{name}");
    } else if run.args.iter().any(|arg| arg == "--debug") {
        except("debug");
        let refusal = run.stderr.trim_end().lines().last().unwrap();
        assert!(stderr.lines().any(|line| line == refusal), "{name}: {stderr}");
    } else {
        assert_eq!(stderr.trim_end(), run.stderr.trim_end(), "{name}");
    }
}

/// All commands, aliases and options that the original names.
fn check_help(run: &Run, ours: &str) {
    if run.args == ["--version"] {
        return assert!(run.stdout.starts_with("Styx CLI ") && ours.starts_with("Styx CLI "), "{ours}");
    }
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|letter: char| !letter.is_alphanumeric() && letter != '-').map(str::to_owned).collect()
    };
    let known = words(ours);
    let mut named = BTreeSet::new();
    for line in run.stdout.lines().filter_map(|line| line.strip_prefix("  ")) {
        let line = line.trim_start();
        if line.starts_with('-') {
            named.extend(words(line).into_iter().filter(|word| word.len() > 2 && word.starts_with("--")));
        }
    }
    if let Some((_, commands)) = run.stdout.split_once("\ncommands:\n") {
        for line in commands.lines().filter_map(|line| line.strip_prefix("    ")) {
            // A command begins where the texts of others go on.
            if !line.starts_with(' ') {
                named.extend(words(line.split("  ").next().unwrap()).into_iter().filter(|word| !word.is_empty()));
            }
        }
    }
    // The version is not an option of every help text, but of the first one.
    let missing: Vec<_> = named.difference(&known).collect();
    assert!(named.len() > 3 && missing.is_empty(), "{:?}: {missing:?}", run.args);
}

/// Answers what was recorded, in any order, and afterwards questions for names.
fn replaying(mut exchanges: Vec<Exchange>, lists: BTreeMap<String, String>) -> Server {
    Server::new(move |request| {
        let asked = Request { authorization: None, ..request.clone() };
        match exchanges.iter().position(|exchange| request_of(&exchange.request) == asked) {
            Some(place) => answer_of(&exchanges.remove(place).response),
            None => match lists.get(&request.path) {
                Some(list) if request.method == "GET" => Answer::ok(list),
                _ => Answer::new(404, "Not Found", ""),
            },
        }
    })
}

/// The names that the server of the recording had.
fn lists(all: &[Exchange]) -> BTreeMap<String, String> {
    let mut lists = BTreeMap::new();
    for path in ["/api/v3/workflows", "/api/v3/resources", "/api/v3/backfills?showAll=true&status=false"] {
        let exchange = all.iter().find(|exchange| exchange.request.method == "GET" && exchange.request.path == path);
        lists.extend(exchange.and_then(|exchange| Some((path.to_owned(), exchange.response.body.clone()?))));
    }
    if let Some(Value::Array(workflows)) = lists.get("/api/v3/workflows").map(|list| parse(list)) {
        let own: Vec<_> = workflows.into_iter().filter(|workflow| workflow["component_id"] == "clicomp").collect();
        lists.insert("/api/v3/workflows/clicomp".into(), Value::Array(own).to_string());
    }
    lists
}

fn request_of(asked: &Asked) -> Request {
    Request::new(&asked.method, &asked.path, asked.body.as_deref().unwrap_or_default())
}

fn answer_of(answered: &Answered) -> Answer {
    let mut answer = Answer::new(answered.status, &answered.reason, answered.body.as_deref().unwrap_or_default());
    answer.headers.clear();
    let id = answered.headers.get("X-Styx-Request-Id").cloned();
    answer.headers.extend(id.map(|id| ("X-Styx-Request-Id".into(), id)));
    answer
}

fn lines<T: DeserializeOwned>(folder: &Path, name: &str) -> Vec<T> {
    let plain = folder.join(format!("{name}.jsonl"));
    let mut text = String::new();
    if plain.exists() {
        text = fs::read_to_string(plain).unwrap();
    } else {
        let packed = folder.join(format!("{name}.jsonl.gz"));
        let file = fs::File::open(&packed).unwrap_or_else(|error| panic!("{}: {error}", packed.display()));
        MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
