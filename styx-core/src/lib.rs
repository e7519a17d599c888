//! Placeholder.

pub mod id;
