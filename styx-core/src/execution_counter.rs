//! The execution counter: how many executions a trigger had begun before one of them, fixed in its `submit`.

use crate::extensions::Extensions;

/// The extension of a `submit`: four bytes, little-endian.
const TAG: u32 = 3;

/// The extensions of a `submit` that begins the execution with this counter.
pub(crate) fn extensions(counter: u32) -> Extensions {
    Extensions::new([(TAG, counter.to_le_bytes())]).expect("one tag is in order")
}

/// The counter that a `submit` recorded; none in a log from before it was, or where the bytes aren't four.
pub(crate) fn recorded(extensions: &Extensions) -> Option<u32> {
    extensions.get(TAG)?.try_into().ok().map(u32::from_le_bytes)
}
