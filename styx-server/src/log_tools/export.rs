//! `styx-server log export`: records as JSON lines, for another machine, another store, or the future.

use std::{
    fs,
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use clap::Args;
use styx_core::{
    id::Position,
    log::{LogError, LogReader},
};
use styx_host::{file::FileWriter, folder::folder_of};
use styx_store::json::{EnvValues, ExportWriter, Header};

use super::{
    CLEAN, DAMAGED, DataArgs, UNUSABLE,
    about::{self, Stopped},
    moment::time_of,
    near, progress, redact_record,
};

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
    /// Write to this file, private and there only once it is whole; a link is kept, a device or FIFO is written to [default:
    /// standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Why there is no export, or not all of one.
enum Failed {
    /// Not all records could be read or written.
    Stopped(Stopped),
    /// There are no such records.
    Nothing(String),
}

impl From<Stopped> for Failed {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Stopped::Output(error).into()
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
        Some(path) if path != Path::new("-") => to_file(reader, args, path),
        _ => write(reader, args, out),
    };
    match exported {
        Ok(()) => Ok(CLEAN),
        Err(Failed::Stopped(Stopped::Output(error))) => match &args.output {
            Some(path) => {
                writeln!(notes, "styx-server: writing {}: {error}", path.display())?;
                Ok(UNUSABLE)
            }
            None => Err(error),
        },
        Err(Failed::Nothing(text)) => {
            writeln!(notes, "styx-server: {text}")?;
            Ok(UNUSABLE)
        }
        Err(Failed::Stopped(Stopped::Log(position, error))) => {
            let data = args.data.data.display();
            let sound = position.0.saturating_sub(1);
            let with_env = if args.with_env { " --with-env" } else { "" };
            let hint = match sound >= args.from {
                true => format!(
                    "; what comes before it: styx-server log export --data {data} --to {sound}{with_env} --output sound.jsonl"
                ),
                false => String::new(),
            };
            writeln!(notes, "styx-server: stopped before record {position}: {error}{hint}")?;
            Ok(DAMAGED)
        }
    }
}

/// Writes to a file, which is there only once it is whole.
fn to_file(reader: &dyn LogReader, args: &ExportArgs, path: &Path) -> Result<(), Failed> {
    if lies_in(path, &args.data.data) {
        let text = "it would be a file of the data folder, which only the log has files in: name another place";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
    }
    let mut out = FileWriter::output(path)?;
    write(reader, args, &mut out)?;
    Ok(out.commit()?)
}

/// Whether a file, or what a link of this name leads to, is or would be in a folder.
fn lies_in(path: &Path, folder: &Path) -> bool {
    let resolved = fs::canonicalize(path).or_else(|_| fs::canonicalize(folder_of(path)));
    matches!((resolved, fs::canonicalize(folder)), (Ok(path), Ok(folder)) if path.starts_with(&folder))
}

fn write(reader: &dyn LogReader, args: &ExportArgs, out: &mut dyn Write) -> Result<(), Failed> {
    let header = header(reader, args)?;
    let bar = progress::bar("exporting", header.last.0 - header.first.0 + 1);
    let mut writer = ExportWriter::begin(out, &header)?;
    let mut next = header.first;
    about::pages(reader, header.first..=header.last, |page| {
        for record in &page {
            match header.env {
                EnvValues::Included => writer.add(record)?,
                EnvValues::Redacted => writer.add(&redact_record::record(record))?,
            }
            next = record.position.next();
        }
        bar.inc(page.len() as u64);
        Ok::<_, Failed>(ControlFlow::Continue(()))
    })?;
    if next <= header.last {
        return Err(missing(next).into());
    }
    bar.finish_and_clear();
    writer.finish()?;
    Ok(())
}

fn missing(position: Position) -> Stopped {
    Stopped::Log(position, LogError::at_record(position, "it is missing"))
}

fn header(reader: &dyn LogReader, args: &ExportArgs) -> Result<Header, Failed> {
    let tail = reader.tail().map_err(|error| Stopped::Log(Position::FIRST, error))?;
    let first = Position(args.from.max(1));
    let last = Position(args.to.unwrap_or(tail.0)).min(tail);
    if let Some(text) = near::no_records(first, args.to, tail) {
        return Err(Failed::Nothing(text));
    }
    let at = |position| time_of(reader, position).map_err(|error| Stopped::Log(position, error));
    let named = about::names(reader)?.into_iter().rev().find(|(from, _)| *from <= last);
    let log_id = named.map(|(_, (log_id, _))| log_id).unwrap_or_default();
    let env = if args.with_env { EnvValues::Included } else { EnvValues::Redacted };
    Ok(Header { log_id, first, last, first_at: at(first)?, last_at: at(last)?, env })
}
