//! Some hundred simulations, as CI runs them; `styx-sim` runs more.
#![cfg(feature = "sim")]

use std::sync::LazyLock;

use styx_engine::sim::{Coverage, Options, Outcome, simulate};

/// The seeds that CI runs.
const SEEDS: u64 = 600;

static OUTCOMES: LazyLock<Vec<Outcome>> =
    LazyLock::new(|| (0..SEEDS).map(|seed| simulate(seed, &Options::default())).collect());

#[test]
fn all_invariants_hold() {
    let failed = (0..SEEDS).zip(OUTCOMES.iter()).find(|(_, outcome)| outcome.violation.is_some());
    if let Some((seed, _)) = failed {
        let told = Options { story: Options::STORY, ..Options::default() };
        let story = simulate(seed, &told).text(seed);
        panic!(
            "\n{story}  to see it again: cargo run -p styx-engine --features sim --bin styx-sim -- --seed {seed} --verbose"
        );
    }
}

#[test]
fn every_situation_is_reached() {
    let mut coverage = Coverage::default();
    OUTCOMES.iter().for_each(|outcome| coverage.merge(outcome.coverage));
    let missing: Vec<_> = coverage.missing().map(|situation| situation.text()).collect();
    assert!(missing.is_empty(), "in {SEEDS} seeds it never happened that: {missing:#?}");
}

#[test]
fn a_seed_tells_the_same_story_again() {
    let options = Options { story: usize::MAX, ..Options::default() };
    for seed in 0..20 {
        let (first, second) = (simulate(seed, &options), simulate(seed, &options));
        assert!(first.story.len() > 100, "seed {seed} tells {} lines", first.story.len());
        assert_eq!(first, second, "seed {seed}");
    }
    assert_ne!(simulate(0, &options).story, simulate(1, &options).story);
}

#[test]
fn a_story_changes_nothing() {
    for seed in 0..20 {
        let quiet = simulate(seed, &Options::default());
        let told = simulate(seed, &Options { story: Options::STORY, ..Options::default() });
        assert_eq!((quiet.steps, quiet.records, quiet.coverage), (told.steps, told.records, told.coverage));
    }
}
