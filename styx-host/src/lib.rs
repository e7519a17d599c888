//! What Styx's programs share towards the machine that they run on: files that are private and whole ([`mod@file`], [`folder`]),
//! texts of others that are safe on a terminal ([`text`], [`table`], [`terminal`]), and independence of what the starter left
//! ([`inherited`]).
//!
//! It knows nothing of workflows, runs and logs.

pub mod file;
pub mod folder;
pub mod inherited;
mod place;
pub mod table;
pub mod terminal;
pub mod text;
