//! The grammar: from tokens to nodes.
//!
//! It accepts what Spring's parser accepts, with its oddities: an operand may be missing before `=`, `?` and `?:` and after
//! `?:`, where null stands for it, and what begins with a dot is read and counts as missing.

use super::{
    ParseConditionError,
    node::{Kind, Node, Prefix, Which},
    operator::{Level, Operator},
    token::{self, Sign, Token, tokens},
    value::{Component, Value},
};

/// How deep expressions may be nested, where brackets count twice: no condition of [`MAX_LENGTH`](super::MAX_LENGTH) is deeper, and
/// the stack of a thread has room for it, even when the compiler optimises nothing.
const MAX_DEPTH: usize = 260;

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Node, ParseConditionError> {
    read(text, true)
}

/// Whether a text of any length is an expression. Nothing is kept of it, however many operands it has.
pub(super) fn check(text: &str) -> Result<(), ParseConditionError> {
    read(text, false).map(drop)
}

fn read(text: &str, keeps: bool) -> Result<Node, ParseConditionError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.chars().count() + 1, depth: 0, keeps };
    let node = parser.required_expression()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.expected("an operator or the end")),
    }
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    /// The column behind the last character.
    end: usize,
    /// How deep the part that is read is nested.
    depth: usize,
    /// Whether the parts of operators are kept.
    keeps: bool,
}

/// A node, or none where the text goes on with something else.
type Maybe = Result<Option<Node>, ParseConditionError>;

impl<'a> Parser<'a> {
    fn expression(&mut self) -> Maybe {
        self.nested(Self::expression_inside)
    }

    /// Reads a part that may have parts of its own kind.
    fn nested(&mut self, read: fn(&mut Self) -> Maybe) -> Maybe {
        if self.depth == MAX_DEPTH {
            return Err(self.error("it is nested too deep".to_owned()));
        }
        self.depth += 1;
        let node = read(self);
        self.depth -= 1;
        node
    }

    fn expression_inside(&mut self) -> Maybe {
        let left = self.operators(Level::Or)?;
        let column = self.column();
        let left_or_null = |left: Option<Node>| Box::new(left.unwrap_or_else(|| null(column)));
        let kind = match self.peek_sign() {
            Some(Sign::Assign) => {
                self.next += 1;
                let value = self.operators(Level::Or)?;
                self.required(value)?;
                Kind::NotEvaluable("an assignment")
            }
            Some(Sign::Elvis) => {
                self.next += 1;
                let otherwise = self.expression()?;
                Kind::Default(left_or_null(left), left_or_null(otherwise))
            }
            Some(Sign::Question) => {
                self.next += 1;
                let then = self.required_expression()?;
                self.expect(Sign::Colon, "`:`")?;
                let otherwise = self.required_expression()?;
                Kind::Choice(left_or_null(left), Box::new(then), Box::new(otherwise))
            }
            _ => return Ok(left),
        };
        Ok(Some(Node { column, kind }))
    }

    fn required_expression(&mut self) -> Result<Node, ParseConditionError> {
        let node = self.expression()?;
        self.required(node)
    }

    fn required(&self, node: Option<Node>) -> Result<Node, ParseConditionError> {
        node.ok_or_else(|| self.expected("an operand"))
    }

    /// Operands with operators of this level or a stronger one between them.
    fn operators(&mut self, weakest: Level) -> Maybe {
        let mut left = self.power()?;
        let mut strongest = Level::Product;
        while let Some((operator, level)) = self.peek_operator().filter(|(_, l)| (weakest..=strongest).contains(l)) {
            let missing = self.expected("an operand");
            let column = self.column();
            self.next += 1;
            let right = self.operators(level.stronger())?;
            let (left_node, right) = (left.ok_or(missing)?, self.required(right)?);
            let kind = match operator {
                Some(operator) => Kind::Binary(operator, Box::new(left_node), Box::new(right)),
                None => Kind::NotEvaluable("`++`"),
            };
            left = Some(if self.keeps { Node { column, kind } } else { null(column) });
            strongest = level.following();
        }
        Ok(left)
    }

    /// The operator that comes next; `++` between operands is read like `+`, and is none.
    fn peek_operator(&self) -> Option<(Option<Operator>, Level)> {
        let token = self.peek()?;
        let operator = match token.kind {
            token::Kind::Sign(sign) => match sign {
                Sign::Increment => return Some((None, Level::Sum)),
                Sign::Or => Operator::Or,
                Sign::And => Operator::And,
                Sign::Equal => Operator::Equal,
                Sign::NotEqual => Operator::NotEqual,
                Sign::Less => Operator::Less,
                Sign::LessOrEqual => Operator::LessOrEqual,
                Sign::Greater => Operator::Greater,
                Sign::GreaterOrEqual => Operator::GreaterOrEqual,
                Sign::Plus => Operator::Add,
                Sign::Minus => Operator::Subtract,
                Sign::Star => Operator::Multiply,
                Sign::Slash => Operator::Divide,
                Sign::Percent => Operator::Remainder,
                _ => return None,
            },
            token::Kind::Word => {
                const WORDS: [(&str, Operator); 5] = [
                    ("or", Operator::Or),
                    ("and", Operator::And),
                    ("between", Operator::Between),
                    ("matches", Operator::Matches),
                    ("instanceof", Operator::InstanceOf),
                ];
                WORDS.into_iter().find(|(word, _)| token.is_word(word))?.1
            }
            _ => return None,
        };
        Some((Some(operator), operator.level()))
    }

    /// An operand, a power of two, or an operand with `++` or `--` behind it.
    fn power(&mut self) -> Maybe {
        let left = self.prefixed()?;
        let column = self.column();
        let kind = match self.peek_sign() {
            Some(Sign::Power) => {
                let left = self.required(left)?;
                self.next += 1;
                let right = self.prefixed()?;
                Kind::Binary(Operator::Power, Box::new(left), Box::new(self.required(right)?))
            }
            Some(Sign::Increment) if left.is_some() => {
                self.next += 1;
                Kind::NotEvaluable("`++`")
            }
            Some(Sign::Decrement) if left.is_some() => {
                self.next += 1;
                Kind::NotEvaluable("`--`")
            }
            _ => return Ok(left),
        };
        Ok(Some(Node { column, kind }))
    }

    fn prefixed(&mut self) -> Maybe {
        self.nested(Self::prefixed_inside)
    }

    fn prefixed_inside(&mut self) -> Maybe {
        let column = self.column();
        let prefix = match self.peek_sign() {
            Some(Sign::Not) => Some(Prefix::Not),
            Some(Sign::Plus) => Some(Prefix::Plus),
            Some(Sign::Minus) => Some(Prefix::Minus),
            Some(Sign::Increment | Sign::Decrement) => None,
            _ => return self.primary(),
        };
        self.next += 1;
        let operand = self.prefixed()?;
        let operand = self.required(operand)?;
        let kind = match prefix {
            Some(prefix) => Kind::Prefix(prefix, Box::new(operand)),
            None => Kind::NotEvaluable("`++` or `--`"),
        };
        Ok(Some(Node { column, kind }))
    }

    /// A value and all that is asked of it by dots and brackets.
    fn primary(&mut self) -> Maybe {
        let start = self.start()?;
        let counts = start.is_some();
        let mut node = start;
        loop {
            let column = self.column();
            let kind = match self.peek_sign() {
                Some(sign @ (Sign::Dot | Sign::SafeDot)) => {
                    self.next += 1;
                    self.behind_dot(node.map(Box::new), sign == Sign::SafeDot)?
                }
                Some(Sign::OpenSquare) => self.index(node.map(Box::new))?,
                _ => return Ok(node.filter(|_| counts)),
            };
            node = Some(if self.keeps { Node { column, kind } } else { null(column) });
        }
    }

    fn behind_dot(&mut self, of: Option<Box<Node>>, null_safe: bool) -> Result<Kind, ParseConditionError> {
        match self.peek() {
            Some(token) if token.kind == token::Kind::Word => self.property_or_call(of, null_safe),
            Some(Token { kind: token::Kind::Sign(Sign::Hash), .. }) => {
                self.variable_or_function()?;
                Ok(Kind::NotEvaluable("a variable behind a dot"))
            }
            _ => match self.selection(of, null_safe)? {
                Some(kind) => Ok(kind),
                None => Err(self.expected("a name")),
            },
        }
    }

    /// What a primary begins with.
    fn start(&mut self) -> Maybe {
        let column = self.column();
        let Some(token) = self.peek() else {
            return Ok(None);
        };
        let kind = match token.kind {
            token::Kind::Word => self.word()?,
            token::Kind::Whole { digits, radix, is_long } => {
                let value = match is_long {
                    true => i64::from_str_radix(digits, radix).map(Value::Long),
                    false => i32::from_str_radix(digits, radix).map(Value::Int),
                };
                let value = value.map_err(|_| self.error(format!("the number `{}` can't be read", token.text)))?;
                self.next += 1;
                Kind::Literal(value)
            }
            token::Kind::Real { number, is_float } => {
                let value = match is_float {
                    true => number.parse().map(Value::Float),
                    false => number.parse().map(Value::Double),
                };
                let value = value.map_err(|_| self.error(format!("the number `{}` can't be read", token.text)))?;
                self.next += 1;
                Kind::Literal(value)
            }
            token::Kind::Text(ref text) => {
                let value = Value::Text(text.as_str().into());
                self.next += 1;
                Kind::Literal(value)
            }
            token::Kind::Sign(sign) => match sign {
                Sign::OpenRound => {
                    self.next += 1;
                    let inner = self.required_expression()?;
                    self.expect(Sign::CloseRound, "`)`")?;
                    return Ok(Some(inner));
                }
                Sign::Hash => self.variable_or_function()?,
                Sign::Bean => {
                    self.next += 1;
                    match self.peek().map(|token| &token.kind) {
                        Some(token::Kind::Word | token::Kind::Text(_)) => self.next += 1,
                        _ => return Err(self.expected("the name of a bean")),
                    }
                    Kind::NotEvaluable("a bean")
                }
                Sign::OpenSquare => self.index(None)?,
                Sign::OpenCurly => self.list_or_map()?,
                _ => match self.selection(None, false)? {
                    Some(kind) => kind,
                    None => return Ok(None),
                },
            },
        };
        Ok(Some(Node { column, kind }))
    }

    /// What begins with a name.
    fn word(&mut self) -> Result<Kind, ParseConditionError> {
        let is = |word| self.peek().is_some_and(|token| token.is_word(word));
        let literal = match () {
            () if is("true") => Some(Value::Bool(true)),
            () if is("false") => Some(Value::Bool(false)),
            () if is("null") => Some(Value::Null),
            () => None,
        };
        if let Some(value) = literal {
            self.next += 1;
            return Ok(Kind::Literal(value));
        }
        let is_type = self.peek().is_some_and(|token| token.text == "T");
        let is_key = self.sign_at(self.next + 1) == Some(Sign::CloseSquare);
        match () {
            () if is_type && !is_key => self.type_reference(),
            () if is("new") && !is_key => self.constructor(),
            () => self.property_or_call(None, false),
        }
    }

    fn property_or_call(&mut self, of: Option<Box<Node>>, null_safe: bool) -> Result<Kind, ParseConditionError> {
        let name = self.peek().map_or("", |token| token.text).into();
        self.next += 1;
        Ok(match self.arguments()? {
            Some(arguments) => Kind::Call { of, null_safe, arguments },
            None => Kind::Property { of, null_safe, name },
        })
    }

    fn variable_or_function(&mut self) -> Result<Kind, ParseConditionError> {
        self.next += 1;
        let name = match self.peek() {
            Some(token) if token.kind == token::Kind::Word => token.text.into(),
            _ => return Err(self.expected("the name of a variable")),
        };
        self.next += 1;
        Ok(match self.arguments()? {
            Some(_) => Kind::NotEvaluable("a function"),
            None => Kind::Variable(name),
        })
    }

    /// Arguments in brackets; a comma may come behind the last.
    fn arguments(&mut self) -> Result<Option<Vec<Node>>, ParseConditionError> {
        if self.peek_sign() != Some(Sign::OpenRound) {
            return Ok(None);
        }
        let mut arguments = Vec::new();
        loop {
            self.next += 1;
            if self.peek_sign() != Some(Sign::CloseRound) {
                arguments.push(self.required_expression()?);
            }
            if self.peek_sign() != Some(Sign::Comma) {
                break;
            }
        }
        self.expect(Sign::CloseRound, "`,` or `)`")?;
        Ok(Some(arguments))
    }

    fn index(&mut self, of: Option<Box<Node>>) -> Result<Kind, ParseConditionError> {
        self.next += 1;
        let index = Box::new(self.required_expression()?);
        self.expect(Sign::CloseSquare, "`]`")?;
        Ok(Kind::Index { of, index })
    }

    /// A projection or selection, if one comes next.
    fn selection(&mut self, of: Option<Box<Node>>, null_safe: bool) -> Result<Option<Kind>, ParseConditionError> {
        let which = match self.peek_sign() {
            Some(Sign::Project) => None,
            Some(Sign::Select) => Some(Which::All),
            Some(Sign::SelectFirst) => Some(Which::First),
            Some(Sign::SelectLast) => Some(Which::Last),
            _ => return Ok(None),
        };
        self.next += 1;
        let each = Box::new(self.required_expression()?);
        self.expect(Sign::CloseSquare, "`]`")?;
        Ok(Some(match which {
            Some(which) => Kind::Select { of, null_safe, which, criterion: each },
            None => Kind::Project { of, null_safe, each },
        }))
    }

    fn list_or_map(&mut self) -> Result<Kind, ParseConditionError> {
        self.next += 1;
        if self.accept(Sign::CloseCurly) {
            return Ok(Kind::List(Vec::new()));
        }
        if self.accept(Sign::Colon) {
            self.expect(Sign::CloseCurly, "`}`")?;
            return Ok(Kind::Map(Vec::new()));
        }
        let first = self.required_expression()?;
        if self.accept(Sign::Colon) {
            let mut entries = vec![(key(first), self.required_expression()?)];
            while self.accept(Sign::Comma) {
                let name = self.required_expression()?;
                self.expect(Sign::Colon, "`:`")?;
                entries.push((key(name), self.required_expression()?));
            }
            self.expect(Sign::CloseCurly, "`,` or `}`")?;
            return Ok(Kind::Map(entries));
        }
        let mut elements = vec![first];
        while self.accept(Sign::Comma) {
            elements.push(self.required_expression()?);
        }
        self.expect(Sign::CloseCurly, "`,` or `}`")?;
        Ok(Kind::List(elements))
    }

    /// `T(java.lang.String[])`
    fn type_reference(&mut self) -> Result<Kind, ParseConditionError> {
        self.next += 1;
        self.expect(Sign::OpenRound, "`(`")?;
        self.class_name()?;
        while self.accept(Sign::OpenSquare) {
            self.expect(Sign::CloseSquare, "`]`")?;
        }
        self.expect(Sign::CloseRound, "`)`")?;
        Ok(Kind::NotEvaluable("a type"))
    }

    /// `new Name(…)`, `new Name[2]` or `new Name[] {…}`
    fn constructor(&mut self) -> Result<Kind, ParseConditionError> {
        self.next += 1;
        let name = self.class_name()?;
        if self.peek_sign() != Some(Sign::OpenSquare) {
            return match self.arguments()? {
                Some(_) => Ok(Kind::NotEvaluable("a constructor")),
                None => Err(self.expected("`(`")),
            };
        }
        let mut sizes = Vec::new();
        while self.accept(Sign::OpenSquare) {
            sizes.push(self.expression()?.map(Box::new));
            self.expect(Sign::CloseSquare, "`]`")?;
        }
        let elements = match self.peek_sign() {
            Some(Sign::OpenCurly) => Some(self.list_or_map()?),
            _ => None,
        };
        // Arrays of objects, of characters and of arrays have no value here.
        let of = Component::of_primitive(&name).filter(|_| sizes.len() == 1);
        let size = sizes.pop().flatten();
        Ok(match (of, size, elements) {
            (Some(of), size, Some(Kind::List(elements))) => Kind::Array { of, size, elements: Some(elements) },
            (Some(of), Some(size), None) => Kind::Array { of, size: Some(size), elements: None },
            _ => Kind::NotEvaluable("a constructor"),
        })
    }

    fn class_name(&mut self) -> Result<String, ParseConditionError> {
        let mut has_name = false;
        let mut name = String::new();
        while let Some(token) = self.peek().filter(|token| token.is_part_of_class_name()) {
            has_name |= token.kind != token::Kind::Sign(Sign::Dot);
            name.push_str(token.text);
            self.next += 1;
        }
        if has_name { Ok(name) } else { Err(self.expected("the name of a class")) }
    }

    fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.next)
    }

    fn peek_sign(&self) -> Option<Sign> {
        self.sign_at(self.next)
    }

    fn sign_at(&self, index: usize) -> Option<Sign> {
        match self.tokens.get(index)?.kind {
            token::Kind::Sign(sign) => Some(sign),
            _ => None,
        }
    }

    fn accept(&mut self, sign: Sign) -> bool {
        let found = self.peek_sign() == Some(sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: Sign, written: &str) -> Result<(), ParseConditionError> {
        if self.accept(sign) { Ok(()) } else { Err(self.expected(written)) }
    }

    /// Where the next token is.
    fn column(&self) -> usize {
        self.peek().map_or(self.end, |token| token.column)
    }

    fn expected(&self, what: &str) -> ParseConditionError {
        self.error(match self.peek() {
            Some(token) => format!("expected {what}, found `{}`", token.text.escape_debug()),
            None => format!("expected {what}, found the end"),
        })
    }

    fn error(&self, reason: String) -> ParseConditionError {
        ParseConditionError { column: self.column(), reason }
    }
}

/// What a map's key is: a bare name is a text.
fn key(node: Node) -> Node {
    match node.kind {
        Kind::Property { of: None, name, .. } => {
            Node { column: node.column, kind: Kind::Literal(Value::Text(name.to_string().into())) }
        }
        _ => node,
    }
}

fn null(column: usize) -> Node {
    Node { column, kind: Kind::Literal(Value::Null) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_or_long_is_checked_without_end() {
        for (text, is_expression) in [
            ("(".repeat(5_000), false),
            ("!".repeat(9_999) + "1", false),
            ("!".repeat(255) + "1", true),
            (format!("{}1{}", "(".repeat(127), ")".repeat(127)), true),
            (format!("{}1{}", "(".repeat(200), ")".repeat(200)), false),
            ("1+".repeat(4_999) + "1", true),
            ("a".to_owned() + &".b".repeat(4_999), true),
            ("{1,".repeat(2_000), false),
        ] {
            assert_eq!(check(&text).is_ok(), is_expression, "{}", &text[..9]);
        }
    }
}
