//! Folders that only their owner may enter.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown},
    path::Path,
};

use rustix::process::geteuid;

pub use crate::place::folder_of;
use crate::{
    file::sync_folder,
    place::{give_folder, heir},
    text::shortened,
};

/// The mode of a private folder.
const PRIVATE: u32 = 0o700;
/// What others than the owner may do.
const OTHERS: u32 = 0o077;

/// Makes a folder, and those above it that aren't there, each with mode 0700. If the administrator makes it, it belongs to the
/// owner of the folder that it lies in. One that is there stays as it is.
///
/// Its name outlives a loss of power: what is synced in a folder is lost with the folder's name.
///
/// # Errors
///
/// When it can't be made, or the folder that it lies in can't be synced.
pub fn create(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    if path.is_dir() {
        // A process that made it may have been killed before it synced the name. Who made it otherwise may have let nobody but
        // himself open the folder above.
        let _ = sync_folder(folder_of(path));
        return Ok(());
    }
    make(path)
}

fn make(path: &Path) -> io::Result<()> {
    let above = folder_of(path);
    if above != path && !above.is_dir() {
        make(above)?;
    }
    match DirBuilder::new().mode(PRIVATE).create(path) {
        Ok(()) => give_folder(path)?,
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(error),
    }
    sync_folder(above)
}

/// Gives a folder that was made here, and the files in it, to the owner of the folder that it lies in, if the administrator made
/// them in somebody else's.
///
/// # Errors
///
/// When they can't be given.
pub fn give_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    let Some(like) = heir(folder_of(path))? else { return Ok(()) };
    for entry in fs::read_dir(path)? {
        lchown(entry?.path(), Some(like.uid()), Some(like.gid()))?;
    }
    lchown(path, Some(like.uid()), Some(like.gid()))
}

/// Sees to it that a folder that is there is private. Returns the mode that it had, if that was changed.
///
/// The mode is changed only of a folder that belongs to the user that runs this, and is empty or has something by one of the
/// names `marks` in it: no mistyped path shall lock others out of a folder that they use.
///
/// # Errors
///
/// When it can't be read, or isn't private and can't or mustn't be made so.
pub fn make_private(path: impl AsRef<Path>, marks: &[&str]) -> io::Result<Option<u32>> {
    let path = path.as_ref();
    let metadata = fs::metadata(path)?;
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(None);
    }
    let refused = |why: String| {
        let text = format!(
            "others than its owner may enter it (mode {mode:04o}), and it holds secrets: {why}, or use a folder below it, \
             which is made private"
        );
        Err(io::Error::new(ErrorKind::PermissionDenied, text))
    };
    if metadata.uid() != geteuid().as_raw() {
        return refused(format!("it belongs to user {}; let it belong to the user that runs this", metadata.uid()));
    }
    let mut stranger = None;
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if marks.contains(&name.as_str()) {
            stranger = None;
            break;
        }
        // A new file system has this in it.
        if name != "lost+found" {
            stranger = Some(name);
        }
    }
    if let Some(name) = stranger {
        let name = shortened(&name, 64);
        return refused(format!("it isn't empty ({name:?} is in it); make it private with chmod 700"));
    }
    fs::set_permissions(path, Permissions::from_mode(PRIVATE))?;
    Ok(Some(mode))
}
