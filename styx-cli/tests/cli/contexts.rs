//! Servers by name, and tokens.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::{Answer, Request, Server, styx_with, text};

/// A user's own folder, and what is typed there.
struct User {
    dir: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        let mut env = env.to_vec();
        env.push(("XDG_CONFIG_HOME", self.path().to_str().unwrap()));
        styx_with(args, &env, self.path(), "")
    }

    #[track_caller]
    fn check(&self, args: &[&str], exit_code: i32, stdout: &str, stderr: &str) {
        let output = self.run_with(args, &[]);
        assert_eq!(text(&output.stdout), stdout);
        assert_eq!(text(&output.stderr), stderr);
        assert_eq!(output.status.code(), Some(exit_code));
    }
}

fn server() -> Server {
    Server::new(|_: &Request| Answer::ok(r#"{"resources":[]}"#))
}

fn tokens(server: &Server) -> Vec<Option<String>> {
    server.requests().into_iter().map(|request| request.authorization).collect()
}

#[test]
fn contexts_are_added_used_and_removed() {
    let user = User::new();
    user.check(&["context", "list"], 0, "CURRENT  NAME  HOST  TOKEN FILE\n", "");
    user.check(&["context", "add", "local", "http://127.0.0.1:8080"], 0, "Context local added.\n", "");
    let prod = ["context", "add", "prod", "styx.example.org", "--token-file", "/etc/styx-token"];
    user.check(&prod, 0, "Context prod added.\n", "");
    user.check(&prod, 0, "Context prod replaced.\n", "");
    let listed = "CURRENT  NAME   HOST                   TOKEN FILE\n\
                  *        local  http://127.0.0.1:8080\n         \
                  prod   styx.example.org       /etc/styx-token\n";
    user.check(&["context", "ls"], 0, listed, "");
    user.check(&["context", "use", "prod"], 0, "Context prod is the current one now.\n", "");
    user.check(&["-p", "context", "show"], 0, "prod true styx.example.org /etc/styx-token\n", "");
    user.check(
        &["--json", "context", "show", "local"],
        0,
        "[{\"name\":\"local\",\"current\":false,\"host\":\"http://127.0.0.1:8080\",\"token_file\":null}]\n",
        "",
    );
    let stderr = "styx: error: there is no context \"prdo\"\nDid you mean the context `prod`?\n";
    user.check(&["context", "use", "prdo"], 2, "", stderr);
    user.check(&["context", "rm", "prod"], 0, "Context prod removed.\n", "");
    let stderr = "styx: error: there is no current context: see `styx context list`\n";
    user.check(&["context", "show"], 2, "", stderr);
    let stderr = "styx: error: Styx API host not set\nThere are contexts, but none is the current one (local): choose one \
                  with `styx context use NAME`, or for once with --context NAME\n";
    user.check(&["ls"], 2, "", stderr);
}

#[test]
fn a_host_counts_before_every_context() {
    let (user, other, named) = (User::new(), server(), server());
    assert!(user.run_with(&["context", "add", "named", named.host()], &[]).status.success());
    for (args, env, counts) in [
        (&["resource", "ls"][..], vec![], &named),
        (&["resource", "ls", "--context", "named"], vec![("STYX_CONTEXT", "nosuch")], &named),
        (&["resource", "ls"], vec![("STYX_CONTEXT", "named")], &named),
        (&["resource", "ls"], vec![("STYX_CLI_HOST", other.host())], &other),
        (&["resource", "ls"], vec![("STYX_CLI_HOST", other.host()), ("STYX_CONTEXT", "named")], &other),
        (&["resource", "ls", "-H", other.host()], vec![], &other),
        (&["resource", "ls", "-H", other.host()], vec![("STYX_CLI_HOST", named.host())], &other),
    ] {
        let output = user.run_with(args, &env);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{args:?} {env:?}");
        assert_eq!(counts.requests().len(), 1, "{args:?} {env:?}");
    }
    let output = user.run_with(&["resource", "ls", "--context", "named", "-H", other.host()], &[]);
    assert!(text(&output.stderr).starts_with("Note: "));
    assert_eq!((named.requests().len(), other.requests().len()), (0, 1));
    let output = user.run_with(&["resource", "ls"], &[("STYX_CONTEXT", "nosuch")]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_host_that_counts_before_the_context_is_told_of() {
    let user = User::new();
    assert!(user.run_with(&["context", "add", "named", "http://h"], &[]).status.success());
    let show = |args: &[&str], host| {
        let output = user.run_with(&[&["-p", "context", "show"], args].concat(), &[("STYX_CLI_HOST", host)]);
        assert_eq!(text(&output.stdout), "named true http://h \n");
        text(&output.stderr)
    };
    let note = "Note: --host or STYX_CLI_HOST names a server, so commands ask that one and use no context\n";
    assert_eq!((show(&[], "http://other").as_str(), show(&[], "").as_str()), (note, ""));
    assert_eq!(show(&["named"], "http://other"), "");
}

#[test]
fn a_token_comes_from_the_file_the_environment_or_the_context() {
    let (user, server) = (User::new(), server());
    fs::write(user.path().join("mine"), "of-context\n").unwrap();
    fs::write(user.path().join("asked"), "of-flag").unwrap();
    // A path is kept as it was meant, wherever the command runs later.
    let add = ["context", "add", "named", server.host(), "--token-file", "mine"];
    assert!(user.run_with(&add, &[]).status.success());
    let file = fs::read_to_string(user.path().join("styx/config.toml")).unwrap();
    assert!(!file.contains("of-context") && file.contains(user.path().to_str().unwrap()), "{file}");

    let list = ["resource", "ls"];
    user.run_with(&list, &[]);
    user.run_with(&list, &[("STYX_TOKEN", "of-environment")]);
    user.run_with(&["resource", "ls", "--token-file", "asked"], &[("STYX_TOKEN", "of-environment")]);
    // The token of a context is not for other servers.
    user.run_with(&list, &[("STYX_CLI_HOST", server.host())]);
    let expected = ["Bearer of-context", "Bearer of-environment", "Bearer of-flag"];
    let expected: Vec<_> = expected.iter().map(|token| Some((*token).to_owned())).chain([None]).collect();
    assert_eq!(tokens(&server), expected);

    for (args, part) in [
        (["--token-file", "nofile", "ls"], "cannot read the token in nofile"),
        (["--token-file", "empty", "ls"], "the token is empty"),
    ] {
        fs::write(user.path().join("empty"), " \n").unwrap();
        let output = user.run_with(&args, &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(part), "{}", text(&output.stderr));
    }
}

#[test]
fn who_is_refused_hears_how_to_say_who_asks() {
    let user = User::new();
    let server = Server::new(|_: &Request| Answer::new(401, "Unauthorized access", ""));
    for (token, part) in [("", "STYX_TOKEN"), ("t", "does not take the token")] {
        let output =
            user.run_with(&["halt", "c", "w", "p"], &[("STYX_CLI_HOST", server.host()), ("STYX_TOKEN", token)]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5));
        assert!(stderr.starts_with("API error: Unauthorized: 401 ") && stderr.contains(part), "{stderr}");
        assert!(!stderr.contains("Bearer"));
    }
}

#[test]
fn a_file_that_is_not_understood_is_told_of_when_it_is_needed() {
    let (user, server) = (User::new(), server());
    fs::create_dir(user.path().join("styx")).unwrap();
    fs::write(user.path().join("styx/config.toml"), "contexts = 7\n").unwrap();
    let output = user.run_with(&["resource", "ls"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("styx/config.toml: "), "{}", text(&output.stderr));
    let output = user.run_with(&["resource", "ls", "-H", server.host()], &[]);
    assert_eq!(output.status.code(), Some(0));
}
