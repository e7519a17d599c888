//! YAML that means something else than it seems to whoever wrote it: refused, with what to write instead.

use crate::{
    error::Problem,
    keys,
    tree::{Member, Tree, Value},
};

/// Fields that hold a list of texts, and may be given a single text over the API only.
const LISTS: [&str; 3] = ["docker_command", "docker_args", "resources"];
/// Fields whose absence has an error of its own.
const REQUIRED: [&str; 11] = [
    "id",
    "schedule",
    "reference_id",
    "resource_type",
    "project",
    "domain",
    "name",
    "version",
    "source",
    "mount_path",
    "enabled",
];
/// Fields of which a blank text would count as no text at all.
const NEVER_BLANK: [&str; 2] = ["running_timeout", "deployment_time"];
/// What a condition can name.
const VARIABLES: [&str; 4] = ["exitCode", "tries", "consecutiveFailures", "triggerType"];
/// Quotes of printed texts: YAML takes them for letters.
const PRINTED_QUOTES: &str = "\u{201c}\u{201d}\u{201e}\u{2018}\u{2019}\u{201a}";
const COMMENT: &str = "an unquoted # begins a comment";

/// Finds them in a workflow; `text` is the one that it stands in.
pub(super) fn otherwise(tree: &Tree, text: &str) -> Vec<Problem> {
    let mut finder = Finder { text, found: Vec::new() };
    finder.members(tree, "");
    finder.found
}

/// Adds what a null may have been meant to be, if a comment stands in its place.
pub(super) fn null_hint(tree: &Tree, text: &str) -> &'static str {
    // An item that is a comment is found behind it.
    let start = text.get(..offset(tree, text)).and_then(|before| before.rfind(['\n', '\r'])).map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default().trim_start();
    let is_comment = line.strip_prefix('-').is_some_and(|rest| rest.trim_start().starts_with('#'));
    match is_comment || after(tree, text).starts_with('#') {
        true => "; an unquoted # begins a comment, so a text with one needs quotes",
        false => "",
    }
}

/// Says what to write instead of a null in a list or a map of texts.
pub(super) fn element_hint(key: &str, tree: &Tree, text: &str) -> String {
    let hint = null_hint(tree, text);
    if !hint.is_empty() {
        return hint.into();
    }
    match written(tree, text) {
        "" if key.contains(':') => "; behind the colon of a key there has to be a blank".into(),
        "" => "; write \"\" for an empty text".into(),
        written => {
            format!("; without quotes it is no text: write \"{written}\" if it is meant, or \"\" for an empty text")
        }
    }
}

/// Says what to write instead of a list or a map where a text belongs, or of a list where a map belongs.
pub(super) fn kind_hint(path: &str, tree: &Tree, text: &str) -> String {
    let begins = written(tree, text).chars().next();
    match &tree.value {
        Value::Map(members) if members.is_empty() && path.starts_with("docker_args[") => {
            "; the placeholder needs quotes: \"{}\"".into()
        }
        Value::List(_) if path == "env" => "; write each variable as NAME: VALUE, without a `-`".into(),
        Value::Map(_) | Value::List(_) if is_text(path) => match begins {
            Some(first @ ('{' | '[')) => format!("; a text that begins with {first} needs quotes"),
            _ if matches!(tree.value, Value::Map(_)) => "; a text with a colon and a blank in it needs quotes".into(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// Whether a text belongs at a path.
fn is_text(path: &str) -> bool {
    !LISTS.contains(&path) && !["env", "secret", "pod", "flyte_exec_conf", "deployment_source"].contains(&path)
}

/// Says why keys and values are one text: `id:a` is no key, `id: a` is.
pub(super) fn joined_hint(tree: &Tree) -> &'static str {
    let is_joined = |word: &str| {
        let name = word.split_once(':').map_or("", |(name, _)| name);
        !name.is_empty() && keys::is_known("", name)
    };
    match &tree.value {
        Value::Text(text) if text.split_whitespace().any(is_joined) => {
            "; behind the colon of a key there has to be a blank"
        }
        _ => "",
    }
}

/// Whether a value is written without quotes, and not as a block.
pub(super) fn is_plain(tree: &Tree, text: &str) -> bool {
    unquoted(written(tree, text)).is_some()
}

/// A value as it is written; empty when nothing is.
pub(super) fn written<'a>(tree: &Tree, text: &'a str) -> &'a str {
    tree.range.clone().and_then(|range| text.get(range)).unwrap_or_default()
}

/// What follows on the line behind the place of a value, or behind the value if it is written.
pub(super) fn after<'a>(tree: &Tree, text: &'a str) -> &'a str {
    let start = match &tree.range {
        Some(range) => range.end,
        None => offset(tree, text),
    };
    let rest = text.get(start..).unwrap_or_default();
    rest.lines().next().unwrap_or_default().trim_start_matches([' ', '\t', ':', '-'])
}

/// The byte at which a value's place is.
fn offset(tree: &Tree, text: &str) -> usize {
    let mut start = 0;
    for _ in 1..tree.place.line {
        let rest = &text[start..];
        let Some(end) = rest.find(['\n', '\r']) else { return text.len() };
        start += end + if rest[end..].starts_with("\r\n") { 2 } else { 1 };
    }
    let column = usize::try_from(tree.place.column).unwrap_or(usize::MAX).saturating_sub(1);
    start + text[start..].char_indices().nth(column).map_or(text.len() - start, |(at, _)| at)
}

struct Finder<'a> {
    text: &'a str,
    found: Vec<Problem>,
}

impl Finder<'_> {
    fn add(&mut self, tree: &Tree, field: &str, text: impl Into<String>) {
        self.found.push(Problem { place: Some(tree.place), field: Some(field.into()), text: text.into(), rule: None });
    }

    fn members(&mut self, tree: &Tree, path: &str) {
        let Value::Map(members) = &tree.value else { return };
        for member in members {
            let field = if path.is_empty() { member.name.clone() } else { format!("{path}.{}", member.name) };
            self.name(member, &field);
            self.member(member, path, &field);
        }
    }

    /// A name with a letter that nobody sees is another name.
    fn name(&mut self, member: &Member, field: &str) {
        let written = member.range.clone().and_then(|range| self.text.get(range)).unwrap_or_default();
        if let Some(unseen) = unquoted(written).and_then(first_unseen) {
            let text = format!("the name has {unseen}");
            self.found.push(Problem { place: Some(member.place), field: Some(field.into()), text, rule: None });
        }
    }

    fn member(&mut self, member: &Member, path: &str, field: &str) {
        let Member { name, tree, .. } = member;
        match &tree.value {
            Value::Null if path.is_empty() || path != "env" && !path.ends_with("input_fields") => {
                self.null(member, path, field);
            }
            Value::Text(_) | Value::Number(_) | Value::Bool(_) if path.is_empty() && LISTS.contains(&name.as_str()) => {
                self.single(tree, field);
            }
            Value::Text(text) if path.is_empty() && NEVER_BLANK.contains(&name.as_str()) && text.trim().is_empty() => {
                self.add(tree, field, "is blank: give it a value, or leave the line out");
            }
            Value::Number(number) if path.is_empty() && name == "docker_termination_logging" => {
                self.add(tree, field, format!("expected true or false, found the number {number}"));
            }
            Value::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.plain(item, &format!("{field}[{at}]"));
                }
            }
            Value::Map(_) => self.members(tree, field),
            _ => {
                self.plain(tree, field);
                if field == "retry_condition" {
                    self.condition(tree, field);
                }
            }
        }
    }

    /// A key without a value. As JSON writes it, it means what it says.
    fn null(&mut self, member: &Member, path: &str, field: &str) {
        let Member { name, tree, range, .. } = member;
        let written = |range: &Option<std::ops::Range<usize>>| range.clone().and_then(|range| self.text.get(range));
        let is_json = written(range).is_some_and(|name| name.starts_with('"')) && written(&tree.range) == Some("null");
        if !keys::is_known(path, name) || is_json || REQUIRED.contains(&name.as_str()) {
            return;
        }
        let text = match after(tree, self.text).starts_with('#') {
            true => format!("has no value: {COMMENT}, so put the text into quotes, or leave the line out"),
            false => "has no value: give it one, or leave the line out".into(),
        };
        self.add(tree, field, text);
    }

    /// A text where a list belongs would be a list of one.
    fn single(&mut self, tree: &Tree, field: &str) {
        let (Value::Text(text) | Value::Number(text)) = &tree.value else {
            return self.add(tree, field, "expected a list of texts, such as [a, b]");
        };
        let is_simple = text.len() <= 60 && !text.contains(['"', '\'', '\\', '\n']);
        let words: Vec<_> = text.split_whitespace().map(|word| format!("{word:?}")).collect();
        let text = match is_simple && !words.is_empty() {
            true => format!("expected a list of texts, found one text; write [{}]", words.join(", ")),
            false => {
                "expected a list of texts, found one text; write each on a line of its own that begins with `- `".into()
            }
        };
        self.add(tree, field, text);
    }

    /// A text without quotes.
    fn plain(&mut self, tree: &Tree, field: &str) {
        let (Value::Text(_) | Value::Number(_)) = &tree.value else { return };
        let Some(written) = unquoted(written(tree, self.text)) else { return };
        if written.starts_with(|first| PRINTED_QUOTES.contains(first)) {
            return self.add(tree, field, "begins with a printed quote, which YAML takes for a letter: write \" or '");
        }
        if let Some(unseen) = first_unseen(written) {
            return self.add(tree, field, format!("has {unseen}"));
        }
        if written.lines().skip(1).any(|line| line.trim_start().starts_with("- ")) {
            let text = "goes on over a line that begins with `-`, which is no item of its own: indent it like the first \
                        item, or put the text into quotes";
            self.add(tree, field, text);
        }
    }

    /// A condition of which a comment has cut off the rest.
    fn condition(&mut self, tree: &Tree, field: &str) {
        let rest = after(tree, self.text);
        let is_cut = rest.strip_prefix('#').is_some_and(|rest| VARIABLES.iter().any(|name| rest.starts_with(name)));
        if is_plain(tree, self.text) && is_cut {
            self.add(tree, field, format!("is cut off: {COMMENT}, so put the condition into quotes"));
        }
    }
}

/// A text that is written without quotes, and not as a block.
fn unquoted(written: &str) -> Option<&str> {
    let is_plain = !written.is_empty() && !written.starts_with(['"', '\'', '|', '>', '&', '!', '*', '[', '{']);
    is_plain.then_some(written)
}

/// Says which letter of a text can't be seen, and what to do.
fn first_unseen(text: &str) -> Option<String> {
    let is_unseen = |letter: &char| {
        matches!(letter, '\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{202f}'
            | '\u{2060}'..='\u{2069}' | '\u{3000}' | '\u{feff}')
    };
    let unseen = text.chars().find(is_unseen)?;
    Some(format!(
        "the letter U+{:04X}, which looks like a blank or like nothing: remove it, or quote the text",
        u32::from(unseen)
    ))
}
