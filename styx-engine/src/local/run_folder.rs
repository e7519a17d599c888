//! The folder of an execution: the only place that says whether it was claimed, and how it ended.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::fs::{CWD, Mode, mkfifoat};
use serde::{Serialize, de::DeserializeOwned};
use styx_core::id::ExecutionId;
use uuid::Uuid;

use super::notes::{CLAIM, Claim, Claimant, EXIT, Exit, How, JOB, Job, LOG_ID, REQUEST, SIGNAL, now_text};

/// What the names of folders that are being made begin with; the number of the process that makes it follows.
const UNFINISHED: &str = ".new-";

/// The run folder of an execution of one log.
#[derive(Debug, Clone)]
pub(super) struct RunFolder {
    root: PathBuf,
    path: PathBuf,
    log_id: String,
    execution: String,
}

/// Whose a run folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody's: there is none.
    Nobody,
    /// The log's that asks.
    Us,
    /// Another log's, or of unknown origin.
    Another,
}

impl RunFolder {
    /// The folder of an execution; `None` if its id can't be the name of a folder, as ids from elsewhere may.
    pub(super) fn new(root: &Path, execution: &ExecutionId, log_id: Uuid) -> Option<Self> {
        let execution = execution.to_string();
        let is_name = !execution.is_empty()
            && execution.len() <= 200
            && !execution.starts_with('.')
            && !execution.contains(['/', '\0']);
        is_name.then(|| Self {
            root: root.to_owned(),
            path: root.join(&execution),
            log_id: log_id.to_string(),
            execution,
        })
    }

    /// The folder that a shim is told to work in.
    pub(super) fn at(path: PathBuf, log_id: String, execution: String) -> Self {
        let root = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        Self { root, path, log_id, execution }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, the execution's id.
    pub(super) fn name(&self) -> &str {
        &self.execution
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> io::Result<Owner> {
        match fs::read_to_string(self.path.join(LOG_ID)) {
            Ok(text) if text.trim() == self.log_id => Ok(Owner::Us),
            Ok(_) => Ok(Owner::Another),
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Owner::Another),
            Err(error) if error.kind() == ErrorKind::NotFound => match fs::symlink_metadata(&self.path) {
                Ok(_) => Ok(Owner::Another),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Owner::Nobody),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Makes the folder unless there is one, and says whose it is then. It appears as a whole, with its owner's name.
    pub(super) fn ensure(&self, request: Option<&[u8]>) -> io::Result<Owner> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let owner = self.owner()?;
        if owner != Owner::Nobody {
            return Ok(owner);
        }
        let unfinished = format!("{UNFINISHED}{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let unfinished = self.root.join(unfinished);
        DirBuilder::new().mode(0o700).create(&unfinished)?;
        let made = fs::write(unfinished.join(LOG_ID), &self.log_id)
            .and_then(|()| request.map_or(Ok(()), |request| fs::write(unfinished.join(REQUEST), request)))
            .and_then(|()| Ok(mkfifoat(CWD, unfinished.join(SIGNAL), Mode::RUSR | Mode::WUSR)?))
            .and_then(|()| fs::rename(&unfinished, &self.path));
        if let Err(error) = made {
            let _ = fs::remove_dir_all(&unfinished);
            // Somebody else was faster, which is as good.
            if !matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) {
                return Err(error);
            }
        }
        self.owner()
    }

    /// Claims the execution, for ever and through a crash of the machine. `false` if it was claimed before.
    ///
    /// The claim is written aside and linked to its name: it appears with all its content, and only if there is none. All is
    /// synced after that, which takes one commit of the file system instead of two; a claim whose content a crash takes
    /// meanwhile is damaged, and still a claim.
    pub(super) fn claim(&self, by: Claimant) -> io::Result<bool> {
        let claim = Claim { log_id: self.log_id.clone(), execution: self.execution.clone(), at: now_text(), by };
        let aside = self.aside(CLAIM);
        let file = write(&aside, &claim)?;
        let linked = fs::hard_link(&aside, self.path.join(CLAIM));
        let _ = fs::remove_file(&aside);
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error),
        }
        file.sync_all()?;
        File::open(self.path.join(LOG_ID))?.sync_all()?;
        sync_folder(&self.path)?;
        sync_folder(&self.root)?;
        Ok(true)
    }

    /// Who claimed the execution, if anybody did.
    pub(super) fn read_claim(&self) -> io::Result<Option<Claimant>> {
        match self.read::<Claim>(CLAIM) {
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Some(Claimant::Unreadable)),
            claim => Ok(claim?.map(|claim| claim.by)),
        }
    }

    /// The job's process, once it runs. It isn't synced, so a file that can't be read is none.
    pub(super) fn read_job(&self) -> io::Result<Option<Job>> {
        match self.read(JOB) {
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(None),
            job => job,
        }
    }

    /// How it ended, once it has.
    pub(super) fn read_exit(&self) -> io::Result<Option<Exit>> {
        match self.read(EXIT) {
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let how = How::Lost { reason: format!("the note of its end is damaged: {error}") };
                Ok(Some(Exit { at: now_text(), how }))
            }
            exit => exit,
        }
    }

    /// Notes the job's process. Not synced: after a crash of the machine the process is gone too.
    pub(super) fn write_job(&self, job: &Job) -> io::Result<()> {
        let aside = self.aside(JOB);
        fs::write(&aside, to_json(job)?)?;
        fs::rename(aside, self.path.join(JOB))
    }

    /// Notes how it ended, for good.
    pub(super) fn write_exit(&self, exit: &Exit) -> io::Result<()> {
        let aside = self.aside(EXIT);
        write(&aside, exit)?.sync_all()?;
        fs::rename(aside, self.path.join(EXIT))?;
        sync_folder(&self.path)
    }

    fn aside(&self, name: &str) -> PathBuf {
        self.path.join(format!(".{name}-{}", std::process::id()))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let text = match fs::read(self.path.join(name)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let damaged = |error| io::Error::new(ErrorKind::InvalidData, format!("{}/{name}: {error}", self.execution));
        serde_json::from_slice(&text).map(Some).map_err(damaged)
    }
}

/// Removes folders that were being made by processes that are gone.
pub(super) fn remove_unfinished(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED)?.split('-').next());
        if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn write(path: &Path, value: &impl Serialize) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(&to_json(value)?)?;
    Ok(file)
}

fn to_json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    Ok(text)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(root: &Path, log: u128) -> RunFolder {
        RunFolder::new(root, &ExecutionId::parse("e"), Uuid::from_u128(log)).unwrap()
    }

    #[test]
    fn a_folder_is_claimed_once_and_by_its_log_only() {
        let root = tempfile::tempdir().unwrap();
        let ours = folder(root.path(), 1);
        assert_eq!(ours.owner().unwrap(), Owner::Nobody);
        assert_eq!(ours.ensure(None).unwrap(), Owner::Us);
        assert_eq!(ours.ensure(None).unwrap(), Owner::Us);
        assert_eq!(folder(root.path(), 2).ensure(None).unwrap(), Owner::Another);

        assert_eq!(ours.read_claim().unwrap(), None);
        let first = Claimant::Tombstone { lost: None };
        assert!(ours.claim(first.clone()).unwrap());
        assert!(!ours.claim(Claimant::Tombstone { lost: Some("later".into()) }).unwrap());
        assert_eq!(ours.read_claim().unwrap().unwrap(), first);
        let mut names: Vec<_> = fs::read_dir(ours.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [CLAIM, LOG_ID, SIGNAL]);
    }

    #[test]
    fn ids_that_lead_elsewhere_have_no_folder() {
        let root = Path::new("/r");
        for id in ["", ".", "..", ".new-1", "a/b", "/etc", "a\0b"] {
            assert!(RunFolder::new(root, &ExecutionId::parse(id), Uuid::nil()).is_none(), "{id:?}");
        }
    }

    #[test]
    fn what_dead_processes_left_unfinished_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let (dead, live) =
            (root.path().join(".new-999999999-0"), root.path().join(format!(".new-{}-0", std::process::id())));
        fs::create_dir(&dead).unwrap();
        fs::create_dir(&live).unwrap();
        remove_unfinished(root.path()).unwrap();
        assert!(!dead.exists() && live.exists());
    }
}
