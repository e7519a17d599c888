//! The command line: flags, their environment variables, and sub-commands.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde::Deserialize;

use crate::{auth::TokenCommand, log_tools::LogCommand};

const EXAMPLES: &str = "\
Examples:
  styx-server --workflows examples/workflows
      Runs the workflows of a folder as processes on this machine; data goes to ./styx-data.

  styx-server --data /var/lib/styx --listen 127.0.0.1:8081 --log-format json
      The same server as a service.

  STYX_SERVER_EXECUTOR=fake styx-server --data /tmp/styx
      Runs nothing: every execution ends as its environment says. To try the API.

  styx-server token create --name ann@example.org --expires P90D
  styx-server --auth tokens --listen 0.0.0.0:8080
      A server that others can reach; whoever asks needs a token. Leave TLS to a proxy in front of it.

  styx-server check-config --config styx.toml
      Reads flags, environment and file, says what counts, and starts nothing.

Flags win over the environment, the environment wins over the file. A minimal file:

  workflows = \"/etc/styx/workflows\"
  max_executions = 16
  timeouts.running = \"PT6H\"
  [local]
  keep_runs = 50";

/// `styx-server`: triggers workflows by schedule and sees each run through.
#[derive(Debug, Parser)]
#[command(name = "styx-server", version, after_long_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) flags: Flags,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What can be given on the command line and in the environment.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    /// Folder that holds all data; made if it doesn't exist [default: ./styx-data]
    #[arg(long, value_name = "DIR", env = "STYX_SERVER_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on; port 0 takes any free port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "STYX_SERVER_LISTEN", value_parser = crate::settings::listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// Name under which clients reach the server, besides localhost and its addresses; may be given several times
    #[arg(long = "host-name", value_name = "NAME", env = "STYX_SERVER_HOST_NAME", value_delimiter = ',')]
    pub(crate) host_names: Vec<String>,
    /// Folder of workflow files, taken at the start and whenever they change; workflows whose file is gone are disabled
    #[arg(long, value_name = "DIR", env = "STYX_SERVER_WORKFLOWS")]
    pub(crate) workflows: Option<PathBuf>,
    /// What runs executions: processes on this machine, or nothing at all [default: local]
    ///
    /// With `fake`, executions end at once with exit code 0, or as the workflow's env says: STYX_FAKE_EXIT_CODES=1,20,0 are the
    /// exit codes of its tries, STYX_FAKE_DURATION_MS=5000 how long each takes.
    #[arg(long, value_name = "NAME", env = "STYX_SERVER_EXECUTOR", value_enum)]
    pub(crate) executor: Option<ExecutorKind>,
    /// Let workflows that are made through the API run on this machine, not only those of the workflow folder
    #[arg(long, env = "STYX_SERVER_RUN_API_WORKFLOWS", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub(crate) run_api_workflows: Option<bool>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "STYX_SERVER_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// How the log on standard error looks [default: text]
    #[arg(long, value_name = "FORMAT", env = "STYX_SERVER_LOG_FORMAT", value_enum)]
    pub(crate) log_format: Option<LogFormat>,
    /// Which runs have a line in the log when they end or are tried again [default: all]
    #[arg(long, value_name = "WHICH", env = "STYX_SERVER_LOG_RUNS", value_enum)]
    pub(crate) log_runs: Option<LogRuns>,
    /// Who may ask: everybody, or whoever has a token that `styx-server token create` made [default: off]
    #[arg(long, value_name = "MODE", env = "STYX_SERVER_AUTH", value_enum)]
    pub(crate) auth: Option<AuthMode>,
    /// File of tokens [default: tokens.json in the data folder]
    #[arg(long, value_name = "FILE", env = "STYX_SERVER_AUTH_TOKENS")]
    pub(crate) auth_tokens: Option<PathBuf>,
    /// With authentication: answer reads without a token as well, and hide the values of environment variables in them
    #[arg(long, env = "STYX_SERVER_ANONYMOUS_READS", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub(crate) anonymous_reads: Option<bool>,
    /// Listen on an address that others can reach, although there is no authentication
    #[arg(long, env = "STYX_SERVER_INSECURE_LISTEN", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub(crate) insecure_listen: Option<bool>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at a log that no server is using
    Log {
        /// What to do with it.
        #[command(subcommand)]
        command: Box<LogCommand>,
    },
    /// Make, list and revoke the tokens that --auth tokens asks for
    Token {
        /// What to do.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Read flags, environment and file, show what counts, and start nothing
    CheckConfig(Box<Flags>),
    /// Write the completion script of a shell to standard output
    Completion {
        /// Which shell
        shell: Shell,
    },
}

/// What runs executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExecutorKind {
    /// Processes on this machine.
    Local,
    /// Nothing; executions end as STYX_FAKE_EXIT_CODES and STYX_FAKE_DURATION_MS in their environment say.
    Fake,
}

impl ExecutorKind {
    /// The name under which executions are submitted.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Fake => "fake",
        }
    }
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthMode {
    /// Everybody, on this machine.
    Off,
    /// Whoever has a token.
    Tokens,
}

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Which runs the log has lines about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogRuns {
    /// None.
    Off,
    /// Those that are tried again, halted or given up.
    Failures,
    /// Also those that end well.
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_switch_needs_no_value_and_takes_one() {
        let flags = |args: &[&str]| Cli::try_parse_from([&["styx-server"], args].concat()).map(|cli| cli.flags);
        assert_eq!(flags(&["--run-api-workflows"]).unwrap().run_api_workflows, Some(true));
        assert_eq!(flags(&["--run-api-workflows=false"]).unwrap().run_api_workflows, Some(false));
        assert_eq!(flags(&[]).unwrap().insecure_listen, None);
        assert!(flags(&["--executor", "kubernetes"]).is_err());
    }
}
