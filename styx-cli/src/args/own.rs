//! `config` and `context`, which Styx 2.x does not have: what can be typed.

use clap::{Subcommand, ValueEnum};

/// What to do with the server's configuration while it runs.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show what counts now, and where each value comes from
    #[command(after_help = "Examples:\n  styx config show")]
    Show,
    /// Set a value, until it is unset
    #[command(after_help = "\
Values:
  enabled                 true or false: whether anything is triggered and run
  concurrency             how many executions there may be at once, or none
  submission-rate-limit   how many runs may leave the queue a second
  client-blacklist        the User-Agents that are refused, several or (with no value) none
  debug                   true or false: whether what is left of ended executions is kept
  executor                the name of the executor that runs what no route is for
  clock                   accept: the server's clock is right, though it jumped too far to be believed

Examples:
  styx config set enabled false
  styx config set concurrency 50
  styx config set concurrency none
  styx config set executor blue
  styx config set client-blacklist \"Styx Client 2.1.100\" \"Styx Client 2.1.101\"")]
    Set {
        /// What to set
        #[arg(value_enum, hide_possible_values = true)]
        name: Setting,
        /// To what
        values: Vec<String>,
    },
    /// Go back to what the server's own configuration says
    #[command(after_help = "Examples:\n  styx config unset concurrency debug")]
    Unset {
        /// What to unset
        #[arg(value_enum, required = true, hide_possible_values = true)]
        names: Vec<Setting>,
    },
    /// Add to a value that is a list: client-blacklist
    #[command(after_help = "Examples:\n  styx config add client-blacklist \"Styx Client 2.1.100\"")]
    Add {
        /// What to add to
        #[arg(value_enum, hide_possible_values = true)]
        name: Setting,
        /// What to add
        #[arg(required = true)]
        values: Vec<String>,
    },
    /// Remove from a value that is a list: client-blacklist
    #[command(after_help = "Examples:\n  styx config remove client-blacklist \"Styx Client 2.1.100\"")]
    Remove {
        /// What to remove from
        #[arg(value_enum, hide_possible_values = true)]
        name: Setting,
        /// What to remove
        #[arg(required = true)]
        values: Vec<String>,
    },
}

/// A value that can be set while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Setting {
    Enabled,
    Concurrency,
    SubmissionRateLimit,
    ClientBlacklist,
    Debug,
    Executor,
    Clock,
}

/// What to do with contexts.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// Add a context, or replace the one of that name; the first one becomes the current one
    #[command(after_help = "\
Examples:
  styx context add local http://127.0.0.1:8080
  styx context add prod https://styx.example.org --token-file ~/.styx-token")]
    Add {
        /// The name
        name: String,
        /// Where the server is; a bare host means https
        host: String,
    },
    /// Make a context the current one
    #[command(after_help = "Examples:\n  styx context use prod")]
    Use {
        /// The name
        name: String,
    },
    /// List all contexts
    #[command(visible_alias = "ls", after_help = "Examples:\n  styx context list")]
    List,
    /// Remove a context
    #[command(visible_alias = "rm", after_help = "Examples:\n  styx context remove local")]
    Remove {
        /// The name
        name: String,
    },
    /// Show a context: the one that commands would use, or another one
    #[command(after_help = "Examples:\n  styx context show\n  styx context show prod")]
    Show {
        /// The name
        name: Option<String>,
    },
}

impl Setting {
    /// The name as it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Concurrency => "concurrency",
            Self::SubmissionRateLimit => "submission-rate-limit",
            Self::ClientBlacklist => "client-blacklist",
            Self::Debug => "debug",
            Self::Executor => "executor",
            Self::Clock => "clock",
        }
    }
}
