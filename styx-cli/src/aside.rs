//! What is said on standard error.

use std::fmt::Display;
use std::io::Write;

/// Says something, a line or several. Whether anybody can read it changes nothing of what the command does.
pub(crate) fn tell(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
