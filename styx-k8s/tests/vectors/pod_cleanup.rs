//! When pods are removed.

use chrono::TimeDelta;
use serde_json::Value;
use styx_core::run::State;
use styx_k8s::{
    cleanup::{CleanupRules, Reason, Removal, after_second_look, removal},
    view::{ContainerState, ContainerView, PodView, Termination},
};

use crate::harness::{Case, Rule};

/// We remove the same pods at the same times.
pub(crate) const RULES: &[Rule] = &[];

/// Compares whether a pod is deleted, and whether by force.
pub(crate) fn check(case: &mut Case) {
    let pod = read(&case.member("pod"));
    let owner = State::from_name(&case.text("run_state"));
    let mut rules = CleanupRules::default();
    rules.delay = TimeDelta::seconds(case.member("pod_deletion_delay_seconds").as_i64().expect("a delay"));
    rules.keep_for_debugging = case.member("keep_pods_for_debugging").as_bool().expect("a flag");
    let first = removal(&pod, owner, case.instant("now"), &rules);
    let last = match (first, case.text("pod_on_second_look").as_str()) {
        (Removal::LookAgain, "gone") => after_second_look(None),
        (Removal::LookAgain, "terminated") => after_second_look(Some(&terminated(&pod))),
        (Removal::LookAgain, _) => after_second_look(Some(&pod)),
        (removal, _) => removal,
    };
    let expected = case.member("expected");
    let deletes = matches!(last, Removal::Delete(_) | Removal::ForceDelete(_));
    case.expect_value("delete", &expected["delete"], deletes);
    if deletes {
        case.expect_value("force", &expected["force"], matches!(last, Removal::ForceDelete(Reason::Intolerant)));
    }
}

fn read(pod: &Value) -> PodView {
    PodView::from_json(pod.to_string().as_bytes()).expect("JSON")
}

/// The pod after its job has ended.
fn terminated(pod: &PodView) -> PodView {
    let job = ContainerView {
        name: "styx-run".to_owned(),
        state: ContainerState::Terminated(Termination::default()),
        ..ContainerView::default()
    };
    let mut pod = pod.clone();
    pod.containers = vec![job];
    pod
}
