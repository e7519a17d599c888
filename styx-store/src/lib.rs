//! How records and rows are kept.

pub mod codec;
pub mod keys;
