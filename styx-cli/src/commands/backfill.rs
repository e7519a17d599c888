//! Commands on backfills.

use styx_client::{BackfillFilter, BackfillInput, Client, EditableBackfillInput, TriggerParameters};

use super::wait;
use crate::args::{BackfillCommand, BackfillCreate};
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
        BackfillCommand::Show { id, no_trunc, watch: when } => {
            watch(&when, printer, |printer| printer.backfill(&client.backfill(&id, true)?, no_trunc))
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
    let trigger_parameters = Some(TriggerParameters { env: env.into_iter().collect() });
    let input =
        BackfillInput { start, end, component, workflow, concurrency, reverse, description, trigger_parameters };
    let backfill = client.create_backfill(&input, allow_future)?;
    printer.changed_backfill(&backfill)?;
    if wait { wait::wait(client, &backfill.id, printer) } else { Ok(()) }
}
