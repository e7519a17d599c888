//! Room for later fields: bytes by tag, kept as they are by a program that doesn't know the tag.

use std::{fmt, sync::Arc};

/// Fields beyond those that this version names, by tag, ascending, each tag once.
///
/// A program keeps what it doesn't know: in records, rows and exports. So no tag may change what the other fields of the
/// same part mean; whatever does that takes a new alternative or a new version, which an older program refuses.
/// `docs/log-format.md` lists the tags.
///
/// An empty sequence takes no memory of its own; a clone shares what there is.
///
/// ```
/// use styx_core::extensions::Extensions;
///
/// let extensions = Extensions::new([(3, &b"abc"[..]), (7, &[])])?;
/// assert_eq!(extensions.get(3), Some(&b"abc"[..]));
/// assert_eq!(extensions.get(4), None);
/// assert!(Extensions::new([(7, &[]), (3, &[])]).is_err());
/// assert!(Extensions::default().is_empty());
/// # Ok::<(), styx_core::extensions::InvalidExtensions>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Extensions(
    /// Never an empty sequence. Behind two pointers, so that the empty one is as small as one: a million runs hold two.
    Option<Arc<Box<[Extension]>>>,
);

/// A field by its tag.
#[derive(Clone, PartialEq, Eq)]
struct Extension {
    tag: u32,
    bytes: Box<[u8]>,
}

/// A sequence that breaks a rule of [`Extensions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidExtensions {
    /// A tag stands behind one that isn't smaller.
    #[error("tag {tag} doesn't ascend from {before}, the tag before it")]
    Order {
        /// The tag before.
        before: u32,
        /// The tag.
        tag: u32,
    },
    /// There are too many tags.
    #[error("more than {} tags", Extensions::MAX_TAGS)]
    TooMany,
    /// The bytes are too long.
    #[error("the bytes of the tags up to {tag} are longer than {}", Extensions::MAX_BYTES)]
    TooLong {
        /// The tag whose bytes pass the bound.
        tag: u32,
    },
}

impl Extensions {
    /// The most tags in one sequence.
    pub const MAX_TAGS: usize = 64;

    /// The most bytes of all tags of one sequence together.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// A sequence of these fields.
    ///
    /// # Errors
    ///
    /// When the tags don't ascend, or there are more than [`MAX_TAGS`](Self::MAX_TAGS) or
    /// [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn new<B: AsRef<[u8]>>(fields: impl IntoIterator<Item = (u32, B)>) -> Result<Self, InvalidExtensions> {
        let mut extensions: Vec<Extension> = Vec::new();
        let mut length = 0_usize;
        for (tag, bytes) in fields {
            let bytes = bytes.as_ref();
            if let Some(before) = extensions.last().map(|last| last.tag).filter(|before| *before >= tag) {
                return Err(InvalidExtensions::Order { before, tag });
            }
            if extensions.len() == Self::MAX_TAGS {
                return Err(InvalidExtensions::TooMany);
            }
            length = length.saturating_add(bytes.len());
            if length > Self::MAX_BYTES {
                return Err(InvalidExtensions::TooLong { tag });
            }
            extensions.push(Extension { tag, bytes: bytes.into() });
        }
        Ok(Self((!extensions.is_empty()).then(|| Arc::new(extensions.into()))))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The tags with their bytes, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, &[u8])> {
        self.fields().iter().map(|Extension { tag, bytes }| (*tag, &**bytes))
    }

    /// The bytes of a tag.
    pub fn get(&self, tag: u32) -> Option<&[u8]> {
        let fields = self.fields();
        let found = fields.binary_search_by_key(&tag, |field| field.tag).ok()?;
        fields.get(found).map(|field| &*field.bytes)
    }

    fn fields(&self) -> &[Extension] {
        self.0.as_ref().map_or(&[], |fields| fields)
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_sequence_costs_one_pointer_and_no_memory() {
        assert_eq!(size_of::<Extensions>(), size_of::<usize>());
        let none: [(u32, &[u8]); 0] = [];
        let empty = Extensions::new(none).unwrap();
        assert!(empty.0.is_none() && empty == Extensions::default());
        assert_eq!(empty.iter().len(), 0);
    }

    #[test]
    fn what_is_there_is_shared() {
        let one = Extensions::new([(u32::MAX, [7])]).unwrap();
        let (Some(a), Some(b)) = (&one.0, &one.clone().0) else { panic!("it is there") };
        assert!(Arc::ptr_eq(a, b));
        assert_eq!(format!("{one:?}"), "{4294967295: [7]}");
    }

    #[test]
    fn tags_ascend_and_sizes_are_bounded() {
        let error = |fields: &[(u32, Vec<u8>)]| Extensions::new(fields.iter().cloned()).unwrap_err().to_string();
        assert_eq!(error(&[(2, vec![]), (2, vec![])]), "tag 2 doesn't ascend from 2, the tag before it");
        assert_eq!(error(&[(2, vec![]), (1, vec![])]), "tag 1 doesn't ascend from 2, the tag before it");
        let tags = |count: u32| (0..count).map(|tag| (tag, vec![])).collect::<Vec<_>>();
        assert_eq!(Extensions::new(tags(64)).unwrap().iter().len(), 64);
        assert_eq!(error(&tags(65)), "more than 64 tags");
        let half = || vec![0; 32 * 1024];
        assert!(Extensions::new([(0, half()), (1, half())]).is_ok());
        let too_long = [(0, half()), (1, half()), (2, vec![0])];
        assert_eq!(error(&too_long), "the bytes of the tags up to 2 are longer than 65536");
    }
}
