//! The value of an expression, within bounds.

use std::{cmp::Ordering, sync::Arc};

use super::{
    EvaluateConditionError, Problem, Variables,
    arithmetic::{reckon, signed},
    node::{Kind, Node, Prefix, Which},
    operator::Operator,
    pattern,
    value::{Array, Component, Value, at_key},
};

/// How many parts of expressions are evaluated at most.
const MAX_STEPS: u32 = 10_000;

/// How many steps a match counts for: it may take as long as some hundred other parts.
const MATCH_STEPS: u32 = 500;

/// How many bytes of text are made at most.
const MAX_TEXT: usize = 65_536;

/// One evaluation of an expression.
pub(super) struct Evaluation<'a> {
    variables: &'a Variables<'a>,
    steps: u32,
    text: usize,
}

type Evaluated<T> = Result<T, EvaluateConditionError>;

impl<'a> Evaluation<'a> {
    pub(super) fn new(variables: &'a Variables<'a>) -> Self {
        Self { variables, steps: MAX_STEPS, text: MAX_TEXT }
    }

    /// What the whole expression says.
    pub(super) fn truth(&mut self, node: &Node) -> Evaluated<Option<bool>> {
        let value = self.value(node, &Value::Null)?;
        value.truth().map_err(|problem| at(node, problem))
    }

    /// A value; `this` is the element that a selection or projection looks at.
    fn value(&mut self, node: &Node, this: &Value) -> Evaluated<Value> {
        self.take_steps(node, 1)?;
        match &node.kind {
            Kind::Literal(value) => Ok(value.clone()),
            Kind::Variable(name) => Ok(self.variable(name, this)),
            Kind::List(elements) => {
                let elements: Evaluated<Arc<[Value]>> = elements.iter().map(|node| self.value(node, this)).collect();
                Ok(Value::List(elements?))
            }
            Kind::Map(entries) => {
                let mut map: Vec<(Value, Value)> = Vec::new();
                for (key, value) in entries {
                    let (key, value) = (self.value(key, this)?, self.value(value, this)?);
                    match map.iter_mut().find(|(known, _)| known.is_same(&key)) {
                        Some((_, known)) => *known = value,
                        None => map.push((key, value)),
                    }
                }
                Ok(Value::Map(map.into()))
            }
            Kind::Array { of, size, elements } => self.array(node, *of, size.as_deref(), elements.as_deref(), this),
            Kind::Prefix(prefix, operand) => self.prefixed(node, *prefix, operand, this),
            Kind::Binary(Operator::Or, left, right) => {
                Ok(Value::Bool(self.condition(left, this)? || self.condition(right, this)?))
            }
            Kind::Binary(Operator::And, left, right) => {
                Ok(Value::Bool(self.condition(left, this)? && self.condition(right, this)?))
            }
            Kind::Binary(operator, left, right) => {
                let (left, right) = (self.value(left, this)?, self.value(right, this)?);
                self.binary(node, *operator, &left, &right)
            }
            Kind::Choice(condition, then, otherwise) => {
                let chosen = if self.condition(condition, this)? { then } else { otherwise };
                self.value(chosen, this)
            }
            Kind::Default(value, otherwise) => match self.value(value, this)? {
                Value::Null => self.value(otherwise, this),
                Value::Text(text) if text.is_empty() => self.value(otherwise, this),
                value => Ok(value),
            },
            Kind::Property { of, null_safe, name } => {
                let is_bare = of.is_none();
                match self.target(of.as_deref(), this)? {
                    Value::Null if *null_safe => Ok(Value::Null),
                    Value::Null if is_bare => Err(at(node, Problem::BareName(name.clone()))),
                    target => property(&target, name).map_err(|problem| at(node, problem)),
                }
            }
            Kind::Call { of, null_safe, arguments } => {
                let target = self.target(of.as_deref(), this)?;
                for argument in arguments {
                    self.value(argument, &Value::Null)?;
                }
                match target {
                    Value::Null if *null_safe => Ok(Value::Null),
                    _ => Err(at(node, Problem::NotEvaluable("a method"))),
                }
            }
            Kind::Index { of, index } => {
                let target = self.target(of.as_deref(), this)?;
                let index = match (&target, &index.kind) {
                    (Value::Map(_), Kind::Property { of: None, name, .. }) => Value::Text(name.to_string().into()),
                    _ => self.value(index, &Value::Null)?,
                };
                self.element(node, &target, &index)
            }
            Kind::Project { of, null_safe, each } => match self.target(of.as_deref(), this)? {
                Value::Null if *null_safe => Ok(Value::Null),
                Value::List(elements) => {
                    let values: Evaluated<Arc<[Value]>> = elements.iter().map(|this| self.value(each, this)).collect();
                    Ok(Value::List(values?))
                }
                Value::Array(array) => {
                    let values: Evaluated<Arc<[Value]>> =
                        array.elements.iter().map(|this| self.value(each, this)).collect();
                    let elements = values?;
                    Ok(Value::Array(Array { of: Component::of_values(&elements), is_boxed: true, elements }))
                }
                Value::Map(entries) => {
                    let values: Evaluated<Arc<[Value]>> =
                        entries.iter().map(|entry| self.value(each, &Value::Entry(entry.clone().into()))).collect();
                    Ok(Value::List(values?))
                }
                target => Err(at(node, Problem::Operand { operator: "![]", operand: target.name() })),
            },
            Kind::Select { of, null_safe, which, criterion } => match self.target(of.as_deref(), this)? {
                Value::Null if *null_safe => Ok(Value::Null),
                Value::List(elements) => {
                    let selected = self.selected(*which, criterion, &elements)?;
                    Ok(one_of(*which, &selected).unwrap_or_else(|| Value::List(selected.into())))
                }
                Value::Array(Array { of, elements, .. }) => {
                    let selected = self.selected(*which, criterion, &elements)?;
                    let array = |elements| Value::Array(Array { of, is_boxed: true, elements });
                    Ok(one_of(*which, &selected).unwrap_or_else(|| array(selected.into())))
                }
                Value::Map(entries) => {
                    let entries: Vec<_> = entries.iter().map(|entry| Value::Entry(entry.clone().into())).collect();
                    let selected = self.selected(*which, criterion, &entries)?;
                    let entry = |entry: &Value| match entry {
                        Value::Entry(entry) => Some((**entry).clone()),
                        _ => None,
                    };
                    let map = |entries: &[Value]| Value::Map(entries.iter().filter_map(entry).collect());
                    Ok(match one_of(*which, &selected) {
                        None => map(&selected),
                        Some(Value::Null) => Value::Null,
                        Some(entry) => map(&[entry]),
                    })
                }
                target => Err(at(node, Problem::Operand { operator: "?[]", operand: target.name() })),
            },
            Kind::NotEvaluable(what) => Err(at(node, Problem::NotEvaluable(what))),
        }
    }

    fn target(&mut self, of: Option<&Node>, this: &Value) -> Evaluated<Value> {
        of.map_or_else(|| Ok(this.clone()), |of| self.value(of, this))
    }

    /// A variable; one that there is not is null.
    fn variable(&self, name: &str, this: &Value) -> Value {
        // A counter of Styx is a signed number of 32 bits.
        let counter = |count: u32| Value::Int(i32::try_from(count).unwrap_or(i32::MAX));
        match name {
            "exitCode" => self.variables.exit_code.map_or(Value::Null, Value::Int),
            "tries" => counter(self.variables.tries),
            "consecutiveFailures" => counter(self.variables.consecutive_failures),
            "triggerType" => self.variables.trigger_type.map_or(Value::Null, |text| Value::Text(text.into())),
            "this" => this.clone(),
            _ => Value::Null,
        }
    }

    /// A part that has to be true or false.
    fn condition(&mut self, node: &Node, this: &Value) -> Evaluated<bool> {
        let value = self.value(node, this)?;
        let truth = value.truth().map_err(|problem| at(node, problem))?;
        truth.ok_or_else(|| at(node, Problem::NoTruth("null".into())))
    }

    fn prefixed(&mut self, node: &Node, prefix: Prefix, operand: &Node, this: &Value) -> Evaluated<Value> {
        if prefix == Prefix::Not {
            return Ok(Value::Bool(!self.condition(operand, this)?));
        }
        let operand = self.value(operand, this)?;
        let problem = Problem::Operand { operator: prefix.as_str(), operand: operand.name() };
        signed(prefix, &operand).ok_or_else(|| at(node, problem))
    }

    fn binary(&mut self, node: &Node, operator: Operator, left: &Value, right: &Value) -> Evaluated<Value> {
        let unfit = || at(node, unfit(operator, left, right));
        let ordered = |holds: fn(Ordering) -> bool| match left.partial_order(right) {
            Ok(order) => Ok(Value::Bool(order.is_some_and(holds))),
            Err(()) => Err(unfit()),
        };
        match operator {
            Operator::Equal => Ok(Value::Bool(left.equals(right))),
            Operator::NotEqual => Ok(Value::Bool(!left.equals(right))),
            Operator::Less => ordered(Ordering::is_lt),
            Operator::LessOrEqual => ordered(Ordering::is_le),
            Operator::Greater => ordered(Ordering::is_gt),
            Operator::GreaterOrEqual => ordered(Ordering::is_ge),
            Operator::Between => match right {
                Value::List(bounds) if bounds.len() == 2 => {
                    let not_less = left.order(&bounds[0]).map(Ordering::is_ge);
                    let holds = not_less.and_then(|holds| Ok(holds && left.order(&bounds[1])?.is_le()));
                    holds.map(Value::Bool).map_err(|()| unfit())
                }
                _ => Err(unfit()),
            },
            Operator::Matches => match (left, right) {
                (Value::Null | Value::Map(_) | Value::Entry(_), _) => Err(unfit()),
                (left, _) if left.holds_map() => Err(unfit()),
                (left, Value::Text(pattern)) => {
                    self.take_steps(node, MATCH_STEPS)?;
                    let text = left.written(pattern::MAX_TEXT).ok_or(pattern::TOO_LONG);
                    let matches = text.and_then(|text| pattern::matches(pattern, &text));
                    matches.map(Value::Bool).map_err(|problem| at(node, problem))
                }
                _ => Err(unfit()),
            },
            Operator::InstanceOf => Err(at(node, Problem::NotEvaluable("`instanceof`"))),
            _ => match reckon(operator, left, right).map_err(|problem| at(node, problem))? {
                Some(value) => Ok(value),
                None => self.text(node, operator, left, right)?.ok_or_else(unfit),
            },
        }
    }

    /// The value of an operator that makes a text; `None` where it makes none.
    fn text(&mut self, node: &Node, operator: Operator, left: &Value, right: &Value) -> Evaluated<Option<Value>> {
        match (operator, left, right) {
            (Operator::Add, ..) if left.holds_map() || right.holds_map() => Ok(None),
            (Operator::Add, Value::Text(_), _) | (Operator::Add, _, Value::Text(_)) => {
                let written = left.written(self.text).zip(right.written(self.text));
                let text = written.map(|(left, right)| left + &right);
                self.take_text(node, text.as_ref().map_or(usize::MAX, String::len))?;
                Ok(text.map(|text| Value::Text(text.into())))
            }
            (Operator::Multiply, Value::Text(text), Value::Int(times)) => {
                let times = usize::try_from(*times).unwrap_or(0);
                self.take_text(node, text.len().saturating_mul(times))?;
                Ok(Some(Value::Text(text.repeat(times).into())))
            }
            // The character that comes so many before it.
            (Operator::Subtract, Value::Text(text), Value::Int(back)) => {
                let mut units = text.encode_utf16();
                let (Some(unit), None) = (units.next(), units.next()) else {
                    return Ok(None);
                };
                let unit = i32::from(unit).wrapping_sub(*back) as u16;
                let text = String::from_utf16(&[unit]).map_err(|_| at(node, Problem::Index(i64::from(*back))))?;
                Ok(Some(Value::Text(text.into())))
            }
            _ => Ok(None),
        }
    }

    fn element(&mut self, node: &Node, target: &Value, index: &Value) -> Evaluated<Value> {
        if let (Value::Map(entries), false) = (target, *index == Value::Null) {
            return Ok(at_key(entries, index).cloned().unwrap_or(Value::Null));
        }
        let unfit = || at(node, Problem::Operands { operator: "[]", left: target.name(), right: index.name() });
        let index = whole(index).ok_or_else(unfit)?;
        let place = usize::try_from(index).ok();
        let element = match target {
            Value::List(elements) | Value::Array(Array { elements, .. }) => {
                place.and_then(|place| elements.get(place)).cloned()
            }
            // A text is one of UTF-16 units; half a character can't be one.
            Value::Text(text) => place
                .and_then(|place| text.encode_utf16().nth(place))
                .and_then(|unit| String::from_utf16(&[unit]).ok())
                .map(|text| Value::Text(text.into())),
            _ => return Err(unfit()),
        };
        element.ok_or_else(|| at(node, Problem::Index(index)))
    }

    /// The elements that a selection gives, no more than it takes to know the first.
    fn selected(&mut self, which: Which, criterion: &Node, elements: &[Value]) -> Evaluated<Vec<Value>> {
        let mut selected = Vec::new();
        for element in elements {
            match self.value(criterion, element)? {
                Value::Bool(true) => selected.push(element.clone()),
                Value::Bool(false) => {}
                other => return Err(at(criterion, Problem::NoTruth(other.name().into()))),
            }
            if which == Which::First && !selected.is_empty() {
                break;
            }
        }
        Ok(selected)
    }

    /// An array of zeros, or of the elements that stand behind it, each converted.
    fn array(
        &mut self,
        node: &Node,
        of: Component,
        size: Option<&Node>,
        elements: Option<&[Node]>,
        this: &Value,
    ) -> Evaluated<Value> {
        let size = match size {
            None => None,
            Some(size) => {
                let value = self.value(size, this)?;
                let unfit = || at(size, Problem::Operand { operator: "new", operand: value.name() });
                let count = whole(&value).ok_or_else(unfit)?;
                Some(u32::try_from(count).map_err(|_| at(size, Problem::Index(count)))?)
            }
        };
        let elements: Arc<[Value]> = match elements {
            Some(elements) => {
                let convert = |element: &Node| {
                    let value = self.value(element, this)?;
                    let unfit = || at(element, Problem::Operand { operator: "new", operand: value.name() });
                    of.converted(&value).ok_or_else(unfit)
                };
                elements.iter().map(convert).collect::<Evaluated<_>>()?
            }
            None => {
                let size = size.unwrap_or_default();
                self.take_steps(node, size)?;
                vec![of.zero(); size as usize].into()
            }
        };
        if size.is_some_and(|size| size as usize != elements.len()) {
            return Err(at(node, Problem::Index(elements.len() as i64)));
        }
        Ok(Value::Array(Array { of, is_boxed: false, elements }))
    }

    fn take_steps(&mut self, node: &Node, steps: u32) -> Evaluated<()> {
        self.steps = self.steps.checked_sub(steps).ok_or_else(|| at(node, Problem::Bound("10,000 steps")))?;
        Ok(())
    }

    fn take_text(&mut self, node: &Node, bytes: usize) -> Evaluated<()> {
        self.text = self.text.checked_sub(bytes).ok_or_else(|| at(node, Problem::Bound("65,536 bytes of text")))?;
        Ok(())
    }
}

/// A value as an index or a size: a number is cut off, and a text may be one.
fn whole(value: &Value) -> Option<i64> {
    match Component::Int.converted(value)? {
        Value::Int(number) => Some(number.into()),
        _ => None,
    }
}

/// What a selection gives that gives no more than one element: null if there is none.
fn one_of(which: Which, selected: &[Value]) -> Option<Value> {
    let one = match which {
        Which::All => return None,
        Which::First => selected.first(),
        Which::Last => selected.last(),
    };
    Some(one.cloned().unwrap_or(Value::Null))
}

/// The properties that are known: of texts `empty` and `length`, of lists and maps `empty` and `size`, of arrays `length`,
/// of entries `key` and `value`.
fn property(of: &Value, name: &str) -> Result<Value, Problem> {
    let count = |count: usize| Value::Int(i32::try_from(count).unwrap_or(i32::MAX));
    match (of, name) {
        (Value::Text(text), "empty") => Ok(Value::Bool(text.is_empty())),
        (Value::Text(text), "length") => Ok(count(text.encode_utf16().count())),
        (Value::List(elements), "empty") => Ok(Value::Bool(elements.is_empty())),
        (Value::List(elements), "size") => Ok(count(elements.len())),
        (Value::Array(array), "length") => Ok(count(array.elements.len())),
        (Value::Map(entries), "empty") => Ok(Value::Bool(entries.is_empty())),
        (Value::Map(entries), "size") => Ok(count(entries.len())),
        (Value::Entry(entry), "key") => Ok(entry.0.clone()),
        (Value::Entry(entry), "value") => Ok(entry.1.clone()),
        _ => Err(Problem::UnknownProperty { of: of.name(), name: name.into() }),
    }
}

fn unfit(operator: Operator, left: &Value, right: &Value) -> Problem {
    Problem::Operands { operator: operator.as_str(), left: left.name(), right: right.name() }
}

fn at(node: &Node, problem: Problem) -> EvaluateConditionError {
    EvaluateConditionError { column: node.column, problem }
}
