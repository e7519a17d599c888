//! `styx-server log import`: a new log from an export.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use clap::Args;
use styx_core::{
    decide::Draft,
    id::{Epoch, Position},
    record::{Cause, Fact, LogEvent, Record},
};
use styx_host::{
    file::sync_folder,
    folder::{self, folder_of},
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
    match import(args, notes) {
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

fn import(args: &ImportArgs, notes: &mut dyn Write) -> Result<Imported, Failed> {
    let file = args.file.display().to_string();
    if args.file == Path::new("-") {
        return into_folder(args, "standard input", io::stdin().lock(), notes);
    }
    let opened = File::open(&args.file).map_err(|error| Failed::Input(file.clone(), error))?;
    into_folder(args, &file, BufReader::with_capacity(1 << 16, opened), notes)
}

/// Builds the log in a folder of its own, beside the wanted one, which gets its name when all is there. If the wanted one is there
/// already, it may be a link, or a volume, and can't be replaced: then the log is built in a folder within it, and its files are
/// moved up. Nothing is removed but what was made here, and no server takes a log that isn't finished.
fn into_folder(args: &ImportArgs, file: &str, input: impl BufRead, notes: &mut dyn Write) -> Result<Imported, Failed> {
    let reader = ExportReader::begin(input).map_err(|error| Failed::Export(file.to_owned(), error))?;
    if reader.header().first != Position::FIRST {
        return Err(Failed::NoBeginning(file.to_owned(), reader.header().first));
    }
    let is_there = is_there(&args.data, notes)?;
    let name = format!("importing-{}", std::process::id());
    let temporary = match is_there {
        true => args.data.join(name),
        false => {
            let wanted = args.data.file_name().unwrap_or("log".as_ref()).to_string_lossy();
            args.data.with_file_name(format!("{wanted}.{name}"))
        }
    };
    let doing = |what: &str| {
        let doing = format!("{what} {}", temporary.display());
        move |source| Failed::Io { doing, source }
    };
    folder::create(folder_of(&temporary)).map_err(doing("creating"))?;
    // From here on the folder is ours: had there been one, this would have failed.
    DirBuilder::new().mode(0o700).create(&temporary).map_err(doing("creating"))?;
    let built = build(args, file, reader, &temporary).and_then(|imported| {
        folder::give_all(&temporary).map_err(doing("giving to its owner"))?;
        match is_there {
            true => move_up(&temporary, &args.data).map_err(doing("moving the files of"))?,
            false => {
                fs::rename(&temporary, &args.data).map_err(doing("renaming"))?;
                sync_folder(folder_of(&args.data)).map_err(doing("renaming"))?;
            }
        }
        Ok(imported)
    });
    if built.is_err() {
        // It may not even be there.
        let _ = fs::remove_dir_all(&temporary);
    }
    built
}

/// Moves the files of a finished log into the folder above, the one last that makes it a log; a crash before that leaves none.
fn move_up(from: &Path, to: &Path) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(from)? {
        names.push(entry?.file_name());
    }
    let strangers = fs::read_dir(to)?.count();
    if strangers > 1 {
        return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, "something else came into the folder meanwhile"));
    }
    names.sort_by_key(|name| name == "CURRENT");
    for name in names {
        if name == "CURRENT" {
            sync_folder(to)?;
        }
        fs::rename(from.join(&name), to.join(&name))?;
    }
    fs::remove_dir(from)?;
    sync_folder(to)
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

/// Whether the folder is there; it must be empty then, and is made private.
fn is_there(dir: &Path, notes: &mut dyn Write) -> Result<bool, Failed> {
    let doing = |what: &str| {
        let doing = format!("{what} {}", dir.display());
        move |source| Failed::Io { doing, source }
    };
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(OpenError::NotEmpty { dir: dir.into() }.into());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(doing("reading")(source)),
    }
    if let Some(mode) = folder::make_private(dir, &[]).map_err(doing("using"))? {
        let shown = dir.display();
        let said = writeln!(
            notes,
            "styx-server: others could enter the folder {shown} (mode {mode:04o}); its mode is 0700 now"
        );
        said.map_err(doing("telling of"))?;
    }
    Ok(true)
}
