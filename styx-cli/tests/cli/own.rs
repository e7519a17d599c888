//! What Styx 2.x does not have: configuration at run time, explanations, suggestions, manual pages.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::{Answer, Request, Server, styx, text};

const CONFIG: &str = r#"{"enabled":true,"concurrency":null,"submission_rate_limit":1000.0,"client_blacklist":["Styx Client 1"],"debug":false,"executor":"blue","executors":["green","blue"],"sources":{"enabled":"default","concurrency":"file","submission_rate_limit":"default","client_blacklist":"api","debug":"default","executor":"api"}}"#;

fn run(args: &[&str], answer: impl FnMut(&Request) -> Answer + Send + 'static) -> (Output, Server) {
    let server = Server::new(answer);
    let output = styx(args, Some(server.host()), Path::new("."), "");
    (output, server)
}

#[test]
fn the_configuration_is_shown_with_its_sources() {
    let (output, server) = run(&["config", "show"], |_| Answer::ok(CONFIG));
    let expected = "NAME                   VALUE                SOURCE\n\
                    enabled                true                 default\n\
                    concurrency            none                 file\n\
                    submission-rate-limit  1000                 default\n\
                    client-blacklist       \"Styx Client 1\"      api\n\
                    debug                  false                default\n\
                    executor               blue (beside green)  api\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(server.requests()[0].line(), "GET /api/v4/config");
    let (output, _) = run(&["--json", "config", "show"], |_| Answer::ok(CONFIG));
    assert_eq!(text(&output.stdout), format!("{CONFIG}\n"));
    let (output, _) = run(&["-p", "config", "show"], |_| Answer::ok(CONFIG));
    assert!(text(&output.stdout).starts_with("enabled default true\nconcurrency file none\n"));
    let with_clock = CONFIG.replacen('{', r#"{"clock":"the wall clock isn't believed","#, 1);
    let (output, _) = run(&["config", "show"], move |_| Answer::ok(&with_clock));
    let shown = text(&output.stdout);
    let line = shown.lines().find(|line| line.starts_with("clock ")).unwrap();
    assert!(line.contains("the wall clock isn't believed"), "{shown}");
}

#[test]
fn the_configuration_is_changed_by_patches() {
    for (args, patch) in [
        (&["set", "enabled", "false"][..], r#"{"enabled":false}"#),
        (&["set", "concurrency", "50"], r#"{"concurrency":50}"#),
        (&["set", "concurrency", "none"], r#"{"concurrency":"none"}"#),
        (&["set", "submission-rate-limit", "2.5"], r#"{"submission_rate_limit":2.5}"#),
        (&["set", "client-blacklist", "b", "a"], r#"{"client_blacklist":["a","b"]}"#),
        (&["set", "client-blacklist"], r#"{"client_blacklist":[]}"#),
        (&["set", "debug", "true"], r#"{"debug":true}"#),
        (&["set", "clock", "accept"], r#"{"clock":"accept"}"#),
        (&["set", "executor", "blue"], r#"{"executor":"blue"}"#),
        (&["unset", "concurrency", "debug", "executor"], r#"{"concurrency":null,"debug":null,"executor":null}"#),
        (&["add", "client-blacklist", "a"], r#"{"client_blacklist":["Styx Client 1","a"]}"#),
        (&["remove", "client-blacklist", "Styx Client 1"], r#"{"client_blacklist":[]}"#),
    ] {
        let args: Vec<_> = ["config"].iter().chain(args).copied().collect();
        let (output, server) = run(&args, |_| Answer::ok(CONFIG));
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        let request = server.requests().pop().unwrap();
        assert_eq!((request.line().as_str(), request.body.as_str()), ("PATCH /api/v4/config", patch), "{args:?}");
    }
    let (_, server) = run(&["config", "add", "client-blacklist", "Styx Client 1"], |_| Answer::ok(CONFIG));
    assert_eq!(server.requests().len(), 1, "nothing is to be changed");
}

#[test]
fn values_that_make_no_sense_are_not_sent() {
    for args in [
        &["set", "enabled", "maybe"][..],
        &["set", "enabled"],
        &["set", "concurrency", "-1"],
        &["set", "concurrency", "1", "2"],
        &["set", "submission-rate-limit", "inf"],
        &["add", "debug", "true"],
        &["set", "executor", "blue", "green"],
        &["set", "nosuch", "1"],
        &["set", "clock", "reject"],
        &["set", "clock"],
        &["unset", "clock"],
        &["unset"],
    ] {
        let args: Vec<_> = ["config"].iter().chain(args).copied().collect();
        let (output, server) = run(&args, |_| Answer::ok(CONFIG));
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).starts_with("styx: error: "), "{args:?}");
        assert_eq!(server.requests(), [], "{args:?}");
    }
}

#[test]
fn reasons_are_told() {
    let (output, server) = run(&["explain", "c", "w", "p"], |_| Answer::ok(r#"{"reasons":["one","two"]}"#));
    assert_eq!(text(&output.stdout), "one\ntwo\n");
    assert_eq!(server.requests()[0].line(), "GET /api/v4/explain/c/w/p");
    let (output, _) = run(&["explain", "c", "w", "p"], |_| Answer::ok(r#"{"reasons":[]}"#));
    assert_eq!(text(&output.stdout), "Nothing keeps it waiting.\n");
    let (output, _) = run(&["--json", "explain", "c", "w", "p"], |_| Answer::ok(r#"{"reasons":[]}"#));
    assert_eq!(text(&output.stdout), "{\"reasons\":[]}\n");
}

#[test]
fn near_names_are_suggested_after_what_the_server_said() {
    fn server(request: &Request) -> Answer {
        let workflow = |component: &str, id: &str| {
            format!(
                r#"{{"component_id":"{component}","workflow_id":"{id}","configuration":{{"id":"{id}","schedule":"days"}}}}"#
            )
        };
        let all = [workflow("sales", "daily-report"), workflow("sales", "hourly-report"), workflow("ops", "clean")];
        match request.path.as_str() {
            "/api/v3/workflows" => Answer::ok(&format!("[{}]", all.join(","))),
            "/api/v3/workflows/sales" => Answer::ok(&format!("[{}]", all[..2].join(","))),
            "/api/v3/workflows/slaes" => Answer::ok("[]"),
            "/api/v3/resources" if request.method == "GET" => {
                Answer::ok(r#"{"resources":[{"id":"warehouse","concurrency":1},{"id":"b","concurrency":1}]}"#)
            }
            _ if request.path.starts_with("/api/v3/status/events") => Answer::ok(r#"{"events":[]}"#),
            _ if request.path.starts_with("/api/v3/scheduler/trigger") => {
                Answer::new(400, "The specified workflow is not found in the scheduler", "")
            }
            _ => Answer::new(404, "Not Found", ""),
        }
    }
    let refusal = |text: &str| format!("API error: {text} (Request ID: 0123456789abcdef0123456789abcdef)\n");
    let not_found = refusal("404 Not Found");
    let not_scheduled = refusal("400 The specified workflow is not found in the scheduler");
    let daily = "Did you mean the workflow `daily-report`?\n";
    for (args, exit_code, expected) in [
        (&["workflow", "show", "sales", "dayly-report"][..], 4, format!("{not_found}{daily}")),
        (
            &["workflow", "show", "slaes", "daily-report"],
            4,
            format!("{not_found}Did you mean the component `sales`?\n"),
        ),
        (&["workflow", "show", "sales", "weekly"], 4, not_found.clone()),
        (&["halt", "sales", "dayly-report", "p"], 4, format!("{not_found}{daily}")),
        (&["explain", "sales", "daily-report", "p"], 4, not_found.clone()),
        (&["events", "sales", "daily-reprot", "p"], 0, daily.into()),
        (&["events", "sales", "daily-report", "p"], 0, String::new()),
        (&["--json", "events", "slaes", "daily-report", "p"], 0, "Did you mean the component `sales`?\n".into()),
        (&["trigger", "sales", "daily-reprot", "p"], 4, format!("{not_scheduled}{daily}")),
        (&["resource", "show", "werehouse"], 4, format!("{not_found}Did you mean the resource `warehouse`?\n")),
        (&["backfill", "show", "b"], 4, not_found.clone()),
        (&["workflow", "enable", "sales", "dayly-report"], 0, format!("dayly-report: {daily}")),
        (&["workflow", "delete", "--force", "sales", "dayly-report"], 0, format!("dayly-report: {daily}")),
    ] {
        let (output, _) = run(args, server);
        assert_eq!((text(&output.stderr), output.status.code()), (expected, Some(exit_code)), "{args:?}");
    }
}

#[test]
fn an_expected_counter_is_sent() {
    for verb in ["halt", "retry"] {
        let (output, server) = run(&[verb, "c", "w", "p", "--expected-counter", "7"], |_| Answer::ok("{}"));
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(server.requests()[0].expected_counter.as_deref(), Some("7"));
    }
}

#[test]
fn authorization_is_told_by_the_exit_code_too() {
    let answer = |authorized: bool, message: &str| {
        let json = format!(
            r#"{{"authorized":{authorized},"blacklisted":false,"message":{message},"service_account":"s","principal":"p"}}"#
        );
        run(&["auth", "test", "-a", "s", "-u", "p"], move |_| Answer::ok(&json))
    };
    let (output, _) = answer(true, "null");
    assert_eq!(text(&output.stdout), "The principal p is authorized to use the service account s. \n");
    assert_eq!(output.status.code(), Some(0));
    let (output, _) = answer(false, r#""No role.""#);
    assert_eq!(text(&output.stdout), "The principal p is not authorized to use the service account s. No role.\n");
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), ("", Some(1)));
}

#[test]
fn resources_are_deleted() {
    let (output, server) = run(&["resource", "delete", "r/s"], |_| Answer::new(204, "No Content", ""));
    assert_eq!(text(&output.stdout), "Resource r/s deleted.\n");
    assert_eq!(server.requests()[0].line(), "DELETE /api/v3/resources/r%2Fs");
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let output = styx(&["man", "pages"], None, dir.path(), "");
    assert_eq!(text(&output.stdout), "Manual pages written to pages.\n");
    for page in ["styx.1", "styx-list.1", "styx-backfill-create.1", "styx-context-add.1", "styx-config-set.1"] {
        let page = fs::read_to_string(dir.path().join("pages").join(page)).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH EXAMPLES"), "{page}");
        let footer = concat!("\"styx ", env!("CARGO_PKG_VERSION"), "\" Styx\n");
        assert!(page.lines().any(|line| line.starts_with(".TH ") && line.ends_with(footer.trim_end())), "{page}");
    }
    let page = |name: &str| fs::read_to_string(dir.path().join("pages").join(name)).unwrap().replace('\\', "");
    assert!(page("styx-workflow-enable.1").contains("[OPTIONS] <COMPONENT> <WORKFLOW>...\n"));
    assert!(page("styx-config-set.1").contains("[OPTIONS] <NAME> [VALUES]...\n"));
    assert!(page("styx-backfill-create.1").contains(".SH \"EXIT STATUS\"\nExit codes with --wait"));
    assert!(!dir.path().join("pages/styx-help.1").exists());
}

#[test]
fn many_workflows_are_asked_for_in_few_requests_at_once_and_told_in_order() {
    let names: Vec<_> = (0..40).map(|number| format!("w{number}")).collect();
    let args: Vec<_> = ["workflow", "delete", "c"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let (output, server) = run(&args, |_| Answer::new(204, "No Content", ""));
    let expected: String = names.iter().map(|name| format!("Workflow {name} in component c deleted.\n")).collect();
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(server.requests().len(), names.len());
}

#[test]
fn what_is_owed_under_earlier_schedules_is_shown() {
    const OWED: &str = r#"[{"schedule":"hours","offset":"PT0S","next_parameter":"2026-03-29T01","next_natural_trigger":"2026-03-29T01:00:00Z","until":"2026-03-29T04:10:00Z","count":4}]"#;
    fn server(request: &Request) -> Answer {
        let workflow = r#"{"component_id":"c","workflow_id":"w","configuration":{"id":"w","schedule":"30 * * * *"}}"#;
        let state = r#"{"enabled":true,"next_natural_trigger":null,"next_natural_offset_trigger":null}"#;
        let full = format!(r#"{{"workflow":{workflow},"state":{state}}}"#);
        match request.path.as_str() {
            "/api/v3/workflows/c/w/full" => Answer::ok(&full).with_header("X-Styx-Owed", "1"),
            "/api/v3/workflows?full=true" => Answer::ok(&format!("[{full}]")).with_header("X-Styx-Owed", "1"),
            "/api/v4/workflows/c/w/state" => Answer::ok(&format!(
                r#"{{"enabled":true,"next_natural_trigger":null,"next_natural_offset_trigger":null,"overdue":null,"owed":{OWED}}}"#
            )),
            "/api/v4/owed" => {
                Answer::ok(&format!(r#"{{"workflows":[{{"component_id":"c","workflow_id":"w","owed":{OWED}}}]}}"#))
            }
            _ => Answer::new(404, "Not Found", ""),
        }
    }
    let owed = "up to 4 instants of the earlier schedule hours with offset PT0S that fired until 2026-03-29T04:10:00Z, next \
                2026-03-29T01\n";
    let (output, _) = run(&["workflow", "show", "c", "w"], server);
    let shown = text(&output.stdout);
    assert!(shown.ends_with(&format!("Owed:                  {owed}")), "{shown}");
    let (output, _) = run(&["--json", "workflow", "show", "c", "w"], server);
    let shown = text(&output.stdout);
    assert!(shown.ends_with(&format!(r#","owed":{OWED}}}{}"#, "\n")), "{shown}");
    let (output, _) = run(&["workflow", "list", "-o", "wide"], server);
    let shown = text(&output.stdout);
    assert!(shown.ends_with(&format!("c w owes {owed}")), "{shown}");
    // What scripts read stays as it was.
    let (output, server) = run(&["--plain", "workflow", "show", "c", "w"], server);
    assert!(!text(&output.stdout).contains("hours"), "{}", text(&output.stdout));
    assert_eq!(server.requests().len(), 2);
}
