//! Texts of others, made harmless: nothing in them moves the cursor, begins a line, hides, or changes what stands around it.
//!
//! Whatever comes from a log, an answer, a file or its name goes through here on its way to a terminal. JSON has escapes of its
//! own, but needn't use them for what isn't ASCII: [`json`] sees to that.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

/// The widest that a text is filled up to. One long text shall not push all others away, and a format can't fill up to more
/// than 65,535.
pub const WIDEST: usize = 1_000;

/// A text on one line, with what can't be seen written as Rust writes it: `\n`, `\u{1b}`.
///
/// ```
/// assert_eq!(styx_host::text::visible("a\nb\u{1b}[2J"), r"a\nb\u{1b}[2J");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen)
}

/// The same for a text of several lines.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| is_unseen(letter) && !matches!(letter, '\n' | '\t'))
}

/// A text of several lines in which nothing but line ends, tabs and colours act on a terminal: the last net under what programs
/// print, whose parts are [`visible`] already.
pub fn printable(text: &str) -> Cow<'_, str> {
    unless_colour(text, |letter| is_unseen(letter) && !matches!(letter, '\n' | '\t'))
}

/// The same on one line, such as that of a server's log.
pub fn printable_line(text: &str) -> Cow<'_, str> {
    unless_colour(text, |letter| is_unseen(letter) && letter != '\t')
}

/// A text in JSON in which nothing but line ends and tabs acts on a terminal: what can't be seen is escaped as JSON does it, so the
/// value is the same.
///
/// ```
/// assert_eq!(styx_host::text::json("{\"a\": \"b\u{9b}2J\u{202e}\"}"), r#"{"a": "b\u009b2J\u202e"}"#);
/// ```
pub fn json(text: &str) -> Cow<'_, str> {
    let is_meant = |letter: char| is_unseen(letter) && !matches!(letter, '\n' | '\t' | '\r');
    if !text.contains(is_meant) {
        return text.into();
    }
    let mut escaped = String::new();
    for letter in text.chars() {
        if is_meant(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(letter);
        }
    }
    escaped.into()
}

/// At most so many letters of a text, and three dots if that isn't all: for errors that name a value of any length.
///
/// ```
/// use styx_host::text::shortened;
///
/// assert_eq!((&*shortened("abc", 3), &*shortened("abcd", 3)), ("abc", "abc..."));
/// ```
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

/// How many columns of a terminal a text takes, if it is visible.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, filled up with blanks to a width; to [`WIDEST`] at most.
pub fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", room(text, to))
}

/// The text with blanks in front of it.
pub fn padded_start(text: &str, to: usize) -> String {
    format!("{}{text}", room(text, to))
}

/// The blanks that a text lacks to a width.
pub fn room(text: &str, to: usize) -> String {
    " ".repeat(to.min(WIDEST).saturating_sub(width(text)))
}

fn escaped(text: &str, is_meant: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_meant) {
        return text.into();
    }
    let mut visible = String::new();
    for letter in text.chars() {
        if is_meant(letter) {
            visible.extend(letter.escape_default());
        } else {
            visible.push(letter);
        }
    }
    visible.into()
}

fn unless_colour(text: &str, is_meant: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_meant) {
        return text.into();
    }
    let mut printable = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&is_meant) {
        let (before, from) = rest.split_at(at);
        printable.push_str(before);
        let length = colour(from).unwrap_or_else(|| from.chars().next().map_or(0, char::len_utf8));
        let (meant, after) = from.split_at(length);
        match colour(meant) {
            Some(_) => printable.push_str(meant),
            None => printable.extend(meant.escape_default()),
        }
        rest = after;
    }
    printable.push_str(rest);
    printable.into()
}

/// The length of the sequence at the begin of a text that only sets colours: `ESC [ 1;31 m`.
fn colour(text: &str) -> Option<usize> {
    let sequence = text.strip_prefix("\u{1b}[")?;
    let end = sequence.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    sequence[end..].starts_with('m').then_some(2 + end + 1)
}

/// Whether it controls a terminal, ends a line, takes no room, or turns the direction of what follows.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(visible("a\nb\u{1b}[2Jc\u{202e}\u{9b}\r"), r"a\nb\u{1b}[2Jc\u{202e}\u{9b}\r");
        assert_eq!(visible("\u{2066}\u{200b}\u{feff}\u{2028}"), r"\u{2066}\u{200b}\u{feff}\u{2028}");
        assert_eq!(visible_lines("a\n\tb\u{1b}"), "a\n\tb\\u{1b}");
    }

    proptest! {
        #[test]
        fn json_stays_the_same_value(text in "[\\PC\\pC\u{9b}\u{202e}\u{e0041}\"\\\\]*") {
            let written = serde_json::Value::from(text.as_str()).to_string();
            let shown = json(&written);
            prop_assert!(!shown.contains(is_unseen), "{}", shown);
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }

    #[test]
    fn no_width_is_too_wide() {
        assert_eq!(padded("é", 100_000), format!("é{}", " ".repeat(WIDEST - 1)));
        assert_eq!((padded_start("数", 4), padded("abc", 2)), ("  数".into(), "abc".into()));
    }

    #[test]
    fn colours_pass_and_no_other_sequence() {
        assert_eq!(
            printable("\u{1b}[1;31mred\u{1b}[m\n\u{1b}[2J\u{1b}["),
            "\u{1b}[1;31mred\u{1b}[m\n\\u{1b}[2J\\u{1b}["
        );
        assert_eq!(printable_line("\u{1b}[31ma\nb\tc"), "\u{1b}[31ma\\nb\tc");
        assert_eq!(printable("\u{1b}[8;1H\u{1b}]0;title\u{7}\u{202e}"), r"\u{1b}[8;1H\u{1b}]0;title\u{7}\u{202e}");
    }

    proptest! {
        #[test]
        fn a_text_is_on_one_line_and_stays_what_it_is_if_it_was(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_unseen));
            let plain: String = text.chars().filter(|letter| !is_unseen(*letter)).collect();
            prop_assert_eq!(visible(&plain), plain.as_str());
        }

        #[test]
        fn a_short_text_is_whole(text in any::<String>(), most in 0..20_usize) {
            let short = shortened(&text, most);
            prop_assert!(short.chars().count() <= most + 3);
            prop_assert!(text.chars().count() > most || short == text);
        }
    }
}
