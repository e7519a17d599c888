//! What each command does.

mod auth;
mod backfill;
mod config;
mod connect;
mod context;
mod create;
mod instance;
mod lint;
mod manual;
mod resource;
mod show_backfill;
mod wait;
mod workflow;

use std::io;
use std::time::SystemTime;

use clap::CommandFactory;
use styx_client::{Client, WorkflowFilter};
use styx_core::{config::Config, workflow::Rules};

pub(crate) use self::connect::connect;
use crate::args::{AuthCommand, Cli, Command, Global, LintExecutor, Watch, WorkflowCommand};
use crate::failure::Failure;
use crate::output::Printer;
use crate::watch::watch;

/// Runs a command.
pub(crate) fn run(command: Command, global: &Global, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "styx", &mut script);
            io::Write::write_all(&mut io::stdout(), &script)?;
            Ok(())
        }
        Command::Man { dir } => manual::write(&dir, printer),
        Command::Context(command) => context::run(command, global, printer),
        Command::Workflow(WorkflowCommand::Lint { paths, max_running_timeout, executor, now }) => {
            let now = now.unwrap_or_else(|| SystemTime::now().into());
            let limit = max_running_timeout.unwrap_or_else(|| Config::default().timeouts.max_running());
            let needs_program = executor == LintExecutor::Local;
            let rules = Rules {
                max_running_timeout: Some(limit),
                needs_program,
                pod_check: Some(styx_k8s::template::check),
                fires_after: Some(now),
            };
            lint::lint(&paths, &rules, now, printer)
        }
        command => {
            connect::note_unused_context(global);
            ask(command, &connect(global)?, printer)
        }
    }
}

/// Runs a command that needs a server.
fn ask(command: Command, client: &Client, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        Command::List { component, watch: when } => {
            watch(&when, printer, |printer| printer.states(&client.active_states(component.as_deref())?))
        }
        Command::Events { instance, watch } => instance::events(client, instance, &watch, printer),
        Command::Trigger { instance, env, allow_future } => {
            instance::trigger(client, &instance, env, allow_future, printer)
        }
        Command::Halt(operation) => instance::halt(client, operation, printer),
        Command::Retry(operation) => instance::retry(client, operation, printer),
        Command::Explain(instance) => instance::explain(client, instance, printer),
        Command::Workflow(command) => ask_workflow(command, client, printer),
        Command::Resource(command) => resource::run(command, client, printer),
        Command::Backfill(command) => backfill::run(command, client, printer),
        Command::Auth(AuthCommand::Test { service_account, principal }) => {
            auth::test(client, service_account, principal, printer)
        }
        Command::Config(command) => config::run(command, client, printer),
        Command::Completion { .. } | Command::Man { .. } | Command::Context(_) => {
            unreachable!("these need no server and were run")
        }
    }
}

fn ask_workflow(command: WorkflowCommand, client: &Client, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        WorkflowCommand::List { watch } => list_workflows(client, &watch, printer),
        WorkflowCommand::Show { component, workflow } => {
            printer.workflow(&client.workflow_with_state(&component, &workflow)?)
        }
        WorkflowCommand::Create { component, file } => create::create(client, &component, file.as_deref(), printer),
        WorkflowCommand::Delete { workflows, force } => workflow::delete(client, &workflows, force, printer),
        WorkflowCommand::Enable(workflows) => workflow::switch(client, &workflows, true, printer),
        WorkflowCommand::Disable(workflows) => workflow::switch(client, &workflows, false, printer),
        WorkflowCommand::Lint { .. } => unreachable!("it needs no server and was run"),
    }
}

fn list_workflows(client: &Client, when: &Watch, printer: &mut Printer) -> Result<(), Failure> {
    watch(when, printer, |printer| {
        if printer.is_wide() {
            printer.workflows_with_state(&client.workflows_with_state(&WorkflowFilter::default())?)
        } else {
            printer.workflows(&client.workflows()?)
        }
    })
}
