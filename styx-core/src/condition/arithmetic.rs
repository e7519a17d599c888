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
    Ok(Some(match pair {
        Pair::Int(a, b) => Value::Int(match operator {
            Operator::Add => a.wrapping_add(b),
            Operator::Subtract => a.wrapping_sub(b),
            Operator::Multiply => a.wrapping_mul(b),
            Operator::Divide | Operator::Remainder if b == 0 => return Err(Problem::DivisionByZero),
            Operator::Divide => a.wrapping_div(b),
            Operator::Remainder => a.wrapping_rem(b),
            _ => return Ok(None),
        }),
        Pair::Long(a, b) => Value::Long(match operator {
            Operator::Add => a.wrapping_add(b),
            Operator::Subtract => a.wrapping_sub(b),
            Operator::Multiply => a.wrapping_mul(b),
            Operator::Divide | Operator::Remainder if b == 0 => return Err(Problem::DivisionByZero),
            Operator::Divide => a.wrapping_div(b),
            Operator::Remainder => a.wrapping_rem(b),
            _ => return Ok(None),
        }),
        Pair::Float(a, b) => Value::Float(match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            Operator::Remainder => a % b,
            _ => return Ok(None),
        }),
        Pair::Double(a, b) => Value::Double(match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            Operator::Remainder => a % b,
            _ => return Ok(None),
        }),
    }))
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
