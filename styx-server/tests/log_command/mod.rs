//! Runs `styx-server log …` on a folder.
#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::path::Path;

use anstream::StripStream;
use clap::Parser;
use styx_server::log_tools::{self, LogCommand};

#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: LogCommand,
}

/// What a command printed and how it exited; the data folder reads as `DATA`.
pub(crate) fn run(dir: &Path, args: &[&str]) -> (u8, String, String) {
    let mut all = vec!["log"];
    all.extend(args);
    let data = dir.to_str().unwrap();
    all.extend(["--data", data]);
    let Cli { command } = Cli::parse_from(all);
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let code = log_tools::run_on(&command, &mut StripStream::new(&mut out), &mut notes).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(data, "DATA");
    (code, text(out), text(notes))
}
