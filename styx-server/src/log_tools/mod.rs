//! `styx-server log …`: looks at a log that no server is using. It is opened read-only, since a repair would change the
//! evidence.

mod about;
mod at;
mod choice;
mod columns;
mod diff;
mod facets;
mod fold;
mod follow;
mod json;
mod life;
mod moment;
mod near;
mod redact;
mod show;
mod signals;
mod step;
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
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use styx_core::log::LogError;
use styx_store::{OpenError, rocks::RocksReader};

use self::about::Stopped;
pub use self::{at::AtArgs, diff::DiffArgs, show::ShowArgs, step::StepArgs};

/// Nothing is wrong.
const CLEAN: u8 = 0;
/// The log is damaged.
const DAMAGED: u8 = 1;
/// The log can't be opened, or isn't asked for rightly; clap exits with the same.
const UNUSABLE: u8 = 2;

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
}

impl LogCommand {
    fn data(&self) -> &DataArgs {
        match self {
            Self::Verify(args) => &args.data,
            Self::Show(args) => &args.data,
            Self::At(args) => &args.data,
            Self::Step(args) => &args.data,
            Self::Diff(args) => &args.data,
        }
    }
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
pub struct VerifyArgs {
    /// Which log
    #[command(flatten)]
    pub data: DataArgs,
    /// How the result looks
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// How a report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Does what the command says, on standard output; a reader of it that goes away (`| head`) is no error.
///
/// Exits with 0 when all is well, 1 when the log is damaged, 2 when it can't be opened.
///
/// # Errors
///
/// When the output can't be written.
pub fn run(command: LogCommand) -> anyhow::Result<ExitCode> {
    let mut out = io::BufWriter::new(AutoStream::auto(io::stdout()));
    let code = match run_on_terminal(&command, &mut out) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(CLEAN),
        other => other,
    };
    let flushed = match out.flush() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    };
    let code = code.and_then(|code| flushed.map(|()| code)).context("writing to standard output")?;
    Ok(ExitCode::from(code))
}

fn run_on_terminal(command: &LogCommand, out: &mut dyn Write) -> io::Result<u8> {
    let notes = &mut io::stderr();
    match command {
        LogCommand::Step(args) if args.is_interactive() => match open(command, out, notes)? {
            Ok(reader) => step::interact(&reader, args, notes),
            Err(code) => Ok(code),
        },
        _ => run_on(command, out, notes),
    }
}

/// As [`run`], on these outputs, and in colour; gives the exit code.
///
/// # Errors
///
/// When an output can't be written.
pub fn run_on(command: &LogCommand, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    if let LogCommand::Show(args) = command
        && args.follow
    {
        return follow::run(args, out, notes);
    }
    let reader = match open(command, out, notes)? {
        Ok(reader) => reader,
        Err(code) => return Ok(code),
    };
    match command {
        LogCommand::Verify(args) => verify::run(&reader, args, out),
        LogCommand::Show(args) => show::run(&reader, args, out, notes),
        LogCommand::At(args) => at::run(&reader, args, out, notes),
        LogCommand::Step(args) => step::run(&reader, args, out, notes),
        LogCommand::Diff(args) => diff::run(&reader, args, out, notes),
    }
}

/// The log that a command is about, or the exit code after saying why there is none.
fn open(command: &LogCommand, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<Result<RocksReader, u8>> {
    let error = match styx_store::open_read_only(&command.data().data) {
        Ok(reader) => return Ok(Ok(reader)),
        Err(error) => error,
    };
    if let OpenError::Log(LogError::Corrupt { place, reason }) = error {
        if let LogCommand::Verify(args) = command {
            return verify::unopenable(place, reason, args, out).map(Err);
        }
        writeln!(notes, "styx-server: {place} is damaged: {reason}")?;
        return Ok(Err(DAMAGED));
    }
    let hint = match error {
        OpenError::InUse { .. } => ": stop the server first, a log is read only while nobody writes to it",
        _ => "",
    };
    writeln!(notes, "styx-server: {error}{hint}")?;
    Ok(Err(UNUSABLE))
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
