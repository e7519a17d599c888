//! What the recorded runs do not show.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use crate::support::{Answer, Request, Server, styx, text};

const STATES: &str = r#"{"active_states":[{"workflow_instance":{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2024-05-05"},"state":"THAWING","state_data":{"tries":2,"consecutive_failures":1,"retry_cost":1.0,"messages":[{"level":"LOUD","line":"hm"}]},"latest_timestamp":1714986611120}]}"#;

fn run(args: &[&str], answers: Vec<Answer>) -> (Output, Server) {
    let server = Server::answering(answers);
    let output = styx(args, Some(server.host()), Path::new("."), "");
    (output, server)
}

fn run_with(args: &[&str], answer: impl FnMut(&Request) -> Answer + Send + 'static) -> (Output, Server) {
    let server = Server::new(answer);
    let output = styx(args, Some(server.host()), Path::new("."), "");
    (output, server)
}

#[track_caller]
fn check(args: &[&str], answers: Vec<Answer>, exit_code: i32, stdout: &str, stderr: &str) {
    let (output, _) = run(args, answers);
    assert_eq!(text(&output.stdout), stdout);
    assert_eq!(text(&output.stderr), stderr);
    assert_eq!(output.status.code(), Some(exit_code));
}

#[test]
fn a_pipe_gets_columns_without_colour() {
    let stdout = "  WORKFLOW INSTANCE    STATE        EXECUTION ID                                    TRIES   PREVIOUS EXECUTION MESSAGE\n\
                  \n\
                  c w\n  \
                  2024-05-05           THAWING      <no-execution-id>                               2       hm\n";
    check(&["ls"], vec![Answer::ok(STATES)], 0, stdout, "");
    check(&["ls", "--color", "never"], vec![Answer::ok(STATES)], 0, stdout, "");
    let (output, _) = run(&["ls", "--color=always"], vec![Answer::ok(STATES)]);
    assert!(text(&output.stdout).contains("\x1b[36mc\x1b[m \x1b[34mw\x1b[m"));
}

#[test]
fn global_options_stand_anywhere_and_json_wins() {
    let plain = "c w 2024-05-05 THAWING <no-execution-id> 2 hm\n";
    check(&["-p", "ls"], vec![Answer::ok(STATES)], 0, plain, "");
    check(&["ls", "--plain"], vec![Answer::ok(STATES)], 0, plain, "");
    check(&["ls", "--json", "-p"], vec![Answer::ok(r#"{"active_states":[]}"#)], 0, "{}\n", "");
    let server = Server::answering(vec![Answer::ok(STATES)]);
    let output = styx(&["ls", "-p", "-H", server.host()], Some("http://127.0.0.1:1"), Path::new("."), "");
    assert_eq!(text(&output.stdout), plain);
}

#[test]
fn plain_lists_name_workflows() {
    let workflows = r#"[{"component_id":"c","workflow_id":"a b","configuration":{"id":"a b","schedule":"days"}}]"#;
    check(&["-p", "workflow", "ls"], vec![Answer::ok(workflows)], 0, "c a b\n", "");
    check(&["workflow", "list"], vec![Answer::ok("[]")], 0, "COMPONENT  WORKFLOW\n", "");
}

/// A parameter can be spelled in several ways, and a trigger rounds it down: the command says what it became.
#[test]
fn the_partition_that_a_text_was_taken_as_is_told_beside() {
    let answer = |partition: &str, body: &str| vec![Answer::ok(body).with_header("X-Styx-Partition", partition)];
    let triggered = r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2026-03-29","trigger_parameters":null,"trigger_id":"t"}"#;
    let (taken, of_weeks) = ("2026-03-29 was taken as 2026-03-23\n", "2026-03-23");
    let used = "Triggered! Use `styx ls -c c` to check active workflow instances.";
    check(&["t", "c", "w", "2026-03-29"], answer(of_weeks, triggered), 0, &format!("{used}\n"), taken);
    check(&["--json", "t", "c", "w", "2026-03-29"], answer(of_weeks, triggered), 0, &format!("\"{used}\"\n"), taken);
    check(&["t", "c", "w", "2026-03-23"], answer(of_weeks, triggered), 0, &format!("{used}\n"), "");
    let (typed, minute) = ("2026-03-29T06:30", "2026-03-29T06:30:00Z");
    let taken = "2026-03-29T06:30 was taken as 2026-03-29T06:30:00Z\n";
    let halted = "Halted! Use `styx events c w 2026-03-29T06:30:00Z` to verify.\n";
    check(&["halt", "c", "w", typed], answer(minute, "{}"), 0, halted, taken);
    let retrying = "Retrying! Use `styx ls -c c` to check active workflow instances.\n";
    check(&["retry", "c", "w", typed], answer(minute, "{}"), 0, retrying, taken);
    check(&["--json", "events", "c", "w", typed], answer(minute, r#"{"events":[]}"#), 0, "[]\n", taken);
    check(&["--plain", "explain", "c", "w", typed], answer(minute, r#"{"reasons":["so"]}"#), 0, "so\n", taken);
}

/// Where a text names no instance nothing is done, and the exit code says so; Styx has always said yes.
#[test]
fn a_text_that_names_no_partition_is_refused() {
    let problem = "`2026-03-29` is not a partition of the schedule weeks: the nearest are 2026-03-23 and 2026-03-30";
    let told = format!("styx: error: {problem}\n");
    for args in [&["halt"][..], &["retry"], &["events"], &["events", "--json"], &["explain"]] {
        let args = [args, &["c", "w", "2026-03-29"]].concat();
        let answer = Answer::ok(r#"{"events":[],"reasons":[]}"#)
            .with_header("X-Styx-Effect", "none")
            .with_header("X-Styx-No-Partition", problem);
        check(&args, vec![answer], 4, "", &told);
    }
}

#[test]
fn what_had_no_effect_is_told_beside() {
    let nothing = || vec![Answer::ok("{}").with_header("X-Styx-Effect", "none")];
    check(
        &["halt", "c", "w", "2024-05-06"],
        nothing(),
        0,
        "Halted! Use `styx events c w 2024-05-06` to verify.\n",
        "Nothing to halt: c#w#2024-05-06 is not active\n",
    );
    check(
        &["--json", "r", "c", "w", "2024-05-06"],
        nothing(),
        0,
        "\"Retrying! Use `styx ls -c c` to check active workflow instances.\"\n",
        "Nothing to retry: c#w#2024-05-06 is not active\n",
    );
}

#[test]
fn events_that_are_not_known_are_shown_by_name() {
    let events =
        r#"{"events":[{"event":{"@type":"thaw","workflow_instance":"c#w#p","warmth":3},"timestamp":1714986611120}]}"#;
    check(&["-p", "e", "c", "w", "p"], vec![Answer::ok(events)], 0, "2024-05-06T09:10:11 thaw \n", "");
}

#[test]
fn ids_are_escaped_in_addresses() {
    let (output, server) = run(&["events", "ü/", "a b#", "x:+"], vec![Answer::ok(r#"{"events":[]}"#)]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(server.requests()[0].path, "/api/v3/status/events/%C3%BC%2F/a%20b%23/x:+");
}

#[test]
fn no_host_is_an_error_that_says_what_to_set() {
    for host in [None, Some("")] {
        let output = styx(&["ls"], host, Path::new("."), "");
        assert_eq!(output.status.code(), Some(2));
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with("styx: error: Styx API host not set\n"), "{stderr}");
        assert!(stderr.contains("STYX_CLI_HOST"), "{stderr}");
    }
    let output = styx(&["ls"], Some("ftp://h"), Path::new("."), "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "styx: error: not the address of a server: \"ftp://h\"\n");
}

#[test]
fn nobody_there_is_exit_code_3() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = styx(&["ls"], Some(&format!("http://{address}")), Path::new("."), "");
    assert_eq!(output.status.code(), Some(3));
    let expected = format!(
        "Client error: Request failed: GET http://{address}/api/v3/status/activeStates: ConnectException: Connection refused\n"
    );
    assert_eq!(text(&output.stderr), expected);
    let output = styx(&["ls"], Some(&address.to_string()), Path::new("."), "");
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).ends_with("For plain HTTP write http:// in front of it.\n"));
    let (output, _) = run(&["ls"], vec![Answer::ok("hello")]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn refusals_are_exit_code_4_and_name_the_request_once() {
    let id = "0123456789abcdef0123456789abcdef";
    let stderr = format!("API error: 500 Internal Server Error (Request ID: {id}): Oops: x\n");
    let reason = format!("Internal Server Error (Request ID: {id}): Oops: x");
    check(&["ls"], vec![Answer::new(500, &reason, "")], 4, "", &stderr);
    let stderr = format!("API error: 409 not today (Request ID: {id})\n");
    check(&["ls"], vec![Answer::new(409, "Conflict", r#"{"error":"not today"}"#)], 4, "", &stderr);
}

#[test]
fn strangers_are_exit_code_5() {
    let (output, _) = run(&["halt", "c", "w", "p"], vec![Answer::new(401, "Unauthorized access", "")]);
    assert_eq!(output.status.code(), Some(5));
    let start = "API error: Unauthorized: 401 Unauthorized access (Request ID: 0123456789abcdef0123456789abcdef)\n";
    assert!(text(&output.stderr).starts_with(start));
}

#[test]
fn one_refusal_does_not_keep_the_others_from_being_asked_for() {
    let stderr = "API error: 403 no (Request ID: 0123456789abcdef0123456789abcdef)\n";
    let (output, _) = run_with(&["workflow", "delete", "c", "a", "b"], |request: &Request| {
        if request.path.ends_with("/a") { Answer::new(403, "no", "") } else { Answer::new(204, "No Content", "") }
    });
    assert_eq!(text(&output.stdout), "Workflow b in component c deleted.\n");
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), (stderr, Some(4)));
    let (output, server) = run_with(&["workflow", "enable", "c", "a", "b"], |request: &Request| {
        if request.path.contains("/a/") { Answer::new(403, "no", "") } else { Answer::ok("{}") }
    });
    assert_eq!(text(&output.stdout), "Workflow b in component c enabled.\n");
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), (stderr, Some(4)));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn arguments_that_cannot_be_followed_are_exit_code_2() {
    for (args, expected) in [
        (&["nosuch"][..], "styx: error: unrecognized subcommand 'nosuch'"),
        (&["triger", "c", "w", "p"][..], "'trigger'"),
        (&["trigger", "c", "w"][..], "styx: error: the following required arguments were not provided:"),
        (&["trigger", "c", "w", "p", "-e", "novalue"][..], "expected KEY=VALUE"),
        (&["workflow"][..], "Usage: styx workflow"),
        (&["--json"][..], "styx: error: a command is needed"),
        (&["workflow", "create", "c", "-f", "nofile.yaml"][..], "cannot read nofile.yaml"),
    ] {
        let output = styx(args, Some("http://127.0.0.1:1"), Path::new("."), "");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
}

#[test]
fn help_and_version_need_no_host() {
    let output = styx(&["--version"], None, Path::new("."), "");
    assert_eq!(text(&output.stdout), concat!("Styx CLI ", env!("CARGO_PKG_VERSION"), "\n"));
    for args in [&[][..], &["--help"], &["trigger", "--help"], &["workflow", "create", "-h"]] {
        let output = styx(args, None, Path::new("."), "");
        let stdout = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(stdout.contains("Usage: styx") && stdout.contains("Examples:\n  "), "{args:?}: {stdout}");
    }
}

#[test]
fn shells_get_completions() {
    for (shell, expected) in [("bash", "complete -F"), ("zsh", "#compdef styx"), ("fish", "complete -c styx")] {
        let output = styx(&["completion", shell], None, Path::new("."), "");
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains(expected), "{shell}");
    }
}

#[test]
fn nothing_is_sent_if_one_workflow_is_not_valid() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::answering(vec![]));
    let file =
        "id: good\nschedule: days\ndocker_image: busybox\n---\nid: bad\nschedule: never\ndocker_image: busybox\n";
    let output = styx(&["workflow", "create", "c"], Some(server.host()), dir.path(), file);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "Invalid workflow configuration: bad\n  error: invalid schedule\n");
    assert_eq!(server.requests(), []);
}

#[test]
fn a_file_that_holds_no_workflow_says_where() {
    for (file, expected) in [
        ("", "problem: it is empty"),
        ("id: a\n---\nid: b\nschedule: days\n", "problem: schedule is required (in document 1 of 2)"),
        ("id: a\nschedule: days\nrunning_timeout: 2h\n", "running_timeout"),
        ("id: a\nschedule: days\nenv: [x]\n", "line 3, column 6"),
    ] {
        let output = styx(&["workflow", "create", "c"], Some("http://127.0.0.1:1"), Path::new("."), file);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(6), "{stderr}");
        let start = "Workflow configuration doesn't conform to the expected structure, ";
        assert!(stderr.starts_with(start) && stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn debug_tells_what_is_asked_and_answered() {
    let (output, server) = run(&["--debug", "-p", "ls"], vec![Answer::ok(STATES)]);
    let stderr = text(&output.stderr);
    let start = format!("debug: GET {}/api/v3/status/activeStates (Request ID: ", server.host());
    assert!(stderr.starts_with(&start) && stderr.contains("-> 200 OK after "), "{stderr}");
}
