//! What a job leaves behind when its leading process ends.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, wait},
};

use crate::process::Stat;

/// When to look again for those that became our children, while one that was killed doesn't end.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Waits until all descendants are gone, and after the grace kills them. The process must be their subreaper: then each
/// of them is, or becomes when its parent ends, a child of ours, whatever group or session it went to.
pub(crate) fn end_all(grace: Duration) -> io::Result<()> {
    let deadline = Instant::now() + grace;
    while !reap_all()? {
        // We alone wait for our children, so none of these numbers can become someone else's here.
        let children = children()?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            for child in &children {
                let _ = kill_process(*child, Signal::KILL);
            }
        }
        wait_for_one(&children, if left.is_zero() { LOOK_AGAIN } else { left });
    }
    Ok(())
}

/// Waits for those that have ended. `true` when nobody is left.
fn reap_all() -> io::Result<bool> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Ok(false),
            Err(Errno::CHILD) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

fn children() -> io::Result<Vec<Pid>> {
    let me = getpid().as_raw_nonzero().get();
    let all = Stat::all()?;
    Ok(all.iter().filter(|stat| stat.parent == me).filter_map(|stat| Pid::from_raw(stat.id.pid)).collect())
}

/// Waits until one of them has ended, whichever we wait for: all have to. So one descriptor is enough for any number.
fn wait_for_one(children: &[Pid], timeout: Duration) {
    let Some(child) = children.first() else { return };
    let waited = pidfd_open(*child, PidfdFlags::empty()).and_then(|hold| {
        let mut fds = [PollFd::new(&hold, PollFlags::IN)];
        poll(&mut fds, Timespec::try_from(timeout).ok().as_ref())
    });
    if waited.is_err_and(|error| error != Errno::INTR) {
        // Not even that one is to be had now.
        thread::sleep(timeout.min(LOOK_AGAIN));
    }
}
