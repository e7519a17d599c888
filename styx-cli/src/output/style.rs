//! Columns and colours.

use std::fmt::Display;

/// A colour by its number in the escape sequence that turns it on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Color(u8);

impl Color {
    pub(crate) const RED: Self = Self(31);
    pub(crate) const GREEN: Self = Self(32);
    pub(crate) const YELLOW: Self = Self(33);
    pub(crate) const BLUE: Self = Self(34);
    pub(crate) const CYAN: Self = Self(36);
    pub(crate) const DEFAULT: Self = Self(39);
    pub(crate) const GRAY: Self = Self(90);
    pub(crate) const BRIGHT_RED: Self = Self(91);
    pub(crate) const BRIGHT_GREEN: Self = Self(92);
    pub(crate) const BRIGHT_YELLOW: Self = Self(93);
    pub(crate) const BRIGHT_BLUE: Self = Self(94);
    pub(crate) const BRIGHT_CYAN: Self = Self(96);
}

/// Colours a text, if colours are wanted.
pub(crate) fn paint(text: &str, color: Color, wanted: bool) -> String {
    if wanted { format!("\x1b[{}m{text}\x1b[m", color.0) } else { text.into() }
}

/// Colours a text and fills it up to a width; the escape sequences take no room.
pub(crate) fn paint_padded(text: &str, width: usize, color: Color, wanted: bool) -> String {
    let room = width.saturating_sub(text.chars().count());
    format!("{}{:room$}", paint(text, color, wanted), "")
}

/// A value's text, or nothing.
pub(crate) fn or_empty<T: Display>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A list as Java prints it: `[a, b]`.
pub(crate) fn java_list(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

/// A map as Java prints it: `{K=V, L=W}`.
pub(crate) fn java_map<'a>(entries: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let entries: Vec<_> = entries.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{{{}}}", entries.join(", "))
}
