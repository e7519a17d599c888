//! What may differ from the recording: one rule for each, with the line of `docs/differences-from-styx-2.md` that says so.
//!
//! What no rule excuses is to be equal. What each excuses is counted, and on the project's own recording the counts are
//! pinned: a rule that excuses more than it did hides something, and one that excuses nothing is of no use.

use std::collections::BTreeMap;

/// A difference on purpose.
pub(super) struct Rule {
    /// The anchor of its line.
    pub(super) anchor: &'static str,
    /// What of an answer it excuses.
    pub(super) what: &'static str,
    /// How often the project's own recording needs it.
    pub(super) count: usize,
}

const fn rule(anchor: &'static str, count: usize, what: &'static str) -> Rule {
    Rule { anchor, what, count }
}

/// All that may differ.
pub(super) const RULES: &[Rule] = &[
    rule("http-head", 1, "HEAD is answered like GET"),
    rule("backfill-ends", 2, "the ends of a backfill are any texts of partitions, and a refusal names those near it"),
    rule("workflow-texts", 15, "the text after what a payload is refused for, up to the field"),
    rule("condition-texts", 1, "the text after `invalid retry condition: `"),
    rule("schedule-texts", 3, "the text after a parameter that can't be parsed"),
    rule("http-error-body", 79, "an error has a body where Styx sends none"),
    rule("http-headers", 90, "headers that leak from the original's inner client"),
    rule("http-order", 6, "a list is in the order of its keys"),
    rule("http-at-once", 202, "an event comes as soon as its cause, not with the next tick of a scheduler"),
    rule("http-flyte-id", 43, "a run that isn't one of Flyte has no `flyte_execution_id`"),
    rule("backfill-atomic", 5, "an edit triggers at once what it makes room for"),
    rule("backfill-negative", 7, "there is no backfill with a negative concurrency"),
    rule("state-timeout", 12, "a field of a run for which a time-out was injected: it counts as a failure"),
    rule("state-jitter", 93, "a field or an event of a run whose next try is drawn by lot"),
    rule("condition-at-submit", 3, "a condition that counts from the first try on"),
];

/// How often each rule excused something.
#[derive(Debug, Default)]
pub(super) struct Excuses(BTreeMap<&'static str, usize>);

impl Excuses {
    /// Counts one difference that a rule excuses.
    pub(super) fn excuse(&mut self, anchor: &'static str) {
        assert!(RULES.iter().any(|rule| rule.anchor == anchor), "no rule has the anchor {anchor}");
        *self.0.entry(anchor).or_default() += 1;
    }

    /// Rules whose counts aren't those of the table.
    pub(super) fn unexpected(&self) -> Vec<String> {
        let count = |rule: &Rule| self.0.get(rule.anchor).copied().unwrap_or_default();
        let differs = |rule: &&Rule| count(rule) != rule.count || rule.count == 0;
        let shown = |rule: &Rule| format!("{} excuses {}, not {}: {}", rule.anchor, count(rule), rule.count, rule.what);
        RULES.iter().filter(differs).map(shown).collect()
    }

    /// What each rule excused, for whoever reads the output of the test.
    pub(super) fn print(&self) {
        for rule in RULES {
            println!("{:5} x {}: {}", self.0.get(rule.anchor).copied().unwrap_or_default(), rule.anchor, rule.what);
        }
    }
}

#[test]
fn every_rule_has_its_line() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/differences-from-styx-2.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lacks = |rule: &&Rule| !page.contains(&format!("<a id=\"{}\">", rule.anchor));
    let without: Vec<_> = RULES.iter().filter(lacks).map(|rule| rule.anchor).collect();
    assert!(without.is_empty(), "no line on the differences has the anchor {without:?}");
}
