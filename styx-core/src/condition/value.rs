//! Values, as Java has them: what is equal, what is less, what is true, and how each is written.

use std::{cmp::Ordering, sync::Arc};

use super::{
    Problem,
    arithmetic::{Pair, pair},
};

/// A value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Text(Arc<str>),
    List(Arc<[Value]>),
    Array(Array),
    /// In the order in which the keys came first.
    Map(Arc<[(Value, Value)]>),
    /// What a selection or projection of a map looks at.
    Entry(Arc<(Value, Value)>),
}

/// Elements of one type, as Java's arrays have them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub(super) of: Component,
    /// Whether the elements are objects: what a selection or projection of an array gives.
    pub(super) is_boxed: bool,
    pub(super) elements: Arc<[Value]>,
}

/// What an array is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Component {
    Bool,
    Byte,
    Short,
    Int,
    Long,
    Float,
    Double,
    Text,
    Object,
}

impl Component {
    /// The type of this name, in any case, that Java has without a class; not `char`, which has no values here.
    pub(super) fn of_primitive(name: &str) -> Option<Self> {
        const NAMES: [(&str, Component); 7] = [
            ("boolean", Component::Bool),
            ("byte", Component::Byte),
            ("short", Component::Short),
            ("int", Component::Int),
            ("long", Component::Long),
            ("float", Component::Float),
            ("double", Component::Double),
        ];
        NAMES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, component)| component)
    }

    /// What an array of these values is made of.
    pub(super) fn of_values(values: &[Value]) -> Self {
        let of = |value: &Value| match value {
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::Long(_) => Self::Long,
            Value::Float(_) => Self::Float,
            Value::Double(_) => Self::Double,
            Value::Text(_) => Self::Text,
            _ => Self::Object,
        };
        let mut kinds = values.iter().filter(|value| **value != Value::Null).map(of);
        let first = kinds.next().unwrap_or(Self::Object);
        if kinds.all(|kind| kind == first) { first } else { Self::Object }
    }

    /// What the elements are that nobody has set.
    pub(super) fn zero(self) -> Value {
        match self {
            Self::Bool => Value::Bool(false),
            Self::Byte | Self::Short | Self::Int => Value::Int(0),
            Self::Long => Value::Long(0),
            Self::Float => Value::Float(0.0),
            Self::Double => Value::Double(0.0),
            Self::Text | Self::Object => Value::Null,
        }
    }

    /// A value as one of these; `None` if it can't be one.
    pub(super) fn converted(self, value: &Value) -> Option<Value> {
        let whole = |least: i64, most: i64| {
            let number = match value {
                Value::Int(number) => i64::from(*number),
                Value::Long(number) => *number,
                // Cut off, and saturated beyond 64 bits.
                Value::Float(number) => *number as i64,
                Value::Double(number) => *number as i64,
                Value::Text(text) => text.trim().parse().ok()?,
                _ => return None,
            };
            (least..=most).contains(&number).then_some(number)
        };
        let real = || match value {
            Value::Int(number) => Some(f64::from(*number)),
            Value::Long(number) => Some(*number as f64),
            Value::Float(number) => Some(f64::from(*number)),
            Value::Double(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        match (self, value) {
            (_, Value::List(elements)) => self.converted(elements.first()?),
            (Self::Bool, _) => value.truth().ok().flatten().map(Value::Bool),
            (Self::Byte, _) => whole(i8::MIN.into(), i8::MAX.into()).map(|number| Value::Int(number as i32)),
            (Self::Short, _) => whole(i16::MIN.into(), i16::MAX.into()).map(|number| Value::Int(number as i32)),
            (Self::Int, _) => whole(i32::MIN.into(), i32::MAX.into()).map(|number| Value::Int(number as i32)),
            (Self::Long, _) => whole(i64::MIN, i64::MAX).map(Value::Long),
            (Self::Float, _) => real().map(|number| Value::Float(number as f32)),
            (Self::Double, _) => real().map(Value::Double),
            (Self::Text | Self::Object, _) => None,
        }
    }
}

impl Value {
    /// What it is, in an error.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Long(_) => "a whole number",
            Self::Float(_) | Self::Double(_) => "a real number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Entry(_) => "an entry of a map",
        }
    }

    /// Whether it is a list or an array with a map in it, which has no text; a map by itself has one.
    pub(super) fn holds_map(&self) -> bool {
        let (Self::List(elements) | Self::Array(Array { elements, .. })) = self else { return false };
        elements.iter().any(|element| matches!(element, Self::Map(_) | Self::Entry(_)) || element.holds_map())
    }

    /// Whether it counts as true; `None` for null and what counts as null. A list counts as its first element, and so does
    /// an array whose elements can be true.
    pub(super) fn truth(&self) -> Result<Option<bool>, Problem> {
        match self {
            Self::Null => Ok(None),
            Self::Bool(value) => Ok(Some(*value)),
            Self::Text(text) => {
                let word = text.trim_matches(|c| c <= ' ').to_lowercase();
                match word.as_str() {
                    "" => Ok(None),
                    "true" | "on" | "yes" | "1" => Ok(Some(true)),
                    "false" | "off" | "no" | "0" => Ok(Some(false)),
                    _ => Err(Problem::NoTruth(format!("the text `{}`", text.escape_debug()).into())),
                }
            }
            Self::List(elements) => elements.first().map_or(Ok(None), Self::truth),
            Self::Array(Array { of: Component::Bool | Component::Text | Component::Object, elements, .. }) => {
                elements.first().map_or(Ok(None), Self::truth)
            }
            _ => Err(Problem::NoTruth(self.name().into())),
        }
    }

    /// Equality of the operators `==` and `!=`: numbers by value, lists element by element as Java compares objects.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match pair(self, other) {
            Some(Pair::Int(a, b)) => a == b,
            Some(Pair::Long(a, b)) => a == b,
            Some(Pair::Float(a, b)) => a == b,
            Some(Pair::Double(a, b)) => a == b,
            None => match (self, other) {
                (Self::Array(a), Self::Array(b)) => a.equals(b),
                _ => self.is_same(other),
            },
        }
    }

    /// Java's `equals`: a number of another type is another object.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(&**b).all(|(a, b)| a.is_same(b)),
            // An array within something else is the same only as itself.
            (Self::Array(a), Self::Array(b)) => Arc::ptr_eq(&a.elements, &b.elements),
            (Self::Map(a), Self::Map(b)) => {
                let has_same = |(key, value): &(Value, Value)| at_key(b, key).is_some_and(|other| value.is_same(other));
                a.len() == b.len() && a.iter().all(has_same)
            }
            (Self::Entry(a), Self::Entry(b)) => a.0.is_same(&b.0) && a.1.is_same(&b.1),
            _ => self == other,
        }
    }

    /// The order of `<` and its like, which is none where a number isn't one; `Err` where the two can't be ordered.
    pub(super) fn partial_order(&self, other: &Self) -> Result<Option<Ordering>, ()> {
        match pair(self, other) {
            Some(Pair::Float(a, b)) => Ok(a.partial_cmp(&b)),
            Some(Pair::Double(a, b)) => Ok(a.partial_cmp(&b)),
            _ => self.order(other).map(Some),
        }
    }

    /// The order of `between`: null comes first, what isn't a number last; `Err` where the two can't be ordered.
    pub(super) fn order(&self, other: &Self) -> Result<Ordering, ()> {
        match (self, other) {
            (Self::Null, Self::Null) => Ok(Ordering::Equal),
            (Self::Null, _) => Ok(Ordering::Less),
            (_, Self::Null) => Ok(Ordering::Greater),
            (Self::Bool(a), Self::Bool(b)) => Ok(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Ok(a.encode_utf16().cmp(b.encode_utf16())),
            _ => match pair(self, other) {
                Some(Pair::Int(a, b)) => Ok(a.cmp(&b)),
                Some(Pair::Long(a, b)) => Ok(a.cmp(&b)),
                Some(Pair::Float(a, b)) => Ok(order_of_reals(a.into(), b.into())),
                Some(Pair::Double(a, b)) => Ok(order_of_reals(a, b)),
                None => Err(()),
            },
        }
    }

    /// As Java writes it into a text; `None` if that takes more bytes. A list may hold the same text many times.
    pub(super) fn written(&self, most: usize) -> Option<String> {
        let mut out = String::new();
        self.write(&mut out, most).then_some(out)
    }

    fn write(&self, out: &mut String, most: usize) -> bool {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(number) => out.push_str(&number.to_string()),
            Self::Long(number) => out.push_str(&number.to_string()),
            Self::Float(number) => out.push_str(&written_real(f64::from(*number), &format!("{:e}", number.abs()))),
            Self::Double(number) => out.push_str(&written_real(*number, &format!("{:e}", number.abs()))),
            Self::Text(text) if text.len() > most => return false,
            Self::Text(text) => out.push_str(text),
            Self::List(elements) | Self::Array(Array { elements, .. }) => {
                return elements.iter().enumerate().all(|(index, element)| {
                    out.push_str(if index == 0 { "" } else { "," });
                    element.write(out, most)
                });
            }
            Self::Map(entries) => {
                out.push('{');
                let is_written = entries.iter().enumerate().all(|(index, (key, value))| {
                    out.push_str(if index == 0 { "" } else { ", " });
                    write_entry(key, value, out, most)
                });
                out.push('}');
                return is_written && out.len() <= most;
            }
            Self::Entry(entry) => return write_entry(&entry.0, &entry.1, out, most),
        }
        out.len() <= most
    }
}

/// The value that a map has for a key.
pub(super) fn at_key<'a>(entries: &'a [(Value, Value)], key: &Value) -> Option<&'a Value> {
    entries.iter().find(|(known, _)| known.is_same(key)).map(|(_, value)| value)
}

impl Array {
    /// Equality of `==`: arrays of one type, element by element; all arrays of objects are of one type.
    fn equals(&self, other: &Self) -> bool {
        let is_comparable = if self.is_boxed { other.is_boxed } else { !other.is_boxed && self.of == other.of };
        is_comparable
            && self.elements.len() == other.elements.len()
            && self.elements.iter().zip(&*other.elements).all(|(a, b)| a.is_same(b))
    }
}

fn write_entry(key: &Value, value: &Value, out: &mut String, most: usize) -> bool {
    let is_key_written = key.write(out, most);
    out.push('=');
    is_key_written && value.write(out, most)
}

/// Java's total order: -0.0 before 0.0, NaN behind all.
fn order_of_reals(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).filter(|order| order.is_ne()).unwrap_or_else(|| {
        let rank = |number: f64| (number.is_nan(), !number.is_sign_negative());
        if a.is_nan() || b.is_nan() { a.is_nan().cmp(&b.is_nan()) } else { rank(a).cmp(&rank(b)) }
    })
}

/// Java's way with a real number, from its shortest digits in scientific form (`1.25e2`).
fn written_real(number: f64, scientific: &str) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number.is_infinite() {
        return format!("{sign}Infinity");
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let or_zero = |digits: &str| if digits.is_empty() { "0".to_owned() } else { digits.to_owned() };
    match exponent {
        0..=6 => {
            let whole = exponent as usize + 1;
            let padded = format!("{digits:0<whole$}");
            format!("{sign}{}.{}", &padded[..whole], or_zero(&padded[whole..]))
        }
        -3..=-1 => format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1)),
        _ => format!("{sign}{}.{}E{exponent}", &digits[..1], or_zero(&digits[1..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_numbers_are_written_as_java_writes_them() {
        let double = |number: f64| Value::Double(number).written(99).unwrap();
        let expected = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (1.5, "1.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (12_345_678.0, "1.2345678E7"),
            (1e300, "1.0E300"),
            (-0.05, "-0.05"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, text) in expected {
            assert_eq!(double(number), text);
        }
        assert_eq!(Value::Float(0.1).written(3).as_deref(), Some("0.1"));
        let list = Value::List([Value::Int(1), Value::Null, Value::Text("a".into())].into());
        assert_eq!((list.written(8).as_deref(), list.written(7)), (Some("1,null,a"), None));
    }

    #[test]
    fn the_total_order_of_reals_is_javas() {
        let ascending = [f64::NEG_INFINITY, -1.0, -0.0, 0.0, 1.0, f64::INFINITY, f64::NAN];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(order_of_reals(*a, *b), i.cmp(&j), "{a} {b}");
            }
        }
    }
}
