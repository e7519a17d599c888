//! `resource`: what can be typed.

use clap::Subcommand;

use super::Watch;

/// What to do with resources.
#[derive(Debug, Subcommand)]
pub(crate) enum ResourceCommand {
    /// List all resources
    #[command(visible_alias = "ls", after_help = "Examples:\n  styx resource list")]
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show a resource
    #[command(visible_alias = "get", after_help = "Examples:\n  styx resource show warehouse")]
    Show {
        /// Resource id
        id: String,
    },
    /// Create a resource, or replace it
    #[command(after_help = "Examples:\n  styx resource create warehouse 4")]
    Create {
        /// Resource id
        id: String,
        /// How many executions may hold it at once
        #[arg(allow_negative_numbers = true)]
        concurrency: i32,
    },
    /// Edit a resource
    #[command(visible_alias = "e", after_help = "Examples:\n  styx resource edit warehouse --concurrency 8")]
    Edit {
        /// Resource id
        id: String,
        /// How many executions may hold it at once
        #[arg(long, aliases = ["c", "co", "con"], allow_negative_numbers = true)]
        concurrency: Option<i32>,
    },
    /// Delete a resource; runs of workflows that name it fail from then on
    #[command(after_help = "Examples:\n  styx resource delete warehouse")]
    Delete {
        /// Resource id
        id: String,
    },
}
