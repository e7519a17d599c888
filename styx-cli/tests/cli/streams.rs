//! Output that nobody reads, or that has no room.

use std::process::Stdio;

use crate::support::{Answer, Request, Server, closed, full, styx_into, text};

/// What each of 20 workflows is asked for: `delete`, `enable` or `create`.
fn for_many(verb: &str, stdout: Stdio, refused: &'static str) -> (Option<i32>, String, usize) {
    let names: Vec<_> = (0..20).map(|number| format!("w{number}")).collect();
    let file: Vec<_> = names.iter().map(|name| format!("id: {name}\nschedule: days\ndocker_image: i\n")).collect();
    let server = Server::new(move |request: &Request| {
        if !refused.is_empty() && (request.path.contains(refused) || request.body.contains(refused)) {
            return Answer::new(403, "no", "");
        }
        match request.method.as_str() {
            "POST" => {
                Answer::ok(&format!(r#"{{"component_id":"c","workflow_id":"w","configuration":{}}}"#, request.body))
            }
            "DELETE" => Answer::new(204, "No Content", ""),
            _ => Answer::ok("{}"),
        }
    });
    let mut args = vec!["workflow", verb, "c"];
    if verb != "create" {
        args.extend(names.iter().map(String::as_str));
    }
    let output = styx_into(&args, server.host(), &file.join("---\n"), stdout, Stdio::piped());
    (output.status.code(), text(&output.stderr), server.requests().len())
}

#[test]
fn all_is_asked_for_whether_or_not_somebody_reads() {
    let refusal = "API error: 403 no (Request ID: 0123456789abcdef0123456789abcdef)\n";
    for verb in ["create", "delete", "enable"] {
        assert_eq!(for_many(verb, closed(), ""), (Some(0), String::new(), 20), "{verb}");
        assert_eq!(for_many(verb, closed(), "w13"), (Some(4), refusal.into(), 20), "{verb}");
        let (code, stderr, requests) = for_many(verb, full(), "");
        assert_eq!((code, requests), (Some(1), 20), "{verb}");
        assert!(stderr.starts_with("styx: error: No space left"), "{verb}: {stderr}");
    }
}

#[test]
fn what_is_said_beside_may_have_no_reader() {
    let server = Server::new(|request: &Request| match request.method.as_str() {
        "DELETE" => Answer::new(404, "Not Found", ""),
        _ if request.path.ends_with("/c") => {
            Answer::ok(r#"[{"component_id":"c","workflow_id":"w1","configuration":{"id":"w1","schedule":"days"}}]"#)
        }
        "GET" => Answer::new(500, "Oops", ""),
        _ => Answer::ok("{}").with_header("X-Styx-Effect", "none"),
    });
    for (args, host, code) in [
        (&["--debug", "halt", "c", "w", "p"][..], server.host(), 0),
        (&["--context", "x", "halt", "c", "w", "p"], server.host(), 0),
        (&["workflow", "delete", "--force", "c", "w"], server.host(), 0),
        (&["ls"], server.host(), 4),
        (&["ls"], "", 2),
        (&["nosuch"], "", 2),
        (&["workflow"], "", 2),
        (&["--nosuch"], "", 2),
    ] {
        for nobody in [closed, full] {
            let output = styx_into(args, host, "", Stdio::piped(), nobody());
            assert_eq!(output.status.code(), Some(code), "{args:?}");
        }
    }
}

#[test]
fn what_is_printed_may_have_no_reader() {
    let server = Server::new(|_: &Request| Answer::ok(r#"{"resources":[]}"#));
    for args in [
        &["resource", "ls"][..],
        &["--json", "resource", "ls"],
        &["--help"],
        &["--version"],
        &["completion", "bash"],
        &[],
    ] {
        let into = |stdout| styx_into(args, server.host(), "", stdout, Stdio::null()).status.code();
        assert_eq!((into(closed()), into(full())), (Some(0), Some(1)), "{args:?}");
    }
}
