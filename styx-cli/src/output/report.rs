//! What is wrong with workflow files, and when the workflows run next.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use styx_client::time::format_instant;
use styx_files::FileError;

use super::style::{Color, paint};
use crate::failure::count;
use styx_host::table::Table;
use styx_host::text::{shortened, visible};

/// How much of a name or a schedule is shown.
const LONGEST: usize = 200;

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
        let mut table = Table::new(&["WORKFLOW", "SCHEDULE", "FIRES", "PARAMETER"]).at_least(2, 20);
        let rows: Vec<_> = report.workflows.iter().flat_map(rows).collect();
        rows.iter().for_each(|row| table.fit(row));
        if !text.is_empty() {
            text.push('\n');
        }
        text.extend([&table.heads(), "\n"]);
        for row in &rows {
            let blue_name =
                |column, cell: &str| if column == 0 { paint(cell, Color::BLUE, color) } else { cell.to_owned() };
            text.extend([&table.painted(row, blue_name), "\n"]);
        }
    }
    let Report { errors, warnings, workflows } = report;
    let sum = [(workflows.len(), "sound workflow"), (errors.len(), "error"), (warnings.len(), "warning")];
    text.push_str(&format!("\n{}\n", sum.map(|(number, noun)| count(&number, noun)).join(", ")));
    text
}

/// A workflow's lines; what is the same in all of them stands in the first.
fn rows(workflow: &Upcoming) -> impl Iterator<Item = [String; 4]> {
    let disabled = if workflow.enabled { "" } else { "  (disabled)" };
    workflow.next.iter().enumerate().map(move |(index, Instant { fires_at, parameter })| {
        let [name, schedule] = match index {
            0 => [&name(workflow), &workflow.schedule].map(|text| shortened(text, LONGEST).into_owned()),
            _ => Default::default(),
        };
        [name, schedule, fires_at.clone(), format!("{parameter}{disabled}")]
    })
}

pub(crate) fn plain(report: &Report) -> String {
    let mut text = said(report, false);
    for Upcoming { component_id, workflow_id, next, .. } in &report.workflows {
        for Instant { fires_at, parameter } in next {
            text.extend([&visible(&format!("{component_id} {workflow_id} {fires_at} {parameter}")), "\n"]);
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
