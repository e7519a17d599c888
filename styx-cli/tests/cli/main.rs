//! The binary `styx` against a scripted server.

#![expect(clippy::unwrap_used, reason = "clippy knows the tests, but not what helps them")]

mod backfill;
mod command;
mod contexts;
mod lint;
mod output;
mod own;
mod recorded;
mod streams;
mod support;
mod watch;
