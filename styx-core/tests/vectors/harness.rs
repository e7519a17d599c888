//! Reads a file of vectors, says by a table what we do with each quirk, and reports by vector id.

#![allow(dead_code, reason = "several crates test with this file, and not every one needs all of it")]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

const SHOWN_FAILURES: usize = 20;

/// What we do with the lines that carry a quirk. A quirk without a rule is expected as it stands.
pub(crate) struct Rule {
    /// The name of the quirk.
    pub(crate) quirk: &'static str,
    /// The kinds of line that the rule is for; empty for all.
    pub(crate) kinds: &'static [&'static str],
    /// What we do.
    pub(crate) verdict: Verdict,
    /// Whether the project's own copy has such a line, so that the rule can be seen to work.
    pub(crate) seen: Seen,
    /// Why.
    pub(crate) reason: &'static str,
    /// The anchor of the line in `docs/differences-from-styx-2.md`; empty if there is no difference.
    pub(crate) anchor: &'static str,
}

/// How a line with a quirk is read.
#[derive(Clone, Copy)]
pub(crate) enum Verdict {
    /// We answer the same.
    Copied,
    /// We differ on purpose: the function turns the line into what we answer.
    Refused(fn(&mut Value)),
    /// These fields, as named in [`Case::expect`], are not compared.
    Dropped(&'static [&'static str]),
}

/// Where lines with a quirk are found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// In the project's own copy.
    Here,
    /// Only in other files of the kind; the description of the vectors names the quirk.
    Elsewhere,
}

/// One line of a file: what is expected, and what did not agree.
pub(crate) struct Case {
    line: Value,
    dropped: Vec<&'static str>,
    failures: Vec<String>,
    compared: usize,
}

impl Case {
    /// A text member; empty if it is absent.
    pub(crate) fn text(&self, member: &str) -> String {
        self.line[member].as_str().unwrap_or_default().to_owned()
    }

    /// A member as it is; null if it is absent.
    pub(crate) fn member(&self, member: &str) -> Value {
        self.line[member].clone()
    }

    /// An instant that the line must have.
    pub(crate) fn instant(&self, member: &str) -> DateTime<Utc> {
        instant(&self.line[member])
    }

    /// Compares a member of the line with what we answer. Null is the same as absent.
    pub(crate) fn expect(&mut self, member: &str, got: impl Into<Value>) {
        let expected = self.line[member].clone();
        self.expect_value(member, &expected, got);
    }

    /// Compares a value from deeper in the line; `field` names it in reports and in
    /// [`Verdict::Dropped`].
    pub(crate) fn expect_value(&mut self, field: &str, expected: &Value, got: impl Into<Value>) {
        if self.dropped.contains(&field) {
            return;
        }
        self.compared += 1;
        let got = got.into();
        if got != *expected {
            self.failures.push(format!("{field}: expected {expected}, got {got}"));
        }
    }

    /// Says that the line cannot be checked.
    pub(crate) fn fail(&mut self, why: String) {
        self.failures.push(why);
    }
}

/// An instant as the vectors write it.
pub(crate) fn instant(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().unwrap_or_default();
    text.parse().unwrap_or_else(|error| panic!("no instant {value}: {error}"))
}

/// An instant of ours, as the vectors write it, or the word for there being none.
pub(crate) fn written(at: Option<DateTime<Utc>>, none: &str) -> Value {
    // The debug form has as many digits of a fraction as Java's.
    at.map_or_else(|| none.into(), |at| format!("{at:?}").into())
}

/// Checks every line of `NAME.jsonl` or `NAME.jsonl.gz`.
///
/// On the project's own copy, every rule must have matched a line unless it says that it cannot.
pub(crate) fn run(name: &str, rules: &[Rule], check: fn(&mut Case)) {
    run_with_quirks(name, rules, |_| &[], check);
}

/// As [`run`]; `quirks` names quirks of a line that the file doesn't name.
pub(crate) fn run_with_quirks(
    name: &str,
    rules: &[Rule],
    quirks: fn(&Value) -> &'static [&'static str],
    check: fn(&mut Case),
) {
    let folder = std::env::var_os("STYX_VECTORS").map(PathBuf::from);
    let is_own_copy = folder.is_none();
    let folder = folder.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors")));
    let text = read(&folder, name);

    let mut problems = Vec::new();
    let mut matched = BTreeSet::new();
    let mut lines = 0;
    let mut compared = 0;
    for (number, line) in text.lines().enumerate() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{name} line {}: {error}", number + 1));
        let id = line["id"].as_str().unwrap_or("no id").to_owned();
        let mut case = prepare(line, rules, quirks, &mut matched);
        check(&mut case);
        if case.compared == 0 && case.dropped.is_empty() {
            case.fail("nothing was compared".to_owned());
        }
        lines += 1;
        compared += case.compared;
        if !case.failures.is_empty() {
            problems.push(format!("{id} {}", case.failures.join("; ")));
        }
    }
    assert!(lines > 0, "{name} in {} is empty", folder.display());
    println!("{name}: {lines} lines, {compared} answers compared");

    problems.extend(check_rules(rules, &matched, is_own_copy));
    if !problems.is_empty() {
        let mut report = format!("{} of {lines} lines of {name} failed", problems.len());
        for problem in problems.iter().take(SHOWN_FAILURES) {
            let _ = write!(report, "\n{problem}");
        }
        panic!("{report}");
    }
}

/// Applies the rules for a line's quirks to what it expects.
fn prepare(
    mut line: Value,
    rules: &[Rule],
    unnamed: fn(&Value) -> &'static [&'static str],
    matched: &mut BTreeSet<usize>,
) -> Case {
    let named = line["quirks"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let quirks: Vec<String> = named.chain(unnamed(&line).iter().copied()).map(str::to_owned).collect();
    let kind = line["kind"].as_str().unwrap_or_default().to_owned();
    let mut dropped = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let is_meant = quirks.iter().any(|quirk| quirk == rule.quirk)
            && (rule.kinds.is_empty() || rule.kinds.contains(&kind.as_str()));
        if !is_meant {
            continue;
        }
        matched.insert(index);
        match rule.verdict {
            Verdict::Copied => {}
            Verdict::Refused(expect_ours) => expect_ours(&mut line),
            Verdict::Dropped(fields) => dropped.extend(fields),
        }
    }
    Case { line, dropped, failures: Vec::new(), compared: 0 }
}

/// What is wrong with the table itself.
fn check_rules(rules: &[Rule], matched: &BTreeSet<usize>, is_own_copy: bool) -> Vec<String> {
    let differences = differences();
    let mut problems = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let Rule { quirk, anchor, .. } = rule;
        if is_own_copy && (rule.seen == Seen::Here) != matched.contains(&index) {
            let found = if rule.seen == Seen::Here { "matched nothing" } else { "matched a line" };
            problems.push(format!("the rule for {quirk} {found}"));
        }
        let differs = !matches!(rule.verdict, Verdict::Copied);
        if rule.reason.is_empty() || differs == anchor.is_empty() {
            problems.push(format!("the rule for {quirk} lacks a reason or its anchor"));
        }
        if differs && !differences.contains(&format!("id=\"{anchor}\"")) {
            problems.push(format!("no line on the differences has the anchor {anchor}"));
        }
    }
    problems
}

/// The page that lists the intended differences.
fn differences() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/differences-from-styx-2.md");
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{page}: {error}"))
}

fn read(folder: &Path, name: &str) -> String {
    let plain = folder.join(format!("{name}.jsonl"));
    let packed = folder.join(format!("{name}.jsonl.gz"));
    let mut text = String::new();
    let result = if plain.exists() {
        File::open(&plain).and_then(|mut file| file.read_to_string(&mut text))
    } else {
        File::open(&packed).and_then(|file| MultiGzDecoder::new(file).read_to_string(&mut text))
    };
    if let Err(error) = result {
        panic!("neither {} nor {} can be read: {error}", plain.display(), packed.display());
    }
    text
}
