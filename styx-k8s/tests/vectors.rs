//! What Styx 2.x makes in Kubernetes, and what we do. `STYX_VECTORS` names a folder with other files of the same kind.

#[path = "../../styx-core/tests/vectors/harness.rs"]
mod harness;
#[path = "common/kubernetes.rs"]
mod kubernetes;
#[path = "vectors/normalise.rs"]
mod normalise;
#[path = "vectors/pod_cleanup.rs"]
mod pod_cleanup;
#[path = "vectors/pod_events.rs"]
mod pod_events;
#[path = "vectors/pod_spec.rs"]
mod pod_spec;
#[path = "vectors/pods.rs"]
mod pods;

#[test]
fn vectors_normalise() {
    harness::run("normalise", normalise::RULES, normalise::check);
}

#[test]
fn vectors_pod_spec() {
    harness::run_with_quirks("pod-spec", pod_spec::RULES, pod_spec::quirks, pod_spec::check);
}

#[test]
fn vectors_pod_cleanup() {
    harness::run("pod-cleanup", pod_cleanup::RULES, pod_cleanup::check);
}

#[test]
fn vectors_pod_events() {
    harness::run_with_quirks("pod-events", pod_events::RULES, pod_events::quirks, pod_events::check);
}

#[test]
fn vectors_public_pods() {
    harness::run("public-pods", pods::RULES, pods::check);
}

#[test]
fn vectors_real_pods() {
    harness::run("real-pods", pods::RULES, pods::check);
}
