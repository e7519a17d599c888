//! Retry conditions as the simulation knows them by heart: each text beside what it means. They share no code with the core's.

/// What a condition may ask of a run, by an account of the simulation's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Failed {
    /// How the last try ended.
    pub(super) exit: Option<i32>,
    /// How many tries an executor took.
    pub(super) tries: u32,
    /// Failures since the last exit with 0 or 20.
    pub(super) failures: u32,
    /// The schedule began the run.
    pub(super) natural: bool,
}

/// A text, and when another try follows.
type Condition = (&'static str, fn(&Failed) -> bool);

/// All of them.
pub(super) const CONDITIONS: &[Condition] = &[
    ("true", |_| true),
    ("#tries < 2", |run| run.tries < 2),
    ("#exitCode == 1 || #exitCode == null", |run| matches!(run.exit, Some(1) | None)),
    ("#exitCode != 20 and #consecutiveFailures le 1", |run| run.exit != Some(20) && run.failures <= 1),
    ("#triggerType matches 'nat.*'", |run| run.natural),
    // Has no value after a first try.
    ("10 / (#tries - 1) > 0", |run| run.tries != 1 && run.tries <= 11 && run.tries != 0),
];

/// Whether another try follows.
pub(super) fn holds(text: &str, run: &Failed) -> Result<bool, String> {
    let known = CONDITIONS.iter().find(|(known, _)| *known == text);
    known.map(|(_, holds)| holds(run)).ok_or_else(|| format!("the condition `{text}` isn't known"))
}
