//! What stands under `pod:`, as the tools of Kubernetes read it: by YAML 1.1, where `0400` is an octal number and `yes` is true.
//! All else in a file is YAML 1.2.

use crate::{
    seeming::{is_plain, written},
    tree::{Tree, Value},
};

/// What YAML 1.1 takes for true.
const TRUE: [&str; 11] = ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];
/// What it takes for false.
const FALSE: [&str; 11] = ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];

/// Reads the scalars of a tree anew that are written without quotes.
pub(super) fn read_again(tree: &mut Tree, text: &str) {
    match &mut tree.value {
        Value::List(items) => items.iter_mut().for_each(|item| read_again(item, text)),
        Value::Map(members) => members.iter_mut().for_each(|member| read_again(&mut member.tree, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {
            if is_plain(tree, text)
                && let Some(value) = scalar(written(tree, text))
            {
                tree.value = value;
            }
        }
    }
}

/// What is written plainly, if it is a flag or a number.
fn scalar(written: &str) -> Option<Value> {
    if TRUE.contains(&written) {
        return Some(Value::Bool(true));
    }
    if FALSE.contains(&written) {
        return Some(Value::Bool(false));
    }
    let plain = written.replace('_', "");
    integer(&plain).map(|number| number.to_string()).or_else(|| float(&plain)).map(Value::Number)
}

/// A whole number of 64 bits: decimal, or with `0x`, `0b`, `0o` or `0` in front.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', b'o' | b'O', ..] => (&digits[2..], 8),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    // Another sign behind the first is none of a number.
    let number = digits.starts_with(|first: char| first.is_ascii_alphanumeric());
    let number = sign * number.then(|| i128::from_str_radix(digits, radix).ok())??;
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number).then_some(number)
}

/// A decimal fraction, or a number with an exponent; a whole one is written as such, since JSON has it so from Kubernetes' tools.
fn float(text: &str) -> Option<String> {
    let is_of_number = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | 'e' | 'E' | '+' | '-');
    if !text.chars().all(is_of_number) || !text.contains(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    // The largest numbers that are written without an exponent.
    let shown = if number.abs() < 1e21 { format!("{number}") } else { format!("{number:e}") };
    number.is_finite().then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(written: &str) -> Option<String> {
        scalar(written).map(|value| match value {
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number,
            _ => unreachable!(),
        })
    }

    #[test]
    fn scalars_are_what_the_tools_of_kubernetes_take_them_for() {
        for (written, expected) in [
            ("0400", "256"),
            ("0o400", "256"),
            ("0O17", "15"),
            ("400", "400"),
            ("-0400", "-256"),
            ("+7", "7"),
            ("0", "0"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            // No octal number, so a decimal fraction.
            ("08", "8"),
            ("0999", "999"),
            ("1e2", "100"),
            ("1E3", "1000"),
            ("2.50", "2.5"),
            (".5", "0.5"),
            ("18446744073709551615", "18446744073709551615"),
            ("yes", "true"),
            ("On", "true"),
            ("NO", "false"),
            ("n", "false"),
            ("False", "false"),
        ] {
            assert_eq!(shown(written).as_deref(), Some(expected), "{written}");
        }
        for text in [
            "0400m",
            "--4",
            "-+4",
            "+",
            "-",
            ".",
            "e",
            "1.2.3",
            "100m",
            "1Gi",
            "yEs",
            "2026-01-01",
            "0o8",
            "0x",
            "",
            "1:30",
            "_",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
