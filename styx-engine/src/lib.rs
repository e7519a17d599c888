//! What runs Styx: the loop that joins log, executor and clock, and the executors that need no cluster.

pub mod local;
