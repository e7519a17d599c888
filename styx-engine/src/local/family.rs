//! All processes of an execution, also those that a dead shim left behind.

use std::{fs, io, os::fd::OwnedFd, path::Path};

use rustix::process::Signal;

use super::{
    notes::Job,
    process::{ProcessId, Stat, is_gone, send},
};

/// The two variables that every process of an execution, and nobody else, has in its environment.
pub(super) const TAGS: [&str; 2] = ["STYX_EXECUTION_ID", "STYX_RUN_DIR"];

/// How often a search is repeated while it still finds processes that were started meanwhile.
const MAX_ROUNDS: usize = 20;

/// How many searches in a row must find nobody new: a process that starts another and ends can slip through one.
const QUIET_ROUNDS: usize = 2;

/// The processes that belong to an execution, without its shim.
///
/// A process belongs to it if it started after the claim and is the job itself, or has the execution's id and run
/// folder in its environment, or is in the session of a shim that still lives. While the shim lives nobody else can have
/// a session of that number; afterwards numbers prove nothing, and the environment, which children inherit, has to.
pub(super) struct Family<'a> {
    /// The shim that claimed the execution, if that is known.
    pub(super) shim: Option<ProcessId>,
    /// Whether it still lives.
    pub(super) shim_lives: bool,
    /// The job's leading process.
    pub(super) job: Option<&'a Job>,
    /// Which execution.
    pub(super) execution: &'a str,
    /// Its run folder.
    pub(super) run_folder: &'a Path,
}

/// What was left of a family after it was signalled.
pub(super) struct Left {
    /// Members that were still there.
    pub(super) members: Vec<OwnedFd>,
    /// Somebody was there of whom it couldn't be told, and can be in a moment.
    pub(super) is_unsure: bool,
}

/// Whether a process belongs to a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belongs {
    Yes,
    No,
    /// It shows no environment: it is just becoming another program, or ending, or has none.
    Unsure,
}

impl Family<'_> {
    /// Signals all members, until searches find none that hasn't had the signal.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<Left> {
        let mut signalled: Vec<ProcessId> = Vec::new();
        let mut quiet = 0;
        for _ in 0..MAX_ROUNDS {
            let (members, is_unsure) = self.members()?;
            let is_new = |(id, _): &&(ProcessId, OwnedFd)| !signalled.contains(id);
            let new: Vec<&(ProcessId, OwnedFd)> = members.iter().filter(is_new).collect();
            quiet = if new.is_empty() { quiet + 1 } else { 0 };
            if quiet == QUIET_ROUNDS {
                return Ok(Left { members: members.into_iter().map(|(_, hold)| hold).collect(), is_unsure });
            }
            let ids: Vec<ProcessId> = new.iter().map(|(id, _)| *id).collect();
            for (id, hold) in new {
                if let Err(error) = send(hold, signal) {
                    tracing::warn!(execution = self.execution, pid = id.pid, %error, "can't signal a process");
                }
            }
            signalled.extend(ids);
        }
        // They start processes as fast as we find them: another time.
        let (members, _) = self.members()?;
        Ok(Left { members: members.into_iter().map(|(_, hold)| hold).collect(), is_unsure: true })
    }

    fn members(&self) -> io::Result<(Vec<(ProcessId, OwnedFd)>, bool)> {
        let me = ProcessId::current()?;
        let (mut members, mut is_unsure) = (Vec::new(), false);
        for stat in Stat::all()? {
            if stat.is_zombie || stat.is_kernel() || stat.id == me || Some(stat.id) == self.shim {
                continue;
            }
            match self.has(&stat)? {
                Belongs::Yes => members.extend(stat.id.open()?.map(|hold| (stat.id, hold))),
                Belongs::Unsure => is_unsure = true,
                Belongs::No => {}
            }
        }
        Ok((members, is_unsure))
    }

    fn has(&self, stat: &Stat) -> io::Result<Belongs> {
        if self.job.is_some_and(|job| job.process == stat.id) {
            return Ok(Belongs::Yes);
        }
        if self.shim.is_some_and(|shim| stat.id.start_time < shim.start_time) {
            return Ok(Belongs::No);
        }
        if self.shim_lives && self.shim.is_some_and(|shim| shim.pid == stat.session) {
            return Ok(Belongs::Yes);
        }
        match fs::read(format!("/proc/{}/environ", stat.id.pid)) {
            Ok(environment) if environment.is_empty() => Ok(Belongs::Unsure),
            Ok(environment) if self.is_tagged(&environment) => Ok(Belongs::Yes),
            Ok(_) => Ok(Belongs::No),
            Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::PermissionDenied => Ok(Belongs::No),
            Err(error) => Err(error),
        }
    }

    fn is_tagged(&self, environment: &[u8]) -> bool {
        let run_folder = self.run_folder.as_os_str().as_encoded_bytes();
        let values = [self.execution.as_bytes(), run_folder];
        let has = |name: &str, value: &[u8]| {
            environment.split(|&byte| byte == 0).any(|entry| {
                entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) == Some(value)
            })
        };
        TAGS.iter().zip(values).all(|(name, value)| has(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tags_are_needed_in_full() {
        let family = Family {
            shim: None,
            shim_lives: false,
            job: None,
            execution: "styx-run-1",
            run_folder: Path::new("/d/styx-run-1"),
        };
        assert!(family.is_tagged(b"A=1\0STYX_RUN_DIR=/d/styx-run-1\0STYX_EXECUTION_ID=styx-run-1\0"));
        for other in [
            &b""[..],
            b"STYX_EXECUTION_ID=styx-run-1\0",
            b"STYX_EXECUTION_ID=styx-run-1\0STYX_RUN_DIR=/e/styx-run-1\0",
            b"STYX_EXECUTION_ID=styx-run-12\0STYX_RUN_DIR=/d/styx-run-1\0",
            b"XSTYX_EXECUTION_ID=styx-run-1\0STYX_RUN_DIR=/d/styx-run-1\0",
        ] {
            assert!(!family.is_tagged(other), "{}", String::from_utf8_lossy(other));
        }
    }
}
