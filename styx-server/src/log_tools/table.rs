//! Records as a table: a line each, the details last, so that nothing is cut off and `grep` works.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use owo_colors::{OwoColorize, Style};
use serde_json::Value;
use styx_core::{
    event::Event,
    id::Position,
    record::{Fact, Record, RunEvent},
};
use styx_host::text::{WIDEST, padded as padded_to, width as width_of};

use super::{
    facets::{Facets, Said},
    wording,
};

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

/// A record as a line of the table.
pub(super) struct Line {
    position: Position,
    decision: Position,
    at: DateTime<Utc>,
    subject: String,
    /// Who or what caused it, where the record itself says so.
    cause: Option<String>,
    event: String,
    style: Style,
    info: String,
}

struct Row {
    line: Line,
    /// Belongs to the decision of the row before.
    goes_on: bool,
    /// Subject, cause, event.
    cells: [String; 3],
}

const HEADS: [&str; 3] = ["SUBJECT", "CAUSE", "EVENT"];

impl Line {
    /// The line of a record; `output` is where the output of the execution is that it is about.
    pub(super) fn of(record: &Record, output: Option<&str>) -> Self {
        let mut info = wording::info(record);
        if let Some(output) = output {
            info = format!("{info}, output: {}", wording::one_line(output));
        }
        let exit_code = match &record.fact {
            Fact::Run(_, RunEvent::Styx { event: Event::Terminate { exit_code }, .. }) => *exit_code,
            _ => None,
        };
        let event = record.fact.name();
        Self {
            position: record.position,
            decision: record.decision,
            at: record.at,
            subject: wording::one_line(&record.subject().to_string()),
            cause: wording::cause(&record.cause),
            event: event.into(),
            style: style(event, exit_code.map(i64::from)),
            info,
        }
    }

    /// The line of a record's JSON; `None` when it isn't one.
    pub(super) fn of_json(line: &Value) -> Option<Self> {
        let facets = Facets::of_json(line)?;
        let at = DateTime::parse_from_rfc3339(line["at"].as_str()?).ok()?.with_timezone(&Utc);
        let subject = match facets.subject {
            Some(subject) => subject.to_string(),
            None => line["subject"]["kind"].as_str()?.to_owned(),
        };
        Some(Self {
            position: facets.position,
            decision: facets.decision,
            at,
            subject: wording::one_line(&subject),
            cause: Said::of_json(line).map(|said| said.words),
            event: wording::one_line(facets.event),
            style: style(facets.event, line["event"]["exit_code"].as_i64()),
            info: wording::one_line(line["event"]["info"].as_str().unwrap_or_default()),
        })
    }
}

impl<W: Write> Table<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, rows: Vec::new(), widths: None, decision: None }
    }

    /// Adds a record. `leader` finds the cause of its decision, where the record itself doesn't say it.
    pub(super) fn add(&mut self, line: Line, leader: impl FnOnce() -> Option<Said>) -> io::Result<()> {
        let goes_on = self.decision == Some(line.decision);
        self.decision = Some(line.decision);
        let cause = match &line.cause {
            Some(cause) => cause.clone(),
            None if goes_on => String::new(),
            None => leader().map_or_else(|| format!("decision {}", line.decision), |said| said.words),
        };
        let cells = [line.subject.clone(), cause, line.event.clone()];
        self.rows.push(Row { line, goes_on, cells });
        if self.rows.len() >= HELD_BACK { self.write() } else { Ok(()) }
    }

    /// Writes what is held back, and sees to it that it is shown.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        self.out.flush()
    }

    /// Writes what is held back.
    fn write(&mut self) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let is_first = self.widths.is_none();
        let mut widths = self.widths.unwrap_or(HEADS.map(str::len));
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(width_of(cell).min(WIDEST));
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
        let Line { position, at, style, info, .. } = &self.line;
        let at = at.format("%Y-%m-%d %H:%M:%S%.3f");
        let [subject, cause, event] = padded(self.cells.each_ref().map(String::as_str), widths);
        let mark = if self.goes_on { "└ " } else { "" };
        let position = format!("{:>10}", format!("{mark}{position}"));
        if info.is_empty() {
            return writeln!(
                out,
                "{}  {at}  {subject}  {cause}  {}",
                position.dimmed(),
                event.trim_end().style(*style)
            );
        }
        writeln!(out, "{}  {at}  {subject}  {cause}  {}  {info}", position.dimmed(), event.style(*style))
    }
}

fn padded(cells: [&str; 3], widths: [usize; 3]) -> [String; 3] {
    let [subject, cause, event] = cells;
    let [for_subject, for_cause, for_event] = widths;
    [padded_to(subject, for_subject), padded_to(cause, for_cause), padded_to(event, for_event)]
}

/// Green for what went well, yellow for what is tried again, red for what went wrong.
fn style(event: &str, exit_code: Option<i64>) -> Style {
    let style = Style::new();
    match (event, exit_code) {
        ("success", _) | ("terminate", Some(0)) => style.green(),
        ("retryAfter", _) | ("terminate", Some(20)) => style.yellow(),
        ("terminate" | "runError" | "timeout" | "halt" | "stop", _) => style.red(),
        _ => style,
    }
}
