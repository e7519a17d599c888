//! What commands other than the log tools print.

use std::io::{self, Write};

use anyhow::Context;
use styx_host::text::visible_lines;

use crate::logging;

/// Writes a text to standard output. That nobody reads on is no failure: whoever pipes into `head` has what it wants.
///
/// # Errors
///
/// When it can't be written, to a full disk for example.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    unless_unread(write(text), ()).context("writing to standard output")
}

/// What counts for a command whose output nobody reads on: that is no failure.
pub(crate) fn unless_unread<T>(written: io::Result<T>, otherwise: T) -> io::Result<T> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(otherwise),
        other => other,
    }
}

/// Writes a text to standard output, as far as that goes.
///
/// # Errors
///
/// As [`print`], and when nobody reads.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Tells whoever started the command; that nobody listens is no failure. A server that ends waits for nobody who listens.
pub(crate) fn tell(text: &str) {
    let text = visible_lines(text);
    if !logging::tell(&text) {
        let _ = writeln!(io::stderr(), "{text}");
    }
}
