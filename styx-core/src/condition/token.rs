//! Words, numbers, texts and signs: what an expression is made of.

use super::ParseConditionError;

/// A piece of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// As it is written.
    pub(super) text: &'a str,
    /// Where it begins, in characters from 1.
    pub(super) column: usize,
}

/// What a piece is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A name; `and`, `or`, `true`, `matches` and the like are names until they are looked at.
    Word,
    /// A whole number, without prefix and suffix.
    Whole {
        digits: &'a str,
        radix: u32,
        is_long: bool,
    },
    /// A number with a point, an exponent or a suffix of a real one; without the suffix.
    Real {
        number: &'a str,
        is_float: bool,
    },
    /// A text, without its quotes.
    Text(String),
    Sign(Sign),
}

/// A sign, or a word that is always one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Power,
    Increment,
    Decrement,
    Not,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Assign,
    Bean,
    Hash,
    Dot,
    SafeDot,
    Comma,
    Colon,
    Question,
    Elvis,
    OpenRound,
    CloseRound,
    OpenSquare,
    CloseSquare,
    OpenCurly,
    CloseCurly,
    Project,
    Select,
    SelectFirst,
    SelectLast,
}

/// Longer signs come before those that they begin with.
const SIGNS: &[(&str, Sign)] = &[
    ("++", Sign::Increment),
    ("--", Sign::Decrement),
    ("==", Sign::Equal),
    ("!=", Sign::NotEqual),
    ("<=", Sign::LessOrEqual),
    (">=", Sign::GreaterOrEqual),
    ("&&", Sign::And),
    ("||", Sign::Or),
    ("?.", Sign::SafeDot),
    ("?:", Sign::Elvis),
    ("![", Sign::Project),
    ("?[", Sign::Select),
    ("^[", Sign::SelectFirst),
    ("$[", Sign::SelectLast),
    ("+", Sign::Plus),
    ("-", Sign::Minus),
    ("*", Sign::Star),
    ("/", Sign::Slash),
    ("%", Sign::Percent),
    ("^", Sign::Power),
    ("!", Sign::Not),
    ("<", Sign::Less),
    (">", Sign::Greater),
    ("=", Sign::Assign),
    ("&", Sign::Bean),
    ("@", Sign::Bean),
    ("#", Sign::Hash),
    (".", Sign::Dot),
    (",", Sign::Comma),
    (":", Sign::Colon),
    ("?", Sign::Question),
    ("(", Sign::OpenRound),
    (")", Sign::CloseRound),
    ("[", Sign::OpenSquare),
    ("]", Sign::CloseSquare),
    ("{", Sign::OpenCurly),
    ("}", Sign::CloseCurly),
];

/// Words that are signs wherever they stand, in any case.
const WORDS: &[(&str, Sign)] = &[
    ("div", Sign::Slash),
    ("eq", Sign::Equal),
    ("ge", Sign::GreaterOrEqual),
    ("gt", Sign::Greater),
    ("le", Sign::LessOrEqual),
    ("lt", Sign::Less),
    ("mod", Sign::Percent),
    ("ne", Sign::NotEqual),
    ("not", Sign::Not),
];

/// Takes an expression apart.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ParseConditionError> {
    let mut scanner = Scanner { rest: text, column: 1 };
    let mut tokens = Vec::new();
    while scanner.skip_blanks() {
        tokens.push(scanner.token()?);
    }
    Ok(tokens)
}

struct Scanner<'a> {
    rest: &'a str,
    column: usize,
}

impl<'a> Scanner<'a> {
    /// Whether something follows.
    fn skip_blanks(&mut self) -> bool {
        // Spring takes a NUL for a blank.
        let blanks = self.length(|c| matches!(c, ' ' | '\t' | '\r' | '\n' | '\0'));
        self.take(blanks);
        !self.rest.is_empty()
    }

    fn token(&mut self) -> Result<Token<'a>, ParseConditionError> {
        match self.rest.bytes().next() {
            Some(b'0'..=b'9') => self.number(),
            Some(quote @ (b'\'' | b'"')) => self.quoted(char::from(quote)),
            Some(b'$') if self.rest.starts_with("$[") => self.sign(),
            Some(b'_' | b'$' | b'a'..=b'z' | b'A'..=b'Z') => Ok(self.word()),
            _ => self.sign(),
        }
    }

    fn word(&mut self) -> Token<'a> {
        let length = self.length(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
        let sign = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(&self.rest[..length]));
        let kind = sign.map_or(Kind::Word, |(_, sign)| Kind::Sign(*sign));
        self.take_token(length, kind)
    }

    fn sign(&mut self) -> Result<Token<'a>, ParseConditionError> {
        match SIGNS.iter().find(|(sign, _)| self.rest.starts_with(sign)) {
            Some((sign, kind)) => Ok(self.take_token(sign.len(), Kind::Sign(*kind))),
            None => {
                let found: String = self.rest.chars().take(1).collect();
                Err(self.error(format!("`{}` doesn't belong to an expression", found.escape_debug())))
            }
        }
    }

    /// A text in quotes, in which the quote is doubled.
    fn quoted(&mut self, quote: char) -> Result<Token<'a>, ParseConditionError> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
                return Ok(self.take_token(at + 1, Kind::Text(text)));
            }
            text.push(character);
        }
        Err(self.error(format!("the text that begins here has no closing {quote}")))
    }

    fn number(&mut self) -> Result<Token<'a>, ParseConditionError> {
        let text = self.rest;
        let digits_after = |start: usize| start + text[start..].bytes().take_while(u8::is_ascii_digit).count();
        let is_one_of = |at: usize, of: &[u8]| text.as_bytes().get(at).is_some_and(|byte| of.contains(byte));
        if text.starts_with("0x") || text.starts_with("0X") {
            let end = 2 + text[2..].bytes().take_while(u8::is_ascii_hexdigit).count();
            let is_long = is_one_of(end, b"lL");
            return Ok(
                self.take_token(end + usize::from(is_long), Kind::Whole { digits: &text[2..end], radix: 16, is_long })
            );
        }
        let mut end = digits_after(0);
        let has_fraction = is_one_of(end, b".") && digits_after(end + 1) > end + 1;
        if is_one_of(end, b".") && !has_fraction {
            // The point belongs to what follows.
            return Ok(self.take_token(end, Kind::Whole { digits: &text[..end], radix: 10, is_long: false }));
        }
        if has_fraction {
            end = digits_after(end + 1);
        }
        if is_one_of(end, b"lL") {
            if has_fraction {
                return Err(self.error("a number with a fraction can't be a long one".to_owned()));
            }
            return Ok(self.take_token(end + 1, Kind::Whole { digits: &text[..end], radix: 10, is_long: true }));
        }
        let has_exponent = is_one_of(end, b"eE");
        if has_exponent {
            let digits = end + 1 + usize::from(is_one_of(end + 1, b"+-"));
            end = digits_after(digits);
            if end == digits {
                return Err(self.error("the exponent of the number that begins here has no digits".to_owned()));
            }
        }
        let is_float = is_one_of(end, b"fF");
        let has_suffix = is_float || is_one_of(end, b"dD");
        let kind = if has_fraction || has_exponent || has_suffix {
            Kind::Real { number: &text[..end], is_float }
        } else {
            Kind::Whole { digits: &text[..end], radix: 10, is_long: false }
        };
        Ok(self.take_token(end + usize::from(has_suffix), kind))
    }

    /// How many bytes the characters at the beginning have that are such.
    fn length(&self, is_such: impl Fn(char) -> bool) -> usize {
        self.rest.find(|c| !is_such(c)).unwrap_or(self.rest.len())
    }

    fn take_token(&mut self, length: usize, kind: Kind<'a>) -> Token<'a> {
        let column = self.column;
        Token { kind, text: self.take(length), column }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.column += taken.chars().count();
        taken
    }

    fn error(&self, reason: String) -> ParseConditionError {
        ParseConditionError { column: self.column, reason }
    }
}

impl Token<'_> {
    /// Whether it is this name, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it can be a part of the name of a class, which Spring reads loosely.
    pub(super) fn is_part_of_class_name(&self) -> bool {
        match self.kind {
            Kind::Sign(Sign::Dot) => true,
            Kind::Text(_) => false,
            _ => self.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')),
        }
    }
}
