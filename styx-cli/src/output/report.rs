//! What is wrong with workflow files, and when the workflows run next.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use styx_client::time::format_instant;
use styx_files::FileError;

use super::style::{Color, paint};
use crate::failure::count;
use crate::visible::visible;

/// All there is to say.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    #[serde(serialize_with = "findings")]
    pub(crate) errors: Vec<FileError>,
    #[serde(serialize_with = "findings")]
    pub(crate) warnings: Vec<FileError>,
    /// Those without errors.
    pub(crate) workflows: Vec<Upcoming>,
}

/// A workflow and what it runs next.
#[derive(Debug, Serialize)]
pub(crate) struct Upcoming {
    pub(crate) component_id: String,
    pub(crate) workflow_id: String,
    pub(crate) path: String,
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) enabled: bool,
    pub(crate) schedule: String,
    pub(crate) offset: Option<String>,
    pub(crate) next: Vec<Instant>,
}

/// A natural trigger to come.
#[derive(Debug, Serialize)]
pub(crate) struct Instant {
    fires_at: String,
    parameter: String,
}

impl From<(DateTime<Utc>, String)> for Instant {
    fn from((fires_at, parameter): (DateTime<Utc>, String)) -> Self {
        Self { fires_at: format_instant(fires_at), parameter }
    }
}

pub(crate) fn pretty(report: &Report, color: bool) -> String {
    let mut text = said(report, color);
    if !report.workflows.is_empty() {
        let names = || report.workflows.iter().map(name);
        let name_width = names().map(|name| name.chars().count()).max().unwrap_or_default().max(8);
        let schedules = report.workflows.iter().map(|workflow| workflow.schedule.chars().count());
        let schedule_width = schedules.max().unwrap_or_default().max(8);
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!(
            "{:name_width$}  {:schedule_width$}  {:20}  PARAMETER\n",
            "WORKFLOW", "SCHEDULE", "FIRES"
        ));
        for workflow in &report.workflows {
            let (mut name, mut schedule) = (name(workflow), workflow.schedule.as_str());
            for Instant { fires_at, parameter } in &workflow.next {
                let room = name_width - name.chars().count();
                let name = paint(&std::mem::take(&mut name), Color::BLUE, color);
                let schedule = std::mem::take(&mut schedule);
                let disabled = if workflow.enabled { "" } else { "  (disabled)" };
                text.push_str(&format!(
                    "{name}{:room$}  {schedule:schedule_width$}  {fires_at:20}  {parameter}{disabled}\n",
                    ""
                ));
            }
        }
    }
    let Report { errors, warnings, workflows } = report;
    let sum = [(workflows.len(), "sound workflow"), (errors.len(), "error"), (warnings.len(), "warning")];
    text.push_str(&format!("\n{}\n", sum.map(|(number, noun)| count(&number, noun)).join(", ")));
    text
}

pub(crate) fn plain(report: &Report) -> String {
    let mut text = said(report, false);
    for Upcoming { component_id, workflow_id, next, .. } in &report.workflows {
        for Instant { fires_at, parameter } in next {
            text.push_str(&format!("{component_id} {workflow_id} {fires_at} {parameter}\n"));
        }
    }
    text
}

/// Errors and warnings, a line each, as compilers write them.
fn said(report: &Report, color: bool) -> String {
    let errors =
        report.errors.iter().map(|error| format!("{}\n", paint(&visible(&error.to_string()), Color::RED, color)));
    let warnings = report.warnings.iter().map(|warning| {
        let mut warning = warning.clone();
        warning.text = format!("warning: {}", warning.text);
        format!("{}\n", paint(&visible(&warning.to_string()), Color::YELLOW, color))
    });
    errors.chain(warnings).collect()
}

fn name(workflow: &Upcoming) -> String {
    format!("{}#{}", workflow.component_id, workflow.workflow_id)
}

fn findings<S: Serializer>(findings: &[FileError], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(findings.iter().map(Finding))
}

struct Finding<'a>(&'a FileError);

impl Serialize for Finding<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let FileError { path, place, field, text, rule } = self.0;
        let mut finding = serializer.serialize_struct("Finding", 6)?;
        finding.serialize_field("path", path)?;
        finding.serialize_field("line", &place.map(|(line, _)| line))?;
        finding.serialize_field("column", &place.map(|(_, column)| column))?;
        finding.serialize_field("field", field)?;
        finding.serialize_field("text", text)?;
        finding.serialize_field("rule", rule)?;
        finding.end()
    }
}
