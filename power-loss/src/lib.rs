//! A disk for tests that forgets what wasn't synced.
//!
//! `kill -9` leaves all that a process wrote, since the kernel keeps it: no test that only kills notices a missing sync. A
//! [`Disk`] is a folder whose processes run with a library before `fsync` and `fdatasync` that keeps a copy of what was synced.
//! [`Disk::lose_power`] ends them and leaves of the folder what a loss of power may leave.
//!
//! # What counts as durable
//!
//! What POSIX promises, and no more:
//!
//! - The **content** of a file is what it was when `fsync` or `fdatasync` of it was last called. One that was never synced is empty.
//! - A **name** is durable once the folder that holds it was synced after it was made; so are its removal and its new place after
//!   a rename. A sync of the file isn't enough, though ext4 happens to keep the name of a new file with it. A folder that was never
//!   synced is empty, and one whose name wasn't synced in the folder above is gone, with all that was synced in it.
//! - The root itself and what was in it when the disk was made is durable.
//! - Nothing else makes anything durable: no close, no `sync_file_range`, no `O_SYNC`, no system call behind the library's back. What
//!   uses these loses more here than on a disk, and a test says so.
//!
//! A journal may also have kept more than that, in an order of its own, so there is more than one [`Loss`]. Real disks may
//! lie about syncs; that isn't tried.
//!
//! ```
//! use std::{fs, process::Command};
//! use power_loss::{Disk, Loss};
//!
//! let root = tempfile::tempdir()?;
//! let disk = Disk::new(root.path());
//! let script = r#"echo a >"$0/kept"; sync "$0/kept" "$0"; echo b >>"$0/kept"; echo c >"$0/lost""#;
//! Command::new("sh").args(["-c", script]).arg(root.path()).envs(disk.environment()).status()?;
//! disk.lose_power(Loss::AllUnsynced);
//! assert_eq!(fs::read_to_string(root.path().join("kept"))?, "a\n");
//! assert!(!root.path().join("lost").exists());
//! # Ok::<(), std::io::Error>(())
//! ```

mod restore;

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const ROOT: &str = "POWER_LOSS_ROOT";
const NOTES: &str = "POWER_LOSS_NOTES";

/// What a loss of power leaves beside what was synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: names and contents are those of the last sync.
    AllUnsynced,
    /// All names as they are, as a journal may have kept them, but of contents what was synced: a file that was renamed before
    /// it was synced is empty.
    Contents,
    /// All names as they are, and of what was appended to a file the first part: so many thousandths. A file system that keeps the
    /// new length and leaves zeros in place of the rest isn't tried: RocksDB refuses such a WAL (checksum mismatch), which loses
    /// nothing, and takes an operator.
    PartOfAppends(u16),
}

/// A folder on a disk that forgets.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    tools: TempDir,
}

impl Disk {
    /// Takes all that is in the folder as synced.
    ///
    /// # Panics
    ///
    /// When `clang` can't compile the library, or the folder can't be read.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let root = fs::canonicalize(root).expect("the root is there");
        let tools = tempfile::tempdir().expect("a folder for the notes");
        let source = tools.path().join("synced.c");
        fs::write(&source, include_str!("synced.c")).expect("the source is written");
        let disk = Self { root, tools };
        for (output, how) in [(disk.library(), &["-shared", "-fPIC"][..]), (disk.program(), &["-DPROGRAM"])] {
            // RocksDB's build needs it too.
            let mut compiler = Command::new("clang");
            let compiled =
                compiler.args(["-O1", "-Wall", "-Werror"]).args(how).arg("-o").args([&output, &source]).status();
            assert!(compiled.is_ok_and(|status| status.success()), "clang compiles {}", source.display());
        }
        disk.begin();
        disk
    }

    /// What a process needs in its environment, and hands on to those that it starts.
    pub fn environment(&self) -> [(&'static str, OsString); 3] {
        [("LD_PRELOAD", self.library().into()), (ROOT, self.root.clone().into()), (NOTES, self.notes().into())]
    }

    /// The paths of the files and folders that were synced, in order, since the disk was made or lost its power.
    pub fn syncs(&self) -> Vec<PathBuf> {
        read_syncs(&self.notes())
    }

    /// Ends all processes that were started with this disk's environment or with a path in it in theirs, and leaves of the folder
    /// what a loss of power leaves. What is left is synced.
    ///
    /// # Panics
    ///
    /// When a process can't be ended, or the folder can't be written.
    pub fn lose_power(&self, loss: Loss) {
        self.end_processes();
        if loss != Loss::AllUnsynced {
            self.note("names");
        }
        let key = fs::read_to_string(self.tools.path().join("root")).expect("the root's key");
        let left = self.tools.path().join("left");
        restore::folder(&restore::Notes { dir: &self.notes(), loss }, &key, &self.root, &left);
        for entry in entries(&self.root) {
            let path = entry.path();
            let removed = if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.expect("what was there is removed");
        }
        for entry in entries(&left) {
            fs::rename(entry.path(), self.root.join(entry.file_name())).expect("what is left is moved");
        }
        fs::remove_dir(&left).expect("all was moved");
        self.sync_all();
    }

    /// Takes all that is there now as synced, such as what a process did that doesn't run on this disk.
    ///
    /// # Panics
    ///
    /// When the folder can't be read.
    pub fn sync_all(&self) {
        fs::remove_dir_all(self.notes()).expect("the notes are removed");
        self.begin();
    }

    fn begin(&self) {
        fs::create_dir(self.notes()).expect("a folder for the notes");
        let key = self.note("all");
        fs::write(self.tools.path().join("root"), key.trim()).expect("the root's key is written");
    }

    fn note(&self, what: &str) -> String {
        let mut program = Command::new(self.program());
        let output =
            program.arg(what).env(ROOT, &self.root).env(NOTES, self.notes()).output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a key")
    }

    /// No process of ours goes on while the folder is put together.
    fn end_processes(&self) {
        loop {
            let found: Vec<Pid> = entries(Path::new("/proc")).filter_map(|entry| self.process(&entry)).collect();
            if found.is_empty() {
                return;
            }
            for pid in found {
                // It may be gone meanwhile.
                let _ = kill_process(pid, Signal::KILL);
            }
            // Until the kernel has taken their memory away.
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn process(&self, entry: &fs::DirEntry) -> Option<Pid> {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let is_below = |value: &[u8], path: &Path| value.starts_with(path.as_os_str().as_bytes());
        let is_ours = environment.split(|&byte| byte == 0).any(|variable| {
            let value = variable.splitn(2, |&byte| byte == b'=').nth(1).unwrap_or_default();
            is_below(value, &self.root) || is_below(value, self.tools.path())
        });
        (is_ours && pid != process::id()).then(|| Pid::from_raw(pid.try_into().ok()?)).flatten()
    }

    fn library(&self) -> PathBuf {
        self.tools.path().join("synced.so")
    }

    fn program(&self) -> PathBuf {
        self.tools.path().join("synced")
    }

    fn notes(&self) -> PathBuf {
        self.tools.path().join("notes")
    }
}

/// As [`Disk::syncs`], for a process that runs on a disk: none if it doesn't.
pub fn syncs_so_far() -> Option<Vec<PathBuf>> {
    Some(read_syncs(Path::new(&std::env::var_os(NOTES)?)))
}

fn read_syncs(notes: &Path) -> Vec<PathBuf> {
    let calls = fs::read_to_string(notes.join("calls")).unwrap_or_default();
    calls.lines().map(PathBuf::from).collect()
}

fn entries(dir: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(dir).expect("the folder is read").map(|entry| entry.expect("the folder is read"))
}
