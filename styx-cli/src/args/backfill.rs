//! `backfill`: what can be typed.

use clap::{Args, Subcommand};

use super::Watch;
use super::parse::{Bound, parse_bound, parse_variable};

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
        after_help = "\
Tables list the first 1000 instances; of a backfill with more they begin with how many are in which state.

Examples:
  styx backfill show backfill-1795487046550-13464
  styx backfill show backfill-1795487046550-13464 --watch
  styx backfill show backfill-1795487046550-13464 --from 2026-03-29T06 --limit 100"
    )]
    Show {
        /// Backfill id
        id: String,
        /// List the instances from this one on
        #[arg(long, value_name = "PARAMETER")]
        from: Option<String>,
        /// List so many instances at most; 0 lists all [default: 1000 in tables, all in other forms]
        #[arg(long, value_name = "COUNT")]
        limit: Option<usize>,
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

START and END name instances of the workflow's schedule, in UTC unless they have an offset.
END is exclusive: it is the first instance that is left out.

Examples:
  styx backfill create sales daily-report 2026-11-01 2026-11-24 2
  styx backfill create sales hourly 2026-11-23T00 2026-11-24T00 4 --reverse -d \"late data\" -e MODE=full
  styx backfill create sales half-past-six 2026-11-23T06:30 2026-11-24T06:30Z 1
  styx backfill create sales monthly-report 2026-01 2026-07 1
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
    /// First instance, by its parameter: 2026-11-01, 2026-11-01T07, 2026-11-01T06:30, 2026-11 or 2026
    #[arg(value_parser = parse_bound)]
    pub(crate) start: Bound,
    /// First instance that is left out: the end is exclusive
    #[arg(value_parser = parse_bound)]
    pub(crate) end: Bound,
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
