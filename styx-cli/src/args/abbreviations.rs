//! What could be abbreviated in Styx 2.x: a name's beginning does, if it is that of no other name.

use std::collections::BTreeSet;

use clap::Parser;

use super::Cli;

/// The sub-commands of the original at one level, aliases among them.
const COMMANDS: [(&str, &str); 5] = [
    ("", "backfill resource workflow list ls events e trigger t halt h retry r auth"),
    ("workflow", "list ls show get create delete enable disable"),
    ("resource", "list ls show get create edit e"),
    ("backfill", "list ls show get create edit e halt h"),
    ("auth", "test"),
];

/// What must be given to each of its commands, and the options that it had there.
const OPTIONS: [(&str, &str); 20] = [
    ("list", "component=c"),
    ("events c w p", ""),
    ("trigger c w p", "env=K=V allow-future"),
    ("halt c w p", ""),
    ("retry c w p", ""),
    ("workflow list", ""),
    ("workflow show c w", ""),
    ("workflow create c", "file=f"),
    ("workflow delete c w", "force"),
    ("workflow enable c w", ""),
    ("workflow disable c w", ""),
    ("resource list", ""),
    ("resource show r", ""),
    ("resource create r 1", ""),
    ("resource edit r", "concurrency=1"),
    ("backfill list", "component=c workflow=w show-all no-trunc"),
    ("backfill show b", "no-trunc"),
    ("backfill edit b", "concurrency=1"),
    ("backfill halt b", "graceful"),
    ("backfill create c w 2026-11-01 2026-11-02 1", "reverse description=d env=K=V allow-future"),
];
const GLOBAL: &str = "help host=h json plain debug";

/// The beginnings by which each of some names can be told from the others, and that name.
fn beginnings<'a>(names: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let is_unique = |start: &str| names.iter().filter(|name| name.starts_with(start)).count() == 1;
    let starts = |name: &'a str| (1..name.len()).map(move |end| (&name[..end], name));
    let all = names.iter().flat_map(|name| starts(name));
    all.filter(|(start, _)| is_unique(start) && !names.contains(start)).collect()
}

/// What is understood, or what is said against it.
fn understood(line: &str) -> String {
    let words = line.split(' ').filter(|word| !word.is_empty());
    Cli::try_parse_from(["styx"].into_iter().chain(words))
        .map_or_else(|error| error.to_string(), |cli| format!("{cli:?}"))
}

#[test]
fn commands_are_known_by_their_beginnings() {
    for (path, names) in COMMANDS {
        for (start, name) in beginnings(&names.split(' ').collect::<Vec<_>>()) {
            let help = |name: &str| understood(&format!("{path} {name} --help"));
            assert_eq!(help(start), help(name), "{path} {start}");
        }
    }
}

#[test]
fn options_are_known_by_their_beginnings_but_for_two() {
    let mut unknown = BTreeSet::new();
    for (command, options) in OPTIONS {
        let options: Vec<_> = options.split(' ').chain(GLOBAL.split(' ')).filter(|option| !option.is_empty()).collect();
        let name = |option: &'static str| option.split('=').next().unwrap_or_default();
        let names: Vec<_> = options.iter().map(|option| name(option)).collect();
        for (start, full) in beginnings(&names) {
            let option = options.iter().find(|option| name(option) == full).unwrap();
            let short = option.replacen(full, start, 1);
            if understood(&format!("{command} --{short}")) != understood(&format!("{command} --{option}")) {
                unknown.insert(format!("{command} --{start}"));
            }
        }
    }
    // `--description`, which the original did not have there, begins like `--debug`.
    let expected = ["--d", "--de"].map(|option| format!("backfill edit b {option}"));
    assert_eq!(unknown, BTreeSet::from(expected));
}

#[test]
fn what_could_be_several_is_refused() {
    assert!(understood("re").contains("unrecognized subcommand 're'"));
    assert!(understood("workflow d c w").contains("unrecognized subcommand 'd'"));
    assert!(understood("ls --h x").contains("unexpected argument '--h'"));
}
