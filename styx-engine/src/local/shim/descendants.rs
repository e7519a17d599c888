//! What a job leaves behind when its leading process ends.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, Signal, WaitOptions, getpid, kill_process, wait},
};

use crate::local::process::Stat;

/// How many children are waited for at once.
const AT_ONCE: usize = 200;

/// Waits until all descendants are gone, and after the grace kills them. The process must be their subreaper: then each
/// of them is, or becomes when its parent ends, a child of ours, whatever group or session it went to.
pub(super) fn end_all(grace: Duration) -> io::Result<()> {
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
        wait_for_any(&children, if left.is_zero() { None } else { Some(left) })?;
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

fn wait_for_any(children: &[Pid], timeout: Option<Duration>) -> io::Result<()> {
    let mut holds: Vec<OwnedFd> = Vec::new();
    for child in children.iter().take(AT_ONCE) {
        holds.push(rustix::process::pidfd_open(*child, rustix::process::PidfdFlags::empty())?);
    }
    let mut fds: Vec<_> = holds.iter().map(|hold| PollFd::new(hold, PollFlags::IN)).collect();
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    if fds.is_empty() {
        return Ok(());
    }
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
