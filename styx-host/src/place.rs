//! What is at a path, and where a new file for it belongs.

use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt, MetadataExt, chown, fchown},
    path::{Path, PathBuf},
};

use rustix::process::{geteuid, getuid};

/// How many symbolic links are followed, as many as Linux follows.
const MAX_LINKS: usize = 40;

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Place {
    /// Nothing; a plain file may be made at this path, which is no link.
    Free(PathBuf),
    /// A plain file that can be replaced, at this path, which is no link.
    Plain(PathBuf, Metadata),
    /// A plain file that must keep its inode: it has several names, is mounted by itself, or only a descriptor leads to it.
    Fixed,
    /// A character device or a FIFO: bytes go through it and nothing stays.
    Stream,
}

impl Place {
    /// Looks at a path and follows symbolic links, also one that leads to nothing yet.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Free(follow(path)?.0)),
            Err(error) => return Err(error),
        };
        let kind = metadata.file_type();
        if kind.is_char_device() || kind.is_fifo() {
            return Ok(Self::Stream);
        }
        if !kind.is_file() {
            let what = if kind.is_dir() {
                "a folder"
            } else if kind.is_block_device() {
                "a block device"
            } else {
                "a socket"
            };
            return Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {what}, not a file")));
        }
        let (target, through_proc) = follow(path)?;
        let is_same = |found: Metadata| (found.dev(), found.ino()) == (metadata.dev(), metadata.ino());
        let is_mounted = fs::metadata(folder_of(&target)).is_ok_and(|folder| folder.dev() != metadata.dev());
        if through_proc || metadata.nlink() > 1 || is_mounted || !fs::symlink_metadata(&target).is_ok_and(is_same) {
            return Ok(Self::Fixed);
        }
        Ok(Self::Plain(target, metadata))
    }
}

/// Follows symbolic links; also says whether one of them lies in `/proc`, whose links aren't paths.
fn follow(path: &Path) -> io::Result<(PathBuf, bool)> {
    let mut at = path.to_owned();
    let mut through_proc = at.starts_with("/proc");
    for _ in 0..MAX_LINKS {
        match fs::read_link(&at) {
            Ok(target) => at = folder_of(&at).join(target),
            // It is no link, or nothing.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return match at.file_name() {
                    Some(_) => Ok((at, through_proc)),
                    None => Err(io::Error::new(ErrorKind::InvalidInput, "it isn't the name of a file")),
                };
            }
            Err(error) => return Err(error),
        }
        through_proc |= at.starts_with("/proc") || at.starts_with("/dev/fd");
    }
    Err(io::Error::from(rustix::io::Errno::LOOP))
}

/// The folder that a path lies in; `.` for a name alone.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives a new file owner and group of `like`, if it has others.
pub(crate) fn give(file: &File, like: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    let uid = (own.uid() != like.uid()).then(|| like.uid());
    let gid = (own.gid() != like.gid()).then(|| like.gid());
    if uid.is_none() && gid.is_none() { Ok(()) } else { fchown(file, uid, gid) }
}

/// Whom something new in a folder belongs to: the folder's owner, if the administrator makes it for somebody else.
pub(crate) fn heir(folder: &Path) -> io::Result<Option<Metadata>> {
    if !geteuid().is_root() || !getuid().is_root() {
        return Ok(None);
    }
    let metadata = fs::metadata(folder)?;
    // A folder that everybody may write into, such as /tmp, says nothing about whom its files are for.
    Ok((metadata.uid() != 0 && metadata.mode() & 0o002 == 0).then_some(metadata))
}

/// Gives a new folder to the owner of the one that it lies in, as [`heir`] says.
pub(crate) fn give_folder(path: &Path) -> io::Result<()> {
    match heir(folder_of(path))? {
        Some(like) => chown(path, Some(like.uid()), Some(like.gid())),
        None => Ok(()),
    }
}
