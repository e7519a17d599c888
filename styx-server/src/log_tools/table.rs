//! Records as a table: a line each, the details last, so that nothing is cut off and `grep` works.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use owo_colors::{OwoColorize, Style};
use styx_core::{
    event::Event,
    id::Position,
    record::{Fact, Record, RunEvent},
};

use super::wording;

/// How many lines are held back to find out how wide the columns are.
const HELD_BACK: usize = 256;

/// A table on its way out.
pub(super) struct Table<W> {
    out: W,
    rows: Vec<Row>,
    widths: Option<[usize; 3]>,
    /// The decision of the last record.
    decision: Option<Position>,
}

struct Row {
    position: Position,
    /// Belongs to the decision of the row before.
    goes_on: bool,
    at: DateTime<Utc>,
    /// Subject, cause, event.
    cells: [String; 3],
    style: Style,
    info: String,
}

const HEADS: [&str; 3] = ["SUBJECT", "CAUSE", "EVENT"];

impl<W: Write> Table<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, rows: Vec::new(), widths: None, decision: None }
    }

    /// Adds a record. `leader_cause` finds the cause of its decision, where the record itself doesn't say it.
    pub(super) fn add(
        &mut self,
        record: &Record,
        output: Option<String>,
        leader_cause: impl FnOnce() -> String,
    ) -> io::Result<()> {
        let goes_on = self.decision == Some(record.decision);
        self.decision = Some(record.decision);
        let cause = match wording::cause(&record.cause) {
            Some(cause) => cause,
            None if goes_on => String::new(),
            None => leader_cause(),
        };
        let mut info = wording::info(record);
        if let Some(output) = output {
            info = format!("{info}, output: {}", wording::one_line(&output));
        }
        let subject = wording::one_line(&record.subject().to_string());
        self.rows.push(Row {
            position: record.position,
            goes_on,
            at: record.at,
            cells: [subject, cause, wording::name(&record.fact).into()],
            style: style(&record.fact),
            info,
        });
        if self.rows.len() >= HELD_BACK { self.flush() } else { Ok(()) }
    }

    /// Writes what is held back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let is_first = self.widths.is_none();
        let mut widths = self.widths.unwrap_or(HEADS.map(str::len));
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.widths = Some(widths);
        if is_first {
            let [subject, cause, event] = padded(HEADS, widths);
            let head = format!("{:>10}  {:<23}  {subject}  {cause}  {event}  INFO", "POSITION", "TIME (UTC)");
            writeln!(self.out, "{}", head.bold())?;
        }
        for row in std::mem::take(&mut self.rows) {
            row.write(&mut self.out, widths)?;
        }
        Ok(())
    }
}

impl Row {
    fn write(&self, out: &mut impl Write, widths: [usize; 3]) -> io::Result<()> {
        let at = self.at.format("%Y-%m-%d %H:%M:%S%.3f");
        let [subject, cause, event] = padded(self.cells.each_ref().map(String::as_str), widths);
        let mark = if self.goes_on { "└ " } else { "" };
        let position = format!("{:>10}", format!("{mark}{}", self.position));
        if self.info.is_empty() {
            let event = event.trim_end();
            return writeln!(out, "{}  {at}  {subject}  {cause}  {}", position.dimmed(), event.style(self.style));
        }
        writeln!(out, "{}  {at}  {subject}  {cause}  {}  {}", position.dimmed(), event.style(self.style), self.info)
    }
}

fn padded(cells: [&str; 3], widths: [usize; 3]) -> [String; 3] {
    let [subject, cause, event] = cells;
    let [for_subject, for_cause, for_event] = widths;
    [format!("{subject:<for_subject$}"), format!("{cause:<for_cause$}"), format!("{event:<for_event$}")]
}

/// Green for what went well, yellow for what is tried again, red for what went wrong.
fn style(fact: &Fact) -> Style {
    let style = Style::new();
    let Fact::Run(_, RunEvent::Styx { event, .. }) = fact else { return style };
    match event {
        Event::Success | Event::Terminate { exit_code: Some(0) } => style.green(),
        Event::RetryAfter { .. } | Event::Terminate { exit_code: Some(20) } => style.yellow(),
        Event::Terminate { .. }
        | Event::RunError { .. }
        | Event::Timeout { .. }
        | Event::Halt { .. }
        | Event::Stop { .. } => style.red(),
        _ => style,
    }
}
