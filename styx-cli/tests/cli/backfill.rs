//! Backfills, beyond what the recorded runs show.

use std::path::Path;
use std::process::Output;

use crate::support::{Answer, Request, Server, styx, text};

const BACKFILL: &str = r#"{"id":"backfill-1-2","start":"2024-05-01T00:00:00Z","end":"2024-05-04T00:00:00Z","workflow_id":{"component_id":"c","id":"w"},"concurrency":2,"description":null,"next_trigger":"2024-05-01T00:00:00Z","schedule":"days","all_triggered":false,"halted":HALTED,"reverse":false,"trigger_parameters":null,"created":null,"last_modified":null}"#;

fn run(args: &[&str], answer: impl FnMut(&Request) -> Answer + Send + 'static) -> (Output, Server) {
    let server = Server::new(answer);
    let output = styx(args, Some(server.host()), Path::new("."), "");
    (output, server)
}

fn backfill(halted: bool) -> String {
    BACKFILL.replace("HALTED", &halted.to_string())
}

fn payload(halted: bool, states: &[&str]) -> String {
    let states: Vec<_> = (1..).zip(states).map(|(day, state)| {
        format!(r#"{{"workflow_instance":{{"workflow_id":{{"component_id":"c","id":"w"}},"parameter":"2024-05-0{day}"}},"state":"{state}","state_data":{{}}}}"#)
    }).collect();
    format!(r#"{{"backfill":{},"statuses":{{"active_states":[{}]}}}}"#, backfill(halted), states.join(","))
}

/// Waits for a backfill whose instances stand like this, one time after the other.
fn wait(steps: &'static [(bool, &'static [&'static str])]) -> Output {
    let mut steps = steps.iter();
    let args = ["backfill", "create", "c", "w", "2024-05-01", "2024-05-04", "2", "--wait", "--plain"];
    let (output, _) = run(&args, move |request| match request.method.as_str() {
        "POST" => Answer::ok(&backfill(false)),
        _ => match steps.next() {
            // The server is away for a moment.
            Some((_, [])) => Answer::new(500, "Oops", ""),
            Some((halted, states)) => Answer::ok(&payload(*halted, states)),
            None => Answer::new(404, "Not Found", ""),
        },
    });
    output
}

#[test]
fn waiting_ends_when_all_instances_have() {
    let output = wait(&[(false, &["DONE", "RUNNING", "WAITING"]), (false, &[]), (false, &["DONE", "DONE", "DONE"])]);
    let line =
        "backfill-1-2 c w false false 2 2024-05-01T00:00:00Z 2024-05-04T00:00:00Z false 2024-05-01T00:00:00Z    \n";
    assert_eq!(text(&output.stdout), format!("{line}Backfill backfill-1-2 ended: 3 of 3 succeeded.\n"));
    let told = "backfill-1-2: 1 of 3 ended, 1 waiting\n\
                API error: 500 Oops (Request ID: 0123456789abcdef0123456789abcdef)\n\
                backfill-1-2: 3 of 3 ended, 0 waiting\n";
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), (told, Some(0)));
}

#[test]
fn waiting_tells_by_the_exit_code_whether_all_succeeded() {
    let output = wait(&[(false, &["DONE", "ERROR", "UNKNOWN"])]);
    assert!(text(&output.stdout).ends_with("ended: 1 of 3 succeeded, 1 failed, 1 left no trace.\n"));
    assert_eq!(output.status.code(), Some(1));
    let output = wait(&[(true, &["DONE", "ERROR", "WAITING"])]);
    assert!(text(&output.stdout).ends_with("ended: 1 of 3 succeeded, 1 failed, 1 never began.\n"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn descriptions_are_edited() {
    let edit = |args: &[&str], body: &str| {
        let args: Vec<_> = ["backfill", "edit", "b"].iter().chain(args).copied().collect();
        let (output, server) = run(&args, |_| Answer::ok(&backfill(false)));
        assert_eq!(output.status.code(), Some(0));
        let request = &server.requests()[0];
        assert_eq!((request.line().as_str(), request.body.as_str()), ("PUT /api/v3/backfills/b", body));
    };
    edit(&["--description", "d"], r#"{"id":"b","concurrency":null,"description":"d"}"#);
    edit(&["-d", "", "--concurrency", "-1"], r#"{"id":"b","concurrency":-1,"description":""}"#);
}

#[test]
fn times_are_days_and_hours_alone() {
    for time in ["junk", "2024-05-01T00:00", "2024-05-01T00:00:00Z", "2024-13-01", "1714521600"] {
        let (output, server) = run(&["backfill", "create", "c", "w", time, "2024-05-04", "1"], |_| Answer::ok("{}"));
        assert_eq!(output.status.code(), Some(2), "{time}");
        assert!(text(&output.stderr).starts_with("styx: error: "), "{time}");
        assert_eq!(server.requests(), [], "{time}");
    }
}
