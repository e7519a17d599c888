//! What an expression is once it has been read.

use super::{
    operator::Operator,
    value::{Component, Value},
};

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it is, in characters from 1; an operator's own place.
    pub(super) column: usize,
    pub(super) kind: Kind,
}

/// What a part of an expression is. Where `of` is `None`, it is about the element that a selection or projection looks at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Literal(Value),
    Variable(Box<str>),
    List(Vec<Node>),
    /// `{key: value}`; a bare name as key is a text.
    Map(Vec<(Node, Node)>),
    /// `new int[2]`, `new int[] {1, 2}`, or both.
    Array {
        of: Component,
        size: Option<Box<Node>>,
        elements: Option<Vec<Node>>,
    },
    /// `!`, `+` or `-` before an operand.
    Prefix(Prefix, Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    /// `condition ? then : otherwise`
    Choice(Box<Node>, Box<Node>, Box<Node>),
    /// `value ?: otherwise`
    Default(Box<Node>, Box<Node>),
    Property {
        of: Option<Box<Node>>,
        null_safe: bool,
        name: Box<str>,
    },
    /// A call of a method; the arguments are there because their errors are.
    Call {
        of: Option<Box<Node>>,
        null_safe: bool,
        arguments: Vec<Node>,
    },
    Index {
        of: Option<Box<Node>>,
        index: Box<Node>,
    },
    Project {
        of: Option<Box<Node>>,
        null_safe: bool,
        each: Box<Node>,
    },
    Select {
        of: Option<Box<Node>>,
        null_safe: bool,
        which: Which,
        criterion: Box<Node>,
    },
    /// What has no value here, by what it is called in an error.
    NotEvaluable(&'static str),
}

/// An operator before its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    Not,
    Plus,
    Minus,
}

impl Prefix {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Not => "!",
            Self::Plus => "+",
            Self::Minus => "-",
        }
    }
}

/// Which elements a selection gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    First,
    Last,
}
