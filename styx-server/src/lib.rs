//! The server of Styx: the v3 API over an engine, its log and an executor; and the tools that read a log offline.

mod auth;
mod checkpoints;
mod cli;
mod deploy;
mod disk;
mod executors;
mod folder;
mod follow;
mod health;
mod http;
pub mod log_tools;
mod logging;
mod metrics;
mod print;
mod random;
mod run_log;
mod serve;
mod settings;
mod tail;
mod umask;
mod views;

use std::{env, process::ExitCode};

use anyhow::Context;
use clap::{CommandFactory, Parser};

use self::{
    cli::{Cli, Command},
    settings::Settings,
};

/// Makes the server independent of what its starter left it: see [`styx_host::inherited`].
fn begin() -> anyhow::Result<()> {
    styx_host::inherited::begin_server().context("setting up signals")
}

/// What the binary does with its command line.
pub fn main() -> ExitCode {
    // The local executor starts this program again, once for each job: nothing else is needed for that, and nothing is slow.
    if env::args_os().nth(1).is_some_and(|word| word == "shim") {
        return styx_local::shim::main(env::args_os().skip(2));
    }
    umask::make_private();
    let Cli { flags, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            print::tell(error.render().to_string().trim_end());
            return ExitCode::from(2);
        }
        Err(error) => error.exit(),
    };
    let done = match command {
        None => begin().and_then(|()| Settings::load(&flags)).and_then(serve::run),
        Some(Command::CheckConfig(flags)) => Settings::load(&flags)
            .and_then(|settings| print::print(&format!("{settings}\n")))
            .map(|()| ExitCode::SUCCESS),
        Some(Command::Token { command }) => auth::run(command),
        Some(Command::Log { command }) => Ok(log_tools::run(*command)),
        Some(Command::Completion { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "styx-server", &mut script);
            print::print(&String::from_utf8_lossy(&script)).map(|()| ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        print::tell(&format!("styx-server: {}", with_causes(&error)));
        ExitCode::FAILURE
    })
}

/// An error and what caused it. Some errors have the text of their cause in their own: it isn't said twice.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.is_empty() {
        true => cause,
        false if said.ends_with(&cause) => said,
        false => format!("{said}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cause_is_said_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("opening: {source}")]
        struct Opening {
            source: std::io::Error,
        }
        let opening = || Opening { source: std::io::Error::other("denied") };
        assert_eq!(with_causes(&anyhow::Error::new(opening())), "opening: denied");
        assert_eq!(with_causes(&anyhow::Error::new(opening()).context("starting")), "starting: opening: denied");
        assert_eq!(with_causes(&anyhow::anyhow!("denied").context("using x")), "using x: denied");
    }
}
