//! Processes named beyond doubt: a number alone may be someone else's tomorrow.

use std::{
    cell::RefCell,
    fs, io,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, pidfd_send_signal, waitid},
};
use serde::{Deserialize, Serialize};

/// Names the present boot of this machine.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// A process of one boot: its number, and when it started in ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    /// The number.
    pub(crate) pid: i32,
    /// Field 22 of `/proc/PID/stat`.
    pub(crate) start_time: u64,
}

impl ProcessId {
    /// This process.
    pub(crate) fn current() -> io::Result<Self> {
        Self::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// The process that has this number now, e.g. a child that isn't waited for yet.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        Stat::read(pid)?.map(|stat| stat.id).ok_or_else(|| io::Error::from(Errno::SRCH))
    }

    /// A hold on the process, which may have ended but still be there; `None` if it is gone.
    pub(crate) fn open(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(None);
        };
        // The hold comes first: what is read after it is about this process or a later one of the same number.
        let hold = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(hold) => hold,
            Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Stat::read(self.pid)?.is_some_and(|stat| stat.id == self).then_some(hold))
    }
}

/// Whether a process has ended, waited for or not.
pub(crate) fn has_ended(hold: &OwnedFd) -> io::Result<bool> {
    let mut fds = [PollFd::new(hold, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        match poll(&mut fds, Some(&now)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits for a process that has ended, if it is a child of ours.
pub(crate) fn reap(hold: &OwnedFd) -> Option<WaitIdStatus> {
    use std::os::fd::AsFd;
    waitid(WaitId::PidFd(hold.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).ok().flatten()
}

/// Sends a signal to exactly this process; one that is gone needs none.
pub(crate) fn send(hold: &OwnedFd, signal: Signal) -> io::Result<()> {
    match pidfd_send_signal(hold, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What `/proc/PID/stat` says about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The process.
    pub(crate) id: ProcessId,
    /// All its threads have ended, and its parent doesn't know yet.
    pub(crate) is_zombie: bool,
    /// Its parent.
    pub(crate) parent: i32,
    /// Its process group.
    pub(crate) group: i32,
    /// Its session.
    pub(crate) session: i32,
}

impl Stat {
    /// Whether it is a thread of the kernel: all of them descend from number 2.
    pub(crate) fn is_kernel(&self) -> bool {
        self.id.pid == 2 || self.parent == 2
    }

    /// Reads about a process; `None` if there is none of this number.
    pub(crate) fn read(pid: i32) -> io::Result<Option<Self>> {
        match fs::read(format!("/proc/{pid}/stat")) {
            Ok(text) => Ok(Self::parse(&text)),
            // Of other users' processes `/proc` may say nothing (`hidepid`); they can't be ours.
            Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads about all processes.
    pub(crate) fn all() -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir("/proc")? {
            if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
                all.extend(Self::read(pid)?);
            }
        }
        Ok(all)
    }

    /// The program's name stands in parentheses and may hold anything, so fields count from the last one.
    fn parse(text: &[u8]) -> Option<Self> {
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let pid = std::str::from_utf8(text.get(..close)?.split(|&byte| byte == b' ').next()?).ok()?.parse().ok()?;
        let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first of `fields` is field 3 of the manual page.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            id: ProcessId { pid, start_time: field(22)?.parse().ok()? },
            // A main thread that has gone is shown as a zombie while other threads go on.
            is_zombie: matches!(field(3)?, "Z" | "X" | "x") && field(20)?.parse::<u32>().ok()? <= 1,
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
        })
    }
}

/// All processes as they were a moment ago, so that many who ask at once cause one look.
#[derive(Debug, Default)]
pub(crate) struct RecentProcesses(RefCell<Option<(Instant, Arc<[Stat]>)>>);

impl RecentProcesses {
    /// For how long a look is recent.
    const RECENT: Duration = Duration::from_millis(20);

    pub(crate) fn all(&self) -> io::Result<Arc<[Stat]>> {
        let mut last = self.0.borrow_mut();
        if let Some((at, all)) = &*last
            && at.elapsed() < Self::RECENT
        {
            return Ok(Arc::clone(all));
        }
        let all: Arc<[Stat]> = Stat::all()?.into();
        *last = Some((Instant::now(), Arc::clone(&all)));
        Ok(all)
    }
}

/// The environment with which a process became the program that it is; empty if it shows none now.
pub(crate) fn environment(pid: i32) -> io::Result<Vec<u8>> {
    let whole = fs::read(format!("/proc/{pid}/environ"));
    let shows_none = match &whole {
        Ok(text) => text.is_empty(),
        Err(error) => is_gone(error),
    };
    if !shows_none {
        return whole;
    }
    // A main thread that has gone shows none, the threads that go on do.
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        match fs::read(thread?.path().join("environ")) {
            Ok(text) if text.is_empty() => {}
            Err(error) if is_gone(&error) => {}
            text => return text,
        }
    }
    whole
}

/// Whether an error of reading in `/proc/PID` means that the process is gone.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_shifts_no_field() {
        let mut text = b"42 (a) R 1 (\xff b) S 7 42 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 0 0".to_vec();
        let stat = Stat::parse(&text).unwrap();
        assert_eq!(stat.id, ProcessId { pid: 42, start_time: 98765 });
        assert_eq!((stat.is_zombie, stat.parent, stat.group, stat.session), (false, 7, 42, 40));
        for (threads, is_zombie) in [("1", true), ("2", false)] {
            let line = format!("42 (a) Z 7 42 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 {threads} 0 98765 0 0");
            assert_eq!(Stat::parse(line.as_bytes()).unwrap().is_zombie, is_zombie);
        }
        text.truncate(40);
        assert_eq!(Stat::parse(&text), None);
    }

    #[test]
    fn a_process_is_found_by_number_and_start_only() {
        let me = ProcessId::current().unwrap();
        assert!(!has_ended(&me.open().unwrap().unwrap()).unwrap());
        let other = ProcessId { start_time: me.start_time + 1, ..me };
        assert!(other.open().unwrap().is_none());
        assert!(Stat::all().unwrap().iter().any(|stat| stat.id == me));
    }
}
