//! The workflow folder: what its files say now, read again only where something changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use styx_core::{workflow::Rules, world::digest};
use uuid::Uuid;

use crate::{
    FileError, FileWorkflow, MAX_BYTES, component, duplicates, read_text,
    walk::{self, Looking, Stamp, Standing},
};

/// How long a file has to look the same before it is taken for the same without being read: file systems may count in steps
/// of two seconds, and a change within a step doesn't show. Measured by this machine alone, since the times of files may be
/// those of another.
const STEP: Duration = Duration::from_secs(3);
/// How often it is waited for whoever is writing, in sweeps of what was suspect.
const PATIENCE: u8 = 10;

/// A folder of workflow files: every `*.yaml`, `*.yml` and `*.json` below it. What begins with a dot is left out, which
/// also hides the `..data` of a mounted ConfigMap.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
    rules: Rules,
    /// By path relative to the folder, with `/`.
    files: BTreeMap<String, File>,
    /// How the files looked when they were read.
    looks: BTreeMap<String, Look>,
    /// The folders of the last listing, by device and inode.
    folders: BTreeMap<String, (u64, u64)>,
    /// Files that look otherwise than when they were read, how, and how often that has changed since.
    suspects: BTreeMap<String, (Stamp, u8)>,
    /// How many files were read so far.
    reads: u64,
    step: Duration,
    /// The files of each component.
    components: BTreeMap<String, BTreeSet<String>>,
    /// Folders that could not be listed.
    unlisted: Vec<FileError>,
}

/// What came of a look at some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The components of files that came, changed or went.
    pub changed: BTreeSet<String>,
    /// Whether that is all; not so when a folder stands where a file was expected.
    pub is_whole: bool,
}

/// What came of a sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files that are to be read again, by their paths relative to the folder.
    pub files: BTreeSet<String>,
    /// Whether files or folders came, went, or were replaced, so that all is to be looked at.
    pub listing: bool,
    /// Whether some look as if somebody was writing to them: [`Folder::sweep_suspects`] sees whether that is over.
    pub suspects: bool,
    /// How many files were compared, none of which was opened.
    pub compared: usize,
}

/// How a file looked when it was read.
#[derive(Debug, Clone, Copy)]
struct Look {
    stamp: Stamp,
    /// Since when it has looked like that.
    since: Instant,
    /// Whether a change after that reading shows.
    is_settled: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct File {
    /// Tells one text from another; `None` when there was none to be had.
    digest: Option<Uuid>,
    said: Result<Vec<FileWorkflow>, Vec<FileError>>,
}

impl Folder {
    /// A folder that has not been looked at.
    pub fn new(dir: impl Into<PathBuf>, rules: Rules) -> Self {
        let (files, components, unlisted) = Default::default();
        let (looks, folders, suspects) = Default::default();
        let (dir, reads, step) = (dir.into(), 0, STEP);
        Self { dir, rules, files, looks, folders, suspects, reads, step, components, unlisted }
    }

    /// A folder as it is.
    ///
    /// # Errors
    ///
    /// As [`look`](Self::look).
    pub fn read(dir: impl Into<PathBuf>, rules: Rules) -> io::Result<Self> {
        let mut folder = Self::new(dir, rules);
        folder.look(&BTreeSet::new(), &mut |_| {})?;
        Ok(folder)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether no file was found in it.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many files were opened and read so far.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Lists the folder and reads those of its files that may have changed, but not those that are to be left `alone`, which
    /// count as unchanged. Returns the components of which a file came, changed or went.
    ///
    /// `looking` is told of everything just before it is looked at.
    ///
    /// # Errors
    ///
    /// When the folder itself can't be listed; then it is as it was. All else that goes wrong is in
    /// [`errors`](Self::errors).
    pub fn look(
        &mut self,
        alone: &BTreeSet<String>,
        looking: &mut dyn FnMut(Looking<'_>),
    ) -> io::Result<BTreeSet<String>> {
        let found = walk::files(&self.dir, looking)?;
        let mut changed = BTreeSet::new();
        self.unlisted = found.unlisted;
        self.folders = found.folders;
        for (path, (file, stamp)) in &found.files {
            if !alone.contains(path) && !self.is_known(path, stamp) {
                self.read_again(path, file, *stamp, &mut changed);
            }
        }
        for (path, error) in &found.wrong {
            self.put(path, Some(File { digest: None, said: Err(vec![error.clone()]) }), &mut changed);
        }
        let is_there = |path: &String| {
            found.files.contains_key(path)
                || found.wrong.contains_key(path)
                || alone.contains(path)
                || self.unlisted_above(path).is_some()
        };
        let gone: Vec<_> = self.files.keys().filter(|path| !is_there(path)).cloned().collect();
        for path in gone {
            self.put(&path, None, &mut changed);
        }
        Ok(changed)
    }

    /// Reads some files again, by their paths relative to the folder.
    ///
    /// `looking` is told of every link just before it is followed.
    pub fn look_at(&mut self, paths: &BTreeSet<String>, looking: &mut dyn FnMut(Looking<'_>)) -> Looked {
        let (mut changed, mut is_whole) = (BTreeSet::new(), true);
        for path in paths {
            match walk::named(&self.dir, path, looking) {
                Standing::File(file, stamp) => self.read_again(path, &file, stamp, &mut changed),
                Standing::Folder(_) => is_whole = false,
                Standing::Nothing => self.put(path, None, &mut changed),
                Standing::Wrong(error) => {
                    self.put(path, Some(File { digest: None, said: Err(vec![error]) }), &mut changed);
                }
            }
        }
        Looked { changed, is_whole }
    }

    /// Lists the folder and compares how its files look with how they looked when they were read; opens none, and changes
    /// nothing of what they are known to say. It finds what no notification tells of: a change under another name (a hard
    /// link, a mounted file), by another machine (a network folder), or of what lies below a mount.
    ///
    /// A file that looks otherwise is suspect first, since somebody may still be writing to it.
    ///
    /// # Errors
    ///
    /// When the folder itself can't be listed.
    pub fn sweep(&mut self) -> io::Result<Swept> {
        let found = walk::files(&self.dir, &mut |_| {})?;
        let mut swept = Swept { compared: found.files.len(), ..Swept::default() };
        let is_wrong = |path: &String| self.files.get(path).is_some_and(|file| file.said.is_err());
        let is_there = |path: &String| {
            let was_wrong = found.wrong.contains_key(path) && is_wrong(path);
            was_wrong || found.files.contains_key(path) || self.unlisted_above(path).is_some()
        };
        let gone = !self.files.keys().all(is_there);
        let came = found.files.keys().chain(found.wrong.keys()).any(|path| !self.files.contains_key(path));
        swept.listing = gone || came || found.folders != self.folders || found.unlisted != self.unlisted;
        let mut suspects = BTreeMap::new();
        for (path, (_, stamp)) in found.files {
            match self.looks.get(&path) {
                Some(look) if look.stamp == stamp => {
                    if !look.is_settled && look.since.elapsed() >= self.step {
                        swept.files.insert(path);
                    }
                }
                // It looks as it did when it was suspect first: whoever was writing is done, or takes too long.
                _ if self.suspects.get(&path).is_some_and(|(before, times)| *before == stamp || *times >= PATIENCE) => {
                    swept.files.insert(path);
                }
                _ => {
                    let times = self.suspects.get(&path).map_or(0, |(_, times)| times + 1);
                    suspects.insert(path, (stamp, times));
                }
            }
        }
        swept.suspects = !suspects.is_empty();
        self.suspects = suspects;
        Ok(swept)
    }

    /// Compares what was suspect once more: what looks as it did then is to be read.
    pub fn sweep_suspects(&mut self) -> Swept {
        let mut swept = Swept::default();
        for (path, (before, times)) in std::mem::take(&mut self.suspects) {
            swept.compared += 1;
            match walk::named(&self.dir, &path, &mut |_| {}) {
                Standing::File(_, stamp) if self.looks.get(&path).is_some_and(|look| look.stamp == stamp) => {}
                Standing::File(_, stamp) if stamp != before && times < PATIENCE => {
                    self.suspects.insert(path, (stamp, times + 1));
                }
                Standing::File(..) => drop(swept.files.insert(path)),
                Standing::Folder(_) | Standing::Nothing | Standing::Wrong(_) => swept.listing = true,
            }
        }
        swept.suspects = !self.suspects.is_empty();
        swept
    }

    /// The components of which there are files, ascending.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.components.keys().map(String::as_str)
    }

    /// What each file of a component defines, or what is wrong with it: then it says nothing about its workflows. They
    /// aren't gone, they are unknown.
    pub fn component(&self, component: &str) -> BTreeMap<&str, Result<&[FileWorkflow], Vec<FileError>>> {
        let mut clashes = self.clashes(component);
        let paths = self.components.get(component).into_iter().flatten();
        let said = paths.filter_map(|path| {
            let said = match (clashes.remove(path), &self.files.get(path)?.said) {
                (Some(clashes), _) => Err(clashes),
                (None, Ok(workflows)) => Ok(workflows.as_slice()),
                (None, Err(errors)) => Err(errors.clone()),
            };
            Some((path.as_str(), self.unlisted_above(path).map_or(said, |error| Err(vec![error.clone()]))))
        });
        said.collect()
    }

    /// Whether a path is that of a folder, or below one, which could not be listed: then nobody knows what is there.
    pub fn unlisted_above(&self, path: &str) -> Option<&FileError> {
        self.unlisted.iter().find(|error| {
            path.strip_prefix(error.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// The workflows of all files without errors, with their files, by path and then as they stand there.
    pub fn workflows(&self) -> impl Iterator<Item = (&str, &FileWorkflow)> {
        let of_components = self.components.keys().flat_map(|component| self.component(component));
        let sound: BTreeMap<_, _> = of_components.filter_map(|(path, said)| Some((path, said.ok()?))).collect();
        sound.into_iter().flat_map(|(path, workflows)| workflows.iter().map(move |workflow| (path, workflow)))
    }

    /// All that is wrong, by path and place.
    pub fn errors(&self) -> BTreeSet<FileError> {
        let of_files = self.files.values().flat_map(|file| file.said.as_ref().err().into_iter().flatten().cloned());
        let clashes = self.components.keys().flat_map(|component| self.clashes(component).into_values().flatten());
        self.unlisted.iter().cloned().chain(of_files).chain(clashes).collect()
    }

    /// What several files of a component define.
    fn clashes(&self, component: &str) -> BTreeMap<String, Vec<FileError>> {
        let Some(paths) = self.components.get(component).filter(|paths| paths.len() > 1) else {
            return BTreeMap::new();
        };
        let sound = paths.iter().filter_map(|path| Some((path.as_str(), self.files.get(path)?.said.as_ref().ok()?)));
        duplicates::by_file(sound.flat_map(|(path, said)| said.iter().map(move |workflow| (path, workflow))))
    }

    /// Whether a file that looks like this has been read, and would look otherwise if it had changed since.
    fn is_known(&self, path: &str, stamp: &Stamp) -> bool {
        self.looks.get(path).is_some_and(|look| look.is_settled && look.stamp == *stamp)
    }

    /// Reads a file that looks like this; how it looks was found out first.
    fn read_again(&mut self, path: &str, file: &Path, stamp: Stamp, changed: &mut BTreeSet<String>) {
        self.reads += 1;
        let text = walk::text(file, MAX_BYTES);
        let now = Instant::now();
        let since = self.looks.get(path).filter(|look| look.stamp == stamp).map_or(now, |look| look.since);
        // Why it can't be read may lie elsewhere.
        let is_settled = text.is_ok() && now.duration_since(since) >= self.step;
        self.looks.insert(path.to_owned(), Look { stamp, since, is_settled });
        let file = match text {
            Ok(text) => {
                let digest = Some(digest(&text));
                if self.files.get(path).is_some_and(|before| before.digest == digest) {
                    return;
                }
                File { digest, said: read_text(path, &text, &self.rules) }
            }
            Err(problem) => File { digest: None, said: Err(vec![FileError::at(path, problem)]) },
        };
        self.put(path, Some(file), changed);
    }

    fn put(&mut self, path: &str, file: Option<File>, changed: &mut BTreeSet<String>) {
        if file.as_ref().is_none_or(|file| file.digest.is_none()) {
            // What isn't known to be as it was is read when it is seen next.
            self.looks.entry(path.to_owned()).and_modify(|look| look.is_settled = false);
        }
        if self.files.get(path) == file.as_ref() {
            return;
        }
        let component = component(path).to_owned();
        let paths = self.components.entry(component.clone()).or_default();
        match file {
            Some(file) => {
                paths.insert(path.to_owned());
                self.files.insert(path.to_owned(), file);
            }
            None => {
                paths.remove(path);
                self.files.remove(path);
                self.looks.remove(path);
            }
        }
        if paths.is_empty() {
            self.components.remove(&component);
        }
        changed.insert(component);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use tempfile::TempDir;

    use super::*;

    const TEXT: &str = "id: one\nschedule: daily\n";

    fn folder(files: usize) -> (TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("deep")).unwrap();
        for file in 0..files {
            fs::write(dir.path().join(name(file)), TEXT).unwrap();
        }
        let mut folder = Folder::new(dir.path(), Rules::default());
        // Changes show at once, as they do a while after the last one.
        folder.step = Duration::ZERO;
        folder.look(&BTreeSet::new(), &mut |_| {}).unwrap();
        (dir, folder)
    }

    fn name(file: usize) -> String {
        format!("{}{file}.yaml", if file.is_multiple_of(2) { "" } else { "deep/" })
    }

    fn paths(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Sweeps until nothing is suspect; returns what is to be read.
    fn swept(folder: &mut Folder) -> BTreeSet<String> {
        let mut swept = folder.sweep().unwrap();
        assert!(!swept.listing);
        while swept.suspects {
            let files = swept.files;
            swept = folder.sweep_suspects();
            swept.files.extend(files);
        }
        swept.files
    }

    #[test]
    fn a_sweep_reads_nothing_but_what_looks_otherwise() {
        const FILES: usize = 2_000;
        let (dir, mut folder) = folder(FILES);
        assert_eq!(folder.reads(), FILES as u64);
        for _ in 0..3 {
            let swept = folder.sweep().unwrap();
            assert_eq!(swept, Swept { compared: FILES, ..Swept::default() });
        }
        fs::write(dir.path().join(name(7)), "id: two\nschedule: daily\n").unwrap();
        let files = swept(&mut folder);
        assert_eq!((files.clone(), folder.reads()), (paths(&[&name(7)]), FILES as u64), "nothing was opened for it");
        assert_eq!(folder.look_at(&files, &mut |_| {}).changed, paths(&["7"]));
        assert_eq!((swept(&mut folder), folder.reads()), (paths(&[]), FILES as u64 + 1));
        fs::write(dir.path().join(name(8)), "id: two\nschedule: daily\n").unwrap();
        assert_eq!((folder.sweep().unwrap().suspects, folder.sweep().unwrap().files), (true, paths(&[&name(8)])));
        folder.look_at(&paths(&[&name(8)]), &mut |_| {});
        // Nor does a look at all read what is known.
        folder.look(&BTreeSet::new(), &mut |_| {}).unwrap();
        assert_eq!(folder.reads(), FILES as u64 + 2);
    }

    #[test]
    fn a_sweep_finds_what_changes_under_another_name() {
        let (dir, mut folder) = folder(3);
        let outside = tempfile::tempdir_in(dir.path().parent().unwrap()).unwrap();
        let linked = outside.path().join("linked.yaml");
        fs::hard_link(dir.path().join(name(0)), &linked).unwrap();
        fs::write(outside.path().join("target.yaml"), TEXT).unwrap();
        symlink(outside.path().join("target.yaml"), dir.path().join("link.yaml")).unwrap();
        folder.look(&BTreeSet::new(), &mut |_| {}).unwrap();
        folder.look(&BTreeSet::new(), &mut |_| {}).unwrap();
        assert_eq!(swept(&mut folder), paths(&[]));
        // As long as before.
        fs::write(&linked, TEXT.replace("one", "two")).unwrap();
        fs::write(outside.path().join("target.yaml"), TEXT.replace("daily", "hourly")).unwrap();
        let files = swept(&mut folder);
        assert_eq!(files, paths(&[&name(0), "link.yaml"]));
        assert_eq!(folder.look_at(&files, &mut |_| {}).changed, paths(&["0", "link"]));
        // Another file of the same length and time.
        let (file, other) = (dir.path().join(name(1)), outside.path().join("other.yaml"));
        fs::write(&other, TEXT.replace("one", "two")).unwrap();
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &file).unwrap();
        assert_eq!(swept(&mut folder), paths(&[&name(1)]));
    }

    #[test]
    fn a_sweep_waits_for_whoever_is_writing() {
        let (dir, mut folder) = folder(1);
        let file = dir.path().join(name(0));
        fs::write(&file, "id: ").unwrap();
        assert!(folder.sweep().unwrap().suspects);
        fs::write(&file, "id: one\n").unwrap();
        let swept = folder.sweep_suspects();
        assert!(swept.suspects && swept.files.is_empty());
        fs::write(&file, TEXT).unwrap();
        assert!(folder.sweep_suspects().suspects);
        let swept = folder.sweep_suspects();
        assert_eq!((swept.suspects, swept.files), (false, paths(&[&name(0)])));
        // What was read meanwhile is suspect no more.
        fs::write(&file, "# nothing\n").unwrap();
        assert!(folder.sweep().unwrap().suspects);
        folder.look_at(&paths(&[&name(0)]), &mut |_| {});
        assert_eq!(folder.sweep_suspects(), Swept { compared: 1, ..Swept::default() });
    }

    #[test]
    fn a_sweep_finds_what_comes_goes_or_is_another() {
        let (dir, mut folder) = folder(4);
        let mut changes = |change: &dyn Fn(&Path)| {
            change(dir.path());
            assert!(folder.sweep().unwrap().listing);
            folder.look(&BTreeSet::new(), &mut |_| {}).unwrap();
            assert!(!folder.sweep().unwrap().listing);
        };
        changes(&|dir| fs::write(dir.join("deep/new.yaml"), TEXT).unwrap());
        changes(&|dir| fs::remove_file(dir.join(name(0))).unwrap());
        changes(&|dir| fs::create_dir(dir.join("empty")).unwrap());
        changes(&|dir| {
            fs::rename(dir.join("deep"), dir.join(".old")).unwrap();
            fs::create_dir(dir.join("deep")).unwrap();
            fs::copy(dir.join(".old/1.yaml"), dir.join("deep/1.yaml")).unwrap();
        });
        changes(&|dir| symlink("nowhere", dir.join("lost.yaml")).unwrap());
        changes(&|dir| fs::remove_file(dir.join("lost.yaml")).unwrap());
    }

    #[test]
    fn a_file_that_was_just_written_is_read_once_more() {
        let (dir, mut folder) = folder(1);
        folder.step = Duration::MAX;
        fs::write(dir.path().join(name(0)), "# nothing\n").unwrap();
        folder.look(&BTreeSet::new(), &mut |_| {}).unwrap();
        let reads = folder.reads();
        assert_eq!(swept(&mut folder), paths(&[]), "no step has passed");
        folder.step = Duration::ZERO;
        assert_eq!(swept(&mut folder), paths(&[&name(0)]), "a change within the same tick wouldn't show");
        folder.look_at(&paths(&[&name(0)]), &mut |_| {});
        assert_eq!((swept(&mut folder), folder.reads()), (paths(&[]), reads + 1));
    }
}
