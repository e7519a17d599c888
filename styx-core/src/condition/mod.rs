//! Retry conditions: when a failed run is tried again, as its workflow says it (spec SM §19).
//!
//! The language is the one of Styx 2.x, a part of the Spring Expression Language. All of its syntax is read, since that is
//! what makes a configuration valid (V-17); what would need a Java machine or would change something is an error once it is
//! evaluated. Nothing is remembered between evaluations, and each is bounded.
//!
//! ```
//! use styx_core::condition::{Condition, Variables};
//!
//! let condition = Condition::parse("#exitCode == 1 && #tries < 3")?;
//! let first = Variables { exit_code: Some(1), tries: 1, consecutive_failures: 1, trigger_type: Some("natural") };
//! assert_eq!(condition.evaluate(&first), Ok(Some(true)));
//! assert_eq!(condition.evaluate(&Variables { tries: 3, ..first }), Ok(Some(false)));
//! # Ok::<(), styx_core::condition::ParseConditionError>(())
//! ```

mod arithmetic;
mod evaluate;
mod node;
mod operator;
mod parse;
mod pattern;
mod token;
mod value;

use std::fmt;

use self::{evaluate::Evaluation, node::Node};

/// The most UTF-16 units of a condition (V-11). It bounds how deep one is nested, too.
pub const MAX_LENGTH: usize = 256;

/// The most UTF-16 units of an expression that Spring reads.
const MAX_CHECKED: usize = 10_000;

/// An expression that decides whether a failed run is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(Node);

impl Condition {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// When it has no such syntax or is longer than [`MAX_LENGTH`].
    pub fn parse(text: &str) -> Result<Self, ParseConditionError> {
        let length = text.encode_utf16().count();
        if length > MAX_LENGTH {
            let reason = format!("{length} characters are more than {MAX_LENGTH}");
            return Err(ParseConditionError { column: 1, reason });
        }
        parse::parse(text).map(Self)
    }

    /// Whether a text has the syntax of an expression, of whatever length up to Spring's own limit: one that is too long for
    /// [`parse`](Self::parse) may be wrong besides.
    ///
    /// # Errors
    ///
    /// When it has no such syntax.
    pub fn check(text: &str) -> Result<(), ParseConditionError> {
        let length = text.encode_utf16().count();
        if length > MAX_CHECKED {
            let reason = format!("{length} characters are more than {MAX_CHECKED}");
            return Err(ParseConditionError { column: 1, reason });
        }
        parse::check(text)
    }

    /// What the expression says; `None` where its value is null. Only `Some(true)` means another try.
    ///
    /// # Errors
    ///
    /// When it can't be evaluated: a value doesn't fit an operator, it isn't true or false in the end, it needs what isn't
    /// there, or it takes too much.
    pub fn evaluate(&self, variables: &Variables<'_>) -> Result<Option<bool>, EvaluateConditionError> {
        Evaluation::new(variables).truth(&self.0)
    }
}

/// What a condition can see of a run whose try has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variables<'a> {
    /// `#exitCode`: how the try ended, if that is known.
    pub exit_code: Option<i32>,
    /// `#tries`: how many tries there were.
    pub tries: u32,
    /// `#consecutiveFailures`: how many of them failed in a row.
    pub consecutive_failures: u32,
    /// `#triggerType`: `natural`, `adhoc`, `backfill` or `unknown`.
    pub trigger_type: Option<&'a str>,
}

impl fmt::Display for Variables<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("exitCode ")?;
        match self.exit_code {
            Some(code) => write!(f, "{code}")?,
            None => f.write_str("null")?,
        }
        write!(f, ", tries {}, consecutiveFailures {}", self.tries, self.consecutive_failures)?;
        write!(f, ", triggerType {}", self.trigger_type.unwrap_or("null"))
    }
}

/// A text is no expression. It is shown with the place and what was wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
#[non_exhaustive]
pub struct ParseConditionError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What was expected there, or what is wrong.
    pub reason: String,
}

/// An expression has no value. It is shown with the place and what was wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}")]
#[non_exhaustive]
pub struct EvaluateConditionError {
    /// Where the part of the expression begins that has no value, in characters from 1; an operator's is its own place.
    pub column: usize,
    /// Why it has none.
    pub problem: Problem,
}

/// Why a part of an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It has the syntax of something that isn't evaluated here.
    #[error("{0} can't be evaluated")]
    NotEvaluable(&'static str),
    /// A name without `#`, where nothing has that name.
    #[error("`{0}` has no value here: variables are written with `#`")]
    BareName(Box<str>),
    /// A property that a value doesn't have, or that isn't known.
    #[error("{of} has no property `{name}` here")]
    UnknownProperty {
        /// What the value is.
        of: &'static str,
        /// The property.
        name: Box<str>,
    },
    /// An operator on a value that it isn't for.
    #[error("`{operator}` can't be applied to {operand}")]
    Operand {
        /// The operator.
        operator: &'static str,
        /// What the value is.
        operand: &'static str,
    },
    /// An operator on values that it isn't for.
    #[error("`{operator}` can't be applied to {left} and {right}")]
    Operands {
        /// The operator.
        operator: &'static str,
        /// What the left value is.
        left: &'static str,
        /// What the right value is.
        right: &'static str,
    },
    /// A whole number is divided by zero (W-6).
    #[error("a whole number is divided by zero")]
    DivisionByZero,
    /// True or false is needed.
    #[error("{0} is neither true nor false")]
    NoTruth(Box<str>),
    /// An index that isn't in the list or text, or half a character of it.
    #[error("there is nothing at the index {0}")]
    Index(i64),
    /// A pattern that can't be used.
    #[error("the pattern can't be used: {0}")]
    Pattern(Box<str>),
    /// It takes too much.
    #[error("it takes more than {0}")]
    Bound(&'static str),
}
