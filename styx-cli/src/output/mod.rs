//! How results look: for people, for line tools, and as JSON or YAML.

mod backfill_stream;
mod backfills;
mod event_info;
mod events;
mod own;
mod report;
mod resources;
mod states;
mod style;
mod workflows;

use std::io::{self, Write};

use serde::Serialize;
use styx_client::{
    Backfill, BackfillPayload, EventsPayload, Explanation, Resource, RunStateDataPayload, RuntimeConfig, Workflow,
    WorkflowWithState,
};

pub(crate) use self::backfill_stream::BackfillStream;
pub(crate) use self::own::ShownContext;
pub(crate) use self::report::{Report, Upcoming};
use crate::failure::Failure;
use styx_host::text::{json, printable, visible};

/// The forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Columns and headers, for people.
    Pretty,
    /// The same with more columns.
    Wide,
    /// A line for each item.
    Plain,
    /// JSON, as the API has it.
    Json,
    /// YAML, with the same content.
    Yaml,
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
    /// What was printed since it is held back.
    held: Option<String>,
}

impl Printer {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, held: None }
    }

    /// Whether more is to be shown than Styx shows.
    pub(crate) fn is_wide(&self) -> bool {
        self.form.format == Format::Wide
    }

    /// Whether a table begins with the names of its columns.
    pub(crate) fn has_header(&self) -> bool {
        matches!(self.form.format, Format::Pretty | Format::Wide)
    }

    /// Prints nothing from now on, but keeps it.
    pub(crate) fn hold(&mut self) {
        self.held = Some(String::new());
    }

    /// Gives what was kept, and prints from now on.
    pub(crate) fn release(&mut self) -> String {
        self.held.take().unwrap_or_default()
    }

    /// Prints the runs that are active.
    pub(crate) fn states(&mut self, payload: &RunStateDataPayload) -> Result<(), Failure> {
        let groups = states::group(&payload.active_states);
        let color = self.form.color;
        self.show(&states::json(&groups), |format| match format {
            Format::Plain => states::plain(&groups),
            Format::Wide => states::wide(&groups),
            _ => states::pretty(&groups, color),
        })
    }

    /// Prints what happened to an instance.
    pub(crate) fn events(&mut self, payload: &EventsPayload) -> Result<(), Failure> {
        let rows = events::rows(payload);
        self.show(&rows, |format| match format {
            Format::Plain => events::plain(&rows),
            Format::Wide => events::wide(&rows),
            _ => events::pretty(&rows),
        })
    }

    /// Prints the names of workflows.
    pub(crate) fn workflows(&mut self, all: &[Workflow]) -> Result<(), Failure> {
        self.show(all, |format| match format {
            Format::Plain => workflows::plain_list(all),
            _ => workflows::pretty_list(all),
        })
    }

    /// Prints more of workflows than their names.
    pub(crate) fn workflows_with_state(&mut self, all: &[WorkflowWithState]) -> Result<(), Failure> {
        self.show(all, |_| workflows::wide_list(all))
    }

    /// Prints all about a workflow.
    pub(crate) fn workflow(&mut self, workflow: &WorkflowWithState) -> Result<(), Failure> {
        self.show(workflow, |format| match format {
            Format::Plain => workflows::plain(workflow),
            Format::Wide => workflows::wide(workflow),
            _ => workflows::pretty(workflow),
        })
    }

    /// Prints resources.
    pub(crate) fn resources(&mut self, all: &[Resource]) -> Result<(), Failure> {
        self.show(all, |format| match format {
            Format::Plain => resources::plain(all),
            _ => resources::pretty(all),
        })
    }

    /// Prints backfills, cutting what is long unless all of it is wanted.
    pub(crate) fn backfills(&mut self, all: &[BackfillPayload], whole: bool) -> Result<(), Failure> {
        let backfills: Vec<_> = all.iter().map(|payload| &payload.backfill).collect();
        self.show(all, |format| match format {
            Format::Plain => backfills.iter().map(|backfill| backfills::plain(backfill)).collect(),
            Format::Wide => backfills::wide(&backfills),
            _ => backfills::pretty(&backfills, whole),
        })
    }

    /// Prints a backfill and where its instances stand; in tables also how many of them there are, and that there are more.
    pub(crate) fn backfill(
        &mut self,
        payload: &BackfillPayload,
        whole: bool,
        numbers: Option<&str>,
        more: Option<&str>,
    ) -> Result<(), Failure> {
        let numbers = numbers.map(|numbers| format!("\n{numbers}\n")).unwrap_or_default();
        let more = more.map(|more| format!("{more}\n")).unwrap_or_default();
        let color = self.form.color;
        let BackfillPayload { backfill, statuses } = payload;
        let groups = statuses.as_ref().map(|statuses| states::group(&statuses.active_states));
        self.show(payload, |format| match format {
            Format::Plain => backfills::plain(backfill) + &groups.as_ref().map(states::plain).unwrap_or_default(),
            Format::Wide => {
                let states = groups.as_ref().map(|groups| format!("\n{}", states::wide(groups))).unwrap_or_default();
                backfills::wide(&[backfill]) + &numbers + &states + &more
            }
            _ => {
                let states = groups.as_ref().map(|groups| format!("\n\n{}", states::pretty(groups, color)));
                backfills::pretty(&[backfill], whole) + &numbers + &states.unwrap_or_default() + &more
            }
        })
    }

    /// Prints a backfill that was made or changed: its line alone.
    pub(crate) fn changed_backfill(&mut self, backfill: &Backfill) -> Result<(), Failure> {
        self.show(backfill, |format| match format {
            Format::Plain => backfills::plain(backfill),
            Format::Wide => backfills::wide(&[backfill]),
            _ => backfills::line(backfill),
        })
    }

    /// Prints the server's configuration at run time.
    pub(crate) fn config(&mut self, config: &RuntimeConfig) -> Result<(), Failure> {
        self.show(config, |format| match format {
            Format::Plain => own::plain_config(config),
            _ => own::pretty_config(config),
        })
    }

    /// Prints contexts.
    pub(crate) fn contexts(&mut self, all: &[ShownContext]) -> Result<(), Failure> {
        self.show(all, |format| match format {
            Format::Plain => own::plain_contexts(all),
            _ => own::pretty_contexts(all),
        })
    }

    /// Prints why an instance waits.
    pub(crate) fn explanation(&mut self, explanation: &Explanation) -> Result<(), Failure> {
        self.show(explanation, |format| match explanation.reasons.as_slice() {
            [] if format != Format::Plain => "Nothing keeps it waiting.\n".into(),
            reasons => reasons.iter().map(|reason| format!("{}\n", visible(reason))).collect(),
        })
    }

    /// Prints what is wrong with workflow files, and what they lead to.
    pub(crate) fn report(&mut self, report: &Report) -> Result<(), Failure> {
        let color = self.form.color;
        self.show(report, |format| match format {
            Format::Plain => report::plain(report),
            _ => report::pretty(report, color),
        })
    }

    /// Prints what was done.
    pub(crate) fn message(&mut self, message: &str) -> Result<(), Failure> {
        self.show(message, |_| format!("{}\n", visible(message)))
    }

    /// Prints a value as it is in JSON or YAML, or as the text of another form.
    fn show<T: Serialize + ?Sized>(&mut self, value: &T, text: impl FnOnce(Format) -> String) -> Result<(), Failure> {
        match self.form.format {
            Format::Json => self.print(&format!("{}\n", json(&json_text(value)?))),
            Format::Yaml => self.print(&format!("---\n{}\n", yaml_text(value)?)),
            format => self.print(&printable(&text(format))),
        }
    }

    fn print(&mut self, text: &str) -> Result<(), Failure> {
        if let Some(held) = &mut self.held {
            held.push_str(text);
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

fn json_text<T: Serialize + ?Sized>(value: &T) -> Result<String, Failure> {
    Ok(styx_client::json::to_string(value).map_err(io::Error::from)?)
}

/// Through JSON, whose exact numbers only JSON can write.
fn yaml_text<T: Serialize + ?Sized>(value: &T) -> Result<String, Failure> {
    let value: serde_json::Value = serde_json::from_str(&json_text(value)?).map_err(io::Error::from)?;
    let yaml = serde_saphyr::to_string(&value).map_err(io::Error::other)?;
    // YAML can escape in quotes only, and JSON is YAML.
    if json(&yaml) != yaml {
        return Ok(json(&json_text(&value)?).into_owned());
    }
    Ok(yaml.trim_end_matches('\n').to_owned())
}
