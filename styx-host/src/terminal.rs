//! A writer under which nothing acts on a terminal but line ends, tabs and colours.

use std::io::{self, Write};

use crate::text::{json, printable, printable_line};

/// Writes texts whose control characters are written out. It holds back what doesn't end a line until [`flush`](Write::flush)
/// or the next line end, so that no character and no colour comes in two pieces.
#[derive(Debug)]
pub struct Harmless<W: Write> {
    out: W,
    is_json: bool,
    held: Vec<u8>,
}

/// An event of a server's log, with its line's end, as one line in which nothing but colours acts on a terminal: what an event
/// holds of others can't look like another event.
///
/// ```
/// use styx_host::terminal::log_line;
///
/// assert_eq!(log_line(b"GET /a\nINFO all is well\x1b[2J\n"), "GET /a\\nINFO all is well\\u{1b}[2J\n");
/// ```
pub fn log_line(event: &[u8]) -> String {
    let text = String::from_utf8_lossy(event);
    let mut line = printable_line(text.strip_suffix('\n').unwrap_or(&text)).into_owned();
    line.push('\n');
    line
}

/// How much of a line without an end is held back.
const MOST_HELD: usize = 1 << 16;

impl<W: Write> Harmless<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, is_json: false, held: Vec::new() }
    }

    /// Writes JSON to `out`, with escapes of JSON.
    pub fn of_json(out: W) -> Self {
        Self { out, is_json: true, held: Vec::new() }
    }

    /// As much of what is held as ends with a whole character.
    fn whole(&self) -> usize {
        match std::str::from_utf8(&self.held) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.held.len(),
        }
    }

    fn write_held(&mut self, length: usize) -> io::Result<()> {
        let text = String::from_utf8_lossy(&self.held[..length]);
        let text = if self.is_json { json(&text) } else { printable(&text) };
        let written = self.out.write_all(text.as_bytes());
        self.held.drain(..length);
        written
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        match self.held.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => self.write_held(end + 1)?,
            None if self.held.len() > MOST_HELD => self.write_held(self.whole())?,
            None => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.held.is_empty() {
            self.write_held(self.held.len())?;
        }
        self.out.flush()
    }
}

impl<W: Write> Drop for Harmless<W> {
    fn drop(&mut self) {
        // Who wants to know whether it was written flushes.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_lines_pass_in_pieces_and_nothing_else_does() {
        let mut out = Vec::new();
        let mut harmless = Harmless::new(&mut out);
        for byte in "\u{1b}[31mé\u{1b}[m\n\u{1b}[2Jend\u{9b}".bytes() {
            harmless.write_all(&[byte]).unwrap();
        }
        drop(harmless);
        assert_eq!(String::from_utf8(out).unwrap(), "\u{1b}[31mé\u{1b}[m\n\\u{1b}[2Jend\\u{9b}");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let line = format!("\"{}\u{9b}\"", "é".repeat(MOST_HELD));
        let mut out = Vec::new();
        let mut harmless = Harmless::of_json(&mut out);
        for piece in line.as_bytes().chunks(1_001) {
            harmless.write_all(piece).unwrap();
        }
        drop(harmless);
        assert_eq!(String::from_utf8(out).unwrap(), line.replace('\u{9b}', "\\u009b"));
    }
}
