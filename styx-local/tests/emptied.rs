//! What is told of a job whose folders are emptied, moved or blocked while it runs, by itself or by others: its end, once.

#![expect(clippy::unwrap_used, reason = "also what isn't a test itself is one here")]

#[path = "support/mod.rs"]
mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use styx_core::{executor::Executor, record::Origin};
use support::{PATIENCE, Place, Watched, ends_within, execution, hear, hold, options_at};

#[test]
fn a_job_may_empty_or_remove_whatever_it_works_in() {
    let place = Place::new();
    let executor = place.executor();
    let scripts = [
        r#"rm -rf "$STYX_RUN_DIR""#,
        r#"rm -rf "$STYX_RUN_DIR"; echo in the way > "$STYX_RUN_DIR""#,
        r#"mv "$STYX_RUN_DIR" "$STYX_RUN_DIR.moved""#,
        r#"chmod 000 "$STYX_RUN_DIR""#,
        // Closed to the administrator too: a link that leads to itself.
        r#"rm -rf "$STYX_RUN_DIR"; ln -s "$STYX_RUN_DIR" "$STYX_RUN_DIR""#,
        r#"rm "$STYX_RUN_DIR/output.log"; mkdir "$STYX_RUN_DIR/output.log" "$STYX_RUN_DIR/exit""#,
        r#"rm -rf "$STYX_RUN_DIR"/../*"#,
        // As `git clean -ffdx` does in a folder without files of a repository.
        "find . -mindepth 1 -delete",
        "rm -rf \"$PWD\"",
    ];
    for (n, script) in scripts.into_iter().enumerate() {
        for code in [0, 20] {
            let id = execution(n as u128 * 100 + u128::try_from(code).unwrap());
            let script = format!("echo out; {script}; exit {code}");
            let mut launch = place.launch(&id, &["sh", "-c", &script]);
            // A workflow of the API has its run folder as working directory.
            launch.origin = Origin::Api;
            executor.launch(launch.clone());
            assert_eq!(executor.exit_of(&id), Some(code), "{script}");
            // Asked again, now and by the next server, it isn't run again.
            let later = place.executor();
            later.perform(place.adopt(&id));
            assert_eq!(later.exit_of(&id), Some(code), "{script}");
            later.launch(launch);
            assert_eq!(later.exit_of(&id), Some(code), "{script}");
            later.perform(place.clean_up(&id));
            later.expect(&id, &[styx_core::executor::Observed::Cleaned]);
        }
    }
}

/// What is done to the folder of a server's data while a job runs; returns where it is then.
type Disturb = fn(&Path, &str) -> PathBuf;

const DISTURBANCES: [(&str, Disturb); 9] = [
    ("nothing", |data, _| data.to_owned()),
    ("the runs are removed", |data, _| {
        for entry in fs::read_dir(data.join("runs")).unwrap().map(Result::unwrap) {
            // As a shell's `runs/*` does.
            if !entry.file_name().to_str().unwrap().starts_with('.') {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        data.to_owned()
    }),
    ("the folder of runs is removed", |data, _| {
        fs::remove_dir_all(data.join("runs")).unwrap();
        data.to_owned()
    }),
    ("the notes are removed", |data, id| {
        fs::remove_dir_all(data.join("runs/.state").join(id)).unwrap();
        data.to_owned()
    }),
    ("all data is removed", |data, _| {
        fs::remove_dir_all(data).unwrap();
        data.to_owned()
    }),
    ("the data is moved", |data, _| {
        let moved = data.with_file_name("moved");
        fs::rename(data, &moved).unwrap();
        moved
    }),
    ("the data is moved and another takes its place", |data, _| {
        let moved = data.with_file_name("moved");
        fs::rename(data, &moved).unwrap();
        fs::create_dir_all(data.join("runs/.state")).unwrap();
        moved
    }),
    ("something has the name of the note", |data, id| {
        fs::create_dir_all(data.join("runs/.state").join(id).join("exit/sub")).unwrap();
        data.to_owned()
    }),
    ("the notes are closed", |data, id| {
        fs::set_permissions(data.join("runs/.state").join(id), fs::Permissions::from_mode(0o000)).unwrap();
        data.to_owned()
    }),
];

/// When another server takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takeover {
    Never,
    BeforeTheEnd,
    AfterTheEnd,
}

#[test]
fn an_end_is_told_once_whatever_happens_to_the_data() {
    for (what, disturb) in DISTURBANCES {
        for takeover in [Takeover::Never, Takeover::BeforeTheEnd, Takeover::AfterTheEnd] {
            let place = Place::new();
            let data = place.path("data");
            fs::create_dir_all(data.join("workflows")).unwrap();
            let (id, lines) = (execution(1), place.path("lines"));
            let (word, go) = (place.word("word"), place.word("go"));
            let script = r#"echo "$STYX_EXECUTION_ID" >> "$1"; echo $PPID > "$2"; read go < "$3"; exit 0"#;
            let paths = [&lines, &word, &go].map(|path| path.to_str().unwrap());
            let launch = place.launch(&id, &["sh", "-c", script, "-", paths[0], paths[1], paths[2]]);
            let mut executor = Watched::new(options_at(&data));
            executor.launch(launch.clone());
            executor.expect_running(&id);
            let shim = hold(hear(&word).parse().unwrap());

            let data = disturb(&data, &id.to_string());
            let context = format!("{what}, takeover: {takeover:?}");
            match takeover {
                Takeover::Never => fs::write(&go, "go\n").unwrap(),
                Takeover::BeforeTheEnd => {
                    executor = Watched::new(options_at(&data));
                    executor.perform(place.adopt(&id));
                    assert_eq!(executor.next().what, styx_core::executor::Observed::Launched, "{context}");
                    fs::write(&go, "go\n").unwrap();
                }
                Takeover::AfterTheEnd => {
                    drop(executor);
                    fs::write(&go, "go\n").unwrap();
                    assert!(ends_within(&shim, PATIENCE), "{context}");
                    executor = Watched::new(options_at(&data));
                    executor.perform(place.adopt(&id));
                }
            }
            assert_eq!(executor.exit_of(&id), Some(0), "{context}");
            assert!(executor.executor.running().is_empty(), "{context}");
            // It isn't run again by anybody who asks.
            let last = Watched::new(options_at(&data));
            for executor in [&executor, &last] {
                executor.launch(launch.clone());
                assert_eq!(executor.exit_of(&id), Some(0), "{context}");
            }
            assert_eq!(fs::read_to_string(&lines).unwrap(), format!("{id}\n"), "{context}");
        }
    }
}

#[test]
fn a_job_whose_notes_are_gone_can_be_stopped() {
    for restart in [false, true] {
        let place = Place::new();
        let (id, word) = (execution(5_001), place.word("word"));
        let script = r#"trap 'exit 7' TERM; echo $$ > "$1"; while :; do sleep 0.05; done"#;
        let mut executor = place.executor();
        executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap()]));
        executor.expect_running(&id);
        let job = hold(hear(&word).parse().unwrap());
        fs::remove_dir_all(place.path("runs")).unwrap();
        if restart {
            executor = place.executor();
        }
        executor.perform(place.stop(&id));
        assert_eq!(executor.exit_of(&id), Some(7), "restart: {restart}");
        assert!(ends_within(&job, PATIENCE));
    }
}

#[test]
fn what_a_dead_shim_left_is_ended_though_nothing_is_noted() {
    let place = Place::new();
    let (id, word) = (execution(5_002), place.word("word"));
    let executor = place.executor();
    let script = r#"echo $$ > "$1"; trap '' TERM; while :; do sleep 600; done"#;
    executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap()]));
    executor.expect_running(&id);
    let job = hold(hear(&word).parse().unwrap());
    let shim = place.shim_pid(&id);
    let shim_hold = hold(shim);
    drop(executor);
    fs::remove_dir_all(place.path("runs")).unwrap();
    support::kill(shim);
    assert!(ends_within(&shim_hold, PATIENCE));
    let later = place.executor();
    later.executor.perform(place.adopt(&id));
    let what = later.next_of(&id);
    assert!(matches!(what, styx_core::executor::Observed::Lost { .. }), "{what:?}");
    assert!(support::has_ended(&job));
}

/// The executor may look at any moment: before it has seen the claim, while the folder is half gone, while the shim makes it again.
#[test]
fn an_end_is_told_though_the_job_removes_the_notes_at_once() {
    let place = Place::new();
    let executor = place.executor();
    // It fails where something is put into the folder meanwhile.
    let script = r#"rm -r "$STYX_RUN_DIR/../.state/$STYX_EXECUTION_ID"; exit 0"#;
    for n in 0..40 {
        let id = execution(1_000 + n);
        executor.launch(place.launch(&id, &["sh", "-c", script]));
        assert_eq!(executor.exit_of(&id), Some(0));
    }
}
