//! `styx-server log …`: looks at a log that no server is using. It is opened read-only, since a repair would change the
//! evidence.

mod about;
mod choice;
mod facets;
mod json;
mod moment;
mod redact;
mod show;
mod table;
mod verify;
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
use styx_store::OpenError;

use self::about::Stopped;
pub use self::show::ShowArgs;

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
    let code = match run_on(&command, &mut out, &mut io::stderr()) {
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

/// As [`run`], on these outputs, and in colour; gives the exit code.
///
/// # Errors
///
/// When an output can't be written.
pub fn run_on(command: &LogCommand, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    let data = match command {
        LogCommand::Verify(args) => &args.data.data,
        LogCommand::Show(args) => &args.data.data,
    };
    let reader = match styx_store::open_read_only(data) {
        Ok(reader) => reader,
        Err(OpenError::Log(LogError::Corrupt { place, reason })) => {
            if let LogCommand::Verify(args) = command {
                return verify::unopenable(place, reason, args, out);
            }
            writeln!(notes, "styx-server: {place} is damaged: {reason}")?;
            return Ok(DAMAGED);
        }
        Err(error) => {
            let hint = match error {
                OpenError::InUse { .. } => ": stop the server first, a log is read only while nobody writes to it",
                _ => "",
            };
            writeln!(notes, "styx-server: {error}{hint}")?;
            return Ok(UNUSABLE);
        }
    };
    match command {
        LogCommand::Verify(args) => verify::run(&reader, args, out),
        LogCommand::Show(args) => show::run(&reader, args, out, notes),
    }
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
