//! What Styx 2.x answered, and what we answer: one function for each file of vectors.
//!
//! `STYX_VECTORS` names a folder with other files of the same kind.

#[path = "vectors/execution_data.rs"]
mod execution_data;
#[path = "vectors/harness.rs"]
mod harness;
#[path = "vectors/retry.rs"]
mod retry;
#[path = "vectors/schedule.rs"]
mod schedule;
#[path = "vectors/state_machine.rs"]
mod state_machine;
#[path = "vectors/timeout.rs"]
mod timeout;
#[path = "vectors/validation.rs"]
mod validation;

#[test]
fn vectors_schedule() {
    harness::run_with_quirks("schedule", schedule::RULES, schedule::quirks, schedule::check);
}

#[test]
fn vectors_validation() {
    harness::run("validation", validation::RULES, validation::check);
}

#[test]
fn vectors_state_machine() {
    harness::run("state-machine", state_machine::RULES, state_machine::check);
}

#[test]
fn vectors_state_machine_ours() {
    harness::run("state-machine", state_machine::RULES, state_machine::check_ours);
}

#[test]
fn vectors_execution_data() {
    harness::run("execution-data", execution_data::RULES, execution_data::check);
}

#[test]
fn vectors_timeout() {
    harness::run("timeout", timeout::RULES, timeout::check);
}

#[test]
fn vectors_retry() {
    harness::run("retry", retry::RULES, retry::check);
}
