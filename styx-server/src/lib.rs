//! The server of Styx and its tools.

pub mod folder;
pub mod log_tools;
