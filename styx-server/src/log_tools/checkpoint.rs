//! `styx-server log checkpoint`: has the server of a data folder make a checkpoint.

use std::io::{self, Write};

use clap::Args;

use super::{
    CLEAN, DataArgs, UNUSABLE,
    running::{client, host_of},
};

/// Of which server.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The checkpoint is a data folder of its own, below `checkpoints` in the server's: all log tools work on it while the server \
runs on. Its tables are shared with the server's as long as both have them; the server removes the oldest ones and \
keeps as many as keep_checkpoints in its configuration says, 10 if it says nothing.

Exit codes: 0 it is made; 2 no server answers, or it refuses.")]
pub struct CheckpointArgs {
    /// The running server's data folder
    #[command(flatten)]
    pub data: DataArgs,
}

/// Asks the server that the folder's `address` file names.
pub(super) fn run(args: &CheckpointArgs, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    let data = &args.data.data;
    let host = host_of(data, |path, error| {
        format!(
            "no server runs on {}, as far as {} says: {error}; without a server the log tools read the folder itself",
            data.display(),
            path.display()
        )
    });
    let asked = host
        .and_then(|host| client(&host))
        .and_then(|client| client.create_checkpoint().map_err(|error| error.to_string()));
    match asked {
        Ok(checkpoint) => {
            writeln!(notes, "checkpoint of everything up to record {}", checkpoint.position)?;
            writeln!(out, "{}", data.join(&checkpoint.path).display())?;
            Ok(CLEAN)
        }
        Err(error) => {
            writeln!(notes, "styx-server: {error}")?;
            Ok(UNUSABLE)
        }
    }
}
