//! What can be typed.

#[cfg(test)]
mod abbreviations;
mod backfill;
mod own;
mod parse;
mod resource;
mod workflow;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use self::backfill::{BackfillCommand, BackfillCreate};
pub(crate) use self::own::{ConfigCommand, ContextCommand, Setting};
pub(crate) use self::parse::Bound;
use self::parse::{parse_seconds, parse_variable};
pub(crate) use self::resource::ResourceCommand;
pub(crate) use self::workflow::{LintExecutor, WorkflowCommand, Workflows};

// As in Styx 2.x, the beginning of a name does. Where a name of ours begins like one that Styx 2.x has, hidden aliases
// let its beginnings mean what they meant.
/// Talk to a Styx server: see what runs, trigger, halt and retry it, and keep workflows.
#[derive(Debug, Parser)]
#[command(name = "styx", display_name = "Styx CLI", version, after_help = EXAMPLES)]
#[command(infer_long_args = true, infer_subcommands = true)]
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
  styx ls --watch
  styx events sales daily-report 2026-11-24

Instead of STYX_CLI_HOST, servers can have names:
  styx context add local http://127.0.0.1:8080";

/// Options that go with every command, before or after it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where the server is; a bare host means https
    #[arg(short = 'H', long, global = true, env = "STYX_CLI_HOST", hide_env_values = true)]
    pub(crate) host: Option<String>,
    /// Which of the contexts to use, if no host is given [env: STYX_CONTEXT=] [default: the current one]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// File that holds the token by which the server knows you [default: that in STYX_TOKEN, or the context's]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// How to print: table, wide (more columns), json or yaml [default: table]
    #[arg(short, long, global = true, value_enum, value_name = "FORM", hide_possible_values = true)]
    pub(crate) output: Option<OutputChoice>,
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

/// In which form to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputChoice {
    Table,
    Wide,
    Json,
    Yaml,
}

/// Whether to show a list again and again.
#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// Show it again every so many seconds (2 if none are given), until Ctrl-C
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2", value_parser = parse_seconds)]
    pub(crate) watch: Option<Duration>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List active workflow instances
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  styx ls\n  styx ls -c sales --watch\n  styx ls -o wide\n  styx --plain ls | grep QUEUED"
    )]
    List {
        /// Only those of this component
        #[arg(short, long, aliases = ["c", "co"])]
        component: Option<String>,
        #[command(flatten)]
        watch: Watch,
    },
    /// List events for a workflow instance
    #[command(
        visible_alias = "e",
        after_help = "Examples:\n  styx events sales daily-report 2026-11-24\n  styx events sales daily-report 2026-11-24 --watch=5"
    )]
    Events {
        #[command(flatten)]
        instance: Instance,
        #[command(flatten)]
        watch: Watch,
    },
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
    Halt(Operation),
    /// Retry a workflow instance that is in a waiting state
    #[command(visible_alias = "r", after_help = "Examples:\n  styx retry sales daily-report 2026-11-24")]
    Retry(Operation),
    /// Say why a workflow instance waits
    #[command(after_help = "Examples:\n  styx explain sales daily-report 2026-11-24")]
    Explain(Instance),
    /// Commands related to workflows
    #[command(subcommand, after_help = "Examples:\n  styx workflow list\n  styx workflow show sales daily-report")]
    Workflow(WorkflowCommand),
    /// Commands related to resources, which bound how many executions there are at once
    #[command(subcommand, after_help = "Examples:\n  styx resource list\n  styx resource create warehouse 4")]
    Resource(ResourceCommand),
    /// Commands related to backfills, which run many instances of a workflow
    #[command(
        subcommand,
        after_help = "Examples:\n  styx backfill list\n  styx backfill create sales daily-report 2026-11-01 2026-11-24 2"
    )]
    Backfill(BackfillCommand),
    /// Commands related to authentication and authorization
    #[command(
        subcommand,
        after_help = "Examples:\n  styx auth test -a job@acme.iam.gserviceaccount.com -u ann@example.org"
    )]
    Auth(AuthCommand),
    /// Commands related to the server's configuration while it runs
    #[command(subcommand, after_help = "Examples:\n  styx config show\n  styx config set enabled false")]
    Config(ConfigCommand),
    /// Commands related to contexts: servers, by name
    #[command(
        subcommand,
        after_help = "Examples:\n  styx context add prod https://styx.example.org --token-file ~/.styx-token\n  \
                      styx context use prod"
    )]
    Context(ContextCommand),
    /// Print the completions for a shell
    #[command(after_help = "Examples:\n  styx completion bash > ~/.local/share/bash-completion/completions/styx")]
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages into a folder
    #[command(after_help = "Examples:\n  styx man ~/.local/share/man/man1 && man styx-trigger")]
    Man {
        /// The folder, which is made if need be
        dir: PathBuf,
    },
}

/// What to do with an instance that is active.
#[derive(Args, Debug)]
pub(crate) struct Operation {
    #[command(flatten)]
    pub(crate) instance: Instance,
    /// Refuse unless the instance's last event is number COUNTER; the first that `styx events` shows is number 0
    #[arg(long, value_name = "COUNTER")]
    pub(crate) expected_counter: Option<u64>,
}

/// What to ask about authorization.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Test whether a principal may run workflows as a service account
    #[command(after_help = "\
Exit codes: 0 it may, 1 it may not.

Examples:
  styx auth test -a job@acme.iam.gserviceaccount.com -u ann@example.org")]
    Test {
        /// The service account
        #[arg(short = 'a', long)]
        service_account: String,
        /// The e-mail address of who wants to use it
        #[arg(short = 'u', long)]
        principal: String,
    },
}

/// A workflow instance.
#[derive(Args, Debug)]
pub(crate) struct Instance {
    /// Component id
    pub(crate) component: String,
    /// Workflow id
    pub(crate) workflow: String,
    /// Parameter identifying the workflow instance, e.g. 2026-11-24, 2026-11-24T07 or 2026-11-24T06:30
    pub(crate) parameter: String,
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
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(text.contains("Examples:\n") || text.contains("Example:\n"), "{}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
