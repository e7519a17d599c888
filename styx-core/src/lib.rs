//! The pure core of Styx: no clock, no randomness, no I/O; `now` is an argument.

pub mod id;
pub mod schedule;
pub mod workflow;
