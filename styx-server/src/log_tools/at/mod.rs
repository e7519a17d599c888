//! `styx-server log at`: the world as it was.

mod lists;
mod one;
mod summary;
mod units;

use std::{
    io::{self, Write},
    sync::Arc,
};

use clap::Args;
use serde_json::Value;
use styx_core::{
    id::{ExecutionId, InstanceId, Position, WorkflowId},
    log::LogReader,
    world::World,
};
use styx_store::rocks::{Replay, RocksReader};

use super::{
    CLEAN, DataArgs, ReportFormat,
    choice::{parse_execution, parse_instance, parse_workflow},
    columns::Columns,
    fold,
    moment::{Found, Moment, find, parse_moment},
    stopped,
};

const EXAMPLES: &str = "\
The log is folded from its first record on; a bar shows how far it is.

Examples:
  styx-server log at 2026-03-29T07:00
      What there was at seven: workflows, active runs, what was due next.

  styx-server log at 4711 --instance sales#report#2026-03-28
      The run right after record 4711, with all its state and what it waited for.

  styx-server log at -2h --workflow sales#report
      The workflow two hours ago: its configuration, its switch, its next trigger, and what held it back.

  styx-server log at -2h --runs --component sales --explain
      Who waited for what.

  styx-server log at end --resources
      How many units each resource has, who holds them, and how many runs wait for one.

  styx-server log at -2h --backfill backfill-1774767660000-00042
      How far the backfill was.";

/// Which moment, and what of it.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
#[group(id = "what", multiple = false, args = ["instance", "execution", "backfill", "resource", "runs", "workflows", "executions", "backfills", "resources", "config"])]
pub struct AtArgs {
    /// Which log
    #[command(flatten)]
    pub data: DataArgs,
    /// After this record, or at this time: 2026-03-29, 2026-03-29T07:00, 2026-03-29T07:00:00Z (UTC), -2h for two hours ago
    /// (s, m, h, d, w), or `end`
    #[arg(value_name = "POSITION|TIME", value_parser = parse_moment, allow_hyphen_values = true)]
    pub moment: Moment,
    /// How it looks; lists are one JSON object a line
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// The run of an instance
    #[arg(long, value_name = "COMPONENT#WORKFLOW#PARAMETER", value_parser = parse_instance)]
    pub instance: Option<InstanceId>,
    /// A workflow; with --runs, only its runs
    #[arg(long, value_name = "COMPONENT#WORKFLOW", value_parser = parse_workflow, conflicts_with_all = ["instance", "execution", "backfill", "resource", "workflows", "executions", "backfills", "resources", "config"])]
    pub workflow: Option<WorkflowId>,
    /// An execution
    #[arg(long, value_name = "ID", value_parser = parse_execution)]
    pub execution: Option<ExecutionId>,
    /// A backfill
    #[arg(long, value_name = "ID")]
    pub backfill: Option<Arc<str>>,
    /// A resource, with who holds its units
    #[arg(long, value_name = "ID")]
    pub resource: Option<Arc<str>>,
    /// All active runs
    #[arg(long)]
    pub runs: bool,
    /// All workflows
    #[arg(long)]
    pub workflows: bool,
    /// All executions that weren't cleaned up
    #[arg(long)]
    pub executions: bool,
    /// All backfills, also those that are done
    #[arg(long)]
    pub backfills: bool,
    /// All resources, and who holds their units
    #[arg(long)]
    pub resources: bool,
    /// What all decisions depended on: limits, delays, time-outs
    #[arg(long)]
    pub config: bool,
    /// With --runs or --workflows: only those of a component
    #[arg(long, value_name = "COMPONENT", conflicts_with_all = ["instance", "execution", "backfill", "resource", "workflow", "executions", "backfills", "resources", "config"])]
    pub component: Option<String>,
    /// Say what each run and each workflow waited for; alone: of all of them
    #[arg(long)]
    pub explain: bool,
}

/// Shows it; the exit code says whether it could be found.
pub(super) fn run(reader: &RocksReader, args: &AtArgs, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    let found = match fold::moment(find(reader, args.moment), &args.data, notes)? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let mut replay = Replay::new(reader);
    if let Err(why) = fold::advance(&mut replay, found.position, &mut |_, _| {}) {
        return stopped(why, &args.data, notes);
    }
    let past = Past { reader, world: replay.world(), found };
    if let Some(last) = past.end_of_decision() {
        let position = found.position;
        writeln!(notes, "note: record {position} is in the middle of a decision, which ends with record {last}")?;
    }
    show(&past, args, out, notes)
}

/// The world at a moment, and the log that it was folded from.
struct Past<'a> {
    reader: &'a RocksReader,
    world: &'a World,
    found: Found,
}

impl Past<'_> {
    /// The last record of the decision that the moment is in the middle of: nobody ever saw the world like this.
    fn end_of_decision(&self) -> Option<Position> {
        let mut end = None;
        let mut next = self.world.tail().next();
        while let Some(record) = self.reader.read(next, 1).ok()?.pop()
            && record.decision == self.world.decision()
        {
            end = Some(record.position);
            next = record.position.next();
        }
        end
    }
}

fn show(past: &Past<'_>, args: &AtArgs, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    if let Some(instance) = &args.instance {
        return one::instance(past, instance, args, out, notes);
    }
    if let Some(execution) = &args.execution {
        return one::execution(past, execution, args, out, notes);
    }
    if let Some(backfill) = &args.backfill {
        return one::backfill(past, backfill, args, out, notes);
    }
    if let Some(resource) = &args.resource {
        return one::resource(past, resource, args, out, notes);
    }
    if args.config {
        return one::config(past, args, out);
    }
    if let (Some(workflow), false) = (&args.workflow, args.runs) {
        return one::workflow(past, workflow, args, out, notes);
    }
    if args.runs {
        lists::runs(past, args).write(args, out, notes)?;
    } else if args.workflows {
        lists::workflows(past, args).write(args, out, notes)?;
    } else if args.executions {
        lists::executions(past).write(args, out, notes)?;
    } else if args.backfills {
        lists::backfills(past).write(args, out, notes)?;
    } else if args.resources {
        lists::resources(past).write(args, out, notes)?;
    } else if args.explain || args.component.is_some() {
        let args = &AtArgs { explain: true, ..args.clone() };
        lists::runs(past, args).write(args, out, notes)?;
        if args.format == ReportFormat::Text {
            writeln!(out)?;
        }
        lists::workflows(past, args).write(args, out, notes)?;
    } else {
        summary::write(past, args, out)?;
    }
    Ok(CLEAN)
}

/// A list, as a table and as JSON.
struct List {
    table: Columns,
    json: Vec<Value>,
    /// What to say when there is nothing in it.
    nothing: &'static str,
}

impl List {
    fn new(heads: &[&'static str], nothing: &'static str) -> Self {
        Self { table: Columns::new(heads), json: Vec::new(), nothing }
    }

    fn write(&self, args: &AtArgs, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<()> {
        match args.format {
            ReportFormat::Json => self.json.iter().try_for_each(|object| writeln!(out, "{object}")),
            ReportFormat::Text if self.table.is_empty() => {
                out.flush()?;
                writeln!(notes, "{}", self.nothing)
            }
            ReportFormat::Text => self.table.write(out),
        }
    }
}
