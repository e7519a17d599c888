//! The binary `styx` against a scripted server.

#![expect(clippy::unwrap_used, reason = "clippy knows the tests, but not what helps them")]

mod command;
mod lint;
mod recorded;
mod support;
