//! What a server finds that comes after another: running jobs, ended ones, and what was killed midway.

#![expect(clippy::unwrap_used, reason = "also what isn't a test itself is one here")]

#[path = "support/mod.rs"]
mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use styx_core::{
    executor::{Executor, Observed},
    id::ExecutionId,
};
use styx_local::LocalExecutor;
use support::{PATIENCE, Place, ends_within, execution, exited, has_ended, hear, hold, kill};
use uuid::Uuid;

#[test]
fn a_running_job_is_adopted_and_its_end_told() {
    let place = Place::new();
    let first = place.executor();
    let (id, word, go) = (execution(1), place.word("word"), place.word("go"));
    let script = r#"echo up > "$1"; read go < "$2"; exit 5"#;
    let argv = ["sh", "-c", script, "-", word.to_str().unwrap(), go.to_str().unwrap()];
    first.launch(place.launch(&id, &argv));
    first.expect_running(&id);
    hear(&word);
    drop(first);

    let second = place.executor();
    second.perform(place.adopt(&id));
    second.expect_running(&id);
    // A launch that was owed still starts nothing.
    second.launch(place.launch(&id, &argv));
    second.expect_running(&id);
    assert_eq!(second.executor.running().len(), 1);
    fs::write(&go, "go\n").unwrap();
    second.expect(&id, &[exited(5)]);
    second.expect_nothing_more();
}

#[test]
fn a_job_that_ended_meanwhile_is_told_with_its_code() {
    let place = Place::new();
    let first = place.executor();
    let (id, go) = (execution(1), place.word("go"));
    first.launch(place.launch(&id, &["sh", "-c", r#"read go < "$1"; exit 6"#, "-", go.to_str().unwrap()]));
    first.expect_running(&id);
    let shim = hold(place.shim_pid(&id));
    drop(first);
    fs::write(&go, "go\n").unwrap();
    assert!(ends_within(&shim, PATIENCE));

    let second = place.executor();
    second.perform(place.adopt(&id));
    // Each fact comes with the time at which it became one, however late it is told.
    let told: Vec<_> = (0..3).map(|_| second.next()).collect();
    assert_eq!(
        told.iter().map(|seen| seen.what.clone()).collect::<Vec<_>>(),
        [Observed::Launched, Observed::Started, exited(6)]
    );
    let noted = ["claim", "job", "exit"].map(|note| place.note(&id, note).unwrap()["at"].clone());
    let times = told.iter().map(|seen| seen.observed_at.unwrap());
    assert!(times.clone().is_sorted());
    let texts = times.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into());
    assert_eq!(texts.collect::<Vec<serde_json::Value>>(), noted);
}

#[test]
fn a_killed_shim_means_lost_and_the_job_is_ended_first() {
    let place = Place::new();
    let executor = place.executor();
    for n in 0..2 {
        let (id, word) = (execution(n), place.word(&format!("word{n}")));
        // The leader, a child in its group, and one in a session of its own, deaf all three.
        let script = r#"trap '' TERM HUP PIPE
            exec 3> "$1"
            setsid sh -c 'echo $$ >&3; exec sleep 600' &
            sh -c 'echo $$ >&3; exec sleep 600' &
            echo $$ >&3
            exec 3>&-
            while :; do sleep 600; done"#;
        executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap()]));
        executor.expect_running(&id);
        let lines = BufReader::new(fs::File::open(&word).unwrap()).lines().take(3);
        let all: Vec<_> = lines.map(|line| hold(line.unwrap().parse().unwrap())).collect();
        assert_eq!(all.len(), 3);
        let shim = place.shim_pid(&id);
        if n == 0 {
            kill(shim);
            assert!(matches!(executor.next_of(&id), Observed::Lost { .. }));
        } else {
            // The next server finds it dead, and is asked to stop.
            let other = place.executor();
            let hold = hold(shim);
            kill(shim);
            assert!(ends_within(&hold, PATIENCE));
            other.perform(place.stop(&id));
            assert!(matches!(other.next_of(&id), Observed::Lost { .. }));
        }
        assert!(all.iter().all(has_ended));
        assert!(matches!(executor_end(&place, &id), Observed::Lost { .. }), "it stays lost");
    }
}

#[test]
fn a_shim_killed_at_any_moment_leaves_no_job_behind() {
    let place = Place::new();
    let executor = place.executor();
    for round in 0..30_u32 {
        let id = execution(u128::from(round));
        executor.launch(place.launch(&id, &["sh", "-c", "sleep 600 & sleep 600"]));
        executor.expect(&id, &[Observed::Launched]);
        thread::sleep(Duration::from_micros(u64::from(round) * 100));
        kill(place.shim_pid(&id));
        let mut what = executor.next_of(&id);
        if what == Observed::Started {
            what = executor.next_of(&id);
        }
        assert!(matches!(what, Observed::Lost { .. }), "{what:?}");
        assert_eq!(processes_of(&place.run_folder(&id)), Vec::<String>::new());
    }
}

/// The processes that live and have the run folder in their environment.
fn processes_of(folder: &std::path::Path) -> Vec<String> {
    let tag = format!("STYX_RUN_DIR={}", folder.display()).into_bytes();
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let tagged = entries.filter(|path| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|entry| entry == tag)
    });
    tagged.map(|path| path.display().to_string()).collect()
}

fn executor_end(place: &Place, id: &ExecutionId) -> Observed {
    let later = place.executor();
    later.perform(place.adopt(id));
    later.expect(id, &[Observed::Launched]);
    later.next_of(id)
}

#[test]
fn what_another_boot_or_nobody_knows_of_is_lost() {
    let place = Place::new();
    let executor = place.executor();
    let id = execution(1);
    executor.perform(place.adopt(&id));
    assert!(matches!(executor.next_of(&id), Observed::Lost { .. }));
    executor.launch(place.launch(&id, &["true"]));
    assert!(matches!(executor.next_of(&id), Observed::Lost { .. }), "and can't be launched any more");

    // A claim of this very process, but of another boot; and one of this boot, but of an earlier process.
    let me = std::process::id();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for (n, boot, start) in [(2, "another", 1), (3, boot.trim(), 1)] {
        let id = execution(n);
        fs::create_dir(place.state_folder(&id)).unwrap();
        fs::write(place.state_folder(&id).join("log_id"), place.log_id.to_string()).unwrap();
        let process = serde_json::json!({"pid": me, "start_time": start});
        let by = serde_json::json!({"shim": {"boot_id": boot, "process": process}});
        let claim =
            serde_json::json!({"log_id": place.log_id.to_string(), "execution": id.to_string(), "at": "", "by": by});
        fs::write(place.state_folder(&id).join("claim"), claim.to_string()).unwrap();
        executor.perform(place.adopt(&id));
        executor.expect(&id, &[Observed::Launched]);
        assert!(matches!(executor.next_of(&id), Observed::Lost { .. }));
    }
}

#[test]
fn a_job_is_started_once_however_often_it_is_asked_for() {
    let place = Place::new();
    let lines = place.path("lines");
    let id = execution(1);
    let argv = ["sh", "-c", r#"echo "$STYX_EXECUTION_ID" >> "$1""#, "-", lines.to_str().unwrap()];
    let executors = [place.executor(), place.executor(), place.executor()];
    for executor in &executors {
        executor.launch(place.launch(&id, &argv));
        executor.launch(place.launch(&id, &argv));
    }
    for executor in &executors {
        while executor.next_of(&id) != exited(0) {}
    }
    executors[0].launch(place.launch(&id, &argv));
    while executors[0].next_of(&id) != exited(0) {}
    assert_eq!(fs::read_to_string(&lines).unwrap(), format!("{id}\n"));
}

#[test]
#[ignore = "no test: the server that a_server_killed_at_any_moment_starts_nothing_twice starts and kills"]
fn server_to_be_killed() {
    let folder = std::env::var("STYX_TEST_FOLDER").expect("only that test starts it");
    let folder = std::path::PathBuf::from(folder);
    let first: u128 = std::env::var("STYX_TEST_FIRST").unwrap().parse().unwrap();
    let executor = LocalExecutor::new(support::options_at(&folder), |_| {}).unwrap();
    println!("\nready");
    for n in first..first + 3 {
        executor.perform(support_launch(&folder, Uuid::from_u128(7), n));
    }
    thread::sleep(PATIENCE);
}

fn support_launch(folder: &std::path::Path, log_id: Uuid, n: u128) -> styx_core::executor::Effect {
    let lines = folder.join("lines");
    let argv = ["sh", "-c", r#"echo "$STYX_EXECUTION_ID" >> "$1""#, "-", lines.to_str().unwrap()];
    styx_core::executor::Effect::Launch(Box::new(support::launch(log_id, &execution(n), &argv)))
}

#[test]
fn a_server_killed_at_any_moment_starts_nothing_twice() {
    let place = Place::new();
    let executor = place.executor();
    let mut ends = 0;
    for round in 0..30_u32 {
        let first = u128::from(round) * 3;
        let mut server = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "server_to_be_killed", "--ignored", "--nocapture"])
            .env("STYX_TEST_FOLDER", place.path(""))
            .env("STYX_TEST_FIRST", first.to_string())
            .env(support::SALT, std::process::id().to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        // The moments lie from right after the request to when the jobs have ended.
        thread::sleep(Duration::from_micros(u64::from(round) * 700));
        server.kill().unwrap();
        server.wait().unwrap();
        for n in first..first + 3 {
            let id = execution(n);
            // The log owes the launch still, or has recorded it; in this place there is a claim by then.
            let was_launched = place.note(&id, "claim").is_some();
            let effect = if was_launched { place.adopt(&id) } else { support_launch(&place.path(""), place.log_id, n) };
            executor.perform(effect);
            loop {
                match executor.next_of(&id) {
                    Observed::Launched | Observed::Started => {}
                    Observed::Exited { code } => {
                        assert_eq!(code, Some(0));
                        break;
                    }
                    other => panic!("{other:?}"),
                }
            }
            ends += 1;
        }
    }
    let text = fs::read_to_string(place.path("lines")).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), ends);
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), ends, "a job ran twice");
}
