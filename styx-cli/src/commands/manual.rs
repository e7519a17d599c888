//! `man`: the manual pages, a page for each command.

use std::{fs, path::Path};

use clap::CommandFactory;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Printer;

/// Writes `styx.1`, `styx-list.1` and so on into a folder.
pub(crate) fn write(dir: &Path, printer: &mut Printer) -> Result<(), Failure> {
    let shown = dir.display();
    let write = || {
        fs::create_dir_all(dir)?;
        // Without it the pages would be named after the version's text.
        clap_mangen::generate_to(Cli::command().display_name("styx"), dir)
    };
    write().map_err(|error| Failure::Usage(format!("cannot write to {shown}: {error}")))?;
    printer.message(&format!("Manual pages written to {shown}."))
}
