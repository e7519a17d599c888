//! The command `styx`: talks to a Styx server over its HTTP API.
//!
//! What it takes, prints and exits with is that of the command line tool of Styx 2.x, so that scripts go on working.

// They panic when what they print to is closed or full.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod aside;
mod commands;
mod contexts;
mod failure;
mod in_flight;
mod output;
mod progress;
mod suggest;
mod watch;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, ColorChoice, Global, OutputChoice};
use failure::Failure;
use output::{Form, Format, Printer};
use suggest::Subject;

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    if std::env::args_os().len() <= 1 {
        return match Cli::command().print_help() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => Failure::from(error).report(),
        };
    }
    match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => report_parse_error(&error),
    }
}

fn run(cli: Cli) -> ExitCode {
    let Cli { global, command } = cli;
    let Some(command) = command else {
        return Failure::Usage("a command is needed; see `styx --help`".into()).report();
    };
    let mut printer = Printer::new(Form { format: format(&global), color: use_color(global.color) });
    let subject = Subject::of(&command);
    match commands::run(command, &global, &mut printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.report();
            if let Some(subject) = subject {
                subject.suggest(&failure, &global);
            }
            code
        }
    }
}

/// The form that is asked for: `--json` counts before `--output`, and that before `--plain`.
fn format(global: &Global) -> Format {
    match global.output {
        _ if global.json => Format::Json,
        Some(OutputChoice::Table) => Format::Pretty,
        Some(OutputChoice::Wide) => Format::Wide,
        Some(OutputChoice::Json) => Format::Json,
        Some(OutputChoice::Yaml) => Format::Yaml,
        None if global.plain => Format::Plain,
        None => Format::Pretty,
    }
}

/// Prints help and versions to standard output and all else to standard error, as `styx: error: …`.
fn report_parse_error(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let rendered = error.render();
        // Help that clap shows because a sub-command is missing says so itself.
        let prefix = if rendered.to_string().starts_with("error:") { "styx: " } else { "" };
        aside::tell_styled(format!("{prefix}{}", rendered.ansi()).trim_end_matches('\n'));
        return ExitCode::from(failure::BAD_ARGUMENTS);
    }
    match error.print() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::from(error).report(),
    }
}

/// Colour is for people: on a terminal that knows it, unless they said otherwise.
fn use_color(choice: ColorChoice) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            !is_set("NO_COLOR") && !is_dumb && std::io::stdout().is_terminal()
        }
    }
}
