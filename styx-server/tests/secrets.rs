//! Secrets are planted wherever one may be, and searched for wherever somebody without a right to them may look.
//!
//! Meant to show them: answers to whoever has a token, `log export --with-env`, the log itself, and what a job is started with.
//! Only values of environments are secrets; arguments, descriptions and Flyte's inputs are shown (README, "Secrets").

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{Answer, LONG, Server, data};

/// Where a secret is planted; each place has its own.
const PLACES: [&str; 13] = [
    "workflow-of-the-api",
    "workflow-of-a-file",
    "trigger",
    "backfill",
    "event",
    "environment-of-jobs",
    "env-that-is-a-text-in-a-file",
    "env-that-is-a-list-in-a-body",
    "value-that-is-a-list-in-a-body",
    "refused-trigger",
    "body-that-ends-early",
    "workflow-that-was-replaced",
    "pod-template",
];

fn secret(place: &str) -> String {
    assert!(PLACES.contains(&place));
    format!("s3cret-{place}")
}

fn assert_hidden(token: &str, shown: &str, by: &str) {
    for place in PLACES {
        assert!(!shown.contains(&secret(place)), "{by} shows the secret of {place}:\n{shown}");
    }
    let last = token.rsplit('.').next().unwrap();
    assert!(!shown.contains(last), "{by} shows the token:\n{shown}");
}

fn tool(words: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_styx-server")).env_clear().args(words).arg("--data").arg(data).output().unwrap()
}

fn all(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn wait_until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The paths of all routes, with names in the place of ids: a new route can't be forgotten, since the router must name it there.
fn patterns() -> Vec<String> {
    let (_, router) = include_str!("../src/http/router.rs").split_once("fn pattern(self)").unwrap();
    let (patterns, _) = router.split_once("\n    }\n").unwrap();
    let patterns: Vec<_> = patterns.split('"').filter(|text| text.starts_with('/')).map(str::to_owned).collect();
    assert!(patterns.len() >= 28 && patterns.contains(&"/api/v4/owed".to_owned()), "{patterns:?}");
    patterns
}

#[test]
fn no_secret_gets_where_it_does_not_belong() {
    let (dir, data) = data();
    let made = tool(&["token", "create", "--name", "ann"], &data);
    let token = String::from_utf8(made.stdout.clone()).unwrap().trim().to_owned();
    let folder = dir.path().join("workflows");
    fs::create_dir(&folder).unwrap();
    let yaml = |env: &str| format!("id: f\nschedule: days\ndocker_image: busybox:1.36\nenv: {env}\n");
    fs::write(folder.join("f.yaml"), yaml(&format!("{{PASSWORD: {}}}", secret("workflow-of-a-file")))).unwrap();
    let wrong = format!("PASSWORD={}", secret("env-that-is-a-text-in-a-file"));
    fs::write(folder.join("wrong.yaml"), yaml(&wrong).replace("id: f", "id: g")).unwrap();
    let config = dir.path().join("styx.toml");
    let of_jobs = format!("[local]\nexecution_env = {{ PASSWORD = \"{}\" }}\n", secret("environment-of-jobs"));
    fs::write(&config, &of_jobs).unwrap();

    let log = data.with_extension("log");
    let errors = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let child = common::command(&data)
        .args(["--executor", "fake", "--auth", "tokens", "--anonymous-reads", "--config"])
        .arg(&config)
        .arg("--workflows")
        .arg(&folder)
        // All that can be logged.
        .env("STYX_SERVER_LOG", "trace")
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .unwrap();
    let server = Server::attach(child, &data);
    let bearer = format!("Bearer {token}");
    let ask = |method: &str, path: &str, body: Option<&str>| -> Answer {
        server.ask(method, path, &[("Authorization", &bearer)], body)
    };
    let workflow = |id: &str, env: &str| {
        let long = &LONG[1..LONG.len() - 1];
        let body = format!(
            r#"{{"id":"{id}","schedule":"days","docker_image":"busybox:1.36","env":{{"PASSWORD":{env},"P2":"x",{long}}}}}"#
        );
        ask("POST", "/api/v3/workflows/c", Some(&body))
    };
    let quoted = |place| format!("\"{}\"", secret(place));
    assert_eq!(workflow("w", &quoted("workflow-that-was-replaced")).status, 200);
    assert_eq!(workflow("w", &quoted("workflow-of-the-api")).status, 200);
    // Kubernetes' form of an environment: a list of names and values.
    let pod = format!(
        r#"{{"spec":{{"initContainers":[{{"name":"init","env":[{{"name":"PASSWORD","value":"{}"}}]}}]}}}}"#,
        secret("pod-template")
    );
    let with_pod = format!(r#"{{"id":"p","schedule":"days","docker_image":"busybox:1.36","pod":{pod}}}"#);
    let stored = ask("POST", "/api/v3/workflows/c", Some(&with_pod));
    assert!(stored.status == 200 && stored.body.contains(&secret("pod-template")), "{stored:?}");
    let refused = workflow("x", &format!("[{}]", quoted("value-that-is-a-list-in-a-body")));
    assert_eq!(refused.status, 400, "{refused:?}");
    let body = format!(r#"{{"id":"x","schedule":"days","env":[{}]}}"#, quoted("env-that-is-a-list-in-a-body"));
    assert_eq!(ask("POST", "/api/v3/workflows/c", Some(&body)).status, 400);
    let body = format!(r#"{{"id":"x","schedule":"days","env":{{"A":{}"#, quoted("body-that-ends-early"));
    assert_eq!(ask("POST", "/api/v3/workflows/c", Some(&body)).status, 400);
    let trigger = |parameter: &str, place| {
        let body = format!(
            r#"{{"workflow_id":{{"component_id":"c","id":"w"}},"parameter":"{parameter}","trigger_parameters":{{"env":{{"P2":{}}}}}}}"#,
            quoted(place)
        );
        ask("POST", "/api/v3/scheduler/trigger", Some(&body))
    };
    assert_eq!(trigger("2024-01-01", "trigger").status, 200);
    assert_eq!(trigger("2999-01-01", "refused-trigger").status, 400, "it lies in the future");
    let body = format!(
        r#"{{"start":"2024-02-01T00:00:00Z","end":"2024-02-03T00:00:00Z","component":"c","workflow":"w","concurrency":1,"trigger_parameters":{{"env":{{"P2":{}}}}}}}"#,
        quoted("backfill")
    );
    let backfill = ask("POST", "/api/v3/backfills", Some(&body));
    assert_eq!(backfill.status, 200, "{backfill:?}");
    let backfill = backfill.json()["id"].as_str().unwrap().to_owned();
    // Taken or not: what it holds must not be seen.
    let event = format!(
        r#"{{"@type":"triggerExecution","workflowInstance":"c#w#2024-01-05","triggerId":"t","triggerParameters":{{"env":{{"A":{0}}}}},"trigger":{{"@type":"adhoc","triggerId":"t"}}}}"#,
        quoted("event")
    );
    ask("POST", "/api/v3/scheduler/events", Some(&event));

    let named = [
        ("{component}", "c"),
        ("{workflow}", "w"),
        ("{parameter}", "2024-01-01"),
        ("{backfill}", &*backfill),
        ("{resource}", "r"),
        ("{execution}", "e"),
    ];
    let fill = |pattern: String| named.iter().fold(pattern, |path, (name, value)| path.replace(name, value));
    let more = [
        "/api/v3/workflows?full",
        "/api/v3/workflows/c/p",
        "/api/v3/workflows/c/p/full",
        "/api/v3/workflows/f/f/full",
        "/api/v3/backfills?status=true",
        "/api/v3/no/such",
    ];
    let paths: Vec<String> = patterns().into_iter().map(fill).chain(more.map(str::to_owned)).collect();
    assert!(paths.iter().all(|path| !path.contains('{')), "{paths:?}");
    wait_until("a run is active", || server.get("/api/v3/status/activeStates").body.contains("RUNNING"));
    // That they are there is what makes it worth to look.
    let known = ask("GET", "/api/v3/workflows/c/w/full", None).body
        + &ask("GET", "/api/v3/status/events/c/w/2024-01-01", None).body
        + &ask("GET", "/api/v3/backfills", None).body;
    for place in ["workflow-of-the-api", "trigger", "backfill"] {
        assert!(known.contains(&secret(place)), "{place} {known}");
    }
    for path in paths.iter().map(String::as_str) {
        for method in ["GET", "HEAD"] {
            let answer = server.ask(method, path, &[], None);
            assert_hidden(&token, &format!("{answer:?}"), &format!("{method} {path}"));
        }
        // Nor is the token shown to whoever holds it.
        let answer = format!("{:?}", ask("GET", path, None));
        assert!(!answer.contains(token.rsplit('.').next().unwrap()), "{path}: {answer}");
    }
    let made = tool(&["log", "checkpoint"], &data);
    assert_hidden(&token, &all(&made), "log checkpoint without a token");
    assert!(server.stop().success());

    let logged = fs::read_to_string(&log).unwrap();
    assert!(logged.contains("[AUDIT] POST /api/v3/scheduler/trigger") && logged.contains("wrong.yaml"), "{logged}");
    assert_hidden(&token, &logged, "the server's log");
    let config = config.to_str().unwrap();
    let end = common::tail(&data).to_string();
    for words in [
        &["log", "show"][..],
        &["log", "show", "--format", "json"],
        &["log", "show", "--backfill", &backfill],
        &["log", "at", &end],
        &["log", "at", &end, "--instance", "c#w#2024-01-01"],
        &["log", "at", &end, "--workflow", "c#w"],
        &["log", "at", &end, "--workflow", "c#w", "--format", "json"],
        &["log", "at", &end, "--workflow", "c#p"],
        &["log", "at", &end, "--workflow", "c#p", "--format", "json"],
        &["log", "at", &end, "--backfill", &backfill],
        &["log", "at", &end, "--backfills"],
        &["log", "step", "c", "w", "2024-01-01", "--plain"],
        &["log", "step", "c", "w", "2024-01-01", "--format", "json"],
        &["log", "diff", "1", &end],
        &["log", "diff", "1", &end, "--format", "json"],
        &["log", "verify"],
        &["log", "replay"],
        &["log", "replay", "--format", "json"],
        &["log", "export"],
        &["token", "list"],
        &["check-config", "--config", config],
    ] {
        assert_hidden(&token, &all(&tool(words, &data)), &words.join(" "));
    }
    let shown = all(&tool(&["log", "show", "--format", "json"], &data));
    assert!(shown.contains("***") && shown.contains("PASSWORD"), "{shown}");
    let with_env = all(&tool(&["log", "export", "--with-env"], &data));
    for place in ["workflow-that-was-replaced", "workflow-of-a-file", "trigger", "backfill", "pod-template"] {
        assert!(with_env.contains(&secret(place)), "{place}");
    }
    // A configuration with a mistake is told of without what stands beside it.
    for wrong in [
        of_jobs.replace('"', "'").replace("}", ""),
        format!("[local]\nexecution_env = \"PASSWORD={}\"\n", secret("environment-of-jobs")),
        format!("[local]\nexecution_env = {{ PASSWORD = [\"{}\"] }}\n", secret("environment-of-jobs")),
    ] {
        fs::write(config, wrong).unwrap();
        let output = tool(&["check-config", "--config", config], &data);
        assert!(!output.status.success(), "{output:?}");
        assert_hidden(&token, &all(&output), "check-config");
    }
    private(&data);
}

/// Nobody but the owner may read what is in a data folder.
fn private(path: &Path) {
    let metadata = fs::symlink_metadata(path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", path.display());
    if metadata.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| private(&entry.unwrap().path()));
    }
}

#[test]
fn a_data_folder_that_others_may_enter_is_made_private_or_refused() {
    let (_dir, data) = data();
    fs::create_dir(&data).unwrap();
    let open = || fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    open();
    let server = Server::start(&data);
    assert!(server.log().contains("others could enter the data folder"), "{}", server.log());
    assert!(server.stop().success());
    private(&data);
    open();
    let server = Server::start(&data);
    private(&data);
    assert!(server.stop().success());

    let shared = data.with_file_name("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(shared.join("photo.jpg"), "").unwrap();
    let (status, said) = common::run_to_end(common::command(&shared).args(["--executor", "fake"]));
    assert!(!status.success() && said.contains("mode 0777") && said.contains("photo.jpg"), "{said}");
    assert_eq!(fs::metadata(&shared).unwrap().permissions().mode() & 0o777, 0o777);
    assert_eq!(fs::read_dir(&shared).unwrap().count(), 1);
}

#[test]
fn jobs_keep_the_umask_that_the_server_was_started_with() {
    let (dir, data) = data();
    let folder = dir.path().join("workflows");
    fs::create_dir(&folder).unwrap();
    let yaml =
        "id: w\nschedule: hours\ndocker_image: busybox:1.36\ndocker_args: [sh, -c, 'umask > made; touch file']\n";
    fs::write(folder.join("w.yaml"), yaml).unwrap();
    let log = fs::File::create(data.with_extension("log")).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "umask 027; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_styx-server"), "--data"]).arg(&data);
    command.args(["--listen", "127.0.0.1:0", "--workflows"]).arg(&folder).stdout(Stdio::null()).stderr(log);
    let server = Server::attach(command.spawn().unwrap(), &data);
    assert_eq!(server.trigger("w", "w", "2024-01-01T05").status, 200);
    wait_until("the job ran", || folder.join("file").exists());
    assert_eq!(fs::read_to_string(folder.join("made")).unwrap(), "0027\n");
    assert_eq!(fs::metadata(folder.join("file")).unwrap().permissions().mode() & 0o777, 0o640);
    server.wait_for("/api/v3/status/activeStates", |json| json["active_states"].as_array().unwrap().is_empty());
    assert!(server.stop().success());
    private(&data);
}
