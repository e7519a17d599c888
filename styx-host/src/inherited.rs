//! What a process inherits from whoever started it, and shouldn't: ignored and blocked signals, and open descriptors.
//!
//! A starter that ignores SIGCHLD (some supervisors do, so that they need not wait) makes every `wait` of its descendants fail;
//! one that blocks SIGTERM makes them deaf to it; and a descriptor that reaches a job keeps a lock or a pipe of the starter
//! alive for as long as the job runs. A shell's `trap '' TERM`, `nohup` and `&` in scripts pass on ignored signals in the same way.
//!
//! Both calls belong to the beginning of `main`, before any thread is started and any file is opened.

use std::{
    fs, io,
    sync::{Arc, atomic::AtomicBool},
};

use nix::sys::signal::SigSet;
use signal_hook::{
    consts::{FORBIDDEN, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGXFSZ},
    flag,
};

/// The greatest number of a signal on Linux.
const LAST_SIGNAL: i32 = 64;

/// The signals whose being ignored is meant for a server: `nohup` ignores SIGHUP, a script's `&` SIGINT and SIGQUIT. SIGTERM is
/// here because a server handles it itself, which ends its being ignored; what does as the default does would end the process
/// before that.
const LEFT_TO_SERVERS: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// Makes a server independent of its starter: no signal is blocked, and none is ignored, but for SIGHUP (`nohup`), and for SIGINT
/// and SIGQUIT (`&` in a script), which are ignored on purpose. SIGTERM is left to the server's own handler. A write beyond a limit
/// on files (`ulimit -f`) is an error.
///
/// # Errors
///
/// When `/proc` can't be read or the kernel refuses.
pub fn begin_server() -> io::Result<()> {
    reset_signals(&LEFT_TO_SERVERS)
}

/// Makes a shim, and so the job it starts, independent of its starter: no signal is blocked or ignored, and no descriptor but
/// the first three is open. A write of the shim beyond a limit on files is an error; the job has SIGXFSZ's default.
///
/// # Errors
///
/// When `/proc` can't be read or the kernel refuses.
pub fn begin_shim() -> io::Result<()> {
    close_descriptors()?;
    reset_signals(&[])
}

/// An ignored signal gets a handler that does what the default is; a program that is started has the default itself then, for
/// handlers don't outlive `exec`. SIGPIPE is left out: Rust's runtime ignores it here and resets it in what is started. So are
/// the few signals that can't have a handler, which a fault of one's own raises in spite of being ignored.
fn reset_signals(keep: &[i32]) -> io::Result<()> {
    SigSet::empty().thread_set_mask()?;
    // Its default would end the process in the middle of what it has to write down.
    flag::register(SIGXFSZ, Arc::default())?;
    for signal in ignored_signals(&fs::read_to_string("/proc/self/status")?) {
        if [SIGPIPE, SIGXFSZ].contains(&signal) || keep.contains(&signal) || FORBIDDEN.contains(&signal) {
            continue;
        }
        let always = Arc::new(AtomicBool::new(true));
        let known = flag::register_conditional_default(signal, always);
        if let Err(error) = known.or_else(|_| flag::register(signal, Arc::default())) {
            // The C library keeps two for itself.
            tracing::debug!(signal, %error, "an ignored signal stays ignored");
        }
    }
    Ok(())
}

/// The signals that are ignored, from the text of `/proc/self/status`.
fn ignored_signals(status: &str) -> Vec<i32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    (1..=LAST_SIGNAL).filter(|signal| mask >> (signal - 1) & 1 == 1).collect()
}

/// Closes all descriptors above 2. Nothing in this process can own one yet.
fn close_descriptors() -> io::Result<()> {
    let mut open: Vec<i32> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // One of them read the folder, and is closed by now.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read_bit_by_bit() {
        let status = "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t8000000000011001\nSigCgt:\t0000000000000000\n";
        assert_eq!(ignored_signals(status), [1, 13, 17, 64]);
        assert_eq!(ignored_signals("Name:\tx\n"), [0_i32; 0]);
    }
}
