//! A backfill with more instances than are kept: they are printed as they arrive.

use styx_client::{Backfill, RunStateData};
use styx_host::text::printable;

use super::{Format, Printer, backfills, json_text, states, yaml_text};
use crate::failure::Failure;

/// How far the list of instances is.
#[derive(Debug)]
pub(crate) struct BackfillStream {
    begun: bool,
}

impl Printer {
    /// Prints a backfill, before its instances.
    pub(crate) fn begin_backfill(&mut self, backfill: &Backfill) -> Result<BackfillStream, Failure> {
        let text = match self.form.format {
            Format::Json => {
                format!(r#"{{"backfill":{},"statuses":{{"active_states":["#, json_text(backfill)?)
            }
            Format::Yaml => {
                let backfill = yaml_text(backfill)?;
                let lines: String = backfill.lines().map(|line| format!("  {line}\n")).collect();
                format!("---\nbackfill:\n{lines}statuses:\n  active_states:\n")
            }
            _ => printable(&backfills::plain(backfill)).into_owned(),
        };
        self.print(&text)?;
        Ok(BackfillStream { begun: false })
    }

    /// Prints one instance.
    pub(crate) fn backfill_instance(
        &mut self,
        stream: &mut BackfillStream,
        state: &RunStateData,
    ) -> Result<(), Failure> {
        let is_first = !std::mem::replace(&mut stream.begun, true);
        let text = match self.form.format {
            Format::Json => format!("{}{}", if is_first { "" } else { "," }, json_text(state)?),
            // JSON is YAML too, and takes a line.
            Format::Yaml => format!("  - {}\n", json_text(state)?),
            _ => printable(&states::plain_line(state)).into_owned(),
        };
        self.print(&text)
    }

    /// Prints what follows the instances.
    pub(crate) fn end_backfill(&mut self, _: BackfillStream) -> Result<(), Failure> {
        match self.form.format {
            Format::Json => self.print("]}}\n"),
            _ => Ok(()),
        }
    }
}
