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

/// The ends are sent as instants, which every server takes.
#[test]
fn ends_are_parameters_of_any_form() {
    let create = |start: &str, end: &str, more: &[&str]| {
        let args = [&["backfill", "create", "c", "w", start, end, "1"], more].concat();
        let (output, server) = run(&args, |_| Answer::ok(&backfill(false)));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let request = server.requests().pop().unwrap();
        request.body.split(r#","component""#).next().unwrap().to_owned()
    };
    for more in [&[][..], &["--reverse"]] {
        for (start, end, body) in [
            ("2024-05-01", "2024-05-04T07", r#"{"start":"2024-05-01T00:00:00Z","end":"2024-05-04T07:00:00Z""#),
            (
                "2024-05-01T06:30",
                "2024-05-02T06:30Z",
                r#"{"start":"2024-05-01T06:30:00Z","end":"2024-05-02T06:30:00Z""#,
            ),
            (
                "2024-05-01T06:30:00Z",
                "2024-05-02T08:30+02:00",
                r#"{"start":"2024-05-01T06:30:00Z","end":"2024-05-02T06:30:00Z""#,
            ),
        ] {
            assert_eq!(create(start, end, more), body);
        }
    }
    for time in ["junk", "2024-05-01T7", "2024-5-01", "2024-05-01t07", "2024-13-01", "1714521600", "2024-05-01T07+0200"]
    {
        let (output, server) = run(&["backfill", "create", "c", "w", time, "2024-05-04", "1"], |_| Answer::ok("{}"));
        assert_eq!(output.status.code(), Some(2), "{time}");
        assert!(text(&output.stderr).starts_with("styx: error: "), "{time}");
        assert_eq!(server.requests(), [], "{time}");
    }
}

/// Only a monthly workflow has an instance `2024-05`, so its schedule is looked at first.
#[test]
fn months_and_years_are_ends_where_the_schedule_has_them() {
    let create = |schedule: &'static str, start: &str, end: &str| {
        let args = ["backfill", "create", "c", "w", start, end, "1"];
        run(&args, move |request| match request.line().as_str() {
            "GET /api/v3/workflows/c/w" => Answer::ok(&format!(
                r#"{{"component_id":"c","workflow_id":"w","configuration":{{"id":"w","schedule":"{schedule}"}}}}"#
            )),
            _ => Answer::ok(&backfill(false)),
        })
    };
    for (schedule, start, end, body) in [
        ("months", "2024-05", "2024-07", r#"{"start":"2024-05-01T00:00:00Z","end":"2024-07-01T00:00:00Z""#),
        ("years", "2024", "2026", r#"{"start":"2024-01-01T00:00:00Z","end":"2026-01-01T00:00:00Z""#),
    ] {
        let (output, server) = create(schedule, start, end);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(server.requests()[1].body.starts_with(body));
    }
    let (output, server) = create("days", "2024-05", "2024-05-07");
    let told = "styx: error: argument START: `2024-05` is not a partition of the schedule days: the nearest is 2024-05-01 \
                (day: `` at column 8 is refused, expected `-` and a day)\n";
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), (told, Some(4)));
    assert_eq!(server.requests().len(), 1);
    // Of a workflow that isn't there the refusal of the backfill speaks, as ever.
    let mut asked = 0;
    let (output, _) = run(&["backfill", "create", "c", "w", "2024-05", "2024-07", "1"], move |_| {
        asked += 1;
        Answer::new(404, if asked == 2 { "workflow not found" } else { "Not Found" }, "")
    });
    assert!(text(&output.stderr).starts_with("API error: 404 workflow not found"), "{}", text(&output.stderr));
}

/// A backfill with an instance for each minute from midnight on.
fn minutes(count: usize) -> String {
    let states: Vec<_> = (0..count).map(|minute| {
        let state = if minute < 3 { "DONE" } else { "WAITING" };
        let (day, hour, minute) = (1 + minute / 1_440, minute / 60 % 24, minute % 60);
        format!(r#"{{"workflow_instance":{{"workflow_id":{{"component_id":"c","id":"w"}},"parameter":"2024-05-{day:02}T{hour:02}:{minute:02}:00Z"}},"state":"{state}","state_data":{{}}}}"#)
    }).collect();
    let backfill = backfill(false).replace(r#""schedule":"days""#, r#""schedule":"* * * * *""#);
    format!(r#"{{"backfill":{backfill},"statuses":{{"active_states":[{}]}}}}"#, states.join(","))
}

fn show(count: usize, more: &[&str]) -> (String, String, Option<i32>) {
    let args = [&["backfill", "show", "backfill-1-2"], more].concat();
    let payload = minutes(count);
    let (output, _) = run(&args, move |_| Answer::ok(&payload));
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn of_many_instances_tables_show_the_numbers_and_a_page() {
    for form in [&[][..], &["-o", "wide"]] {
        let (shown, _, _) = show(2_500, form);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines.contains(&"2500 instances: 3 DONE, 2497 WAITING"), "{shown}");
        let listed = |line: &&&str| line.contains(":00Z") && (line.contains(" DONE ") || line.contains(" WAITING "));
        assert_eq!(lines.iter().filter(listed).count(), 1_000, "{form:?}");
        let more = "… and more: add --from 2024-05-01T16:40:00Z to list what follows, or --limit 0 to list all";
        assert_eq!(lines.last(), Some(&more));
    }
    let (shown, _, _) = show(2_500, &["--limit", "0"]);
    assert!(shown.contains("2024-05-02T17:39:00Z") && !shown.contains("instances:"), "{shown}");
    let (shown, _, _) = show(2_500, &["--from", "2024-05-02T19:38+02:00", "--limit", "5"]);
    assert!(shown.contains("2500 instances") && shown.contains("2024-05-02T17:38:00Z"), "{shown}");
    assert!(!shown.contains("2024-05-02T17:37:00Z") && !shown.contains("and more"), "{shown}");
    let (shown, told, code) = show(10, &["--from", "2024-05-01T00:00:30Z"]);
    let expected = "styx: error: `2024-05-01T00:00:30Z` is not a partition of the schedule * * * * *: the nearest are \
                    2024-05-01T00:00:00Z and 2024-05-01T00:01:00Z\n";
    assert_eq!((shown.as_str(), told.as_str(), code), ("", expected, Some(4)));
    let (shown, _, _) = show(1_000, &[]);
    assert!(!shown.contains("instances:") && !shown.contains("more"), "{shown}");
}

#[test]
fn all_instances_are_in_what_programs_read() {
    for count in [10, 2_500] {
        let (json, _, _) = show(count, &["--json"]);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["statuses"]["active_states"].as_array().unwrap().len(), count);
        let (yaml, _, _) = show(count, &["-o", "yaml"]);
        let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(read, value);
        let (plain, _, _) = show(count, &["--plain"]);
        assert_eq!(plain.lines().count(), 1 + count);
        assert!(plain.lines().last().unwrap().contains(" WAITING "), "{plain}");
    }
    let (plain, _, _) = show(2_500, &["--plain", "--limit", "2"]);
    assert_eq!(plain.lines().count(), 3);
}

/// A server of ours sends no more than what is listed.
#[test]
fn a_page_with_counts_is_shown_as_the_whole_is() {
    let page = minutes(3).replace("]}}", r#"]},"counts":{"DONE":3,"WAITING":999997},"next":"2024-05-01T00:03:00Z"}"#);
    let (output, _) = run(&["backfill", "show", "backfill-1-2", "--limit", "3"], move |_| Answer::ok(&page));
    let shown = text(&output.stdout);
    assert!(shown.contains("\n1000000 instances: 3 DONE, 999997 WAITING\n"), "{shown}");
    assert!(
        shown.ends_with("… and more: add --from 2024-05-01T00:03:00Z to list what follows, or --limit 0 to list all\n")
    );
}

#[test]
fn an_answer_that_breaks_off_is_no_backfill() {
    let whole = minutes(3);
    let (output, _) = run(&["backfill", "show", "backfill-1-2"], move |_| Answer::ok(&whole[..whole.len() - 9]));
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("", Some(3)), "{}", text(&output.stderr));
}
