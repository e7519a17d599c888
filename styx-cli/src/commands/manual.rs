//! `man`: the manual pages, a page for each command.

use std::{fs, io, path::Path};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Printer;

const SOURCE: &str = concat!("styx ", env!("CARGO_PKG_VERSION"));

/// Writes `styx.1`, `styx-list.1` and so on into a folder.
pub(crate) fn write(dir: &Path, printer: &mut Printer) -> Result<(), Failure> {
    let shown = dir.display();
    // Without the name for display the pages would be named after the version's text.
    let mut styx = Cli::command().display_name("styx").disable_help_subcommand(true);
    styx.build();
    let written = fs::create_dir_all(dir).and_then(|()| write_pages(&styx, dir));
    written.map_err(|error| Failure::Usage(format!("cannot write to {shown}: {error}")))?;
    printer.message(&format!("Manual pages written to {shown}."))
}

fn write_pages(command: &Command, dir: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    styx_host::file::write_document(dir.join(format!("{name}.1")), &page(command)?)?;
    command.get_subcommands().try_for_each(|command| write_pages(command, dir))
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    // As `--help` has it: with dots after what may be several.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let manual = Man::new(command.clone().override_usage(usage)).source(SOURCE).manual("Styx");
    let mut text = Vec::new();
    manual.render_title(&mut text)?;
    manual.render_name_section(&mut text)?;
    manual.render_synopsis_section(&mut text)?;
    manual.render_description_section(&mut text)?;
    manual.render_options_section(&mut text)?;
    if command.has_subcommands() {
        manual.render_subcommands_section(&mut text)?;
    }
    further(&below).to_writer(&mut text)?;
    Ok(text)
}

/// What stands below the options in help texts, the parts of it with headings and its indented lines as they are.
fn further(text: &str) -> Roff {
    let mut page = Roff::new();
    let (mut has_heading, mut is_literal) = (false, false);
    for line in text.lines() {
        if is_literal != (line.starts_with(' ') || (is_literal && line.is_empty())) {
            is_literal = !is_literal;
            page.control(if is_literal { "nf" } else { "fi" }, []);
        }
        let heading = line.strip_suffix(':').filter(|heading| ["Examples", "Values"].contains(heading));
        if let Some(heading) = heading {
            page.control("SH", [heading.to_uppercase().as_str()]);
        } else if line.is_empty() {
            page.control("PP", []);
        } else {
            if !has_heading {
                page.control("SH", [if line.starts_with("Exit codes") { "EXIT STATUS" } else { "NOTES" }]);
            }
            page.text([roman(line)]);
        }
        has_heading = true;
    }
    if is_literal {
        page.control("fi", []);
    }
    page
}
