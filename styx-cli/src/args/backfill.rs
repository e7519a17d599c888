//! `backfill`: what can be typed.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::Watch;
use super::parse::{parse_day_or_hour, parse_variable};

/// What to do with backfills.
#[derive(Debug, Subcommand)]
pub(crate) enum BackfillCommand {
    /// List backfills, without those that are done or halted
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  styx backfill list\n  styx backfill list -c sales -w daily-report --show-all"
    )]
    List {
        /// Only those of this component
        #[arg(short, long, aliases = ["c", "co"])]
        component: Option<String>,
        /// Only those of workflows with this id
        #[arg(short, long, alias = "w")]
        workflow: Option<String>,
        /// Also those that are done or halted
        #[arg(short = 'a', long)]
        show_all: bool,
        /// Show long descriptions and environments in full
        #[arg(long)]
        no_trunc: bool,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show a backfill, and where each of its instances stands
    #[command(
        visible_alias = "get",
        after_help = "Examples:\n  styx backfill show backfill-1795487046550-13464\n  \
                      styx backfill show backfill-1795487046550-13464 --watch"
    )]
    Show {
        /// Backfill id
        id: String,
        /// Show a long description and environment in full
        #[arg(long)]
        no_trunc: bool,
        #[command(flatten)]
        watch: Watch,
    },
    /// Edit a backfill
    #[command(
        visible_alias = "e",
        after_help = "Examples:\n  styx backfill edit backfill-1795487046550-13464 --concurrency 4"
    )]
    Edit {
        /// Backfill id
        id: String,
        /// How many of its instances may be active at once
        #[arg(long, aliases = ["c", "co", "con"], allow_negative_numbers = true)]
        concurrency: Option<i32>,
        /// What it is for
        #[arg(short, long)]
        description: Option<String>,
    },
    /// Halt a backfill
    #[command(
        visible_alias = "h",
        after_help = "Examples:\n  styx backfill halt backfill-1795487046550-13464\n  \
                      styx backfill halt backfill-1795487046550-13464 --graceful"
    )]
    Halt {
        /// Backfill id
        id: String,
        /// Let its active instances run to their end
        #[arg(long)]
        graceful: bool,
    },
    /// Create a backfill
    #[command(after_help = "\
Exit codes with --wait: 0 all its instances succeeded, 1 some did not, or it was halted.

Examples:
  styx backfill create sales daily-report 2026-11-01 2026-11-24 2
  styx backfill create sales hourly 2026-11-23T00 2026-11-24T00 4 --reverse -d \"late data\" -e MODE=full
  styx backfill create sales daily-report 2026-11-01 2026-11-24 2 --wait")]
    Create(BackfillCreate),
}

/// A backfill to create.
#[derive(Args, Debug)]
pub(crate) struct BackfillCreate {
    /// Component id
    pub(crate) component: String,
    /// Workflow id
    pub(crate) workflow: String,
    /// First day or hour
    #[arg(value_parser = parse_day_or_hour)]
    pub(crate) start: DateTime<Utc>,
    /// First day or hour that is left out
    #[arg(value_parser = parse_day_or_hour)]
    pub(crate) end: DateTime<Utc>,
    /// How many of its instances may be active at once
    #[arg(allow_negative_numbers = true)]
    pub(crate) concurrency: i32,
    /// Begin with the last instance
    #[arg(long)]
    pub(crate) reverse: bool,
    /// What it is for
    #[arg(short, long)]
    pub(crate) description: Option<String>,
    /// Set an environment variable of the executions; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = parse_variable)]
    pub(crate) env: Vec<(String, String)>,
    /// Allow instances whose time has not come yet
    #[arg(long)]
    pub(crate) allow_future: bool,
    /// Wait until all its instances have ended
    #[arg(long)]
    pub(crate) wait: bool,
}
