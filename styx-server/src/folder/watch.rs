//! Watches a workflow folder with inotify: every folder that is listed, and all that decides where a path leads.
//!
//! Only changes are asked for, no openings: what is read makes no events
//! (ADR 8).

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    mem::MaybeUninit,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Component, Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    fd::OwnedFd,
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};
use styx_files::{Looking, is_candidate};

use super::debounce::{How, Seen};

/// What is asked for in a folder.
const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB)
    .union(ITSELF);
/// What is asked for about a folder that leads to the watched one.
const ITSELF: WatchFlags =
    WatchFlags::DELETE_SELF.union(WatchFlags::MOVE_SELF).union(WatchFlags::ONLYDIR).union(WatchFlags::MASK_ADD);
/// How many links a path may lead through.
const HOPS: usize = 40;

/// Watches a folder.
pub(crate) struct Watch {
    /// `None` when the system has none to give.
    inotify: Option<OwnedFd>,
    stop: OwnedFd,
    dir: PathBuf,
    watched: BTreeMap<i32, Watched>,
    /// Folders of the listing before, until the one that is under way has ended.
    before: BTreeMap<i32, Watched>,
    /// Why nothing can be watched.
    blind: Option<String>,
    /// Why something can't be watched.
    failed: Option<String>,
    /// Device and file of the folder that was listed.
    root: Option<(u64, u64)>,
}

/// What a folder that is watched means.
#[derive(Debug, Default)]
struct Watched {
    /// Its path relative to the workflow folder, if it was listed.
    prefix: Option<String>,
    /// Names in it that decide where a link leads, and the one file that follows it, or any.
    names: BTreeMap<OsString, Option<String>>,
}

/// What ended the waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Something was seen.
    Seen(Vec<Seen>),
    /// The time has come.
    Time,
    /// It is to stop.
    Stop,
}

/// Ends a watch from another thread.
pub(crate) struct Stop(OwnedFd);

impl Stop {
    pub(crate) fn stop(&self) {
        // It can only fail when it was done already.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl Watch {
    /// Watches nothing yet. Where the system has nothing to watch with, nothing will be seen but by sweeps.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors to give.
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        let blind = inotify.as_ref().err().map(|error| {
            format!("{}: {error}; sysctl fs.inotify.max_user_instances sets how many may be watching", dir.display())
        });
        Ok(Self {
            inotify: inotify.ok(),
            blind,
            stop: eventfd(0, EventfdFlags::CLOEXEC)?,
            dir: std::path::absolute(dir)?,
            watched: BTreeMap::new(),
            before: BTreeMap::new(),
            failed: None,
            root: None,
        })
    }

    /// Something that ends [`wait`](Self::wait).
    pub(crate) fn stopper(&self) -> io::Result<Stop> {
        Ok(Stop(self.stop.try_clone()?))
    }

    /// A listing begins.
    pub(super) fn begin(&mut self) {
        self.before = std::mem::take(&mut self.watched);
        self.failed = self.blind.clone();
        self.root = fs::metadata(&self.dir).ok().map(|about| (about.dev(), about.ino()));
        self.follow(&self.dir.clone(), None, true);
    }

    /// It has ended: what it didn't come by is watched no more.
    pub(super) fn end(&mut self) {
        for wd in std::mem::take(&mut self.before).into_keys().filter(|wd| !self.watched.contains_key(wd)) {
            if let Some(inotify) = &self.inotify {
                // It may be gone already.
                let _ = inotify::remove_watch(inotify, wd);
            }
        }
    }

    /// Watches what is about to be looked at.
    pub(super) fn looking(&mut self, looking: Looking<'_>) {
        match looking {
            Looking::Folder { dir, prefix } => {
                if let Some(watched) = self.add(dir, CHANGES) {
                    watched.prefix = Some(prefix.to_owned());
                }
            }
            // Not from where it was listed: that may be a path from where this process runs.
            Looking::Link { path } => self.follow(&self.dir.join(path), Some(path), false),
        }
    }

    /// Why something isn't watched, if that is so.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Whether the folder's path leads to another folder than the one that was listed.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.root != fs::metadata(&self.dir).ok().map(|about| (about.dev(), about.ino()))
    }

    /// Waits until something is seen, or until then.
    ///
    /// # Errors
    ///
    /// When the system refuses; nothing more will be seen.
    pub(super) fn wait(&mut self, until: Instant) -> io::Result<Woken> {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let fds = [Some(&self.stop), self.inotify.as_ref()].into_iter().flatten();
        let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&timeout)) {
            Err(Errno::INTR) => return Ok(Woken::Seen(Vec::new())),
            result => result?,
        };
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        match (is_ready(0), is_ready(1)) {
            (true, _) => Ok(Woken::Stop),
            (false, true) => Ok(Woken::Seen(self.read()?)),
            (false, false) => Ok(Woken::Time),
        }
    }

    fn read(&mut self) -> io::Result<Vec<Seen>> {
        let mut all = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let Some(inotify) = &self.inotify else { return Ok(all) };
        let mut reader = Reader::new(inotify, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    if event.events().contains(ReadFlags::IGNORED) {
                        self.watched.remove(&event.wd());
                    }
                    all.extend(seen(&self.dir, &self.watched, event.wd(), event.events(), name));
                }
                Err(Errno::WOULDBLOCK) => return Ok(all),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Watches a folder; notes why it can't.
    fn add(&mut self, dir: &Path, flags: WatchFlags) -> Option<&mut Watched> {
        match inotify::add_watch(self.inotify.as_ref()?, dir, flags) {
            Ok(wd) => Some(self.watched.entry(wd).or_default()),
            // What isn't there can't be listed either, and where it would be is watched.
            Err(Errno::NOENT | Errno::NOTDIR) => None,
            Err(error) => {
                let hint = match error {
                    Errno::NOSPC => "; sysctl fs.inotify.max_user_watches sets how many there may be",
                    _ => "",
                };
                self.failed.get_or_insert(format!("{}: {error}{hint}", dir.display()));
                None
            }
        }
    }

    /// Watches every place that decides where a path leads: the folder of each link on its way, of what is missing, and
    /// of its end. With `folders` also the folders that it leads through.
    fn follow(&mut self, path: &Path, file: Option<&str>, folders: bool) {
        let mut left: Vec<PathBuf> = parts(path);
        let mut dir = PathBuf::from("/");
        let mut hops = 0;
        while let Some(part) = left.pop() {
            if part == Path::new("..") {
                dir.pop();
                continue;
            }
            if folders {
                self.add(&dir, ITSELF);
            }
            let next = dir.join(&part);
            let mut about = fs::symlink_metadata(&next);
            let is_link = |about: &io::Result<fs::Metadata>| about.as_ref().is_ok_and(fs::Metadata::is_symlink);
            let is_end = left.is_empty() && !folders && !is_link(&about);
            if about.is_err() || is_link(&about) || is_end {
                let follows = file.filter(|_| is_end || next == path).map(str::to_owned);
                if let Some(watched) = self.add(&dir, CHANGES) {
                    let known = watched.names.entry(part.into_os_string()).or_insert_with(|| follows.clone());
                    if *known != follows {
                        *known = None;
                    }
                }
                // It may have come before it was watched.
                about = fs::symlink_metadata(&next);
            }
            match about {
                Ok(about) if about.is_symlink() => {
                    hops += 1;
                    let Some(target) = fs::read_link(&next).ok().filter(|_| hops <= HOPS) else { return };
                    if target.is_absolute() {
                        dir = PathBuf::from("/");
                    }
                    left.extend(parts(&target));
                }
                Ok(_) => dir = next,
                Err(_) => return,
            }
        }
    }
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().rev().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    parts.map(|part| PathBuf::from(part.as_os_str())).collect()
}

/// What an event means.
fn seen(
    root: &Path,
    watched: &BTreeMap<i32, Watched>,
    wd: i32,
    events: ReadFlags,
    name: Option<&OsStr>,
) -> Option<Seen> {
    if events.intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::UNMOUNT) {
        return Some(Seen::Any);
    }
    let folder = watched.get(&wd)?;
    let Some(name) = name else {
        return events.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF).then_some(Seen::Any);
    };
    let created = events.contains(ReadFlags::CREATE);
    let how = |file: &Path| match events {
        _ if events.contains(ReadFlags::CLOSE_WRITE) => How::Closed,
        _ if events.contains(ReadFlags::MODIFY) => How::Written,
        // Whoever made an empty file is about to write to it.
        _ if created && fs::symlink_metadata(file).is_ok_and(|about| about.is_file() && about.len() == 0) => {
            How::Written
        }
        _ if events.contains(ReadFlags::ATTRIB) => How::Touched,
        _ => How::Replaced,
    };
    if let Some(follows) = folder.names.get(name) {
        return Some(match follows {
            Some(file) => Seen::File(file.clone(), how(&root.join(file))),
            None => Seen::Any,
        });
    }
    let prefix = folder.prefix.as_deref()?;
    let Some(text) = name.to_str() else {
        return Some(Seen::Any);
    };
    let path = format!("{prefix}{text}");
    if name.as_bytes().starts_with(b".") {
        return None;
    }
    if events.contains(ReadFlags::ISDIR) {
        return Some(Seen::Any);
    }
    let file = root.join(&path);
    if is_candidate(&path) {
        return Some(Seen::File(path, how(&file)));
    }
    // A link may lead to a folder.
    let comes = events.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
    let is_link = comes && fs::symlink_metadata(&file).is_ok_and(|about| about.is_symlink());
    is_link.then_some(Seen::Any)
}

#[cfg(test)]
mod tests {
    use styx_files::Folder;
    use tempfile::TempDir;

    use super::*;

    /// A folder with these files that was listed.
    fn watched(files: &[&str]) -> (TempDir, Watch) {
        let dir = TempDir::new().unwrap();
        for file in files {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "# nothing").unwrap();
        }
        let mut watch = Watch::new(dir.path()).unwrap();
        watch.begin();
        let mut folder = Folder::new(dir.path(), Default::default());
        folder.look(&Default::default(), &mut |looking| watch.looking(looking)).unwrap();
        watch.end();
        (dir, watch)
    }

    /// All that is seen until nothing is for a while; the kernel may make one event of two that are alike.
    fn all_seen(watch: &mut Watch) -> Vec<Seen> {
        let mut all = Vec::new();
        while let Woken::Seen(seen) = watch.wait(Instant::now() + Duration::from_millis(200)).unwrap() {
            all.extend(seen);
        }
        all.dedup();
        all
    }

    #[test]
    fn reading_makes_no_events() {
        let (dir, mut watch) = watched(&["a.yaml", "deep/b.yaml"]);
        Folder::read(dir.path(), Default::default()).unwrap();
        assert_eq!(all_seen(&mut watch), []);
        fs::write(dir.path().join("deep/b.yaml"), "# something").unwrap();
        let seen = |how| Seen::File("deep/b.yaml".into(), how);
        assert_eq!(all_seen(&mut watch), [seen(How::Written), seen(How::Closed)]);
        watch.stopper().unwrap().stop();
        assert_eq!(watch.wait(Instant::now()).unwrap(), Woken::Stop);
    }

    #[test]
    fn what_is_no_workflow_file_is_not_seen() {
        let (dir, mut watch) = watched(&["a.yaml"]);
        for name in [".a.yaml.swp", "notes.txt", "a.yaml~"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        assert_eq!(all_seen(&mut watch), []);
        fs::rename(dir.path().join("notes.txt"), dir.path().join("b.json")).unwrap();
        assert_eq!(all_seen(&mut watch), [Seen::File("b.json".into(), How::Replaced)]);
        fs::create_dir(dir.path().join("new")).unwrap();
        assert_eq!(all_seen(&mut watch), [Seen::Any]);
    }

    #[test]
    fn events_that_the_kernel_dropped_may_be_about_anything() {
        let (dir, watch) = watched(&["a.yaml"]);
        let dropped = seen(dir.path(), &watch.watched, -1, ReadFlags::QUEUE_OVERFLOW, None);
        assert_eq!(dropped, Some(Seen::Any));
    }

    #[test]
    fn what_is_listed_no_more_is_watched_no_more() {
        let (dir, mut watch) = watched(&["a.yaml", "deep/b.yaml"]);
        let count = watch.watched.len();
        fs::rename(dir.path().join("deep"), dir.path().join(".hidden")).unwrap();
        watch.begin();
        let mut folder = Folder::new(dir.path(), Default::default());
        folder.look(&Default::default(), &mut |looking| watch.looking(looking)).unwrap();
        watch.end();
        assert_eq!(watch.watched.len(), count - 1);
        all_seen(&mut watch);
        fs::write(dir.path().join(".hidden/b.yaml"), "x").unwrap();
        assert_eq!(all_seen(&mut watch), []);
    }
}
