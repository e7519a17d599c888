//! A machine that loses its power: no execution starts a second time, and an end that was reported stays what it was.
//!
//! The executor is this test's own binary, started again on a disk that forgets what wasn't synced (`power_loss` says what counts).
//! What the jobs did is noted outside of that disk.

#![expect(clippy::unwrap_used, reason = "also what isn't a test itself is one here")]

#[path = "support/mod.rs"]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use power_loss::{Disk, Loss};
use styx_core::{
    executor::{Effect, Executor, Observed},
    id::ExecutionId,
};
use styx_local::LocalExecutor;
use support::{Place, Watched, execution, launch, options_at};
use uuid::Uuid;

const LOG_ID: Uuid = Uuid::from_u128(7);
/// Executions of a round. All are launched; the second removes its state folder, and the last is stopped at once.
const EACH: u128 = 4;
const REMOVES: u128 = 1;
const STOPPED: u128 = 3;

fn launched(outside: &Path, n: u128) -> Effect {
    let lines = outside.join("lines");
    let remove = r#"rm -r "$STYX_RUN_DIR/../.state/$STYX_EXECUTION_ID"; exit 0"#;
    let script =
        format!(r#"echo "$STYX_EXECUTION_ID" >> "$1"; {}"#, if n % EACH == REMOVES { remove } else { "sleep 0.01" });
    let argv = ["sh", "-c", &script, "-", lines.to_str().unwrap()];
    Effect::Launch(Box::new(launch(LOG_ID, &execution(n), &argv)))
}

fn stopped(n: u128) -> Effect {
    Effect::Stop { executor: "local".into(), log_id: LOG_ID, execution: execution(n) }
}

#[test]
#[ignore = "no test: the server whose machine loses its power"]
fn server_without_power() {
    let folder = |name| PathBuf::from(env::var_os(name).expect("only the test below starts it"));
    let first: u128 = env::var("STYX_TEST_FIRST").unwrap().parse().unwrap();
    let (sender, observations) = channel();
    let executor = LocalExecutor::new(options_at(&folder("STYX_TEST_FOLDER")), move |observation| {
        let _ = sender.send(observation);
    });
    let executor = executor.unwrap();
    println!("\nready");
    for n in first..first + EACH {
        executor.perform(launched(&folder("STYX_TEST_OUTSIDE"), n));
    }
    executor.perform(stopped(first + STOPPED));
    for observation in observations {
        let what = match observation.what {
            Observed::Launched => "launched".to_owned(),
            Observed::Exited { code } => format!("exited {}", code.unwrap()),
            other => format!("{other:?}"),
        };
        println!("seen {} {what}", observation.execution);
    }
}

/// What was seen last of each execution.
fn seen(lines: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    let split = |line: String| {
        let (execution, what) = line.strip_prefix("seen ")?.split_once(' ')?;
        Some((execution.to_owned(), what.to_owned()))
    };
    lines.filter_map(split).collect()
}

/// The execution's end, as an executor without any memory of it tells.
fn end_of(executor: &Watched, id: &ExecutionId) -> Observed {
    loop {
        match executor.next_of(id) {
            Observed::Launched | Observed::Started => {}
            end => return end,
        }
    }
}

#[test]
fn a_loss_of_power_starts_nothing_twice_and_loses_no_end() {
    let (place, outside) = (Place::new(), tempfile::tempdir().unwrap());
    let disk = Disk::new(place.path(""));
    let mut exited = 0;
    for round in 0..12_u16 {
        let first = u128::from(round) * EACH;
        let mut server = Command::new(env::current_exe().unwrap())
            .args(["--exact", "server_without_power", "--ignored", "--nocapture"])
            .envs(disk.environment())
            .env("STYX_TEST_FOLDER", place.path(""))
            .env("STYX_TEST_OUTSIDE", outside.path())
            .env("STYX_TEST_FIRST", first.to_string())
            .env(support::SALT, std::process::id().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "ready"));
        let reader = thread::spawn(move || seen(lines));
        // The moments lie from when the jobs have ended to right after the request. In the first round the place itself is new.
        thread::sleep(Duration::from_millis(120 - u64::from(round) * 10));
        disk.lose_power(if round % 2 == 0 { Loss::AllUnsynced } else { Loss::Contents });
        server.wait().unwrap();
        let seen = reader.join().unwrap();

        let executor = Watched::new(options_at(&place.path("")));
        for n in first..first + EACH {
            let id = execution(n);
            let seen = seen.get(&id.to_string()).map(String::as_str);
            if let Some("exited 0" | "NeverStarted") = seen {
                let owner = fs::read_to_string(place.state_folder(&id).join("log_id")).unwrap();
                assert_eq!(owner, LOG_ID.to_string(), "round {round}: whose {id} is");
            }
            // The log owes the launch still, or has recorded what was seen. A stop is owed until the end.
            // The one that removes its own claim is one of those that the log knows.
            let is_known = seen.is_some() || n % EACH == REMOVES;
            executor.perform(if is_known { adopted(&id) } else { launched(outside.path(), n) });
            if n % EACH == STOPPED {
                executor.perform(stopped(n));
            }
            let end = end_of(&executor, &id);
            match seen {
                Some("exited 0") => {
                    assert_eq!(end, support::exited(0), "round {round}: the end of {id} was reported before");
                    exited += 1;
                }
                Some("NeverStarted") => assert_eq!(end, Observed::NeverStarted, "round {round}: {id} was stopped"),
                // A launch that is still owed succeeds: what an unfinished one left behind is in nobody's way.
                None if n % EACH != STOPPED => {
                    assert!(
                        matches!(end, Observed::Exited { .. } | Observed::Lost { .. }),
                        "round {round}: {id} {end:?}"
                    );
                }
                _ => {}
            }
            // However late it comes, an owed launch starts nothing again.
            executor.perform(launched(outside.path(), n));
            end_of(&executor, &id);
        }
        drop(executor);
        disk.sync_all();
        let text = fs::read_to_string(outside.path().join("lines")).unwrap_or_default();
        let mut started = BTreeSet::new();
        for line in text.lines() {
            assert!(started.insert(line), "round {round}: {line} ran twice");
        }
    }
    assert!(exited > 0, "no job ended before the power was lost");
}

fn adopted(id: &ExecutionId) -> Effect {
    Effect::Adopt { executor: "local".into(), log_id: LOG_ID, execution: id.clone() }
}
