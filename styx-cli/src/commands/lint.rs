//! `workflow lint`: checks workflow files here, with the code of the server, and shows what they lead to.

use std::path::Path;

use chrono::{DateTime, Utc};
use styx_core::schedule::{NaturalTrigger, Offset, Schedule};
use styx_core::workflow::Rules;
use styx_files::{FileError, FileWorkflow, NamedFile, is_candidate, read_named};

use crate::failure::Failure;
use crate::output::{Printer, Report, Upcoming};

/// How many instants of a schedule are shown.
const NEXT: usize = 5;

/// Checks files and folders as the parts of one workflow folder, and says what each workflow runs next after `now`.
pub(crate) fn lint(
    paths: &[impl AsRef<Path>],
    rules: &Rules,
    now: DateTime<Utc>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut report = Report::default();
    let files = read_named(paths, rules);
    for NamedFile { path, said } in files.map_err(|error| Failure::Usage(format!("cannot read {error}")))? {
        report.warnings.extend(unread(&path));
        match said {
            Ok(workflows) => workflows.iter().for_each(|workflow| look_ahead(&path, workflow, rules, now, &mut report)),
            Err(errors) => report.errors.extend(errors),
        }
    }
    report.errors.sort();
    printer.report(&report)?;
    match report.errors.len() {
        0 => Ok(()),
        count => Err(Failure::Findings(count)),
    }
}

/// What a server would not read of what was named.
fn unread(path: &str) -> Option<FileError> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let is_read = !name.starts_with('.') && is_candidate(name);
    let text = "a server doesn't read it: names end in .yaml, .yml or .json and don't begin with a dot";
    // A folder that can't be listed is an error of its own.
    (!is_read && !Path::new(path).is_dir()).then(|| FileError::whole(path, text))
}

/// What a workflow without errors leads to.
fn look_ahead(path: &str, workflow: &FileWorkflow, rules: &Rules, now: DateTime<Utc>, report: &mut Report) {
    let FileWorkflow { id, configuration, enabled, place, .. } = workflow;
    report.warnings.extend(workflow.warnings.iter().map(|warning| FileError {
        place: Some(warning.place),
        field: Some(warning.field.clone()),
        ..FileError::whole(path, warning.text.clone())
    }));
    let about = |field: &str, text: &str| FileError {
        place: Some(*place),
        field: Some(field.into()),
        ..FileError::whole(path, text)
    };
    let schedule = Schedule::parse(configuration.schedule.as_str()).ok();
    let offset = configuration.offset.as_deref().and_then(|offset| Offset::parse(offset).ok());
    let next = schedule.as_ref().map(|schedule| {
        let offset = offset.unwrap_or_else(|| schedule.default_offset());
        let following = |trigger: &NaturalTrigger| schedule.following(&offset, trigger.instant);
        let next = std::iter::successors(schedule.first_natural(&offset, now), following);
        next.take(NEXT).map(|trigger| (trigger.fires_at, schedule.parameter(trigger.instant))).collect()
    });
    let next: Vec<_> = next.unwrap_or_default();
    if configuration.flyte_exec_conf.is_some() {
        let text = "nothing runs Flyte here: its triggers are refused";
        report.warnings.push(about("flyte_exec_conf", text));
    } else if configuration.docker_image.is_none() && *enabled {
        let text = "there is nothing to run: its triggers are skipped; give it a docker_image, or `enabled: false`";
        report.warnings.push(about("docker_image", text));
    }
    if configuration.secret.is_some() && rules.needs_program {
        report.warnings.push(about("secret", "the local executor mounts none: its triggers are refused"));
    }
    if configuration.pod.is_some() && rules.needs_program {
        report.warnings.push(about("pod", "the local executor makes no pods: its triggers are refused"));
    }
    report.workflows.push(Upcoming {
        component_id: id.component().into(),
        workflow_id: id.workflow().into(),
        path: path.into(),
        line: place.0,
        column: place.1,
        enabled: *enabled,
        schedule: configuration.schedule.as_str().into(),
        offset: configuration.offset.clone(),
        next: next.into_iter().map(Into::into).collect(),
    });
}
