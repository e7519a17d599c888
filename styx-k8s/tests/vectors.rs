//! How Styx 2.x names things in Kubernetes, and how we do. `STYX_VECTORS` names a folder with other files of the same kind.

#[path = "../../styx-core/tests/vectors/harness.rs"]
mod harness;
#[path = "common/kubernetes.rs"]
mod kubernetes;
#[path = "vectors/normalise.rs"]
mod normalise;

#[test]
fn vectors_normalise() {
    harness::run("normalise", normalise::RULES, normalise::check);
}
