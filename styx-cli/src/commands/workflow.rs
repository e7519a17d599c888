//! Commands on several workflows of a component.
//!
//! Each workflow has a request of its own. A refusal of one does not keep the others from being asked for; only when
//! there is no answer at all there is no use in going on.

use std::io::{self, IsTerminal, Write};

use styx_client::{Client, Error, WorkflowState};

use crate::args::Workflows;
use crate::failure::Failure;
use crate::output::Printer;

/// Deletes workflows, after a question if there is somebody to ask.
pub(crate) fn delete(client: &Client, which: &Workflows, force: bool, printer: &mut Printer) -> Result<(), Failure> {
    if !force && io::stdin().is_terminal() && io::stdout().is_terminal() {
        confirm(which)?;
    }
    let outcomes = for_each(which, |workflow| client.delete_workflow(&which.component, workflow));
    let mut failures = Vec::new();
    for (workflow, outcome) in outcomes {
        match outcome {
            Ok(()) => printer.message(&sentence(which, workflow, "deleted"))?,
            Err(error) if is_not_found(&error) => printer.message(&sentence(which, workflow, "not found"))?,
            Err(error) => failures.push(error.into()),
        }
    }
    Failure::of_all(failures)
}

/// Enables or disables workflows. That they are is said only if all are.
pub(crate) fn switch(client: &Client, which: &Workflows, on: bool, printer: &mut Printer) -> Result<(), Failure> {
    let state = WorkflowState { enabled: Some(on), ..WorkflowState::default() };
    let outcomes =
        for_each(which, |workflow| client.update_workflow_state(&which.component, workflow, &state).map(drop));
    let (mut switched, mut failures) = (Vec::new(), Vec::new());
    for (workflow, outcome) in outcomes {
        match outcome {
            Ok(()) => switched.push(workflow),
            Err(error) if is_not_found(&error) => printer.message(&sentence(which, workflow, "not found"))?,
            Err(error) => failures.push(error.into()),
        }
    }
    Failure::of_all(failures)?;
    let what = if on { "enabled" } else { "disabled" };
    switched.into_iter().try_for_each(|workflow| printer.message(&sentence(which, workflow, what)))
}

fn for_each(which: &Workflows, ask: impl Fn(&str) -> Result<(), Error>) -> Vec<(&str, Result<(), Error>)> {
    let mut outcomes = Vec::new();
    for workflow in &which.workflows {
        let outcome = ask(workflow);
        let is_over = matches!(outcome, Err(Error::Transport { .. }));
        outcomes.push((workflow.as_str(), outcome));
        if is_over {
            break;
        }
    }
    outcomes
}

fn confirm(which: &Workflows) -> Result<(), Failure> {
    let noun = if which.workflows.len() == 1 { "workflow" } else { "workflows" };
    let names = which.workflows.join(", ");
    print!("Sure you want to delete {noun} {names} in component {}? [y/N] ", which.component);
    io::stdout().flush()?;
    let mut reply = String::new();
    io::stdin().read_line(&mut reply)?;
    if reply.trim() == "y" { Ok(()) } else { Err(Failure::NotConfirmed) }
}

fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Api(error) if error.status == 404)
}

fn sentence(which: &Workflows, workflow: &str, what: &str) -> String {
    format!("Workflow {workflow} in component {} {what}.", which.component)
}
