//! `workflow`: what can be typed.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::Watch;
use super::parse::parse_span;

/// What runs executions on the server whose workflows are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintExecutor {
    /// Processes on the server's machine.
    Local,
    /// Nothing; executions end as their environment says.
    Fake,
}

/// What to do with workflows.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// List all workflows
    #[command(
        visible_alias = "ls",
        alias = "li",
        after_help = "Examples:\n  styx workflow list\n  styx workflow list -o wide\n  styx workflow list --watch"
    )]
    List {
        #[command(flatten)]
        watch: Watch,
    },
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

As a hook of pre-commit, for the whole folder, since what changed may clash with what didn't:
  - id: styx
    name: styx workflow lint
    entry: styx workflow lint workflows/
    language: system
    pass_filenames: false
    files: ^workflows/.*\\.(ya?ml|json)$")]
    Lint {
        /// Files, and folders with files, of one server: two workflows of one name are an error, wherever they stand
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// The server's limit of running_timeout [default: PT48H, as a server's own]
        #[arg(long, value_name = "SPAN", value_parser = parse_span)]
        max_running_timeout: Option<TimeDelta>,
        /// What runs executions on the server: `local` needs docker_args, which it runs as a program
        #[arg(long, value_name = "NAME", value_enum, default_value_t = LintExecutor::Local)]
        executor: LintExecutor,
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
