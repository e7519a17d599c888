//! Which files of a folder are looked at.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::FileError;

/// The files that may hold workflows, ascending by path.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Path relative to the folder, with `/`, and the file.
    pub(super) files: Vec<(String, PathBuf)>,
    /// What could not be looked at.
    pub(super) errors: Vec<FileError>,
    /// Directories that were looked at, so that a link to one of them ends.
    seen: BTreeSet<PathBuf>,
}

/// Finds them. Links are followed, since a mounted ConfigMap and many a deployment consist of links.
pub(super) fn files(dir: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    list(dir, "", &mut found).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", dir.display())))?;
    found.files.sort();
    Ok(found)
}

fn list(dir: &Path, prefix: &str, found: &mut Found) -> io::Result<()> {
    if !found.seen.insert(fs::canonicalize(dir)?) {
        return Ok(());
    }
    let mut entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let lossy = name.to_string_lossy();
        if lossy.starts_with('.') {
            continue;
        }
        let path = format!("{prefix}{lossy}");
        match fs::metadata(entry.path()) {
            Ok(about) if about.is_dir() => {
                if let Err(error) = list(&entry.path(), &format!("{path}/"), found) {
                    found.errors.push(FileError::whole(&path, format!("can't be listed: {error}")));
                }
            }
            _ if !is_candidate(&lossy) => {}
            Ok(about) if !about.is_file() => found.errors.push(FileError::whole(&path, "isn't a file")),
            Ok(_) if name.to_str().is_none() => {
                found.errors.push(FileError::whole(&path, "the name isn't UTF-8, so it can't name a component"));
            }
            Ok(_) => found.files.push((path, entry.path())),
            Err(error) => found.errors.push(FileError::whole(&path, format!("can't be read: {error}"))),
        }
    }
    Ok(())
}

fn is_candidate(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| ["yaml", "yml", "json"].contains(&extension.as_str()))
}

/// The text of a file, or why there is none.
pub(super) fn text(file: &Path, max_bytes: u64) -> Result<String, String> {
    use io::Read as _;

    let mut bytes = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(max_bytes + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("can't be read: {error}"))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > max_bytes) {
        return Err(format!("is longer than {max_bytes} bytes, so it isn't read"));
    }
    String::from_utf8(bytes).map_err(|error| format!("isn't UTF-8 at byte {}", error.utf8_error().valid_up_to()))
}
