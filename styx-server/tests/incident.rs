//! `docs/incident.md` is true: every command on the page is run, in order, and prints what the page shows.
//!
//! `UPDATE_EXPECT=1` writes what they print into the page, and the log that they look at into `docs/incident/shop.jsonl`.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod incident_story;

use std::{fs, path::Path};

use anstream::StripStream;
use clap::Parser;
use styx_server::log_tools::{self, LogCommand};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
const EXPORT: &str = "docs/incident/shop.jsonl";
const PROMPT: &str = "$ styx-server ";

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Log {
        #[command(subcommand)]
        command: LogCommand,
    },
}

/// What a command prints, on both of its outputs. Paths of the page are below `dir`.
fn run(line: &str, dir: &Path) -> String {
    let dir = dir.to_str().unwrap();
    let words = shlex::split(line).unwrap().into_iter().map(|word| match word.as_str() {
        EXPORT => format!("{DOCS}/incident/shop.jsonl"),
        "shop-data" => format!("{dir}/shop-data"),
        _ => word,
    });
    let Cli { command: Command::Log { command } } =
        Cli::try_parse_from(["styx-server".to_owned()].into_iter().chain(words))
            .unwrap_or_else(|error| panic!("{line}: {error}"));
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let code = log_tools::run_on(&command, &mut StripStream::new(&mut out), &mut notes).unwrap();
    let printed = String::from_utf8([out, notes].concat()).unwrap();
    assert_eq!(code, 0, "{line}: {printed}");
    let printed = printed.replace(&format!("{DOCS}/incident"), "docs/incident").replace(&format!("{dir}/"), "");
    printed.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The page with what its commands print now.
fn printed(page: &str, dir: &Path) -> String {
    let mut now = String::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        now.push_str(line);
        now.push('\n');
        if let Some(command) = line.strip_prefix(PROMPT) {
            now.push_str(&run(command, dir));
            while lines.next_if(|line| *line != "```" && !line.starts_with('$')).is_some() {}
        }
    }
    now
}

#[test]
fn every_command_of_the_incident_prints_what_the_page_shows() {
    let dir = tempfile::tempdir().unwrap();
    incident_story::write(&dir.path().join("written"));
    let line = format!("log export --with-env --data {}", dir.path().join("written").display());
    let export = run(&line, dir.path());
    let (shipped, page) = (format!("{DOCS}/incident/shop.jsonl"), format!("{DOCS}/incident.md"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&shipped, &export).unwrap();
    }
    // When an export was written is no part of the story.
    let records = |export: &str| export.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(records(&fs::read_to_string(&shipped).unwrap()), records(&export), "the log that is shipped");

    let before = fs::read_to_string(&page).unwrap();
    assert!(before.matches(PROMPT).count() > 5, "the page shows commands");
    let now = printed(&before, dir.path());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&page, &now).unwrap();
    }
    assert_eq!(before, now, "UPDATE_EXPECT=1 writes the page anew");
}
