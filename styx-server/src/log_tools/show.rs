//! `styx-server log show`: the records that are asked for, as a table or as JSON lines.

use std::{
    collections::VecDeque,
    io::{self, Write},
    ops::{ControlFlow, RangeInclusive},
    path::Path,
};

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use serde_json::Value;
use styx_core::{
    event::Event,
    id::Position,
    log::LogReader,
    record::{Fact, Record, RunEvent},
};
use styx_store::rocks::RocksReader;

use super::{
    CLEAN, DataArgs, UNUSABLE,
    about::{Stopped, visit},
    choice::{Choice, ChoiceArgs, LastDecision},
    facets::{Facets, Said},
    json,
    moment::{first_at, parse_time, time_of},
    near, stopped,
    table::{Line, Table},
};

/// How many records are looked at in one step back from the end.
const STEP_BACK: u64 = 512;

const EXAMPLES: &str = "\
Filters of different kinds must all agree. Of a decision only the first record says its cause; --cause and --actor choose all \
records of the decision.

Examples:
  styx-server log show --instance sales#report#2026-03-29
      What happened to the instance, from its trigger to its end.

  styx-server log show --actor ann@example.org --since -2d
      What ann asked for in the last two days, and what followed from it at once.

  styx-server log show --workflow sales#report --event terminate,timeout --tail 20
      How the last executions of a workflow ended.

  styx-server log show --follow --workflow sales#report
      What happens from now on; the running server is asked.

  styx-server log show --format json | jq 'select(.event.exit_code == 1)'
      Anything else.";

/// Which records are shown, and how.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ShowArgs {
    /// Which log
    #[command(flatten)]
    pub data: DataArgs,
    /// How the records look
    #[arg(long, value_enum, default_value_t = ShowFormat::Table)]
    pub format: ShowFormat,
    /// What the records are about, and why they are there
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Only records from this position on
    #[arg(long, value_name = "POSITION")]
    pub from: Option<u64>,
    /// Only records up to this position
    #[arg(long, value_name = "POSITION")]
    pub to: Option<u64>,
    /// Only records of this time and later: 2026-03-29, 2026-03-29T07:00 or 2026-03-29T07:00:00Z (UTC), or -2h for two hours
    /// ago (s, m, h, d, w)
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    pub since: Option<DateTime<Utc>>,
    /// Only records before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    pub until: Option<DateTime<Utc>>,
    /// At most this many records, the first ones
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// At most this many records, the last ones; with --follow, begin with those of the log's last N records that are meant
    /// [default: 10]
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
    /// Go on with what happens next, until Ctrl-C: asks the server that uses the data folder
    #[arg(short, long, conflicts_with_all = ["to", "until"])]
    pub follow: bool,
    /// The server to follow, such as http://127.0.0.1:8080 [default: the one that uses the data folder]
    #[arg(long, value_name = "URL", requires = "follow")]
    pub server: Option<String>,
}

/// How records look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    /// A table for people
    Table,
    /// A JSON object a line
    Json,
}

/// Shows them; the exit code says whether the log could be read.
pub(super) fn run(reader: &RocksReader, args: &ShowArgs, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    let mut args = args.clone();
    if let Some(instance) = &args.choice.instance {
        args.choice.instance = match near::instance(reader, instance, notes)? {
            Some(instance) => Some(instance),
            None => return Ok(UNUSABLE),
        };
    }
    let args = &args;
    let mut printer = Printer::new(args.format, out);
    let shown = show(reader, args, &mut printer);
    printer.flush()?;
    match shown {
        Ok(0) => {
            writeln!(notes, "no such records")?;
            Ok(CLEAN)
        }
        Ok(_) => Ok(CLEAN),
        Err(error) => stopped(error, &args.data, notes),
    }
}

/// Where records go.
pub(super) enum Printer<'a> {
    Table(Table<&'a mut dyn Write>),
    Json(&'a mut dyn Write),
}

impl<'a> Printer<'a> {
    pub(super) fn new(format: ShowFormat, out: &'a mut dyn Write) -> Self {
        match format {
            ShowFormat::Table => Self::Table(Table::new(out)),
            ShowFormat::Json => Self::Json(out),
        }
    }

    fn add(&mut self, record: &Record, data: &Path, said: impl FnOnce() -> Option<Said>) -> io::Result<()> {
        let output = output(data, record);
        match self {
            Self::Table(table) => table.add(Line::of(record, output.as_deref()), said),
            Self::Json(out) => writeln!(out, "{}", json::record(record, output)),
        }
    }

    /// As `add`, for a record that is a line of JSON.
    pub(super) fn add_json(
        &mut self,
        line: &str,
        record: &Value,
        said: impl FnOnce() -> Option<Said>,
    ) -> io::Result<()> {
        match self {
            Self::Table(table) => Line::of_json(record).map_or(Ok(()), |line| table.add(line, said)),
            Self::Json(out) => writeln!(out, "{line}"),
        }
    }

    /// Writes all that was added.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Table(table) => table.flush(),
            Self::Json(out) => out.flush(),
        }
    }
}

/// Shows the records that are chosen, and says how many they were.
fn show(reader: &RocksReader, args: &ShowArgs, printer: &mut Printer<'_>) -> Result<u64, Stopped> {
    let tail = reader.tail().map_err(|error| Stopped::Log(Position::FIRST, error))?;
    let range = range(reader, args, tail)?;
    let abouts = args.choice.about();
    if let (Some(count), []) = (args.tail, abouts.as_slice()) {
        let last = last_of_all(reader, args, range, count)?;
        return print(reader, args, last, printer);
    }
    let mut choice = Choice::new(&args.choice);
    let mut decisions = LastDecision::default();
    let mut last = VecDeque::new();
    let mut shown = 0;
    let data = &args.data.data;
    visit(reader, abouts.first(), range.clone(), &mut |record| {
        if args.until.is_some_and(|until| record.at >= until) || args.limit.is_some_and(|limit| shown >= limit) {
            return Ok(ControlFlow::Break(()));
        }
        let mut said = || decisions.said(record.decision, || said_of(reader, record));
        if !choice.takes(&Facets::of(record), &mut said) || record.position < *range.start() {
            return Ok(ControlFlow::Continue(()));
        }
        if let Some(count) = args.tail {
            last.push_back(record.position);
            if last.len() > count {
                last.pop_front();
            }
            return Ok(ControlFlow::Continue(()));
        }
        shown += 1;
        printer.add(record, data, &mut said)?;
        Ok(ControlFlow::Continue(()))
    })?;
    if args.tail.is_some() { print(reader, args, last, printer) } else { Ok(shown) }
}

/// Prints the records at these positions, as many as may be.
fn print(
    reader: &RocksReader,
    args: &ShowArgs,
    positions: VecDeque<Position>,
    printer: &mut Printer<'_>,
) -> Result<u64, Stopped> {
    let mut shown = 0;
    let most = args.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    for position in positions.into_iter().take(most) {
        let record = reader.record(position).map_err(|error| Stopped::Log(position, error))?;
        printer.add(&record, &args.data.data, || said_of(reader, &record)).map_err(Stopped::Output)?;
        shown += 1;
    }
    Ok(shown)
}

/// The last records of a range that are chosen without regard to what they are about: looked for from the end.
fn last_of_all(
    reader: &RocksReader,
    args: &ShowArgs,
    range: RangeInclusive<Position>,
    count: usize,
) -> Result<VecDeque<Position>, Stopped> {
    let (start, mut behind) = (range.start().0, range.end().0 + 1);
    if let Some(until) = args.until {
        let time_of = |position| time_of(reader, position).map_err(|error| Stopped::Log(position, error));
        behind = behind.min(first_at(*range.start(), *range.end(), |time| time >= until, time_of)?.0);
    }
    let mut choice = Choice::new(&args.choice);
    let mut decisions = LastDecision::default();
    let mut last = VecDeque::new();
    while behind > start && last.len() < count {
        let from = behind.saturating_sub(STEP_BACK).max(start);
        let unreadable = |error| Stopped::Log(Position(from), error);
        let page = reader.read(Position(from), (behind - from) as usize).map_err(unreadable)?;
        for record in page.iter().rev() {
            let said = || decisions.said(record.decision, || said_of(reader, record));
            if last.len() < count && choice.takes(&Facets::of(record), said) {
                last.push_front(record.position);
            }
        }
        behind = from;
    }
    Ok(last)
}

/// The positions that are asked for; empty when there are none.
fn range(reader: &RocksReader, args: &ShowArgs, tail: Position) -> Result<RangeInclusive<Position>, Stopped> {
    let first = reader.first().map_err(|error| Stopped::Log(Position::FIRST, error))?;
    let mut from = Position(args.from.unwrap_or(first.0)).max(first);
    if let Some(since) = args.since {
        let time_of = |position| time_of(reader, position).map_err(|error| Stopped::Log(position, error));
        from = from.max(first_at(first, tail, |time| time >= since, time_of)?);
    }
    Ok(from..=args.to.map_or(tail, |to| tail.min(Position(to))))
}

/// The cause of the decision that a record belongs to.
fn said_of(reader: &RocksReader, record: &Record) -> Option<Said> {
    match Said::of(&record.cause) {
        Some(said) => Some(said),
        None => reader.record(record.decision).ok().and_then(|leader| Said::of(&leader.cause)),
    }
}

/// Where the output of the execution that a record submits is, if the local executor left any.
fn output(data: &Path, record: &Record) -> Option<String> {
    let Fact::Run(_, RunEvent::Styx { event: Event::Submitted { execution: Some(execution), .. }, .. }) = &record.fact
    else {
        return None;
    };
    let name = execution.to_string();
    let folder = data.join("runs").join(&name);
    // An imported id may be any text, also one that leads elsewhere.
    let is_name = !name.contains('/') && !name.starts_with('.');
    (is_name && folder.is_dir()).then(|| format!("{}/", folder.display()))
}
