//! `styx-server log …`: looks at a log that no server is using. It is opened read-only, since a repair would change the
//! evidence.

mod about;
mod at;
#[cfg(test)]
#[path = "../../tests/log_backfill_story/mod.rs"]
mod backfill_story;
mod checkpoint;
mod choice;
mod columns;
mod diff;
mod export;
mod facets;
mod fold;
mod follow;
mod import;
mod json;
mod life;
mod moment;
mod near;
mod progress;
mod redact;
mod redact_record;
mod replay;
mod running;
mod show;
mod signals;
mod step;
#[cfg(test)]
pub(crate) mod stories;
mod table;
mod verify;
mod view;
mod wording;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anstream::AutoStream;
use clap::{Args, Subcommand, ValueEnum};
use styx_core::log::LogError;
use styx_host::terminal::Harmless;
use styx_store::{
    OpenError,
    rocks::{RocksReader, verify_end},
};

use self::about::Stopped;
pub use self::{
    at::AtArgs,
    checkpoint::CheckpointArgs,
    diff::DiffArgs,
    export::ExportArgs,
    import::ImportArgs,
    replay::{ReplayArgs, RulesArg},
    show::{ShowArgs, ShowFormat},
    step::StepArgs,
};
use crate::print::{tell, unless_unread};

/// Nothing is wrong.
const CLEAN: u8 = 0;
/// The log is damaged.
const DAMAGED: u8 = 1;
/// The log can't be opened, or isn't asked for rightly; clap exits with the same.
const UNUSABLE: u8 = 2;
/// The present code decides otherwise than the log.
const DIFFERS: u8 = 3;

/// What can be done with a log that no server is using.
#[derive(Debug, Clone, Subcommand)]
pub enum LogCommand {
    /// Check every record, the hash chain, the index and all rows; exit with 1 if anything is damaged
    Verify(VerifyArgs),
    /// Show records: what happened, when, to whom, and why
    Show(ShowArgs),
    /// Show the world as it was after a record or at a time: any run, workflow, resource, and what waited for what
    At(AtArgs),
    /// Go through the life of an instance, record by record: what changed, and who or what caused it
    Step(StepArgs),
    /// Show what differs between two moments
    Diff(DiffArgs),
    /// Write all records as JSON lines, for another machine or another program
    Export(ExportArgs),
    /// Make a new log from an export
    Import(ImportArgs),
    /// Give the log's inputs to the present code, and show every decision that would differ
    Replay(ReplayArgs),
    /// Have a running server make a checkpoint: a copy of its log, for these tools and as a backup
    Checkpoint(CheckpointArgs),
}

/// Which log.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// The server's data folder
    #[arg(long, value_name = "DIR", env = "STYX_SERVER_DATA", default_value = "./styx-data")]
    pub data: PathBuf,
}

/// How to verify a log.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Exit codes: 0 all is as it was written; 1 something is damaged; 2 the log can't be opened (no log, in use, or of a newer \
program). On a terminal a bar shows how far it is. What to do about damage: docs/log-damage.md.")]
pub struct VerifyArgs {
    /// Which log
    #[command(flatten)]
    pub data: DataArgs,
    /// How the result looks
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// Check only the end of the log, as a server does when it starts: the last batches, and whether any are missing
    #[arg(long)]
    pub quick: bool,
}

/// How a report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// JSON, an object a line
    Json,
}

/// Does what the command says, on standard output; a reader of it that goes away (`| head`) is no error.
///
/// Exits with 0 when all is well, 1 when the log is damaged, 2 when it can't be opened, 3 when a replay differs.
///
/// An output that can't be written is 2, too.
pub fn run(command: LogCommand) -> ExitCode {
    let mut out = io::BufWriter::new(output(&command));
    let code = unless_unread(run_on_terminal(&command, &mut out), CLEAN);
    let flushed = unless_unread(out.flush(), ());
    let code = code.and_then(|code| flushed.map(|()| code)).unwrap_or_else(|error| {
        tell(&format!("styx-server: writing to standard output: {error}"));
        UNUSABLE
    });
    ExitCode::from(code)
}

/// Standard output; an export goes there byte for byte, everything else without colours if it isn't a terminal.
fn output(command: &LogCommand) -> Box<dyn Write> {
    match command {
        LogCommand::Export(_) => Box::new(io::stdout()),
        _ => Box::new(AutoStream::auto(io::stdout())),
    }
}

/// A record as a line of `log show --format json`, without the line's end.
pub(crate) fn json_line(record: &styx_core::record::Record) -> String {
    json::record(record, None).to_string()
}

fn run_on_terminal(command: &LogCommand, out: &mut dyn Write) -> io::Result<u8> {
    let notes = &mut Harmless::new(io::stderr());
    match command {
        LogCommand::Step(args) if args.is_interactive() => {
            on_log(&args.data, notes, |reader, notes| step::interact(reader, args, notes))
        }
        _ => run_on(command, out, notes),
    }
}

/// As [`run`], on these outputs, and in colour; gives the exit code.
///
/// # Errors
///
/// When an output can't be written.
pub fn run_on(command: &LogCommand, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    let notes = &mut Harmless::new(notes);
    let code = if matches!(command, LogCommand::Export(_)) {
        run_command(command, out, notes)?
    } else {
        let mut out = if is_text(command) { Harmless::new(out) } else { Harmless::of_json(out) };
        let code = run_command(command, &mut out, notes)?;
        out.flush()?;
        code
    };
    notes.flush()?;
    Ok(code)
}

/// Whether a command writes text for people, and not JSON.
fn is_text(command: &LogCommand) -> bool {
    match command {
        LogCommand::Verify(args) => args.format == ReportFormat::Text,
        LogCommand::Show(args) => args.format == ShowFormat::Table,
        LogCommand::At(args) => args.format == ReportFormat::Text,
        LogCommand::Step(args) => args.format == ReportFormat::Text,
        LogCommand::Diff(args) => args.format == ReportFormat::Text,
        LogCommand::Replay(args) => args.format == ReportFormat::Text,
        LogCommand::Export(_) => false,
        LogCommand::Import(_) | LogCommand::Checkpoint(_) => true,
    }
}

fn run_command(command: &LogCommand, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    match command {
        LogCommand::Verify(args) => match styx_store::open_read_only(&args.data.data) {
            Ok(reader) => verify::run(&reader, args, &mut ToTheEnd(out)),
            Err(OpenError::Log(LogError::Corrupt { place, reason })) => {
                verify::unopenable(place, reason, args, &mut ToTheEnd(out))
            }
            Err(error) => unopened(error, notes),
        },
        LogCommand::Show(args) if args.follow => follow::run(args, out, notes),
        LogCommand::Show(args) => on_log(&args.data, notes, |reader, notes| show::run(reader, args, out, notes)),
        LogCommand::At(args) => on_log(&args.data, notes, |reader, notes| at::run(reader, args, out, notes)),
        LogCommand::Step(args) => on_log(&args.data, notes, |reader, notes| step::run(reader, args, out, notes)),
        LogCommand::Diff(args) => on_log(&args.data, notes, |reader, notes| diff::run(reader, args, out, notes)),
        LogCommand::Export(args) => {
            let run = |reader: &RocksReader, notes: &mut dyn Write| export::run(reader, args, out, notes);
            let (code, is_whole) = on_log_to_its_end(&args.data, notes, run)?;
            // It isn't all that there was, unless that wasn't asked for.
            Ok(if code == CLEAN && args.to.is_none() && !is_whole { DAMAGED } else { code })
        }
        LogCommand::Import(args) => import::run(args, out, notes),
        LogCommand::Replay(args) => {
            on_log(&args.data, notes, |reader, notes| replay::run(reader, args, &mut ToTheEnd(out), notes))
        }
        LogCommand::Checkpoint(args) => checkpoint::run(args, out, notes),
    }
}

/// Runs on a log that nobody is using, or says why it can't be opened; gives the exit code.
fn on_log(
    data: &DataArgs,
    notes: &mut dyn Write,
    run: impl FnOnce(&RocksReader, &mut dyn Write) -> io::Result<u8>,
) -> io::Result<u8> {
    on_log_to_its_end(data, notes, run).map(|(code, _)| code)
}

/// As [`on_log`]; gives also whether the log is there up to its end.
fn on_log_to_its_end(
    data: &DataArgs,
    notes: &mut dyn Write,
    run: impl FnOnce(&RocksReader, &mut dyn Write) -> io::Result<u8>,
) -> io::Result<(u8, bool)> {
    match styx_store::open_read_only(&data.data) {
        Ok(reader) => {
            let end = verify_end(&reader);
            if let Err(error) = &end {
                let data = data.data.display();
                writeln!(
                    notes,
                    "styx-server: the end of this log isn't as it was written: {error}; `styx-server log verify --data {data}` \
                     finds all damages"
                )?;
            }
            Ok((run(&reader, notes)?, end.is_ok()))
        }
        Err(error) => Ok((unopened(error, notes)?, false)),
    }
}

/// An output of tools whose exit code is the answer: they go on when nobody reads it any more.
struct ToTheEnd<'a>(&'a mut dyn Write);

impl Write for ToTheEnd<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_unread(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_unread(self.0.flush(), ())
    }
}

/// Says why there is no log to look at; gives the exit code.
fn unopened(error: OpenError, notes: &mut dyn Write) -> io::Result<u8> {
    if let OpenError::Log(LogError::Corrupt { place, reason }) = error {
        writeln!(notes, "styx-server: {place} is damaged: {reason}")?;
        return Ok(DAMAGED);
    }
    let hint = match error {
        OpenError::InUse { .. } => {
            ": a log is read only while nobody writes to it; look at a copy (styx-server log checkpoint), or stop the server"
        }
        _ => "",
    };
    writeln!(notes, "styx-server: {error}{hint}")?;
    Ok(UNUSABLE)
}

/// Says why not all records were looked at; gives the exit code.
fn stopped(why: Stopped, data: &DataArgs, notes: &mut dyn Write) -> io::Result<u8> {
    match why {
        Stopped::Output(error) => Err(error),
        Stopped::Log(position, error) => {
            let data = data.data.display();
            writeln!(
                notes,
                "styx-server: stopped before record {position}: {error}; `styx-server log verify --data {data}` finds \
                 all damages"
            )?;
            Ok(DAMAGED)
        }
    }
}
