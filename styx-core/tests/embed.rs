//! The example is a use of the core that goes on working.

#[path = "../examples/embed.rs"]
mod embed;

#[test]
fn the_example_runs_its_jobs() {
    embed::main().expect("its log folds to its world");
}
