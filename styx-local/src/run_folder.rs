//! The folders of an execution. Its state folder is the only place that says whether it was claimed, and how it ended.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::{
    fs::{CWD, Mode, OFlags, mkfifoat},
    io::Errno,
};
use serde::{Serialize, de::DeserializeOwned};
use styx_core::id::ExecutionId;
use uuid::Uuid;

use crate::{
    notes::{CLAIM, Claim, Claimant, EXIT, Exit, How, JOB, Job, LOG_ID, REQUEST, SIGNAL, now_text},
    place::{Place, sync_folder},
};

/// What the names of folders that are being made begin with; the number of the process that makes it follows.
const UNFINISHED: &str = ".new-";
/// What the names of things begin with that were in the way of a file of ours.
const IN_THE_WAY: &str = ".in-the-way-";
/// How often a note is written until it counts as impossible. A removal of the folder that is under way spoils two tries: it
/// takes the file away, and then the folder.
const WRITE_TRIES: usize = 10;

/// Run folder and state folder of an execution of one log.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder {
    place: Arc<Place>,
    log_id: String,
    execution: String,
}

/// Whose the folders of an execution are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody's: there is none.
    Nobody,
    /// The log's that asks.
    Us,
    /// Another log's, or of unknown origin.
    Another,
}

impl RunFolder {
    /// The folders of an execution; `None` if its id can't be the name of a folder, as ids from elsewhere may.
    pub(crate) fn new(place: &Arc<Place>, execution: &ExecutionId, log_id: Uuid) -> Option<Self> {
        let execution = execution.to_string();
        let is_name = !execution.is_empty()
            && execution.len() <= 200
            && !execution.starts_with('.')
            && !execution.contains(['/', '\0']);
        is_name.then(|| Self::at(Arc::clone(place), log_id.to_string(), execution))
    }

    /// The folders that a shim is told to work in, or that were found.
    pub(crate) fn at(place: Arc<Place>, log_id: String, execution: String) -> Self {
        Self { place, log_id, execution }
    }

    /// The execution's id, which is the name of both folders.
    pub(crate) fn name(&self) -> &str {
        &self.execution
    }

    /// Where the run folder is now, for other processes and for people.
    pub(crate) fn shown(&self) -> PathBuf {
        self.place.shown().join(&self.execution)
    }

    /// The run folder, for this process.
    pub(crate) fn run(&self) -> PathBuf {
        self.place.run(&self.execution)
    }

    /// The state folder, for this process.
    pub(crate) fn state(&self) -> PathBuf {
        self.place.states().join(&self.execution)
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> io::Result<Owner> {
        match self.state_owner()? {
            // A run folder that we haven't made isn't ours to work in.
            Owner::Nobody if exists(&self.run())? => Ok(Owner::Another),
            owner => Ok(owner),
        }
    }

    /// A folder has its owner's name from its first moment on, but a crash of the machine may take the name, or all that is in the
    /// folder, before it is claimed. Then it belongs to the log that asks.
    fn state_owner(&self) -> io::Result<Owner> {
        let state = self.state();
        match fs::read_to_string(state.join(LOG_ID)) {
            Ok(text) if text.is_empty() || text.trim() == self.log_id => Ok(Owner::Us),
            Ok(_) => Ok(Owner::Another),
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Owner::Another),
            Err(error) if is_nothing(&error) => {
                Ok(match fs::read_dir(&state).map(|mut entries| entries.next().is_none()) {
                    Ok(true) => Owner::Us,
                    Err(error) if is_nothing(&error) => Owner::Nobody,
                    _ => Owner::Another,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the state folder unless there is one, and says whose it is then. It appears as a whole, with its owner's name.
    pub(crate) fn ensure(&self) -> io::Result<Owner> {
        match self.owner()? {
            Owner::Nobody => self.make_state(),
            Owner::Another => Ok(Owner::Another),
            Owner::Us => {
                let name = self.state().join(LOG_ID);
                match fs::metadata(&name) {
                    Ok(metadata) if metadata.len() == 0 => fs::write(name, &self.log_id).map(|()| Owner::Us),
                    Ok(_) => Ok(Owner::Us),
                    Err(error) if error.kind() == ErrorKind::NotFound => self.make_state(),
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn make_state(&self) -> io::Result<Owner> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let unfinished = format!("{UNFINISHED}{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let unfinished = self.place.states().join(unfinished);
        DirBuilder::new().mode(0o700).create(&unfinished)?;
        let made = fs::write(unfinished.join(LOG_ID), &self.log_id)
            .and_then(|()| Ok(mkfifoat(CWD, unfinished.join(SIGNAL), Mode::RUSR | Mode::WUSR)?))
            .and_then(|()| fs::rename(&unfinished, self.state()));
        if let Err(error) = made {
            let _ = fs::remove_dir_all(&unfinished);
            // Somebody else was faster, which is as good.
            if !matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) {
                return Err(error);
            }
        }
        self.state_owner()
    }

    /// Makes a claimed execution's state folder that is gone. No claim syncs it any more.
    fn make_state_again(&self) -> io::Result<()> {
        self.make_state()?;
        File::open(self.state().join(LOG_ID))?.sync_all()?;
        sync_folder(&self.place.states())
    }

    /// Makes the run folder of an execution whose state folder is ours, unless it is there.
    pub(crate) fn make_run(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(self.run()) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Notes what was asked for, for people.
    pub(crate) fn write_request(&self, request: &[u8]) -> io::Result<()> {
        fs::write(self.run().join(REQUEST), request)
    }

    /// Claims the execution, for ever and through a crash of the machine. `false` if it was claimed before.
    ///
    /// The claim is written aside and linked to its name: it appears with all its content, and only if there is none. All is
    /// synced after that, which takes one commit of the file system instead of two; a claim whose content a crash takes
    /// meanwhile is damaged, and still a claim.
    pub(crate) fn claim(&self, by: Claimant) -> io::Result<bool> {
        let claim = Claim { log_id: self.log_id.clone(), execution: self.execution.clone(), at: now_text(), by };
        let (state, aside) = (self.state(), self.aside(CLAIM));
        let file = write(&aside, &claim)?;
        let linked = fs::hard_link(&aside, state.join(CLAIM));
        let _ = fs::remove_file(&aside);
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error),
        }
        file.sync_all()?;
        File::open(state.join(LOG_ID))?.sync_all()?;
        sync_folder(&state)?;
        sync_folder(&self.place.states())?;
        Ok(true)
    }

    /// The claim, if there is one.
    pub(crate) fn read_claim(&self) -> io::Result<Option<Claim>> {
        match self.read::<Claim>(CLAIM) {
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Some(Claim {
                log_id: self.log_id.clone(),
                execution: self.execution.clone(),
                at: String::new(),
                by: Claimant::Unreadable,
            })),
            claim => claim,
        }
    }

    /// The job's process, once it runs. It isn't synced, so a file that can't be read is none.
    pub(crate) fn read_job(&self) -> io::Result<Option<Job>> {
        match self.read(JOB) {
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(None),
            job => job,
        }
    }

    /// How it ended, once it has.
    pub(crate) fn read_exit(&self) -> io::Result<Option<Exit>> {
        match self.read(EXIT) {
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let how = How::Lost { reason: format!("the note of its end is damaged: {error}") };
                Ok(Some(Exit { at: now_text(), how }))
            }
            exit => exit,
        }
    }

    /// Notes the job's process. Not synced: after a crash of the machine the process is gone too. The job may have removed the state
    /// folder by now, which is mended.
    pub(crate) fn write_job(&self, job: &Job) -> io::Result<()> {
        self.write_and_mend(JOB, || self.try_write_job(job))
    }

    fn try_write_job(&self, job: &Job) -> io::Result<()> {
        let aside = self.aside(JOB);
        fs::write(&aside, to_json(job)?)?;
        fs::rename(aside, self.state().join(JOB))
    }

    /// Notes how it ended, for good. Whatever was done to the state folder meanwhile is mended first.
    pub(crate) fn write_exit(&self, exit: &Exit) -> io::Result<()> {
        self.write_and_mend(EXIT, || self.try_write_exit(exit))
    }

    fn try_write_exit(&self, exit: &Exit) -> io::Result<()> {
        let (state, aside) = (self.state(), self.aside(EXIT));
        // A job that removes the folder may leave it without its owner's name, and then it would be nobody's end.
        let name = state.join(LOG_ID);
        if !fs::metadata(&name).is_ok_and(|metadata| metadata.len() > 0) {
            fs::write(&name, &self.log_id)?;
            File::open(&name)?.sync_all()?;
        }
        write(&aside, exit)?.sync_all()?;
        fs::rename(aside, state.join(EXIT))?;
        sync_folder(&state)
    }

    /// Writes a note, and mends what keeps it from being written as often as the job may spoil it.
    fn write_and_mend(&self, note: &str, write: impl Fn() -> io::Result<()>) -> io::Result<()> {
        for _ in 1..WRITE_TRIES {
            let Err(error) = write() else { return Ok(()) };
            match self.mend(note, &error) {
                // The folder went again while it was made.
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        write()
    }

    /// Undoes what keeps a note from being written, if that can be done: a folder that is gone or closed to its owner, and
    /// what has taken the place of a file of ours.
    fn mend(&self, note: &str, error: &io::Error) -> io::Result<()> {
        let state = self.state();
        match Errno::from_io_error(error) {
            Some(Errno::NOENT | Errno::STALE) => self.make_state_again(),
            Some(errno @ (Errno::NOTDIR | Errno::LOOP)) if errno == Errno::NOTDIR || state.is_symlink() => {
                move_away(&state)?;
                self.make_state_again()
            }
            Some(Errno::ACCESS | Errno::PERM) => {
                for folder in [self.place.states(), state] {
                    // What this doesn't help, the next try says.
                    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
                }
                Ok(())
            }
            Some(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST | Errno::LOOP | Errno::TXTBSY | Errno::NXIO) => {
                for path in [self.aside(note), state.join(note)] {
                    if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
                        move_away(&path)?;
                    }
                }
                Ok(())
            }
            _ => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    fn aside(&self, name: &str) -> PathBuf {
        self.state().join(format!(".{name}-{}", std::process::id()))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        // It may be no file at all, or one without an end.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::open(self.state().join(name), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            // A link that leads to itself is nothing either.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut text = Vec::new();
        file.take(MAX_NOTE).read_to_end(&mut text)?;
        let damaged = |error| io::Error::new(ErrorKind::InvalidData, format!("{}/{name}: {error}", self.execution));
        serde_json::from_slice(&text).map(Some).map_err(damaged)
    }
}

/// No note is longer.
const MAX_NOTE: u64 = 1 << 20;

/// Removes state folders that were being made by processes that are gone.
pub(crate) fn remove_unfinished(place: &Place) -> io::Result<()> {
    for entry in fs::read_dir(place.states())? {
        let entry = entry?;
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED)?.split('-').next());
        if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// There is nothing, or a link that leads to itself.
fn is_nothing(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::LOOP))
}

fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn move_away(path: &Path) -> io::Result<()> {
    static MOVED: AtomicU64 = AtomicU64::new(0);
    let name = format!("{IN_THE_WAY}{}-{}", std::process::id(), MOVED.fetch_add(1, Ordering::Relaxed));
    match fs::rename(path, path.with_file_name(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{place::STATE, process::ProcessId};

    fn folder(place: &Arc<Place>, log: u128) -> RunFolder {
        RunFolder::new(place, &ExecutionId::parse("e"), Uuid::from_u128(log)).unwrap()
    }

    fn place() -> (tempfile::TempDir, Arc<Place>) {
        let root = tempfile::tempdir().unwrap();
        let place = Place::make(root.path()).unwrap();
        (root, place.into())
    }

    #[test]
    fn a_folder_is_claimed_once_and_by_its_log_only() {
        let (_root, place) = place();
        let ours = folder(&place, 1);
        assert_eq!(ours.owner().unwrap(), Owner::Nobody);
        assert_eq!(ours.ensure().unwrap(), Owner::Us);
        assert_eq!(ours.ensure().unwrap(), Owner::Us);
        assert_eq!(folder(&place, 2).ensure().unwrap(), Owner::Another);

        assert_eq!(ours.read_claim().unwrap(), None);
        let first = Claimant::Tombstone { lost: None };
        assert!(ours.claim(first.clone()).unwrap());
        assert!(!ours.claim(Claimant::Tombstone { lost: Some("later".into()) }).unwrap());
        assert_eq!(ours.read_claim().unwrap().unwrap().by, first);
        let mut names: Vec<_> = fs::read_dir(ours.state()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [CLAIM, LOG_ID, SIGNAL]);
    }

    #[test]
    fn an_end_is_noted_whatever_was_done_to_the_folder() {
        let (_root, place) = place();
        let run = folder(&place, 1);
        let obstacles: [&dyn Fn(); 7] = [
            &|| {},
            &|| fs::remove_dir_all(run.state()).unwrap(),
            &|| fs::remove_dir_all(place.shown().join(STATE)).unwrap(),
            &|| fs::set_permissions(run.state(), fs::Permissions::from_mode(0o000)).unwrap(),
            &|| fs::create_dir_all(run.state().join(EXIT).join("sub")).unwrap(),
            &|| {
                fs::remove_dir_all(run.state()).unwrap();
                fs::write(run.state(), "").unwrap();
            },
            // Closed to the administrator too.
            &|| {
                fs::remove_dir_all(run.state()).unwrap();
                std::os::unix::fs::symlink(run.state(), run.state()).unwrap();
            },
        ];
        for (n, obstacle) in obstacles.iter().enumerate() {
            let _ = fs::remove_dir_all(run.state()).or_else(|_| fs::remove_file(run.state()));
            assert_eq!(run.ensure().unwrap(), Owner::Us, "{n}");
            obstacle();
            let how = How::Ran { status: 0, signal: None, code: Some(0) };
            run.write_exit(&Exit { at: now_text(), how: how.clone() }).unwrap();
            assert_eq!(run.read_exit().unwrap().unwrap().how, how, "{n}");
            assert_eq!(run.owner().unwrap(), Owner::Us, "{n}");
        }
    }

    #[test]
    fn a_job_is_noted_while_it_removes_the_folder() {
        let (_root, place) = place();
        let run = folder(&place, 1);
        let process = ProcessId::current().unwrap();
        for n in 0..300 {
            let _ = fs::remove_dir_all(run.state());
            assert_eq!(run.ensure().unwrap(), Owner::Us);
            let (state, begin) = (run.state(), Arc::new(std::sync::Barrier::new(2)));
            let begins = Arc::clone(&begin);
            let remover = std::thread::spawn(move || {
                begins.wait();
                (0..4).for_each(|_| drop(fs::remove_dir_all(&state)));
            });
            begin.wait();
            let noted = run.write_job(&Job { process, at: now_text() });
            remover.join().unwrap();
            assert!(noted.is_ok(), "{n}: {noted:?}");
        }
    }

    #[test]
    fn ids_that_lead_elsewhere_have_no_folder() {
        let (_root, place) = place();
        for id in ["", ".", "..", ".new-1", ".state", "a/b", "/etc", "a\0b"] {
            assert!(RunFolder::new(&place, &ExecutionId::parse(id), Uuid::nil()).is_none(), "{id:?}");
        }
    }

    #[test]
    fn what_dead_processes_left_unfinished_is_removed() {
        let (_root, place) = place();
        let (dead, live) =
            (place.states().join(".new-999999999-0"), place.states().join(format!(".new-{}-0", std::process::id())));
        fs::create_dir(&dead).unwrap();
        fs::create_dir(&live).unwrap();
        remove_unfinished(&place).unwrap();
        assert!(!dead.exists() && live.exists());
    }
}
