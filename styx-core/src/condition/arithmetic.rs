//! Arithmetic: whole numbers of 32 and 64 bits that wrap around, and real ones, as Java reckons with them.

use super::{Problem, node::Prefix, operator::Operator, value::Value};

/// Two numbers in the type in which they are reckoned with: the wider of theirs, and a real one if one is real.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pair {
    Int(i32, i32),
    Long(i64, i64),
    Float(f32, f32),
    Double(f64, f64),
}

/// Both as numbers of one type; `None` unless both are numbers.
pub(super) fn pair(left: &Value, right: &Value) -> Option<Pair> {
    use Value as V;
    Some(match (left, right) {
        (V::Int(a), V::Int(b)) => Pair::Int(*a, *b),
        (V::Double(_), _) | (_, V::Double(_)) => Pair::Double(double(left)?, double(right)?),
        (V::Float(_), _) | (_, V::Float(_)) => Pair::Float(float(left)?, float(right)?),
        _ => Pair::Long(long(left)?, long(right)?),
    })
}

/// The value of an operator between two numbers; `None` unless both are numbers and the operator is for them.
pub(super) fn reckon(operator: Operator, left: &Value, right: &Value) -> Result<Option<Value>, Problem> {
    let Some(pair) = pair(left, right) else {
        return Ok(None);
    };
    if operator == Operator::Power {
        return Ok(power(left, right, pair));
    }
    // The narrower types reckon in the wider ones and are cut off: that gives what they would give themselves.
    Ok(match pair {
        Pair::Int(a, b) => whole(operator, a.into(), b.into())?.map(|value| Value::Int(value as i32)),
        Pair::Long(a, b) => whole(operator, a, b)?.map(Value::Long),
        Pair::Float(a, b) => real(operator, a.into(), b.into()).map(|value| Value::Float(value as f32)),
        Pair::Double(a, b) => real(operator, a, b).map(Value::Double),
    })
}

/// Whole numbers wrap around, and are divided towards zero.
fn whole(operator: Operator, a: i64, b: i64) -> Result<Option<i64>, Problem> {
    Ok(Some(match operator {
        Operator::Add => a.wrapping_add(b),
        Operator::Subtract => a.wrapping_sub(b),
        Operator::Multiply => a.wrapping_mul(b),
        Operator::Divide | Operator::Remainder if b == 0 => return Err(Problem::DivisionByZero),
        Operator::Divide => a.wrapping_div(b),
        Operator::Remainder => a.wrapping_rem(b),
        _ => return Ok(None),
    }))
}

fn real(operator: Operator, a: f64, b: f64) -> Option<f64> {
    Some(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Remainder => a % b,
        _ => return None,
    })
}

/// The value of a sign before a number; `None` unless it is one.
pub(super) fn signed(prefix: Prefix, operand: &Value) -> Option<Value> {
    let is_minus = prefix == Prefix::Minus;
    match operand {
        Value::Int(number) => Some(Value::Int(if is_minus { number.wrapping_neg() } else { *number })),
        Value::Long(number) => Some(Value::Long(if is_minus { number.wrapping_neg() } else { *number })),
        // Zero minus it, so that there is no -0.0.
        Value::Float(number) => Some(Value::Float(if is_minus { 0.0 - number } else { *number })),
        Value::Double(number) => Some(Value::Double(if is_minus { 0.0 - number } else { *number })),
        _ => None,
    }
}

/// A power of whole numbers is a whole one again: a long one if it must be, cut off and saturated.
fn power(left: &Value, right: &Value, pair: Pair) -> Option<Value> {
    let exact = double(left)?.powf(double(right)?);
    Some(match pair {
        Pair::Float(..) | Pair::Double(..) => Value::Double(exact),
        Pair::Int(..) if exact <= f64::from(i32::MAX) || exact.is_nan() => Value::Int(exact as i32),
        Pair::Int(..) | Pair::Long(..) => Value::Long(exact as i64),
    })
}

fn long(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(i64::from(*number)),
        Value::Long(number) => Some(*number),
        _ => None,
    }
}

fn float(value: &Value) -> Option<f32> {
    match value {
        Value::Int(number) => Some(*number as f32),
        Value::Long(number) => Some(*number as f32),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Float(number) => Some(f64::from(*number)),
        Value::Double(number) => Some(*number),
        _ => long(value).map(|number| number as f64),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn operator() -> impl Strategy<Value = Operator> {
        use Operator as O;
        prop::sample::select(vec![O::Add, O::Subtract, O::Multiply, O::Divide, O::Remainder])
    }

    fn int() -> impl Strategy<Value = i32> {
        prop_oneof![any::<i32>(), -3..4, Just(i32::MIN), Just(i32::MAX)]
    }

    proptest! {
        #[test]
        fn ints_wrap_around_at_32_bits(operator in operator(), a in int(), b in int()) {
            let own = match operator {
                Operator::Add => Some(a.wrapping_add(b)),
                Operator::Subtract => Some(a.wrapping_sub(b)),
                Operator::Multiply => Some(a.wrapping_mul(b)),
                Operator::Divide => (b != 0).then(|| a.wrapping_div(b)),
                _ => (b != 0).then(|| a.wrapping_rem(b)),
            };
            let own = own.map(Value::Int).map(Some).ok_or(Problem::DivisionByZero);
            prop_assert_eq!(reckon(operator, &Value::Int(a), &Value::Int(b)), own);
        }

        #[test]
        fn floats_are_rounded_as_floats(
            operator in operator(),
            a in prop::num::f32::ANY,
            b in prop::num::f32::ANY,
        ) {
            let own = match operator {
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                Operator::Divide => a / b,
                _ => a % b,
            };
            let Ok(Some(Value::Float(reckoned))) = reckon(operator, &Value::Float(a), &Value::Float(b)) else {
                panic!("no float");
            };
            prop_assert!(reckoned == own || reckoned.is_nan() && own.is_nan(), "{reckoned} {own}");
            prop_assert_eq!(reckoned.is_sign_negative() || reckoned.is_nan(), own.is_sign_negative() || own.is_nan());
        }
    }
}
