//! A simulation that can't fail proves nothing: for each invariant the system is broken on purpose, and it must notice.
#![cfg(feature = "sim")]

use styx_engine::sim::{Options, Sabotage, invariant_names, simulate};

/// What breaks which invariant.
const BITES: &[(&str, Sabotage)] = &[
    ("fires_once", Sabotage::StaleCursor),
    ("starts_once", Sabotage::StartsTwice),
    ("one_at_a_time", Sabotage::EndsEarly),
    ("known", Sabotage::NoSync),
    ("limit", Sabotage::EndsEarly),
    ("units", Sabotage::UnitsForgotten),
    ("rate", Sabotage::RateForgotten),
    ("waits", Sabotage::LimitForgotten),
    ("told", Sabotage::ToldForgotten),
    ("backfills", Sabotage::BackfillForgotten),
    ("acknowledged", Sabotage::NoSync),
    ("once", Sabotage::AnswersForgotten),
    ("fold", Sabotage::StaleCursor),
    ("order", Sabotage::FinishedForgotten),
    ("owed", Sabotage::StopsForgotten),
    ("bounded", Sabotage::CostForgotten),
    ("conditional", Sabotage::ConditionForgotten),
    ("elapses", Sabotage::ElapsedForgotten),
    ("ends", Sabotage::StopNeverAnswers),
    ("replays", Sabotage::StaleCursor),
];

/// What an invariant notices beside what breaks it above.
const MORE_BITES: &[(&str, Sabotage)] = &[("fires_once", Sabotage::OwedForgotten)];

/// The most seeds that it may take to notice.
const SEEDS: u64 = 400;

/// The seed that notices, looking with one invariant alone.
fn bitten(invariant: &str, sabotage: Sabotage) -> Option<u64> {
    let options = Options { only: Some(invariant.to_owned()), sabotage: Some(sabotage), ..Options::default() };
    (0..SEEDS).find(|seed| {
        let violation = simulate(*seed, &options).violation;
        violation.is_some_and(|violation| violation.invariant == invariant)
    })
}

#[test]
fn each_invariant_bites() {
    let silent: Vec<_> =
        BITES.iter().chain(MORE_BITES).filter(|(invariant, sabotage)| bitten(invariant, *sabotage).is_none()).collect();
    assert!(silent.is_empty(), "in {SEEDS} seeds nothing was noticed by {silent:?}");
}

#[test]
fn no_invariant_is_without_a_bite() {
    let bites: Vec<_> = BITES.iter().map(|(invariant, _)| *invariant).collect();
    assert_eq!(invariant_names(), bites);
}
