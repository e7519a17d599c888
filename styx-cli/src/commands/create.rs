//! `workflow create`: reads workflow files, checks them here, and sends them.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use styx_client::Client;
use styx_core::workflow::{self, Rules, WorkflowConfiguration};
use styx_host::file as text_file;

use crate::failure::{Failure, InvalidWorkflow};
use crate::output::Printer;
use crate::{in_flight, progress};

/// The most bytes of a file with workflows.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What a file must at least say, for those whose file says less.
const EXAMPLE: &str = "\
Minimal valid example: 
========================
id: bar
schedule: DAYS
docker_image: busybox
docker_args: [echo, bar]
========================
";

/// Creates or replaces the workflows of a file. If one of them is not valid, none is sent.
pub(crate) fn create(
    client: &Client,
    component: &str,
    file: Option<&Path>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let text = read_text(file)?;
    let configurations = parse(&text)?;
    check(component, &configurations)?;
    let bar = progress::bar("Creating workflows", configurations.len());
    let (mut failures, mut printed) = (Vec::new(), Ok(()));
    in_flight::for_each(
        &configurations,
        if has_twins(&configurations) { 1 } else { in_flight::MOST },
        |configuration| client.create_or_update_workflow(component, configuration),
        |_, outcome| {
            bar.inc(1);
            match outcome {
                Ok(created) => {
                    let (id, component) = (created.workflow_id(), &created.component_id);
                    let text = format!("Workflow {id} in component {component} created.");
                    in_flight::say(&mut printed, || bar.suspend(|| printer.message(&text)));
                }
                Err(error) => failures.push(error.into()),
            }
        },
    );
    bar.finish_and_clear();
    Failure::of_all(failures).and(printed)
}

/// Whether two of them have the same name, so that it matters which one comes last.
fn has_twins(configurations: &[WorkflowConfiguration]) -> bool {
    let names: BTreeSet<_> = configurations.iter().map(|configuration| &configuration.id).collect();
    names.len() < configurations.len()
}

fn read_text(file: Option<&Path>) -> Result<String, Failure> {
    let (name, read) = match file.filter(|path| *path != Path::new("-")) {
        Some(path) => (path.display().to_string(), text_file::read_text(path, MAX_BYTES)),
        None => ("standard input".into(), text_file::text_of(io::stdin().lock(), MAX_BYTES)),
    };
    read.map_err(|error| Failure::Usage(format!("argument -f/--file: cannot read {name}: {error}")))
}

fn parse(text: &str) -> Result<Vec<WorkflowConfiguration>, Failure> {
    let unreadable = |problem: String| Failure::Structure(format!("problem: {problem}\n{EXAMPLE}"));
    let configurations = styx_files::configurations(text).map_err(|error| unreadable(error.to_string()))?;
    if configurations.is_empty() {
        return Err(unreadable("it is empty".into()));
    }
    Ok(configurations)
}

fn check(component: &str, configurations: &[WorkflowConfiguration]) -> Result<(), Failure> {
    let rules = Rules { pod_check: Some(styx_k8s::template::check), ..Rules::default() };
    let invalid: Vec<_> = configurations
        .iter()
        .map(|configuration| InvalidWorkflow {
            id: configuration.id.clone(),
            errors: workflow::check(component, &configuration.id, configuration, &rules)
                .iter()
                .map(ToString::to_string)
                .collect(),
        })
        .filter(|workflow| !workflow.errors.is_empty())
        .collect();
    if invalid.is_empty() { Ok(()) } else { Err(Failure::Invalid(invalid)) }
}
