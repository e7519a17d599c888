//! Files that are written as a whole: who reads one sees it as it was or as it is then, never half of it.
//!
//! A new file is private (mode 0600). One that is there keeps its owner, its group, its mode and its name: a symbolic link
//! stays, and what it leads to is replaced. Where a file can't be replaced, since it has several names or is mounted by
//! itself, it is written in place.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::fs::OFlags;

use crate::place::{Place, folder_of, give, heir};

/// The mode of a new file.
const PRIVATE: u32 = 0o600;

/// What kind of file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A program's own: it must be a plain file, nobody outside its group may read it, and it belongs to whom the folder
    /// belongs to if the administrator makes it.
    State,
    /// What a user named: a device or a FIFO is written through.
    Output,
    /// The same for what everybody may read.
    Document,
}

/// Reads a text of at most so many bytes: what was named by mistake may have no end.
///
/// # Errors
///
/// When it can't be read, is longer, or isn't UTF-8.
pub fn read_text(path: impl AsRef<Path>, most: u64) -> io::Result<String> {
    text_of(File::open(path)?, most)
}

/// Reads a text of at most so many bytes to its end.
///
/// # Errors
///
/// As [`read_text`].
pub fn text_of(input: impl Read, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    input.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is longer than {most} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it isn't UTF-8"))
}

/// Replaces a file that a program keeps for itself, and syncs it and its folder.
///
/// # Errors
///
/// When the path leads to something else than a plain file, or it can't be written. Then it is as it was.
pub fn write_state(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let mut file = FileWriter::create(path.as_ref(), Purpose::State)?;
    file.write_all(bytes)?;
    file.commit()
}

/// Replaces a file that nobody but the program itself writes: a symbolic link and another name of the file are not followed, so
/// that a copy made of links stays what it was.
///
/// # Errors
///
/// When it can't be written. Then it is as it was.
pub fn write_internal(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let target = path.as_ref().to_owned();
    let (temporary, file) = Temporary::create(folder_of(&target), PRIVATE)?;
    let mut file = FileWriter::new(file, How::Replace { temporary, target });
    file.write_all(bytes)?;
    file.commit()
}

/// Replaces a file that everybody may read, such as a manual page; a new one has the mode that the umask leaves.
///
/// # Errors
///
/// When it can't be written.
pub fn write_document(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let mut file = FileWriter::create(path.as_ref(), Purpose::Document)?;
    file.write_all(bytes)?;
    file.commit()
}

/// Opens a private file for locks and the like, and makes it if it isn't there; a symbolic link is refused.
///
/// # Errors
///
/// When it can't be opened.
pub fn open_lock(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(PRIVATE).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            if let Some(like) = heir(folder_of(path))? {
                give(&file, &like)?;
            }
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// A file on its way. Until [`commit`](Self::commit) what was there before stays as it was, and so it does if this is dropped;
/// only a device, a FIFO and a file that is written in place get the bytes as they come.
#[derive(Debug)]
pub struct FileWriter {
    out: BufWriter<File>,
    how: How,
}

/// Where the bytes go.
#[derive(Debug)]
enum How {
    /// Into a temporary file, which then gets the name.
    Replace { temporary: Temporary, target: PathBuf },
    /// Into the file itself, which is cut behind them.
    InPlace,
    /// Through a device or a FIFO.
    Stream,
}

impl FileWriter {
    /// Begins to write what a user asked for, such as an export.
    ///
    /// # Errors
    ///
    /// When the path leads to a folder, a block device or a socket, or can't be written.
    pub fn output(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::create(path.as_ref(), Purpose::Output)
    }

    fn create(path: &Path, purpose: Purpose) -> io::Result<Self> {
        match Place::of(path)? {
            Place::Stream if purpose == Purpose::State => {
                Err(io::Error::new(ErrorKind::InvalidInput, "it is a device or a FIFO, not a plain file"))
            }
            Place::Stream => Ok(Self::new(OpenOptions::new().write(true).open(path)?, How::Stream)),
            Place::Fixed => Self::in_place(path),
            Place::Free(target) => {
                let mode = if purpose == Purpose::Document { 0o666 } else { PRIVATE };
                let (temporary, file) = Temporary::create(folder_of(&target), mode)?;
                if purpose == Purpose::State
                    && let Some(like) = heir(folder_of(&target))?
                {
                    give(&file, &like)?;
                }
                Ok(Self::new(file, How::Replace { temporary, target }))
            }
            Place::Plain(target, metadata) => {
                // Where the folder or the owner allow no replacement, the file may still be writable.
                let replacing = Temporary::create(folder_of(&target), PRIVATE).and_then(|(temporary, file)| {
                    give(&file, &metadata)?;
                    let kept = if purpose == Purpose::State { 0o770 } else { 0o777 };
                    file.set_permissions(fs::Permissions::from_mode(metadata.mode() & kept))?;
                    Ok((temporary, file))
                });
                match replacing {
                    Ok((temporary, file)) => Ok(Self::new(file, How::Replace { temporary, target })),
                    Err(error) if is_denied(&error) => Self::in_place(path),
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn in_place(path: &Path) -> io::Result<Self> {
        Ok(Self::new(OpenOptions::new().write(true).open(path)?, How::InPlace))
    }

    fn new(file: File, how: How) -> Self {
        Self { out: BufWriter::new(file), how }
    }

    /// Syncs what was written, and gives it the name.
    ///
    /// # Errors
    ///
    /// When it can't be written, synced or renamed.
    pub fn commit(self) -> io::Result<()> {
        let mut file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        match self.how {
            How::Stream => Ok(()),
            How::InPlace => finish_in_place(&mut file),
            How::Replace { temporary, target } => {
                file.sync_all()?;
                match fs::rename(&temporary.path, &target) {
                    Ok(()) => {}
                    // It is mounted by itself.
                    Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                        let mut whole = File::open(&temporary.path)?;
                        let mut file = OpenOptions::new().write(true).open(&target)?;
                        io::copy(&mut whole, &mut file)?;
                        return finish_in_place(&mut file);
                    }
                    Err(error) => return Err(error),
                }
                temporary.keep();
                sync_folder(folder_of(&target))
            }
        }
    }
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn finish_in_place(file: &mut File) -> io::Result<()> {
    let end = file.stream_position()?;
    file.set_len(end)?;
    file.sync_all()
}

fn is_denied(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// Syncs a folder, so that the names in it outlive a crash. Some file systems can't.
///
/// # Errors
///
/// When the disk fails.
pub fn sync_folder(path: impl AsRef<Path>) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// A temporary file, removed when this is dropped.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn create(folder: &Path, mode: u32) -> io::Result<(Self, File)> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!(".styx-{}-{number}.new", process::id()));
            match OpenOptions::new().write(true).create_new(true).mode(mode).open(&path) {
                Ok(file) => return Ok((Self { path }, file)),
                // Of a process that had our id and was killed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// It has another name now.
    fn keep(mut self) {
        self.path.clear();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // It may not even be there.
            let _ = fs::remove_file(&self.path);
        }
    }
}
