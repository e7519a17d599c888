//! Any text as the value of a label.

use crate::sha256_hex;

/// The longest value that Kubernetes takes.
const MAX: usize = 63;
/// How many digits of a hash keep texts apart that look alike without what a label can't hold.
const DIGEST: usize = 7;

/// Whether a text is kept as it is: empty, or at most 63 small letters, digits, `_` and `-`, with a letter or a digit at
/// both ends.
pub fn is_normalised(text: &str) -> bool {
    let is_at_end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    text.len() <= MAX && text.chars().all(is_kept) && is_at_end(bytes.first()) && is_at_end(bytes.last())
}

/// The value of a label that stands for a text, in the same form as Styx 2.x gives it (scheduler and runner, d).
///
/// Kubernetes takes every value that comes out. Where the original's begins with `-` or `_`, which Kubernetes refuses,
/// ours has a `p` before it.
///
/// ```
/// use styx_k8s::labels::normalise;
///
/// assert_eq!(normalise("daily-report"), "daily-report");
/// assert_eq!(normalise("styx.TestEndpoint"), "styxtestendpoint8fcd519");
/// assert_eq!(normalise("-spotify"), "p-spotifye6181c8");
/// ```
pub fn normalise(text: &str) -> String {
    if is_normalised(text) {
        return text.to_owned();
    }
    let text = padded(text.to_owned());
    let kept = padded(text.to_lowercase().chars().filter(|letter| is_kept(*letter)).collect());
    let mut label: String = kept.chars().take(MAX - DIGEST).collect();
    label.push_str(&sha256_hex(&text)[..DIGEST]);
    label
}

/// The value of a label for a text that is meant to be one: itself where Kubernetes takes it, else its normal form.
///
/// Styx 2.x takes it as it is, and Kubernetes refuses the pod (RW-12).
pub fn value(text: &str) -> String {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_at_end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let is_valid =
        text.len() <= MAX && text.bytes().all(is_inner) && is_at_end(bytes.first()) && is_at_end(bytes.last());
    if is_valid { text.to_owned() } else { normalise(text) }
}

/// With a letter at the beginning where there is `-` or `_`.
fn padded(text: String) -> String {
    if text.starts_with(['-', '_']) { format!("p{text}") } else { text }
}

fn is_kept(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_' || letter == '-'
}
