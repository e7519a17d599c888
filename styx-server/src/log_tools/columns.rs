//! Tables that are held as a whole: what they are of is in memory anyway.

use std::io::{self, Write};

use owo_colors::{OwoColorize, Style};
use styx_host::{
    table::Table,
    text::{padded, width},
};

use super::wording;

/// A table with heads; the last column is not padded.
pub(super) struct Columns {
    table: Table,
    rows: Vec<(Vec<String>, Style)>,
}

impl Columns {
    pub(super) fn new(heads: &[&'static str]) -> Self {
        Self { table: Table::new(heads), rows: Vec::new() }
    }

    /// Adds a row, with one text for each head.
    pub(super) fn add(&mut self, cells: Vec<String>, style: Style) {
        self.table.fit(&cells);
        self.rows.push((cells, style));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.table.heads().bold())?;
        for (cells, style) in &self.rows {
            writeln!(out, "{}", self.table.line(cells).style(*style))?;
        }
        Ok(())
    }
}

/// Fields with their values, a line each.
pub(super) fn write_fields(out: &mut dyn Write, fields: &[(String, String)]) -> io::Result<()> {
    let names: Vec<_> = fields.iter().map(|(name, _)| wording::one_line(name)).collect();
    let widest = names.iter().map(|name| width(name)).max().unwrap_or_default();
    for (name, (_, value)) in names.iter().zip(fields) {
        writeln!(out, "{}", format!("{}  {}", padded(name, widest), wording::one_line(value)).trim_end())?;
    }
    Ok(())
}
