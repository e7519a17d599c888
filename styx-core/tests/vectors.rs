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
    harness::run_with_quirks("validation", validation::RULES, validation::quirks, validation::check);
}

#[test]
fn vectors_state_machine() {
    harness::run("state-machine", state_machine::RULES, state_machine::check);
}

#[test]
fn vectors_state_machine_ours() {
    harness::run("state-machine", state_machine::OUR_RULES, state_machine::check_ours);
}

#[test]
fn vectors_execution_data() {
    let (rules, quirks) = (execution_data::RULES, execution_data::quirks);
    harness::run_with_quirks("execution-data", rules, quirks, execution_data::check);
}

#[test]
fn vectors_timeout() {
    harness::run_with_quirks("timeout", timeout::RULES, timeout::quirks, timeout::check);
}

#[test]
fn vectors_retry() {
    harness::run_with_quirks("retry", retry::RULES, retry::quirks, retry::check);
}
