//! Commands on several workflows of a component.
//!
//! Each workflow has a request of its own, and a few of them are on their way at once.

use std::io::{self, IsTerminal, Write};

use styx_client::{Client, Error, WorkflowState};
use styx_host::text::visible;

use crate::args::Workflows;
use crate::aside::tell;
use crate::failure::Failure;
use crate::output::Printer;
use crate::suggest::Subject;
use crate::{in_flight, progress};

/// Deletes workflows, after a question if there is somebody to ask.
pub(crate) fn delete(client: &Client, which: &Workflows, force: bool, printer: &mut Printer) -> Result<(), Failure> {
    if !force && io::stdin().is_terminal() && io::stdout().is_terminal() {
        confirm(which)?;
    }
    let bar = progress::bar("Deleting workflows", which.workflows.len());
    let (mut missing, mut failures, mut printed) = (Vec::new(), Vec::new(), Ok(()));
    let ask = |workflow: &String| client.delete_workflow(&which.component, workflow);
    in_flight::for_each(&which.workflows, in_flight::MOST, ask, |workflow, outcome| {
        bar.inc(1);
        let what = match outcome {
            Ok(()) => "deleted",
            Err(error) if is_not_found(&error) => {
                missing.push(workflow.as_str());
                "not found"
            }
            Err(error) => return failures.push(error.into()),
        };
        in_flight::say(&mut printed, || bar.suspend(|| printer.message(&sentence(which, workflow, what))));
    });
    bar.finish_and_clear();
    suggest(client, which, &missing);
    Failure::of_all(failures).and(printed)
}

/// Enables or disables workflows. Those that do not exist are told of first.
pub(crate) fn switch(client: &Client, which: &Workflows, on: bool, printer: &mut Printer) -> Result<(), Failure> {
    let state = WorkflowState { enabled: Some(on), ..WorkflowState::default() };
    let bar = progress::bar(if on { "Enabling workflows" } else { "Disabling workflows" }, which.workflows.len());
    let (mut switched, mut missing, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let ask = |workflow: &String| client.update_workflow_state(&which.component, workflow, &state);
    in_flight::for_each(&which.workflows, in_flight::MOST, ask, |workflow, outcome| {
        bar.inc(1);
        match outcome {
            Ok(_) => switched.push(workflow.as_str()),
            Err(error) if is_not_found(&error) => missing.push(workflow.as_str()),
            Err(error) => failures.push(error.into()),
        }
    });
    bar.finish_and_clear();
    let done = if on { "enabled" } else { "disabled" };
    let told = missing.iter().map(|workflow| (workflow, "not found"));
    let mut told = told.chain(switched.iter().map(|workflow| (workflow, done)));
    let printed = told.try_for_each(|(workflow, what)| printer.message(&sentence(which, workflow, what)));
    suggest(client, which, &missing);
    Failure::of_all(failures).and(printed)
}

/// Says on standard error what may be meant by workflows that are not there.
fn suggest(client: &Client, which: &Workflows, missing: &[&str]) {
    for workflow in missing {
        if let Some(question) = Subject::Workflow(which.component.clone(), (*workflow).into()).ask(client) {
            tell(format_args!("{workflow}: {question}"));
        }
    }
}

fn confirm(which: &Workflows) -> Result<(), Failure> {
    let noun = if which.workflows.len() == 1 { "workflow" } else { "workflows" };
    let names = which.workflows.join(", ");
    let (names, component) = (visible(&names), visible(&which.component));
    let mut out = io::stdout().lock();
    write!(out, "Sure you want to delete {noun} {names} in component {component}? [y/N] ")?;
    out.flush()?;
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
