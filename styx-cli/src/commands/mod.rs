//! What each command does.

mod create;
mod instance;
mod lint;
mod workflow;

use std::io;
use std::time::SystemTime;

use clap::CommandFactory;
use styx_client::{Client, Error, Exchange, Host, TransportError};

use crate::args::{Cli, Command, Global, WorkflowCommand};
use crate::failure::Failure;
use crate::output::Printer;

/// Runs a command.
pub(crate) fn run(command: Command, global: &Global, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "styx", &mut script);
            io::Write::write_all(&mut io::stdout(), &script)?;
            Ok(())
        }
        Command::List { component } => printer.states(&connect(global)?.active_states(component.as_deref())?),
        Command::Events(instance) => printer.events(&connect(global)?.events(&instance.into())?),
        Command::Trigger { instance, env, allow_future } => {
            instance::trigger(&connect(global)?, &instance, env, allow_future, printer)
        }
        Command::Halt(instance) => instance::halt(&connect(global)?, instance, printer),
        Command::Retry(instance) => instance::retry(&connect(global)?, instance, printer),
        Command::Workflow(WorkflowCommand::Lint { paths, max_running_timeout, now }) => {
            lint::lint(&paths, max_running_timeout, now.unwrap_or_else(|| SystemTime::now().into()), printer)
        }
        Command::Workflow(command) => run_workflow(command, &connect(global)?, printer),
    }
}

fn run_workflow(command: WorkflowCommand, client: &Client, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        WorkflowCommand::List => printer.workflows(&client.workflows()?),
        WorkflowCommand::Show { component, workflow } => {
            printer.workflow(&client.workflow_with_state(&component, &workflow)?)
        }
        // Needs no server.
        WorkflowCommand::Lint { .. } => Ok(()),
        WorkflowCommand::Create { component, file } => create::create(client, &component, file.as_deref(), printer),
        WorkflowCommand::Delete { workflows, force } => workflow::delete(client, &workflows, force, printer),
        WorkflowCommand::Enable(workflows) => workflow::switch(client, &workflows, true, printer),
        WorkflowCommand::Disable(workflows) => workflow::switch(client, &workflows, false, printer),
    }
}

fn connect(global: &Global) -> Result<Client, Failure> {
    let text = global.host.as_deref().filter(|text| !text.is_empty()).ok_or_else(|| {
        Failure::Usage(
            "Styx API host not set\nSet the environment variable STYX_CLI_HOST, or give --host, for example\n\n  \
             export STYX_CLI_HOST=http://127.0.0.1:8080\n"
                .into(),
        )
    })?;
    let host = Host::parse(text).map_err(|error| Failure::Usage(error.to_string()))?;
    let client = Client::new(&host).map_err(|error| no_client(error, &host))?;
    Ok(if global.debug { client.observed_by(report_exchange) } else { client })
}

fn no_client(source: TransportError, host: &Host) -> Failure {
    Error::Transport { method: "GET".into(), url: host.to_string(), source }.into()
}

/// Tells what was asked and answered, for `--debug`.
fn report_exchange(exchange: &Exchange<'_>) {
    let Exchange { method, url, body, request_id, outcome, took } = exchange;
    eprintln!("debug: {method} {url} (Request ID: {request_id})");
    if let Some(body) = body {
        eprintln!("debug:   {body}");
    }
    eprintln!("debug:   -> {outcome} after {} ms", took.as_millis());
}
