//! Tables that are held as a whole: what they are of is in memory anyway.

use std::io::{self, Write};

use owo_colors::{OwoColorize, Style};
use unicode_width::UnicodeWidthStr;

use super::wording;

/// A table with heads; the last column is not padded.
pub(super) struct Columns {
    heads: Vec<&'static str>,
    rows: Vec<(Vec<String>, Style)>,
}

impl Columns {
    pub(super) fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.into(), rows: Vec::new() }
    }

    /// Adds a row, with one text for each head.
    pub(super) fn add(&mut self, cells: Vec<String>, style: Style) {
        self.rows.push((cells.iter().map(|cell| wording::one_line(cell)).collect(), style));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths: Vec<_> = self.heads.iter().map(|head| head.width()).collect();
        for (cells, _) in &self.rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.width());
            }
        }
        writeln!(out, "{}", line(self.heads.iter().copied(), &widths).bold())?;
        for (cells, style) in &self.rows {
            writeln!(out, "{}", line(cells.iter().map(String::as_str), &widths).style(*style))?;
        }
        Ok(())
    }
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.zip(widths) {
        let padding = width - cell.width().min(*width);
        line.extend([cell, &" ".repeat(padding), "  "]);
    }
    line.truncate(line.trim_end().len());
    line
}

/// Fields with their values, a line each.
pub(super) fn write_fields(out: &mut dyn Write, fields: &[(String, String)]) -> io::Result<()> {
    let width = fields.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
    for (name, value) in fields {
        let padding = " ".repeat(width - name.width());
        writeln!(out, "{}", format!("{name}{padding}  {}", wording::one_line(value)).trim_end())?;
    }
    Ok(())
}
