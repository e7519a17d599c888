//! What can be typed.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use styx_core::workflow::Span;

/// Talk to a Styx server: see what runs, trigger, halt and retry it, and keep workflows.
#[derive(Debug, Parser)]
#[command(name = "styx", display_name = "Styx CLI", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  export STYX_CLI_HOST=http://127.0.0.1:8080
  styx workflow lint daily-report.yaml
  styx workflow create sales -f daily-report.yaml
  styx workflow enable sales daily-report
  styx trigger sales daily-report 2026-11-24
  styx ls
  styx events sales daily-report 2026-11-24";

/// Options that go with every command, before or after it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where the server is; a bare host means https
    #[arg(short = 'H', long, global = true, env = "STYX_CLI_HOST", hide_env_values = true)]
    pub(crate) host: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print a line for each item, its fields separated by blanks
    #[arg(short, long, global = true)]
    pub(crate) plain: bool,
    /// Tell on standard error what is asked and answered
    #[arg(long, global = true)]
    pub(crate) debug: bool,
    /// Whether to print in colour: auto, always or never
    #[arg(long, global = true, value_enum, value_name = "WHEN", hide_possible_values = true, default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
}

/// When to print in colour. Comments on the variants would make the help of every command three times as long.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ColorChoice {
    // On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List active workflow instances
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  styx ls\n  styx ls -c sales\n  styx --plain ls | grep QUEUED"
    )]
    List {
        /// Only those of this component
        #[arg(short, long)]
        component: Option<String>,
    },
    /// List events for a workflow instance
    #[command(visible_alias = "e", after_help = "Examples:\n  styx events sales daily-report 2026-11-24")]
    Events(Instance),
    /// Trigger a workflow instance, fail if the instance is already active
    #[command(
        visible_alias = "t",
        after_help = "Examples:\n  styx trigger sales daily-report 2026-11-24\n  \
                      styx trigger sales hourly 2026-11-24T07 -e MODE=full -e LIMIT=10"
    )]
    Trigger {
        #[command(flatten)]
        instance: Instance,
        /// Set an environment variable of the execution; may be repeated
        #[arg(short, long, value_name = "KEY=VALUE", value_parser = parse_variable)]
        env: Vec<(String, String)>,
        /// Allow an instance whose time has not come yet
        #[arg(long)]
        allow_future: bool,
    },
    /// Halt a workflow instance
    #[command(visible_alias = "h", after_help = "Examples:\n  styx halt sales daily-report 2026-11-24")]
    Halt(Instance),
    /// Retry a workflow instance that is in a waiting state
    #[command(visible_alias = "r", after_help = "Examples:\n  styx retry sales daily-report 2026-11-24")]
    Retry(Instance),
    /// Commands related to workflows
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Print the completions for a shell
    #[command(after_help = "Examples:\n  styx completion bash > ~/.local/share/bash-completion/completions/styx")]
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// A workflow instance.
#[derive(Args, Debug)]
pub(crate) struct Instance {
    /// Component id
    pub(crate) component: String,
    /// Workflow id
    pub(crate) workflow: String,
    /// Parameter identifying the workflow instance, e.g. 2026-11-24 or 2026-11-24T07
    pub(crate) parameter: String,
}

/// What to do with workflows.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// List all workflows
    #[command(visible_alias = "ls", after_help = "Examples:\n  styx workflow list")]
    List,
    /// Show info about a specific workflow
    #[command(visible_alias = "get", after_help = "Examples:\n  styx workflow show sales daily-report")]
    Show {
        /// Component id
        component: String,
        /// Workflow id
        workflow: String,
    },
    /// Create or update workflow(s)
    #[command(after_help = "\
Examples:
  styx workflow create sales -f daily-report.yaml
  generate-workflows | styx workflow create sales

A file holds one workflow, or several separated by lines of `---`:

  id: daily-report
  schedule: days
  docker_image: busybox:1.36
  docker_args: [echo, \"{}\"]")]
    Create {
        /// Component id
        component: String,
        /// Workflow configuration file, YAML or JSON; `-`, or none, reads standard input
        #[arg(short, long)]
        file: Option<PathBuf>,
    },
    /// Check workflow files and folders as a server would, and show when each workflow runs next
    #[command(after_help = "\
Exit codes: 0 nothing is wrong, 1 errors were found, 2 the arguments can't be followed.
Warnings alone don't change the exit code.

Examples:
  styx workflow lint workflows/
  styx workflow lint --max-running-timeout PT24H workflows/sales.yaml
  styx --json workflow lint workflows/ | jq .errors

As a hook of pre-commit:
  - id: styx
    entry: styx workflow lint
    language: system
    files: ^workflows/.*\\.(ya?ml|json)$")]
    Lint {
        /// Files, and folders with files; two workflows of one name are an error within a folder
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// The server's limit of running_timeout, such as PT24H
        #[arg(long, value_name = "SPAN", value_parser = parse_span)]
        max_running_timeout: Option<TimeDelta>,
        /// Show what runs after this instant instead of after now
        #[arg(long, value_name = "TIME")]
        now: Option<DateTime<Utc>>,
    },
    /// Delete workflow(s)
    #[command(after_help = "Examples:\n  styx workflow delete sales daily-report --force")]
    Delete {
        #[command(flatten)]
        workflows: Workflows,
        /// Do not ask for confirmation
        #[arg(long)]
        force: bool,
    },
    /// Enable workflow(s)
    #[command(after_help = "Examples:\n  styx workflow enable sales daily-report hourly")]
    Enable(Workflows),
    /// Disable workflow(s)
    #[command(after_help = "Examples:\n  styx workflow disable sales daily-report hourly")]
    Disable(Workflows),
}

/// Workflows of one component.
#[derive(Args, Debug)]
pub(crate) struct Workflows {
    /// Component id
    pub(crate) component: String,
    /// Workflow ids
    #[arg(required = true, value_name = "WORKFLOW")]
    pub(crate) workflows: Vec<String>,
}

/// Reads a duration that isn't negative.
fn parse_span(text: &str) -> Result<TimeDelta, String> {
    let span = Span::parse_iso(text).map_err(|error| error.to_string())?.to_delta();
    if span < TimeDelta::zero() { Err("expected a duration that isn't negative".into()) } else { Ok(span) }
}

/// Reads `KEY=VALUE`; the value may hold more `=`.
fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("expected KEY=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn variables_split_at_the_first_equals_sign() {
        assert_eq!(parse_variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(parse_variable("A="), Ok(("A".into(), String::new())));
        assert!(parse_variable("A").is_err());
        assert!(parse_variable("=b").is_err());
    }
}
