//! Reads a file of vectors, says by a table what we do with each quirk, and reports by vector id.

#![allow(dead_code, reason = "several crates test with this file, and not every one needs all of it")]

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

const SHOWN_FAILURES: usize = 20;

/// What we do with the lines that carry a quirk. A quirk without a rule is expected as it stands.
pub(crate) struct Rule {
    /// The name of the quirk: the file's own, or one that the function beside the table finds in a line.
    pub(crate) quirk: &'static str,
    /// The kinds of line that the rule is for; empty for all.
    pub(crate) kinds: &'static [&'static str],
    /// What we do.
    pub(crate) verdict: Verdict,
    /// How often the project's own vectors need the rule; see [`Verdict`] for what counts.
    pub(crate) count: usize,
    /// Why.
    pub(crate) reason: &'static str,
    /// The anchor of the line in `docs/differences-from-styx-2.md`; empty if there is no difference.
    pub(crate) anchor: &'static str,
}

/// How a line with a quirk is read.
#[derive(Clone, Copy)]
pub(crate) enum Verdict {
    /// We answer the same. Counts the lines with the quirk.
    Copied,
    /// We differ on purpose: the function turns the line into what we answer. Counts the lines that it changes.
    Adapted(fn(&mut Value)),
    /// We differ on purpose, and the check sees where: it calls [`Case::excuse`]. Counts those calls.
    Excused,
}

/// One line of a file: what is expected, and what did not agree.
pub(crate) struct Case {
    line: Value,
    excused: Vec<&'static str>,
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

    /// Compares a value from deeper in the line; `field` names it in reports.
    pub(crate) fn expect_value(&mut self, field: &str, expected: &Value, got: impl Into<Value>) {
        self.compared += 1;
        let got = got.into();
        if got != *expected {
            self.failures.push(format!("{field}: expected {expected}, got {got}"));
        }
    }

    /// Says that an answer differs as the rule of this name has it. The table must have the rule.
    pub(crate) fn excuse(&mut self, quirk: &'static str) {
        self.compared += 1;
        self.excused.push(quirk);
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

/// Finds the quirks of a line that its file doesn't name.
pub(crate) type Unnamed = fn(&Value) -> Vec<&'static str>;

/// Checks every line of `NAME.jsonl` or `NAME.jsonl.gz`, and of `NAME-more` if there is such a file.
///
/// On the project's own copy, every rule must be needed as often as it says.
pub(crate) fn run(name: &str, rules: &[Rule], check: fn(&mut Case)) {
    run_with_quirks(name, rules, |_| Vec::new(), check);
}

/// As [`run`]; `unnamed` finds quirks of a line that the file doesn't name.
pub(crate) fn run_with_quirks(name: &str, rules: &[Rule], unnamed: Unnamed, check: fn(&mut Case)) {
    let folder = std::env::var_os("STYX_VECTORS").map(PathBuf::from);
    let is_own_copy = folder.is_none();
    let folder = folder.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors")));
    let text = read(&folder, name).unwrap_or_else(|error| panic!("{name} in {}: {error}", folder.display()));
    let more = read(&folder, &format!("{name}-more")).unwrap_or_default();

    let mut problems = Vec::new();
    let mut counts = vec![0; rules.len()];
    let mut lines = 0;
    let mut compared = 0;
    for (number, line) in text.lines().chain(more.lines()).enumerate() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{name} line {}: {error}", number + 1));
        let id = line["id"].as_str().unwrap_or("no id").to_owned();
        let mut case = prepare(line, rules, unnamed, &mut counts);
        check(&mut case);
        if case.compared == 0 {
            case.fail("nothing was compared".to_owned());
        }
        for quirk in std::mem::take(&mut case.excused) {
            let is_it = |rule: &Rule| rule.quirk == quirk && matches!(rule.verdict, Verdict::Excused);
            match rules.iter().position(is_it) {
                Some(index) => counts[index] += 1,
                None => case.fail(format!("no rule excuses {quirk}")),
            }
        }
        lines += 1;
        compared += case.compared;
        if !case.failures.is_empty() {
            problems.push(format!("{id} {}", case.failures.join("; ")));
        }
    }
    assert!(lines > 0, "{name} in {} is empty", folder.display());
    println!("{name}: {lines} lines, {compared} answers compared");
    for (rule, count) in rules.iter().zip(&counts) {
        println!("{name}: {count} x {} {}", rule.quirk, rule.anchor);
    }

    problems.extend(check_rules(rules));
    if is_own_copy {
        let others = rules.iter().zip(&counts).filter(|(rule, count)| rule.count != **count || **count == 0);
        problems
            .extend(others.map(|(rule, count)| format!("{} is needed {count} times, not {}", rule.quirk, rule.count)));
    }
    if !problems.is_empty() {
        let mut report = format!("{} problems with {lines} lines of {name}", problems.len());
        for problem in problems.iter().take(SHOWN_FAILURES) {
            let _ = write!(report, "\n{problem}");
        }
        panic!("{report}");
    }
}

/// Applies the rules for a line's quirks to what it expects.
fn prepare(mut line: Value, rules: &[Rule], unnamed: Unnamed, counts: &mut [usize]) -> Case {
    let named = line["quirks"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let quirks: Vec<String> = named.chain(unnamed(&line).into_iter().map(str::to_owned)).collect();
    let kind = line["kind"].as_str().unwrap_or_default().to_owned();
    for (rule, count) in rules.iter().zip(counts) {
        let is_meant = quirks.iter().any(|quirk| quirk == rule.quirk)
            && (rule.kinds.is_empty() || rule.kinds.contains(&kind.as_str()));
        match rule.verdict {
            Verdict::Copied => *count += usize::from(is_meant),
            Verdict::Adapted(expect_ours) if is_meant => {
                let theirs = line.clone();
                expect_ours(&mut line);
                *count += usize::from(line != theirs);
            }
            Verdict::Adapted(_) | Verdict::Excused => {}
        }
    }
    Case { line, excused: Vec::new(), failures: Vec::new(), compared: 0 }
}

/// What is wrong with the table itself.
fn check_rules(rules: &[Rule]) -> Vec<String> {
    let differences = differences();
    let mut problems = Vec::new();
    for Rule { quirk, verdict, reason, anchor, .. } in rules {
        let differs = !matches!(verdict, Verdict::Copied);
        if reason.is_empty() || differs == anchor.is_empty() {
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

fn read(folder: &Path, name: &str) -> io::Result<String> {
    let plain = folder.join(format!("{name}.jsonl"));
    if plain.exists() {
        return fs::read_to_string(plain);
    }
    let mut text = String::new();
    MultiGzDecoder::new(File::open(folder.join(format!("{name}.jsonl.gz")))?).read_to_string(&mut text)?;
    Ok(text)
}
