//! `styx-server token`: makes, lists and revokes static tokens.

use std::{fs, io, path::PathBuf, process::ExitCode};

use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use styx_engine::clock::{Clock, SystemClock};
use styx_host::folder::folder_of;

use super::file::{Entry, Stamp, Status, TokenFile};
use crate::{
    print::{print, tell, write},
    settings::{Iso, Settings},
};

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, once: only a hash of it is kept
    Create {
        /// Who holds it: the name in records and in the log, such as an e-mail address
        #[arg(long, value_name = "NAME")]
        name: String,
        /// How long it is good, such as P90D [default: until it is revoked]
        #[arg(long, value_name = "DURATION")]
        expires: Option<Iso>,
        #[command(flatten)]
        place: Place,
    },
    /// Show who holds tokens
    List {
        #[command(flatten)]
        place: Place,
    },
    /// End all tokens of somebody, or one by its id; a running server refuses them within a second
    Revoke {
        /// The name of whoever holds them, or the id of one
        #[arg(value_name = "NAME|ID")]
        name_or_id: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the tokens are.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Data folder of the server [default: ./styx-data]
    #[arg(long, value_name = "DIR", env = "STYX_SERVER_DATA")]
    data: Option<PathBuf>,
    /// File of tokens [default: tokens.json in the data folder]
    #[arg(long, value_name = "FILE", env = "STYX_SERVER_AUTH_TOKENS")]
    auth_tokens: Option<PathBuf>,
    /// Configuration file of the server, which may name both
    #[arg(long, value_name = "FILE", env = "STYX_SERVER_CONFIG")]
    config: Option<PathBuf>,
}

/// The file of tokens, whose folder has to be there: in one that was mistyped nobody holds a token either.
fn there(place: Place) -> anyhow::Result<PathBuf> {
    let path = place.file()?;
    let folder = folder_of(&path);
    if fs::metadata(folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        bail!(
            "there is no folder {}, so no tokens are in it: name the server's data folder with --data",
            folder.display()
        );
    }
    Ok(path)
}

impl Place {
    fn file(self) -> anyhow::Result<PathBuf> {
        Settings::token_file(self.config.as_deref(), self.data, self.auth_tokens)
    }
}

/// Does it.
///
/// # Errors
///
/// When the file can't be read or written, or what is asked can't be done.
pub(crate) fn run(command: TokenCommand) -> anyhow::Result<ExitCode> {
    let now = SystemClock.now();
    match command {
        TokenCommand::Create { name, expires, place } => {
            let path = place.file()?;
            let (token, entry) = TokenFile::edit(&path, |file| {
                let (token, entry) = file.create(&name, expires.map(|Iso(lifetime)| lifetime), now)?;
                Ok((token, entry.clone()))
            })?;
            let until =
                entry.expires.map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {}", text(at)));
            tell(&format!("token {} for {name}, good {until}; its hash is in {}.", entry.id, path.display()));
            tell("It isn't shown again. Clients send it as a header: Authorization: Bearer TOKEN");
            if let Err(error) = write(&format!("{token}\n")) {
                // A good token that nobody has seen shall not be left.
                TokenFile::edit(&path, |file| Ok(file.revoke(&entry.id, now)))?;
                bail!("the token is revoked again, since it can't be written to standard output: {error}");
            }
        }
        TokenCommand::List { place } => print(&table(&TokenFile::read(&there(place)?)?, now))?,
        TokenCommand::Revoke { name_or_id, place } => {
            let path = there(place)?;
            let revoked = TokenFile::edit(&path, |file| match file.revoke(&name_or_id, now) {
                0 => bail!("{name_or_id} has no token in {} that is good", path.display()),
                revoked => Ok(revoked),
            })?;
            tell(&format!("revoked tokens of {name_or_id}: {revoked}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(file: &TokenFile, now: DateTime<Utc>) -> String {
    let row = |entry: &Entry| {
        let expires = entry.expires.map_or_else(|| "-".to_owned(), text);
        let status = match entry.status(now) {
            Status::Good => "good".to_owned(),
            Status::Expired => "expired".to_owned(),
            Status::Revoked => entry.revoked.map_or_else(String::new, |at| format!("revoked {}", text(at))),
        };
        [entry.name.clone(), entry.id.clone(), text(entry.created), expires, status]
    };
    let rows: Vec<_> = file.tokens.iter().map(row).collect();
    styx_host::table::table(["NAME", "ID", "CREATED", "EXPIRES", "STATUS"], &rows)
}

fn text(at: Stamp) -> String {
    at.into()
}
