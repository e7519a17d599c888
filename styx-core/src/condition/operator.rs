//! The operators between two operands.

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Between,
    Matches,
    InstanceOf,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

/// How strongly an operator binds: the weakest first. `^` and the prefixes bind more strongly than all of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Or,
    And,
    Comparison,
    Sum,
    Product,
    Power,
}

impl Level {
    /// The level that an operand on the right has, at least.
    pub(super) fn stronger(self) -> Self {
        match self {
            Self::Or => Self::And,
            Self::And => Self::Comparison,
            Self::Comparison => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product | Self::Power => Self::Power,
        }
    }

    /// The strongest level that may follow in the same row: a second comparison may not.
    pub(super) fn following(self) -> Self {
        if self == Self::Comparison { Self::And } else { self }
    }
}

impl Operator {
    pub(super) fn level(self) -> Level {
        match self {
            Self::Or => Level::Or,
            Self::And => Level::And,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::Between
            | Self::Matches
            | Self::InstanceOf => Level::Comparison,
            Self::Add | Self::Subtract => Level::Sum,
            Self::Multiply | Self::Divide | Self::Remainder => Level::Product,
            Self::Power => Level::Power,
        }
    }

    /// How it is written; where there is a word and a sign, the sign.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Between => "between",
            Self::Matches => "matches",
            Self::InstanceOf => "instanceof",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Power => "^",
        }
    }
}
