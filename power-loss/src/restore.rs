//! A folder as the notes say that it was.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, DirBuilder, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::Loss;

pub(crate) struct Notes<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) loss: Loss,
}

/// Makes the folder `to` of what was noted of the one with this key, which is now at `from` if it is anywhere.
pub(crate) fn folder(notes: &Notes<'_>, key: &str, from: &Path, to: &Path) {
    let mut made = BTreeMap::new();
    restore(notes, key, from, to, &mut made);
}

fn restore(notes: &Notes<'_>, key: &str, from: &Path, to: &Path, made: &mut BTreeMap<String, PathBuf>) {
    DirBuilder::new().mode(0o700).create(to).expect("a folder");
    // One that was never synced is empty.
    let names = fs::read(notes.dir.join(format!("names-{key}"))).unwrap_or_default();
    let fields: Vec<&[u8]> = names.split(|&byte| byte == 0).collect();
    for entry in fields.chunks_exact(5) {
        let &[kind, key, mode, name, target] = entry else { unreachable!("five fields each") };
        let key = std::str::from_utf8(key).expect("a key");
        let mode = u32::from_str_radix(std::str::from_utf8(mode).expect("a mode"), 8).expect("a mode");
        let (from, to) = (from.join(OsStr::from_bytes(name)), to.join(OsStr::from_bytes(name)));
        match kind {
            b"d" => restore(notes, key, &from, &to, made),
            b"l" => symlink(OsStr::from_bytes(target), &to).expect("a link"),
            b"p" => mkfifoat(CWD, &to, Mode::RUSR | Mode::WUSR).expect("a named pipe"),
            _ => match made.get(key) {
                Some(other) => fs::hard_link(other, &to).expect("another name"),
                None => {
                    fs::write(&to, content(notes, key, &from)).expect("a file");
                    made.insert(key.to_owned(), to.clone());
                }
            },
        }
        if kind != b"l" {
            fs::set_permissions(&to, Permissions::from_mode(mode)).expect("a mode");
        }
    }
}

fn content(notes: &Notes<'_>, key: &str, from: &Path) -> Vec<u8> {
    let mut content = fs::read(notes.dir.join(format!("content-{key}"))).unwrap_or_default();
    if let Loss::PartOfAppends(thousandths) = notes.loss
        && let Ok(now) = fs::read(from)
        && now.starts_with(&content)
    {
        let appended = now.len() - content.len();
        let written = content.len() + appended * usize::from(thousandths) / 1000;
        content = now;
        content.truncate(written);
    }
    content
}
