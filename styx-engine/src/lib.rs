//! The engine of Styx: the loop that joins a log, an executor and a clock, and the executors that need no cluster.

pub mod clock;
pub mod engine;
pub mod executor_event;
pub mod fake;
mod gather;
pub mod inherited;
pub mod local;
pub mod machine;
pub mod replay;
mod share;
#[cfg(feature = "sim")]
pub mod sim;
