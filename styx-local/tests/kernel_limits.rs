//! The limits of what a program can be given are those of the kernel that the tests run on.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{io, process::Command};

use styx_core::workflow::{MAX_LAUNCH_BYTES, MAX_TEXT_BYTES};

fn run(args: &[String], env: &[(String, String)]) -> io::Result<()> {
    let status = Command::new("/bin/true").args(args).env_clear().envs(env.iter().cloned()).status()?;
    assert!(status.success());
    Ok(())
}

#[test]
fn one_text_may_have_so_many_bytes_and_no_more() {
    let text = |bytes: usize| "x".repeat(bytes);
    run(&[text(MAX_TEXT_BYTES)], &[]).unwrap();
    assert_eq!(run(&[text(MAX_TEXT_BYTES + 1)], &[]).unwrap_err().kind(), io::ErrorKind::ArgumentListTooLong);
    let value = |bytes: usize| [("A".to_owned(), text(bytes - 2))];
    run(&[], &value(MAX_TEXT_BYTES)).unwrap();
    assert_eq!(run(&[], &value(MAX_TEXT_BYTES + 1)).unwrap_err().kind(), io::ErrorKind::ArgumentListTooLong);
}

#[test]
fn all_together_may_have_so_many_bytes() {
    // Each of them takes a NUL and a pointer more.
    let args = vec!["x".repeat(91); MAX_LAUNCH_BYTES / 100];
    run(&args, &[]).unwrap();
    let empty = vec![String::new(); MAX_LAUNCH_BYTES / 9];
    run(&empty, &[]).unwrap();
}
