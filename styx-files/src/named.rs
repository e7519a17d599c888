//! Files and folders that somebody named, read as the parts of one whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf, absolute},
};

use styx_core::workflow::Rules;

use crate::{FileError, FileWorkflow, duplicates, read_file, walk};

/// A file that was named, or that stands in a folder that was named.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedFile {
    /// Its path as it was named, or the one of the folder and then the path in it.
    pub path: String,
    /// What it defines, or what is wrong with it: then it defines nothing.
    pub said: Result<Vec<FileWorkflow>, Vec<FileError>>,
}

/// Reads files, and folders with files, in the order in which they are named. A workflow that several files define is an
/// error in each, as in a folder that holds them all.
///
/// A file that is named twice, or named and in a folder that is named as well, counts once.
///
/// # Errors
///
/// When one of them isn't there, or is a folder that can't be listed.
pub fn read_named(paths: &[impl AsRef<Path>], rules: &Rules) -> io::Result<Vec<NamedFile>> {
    let (mut files, mut seen) = (Vec::new(), BTreeSet::new());
    for path in paths.iter().map(AsRef::as_ref) {
        let naming = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let found = if fs::metadata(path).map_err(naming)?.is_dir() {
            in_folder(path)?
        } else {
            BTreeMap::from([(path.to_owned(), Ok(path.to_owned()))])
        };
        for (path, found) in found {
            if seen.insert(place(&path).map_err(naming)?) {
                files.push(NamedFile::read(&path, found, rules));
            }
        }
    }
    refuse_duplicates(&mut files);
    Ok(files)
}

impl NamedFile {
    fn read(path: &Path, found: Result<PathBuf, FileError>, rules: &Rules) -> Self {
        let path = path.display().to_string();
        let said = match found {
            Ok(file) => read_file(&path, &file, rules),
            Err(error) => Err(vec![FileError { path: path.clone(), ..error }]),
        };
        Self { path, said }
    }
}

/// What there is in a folder, by path, and where it is to be read.
fn in_folder(dir: &Path) -> io::Result<BTreeMap<PathBuf, Result<PathBuf, FileError>>> {
    let found = walk::files(dir, &mut |_| {})?;
    let files = found.files.into_iter().map(|(path, (file, _))| (dir.join(path), Ok(file)));
    let wrong = found.wrong.into_values().chain(found.unlisted).map(|error| (dir.join(&error.path), Err(error)));
    Ok(files.chain(wrong).collect())
}

/// What tells one file from another, as a folder does: a directory is the same whatever links lead to it, but a link to a
/// file is a file of its own.
fn place(file: &Path) -> io::Result<PathBuf> {
    let file = absolute(file)?;
    match (file.parent(), file.file_name()) {
        (Some(dir), Some(name)) => Ok(fs::canonicalize(dir)?.join(name)),
        _ => fs::canonicalize(file),
    }
}

fn refuse_duplicates(files: &mut [NamedFile]) {
    let sound = files.iter().filter_map(|file| Some((file.path.as_str(), file.said.as_ref().ok()?)));
    let defined = sound.flat_map(|(path, said)| said.iter().map(move |workflow| (path, workflow)));
    let mut clashes = duplicates::by_file(defined);
    for file in files {
        if let Some(clashes) = clashes.remove(&file.path) {
            file.said = Err(clashes);
        }
    }
}
