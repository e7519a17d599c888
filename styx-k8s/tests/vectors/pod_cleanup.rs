//! When pods are removed.

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use styx_core::run::State;
use styx_k8s::cleanup::{CleanupRules, Reason, Removal, after_second_look, removal};

use crate::harness::{Case, Rule};

/// We remove the same pods at the same times.
pub(crate) const RULES: &[Rule] = &[];

/// Compares whether a pod is deleted, and whether by force.
pub(crate) fn check(case: &mut Case) {
    let pod = pod(case.member("pod"));
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

/// A pod by its types. They have no room for a time that nobody can read; it is as good as none.
fn pod(mut pod: Value) -> Pod {
    for status in pod["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
        for state in ["state", "lastState"] {
            if let Some(terminated) = status[state]["terminated"].as_object_mut() {
                terminated.retain(|name, value| {
                    !matches!(name.as_str(), "startedAt" | "finishedAt")
                        || value.as_str().is_some_and(|text| text.parse::<chrono::DateTime<chrono::Utc>>().is_ok())
                });
            }
        }
    }
    serde_json::from_value(pod).expect("a pod")
}

/// The pod after its job has ended.
fn terminated(pod: &Pod) -> Pod {
    let mut pod = pod.clone();
    let ended = serde_json::json!({"name": "styx-run", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 0}}});
    let status = pod.status.get_or_insert_default();
    status.container_statuses = Some(vec![serde_json::from_value(ended).expect("a status")]);
    pod
}
