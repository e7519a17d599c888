//! Placeholder.

pub mod id;
pub mod workflow;
