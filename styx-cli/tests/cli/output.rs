//! The forms of output that Styx 2.x does not have.

use std::path::Path;

use crate::support::{Answer, Request, Server, styx, text};

/// A text that ends the line, clears the screen and turns the direction of writing, as JSON.
const NASTY: &str = r"a\nb\u001b[2Jc\u202e";
/// The same as people get to see it.
const VISIBLE: &str = r"a\nb\u{1b}[2Jc\u{202e}";

const STATES: &str = r#"{"active_states":[{"workflow_instance":{"workflow_id":{"component_id":"c","id":"w"},"parameter":"2024-05-05"},"state":"RUNNING","state_data":{"tries":2,"consecutive_failures":1,"retry_cost":1.0,"last_exit":20,"trigger":{"@type":"natural"},"runner_id":"default","execution_id":"styx-run-1","execution_description":{"docker_args":["echo"],"running_timeout":7200},"resource_ids":["a","b"],"messages":[{"level":"INFO","line":"hm"}]},"latest_timestamp":1714986611120}]}"#;

fn run(args: &[&str], body: &'static str) -> (String, Vec<String>) {
    let server = Server::new(move |_: &Request| Answer::ok(body));
    let output = styx(args, Some(server.host()), Path::new("."), "");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{args:?}");
    (text(&output.stdout), server.requests().iter().map(Request::line).collect())
}

#[test]
fn wide_states_tell_all() {
    let expected = "COMPONENT  WORKFLOW  INSTANCE    STATE    SINCE                     TRIES  FAILURES  LAST EXIT  TRIGGER          RUNNER   RESOURCES  EXECUTION ID  PREVIOUS EXECUTION MESSAGE\n\
                    c          w         2024-05-05  RUNNING  2024-05-06T09:10:11.120Z  2      1         20         natural-trigger  default  a,b        styx-run-1    hm\n";
    assert_eq!(run(&["ls", "-o", "wide"], STATES).0, expected);
}

#[test]
fn wide_workflows_are_asked_for_with_their_states() {
    let body = r#"[{"workflow":{"component_id":"c","workflow_id":"w","configuration":{"id":"w","schedule":"days","docker_image":"i"}},"state":{"enabled":true,"next_natural_trigger":"2024-05-06T00:00:00Z","next_natural_offset_trigger":"2024-05-07T00:00:00Z"}}]"#;
    let expected = "COMPONENT  WORKFLOW  ENABLED  SCHEDULE  OFFSET  NEXT TRIGGER          FIRES                 IMAGE\n\
                    c          w         true     days              2024-05-06T00:00:00Z  2024-05-07T00:00:00Z  i\n";
    let (stdout, requests) = run(&["workflow", "ls", "-o", "wide"], body);
    assert_eq!((stdout.as_str(), requests), (expected, vec!["GET /api/v3/workflows?full=true".to_owned()]));
}

#[test]
fn one_form_counts_before_another() {
    let json = run(&["ls", "--json"], STATES).0;
    assert_eq!(run(&["ls", "-o", "json"], STATES).0, json);
    assert_eq!(run(&["ls", "-o", "table", "--json", "--plain"], STATES).0, json);
    assert_eq!(run(&["ls", "-o", "table", "--plain"], STATES).0, run(&["ls"], STATES).0);
    assert_eq!(run(&["--output=yaml", "resource", "ls"], r#"{"resources":[]}"#).0, "---\n[]\n");
}

#[test]
fn yaml_says_what_json_says() {
    let (yaml, json) = (run(&["ls", "-o", "yaml"], STATES).0, run(&["ls", "--json"], STATES).0);
    let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(read, serde_json::from_str::<serde_json::Value>(&json).unwrap(), "{yaml}");
    let message = run(&["workflow", "delete", "c", "a: b", "-o", "yaml"], "").0;
    assert_eq!(serde_saphyr::from_str::<String>(&message).unwrap(), "Workflow a: b in component c deleted.");
}

#[test]
fn wide_events_tell_milliseconds() {
    let events = r#"{"events":[{"event":{"@type":"halt","workflow_instance":"c#w#p"},"timestamp":1714986611120}]}"#;
    let expected = "TIME                      EVENT  DATA\n2024-05-06T09:10:11.120Z  halt\n";
    assert_eq!(run(&["events", "c", "w", "p", "-o", "wide"], events).0, expected);
}

#[test]
fn texts_of_others_stay_on_their_line_and_leave_the_terminal_alone() {
    let states = STATES.replace(r#""hm""#, &format!(r#""{NASTY}""#));
    let events = format!(
        r#"{{"events":[{{"event":{{"@type":"info","workflow_instance":"c#w#p","message":{{"level":"INFO","line":"{NASTY}"}}}},"timestamp":1714986611120}}]}}"#
    );
    let workflow = format!(
        r#"{{"workflow":{{"component_id":"c","workflow_id":"w","configuration":{{"id":"w","schedule":"days","docker_args":["{NASTY}"]}}}},"state":{{"enabled":true}}}}"#
    );
    let backfill = format!(
        r#"{{"id":"b","start":"2024-05-01T00:00:00Z","end":"2024-05-04T00:00:00Z","workflow_id":{{"component_id":"c","id":"w"}},"concurrency":2,"description":"{NASTY}","next_trigger":"2024-05-01T00:00:00Z","schedule":"days","all_triggered":false,"halted":false,"reverse":false,"trigger_parameters":{{"env":{{"K":"{NASTY}"}}}},"created":null,"last_modified":null}}"#
    );
    let backfills = format!(r#"{{"backfills":[{{"backfill":{backfill}}}]}}"#);
    let reasons = format!(r#"{{"reasons":["{NASTY}"]}}"#);
    for (args, body) in [
        (&["ls"][..], &states),
        (&["events", "c", "w", "p"], &events),
        (&["workflow", "show", "c", "w"], &workflow),
        (&["backfill", "ls", "--no-trunc"], &backfills),
        (&["backfill", "edit", "b", "-d", "x"], &backfill),
        (&["explain", "c", "w", "p"], &reasons),
    ] {
        let run = |form| {
            let answer = Answer::ok(body);
            let server = Server::new(move |_: &Request| answer.clone());
            text(&styx(&[args, &["-o", form]].concat(), Some(server.host()), Path::new("."), "").stdout)
        };
        for form in ["table", "wide"] {
            let shown = run(form);
            assert!(shown.contains(VISIBLE), "{args:?}: {shown}");
            assert!(!shown.replace('\n', "").contains(char::is_control), "{args:?}: {shown:?}");
        }
        for form in ["json", "yaml"] {
            let shown = run(form);
            assert!(shown.contains(r"\u202e"), "{args:?}: {shown}");
            assert!(
                !shown.replace('\n', "").contains(|c: char| c.is_control() || c == '\u{202e}'),
                "{args:?}: {shown:?}"
            );
        }
    }
}

#[test]
fn what_the_server_refuses_with_leaves_the_terminal_alone_too() {
    let server = Server::new(|_: &Request| Answer::new(409, "Conflict", &format!(r#"{{"error":"{NASTY}"}}"#)));
    let stderr = text(&styx(&["ls"], Some(server.host()), Path::new("."), "").stderr);
    assert!(stderr.contains(r"\u{1b}[2J") && !stderr.contains('\u{1b}'), "{stderr:?}");
}
