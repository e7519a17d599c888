//! The simulator: the real machine over a simulated log, executor and clock, with operators, crashes and other faults, all of
//! it decided by one number.
//!
//! A simulation has two phases. At first faults happen: the process ends at any point, effects and observations get lost or
//! come late or twice, the clock jumps. Then they stop, and everything must come to its end. After each step the invariants
//! look at the log, the outside and the answers; the first that is broken ends the simulation, and its story is told.
//!
//! ```
//! use styx_engine::sim::{Options, simulate};
//!
//! let outcome = simulate(7, &Options::default());
//! assert!(outcome.violation.is_none(), "{}", outcome.text(7));
//! ```

mod calendar;
mod conditions;
mod coverage;
mod describe;
#[cfg(test)]
mod found;
mod invariants;
mod log;
mod marks;
mod outside;
mod process;
mod random;
mod sabotage;
mod simulation;
mod story;
mod workload;

use std::fmt::Write;

use chrono::{DateTime, Utc};

pub use self::{
    coverage::{Coverage, Situation},
    sabotage::Sabotage,
};

/// How a simulation is run; with a seed it decides everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many steps the machine makes while faults happen.
    pub steps: u32,
    /// How many lines of the story are kept; none cost nothing.
    pub story: usize,
    /// Checks only the invariant of this name.
    pub only: Option<String>,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: Self::STEPS, story: 0, only: None, sabotage: None }
    }
}

impl Options {
    /// The steps with faults that a simulation makes unless told otherwise.
    pub const STEPS: u32 = 120;
    /// The lines of a story that are told of a failure.
    pub const STORY: usize = 40;
}

/// What a simulation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was broken, if anything.
    pub violation: Option<Violation>,
    /// The situations that it was in.
    pub coverage: Coverage,
    /// The last things that happened, oldest first.
    pub story: Vec<String>,
    /// How many steps the machine made.
    pub steps: u32,
    /// How many records the log has.
    pub records: u64,
}

/// An invariant that doesn't hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the invariant.
    pub invariant: String,
    /// What it says, in a sentence.
    pub sentence: String,
    /// What was found instead.
    pub found: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Outcome {
    /// What happened and how to see it again.
    pub fn text(&self, seed: u64) -> String {
        let mut text = String::new();
        let _ = self.write(&mut text, seed);
        text
    }

    fn write(&self, text: &mut String, seed: u64) -> std::fmt::Result {
        for line in &self.story {
            writeln!(text, "  {line}")?;
        }
        match &self.violation {
            Some(Violation { invariant, sentence, found, at }) => {
                writeln!(text, "seed {seed} at {}: `{invariant}` is broken", at.format("%m-%d %H:%M:%S%.3f"))?;
                writeln!(text, "  what holds: {sentence}")?;
                writeln!(text, "  what was found: {found}")
            }
            None => writeln!(text, "seed {seed}: all invariants hold ({} steps, {} records)", self.steps, self.records),
        }
    }
}

/// Runs the simulation of a seed.
pub fn simulate(seed: u64, options: &Options) -> Outcome {
    simulation::Simulation::new(seed, options).run()
}

/// The names of all invariants.
pub fn invariant_names() -> Vec<&'static str> {
    invariants::names()
}
