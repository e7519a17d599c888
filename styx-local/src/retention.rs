//! What is kept of executions that have ended.
//!
//! Clean-up never takes the output at once: the run folders of the last few executions stay. Of older ones the state
//! folders stay, with notes, small files that still refuse a launch and tell the end to whoever asks again, until a day has passed
//! since the clean-up was asked for. The world asks for it only after it has recorded the end, and never launches an
//! ended execution; so whatever is still under way by then (a request that was queued, a shim that an earlier server
//! started and that got no time yet) is younger than a day. And a shim whose folder is gone can't claim, so it starts
//! nothing.

use std::{
    collections::{HashMap, VecDeque},
    fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use crate::{
    notes::{CLAIM, CLEANED, EXIT, JOB, LOG_ID},
    place::Place,
    run_folder::{Owner, RunFolder},
};

/// How long the notes of an execution stay.
const NOTES_STAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The notes that stay when the rest goes.
const NOTES: [&str; 5] = [CLAIM, CLEANED, EXIT, JOB, LOG_ID];

/// The ended executions of each log, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    logs: HashMap<Uuid, Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    whole: VecDeque<(SystemTime, RunFolder)>,
    notes: VecDeque<(SystemTime, RunFolder)>,
}

impl Retention {
    /// Takes on an execution that has ended, and removes what is too old by now.
    pub(crate) fn clean_up(
        &mut self,
        place: &Arc<Place>,
        log_id: Uuid,
        run: &RunFolder,
        keep_runs: usize,
        now: SystemTime,
    ) -> io::Result<()> {
        let ended = match self.logs.entry(log_id) {
            std::collections::hash_map::Entry::Occupied(ended) => ended.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => free.insert(Ended::read(place, log_id)?),
        };
        match fs::OpenOptions::new().write(true).create_new(true).open(run.state().join(CLEANED)) {
            Ok(_) => ended.add(now, run.clone()),
            // Asked again, or nothing is left at all.
            Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
        ended.remove_old(keep_runs, now);
        Ok(())
    }
}

impl Ended {
    fn read(place: &Arc<Place>, log_id: Uuid) -> io::Result<Self> {
        let mut found = Vec::new();
        for entry in fs::read_dir(place.states())? {
            let entry = entry?;
            let Ok(marked) = fs::metadata(entry.path().join(CLEANED)) else {
                continue;
            };
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let run = RunFolder::at(Arc::clone(place), log_id.to_string(), name);
            if run.owner()? == Owner::Us {
                found.push((marked.modified()?, run));
            }
        }
        found.sort_by_key(|(at, _)| *at);
        let mut ended = Self::default();
        for (at, run) in found {
            ended.add(at, run);
        }
        Ok(ended)
    }

    fn add(&mut self, at: SystemTime, run: RunFolder) {
        let has_output = run.run().exists();
        let place = if has_output { &mut self.whole } else { &mut self.notes };
        place.push_back((at, run));
    }

    /// Removes what is too old. What can't be removed is tried again after all others: it isn't the business of the execution
    /// that has just ended.
    fn remove_old(&mut self, keep_runs: usize, now: SystemTime) {
        for _ in keep_runs..self.whole.len() {
            let Some((at, run)) = self.whole.pop_front() else { break };
            match remove_tree(&run.run()).and_then(|()| strip(&run.state())) {
                Ok(()) => {
                    let place = self.notes.partition_point(|(other, _)| *other <= at);
                    self.notes.insert(place, (at, run));
                }
                Err(error) => {
                    tracing::warn!("can't remove the output of an old run, {}: {error}", run.shown().display());
                    self.whole.push_back((at, run));
                }
            }
        }
        let old = |at: &SystemTime| now.duration_since(*at).is_ok_and(|age| age >= NOTES_STAY);
        let count = self.notes.iter().take_while(|(at, _)| old(at)).count();
        for (_, run) in self.notes.drain(..count).collect::<Vec<_>>() {
            if let Err(error) = remove_tree(&run.run()).and_then(|()| remove_tree(&run.state())) {
                tracing::warn!("can't remove the notes of an old run, {}: {error}", run.shown().display());
                self.notes.push_back((now, run));
            }
        }
    }
}

/// Removes all of a state folder but the notes.
fn strip(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return absent_is_fine(Err(error)),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| NOTES.contains(&name)) {
            continue;
        }
        remove_tree(&entry.path())?;
    }
    Ok(())
}

/// Removes whatever has this name. Folders that a job has closed to their owner are opened first.
fn remove_tree(path: &Path) -> io::Result<()> {
    match remove(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path)?;
            absent_is_fine(remove(path))
        }
        removed => absent_is_fine(removed),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn open_folders(path: &Path) -> io::Result<()> {
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        if fs::symlink_metadata(&folder)?.is_dir() {
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
            for entry in fs::read_dir(&folder)? {
                open.push(entry?.path());
            }
        }
    }
    Ok(())
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use styx_core::id::ExecutionId;

    use super::*;
    use crate::notes::{Claimant, OUTPUT};

    fn ended(place: &Arc<Place>, name: &str, with_output: bool) -> RunFolder {
        let run = RunFolder::new(place, &ExecutionId::parse(name), Uuid::nil()).unwrap();
        run.ensure().unwrap();
        run.claim(Claimant::Tombstone { lost: None }).unwrap();
        if with_output {
            run.make_run().unwrap();
            fs::write(run.run().join(OUTPUT), "o").unwrap();
            // As a build tool leaves its cache: nobody may write into it.
            fs::create_dir_all(run.run().join("left/cache")).unwrap();
            fs::set_permissions(run.run().join("left"), fs::Permissions::from_mode(0o500)).unwrap();
        }
        run
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn output_stays_for_the_last_few_and_notes_for_a_day() {
        let root = tempfile::tempdir().unwrap();
        let place = Arc::new(Place::make(root.path()).unwrap());
        let (root, states) = (root.path(), place.states());
        let now = SystemTime::now();
        let mut retention = Retention::default();
        for name in ["a", "b", "c"] {
            let run = ended(&place, name, true);
            retention.clean_up(&place, Uuid::nil(), &run, 2, now).unwrap();
            retention.clean_up(&place, Uuid::nil(), &run, 2, now).unwrap();
        }
        let tombstone = ended(&place, "t", false);
        // Another executor finds the same, and takes on the next.
        let mut retention = Retention::default();
        retention.clean_up(&place, Uuid::nil(), &tombstone, 2, now).unwrap();
        assert_eq!(names(&states.join("a")), [CLAIM, CLEANED, LOG_ID]);
        assert!(!root.join("a").exists());
        assert!(root.join("b").join(OUTPUT).exists() && root.join("c").join(OUTPUT).exists());

        let later = SystemTime::now() + NOTES_STAY;
        let last = ended(&place, "d", true);
        retention.clean_up(&place, Uuid::nil(), &last, 2, later).unwrap();
        assert_eq!(names(root), [".state", "c", "d"], "b had no more right to its output, and is a day old");
        assert_eq!(names(&states), ["c", "d"]);
    }

    #[test]
    fn links_of_a_job_are_removed_and_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = root.path().join("outside");
        fs::create_dir_all(outside.join("kept")).unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o500)).unwrap();
        let tree = root.path().join("tree");
        fs::create_dir_all(tree.join("closed")).unwrap();
        std::os::unix::fs::symlink(&outside, tree.join("closed/link")).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        // Nothing is closed to the administrator: that it is opened shows before it is removed.
        set(&tree.join("closed"), 0o000);
        open_folders(&tree).unwrap();
        assert_eq!((mode(&tree.join("closed")), mode(&outside)), (0o700, 0o500));
        set(&tree.join("closed"), 0o000);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && outside.join("kept").exists());
        assert_eq!(mode(&outside), 0o500);
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o700)).unwrap();
    }
}
