//! The workflow folder: what its files say now, read again only where something changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use chrono::TimeDelta;
use styx_core::world::digest;
use uuid::Uuid;

use crate::{
    FileError, FileWorkflow, MAX_BYTES, component, duplicates, read_text,
    walk::{self, Looking, Standing},
};

/// A folder of workflow files: every `*.yaml`, `*.yml` and `*.json` below it. What begins with a dot is left out, which
/// also hides the `..data` of a mounted ConfigMap.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
    max_running_timeout: Option<TimeDelta>,
    /// By path relative to the folder, with `/`.
    files: BTreeMap<String, File>,
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

#[derive(Debug, Clone, PartialEq)]
struct File {
    /// Tells one text from another; `None` when there was none to be had.
    digest: Option<Uuid>,
    said: Result<Vec<FileWorkflow>, Vec<FileError>>,
}

impl Folder {
    /// A folder that has not been looked at.
    ///
    /// `max_running_timeout` is the server's limit of `running_timeout` (V-26), if it is known.
    pub fn new(dir: impl Into<PathBuf>, max_running_timeout: Option<TimeDelta>) -> Self {
        let (files, components, unlisted) = Default::default();
        Self { dir: dir.into(), max_running_timeout, files, components, unlisted }
    }

    /// A folder as it is.
    ///
    /// # Errors
    ///
    /// As [`look`](Self::look).
    pub fn read(dir: impl Into<PathBuf>, max_running_timeout: Option<TimeDelta>) -> io::Result<Self> {
        let mut folder = Self::new(dir, max_running_timeout);
        folder.look(&BTreeSet::new(), &mut |_| {})?;
        Ok(folder)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Lists the folder and reads all of its files, but those that are to be left `alone`, which count as unchanged.
    /// Returns the components of which a file came, changed or went.
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
        for (path, file) in &found.files {
            if !alone.contains(path) {
                self.read_again(path, file, &mut changed);
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
                Standing::File(file) => self.read_again(path, &file, &mut changed),
                Standing::Folder(_) => is_whole = false,
                Standing::Nothing => self.put(path, None, &mut changed),
                Standing::Wrong(error) => {
                    self.put(path, Some(File { digest: None, said: Err(vec![error]) }), &mut changed);
                }
            }
        }
        Looked { changed, is_whole }
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

    fn read_again(&mut self, path: &str, file: &Path, changed: &mut BTreeSet<String>) {
        let file = match walk::text(file, MAX_BYTES) {
            Ok(text) => {
                let digest = Some(digest(&text));
                if self.files.get(path).is_some_and(|before| before.digest == digest) {
                    return;
                }
                File { digest, said: read_text(path, &text, self.max_running_timeout) }
            }
            Err(problem) => File { digest: None, said: Err(vec![FileError::at(path, problem)]) },
        };
        self.put(path, Some(file), changed);
    }

    fn put(&mut self, path: &str, file: Option<File>, changed: &mut BTreeSet<String>) {
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
            }
        }
        if paths.is_empty() {
            self.components.remove(&component);
        }
        changed.insert(component);
    }
}
