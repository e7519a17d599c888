//! A process whose main thread has gone while another one works is not taken as gone.
//!
//! A main thread that ends by itself ends the process, and a test's own threads are none, so this program has no test harness: it
//! starts itself as the job, and its main thread is killed by a filter of system calls that it sets on itself.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/mod.rs"]
mod support;

use std::{collections::BTreeMap, env, fs, os::unix::process::parent_id, process, thread, time::Duration};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use support::{Place, adopt_ends, orphaned};

const NAME: &str = "a_process_whose_main_thread_has_gone_is_not_taken_as_gone";

/// The argument with which this program is the job.
const JOB: &str = "--job";

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.first() {
        Some(first) if first == JOB => job(&args[1]),
        _ if args.iter().any(|arg| arg == "--list") => println!("{NAME}: test"),
        // As the harness does: a text that is no option, nor the number of one, chooses among the tests.
        _ if args
            .iter()
            .any(|arg| !arg.starts_with('-') && arg.parse::<u32>().is_err() && !NAME.contains(arg.as_str())) => {}
        _ => {
            test();
            println!("test {NAME} ... ok");
        }
    }
}

fn test() {
    let place = Place::new();
    let program = env::current_exe().unwrap();
    let script = format!("exec setsid '{}' {JOB} \"$1\"", program.display());
    let (id, all) = orphaned(&place, 201, &script, 1);
    adopt_ends(&place, &place.path("data"), &id, &all);
}

/// Ends its main thread, and then says so from another one, which stays; or says why it can't.
fn job(word: &str) {
    let said = word.to_owned();
    thread::spawn(move || {
        while state_of_main_thread() != Some('Z') {
            thread::sleep(Duration::from_millis(10));
        }
        fs::write(said, format!("{}\n", process::id())).unwrap();
        thread::sleep(Duration::from_secs(600));
    });
    let arch = TargetArch::try_from(env::consts::ARCH).unwrap();
    let getppid = match arch {
        TargetArch::x86_64 => 110,
        TargetArch::aarch64 | TargetArch::riscv64 => 173,
    };
    let rules = BTreeMap::from([(getppid, Vec::new())]);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::KillThread, arch).unwrap();
    let applied = apply_filter(&BpfProgram::try_from(filter).unwrap());
    let parent = parent_id();
    fs::write(word, format!("the main thread goes on, its parent is {parent}: {applied:?}\n")).unwrap();
}

fn state_of_main_thread() -> Option<char> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    stat.rsplit(") ").next().unwrap().chars().next()
}
