//! What a job gets, and what is told of its end.

#[path = "support/mod.rs"]
mod support;

use std::{fs, io::BufRead, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use styx_core::{event::Trigger, executor::Observed, record::Origin};
use support::{Place, Watched, execution, exited, has_ended, hold};

#[test]
fn exit_codes_and_signals_are_told() {
    let place = Place::new();
    let executor = place.executor();
    for (n, (script, code)) in [("exit 0", 0), ("exit 20", 20), ("kill -9 $$", 137)].into_iter().enumerate() {
        let id = execution(n as u128);
        executor.launch(place.launch(&id, &["sh", "-c", script]));
        executor.expect(&id, &[Observed::Launched, Observed::Started, exited(code)]);
    }
    executor.expect_nothing_more();
    assert!(executor.executor.running().is_empty());
}

#[test]
fn the_environment_is_exactly_what_is_specified() {
    let place = Place::new();
    let mut options = place.options();
    options.path = "/usr/bin:/bin".into();
    options.environment = "test".into();
    options.execution_env =
        [("OPERATOR", "o"), ("FOO", "no"), ("STYX_LOGGING", "no")].map(|(k, v)| (k.into(), v.into())).into();
    let executor = Watched::new(options);
    let id = execution(1);
    let mut launch = place.launch(&id, &["env"]);
    launch.env = [("FOO", "a b=\"c\""), ("STYX_PARAMETER", "mine")].map(|(k, v)| (k.into(), v.into())).into();
    launch.commit_sha = Some("abc123".into());
    launch.trigger = Some(Trigger::AdHoc("ad-hoc-1".into()));
    launch.tries = 1;
    executor.launch(launch);
    executor.expect(&id, &[Observed::Launched, Observed::Started, exited(0)]);
    let folder = place.run_folder(&id).display().to_string();
    let mut expected = vec![
        "FOO=a b=\"c\"".to_owned(),
        "OPERATOR=o".into(),
        "PATH=/usr/bin:/bin".into(),
        "STYX_COMMIT_SHA=abc123".into(),
        "STYX_COMPONENT_ID=sales".into(),
        "STYX_DOCKER_ARGS=env".into(),
        "STYX_DOCKER_IMAGE=busybox:1.36".into(),
        "STYX_ENVIRONMENT=test".into(),
        "STYX_EXECUTION_COUNTER=0".into(),
        format!("STYX_EXECUTION_ID={id}"),
        "STYX_EXECUTION_TRIES=1".into(),
        "STYX_LOGGING=structured".into(),
        "STYX_PARAMETER=2024-05-06".into(),
        format!("STYX_RUN_DIR={folder}"),
        "STYX_SERVICE_ACCOUNT=".into(),
        format!("STYX_TERMINATION_LOG={folder}/termination-log"),
        "STYX_TRIGGER_ID=ad-hoc-1".into(),
        "STYX_TRIGGER_TYPE=adhoc".into(),
        "STYX_WORKFLOW_ID=daily".into(),
    ];
    expected.sort();
    let output = executor.output(&id);
    let mut lines: Vec<_> = output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, expected);
    let folders = [place.run_folder(&id), place.state_folder(&id)].map(|folder| fs::read_dir(folder).unwrap());
    for entry in folders.into_iter().flatten() {
        let path = entry.unwrap().path();
        let says = fs::read_to_string(&path).unwrap();
        assert!(path.ends_with("output.log") || !says.contains("a b"), "{} holds a value", path.display());
    }
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folders = [place.path("runs"), place.path("runs/.state"), place.run_folder(&id), place.state_folder(&id)];
    assert_eq!(folders.map(|folder| mode(&folder)), [0o700; 4]);
}

#[test]
fn arguments_arrive_as_they_are_in_the_folder_of_the_workflow() {
    let place = Place::new();
    let executor = place.executor();
    let id = execution(1);
    executor.launch(place.launch(&id, &["printf", "<%s>\n", "a b", "it's \"q\"", "$HOME `x`", "*", "", "a\nb"]));
    executor.expect(&id, &[Observed::Launched, Observed::Started, exited(0)]);
    assert_eq!(executor.output(&id), "<a b>\n<it's \"q\">\n<$HOME `x`>\n<*>\n<>\n<a\nb>\n");

    let folder = place.path("workflows").join("a team");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("own.sh"), "#!/bin/sh\npwd\n").unwrap();
    fs::set_permissions(folder.join("own.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let id = execution(2);
    let mut launch = place.launch(&id, &["./own.sh"]);
    launch.origin = Origin::File { path: Arc::from("a team/daily.yaml"), enabled: true };
    executor.launch(launch);
    executor.expect(&id, &[Observed::Launched, Observed::Started, exited(0)]);
    assert_eq!(executor.output(&id), format!("{}\n", fs::canonicalize(folder).unwrap().display()));
}

#[test]
fn a_workflow_may_set_its_own_path() {
    let place = Place::new();
    let executor = place.executor();
    let id = execution(1);
    fs::write(place.path("only-here"), "#!/bin/sh\necho \"$PATH\"\n").unwrap();
    fs::set_permissions(place.path("only-here"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut launch = place.launch(&id, &["only-here"]);
    let path = format!("{}:/bin", place.path("").display());
    launch.env.insert("PATH".into(), path.clone());
    executor.launch(launch);
    executor.expect(&id, &[Observed::Launched, Observed::Started, exited(0)]);
    assert_eq!(executor.output(&id), format!("{path}\n"));
}

#[test]
fn what_cannot_start_is_the_workflows_fault_and_named() {
    let place = Place::new();
    let executor = place.executor();
    fs::write(place.path("workflows").join("plain"), "echo no\n").unwrap();
    let mut n = 0;
    let mut check = |argv: &[&str], env: Option<(&str, &str)>, file: &str, is_claimed: bool, part: &str| {
        n += 1;
        let id = execution(n);
        let mut launch = place.launch(&id, argv);
        launch.env.extend(env.map(|(name, value)| (name.into(), value.into())));
        launch.origin = Origin::File { path: Arc::from(file), enabled: true };
        // Asked again, it is the same.
        for _ in 0..2 {
            executor.launch(launch.clone());
            if is_claimed {
                executor.expect(&id, &[Observed::Launched]);
            }
            match executor.next_of(&id) {
                Observed::NotLaunchable { reason } => assert!(reason.contains(part), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
    };
    check(&[], None, "a.yaml", false, "docker_args");
    check(&[""], None, "a.yaml", false, "docker_args");
    check(&["echo", "a\0b"], None, "a.yaml", false, "place 1");
    check(&["echo"], Some(("SECRET", "a\0b")), "a.yaml", false, "SECRET");
    check(&["echo"], Some(("A=B", "c")), "a.yaml", false, "A=B");
    check(&["echo"], None, "../a.yaml", false, "../a.yaml");
    check(&["no-such-program-here"], None, "a.yaml", true, "no-such-program-here");
    check(&["./plain"], None, "a.yaml", true, "./plain is not executable");
    check(&["echo"], None, "gone/a.yaml", true, "gone");
    executor.expect_nothing_more();
}

#[test]
fn a_server_that_cannot_launch_now_says_so() {
    let place = Place::new();
    let mut options = place.options();
    options.workflows = None;
    let executor = Watched::new(options);
    executor.launch(place.launch(&execution(1), &["true"]));
    assert!(matches!(executor.next().what, Observed::Refused { .. }));

    let mut options = place.options();
    options.shim.program = "/bin/false".into();
    let broken = Watched::new(options);
    for _ in 0..2 {
        broken.launch(place.launch(&execution(2), &["true"]));
        match broken.next_of(&execution(2)) {
            Observed::Refused { reason, .. } => assert!(reason.contains("exit code 1"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    // Once it is mended, the same execution starts.
    let executor = place.executor();
    executor.launch(place.launch(&execution(2), &["true"]));
    executor.expect(&execution(2), &[Observed::Launched, Observed::Started, exited(0)]);
}

#[test]
fn the_termination_log_decides_where_it_is_used() {
    let place = Place::new();
    let executor = place.executor();
    let cases = [
        (r#"echo '{"exit_code":20}' > "$STYX_TERMINATION_LOG""#, Some(20)),
        (r#"echo '{"exit_code":0}' > "$STYX_TERMINATION_LOG"; exit 3"#, Some(3)),
        ("exit 0", None),
        // What is no file says nothing, and is not waited for.
        (r#"mkfifo "$STYX_TERMINATION_LOG""#, None),
        (r#"ln -s /dev/zero "$STYX_TERMINATION_LOG""#, None),
        (r#"mkdir "$STYX_TERMINATION_LOG""#, None),
    ];
    for (n, (script, code)) in cases.into_iter().enumerate() {
        let id = execution(n as u128);
        let mut launch = place.launch(&id, &["sh", "-c", script]);
        launch.docker_termination_logging = true;
        executor.launch(launch);
        executor.expect(&id, &[Observed::Launched, Observed::Started, Observed::Exited { code }]);
    }
}

#[test]
fn output_beyond_the_limit_is_dropped_and_said_so() {
    let place = Place::new();
    let mut options = place.options();
    options.max_output_bytes = 10;
    let executor = Watched::new(options);
    let id = execution(1);
    executor.launch(place.launch(&id, &["sh", "-c", "echo 1234; echo 5678 >&2; seq 1 100000; exit 4"]));
    executor.expect(&id, &[Observed::Launched, Observed::Started, exited(4)]);
    let note = "[styx: the output is longer than 10 bytes, the rest is dropped]";
    assert_eq!(executor.output(&id), format!("1234\n5678\n\n{note}\n"));
}

#[test]
fn a_job_goes_on_when_the_disk_of_its_output_is_full() {
    let place = Place::new();
    let mut options = place.options();
    // A shim whose every file is on a full disk; the run folder is its last argument.
    let script = r#"ln -s /dev/full "$1/output.log" && exec "$0" "$1" 2> /dev/full"#;
    let shim = std::mem::replace(&mut options.shim.program, "sh".into());
    options.shim.args = vec!["-c".into(), script.into(), shim.into()];
    let executor = Watched::new(options);
    let id = execution(1);
    executor.launch(place.launch(&id, &["sh", "-ec", "seq 1 100000; sleep 0.1; seq 1 100000; exit 4"]));
    executor.expect(&id, &[Observed::Launched, Observed::Started, exited(4)]);
}

#[test]
fn what_a_job_leaves_behind_has_the_grace_and_then_ends_with_it() {
    let place = Place::new();
    let mut options = place.options();
    options.stop_grace = Duration::from_millis(200);
    let executor = Watched::new(options);
    let word = place.word("word");
    let id = execution(1);
    // One stays in the group, one goes to a session of its own; both are deaf.
    let script = r#"
        (trap '' TERM HUP; echo "$(sh -c 'echo $PPID')" > "$1"; while :; do sleep 600; done) &
        (trap '' TERM HUP; exec setsid sh -c 'echo $$ > "$1"; exec sleep 600' - "$1") &
        read go < "$1.go"
        exit 3"#;
    let go = place.word("word.go");
    executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap()]));
    executor.expect_running(&id);
    let left: Vec<_> = {
        // One opening for both lines: a writer that finds the pipe closed in between would wait for a reader.
        let file = fs::OpenOptions::new().read(true).write(true).open(&word).unwrap();
        let lines = std::io::BufReader::new(file).lines().take(2);
        lines.map(|line| hold(line.unwrap().trim().parse().unwrap())).collect()
    };
    fs::write(go, "go\n").unwrap();
    executor.expect(&id, &[exited(3)]);
    assert!(left.iter().all(has_ended));
}
