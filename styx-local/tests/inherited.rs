//! Jobs begin alike, whatever the one who started the server ignored, blocked or left open.

#![expect(clippy::unwrap_used, reason = "also what isn't a test itself is one here")]

#[path = "support/mod.rs"]
mod support;

use nix::sys::signal::{SigSet, Signal};
use styx_core::executor::Observed;
use support::{Place, Watched, execution, exited};

/// A shim that begins as a child of a careless starter does.
fn careless(place: &Place) -> Watched {
    let mut options = place.options();
    let script = r#"trap '' CHLD TERM INT HUP QUIT USR1 PIPE TSTP; exec 7</dev/null 9>"$0.lock"; exec "$0" "$1""#;
    let shim = std::mem::replace(&mut options.shim.program, "sh".into());
    let script = script.replace("$0.lock", place.path("lock").to_str().unwrap());
    options.shim.args = vec!["-c".into(), script.into(), shim.into()];
    // The executor's thread has the mask of the one that starts it, and what it starts has it too.
    let mut blocked = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD, Signal::SIGUSR2] {
        blocked.add(signal);
    }
    let before = blocked.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK).unwrap();
    let executor = Watched::new(options);
    before.thread_set_mask().unwrap();
    executor
}

#[test]
fn a_job_inherits_neither_signals_nor_descriptors() {
    let place = Place::new();
    let executor = careless(&place);
    let id = execution(1);
    executor.launch(place.launch(&id, &["cat", "/proc/self/status"]));
    executor.expect(&id, &[Observed::Launched, Observed::Started, exited(0)]);
    let status = executor.output(&id);
    let mask = |name: &str| {
        let text = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(text.trim(), 16).unwrap()
    };
    assert_eq!(mask("SigBlk:"), 0);
    // The C library keeps 32 and 33 for itself; nothing can be done about what came with them.
    let kept = 0b11 << 31;
    assert_eq!(mask("SigIgn:") & !kept, 0, "{status}");

    let id = execution(2);
    executor.launch(place.launch(&id, &["ls", "/proc/self/fd"]));
    executor.expect(&id, &[Observed::Launched, Observed::Started, exited(0)]);
    // The last one reads the folder.
    assert_eq!(executor.output(&id), "0\n1\n2\n3\n");
}

/// A shim that ended when it wrote more output than that had its job run again and again.
#[test]
fn a_limit_on_the_size_of_files_cuts_the_output_and_not_the_job() {
    for trap in ["", "trap '' XFSZ; "] {
        let place = Place::new();
        let mut options = place.options();
        let shim = std::mem::replace(&mut options.shim.program, "sh".into());
        let script = format!(r#"{trap}ulimit -f 64; exec "$0" "$1""#);
        options.shim.args = vec!["-c".into(), script.into(), shim.into()];
        let executor = Watched::new(options);
        let id = execution(1);
        executor.launch(place.launch(&id, &["sh", "-c", "yes | head -c 500000; exit 20"]));
        executor.expect(&id, &[Observed::Launched, Observed::Started, exited(20)]);
        let length = executor.output(&id).len();
        assert!((1..=64 * 1024).contains(&length), "{length}");
        // The job itself has the limit and the signal.
        let id = execution(2);
        executor.launch(place.launch(&id, &["sh", "-c", "exec head -c 500000 /dev/zero > \"$STYX_RUN_DIR/big\""]));
        executor.expect(&id, &[Observed::Launched, Observed::Started, exited(128 + Signal::SIGXFSZ as i32)]);
    }
}

#[test]
fn ends_are_seen_and_stops_work_whatever_was_inherited() {
    let place = Place::new();
    let executor = careless(&place);
    for (n, code) in [0, 20].into_iter().enumerate() {
        let id = execution(n as u128);
        let script = format!("sleep 0.01 & wait; exit {code}");
        executor.launch(place.launch(&id, &["sh", "-c", &script]));
        executor.expect(&id, &[Observed::Launched, Observed::Started, exited(code)]);
    }
    let id = execution(9);
    executor.launch(place.launch(&id, &["sleep", "600"]));
    executor.expect_running(&id);
    executor.perform(place.stop(&id));
    executor.expect(&id, &[exited(143)]);
}
