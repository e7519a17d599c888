//! What somebody may have meant who named something that is not there.

use std::collections::BTreeSet;

use strsim::osa_distance;
use styx_client::{BackfillFilter, Client, Error, Retries};

use crate::args::{BackfillCommand, Command, Global, Instance, Operation, ResourceCommand, WorkflowCommand};
use crate::aside::tell;
use crate::commands::connect;
use crate::failure::Failure;

/// How many names are suggested at most.
const MOST: usize = 3;
/// What Styx says, with status 400, when a workflow that is to be triggered does not exist.
const NO_SUCH_WORKFLOW: &str = "The specified workflow is not found in the scheduler";

/// What a command names, and a server may not have.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// A workflow: its component, and its id.
    Workflow(String, String),
    /// A resource.
    Resource(String),
    /// A backfill.
    Backfill(String),
}

impl Subject {
    /// What a command names.
    pub(crate) fn of(command: &Command) -> Option<Self> {
        let workflow = |component: &str, workflow: &str| Some(Self::Workflow(component.into(), workflow.into()));
        match command {
            Command::Trigger { instance: Instance { component, workflow: id, .. }, .. }
            | Command::Halt(Operation { instance: Instance { component, workflow: id, .. }, .. })
            | Command::Retry(Operation { instance: Instance { component, workflow: id, .. }, .. })
            | Command::Explain(Instance { component, workflow: id, .. })
            | Command::Workflow(WorkflowCommand::Show { component, workflow: id }) => workflow(component, id),
            Command::Resource(ResourceCommand::Show { id } | ResourceCommand::Edit { id, .. }) => {
                Some(Self::Resource(id.clone()))
            }
            Command::Backfill(command) => match command {
                BackfillCommand::List { .. } => None,
                BackfillCommand::Create(create) => workflow(&create.component, &create.workflow),
                BackfillCommand::Show { id, .. }
                | BackfillCommand::Edit { id, .. }
                | BackfillCommand::Halt { id, .. } => Some(Self::Backfill(id.clone())),
            },
            _ => None,
        }
    }

    /// Says on standard error what may be meant, if a command failed because what it names is not there.
    pub(crate) fn suggest(&self, failure: &Failure, global: &Global) {
        let Failure::Client(Error::Api(error)) = failure else {
            return;
        };
        if error.status == 404 || (error.status == 400 && error.reason == NO_SUCH_WORKFLOW) {
            // That there is no answer now is no news: the command has failed already.
            if let Ok(client) = connect(global)
                && let Some(question) = self.ask(&client.with_retries(Retries::NONE))
            {
                tell(question);
            }
        }
    }

    /// Asks the server for names that are near.
    pub(crate) fn ask(&self, client: &Client) -> Option<String> {
        match self {
            Self::Workflow(component, workflow) => {
                let siblings = client.workflows_of(component).ok()?;
                if siblings.iter().any(|sibling| sibling.workflow_id() == workflow) {
                    return None;
                }
                if !siblings.is_empty() {
                    return question("workflow", &near(workflow, siblings.iter().map(|sibling| sibling.workflow_id())));
                }
                let all = client.workflows().ok()?;
                question("component", &near(component, all.iter().map(|workflow| workflow.component_id.as_str())))
            }
            Self::Resource(id) => {
                let all = client.resources().ok()?.resources;
                question("resource", &near(id, all.iter().map(|resource| resource.id.as_str())))
            }
            Self::Backfill(id) => {
                let filter = BackfillFilter { show_all: true, ..BackfillFilter::default() };
                let all = client.backfills(&filter, false).ok()?.backfills;
                question("backfill", &near(id, all.iter().map(|payload| payload.backfill.id.as_str())))
            }
        }
    }
}

/// The names that are near one, the nearest first: a few letters differ, or it is a part of them.
pub(crate) fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let length = wanted.chars().count();
    let most = (length / 3).clamp(1, 3);
    let distance = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let distance = osa_distance(&wanted, &candidate);
        let is_part = length >= 3 && candidate.contains(&wanted);
        if distance <= most { Some(distance) } else { is_part.then_some(most + 1) }
    };
    let ranked: BTreeSet<_> =
        known.into_iter().filter(|known| *known != name).filter_map(|known| Some((distance(known)?, known))).collect();
    ranked.into_iter().map(|(_, known)| known).take(MOST).collect()
}

/// Asks whether one of these is meant.
pub(crate) fn question(noun: &str, names: &[&str]) -> Option<String> {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let (last, others) = names.split_last()?;
    let names = if others.is_empty() { last.clone() } else { format!("{} or {last}", others.join(", ")) };
    Some(format!("Did you mean the {noun} {names}?"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn near_names_are_found() {
        for (name, expected) in [
            ("daily-reprot", &["daily-report"][..]),
            ("DAILY-REPORT", &["daily-report"]),
            ("report", &["daily-report", "hourly-report"]),
            ("a", &["b"]),
            ("weekly", &[]),
            ("", &["b"]),
        ] {
            assert_eq!(near(name, ["daily-report", "hourly-report", "b"]), expected, "{name}");
        }
    }

    #[test]
    fn a_question_names_all() {
        assert_eq!(question("resource", &[]), None);
        assert_eq!(question("resource", &["a"]).unwrap(), "Did you mean the resource `a`?");
        assert_eq!(question("resource", &["a", "b", "c"]).unwrap(), "Did you mean the resource `a`, `b` or `c`?");
    }

    proptest! {
        #[test]
        fn a_slip_is_found(name in "[a-z-]{4,12}", at in 0..4_usize, others in proptest::collection::vec("[0-9]{4,9}", 0..9)) {
            let mut slipped: Vec<_> = name.chars().collect();
            slipped.remove(at);
            let slipped: String = slipped.into_iter().collect();
            let known = || others.iter().map(String::as_str).chain([name.as_str()]);
            prop_assert_eq!(near(&slipped, known()), [name.as_str()]);
            prop_assert!(!near(&name, known()).contains(&name.as_str()));
        }
    }
}
