//! An export on its way back: every line is checked, and the footer tells whether all of them are there.

use std::io::{self, BufRead, Read};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use styx_core::{
    id::Position,
    record::{Bounds, OutOfBounds, Record},
};

use super::{
    JsonError, VERSION,
    export::{FooterLine, Header, HeaderLine},
    from_json, record_from_json,
};
use crate::{codec::MAX_BODY, keys::hex};

/// The longest line: a record's longest body, with every byte of it escaped.
const MAX_LINE: u64 = 8 * MAX_BODY as u64;

/// Why an export can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The input can't be read.
    #[error("line {line}: {source}")]
    Input {
        /// The line that was to be read; the first is 1.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A line isn't what it should be.
    #[error("line {line}: {source}")]
    Line {
        /// Which; the first is 1.
        line: u64,
        /// Which member of it, and what is wrong with it.
        source: JsonError,
    },
    /// The file ends before its last line.
    #[error("the file ends after line {line} without the last line that an export has: it was cut")]
    Cut {
        /// The last whole line.
        line: u64,
    },
    /// The file isn't the one that was written.
    #[error("line {line}: end.sha256: the lines before give {found}, not {expected}: the file was changed")]
    Changed {
        /// The footer's line.
        line: u64,
        /// What it says.
        expected: String,
        /// What the lines give.
        found: String,
    },
}

/// Reads an export, a record at a time.
pub struct ExportReader<R> {
    input: R,
    /// How many lines were read.
    line: u64,
    hash: Sha256,
    header: Header,
    /// Where the next record belongs; none behind the footer.
    next: Option<Position>,
}

/// The version is looked at before all else: a newer form may have any other member.
#[derive(Debug, Deserialize)]
struct VersionLine {
    styx_log: VersionJson,
}

#[derive(Debug, Deserialize)]
struct VersionJson {
    version: u64,
}

impl<R: BufRead> ExportReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// When it isn't one, or of a newer version.
    pub fn begin(mut input: R) -> Result<Self, ImportError> {
        let text = read_line(&mut input, 0)?.ok_or(ImportError::Cut { line: 0 })?;
        let of_header = |source| ImportError::Line { line: 1, source };
        let VersionLine { styx_log } = from_json(trimmed(&text)).map_err(of_header)?;
        if styx_log.version != u64::from(VERSION) {
            let problem = format!("{} isn't {VERSION}, the version that this program knows", styx_log.version);
            return Err(of_header(JsonError { path: "styx_log.version".into(), problem }));
        }
        let HeaderLine { styx_log } = from_json(trimmed(&text)).map_err(of_header)?;
        let header = Header::from(styx_log);
        if header.first > header.last {
            let problem = format!("{} lies before the first, {}", header.last, header.first);
            return Err(of_header(JsonError { path: "styx_log.last".into(), problem }));
        }
        for (path, position) in [("styx_log.first", header.first), ("styx_log.last", header.last)] {
            let bounds = Bounds::IMPORTED.check_number("it", position.0);
            let problem = match bounds {
                Ok(()) if position >= Position::FIRST => continue,
                Ok(()) => format!("{position} lies before the first record of any log, {}", Position::FIRST),
                Err(OutOfBounds { value, bound, .. }) => format!("{value} must be {bound}"),
            };
            return Err(of_header(JsonError { path: path.into(), problem }));
        }
        let next = Some(header.first);
        Ok(Self { input, line: 1, hash: Sha256::new_with_prefix(&text), header, next })
    }

    /// What the export says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The line that was read last; the header is 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next record, or none after the footer has shown that all are there.
    ///
    /// # Errors
    ///
    /// When a line isn't right, a record is missing, or the file was cut or changed.
    pub fn next_record(&mut self) -> Result<Option<Record>, ImportError> {
        let Some(next) = self.next else { return Ok(None) };
        let text = read_line(&mut self.input, self.line)?.ok_or(ImportError::Cut { line: self.line })?;
        self.line += 1;
        if is_footer(&text) {
            self.check_footer(&text, next)?;
            self.next = None;
            return Ok(None);
        }
        let record = record_from_json(trimmed(&text)).map_err(|source| self.at_line(source))?;
        if record.position != next || next > self.header.last {
            let problem = match next > self.header.last {
                true => format!("{} lies behind the last record that the header names", record.position),
                false => format!("{} stands where {next} belongs", record.position),
            };
            return Err(self.at_line(JsonError { path: "position".into(), problem }));
        }
        self.hash.update(&text);
        self.next = Some(next.next());
        Ok(Some(record))
    }

    fn check_footer(&mut self, text: &str, next: Position) -> Result<(), ImportError> {
        let FooterLine { end } = from_json(trimmed(text)).map_err(|source| self.at_line(source))?;
        let records = next.0 - self.header.first.0;
        if end.records != records || next.0 - 1 != self.header.last.0 {
            let named = self.header.last.0 - self.header.first.0 + 1;
            let problem = format!("it says {}, the header {named}, and there are {records}", end.records);
            return Err(self.at_line(JsonError { path: "end.records".into(), problem }));
        }
        let found = hex(&std::mem::take(&mut self.hash).finalize());
        if found != end.sha256 {
            return Err(ImportError::Changed { line: self.line, expected: end.sha256, found });
        }
        match read_line(&mut self.input, self.line)? {
            None => Ok(()),
            Some(_) => {
                self.line += 1;
                Err(self.at_line(JsonError { path: String::new(), problem: "it follows the last line".into() }))
            }
        }
    }

    fn at_line(&self, source: JsonError) -> ImportError {
        ImportError::Line { line: self.line, source }
    }
}

/// Reads a line with its end, or nothing at the end of the input. `before` is how many lines came before it.
fn read_line(input: &mut impl BufRead, before: u64) -> Result<Option<String>, ImportError> {
    let line = before + 1;
    let wrong = |problem: &str| {
        let source = JsonError { path: String::new(), problem: problem.into() };
        ImportError::Line { line, source }
    };
    let mut bytes = Vec::new();
    input.take(MAX_LINE).read_until(b'\n', &mut bytes).map_err(|source| ImportError::Input { line, source })?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() as u64 == MAX_LINE {
        return Err(wrong("it is longer than any record"));
    }
    if bytes.last() != Some(&b'\n') {
        return Err(ImportError::Cut { line: before });
    }
    String::from_utf8(bytes).map(Some).map_err(|_| wrong("it isn't UTF-8"))
}

fn trimmed(line: &str) -> &str {
    line.strip_suffix('\n').unwrap_or(line)
}

/// The footer is the object whose first member is `end`.
fn is_footer(line: &str) -> bool {
    let members = line.trim_start().strip_prefix('{').unwrap_or_default();
    members.trim_start().starts_with("\"end\"")
}
