//! The rules of Kubernetes itself.

/// Whether Kubernetes takes a text as the value of a label: empty, or at most 63 letters, digits, `-`, `_` and `.`, with a
/// letter or a digit at both ends.
pub(crate) fn is_label_value(text: &str) -> bool {
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    match text.as_bytes() {
        [] => true,
        [only] => only.is_ascii_alphanumeric(),
        [first, inside @ .., last] => {
            text.len() <= 63
                && first.is_ascii_alphanumeric()
                && inside.iter().all(is_inside)
                && last.is_ascii_alphanumeric()
        }
    }
}
