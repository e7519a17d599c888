//! What is said on standard error.

use std::fmt::Display;
use std::io::Write;

use styx_host::text::{printable, visible_lines};

/// Says something, a line or several. Whether anybody can read it changes nothing of what the command does.
pub(crate) fn tell(text: impl Display) {
    tell_styled(visible_lines(&text.to_string()));
}

/// Says something that may hold colours.
pub(crate) fn tell_styled(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{}", printable(&text.to_string()));
}
