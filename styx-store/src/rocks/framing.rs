//! What RocksDB doesn't see in its own files: a kind of block that it never writes here, and reads as an end.
//!
//! A WAL or manifest file is made of blocks of 32 KiB, and those of fragments: checksum, length, kind, bytes. Fragments of
//! the recyclable kinds are told from old ones by a number that they carry, and an old one ends the file without a word.
//! We recycle no files. So such a kind is damage, and taking it for an end would drop what was acknowledged, or (in a
//! manifest) never come to one.

use std::{fs, path::Path};

use super::reader::corrupt;
use crate::error::{OpenError, while_doing};

const BLOCK: usize = 32 * 1024;
const HEADER: usize = 7;

/// Full, first, middle, last, size of timestamps and predecessor, each as recyclable.
const RECYCLABLE: [u8; 6] = [5, 6, 7, 8, 11, 131];

/// Whether the WAL files and the manifest hold only kinds that are written here.
pub(super) fn check_framing(dir: &Path) -> Result<(), OpenError> {
    let doing = || format!("reading {}", dir.display());
    for file in fs::read_dir(dir).map_err(while_doing(doing()))? {
        let path = file.map_err(while_doing(doing()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with("MANIFEST-") && !name.ends_with(".log") {
            continue;
        }
        let bytes = fs::read(&path).map_err(while_doing(format!("reading {}", path.display())))?;
        if let Some(at) = recyclable(&bytes) {
            let reason = format!("its fragment at {at} is of a kind that is never written there");
            return Err(corrupt(path.display().to_string(), reason).into());
        }
    }
    Ok(())
}

/// The first fragment of a recyclable kind. What can't be followed any more is left to RocksDB.
fn recyclable(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        if BLOCK - at % BLOCK < HEADER {
            at = at.next_multiple_of(BLOCK);
        }
        let [_, _, _, _, low, high, kind] = *bytes.get(at..)?.first_chunk::<HEADER>()?;
        if RECYCLABLE.contains(&kind) {
            return Some(at);
        }
        let length = usize::from(u16::from_le_bytes([low, high]));
        if kind == 0 || at % BLOCK + HEADER + length > BLOCK {
            return None;
        }
        at += HEADER + length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(kind: u8, length: usize) -> Vec<u8> {
        let [low, high] = u16::try_from(length).unwrap().to_le_bytes();
        let mut bytes = vec![1, 2, 3, 4, low, high, kind];
        bytes.resize(HEADER + length, 9);
        bytes
    }

    #[test]
    fn a_recyclable_kind_is_found_across_blocks() {
        // Six bytes are left over at the end of the first block.
        let first = [fragment(1, 0), fragment(2, BLOCK - 3 * HEADER + 1), vec![0; 6]].concat();
        assert_eq!(first.len(), BLOCK);
        let sound = [first, fragment(4, 8), fragment(130, 3)].concat();
        assert_eq!(recyclable(&sound), None);
        assert_eq!(recyclable(&[&sound[..], &fragment(6, 1)].concat()), Some(sound.len()));
        // An unfinished or empty end isn't ours to judge.
        assert_eq!(recyclable(&[&sound[..], &[0; 40], &fragment(6, 1)].concat()), None);
        assert_eq!(recyclable(&[&sound[..], &fragment(1, 90)[..30]].concat()), None);
    }
}
