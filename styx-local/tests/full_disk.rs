//! The end of a job is noted when the disk takes writes again, whatever kept it from that: a file system that is full to its last
//! byte, or a limit on the size of files.

#![expect(clippy::unwrap_used, reason = "also what isn't a test itself is one here")]

#[path = "support/mod.rs"]
mod support;

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use styx_core::id::ExecutionId;
use support::{PATIENCE, Place, Watched, ends_within, execution, exited, hear, hold, options_at};

/// Says to this program that it has file systems of its own.
const INSIDE: &str = "STYX_TEST_OWN_MOUNTS";

/// Starts a job that waits for a word, writes a line to `ran`, and ends with 7; returns its number.
fn start(place: &Place, executor: &Watched, id: &ExecutionId) -> i32 {
    let (up, go) = (place.word("up"), place.word("go"));
    let script = r#"echo $$ > "$1"; read -r word < "$2"; echo ran >> "$3"; exit 7"#;
    let ran = place.path("ran");
    let arguments = [&up, &go, &ran].map(|path| path.to_str().unwrap().to_owned());
    let argv: Vec<&str> = ["sh", "-c", script, "-"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    executor.launch(place.launch(id, &argv));
    executor.expect_running(id);
    hear(&up).parse().unwrap()
}

/// Lets the job end, and waits until its shim has tried to note that and couldn't.
fn end_in_vain(place: &Place, data: &Path, id: &ExecutionId, job: i32, shim: i32) {
    let held = hold(job);
    fs::write(place.path("go"), "go\n").unwrap();
    assert!(ends_within(&held, PATIENCE));
    sleeps_between_tries(shim);
    assert_eq!(fs::read_to_string(place.path("ran")).unwrap(), "ran\n");
    assert!(!is_noted(data, id), "the end was noted on a disk that takes no writes");
}

fn is_noted(data: &Path, id: &ExecutionId) -> bool {
    fs::read(data.join("runs/.state").join(id.to_string()).join("exit")).is_ok_and(|note| !note.is_empty())
}

/// Waits until the shim has no children and sleeps: then it has tried.
fn sleeps_between_tries(shim: i32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let children = fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
        let call = fs::read_to_string(format!("/proc/{shim}/wchan")).unwrap_or_default();
        let stat = fs::read_to_string(format!("/proc/{shim}/stat")).expect("the shim lives");
        let sleeps = stat.rsplit(") ").next().unwrap().starts_with('S') && (call.contains("nanosleep") || call == "0");
        if children.trim().is_empty() && sleeps {
            return;
        }
        assert!(Instant::now() < deadline, "the shim is in {call}: {stat}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_end_that_a_limit_on_files_forbids_is_noted_once_it_is_lifted() {
    let place = Place::new();
    let executor = place.executor();
    let id = execution(1);
    let job = start(&place, &executor, &id);
    let shim = place.shim_pid(&id);
    let limit = |most| prlimit(Pid::from_raw(shim), Resource::Fsize, Rlimit { current: most, maximum: None }).unwrap();
    limit(Some(0));
    end_in_vain(&place, place.run_folder(&id).parent().unwrap().parent().unwrap(), &id, job, shim);
    limit(None);
    executor.expect(&id, &[exited(7)]);
}

/// Needs leave to mount: that of root, or a user namespace. Where neither is to be had this says so on standard error, and only
/// the test above has tried.
#[test]
fn an_end_on_a_full_disk_is_noted_once_there_is_room() {
    if env::var_os(INSIDE).is_none() {
        return own_mounts("an_end_on_a_full_disk_is_noted_once_there_is_room");
    }
    let place = Place::new();
    let data = place.path("data");
    fs::create_dir_all(&data).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs"]).arg(&data);
    assert!(mount.status().unwrap().success());
    fs::create_dir_all(data.join("workflows")).unwrap();
    let id = execution(1);
    let executor = Watched::new(options_at(&data));
    let job = start(&place, &executor, &id);
    let claim = fs::read(data.join("runs/.state").join(id.to_string()).join("claim")).unwrap();
    let claim: serde_json::Value = serde_json::from_slice(&claim).unwrap();
    let shim = i32::try_from(claim["by"]["shim"]["process"]["pid"].as_i64().unwrap()).unwrap();
    let junk = fill(&data);
    end_in_vain(&place, &data, &id, job, shim);

    fs::remove_file(&junk).unwrap();
    executor.expect(&id, &[exited(7)]);
    assert!(is_noted(&data, &id));
    assert_eq!(fs::read_to_string(place.path("ran")).unwrap(), "ran\n", "it ran once");
}

/// Fills a file system to its last byte.
fn fill(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("junk");
    let mut junk = fs::File::create(&path).unwrap();
    let mut size = 4_096;
    while size > 0 {
        match junk.write(&vec![7; size]) {
            Ok(written) if written > 0 => {}
            _ => size /= 2,
        }
    }
    path
}

/// Runs a test of this program again where mounts are its own, and end with it.
fn own_mounts(test: &str) {
    let namespaces: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let can = |namespace: &&&[&str]| {
        let mut probe = Command::new("unshare");
        probe.args(**namespace).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
        probe.output().is_ok_and(|output| output.status.success())
    };
    let Some(namespace) = namespaces.iter().find(can) else {
        // Not by a macro, whose output is shown only of a test that fails.
        let _ = writeln!(io::stderr(), "{test}: not tried, since this user can't mount, nor make a user namespace");
        return;
    };
    let mut again = Command::new("unshare");
    again.args(*namespace).arg(env::current_exe().unwrap()).args(["--exact", test]).env(INSIDE, "1");
    let output = again.output().unwrap();
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
