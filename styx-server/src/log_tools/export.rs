//! `styx-server log export`: records as JSON lines, for another machine, another store, or the future.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use styx_core::{
    id::Position,
    log::{LogError, LogReader},
    record::{Fact, LogEvent, Subject},
};
use styx_store::json::{EnvValues, ExportWriter, Header};

use super::{CLEAN, DAMAGED, DataArgs, UNUSABLE, progress, redact_record};

/// How many records are read at a time.
const PAGE: usize = 512;

/// What is exported, and where to.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Which log
    #[command(flatten)]
    pub data: DataArgs,
    /// Export records from this position on; only an export from the first record can be imported
    #[arg(long, value_name = "POSITION", default_value_t = 1)]
    pub from: u64,
    /// Export records up to this position
    #[arg(long, value_name = "POSITION")]
    pub to: Option<u64>,
    /// Export values of environment variables as they are; they may be secrets
    #[arg(long)]
    pub with_env: bool,
    /// Write to this file, which is there only once it is whole [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Why an export ended early.
enum Stopped {
    /// The log can't be read from this position on.
    Log(Position, LogError),
    /// There are no such records.
    Nothing(String),
    /// The output can't be written.
    Output(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Exports; the exit code says whether the log could be read.
pub(super) fn run(
    reader: &dyn LogReader,
    args: &ExportArgs,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> io::Result<u8> {
    let exported = match &args.output {
        Some(path) => to_file(reader, args, path),
        None => write(reader, args, out),
    };
    match exported {
        Ok(()) => Ok(CLEAN),
        Err(Stopped::Output(error)) => match &args.output {
            Some(path) => {
                writeln!(notes, "styx-server: writing {}: {error}", path.display())?;
                Ok(UNUSABLE)
            }
            None => Err(error),
        },
        Err(Stopped::Nothing(text)) => {
            writeln!(notes, "styx-server: {text}")?;
            Ok(UNUSABLE)
        }
        Err(Stopped::Log(position, error)) => {
            let data = args.data.data.display();
            let sound = position.0.saturating_sub(1);
            let hint = match sound >= args.from {
                true => format!("; what comes before it: styx-server log export --data {data} --to {sound}"),
                false => String::new(),
            };
            writeln!(notes, "styx-server: stopped before record {position}: {error}{hint}")?;
            Ok(DAMAGED)
        }
    }
}

/// Writes to a temporary file beside the wanted one, and renames it when all is there.
fn to_file(reader: &dyn LogReader, args: &ExportArgs, path: &Path) -> Result<(), Stopped> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = File::create(&temporary).map_err(Stopped::Output).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(reader, args, &mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path).map_err(Stopped::Output)
    });
    if written.is_err() {
        // It may not even be there.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write(reader: &dyn LogReader, args: &ExportArgs, out: &mut dyn Write) -> Result<(), Stopped> {
    let header = header(reader, args)?;
    let bar = progress::bar("exporting", header.last.0 - header.first.0 + 1);
    let mut writer = ExportWriter::begin(out, &header)?;
    let mut next = header.first;
    let mut limit = PAGE;
    while next <= header.last {
        let left = usize::try_from(header.last.0 - next.0 + 1).unwrap_or(usize::MAX);
        let page = match reader.read(next, limit.min(left)) {
            Ok(page) => page,
            // Before a damage record by record, so that it is named.
            Err(_) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(error) => return Err(Stopped::Log(next, error)),
        };
        for record in &page {
            match header.env {
                EnvValues::Included => writer.add(record)?,
                EnvValues::Redacted => writer.add(&redact_record::record(record))?,
            }
            next = record.position.next();
        }
        if page.is_empty() {
            return Err(Stopped::Log(next, LogError::at_record(next, "it is missing")));
        }
        bar.inc(page.len() as u64);
    }
    bar.finish_and_clear();
    writer.finish()?;
    Ok(())
}

fn header(reader: &dyn LogReader, args: &ExportArgs) -> Result<Header, Stopped> {
    let damaged_at = |position| move |error| Stopped::Log(position, error);
    let tail = reader.tail().map_err(damaged_at(Position::FIRST))?;
    let first = Position(args.from.max(1));
    let last = Position(args.to.unwrap_or(tail.0)).min(tail);
    if first > last {
        let text = match tail.0 {
            0 => "the log is empty".to_owned(),
            _ => format!("there is no record from {first} to {}: the log ends at {tail}", args.to.unwrap_or(tail.0)),
        };
        return Err(Stopped::Nothing(text));
    }
    let at = |position| {
        let record = reader.read(position, 1).map_err(damaged_at(position))?.pop();
        let record = record.ok_or_else(|| Stopped::Log(position, LogError::at_record(position, "it is missing")))?;
        Ok::<_, Stopped>(record.at)
    };
    let names = reader.history(&Subject::Log, Position::FIRST, usize::MAX).map_err(damaged_at(Position::FIRST))?;
    let mut named = names.iter().filter(|record| record.position <= last).filter_map(|record| match record.fact {
        Fact::Log(LogEvent::Started { log_id, .. } | LogEvent::Forked { log_id, .. }) => Some(log_id),
        _ => None,
    });
    let log_id = named.next_back().unwrap_or_default();
    let env = if args.with_env { EnvValues::Included } else { EnvValues::Redacted };
    Ok(Header { log_id, first, last, first_at: at(first)?, last_at: at(last)?, env })
}
