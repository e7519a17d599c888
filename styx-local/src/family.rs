//! All processes of an execution, also those that a dead shim left behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process_group},
};

use crate::{
    notes::Job,
    process::{ProcessId, RecentProcesses, Stat, environment, is_gone, send},
};

/// The two variables that every process of an execution, and nobody else, has in its environment.
pub(crate) const TAGS: [&str; 2] = ["STYX_EXECUTION_ID", "STYX_RUN_DIR"];
/// The variable that only a shim has, with the id of the log that it works for.
pub(crate) const SHIM_TAG: &str = "STYX_SHIM";

/// How often a search is repeated while it still finds processes that were started meanwhile.
const MAX_ROUNDS: usize = 20;

/// How many searches in a row must find nobody new: a process that starts another and ends can slip through one.
const QUIET_ROUNDS: usize = 2;

/// The processes that belong to an execution, without its shim.
///
/// While the shim lives, a process belongs to it if it descends from it: the shim is the subreaper, so nobody leaves that way,
/// whatever group or session they go to. Afterwards a process belongs to it if it started after the claim and is the job
/// itself, or has the execution's id and run folder in its environment, or is in a session with such a one: sessions aren't
/// entered from outside, so this finds those that cleared their environment too.
pub(crate) struct Family<'a> {
    /// The shim that claimed the execution, if that is known.
    pub(crate) shim: Option<ProcessId>,
    /// Whether it still lives.
    pub(crate) shim_lives: bool,
    /// The job's leading process.
    pub(crate) job: Option<&'a Job>,
    /// Which execution.
    pub(crate) execution: &'a str,
    /// Where its run folder is now.
    pub(crate) run_folder: PathBuf,
}

/// What was left of a family after it was killed.
pub(crate) struct Left {
    /// One of the members that were still there.
    pub(crate) survivor: Option<OwnedFd>,
    /// Somebody was there of whom it couldn't be told, and can be in a moment.
    pub(crate) is_unsure: bool,
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
    /// Kills all members, until searches find none that hasn't been killed.
    pub(crate) fn kill(&self) -> io::Result<Left> {
        let mut killed: BTreeSet<ProcessId> = BTreeSet::new();
        let mut quiet = 0;
        let mut rounds = 0;
        loop {
            let (members, is_unsure) = self.members(&Stat::all()?)?;
            let new: Vec<ProcessId> = members.iter().map(|stat| stat.id).filter(|id| killed.insert(*id)).collect();
            quiet = if new.is_empty() { quiet + 1 } else { 0 };
            rounds += 1;
            // If they start processes as fast as we find them, we come back another time.
            let is_overrun = rounds == MAX_ROUNDS;
            for id in new {
                // One hold at a time, however many they are.
                if let Some(hold) = id.open()?
                    && let Err(error) = send(&hold, Signal::KILL)
                {
                    tracing::warn!(execution = self.execution, pid = id.pid, %error, "can't signal a process");
                }
            }
            if quiet == QUIET_ROUNDS || is_overrun {
                let survivor = members.iter().find_map(|stat| stat.id.open().transpose()).transpose()?;
                return Ok(Left { survivor, is_unsure: is_unsure || is_overrun });
            }
        }
    }

    /// Asks all members to end: each of their process groups at once, so that nobody is asked twice and what a member starts
    /// to end in order isn't asked at all. `false` if there was nobody.
    pub(crate) fn ask_to_end(&self, processes: &RecentProcesses) -> io::Result<bool> {
        let mut members = self.members(&processes.all()?)?.0;
        if let Some(job) = self.job
            && !members.iter().any(|stat| stat.id == job.process)
        {
            // It is younger than the look, or has ended.
            members.extend(Stat::read(job.process.pid)?.filter(|stat| stat.id == job.process));
        }
        let own =
            [self.shim.map_or(0, |shim| shim.pid), Stat::read(ProcessId::current()?.pid)?.map_or(0, |me| me.group)];
        let groups: BTreeSet<i32> =
            members.iter().map(|stat| stat.group).filter(|group| !own.contains(group)).collect();
        for group in groups {
            match Pid::from_raw(group).map(|group| kill_process_group(group, Signal::TERM)) {
                None | Some(Ok(()) | Err(Errno::SRCH)) => {}
                Some(Err(error)) => {
                    tracing::warn!(execution = self.execution, group, %error, "can't signal a process group");
                }
            }
        }
        for stat in members.iter().filter(|stat| own.contains(&stat.group)) {
            if let Some(hold) = stat.id.open()? {
                send(&hold, Signal::TERM)?;
            }
        }
        Ok(!members.is_empty())
    }

    fn members(&self, all: &[Stat]) -> io::Result<(Vec<Stat>, bool)> {
        let me = ProcessId::current()?;
        let descendants = if self.shim_lives { descendants(all, self.shim) } else { BTreeSet::new() };
        let could_be =
            |stat: &&Stat| !stat.is_zombie && !stat.is_kernel() && stat.id != me && Some(stat.id) != self.shim;
        let (mut members, mut others, mut is_unsure) = (Vec::new(), Vec::new(), false);
        for stat in all.iter().filter(could_be) {
            match self.has(stat, &descendants)? {
                Belongs::Yes => members.push(*stat),
                belongs => others.push((*stat, belongs)),
            }
        }
        let sessions = self.sessions(all, &members, me);
        for (stat, belongs) in others {
            if sessions.contains(&stat.session) {
                members.push(stat);
            } else if belongs == Belongs::Unsure {
                is_unsure = true;
            }
        }
        Ok((members, is_unsure))
    }

    /// The sessions that only members can be in. A shim that is just being started has the tags, and is in its server's session
    /// still: so a session doesn't count that we are in, or that has somebody who is older than the claim.
    fn sessions(&self, all: &[Stat], members: &[Stat], me: ProcessId) -> BTreeSet<i32> {
        let Some(shim) = self.shim.filter(|_| !self.shim_lives) else {
            return BTreeSet::new();
        };
        let mut sessions: BTreeSet<i32> = members.iter().map(|stat| stat.session).collect();
        for stat in all {
            if stat.id == me || stat.id.start_time < shim.start_time {
                sessions.remove(&stat.session);
            }
        }
        sessions
    }

    fn has(&self, stat: &Stat, descendants: &BTreeSet<i32>) -> io::Result<Belongs> {
        if self.job.is_some_and(|job| job.process == stat.id) {
            return Ok(Belongs::Yes);
        }
        if self.shim.is_some_and(|shim| stat.id.start_time < shim.start_time) {
            return Ok(Belongs::No);
        }
        if self.shim_lives {
            // While the shim lives nobody else can have a session of its number.
            let is_ours = descendants.contains(&stat.id.pid) || self.shim.is_some_and(|shim| shim.pid == stat.session);
            return Ok(if is_ours { Belongs::Yes } else { Belongs::No });
        }
        match environment(stat.id.pid) {
            Ok(environment) if environment.is_empty() => Ok(Belongs::Unsure),
            Ok(environment) if self.is_tagged(&environment) => Ok(Belongs::Yes),
            Ok(_) => Ok(Belongs::No),
            Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::PermissionDenied => Ok(Belongs::No),
            Err(error) => Err(error),
        }
    }

    fn is_tagged(&self, environment: &[u8]) -> bool {
        let [execution, run_folder] = TAGS.map(|name| variable(environment, name));
        execution == Some(self.execution.as_bytes())
            && run_folder.is_some_and(|named| is_run_folder(named, self.execution, &self.run_folder))
    }
}

/// Whether a path that a process was given names the run folder that is at `here`, or did: it may have been moved, or removed.
/// Another folder of the path says that the process belongs to a copy of the place.
pub(crate) fn is_run_folder(named: &[u8], execution: &str, here: &Path) -> bool {
    let Ok(named) = std::str::from_utf8(named).map(Path::new) else { return false };
    if named == here {
        return true;
    }
    let is_of_execution = named.is_absolute() && named.file_name().is_some_and(|name| name == execution);
    is_of_execution
        && match (fs::metadata(named), fs::metadata(here)) {
            (Ok(there), Ok(here)) => (there.dev(), there.ino()) == (here.dev(), here.ino()),
            (Ok(_), Err(_)) => false,
            (Err(_), _) => true,
        }
}

/// The value of a variable in what `/proc/PID/environ` shows.
pub(crate) fn variable<'a>(environment: &'a [u8], name: &str) -> Option<&'a [u8]> {
    environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")))
}

/// The numbers of all that descend from a process.
fn descendants(all: &[Stat], ancestor: Option<ProcessId>) -> BTreeSet<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for stat in all {
        children.entry(stat.parent).or_default().push(stat.id.pid);
    }
    let mut found = BTreeSet::new();
    let mut open: Vec<i32> = ancestor.map(|process| process.pid).into_iter().collect();
    while let Some(parent) = open.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if found.insert(*child) {
                open.push(*child);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(run_folder: PathBuf) -> Family<'static> {
        Family { shim: None, shim_lives: false, job: None, execution: "styx-run-1", run_folder }
    }

    #[test]
    fn both_tags_are_needed_in_full() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other/styx-run-1");
        fs::create_dir_all(&other).unwrap();
        let family = family("/d/styx-run-1".into());
        assert!(family.is_tagged(b"A=1\0STYX_RUN_DIR=/d/styx-run-1\0STYX_EXECUTION_ID=styx-run-1\0"));
        for other in [
            &b""[..],
            b"STYX_EXECUTION_ID=styx-run-1\0",
            format!("STYX_EXECUTION_ID=styx-run-1\0STYX_RUN_DIR={}\0", other.display()).as_bytes(),
            b"STYX_EXECUTION_ID=styx-run-12\0STYX_RUN_DIR=/d/styx-run-1\0",
            b"STYX_EXECUTION_ID=styx-run-1\0STYX_RUN_DIR=/d/styx-run-12\0",
            b"XSTYX_EXECUTION_ID=styx-run-1\0STYX_RUN_DIR=/d/styx-run-1\0",
        ] {
            assert!(!family.is_tagged(other), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn a_run_folder_is_known_by_every_name_but_not_its_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (here, moved, copy) =
            (folder.path().join("here/styx-run-1"), folder.path().join("moved/styx-run-1"), folder.path().join("copy"));
        fs::create_dir_all(&here).unwrap();
        fs::create_dir_all(copy.join("styx-run-1")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("here"), folder.path().join("link")).unwrap();
        let tags =
            |path: &Path| format!("STYX_EXECUTION_ID=styx-run-1\0STYX_RUN_DIR={}\0", path.display()).into_bytes();
        let names =
            [here.clone(), folder.path().join("link/styx-run-1"), folder.path().join("here/../here/styx-run-1")];
        for name in names {
            assert!(family(here.clone()).is_tagged(&tags(&name)), "{}", name.display());
        }
        assert!(!family(copy.join("styx-run-1")).is_tagged(&tags(&here)));
        fs::rename(folder.path().join("here"), folder.path().join("moved")).unwrap();
        assert!(family(moved).is_tagged(&tags(&here)));
    }

    #[test]
    fn descendants_are_found_through_all_generations() {
        let stat = |pid, parent| Stat {
            id: ProcessId { pid, start_time: 1 },
            is_zombie: false,
            parent,
            group: pid,
            session: pid,
        };
        let all = [stat(1, 0), stat(5, 1), stat(4, 5), stat(9, 4), stat(6, 1), stat(7, 6)];
        assert_eq!(descendants(&all, Some(ProcessId { pid: 5, start_time: 1 })), [4, 9].into());
    }
}
