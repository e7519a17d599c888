//! What Styx's programs share towards the machine that they run on: files that are private and whole ([`mod@file`], [`folder`]),
//! and texts of others that are safe on a terminal ([`text`], [`table`], [`terminal`]).
//!
//! It knows nothing of workflows, runs and logs.

pub mod file;
pub mod folder;
mod place;
pub mod table;
pub mod terminal;
pub mod text;
