//! `styx-server log step`: the life of an instance, record by record, with what each changed and who or what caused it.

mod screen;
mod terminal;
mod text;

use std::io::{self, IsTerminal, Write};

use clap::Args;
use owo_colors::OwoColorize;
use serde_json::{Value, json};
use styx_core::id::{InstanceId, Position, WorkflowId};
use styx_store::rocks::RocksReader;

use super::{
    CLEAN, DataArgs, ReportFormat, UNUSABLE, json as records,
    life::{self, Both, Step},
    near, stopped, view,
    view::View,
};

const EXAMPLES: &str = "\
In a terminal it shows one record at a time: n or space goes on, p goes back, r shows the raw evidence, w says what the run \
waits for at this moment, q ends. Otherwise, and with --plain, it prints all of them.

It finds the records by the index, so that it is quick in a large log too.

Examples:
  styx-server log step sales report 2026-03-29
      Goes through the life of the instance.

  styx-server log step sales report 2026-03-29 --plain | less
      The same as text.

  styx-server log step sales report 2026-03-29 --format json | jq -c '[.position, .event.name, .after.state]'
      One object a record, with the run before and after it and what changed.";

/// Whose life is shown, and how.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct StepArgs {
    /// Which log
    #[command(flatten)]
    pub data: DataArgs,
    /// The component of the workflow
    #[arg(value_name = "COMPONENT")]
    pub component: String,
    /// The workflow's id
    #[arg(value_name = "WORKFLOW")]
    pub workflow: String,
    /// What the instance runs for, such as 2026-03-29 or 2026-03-29T07
    #[arg(value_name = "PARAMETER")]
    pub parameter: String,
    /// How it looks
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// Print everything, also in a terminal
    #[arg(long)]
    pub plain: bool,
}

impl StepArgs {
    fn instance(&self) -> InstanceId {
        InstanceId::new(WorkflowId::new(&*self.component, &*self.workflow), &*self.parameter)
    }

    /// Whether somebody sits there who can turn pages.
    pub(super) fn is_interactive(&self) -> bool {
        !self.plain && self.format == ReportFormat::Text && io::stdout().is_terminal() && io::stdin().is_terminal()
    }
}

/// Prints all steps.
pub(super) fn run(reader: &RocksReader, args: &StepArgs, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    let (_, steps) = match found(reader, args, notes)? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    for (index, step) in steps.iter().enumerate() {
        if args.format == ReportFormat::Json {
            writeln!(out, "{}", as_json(step))?;
            continue;
        }
        if index > 0 {
            writeln!(out)?;
        }
        for line in text::lines(step, index + 1, steps.len(), text::Evidence::OneLine) {
            writeln!(out, "{}", line.text.style(line.style))?;
        }
    }
    Ok(CLEAN)
}

/// Shows one step at a time on the terminal.
pub(super) fn interact(reader: &RocksReader, args: &StepArgs, notes: &mut dyn Write) -> io::Result<u8> {
    match found(reader, args, notes)? {
        Ok((instance, steps)) => terminal::show(reader, &instance, steps).map(|()| CLEAN),
        Err(code) => Ok(code),
    }
}

/// The instance with its steps, or the exit code when there are none to show.
fn found(
    reader: &RocksReader,
    args: &StepArgs,
    notes: &mut dyn Write,
) -> io::Result<Result<(InstanceId, Vec<Step>), u8>> {
    let Some(instance) = near::instance(reader, &args.instance(), notes)? else { return Ok(Err(UNUSABLE)) };
    let steps = match life::of(reader, &instance, Position(u64::MAX)) {
        Ok(steps) => steps,
        Err(why) => return stopped(why, &args.data, notes).map(Err),
    };
    if steps.is_empty() {
        writeln!(notes, "styx-server: {}", near::no_instance(reader, &instance))?;
        return Ok(Err(UNUSABLE));
    }
    Ok(Ok((instance, steps)))
}

/// The record with the cause of its decision, the run before and after, and what changed.
fn as_json(step: &Step) -> Value {
    let mut record = records::record(&step.record, None);
    record["cause"] = records::cause(&step.cause);
    let both = |both: &Both<View>| {
        let changes = changes(both).iter().map(view::Change::as_json).collect::<Vec<_>>();
        (json!(both.before), json!(both.after), json!(changes))
    };
    let (before, after, changes) = both(&run_views(step));
    record["before"] = before;
    record["after"] = after;
    record["changes"] = changes;
    record["execution"] = match execution_views(step) {
        Some((id, views)) => {
            let (before, after, changes) = both(&views);
            json!({ "id": id, "before": before, "after": after, "changes": changes })
        }
        None => Value::Null,
    };
    record["refused"] = step.refused.as_deref().into();
    record
}

fn run_views(step: &Step) -> Both<View> {
    let Both { before, after } = &step.run;
    Both { before: before.as_ref().map(view::run), after: after.as_ref().map(view::run) }
}

fn execution_views(step: &Step) -> Option<(String, Both<View>)> {
    let (id, Both { before, after }) = step.execution.as_ref()?;
    let both = Both { before: before.as_ref().map(view::execution), after: after.as_ref().map(view::execution) };
    Some((id.to_string(), both))
}

fn changes(both: &Both<View>) -> Vec<view::Change> {
    let nothing = View::new();
    view::changes(both.before.as_ref().unwrap_or(&nothing), both.after.as_ref().unwrap_or(&nothing))
}
