//! Which files of a folder are looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use crate::{
    FileError,
    error::Problem,
    tree::{Place, without_mark},
};

/// What is about to be looked at. Whoever watches it from here on misses no change.
#[derive(Debug, Clone, Copy)]
pub enum Looking<'a> {
    /// A folder whose entries are listed.
    Folder {
        /// Where it is.
        dir: &'a Path,
        /// Relative to the workflow folder, with `/` at its end; empty for that one itself.
        prefix: &'a str,
    },
    /// A link, to a file or to a folder, that is followed.
    Link {
        /// Relative to the workflow folder.
        path: &'a str,
    },
}

/// What the file system says of a file without opening it. While it is the same, so is the file: whoever writes to it, or puts
/// another in its place, changes it, under whatever name. Only a change within the same tick of the file system's clock may
/// leave it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(about: &fs::Metadata) -> Self {
        Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }
}

/// What there is in a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files that may hold workflows, by path relative to the folder, with `/`.
    pub(super) files: BTreeMap<String, (PathBuf, Stamp)>,
    /// The folders that were listed, by path with `/` at its end: device and inode.
    pub(super) folders: BTreeMap<String, (u64, u64)>,
    /// What should be files and can't be read as such, by path.
    pub(super) wrong: BTreeMap<String, FileError>,
    /// Folders that could not be listed.
    pub(super) unlisted: Vec<FileError>,
    /// Directories that were looked at, so that a link to one of them ends.
    seen: BTreeSet<PathBuf>,
}

/// What stands at a path.
pub(super) enum Standing {
    /// A file that may hold workflows.
    File(PathBuf, Stamp),
    /// A folder.
    Folder(PathBuf),
    /// Nothing, or nothing that is looked at.
    Nothing,
    /// Something that should be a file and can't be read as one.
    Wrong(FileError),
}

/// Finds the files. Links are followed, since a mounted ConfigMap and many a deployment consist of links.
pub(super) fn files(dir: &Path, looking: &mut dyn FnMut(Looking<'_>)) -> io::Result<Found> {
    let mut found = Found::default();
    list(dir, "", &mut found, looking)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", dir.display())))?;
    Ok(found)
}

fn list(dir: &Path, prefix: &str, found: &mut Found, looking: &mut dyn FnMut(Looking<'_>)) -> io::Result<()> {
    if !found.seen.insert(fs::canonicalize(dir)?) {
        return Ok(());
    }
    looking(Looking::Folder { dir, prefix });
    let about = fs::metadata(dir)?;
    found.folders.insert(prefix.to_owned(), (about.dev(), about.ino()));
    let mut entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let path = format!("{prefix}{}", name.to_string_lossy());
        match at(&path, name.to_str().is_some(), &entry.path(), looking) {
            Standing::File(file, stamp) => drop(found.files.insert(path, (file, stamp))),
            Standing::Folder(dir) => {
                if let Err(error) = list(&dir, &format!("{path}/"), found, looking) {
                    found.unlisted.push(FileError::whole(&path, format!("can't be listed: {error}")));
                }
            }
            Standing::Nothing => {}
            Standing::Wrong(error) => drop(found.wrong.insert(path, error)),
        }
    }
    Ok(())
}

/// Looks at one path of a folder.
pub(super) fn named(dir: &Path, path: &str, looking: &mut dyn FnMut(Looking<'_>)) -> Standing {
    at(path, true, &dir.join(path), looking)
}

fn at(path: &str, is_text: bool, file: &Path, looking: &mut dyn FnMut(Looking<'_>)) -> Standing {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    if name.starts_with('.') {
        return Standing::Nothing;
    }
    let is_link = match fs::symlink_metadata(file) {
        Ok(about) => about.is_symlink(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Standing::Nothing,
        Err(_) => false,
    };
    if is_link {
        looking(Looking::Link { path });
    }
    match fs::metadata(file) {
        Ok(about) if about.is_dir() => Standing::Folder(file.to_owned()),
        _ if !is_candidate(name) => Standing::Nothing,
        Ok(about) if !about.is_file() => Standing::Wrong(FileError::whole(path, "isn't a file")),
        Ok(_) if !is_text => {
            Standing::Wrong(FileError::whole(path, "the name isn't UTF-8, so it can't name a component"))
        }
        Ok(about) => Standing::File(file.to_owned(), Stamp::of(&about)),
        Err(error) => Standing::Wrong(FileError::whole(path, format!("can't be read: {error}"))),
    }
}

/// Whether a file of that name may hold workflows.
pub fn is_candidate(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| ["yaml", "yml", "json"].contains(&extension.as_str()))
}

/// The text of a file, or why there is none.
pub(super) fn text(file: &Path, max_bytes: u64) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    // What looks like a file may be a stream, such as /proc/kmsg; nobody is to wait for it.
    let opened = fs::OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(file);
    let read = opened.and_then(|file| file.take(max_bytes + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(None, format!("can't be read: {error}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > max_bytes) {
        return Err(unreadable(None, format!("is longer than {max_bytes} bytes, so it isn't read")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let length = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..length]);
        unreadable(Some(Place::START.after(without_mark(&before))), format!("isn't UTF-8 at byte {length}"))
    })
}

fn unreadable(place: Option<Place>, text: String) -> Problem {
    Problem { place, field: None, text, rule: None }
}
