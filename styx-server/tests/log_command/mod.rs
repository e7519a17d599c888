//! Runs `styx-server log …` on a folder.
#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{io::Write, path::Path};

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
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let code = run_to(dir, args, &mut StripStream::new(&mut out), &mut notes);
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(dir.to_str().unwrap(), "DATA");
    (code, text(out), text(notes))
}

/// How a command that prints to these exited.
pub(crate) fn run_to(dir: &Path, args: &[&str], out: &mut dyn Write, notes: &mut dyn Write) -> u8 {
    let data = ["--data", dir.to_str().unwrap()];
    let Cli { command } = Cli::parse_from([&["log"], args, &data].concat());
    log_tools::run_on(&command, out, notes).unwrap()
}
