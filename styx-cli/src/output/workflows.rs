//! Workflows: their names, and all about one of them.

use chrono::{DateTime, Utc};
use styx_client::time::format_instant;
use styx_client::{OwedSchedule, Workflow, WorkflowWithState};

use super::style::{java_list, java_map, or_empty};
use styx_host::table::table;
use styx_host::text::{padded, visible, width};

pub(crate) fn pretty_list(workflows: &[Workflow]) -> String {
    let longest = |text: fn(&Workflow) -> &str| {
        workflows.iter().map(|workflow| width(&visible(text(workflow)))).max().unwrap_or_default()
    };
    let component_width = longest(|workflow| &workflow.component_id);
    let workflow_width = longest(Workflow::workflow_id);
    let row = |component: &str, workflow: &str| {
        let component = padded(&visible(component), component_width);
        format!("{component}  {}\n", padded(&visible(workflow), workflow_width))
    };
    let mut text = row("COMPONENT", "WORKFLOW");
    for workflow in workflows {
        text.push_str(&row(&workflow.component_id, workflow.workflow_id()));
    }
    text
}

pub(crate) fn plain_list(workflows: &[Workflow]) -> String {
    let line = |workflow: &Workflow| format!("{} {}", workflow.component_id, workflow.workflow_id());
    workflows.iter().map(|workflow| format!("{}\n", visible(&line(workflow)))).collect()
}

pub(crate) fn wide_list(workflows: &[WorkflowWithState]) -> String {
    let headers = ["COMPONENT", "WORKFLOW", "ENABLED", "SCHEDULE", "OFFSET", "NEXT TRIGGER", "FIRES", "IMAGE"];
    let row = |WorkflowWithState { workflow, state, .. }: &WorkflowWithState| {
        let configuration = &workflow.configuration;
        [
            workflow.component_id.clone(),
            configuration.id.clone(),
            or_empty(state.enabled),
            configuration.schedule.as_str().into(),
            or_empty(configuration.offset.as_ref()),
            instant(state.next_natural_trigger),
            instant(state.next_natural_offset_trigger),
            or_empty(configuration.docker_image.as_ref()),
        ]
    };
    let mut text = table(headers, &workflows.iter().map(row).collect::<Vec<_>>());
    for WorkflowWithState { workflow, owed, .. } in workflows {
        let name = format!("{} {}", workflow.component_id, workflow.workflow_id());
        text.extend(owed.iter().map(|owed| format!("{}\n", visible(&format!("{name} owes {}", owed_text(owed))))));
    }
    text
}

/// What is owed under an earlier schedule.
fn owed_text(owed: &OwedSchedule) -> String {
    let OwedSchedule { schedule, offset, next_parameter, until, count, .. } = owed;
    let offset = offset.as_ref().map_or_else(String::new, |offset| format!(" with offset {offset}"));
    let instants = if *count == 1 { "1 instant".to_owned() } else { format!("up to {count} instants") };
    let until = format_instant(*until);
    format!("{instants} of the earlier schedule {schedule}{offset} that fired until {until}, next {next_parameter}")
}

/// As [`pretty`], and what Styx 2.x does not show.
pub(crate) fn wide(workflow: &WorkflowWithState) -> String {
    let configuration = &workflow.workflow.configuration;
    let source = configuration.deployment_source.as_ref();
    let more = [
        ("Deployed:", instant(configuration.deployment_time)),
        ("Deployed From:", or_empty(source.map(|source| &source.source))),
        ("Repository:", or_empty(source.and_then(|source| source.repository.as_ref()))),
        ("Flyte:", or_empty(configuration.flyte_exec_conf.as_ref().map(|flyte| &flyte.reference_id))),
    ];
    let more = more.iter().map(|(label, value)| labelled(label, value));
    pretty(workflow) + &more.collect::<String>()
}

pub(crate) fn pretty(workflow: &WorkflowWithState) -> String {
    let env = &workflow.workflow.configuration.env;
    let env: Vec<_> = env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let labels = [
        "Component:",
        "Workflow:",
        "Schedule:",
        "Offset:",
        "Docker Image:",
        "Docker Arguments:",
        "Termination Logging:",
        "Service Account:",
        "Resources:",
        "Environment:",
        "Timeout:",
        "Commit:",
        "Retry Condition:",
        "Enabled:",
        "Next Trigger:",
        "Next Trigger (offset):",
    ];
    let values = values(workflow, env.join(", "));
    let shown: String = labels.iter().zip(values).map(|(label, value)| labelled(label, &value)).collect();
    let configuration = &workflow.workflow.configuration;
    // Fields of ours are shown only if they are set, as they are in JSON.
    let command = configuration.docker_command.as_deref().map(java_list);
    let secret = configuration.secret.as_ref().map(|secret| format!("{} in {}", secret.name, secret.mount_path));
    let pod = configuration.pod.as_ref().map(|pod| pod.as_json().to_owned());
    let ours = [("Docker Command:", command), ("Secret:", secret), ("Pod:", pod)].into_iter();
    let ours: String = ours.filter_map(|(label, value)| Some(labelled(label, &value?))).collect();
    shown + &ours + &workflow.owed.iter().map(|owed| labelled("Owed:", &owed_text(owed))).collect::<String>()
}

pub(crate) fn plain(workflow: &WorkflowWithState) -> String {
    let env = java_map(&workflow.workflow.configuration.env);
    format!("{}\n", visible(&values(workflow, env).join(" ")))
}

fn labelled(label: &str, value: &str) -> String {
    format!("{label:23}{}\n", visible(value))
}

fn values(WorkflowWithState { workflow, state, .. }: &WorkflowWithState, env: String) -> [String; 16] {
    let configuration = &workflow.configuration;
    [
        workflow.component_id.clone(),
        configuration.id.clone(),
        schedule(configuration.schedule.as_str()),
        or_empty(configuration.offset.as_ref()),
        or_empty(configuration.docker_image.as_ref()),
        or_empty(configuration.docker_args.as_deref().map(java_list)),
        configuration.docker_termination_logging.to_string(),
        or_empty(configuration.service_account.as_ref()),
        java_list(&configuration.resources),
        env,
        or_empty(configuration.running_timeout),
        or_empty(configuration.commit_sha.as_ref()),
        or_empty(configuration.retry_condition.as_ref()),
        or_empty(state.enabled),
        instant(state.next_natural_trigger),
        instant(state.next_natural_offset_trigger),
    ]
}

/// Well-known schedules are shown in capital letters, as Styx 2.x shows them.
fn schedule(text: &str) -> String {
    match text {
        "hours" | "days" | "weeks" | "months" | "years" => text.to_uppercase(),
        cron => cron.into(),
    }
}

fn instant(at: Option<DateTime<Utc>>) -> String {
    or_empty(at.map(format_instant))
}
