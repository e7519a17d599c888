//! Lists that are shown again and again.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{Answer, Request, Server};

fn watch(args: &[&str], server: &Server) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx"));
    command.args(args).args(["--host", server.host()]).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn lines(child: &mut Child, number: usize) -> Vec<String> {
    BufReader::new(child.stdout.take().unwrap()).lines().take(number).map(Result::unwrap).collect()
}

/// Ends a command as Ctrl-C does.
fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

fn resources(number: usize) -> Answer {
    Answer::ok(&format!(r#"{{"resources":[{{"id":"r","concurrency":{number}}}]}}"#))
}

#[test]
fn a_pipe_gets_one_after_the_other_until_ctrl_c() {
    let mut number = 0;
    let server = Server::new(move |_: &Request| {
        number += 1;
        // The second time the server is away, which is told beside and doesn't end it.
        if number == 2 { Answer::new(500, "Oops", "") } else { resources(number) }
    });
    let mut child = watch(&["resource", "ls", "--plain", "--watch=0.1"], &server);
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = || stdout.next().unwrap().unwrap();
    assert_eq!([seen(), seen(), seen()], ["r 1", "r 3", "r 4"]);
    interrupt(&child);
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    let told = "API error: 500 Oops (Request ID: 0123456789abcdef0123456789abcdef)\n";
    assert_eq!((String::from_utf8(output.stderr).unwrap().as_str(), output.status.code()), (told, Some(0)));
}

#[test]
fn a_reader_that_has_enough_ends_it() {
    let server = Server::new(|_: &Request| resources(1));
    let mut child = watch(&["resource", "ls", "--json", "--watch=0.1"], &server);
    assert_eq!(lines(&mut child, 2), [r#"[{"id":"r","concurrency":1}]"#; 2]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_first_refusal_and_a_final_one_end_it() {
    let server = Server::new(|_: &Request| Answer::new(500, "Oops", ""));
    assert_eq!(watch(&["ls", "--watch=0.1"], &server).wait().unwrap().code(), Some(4));
    let mut number = 0;
    let server = Server::new(move |_: &Request| {
        number += 1;
        if number == 1 { resources(1) } else { Answer::new(403, "No", "") }
    });
    assert_eq!(watch(&["resource", "ls", "--watch=0.1"], &server).wait().unwrap().code(), Some(4));
}
