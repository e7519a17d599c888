//! Exit codes that mean something to Styx, and what each costs.

/// The exit code of a run that is done.
pub const EXIT_SUCCESS: i32 = 0;
/// The exit code that says: what I need isn't there yet.
pub const EXIT_MISSING_DEPENDENCIES: i32 = 20;
/// The exit code that says: trying again is useless.
pub const EXIT_UNRECOVERABLE: i32 = 50;

/// What a try that ended so costs, in tenths (spec SM §17): missing dependencies a tenth, every other failure one.
pub fn cost_tenths(exit_code: Option<i32>) -> u32 {
    match exit_code {
        Some(EXIT_SUCCESS) => 0,
        Some(EXIT_MISSING_DEPENDENCIES) => 1,
        _ => 10,
    }
}
