//! Texts of others, made harmless: nothing in them moves the cursor, begins a line or changes what stands around it.

use std::borrow::Cow;

/// A text on one line, with what can't be seen written as Rust writes it: `\n`, `\u{1b}`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen)
}

/// The same for a text of several lines.
pub(crate) fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| is_unseen(letter) && !matches!(letter, '\n' | '\t'))
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

/// Whether it controls a terminal, ends a line, or turns the direction of what follows.
fn is_unseen(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(visible("a\nb\u{1b}[2Jc\u{202e}\u{9b}\r"), r"a\nb\u{1b}[2Jc\u{202e}\u{9b}\r");
        assert_eq!(visible_lines("a\n\tb\u{1b}"), "a\n\tb\\u{1b}");
    }

    proptest! {
        #[test]
        fn a_text_is_on_one_line_and_stays_what_it_is_if_it_was(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(char::is_control));
            let plain: String = text.chars().filter(|letter| !is_unseen(*letter)).collect();
            prop_assert_eq!(visible(&plain), plain.as_str());
        }
    }
}
