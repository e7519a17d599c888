//! `styx-server log import`: a new log from an export.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use styx_core::{
    decide::Draft,
    id::{Epoch, Position},
    record::{Cause, Fact, LogEvent, Record},
};
use styx_store::{
    OpenError,
    json::{EnvValues, ExportReader, Header, ImportError},
    rocks::{AddError, Importer, Mark},
};
use uuid::Uuid;

use super::{CLEAN, UNUSABLE, progress};
use crate::random;

/// What is imported, and where to.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The data folder to make; it must not exist or be empty
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The export, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Give the log a new name and seed from here on: for a copy beside a log that lives on
    #[arg(long)]
    pub fork: bool,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}: {1}")]
    Input(String, io::Error),
    #[error("{0}: {1}")]
    Export(String, ImportError),
    #[error("{file}: line {line}: record {position}: {source}")]
    Record { file: String, line: u64, position: Position, source: AddError },
    #[error(
        "{0}: line 1: styx_log.first: the export begins with record {1}, and a log can't be folded without the records \
         before: export it without --from"
    )]
    NoBeginning(String, Position),
    #[error(transparent)]
    Folder(#[from] OpenError),
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    #[error("drawing random bytes: {0}")]
    Random(getrandom::Error),
}

/// Imports; the exit code says whether there is a new log.
pub(super) fn run(args: &ImportArgs, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    match import(args) {
        Ok(imported) => {
            report(&imported, args, out)?;
            Ok(CLEAN)
        }
        Err(failed) => {
            writeln!(notes, "styx-server: {failed}; nothing was imported")?;
            Ok(UNUSABLE)
        }
    }
}

/// What was imported.
struct Imported {
    header: Header,
    head: Mark,
    log_id: Option<Uuid>,
}

fn report(imported: &Imported, args: &ImportArgs, out: &mut dyn Write) -> io::Result<()> {
    let Imported { header, head, log_id } = imported;
    let data = args.data.display();
    writeln!(out, "imported {} records into {data}; the log ends at {}", header.last.0, head.tail)?;
    writeln!(out, "head hash  {}", head.hash)?;
    let name = log_id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
    match args.fork {
        true => writeln!(out, "log id     {name}, a fork of {}", header.log_id)?,
        false => writeln!(out, "log id     {name}, as the log that was exported")?,
    }
    if !args.fork {
        writeln!(
            out,
            "A server on it takes the executions of that log for its own. If the other log may still be used,"
        )?;
        writeln!(out, "import with --fork instead.")?;
    }
    if header.env == EnvValues::Redacted {
        writeln!(out, "The values of environment variables were redacted: *** stands in their place, and a server")?;
        writeln!(out, "would run workflows with it until they are stored again.")?;
    }
    Ok(())
}

fn import(args: &ImportArgs) -> Result<Imported, Failed> {
    let file = args.file.display().to_string();
    if args.file == Path::new("-") {
        return into_folder(args, "standard input", io::stdin().lock());
    }
    let opened = File::open(&args.file).map_err(|error| Failed::Input(file.clone(), error))?;
    into_folder(args, &file, BufReader::with_capacity(1 << 16, opened))
}

/// Builds the log in a folder beside the wanted one, which gets its name when all is there; or in the wanted one, if that is
/// there already: it may be a link, or a volume, and can't be replaced. No server takes a log that isn't finished.
fn into_folder(args: &ImportArgs, file: &str, input: impl BufRead) -> Result<Imported, Failed> {
    let reader = ExportReader::begin(input).map_err(|error| Failed::Export(file.to_owned(), error))?;
    if reader.header().first != Position::FIRST {
        return Err(Failed::NoBeginning(file.to_owned(), reader.header().first));
    }
    if is_there(&args.data)? {
        let built = build(args, file, reader, &args.data);
        if built.is_err() {
            empty(&args.data);
        }
        return built;
    }
    let temporary = temporary(&args.data);
    let built = build(args, file, reader, &temporary).and_then(|imported| {
        let moving = |source| Failed::Io { doing: format!("renaming {}", temporary.display()), source };
        fs::rename(&temporary, &args.data).map_err(moving)?;
        let parent = args.data.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(moving)?;
        Ok(imported)
    });
    if built.is_err() {
        // It may not even be there.
        let _ = fs::remove_dir_all(&temporary);
    }
    built
}

fn build(
    args: &ImportArgs,
    file: &str,
    mut reader: ExportReader<impl BufRead>,
    folder: &Path,
) -> Result<Imported, Failed> {
    let header = reader.header().clone();
    let mut importer = Importer::create(folder)?;
    let bar = progress::bar("importing", header.last.0);
    let mut epoch = Epoch(0);
    while let Some(record) = reader.next_record().map_err(|error| Failed::Export(file.to_owned(), error))? {
        let position = record.position;
        epoch = record.epoch;
        let line = reader.line();
        let refused = |source| Failed::Record { file: file.to_owned(), line, position, source };
        importer.add(record).map_err(refused)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    if args.fork {
        let record = fork(&importer, epoch)?;
        let position = record.position;
        let refused = |source| Failed::Record { file: file.to_owned(), line: reader.line(), position, source };
        importer.add_own(record).map_err(refused)?;
    }
    let log_id = importer.world().log_id();
    let head = importer.finish()?;
    Ok(Imported { header, head, log_id })
}

/// The record with which a copy goes its own way, at the time of the last one.
fn fork(importer: &Importer, last: Epoch) -> Result<Record, Failed> {
    let random_uuid = || random::uuid().map_err(Failed::Random);
    let event = LogEvent::Forked { log_id: random_uuid()?, root_seed: random_uuid()? };
    let world = importer.world();
    Ok(Draft { fact: Fact::Log(event), cause: Cause::Engine, idempotency_key: None }.into_record(
        world,
        world.at(),
        last.next(),
    ))
}

/// Whether the folder is there; it must be empty then.
fn is_there(dir: &Path) -> Result<bool, Failed> {
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(OpenError::NotEmpty { dir: dir.into() }.into()),
            None => Ok(true),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Failed::Io { doing: format!("reading {}", dir.display()), source }),
    }
}

/// Takes out what an import left, as far as it can be: whoever tries again is told of the rest.
fn empty(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let _ = match entry.file_type() {
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(entry.path()),
            _ => fs::remove_file(entry.path()),
        };
    }
}

/// A folder beside `dir`, whose name says what it is if the process ends before it is done.
fn temporary(dir: &Path) -> PathBuf {
    let name = dir.file_name().map_or_else(|| "log".to_owned(), |name| name.to_string_lossy().into_owned());
    dir.with_file_name(format!("{name}.importing-{}", std::process::id()))
}
