//! Commands on resources.

use styx_client::{Client, Resource};

use crate::args::ResourceCommand;
use crate::failure::Failure;
use crate::output::Printer;
use crate::watch::watch;

/// Runs a command on resources.
pub(crate) fn run(command: ResourceCommand, client: &Client, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        ResourceCommand::List { watch: when } => {
            watch(&when, printer, |printer| printer.resources(&client.resources()?.resources))
        }
        ResourceCommand::Show { id } => printer.resources(&[client.resource(&id)?]),
        ResourceCommand::Create { id, concurrency } => {
            printer.resources(&[client.create_resource(&Resource { id, concurrency: concurrency.into() })?])
        }
        // Without anything to change nothing happens, as ever.
        ResourceCommand::Edit { concurrency: None, .. } => Ok(()),
        ResourceCommand::Edit { id, concurrency: Some(concurrency) } => {
            printer.resources(&[client.update_resource(&Resource { id, concurrency: concurrency.into() })?])
        }
        ResourceCommand::Delete { id } => {
            client.delete_resource(&id)?;
            printer.message(&format!("Resource {id} deleted."))
        }
    }
}
