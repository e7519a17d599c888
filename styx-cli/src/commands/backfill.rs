//! Commands on backfills.

use styx_client::{BackfillFilter, BackfillInput, Client, EditableBackfillInput, Error, TriggerParameters};
use styx_core::schedule::Schedule;

use super::show_backfill::{self, Part};
use super::wait;
use crate::args::{BackfillCommand, BackfillCreate, Bound};
use crate::failure::Failure;
use crate::output::Printer;
use crate::watch::watch;

/// Runs a command on backfills.
pub(crate) fn run(command: BackfillCommand, client: &Client, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        BackfillCommand::List { component, workflow, show_all, no_trunc, watch: when } => {
            let filter = BackfillFilter { component, workflow, show_all, start: None };
            watch(&when, printer, |printer| printer.backfills(&client.backfills(&filter, false)?.backfills, no_trunc))
        }
        BackfillCommand::Show { id, from, limit, no_trunc, watch: when } => {
            let part = Part { id: &id, from: from.as_deref(), limit, whole: no_trunc };
            watch(&when, printer, |printer| show_backfill::show(client, &part, printer))
        }
        // Without anything to change nothing happens, as ever.
        BackfillCommand::Edit { concurrency: None, description: None, .. } => Ok(()),
        BackfillCommand::Edit { id, concurrency, description } => {
            printer.changed_backfill(&client.edit_backfill(&EditableBackfillInput { id, concurrency, description })?)
        }
        BackfillCommand::Halt { id, graceful } => {
            client.halt_backfill(&id, graceful)?;
            printer.message(&format!("Backfill halted! Use `styx backfill show {id}` to check the backfill status."))
        }
        BackfillCommand::Create(create) => run_create(create, client, printer),
    }
}

fn run_create(create: BackfillCreate, client: &Client, printer: &mut Printer) -> Result<(), Failure> {
    let BackfillCreate { component, workflow, start, end, concurrency, reverse, description, env, allow_future, wait } =
        create;
    check_ends(client, &component, &workflow, [("START", &start), ("END", &end)])?;
    let (start, end) = (start.at, end.at);
    let trigger_parameters = Some(TriggerParameters { env: env.into_iter().collect() });
    let input =
        BackfillInput { start, end, component, workflow, concurrency, reverse, description, trigger_parameters };
    let backfill = client.create_backfill(&input, allow_future)?;
    printer.changed_backfill(&backfill)?;
    if wait { wait::wait(client, &backfill.id, printer) } else { Ok(()) }
}

/// Checks what only the schedule can tell: a month is an instance of a monthly workflow, and not the first day of it.
fn check_ends(client: &Client, component: &str, workflow: &str, ends: [(&str, &Bound); 2]) -> Result<(), Failure> {
    if !ends.iter().any(|(_, end)| end.depends_on_schedule()) {
        return Ok(());
    }
    let found = match client.workflow(component, workflow) {
        Ok(found) => found,
        // The refusal of the backfill says it, as ever.
        Err(Error::Api(error)) if error.status == 404 => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Ok(schedule) = Schedule::parse(found.configuration.schedule.as_str()) else { return Ok(()) };
    for (name, end) in ends {
        if let Err(problem) = schedule.partition(&end.text) {
            return Err(Failure::NoPartition(format!("argument {name}: {problem}")));
        }
    }
    Ok(())
}
