//! The engine of Styx: the loop that joins a log, an executor and a clock, and an executor that runs nothing.

pub mod clock;
pub mod engine;
pub mod executors;
pub mod fake;
mod gather;
pub mod machine;
pub mod replay;
mod share;
#[cfg(feature = "sim")]
pub mod sim;
