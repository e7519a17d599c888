//! How results look: for people, for line tools, and as JSON.

mod event_info;
mod events;
mod report;
mod states;
mod style;
mod workflows;

use std::io::{self, Write};

use serde::Serialize;
use styx_client::{EventsPayload, RunStateDataPayload, Workflow, WorkflowWithState};

pub(crate) use self::report::{Report, Upcoming};
use crate::failure::Failure;

/// The three forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Columns and headers, for people.
    Pretty,
    /// A line for each item.
    Plain,
    /// JSON, as the API has it.
    Json,
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) format: Format,
    pub(crate) color: bool,
}

/// Prints results on standard output.
pub(crate) struct Printer {
    form: Form,
}

impl Printer {
    pub(crate) fn new(form: Form) -> Self {
        Self { form }
    }

    /// Prints the runs that are active.
    pub(crate) fn states(&mut self, payload: &RunStateDataPayload) -> Result<(), Failure> {
        let groups = states::group(&payload.active_states);
        match self.form.format {
            Format::Pretty => self.print(&states::pretty(&groups, self.form.color)),
            Format::Plain => self.print(&states::plain(&groups)),
            Format::Json => self.json(&states::json(&groups)),
        }
    }

    /// Prints what happened to an instance.
    pub(crate) fn events(&mut self, payload: &EventsPayload) -> Result<(), Failure> {
        let rows = events::rows(payload);
        match self.form.format {
            Format::Pretty => self.print(&events::pretty(&rows)),
            Format::Plain => self.print(&events::plain(&rows)),
            Format::Json => self.json(&rows),
        }
    }

    /// Prints the names of workflows.
    pub(crate) fn workflows(&mut self, all: &[Workflow]) -> Result<(), Failure> {
        match self.form.format {
            Format::Pretty => self.print(&workflows::pretty_list(all)),
            Format::Plain => self.print(&workflows::plain_list(all)),
            Format::Json => self.json(all),
        }
    }

    /// Prints all about a workflow.
    pub(crate) fn workflow(&mut self, workflow: &WorkflowWithState) -> Result<(), Failure> {
        match self.form.format {
            Format::Pretty => self.print(&workflows::pretty(workflow)),
            Format::Plain => self.print(&workflows::plain(workflow)),
            Format::Json => self.json(workflow),
        }
    }

    /// Prints what is wrong with workflow files, and what they lead to.
    pub(crate) fn report(&mut self, report: &Report) -> Result<(), Failure> {
        match self.form.format {
            Format::Pretty => self.print(&report::pretty(report, self.form.color)),
            Format::Plain => self.print(&report::plain(report)),
            Format::Json => self.json(report),
        }
    }

    /// Prints what was done.
    pub(crate) fn message(&mut self, message: &str) -> Result<(), Failure> {
        match self.form.format {
            Format::Pretty | Format::Plain => self.print(&format!("{message}\n")),
            Format::Json => self.json(message),
        }
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        let text = styx_client::json::to_string(value).map_err(io::Error::from)?;
        self.print(&format!("{text}\n"))
    }

    fn print(&mut self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}
