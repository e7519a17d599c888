//! Where executions have their folders.
//!
//! Each has two: the *run folder* `ROOT/ID`, where the job may work and which it may empty, and the *state folder*
//! `ROOT/.state/ID`, where claim and end lie. Jobs don't work there, and neither `rm -rf ROOT/*` nor a clean-up in a run folder
//! reaches it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rustix::fs::OFlags;

/// The name of the folder of state folders; no execution can have it.
pub(crate) const STATE: &str = ".state";

/// The folders of all executions.
#[derive(Debug)]
pub(crate) struct Place {
    runs: Held,
    state: Held,
}

impl Place {
    /// The place at `root`, made with mode 0700 if it isn't there.
    pub(crate) fn make(root: &Path) -> io::Result<Self> {
        let runs = Held::make(root)?;
        let state = Held::make(&runs.path.join(STATE))?;
        Ok(Self { runs, state })
    }

    /// The place that is at `root`.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let runs = Held::open(root)?;
        let state = Held::open(&runs.path.join(STATE))?;
        Ok(Self { runs, state })
    }

    /// The path of a run folder for this process, which stays right when the place is moved.
    pub(crate) fn run(&self, execution: &str) -> PathBuf {
        self.runs.reach().join(execution)
    }

    /// The path of the folder of state folders for this process, which stays right when the place is moved.
    pub(crate) fn states(&self) -> PathBuf {
        self.state.reach()
    }

    /// Where run folders are now, for other processes and for people.
    pub(crate) fn shown(&self) -> PathBuf {
        self.runs.shown()
    }
}

/// A folder that is held by its descriptor: neither a rename of it nor of one above it changes what it is. If it is removed it
/// is made again where it was.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    descriptor: Mutex<File>,
}

impl Held {
    fn make(path: &Path) -> io::Result<Self> {
        make_folder(path)?;
        Self::open(path)
    }

    fn open(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        let descriptor = Mutex::new(open(&path)?);
        Ok(Self { path, descriptor })
    }

    /// A path through the descriptor. An error to make a removed folder again is one of whatever is done in it then.
    fn reach(&self) -> PathBuf {
        let mut descriptor = self.descriptor.lock().unwrap_or_else(PoisonError::into_inner);
        if is_removed(&descriptor) {
            match make_folder(&self.path).and_then(|()| open(&self.path)) {
                Ok(again) => *descriptor = again,
                Err(error) => tracing::warn!("can't make {} again: {error}", self.path.display()),
            }
        }
        PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
    }

    fn shown(&self) -> PathBuf {
        let descriptor = self.descriptor.lock().unwrap_or_else(PoisonError::into_inner);
        let present = fs::read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd()));
        present.ok().filter(|_| !is_removed(&descriptor)).unwrap_or_else(|| self.path.clone())
    }
}

/// Makes a folder, and those above it that aren't there. Their names are synced: a loss of power that took one would take
/// every claim below it.
fn make_folder(path: &Path) -> io::Result<()> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        // Who made it may have been killed before it synced the name, or may have let nobody open the folder above.
        let _ = sync_folder(above);
        return Ok(());
    }
    if !above.is_dir() {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_folder(above)
}

/// Syncs the names in a folder.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from((OFlags::DIRECTORY | OFlags::CLOEXEC).bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn is_removed(folder: &File) -> bool {
    folder.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_follows_a_rename_and_comes_back_after_a_removal() {
        let folder = tempfile::tempdir().unwrap();
        let (before, after) = (folder.path().join("a/runs"), folder.path().join("b/runs"));
        let place = Place::make(&before).unwrap();
        fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        fs::create_dir(place.run("x")).unwrap();
        fs::write(place.states().join("y"), "").unwrap();
        assert!(after.join("x").is_dir() && after.join(STATE).join("y").exists() && !before.exists());
        assert_eq!(place.shown(), fs::canonicalize(&after).unwrap());

        fs::remove_dir_all(folder.path().join("b")).unwrap();
        fs::write(place.states().join("y"), "").unwrap();
        assert!(before.join(STATE).join("y").exists());
        fs::create_dir(place.run("x")).unwrap();
        assert_eq!(place.shown(), fs::canonicalize(&before).unwrap());
    }
}
