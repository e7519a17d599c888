//! What Styx 2.x answered, and what we answer: one function for each file of vectors.
//!
//! `STYX_VECTORS` names a folder with other files of the same kind.

#[path = "vectors/harness.rs"]
mod harness;
#[path = "vectors/schedule.rs"]
mod schedule;
#[path = "vectors/validation.rs"]
mod validation;

#[test]
fn vectors_schedule() {
    harness::run("schedule", schedule::RULES, schedule::check);
}

#[test]
fn vectors_validation() {
    harness::run("validation", validation::RULES, validation::check);
}
