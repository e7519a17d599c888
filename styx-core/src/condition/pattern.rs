//! `matches`: Java's regular expressions on an engine whose time is linear.
//!
//! A pattern is read and written anew, so that each part means what it means in Java: `\d`, `\s`, `\w` and `(?i)` are about
//! ASCII alone, and `.` matches no end of line. What can't be had that way is an error and never another answer: looking
//! around, references back, possessive repetition, word boundaries, the flags but `i` and `s`, scripts and blocks.

use std::fmt::Write as _;

use regex::RegexBuilder;
use regex_syntax::ast::{
    AssertionKind, Ast, ClassPerl, ClassPerlKind, ClassSet, ClassSetBinaryOpKind, ClassSetItem, ClassUnicode,
    ClassUnicodeKind, Flag, Flags, FlagsItemKind, GroupKind, HexLiteralKind, Literal, LiteralKind, RepetitionKind,
    RepetitionRange, SpecialLiteralKind, parse::ParserBuilder,
};

use super::Problem;

/// The most bytes of a text that is matched, and of a pattern.
pub(super) const MAX_TEXT: usize = 1_024;

/// Text or pattern is longer than that.
pub(super) const TOO_LONG: Problem = Problem::Bound("1,024 bytes of text or pattern in `matches`");

/// The most bytes that a pattern becomes.
const MAX_COMPILED: usize = 128 * 1_024;

/// How deep a pattern is nested at most.
const MAX_NESTING: u32 = 50;

/// Whether the pattern matches the text as a whole.
pub(super) fn matches(pattern: &str, text: &str) -> Result<bool, Problem> {
    if pattern.len() > MAX_TEXT || text.len() > MAX_TEXT {
        return Err(TOO_LONG);
    }
    let ast = ParserBuilder::new().nest_limit(MAX_NESTING).build().parse(pattern);
    let ast = ast.map_err(|error| Problem::Pattern(error.kind().to_string().into()))?;
    let mut writer = Writer { out: r"\A(?:".to_owned(), flags: Switches { ignore_case: false, dot_all: false } };
    writer.pattern(&ast).map_err(|what| Problem::Pattern(format!("{what} isn't supported").into()))?;
    writer.out.push_str(r")\z");
    let regex = RegexBuilder::new(&writer.out).size_limit(MAX_COMPILED).build();
    let regex = regex.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => Problem::Bound("128 KiB for a pattern"),
        other => Problem::Pattern(other.to_string().into()),
    })?;
    Ok(regex.is_match(text))
}

/// The flags that count where the writer is.
#[derive(Debug, Clone, Copy)]
struct Switches {
    ignore_case: bool,
    dot_all: bool,
}

/// Writes a pattern anew.
struct Writer {
    out: String,
    flags: Switches,
}

/// `Err` names what can't be written.
type Written = Result<(), &'static str>;

impl Writer {
    fn pattern(&mut self, ast: &Ast) -> Written {
        match ast {
            Ast::Empty(_) => {}
            Ast::Flags(set) => self.switch(&set.flags)?,
            Ast::Literal(literal) => {
                let character = character(literal)?;
                self.out.push('[');
                self.range(character, character);
                self.out.push(']');
            }
            Ast::Dot(_) if self.flags.dot_all => self.out.push_str("(?s:.)"),
            Ast::Dot(_) => self.out.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
            Ast::Assertion(assertion) => self.out.push_str(match assertion.kind {
                AssertionKind::StartLine | AssertionKind::StartText => r"\A",
                AssertionKind::EndLine | AssertionKind::EndText => r"\z",
                _ => return Err("a word boundary"),
            }),
            Ast::ClassUnicode(class) => self.unicode_class(class)?,
            Ast::ClassPerl(class) => self.perl_class(class),
            Ast::ClassBracketed(class) => self.class(class.negated, &class.kind)?,
            Ast::Repetition(repetition) => {
                // Java's possessive repetition reads as one of a repetition here.
                if matches!(*repetition.ast, Ast::Repetition(_)) {
                    return Err("possessive repetition");
                }
                self.out.push_str("(?:");
                self.pattern(&repetition.ast)?;
                self.out.push(')');
                match &repetition.op.kind {
                    RepetitionKind::ZeroOrOne => self.out.push('?'),
                    RepetitionKind::ZeroOrMore => self.out.push('*'),
                    RepetitionKind::OneOrMore => self.out.push('+'),
                    RepetitionKind::Range(RepetitionRange::Exactly(count)) => self.push(format_args!("{{{count}}}")),
                    RepetitionKind::Range(RepetitionRange::AtLeast(least)) => self.push(format_args!("{{{least},}}")),
                    RepetitionKind::Range(RepetitionRange::Bounded(least, most)) => {
                        self.push(format_args!("{{{least},{most}}}"));
                    }
                }
            }
            Ast::Group(group) => {
                let outside = self.flags;
                match &group.kind {
                    GroupKind::CaptureIndex(_) | GroupKind::CaptureName { starts_with_p: false, .. } => {}
                    GroupKind::CaptureName { .. } => return Err("`(?P<`"),
                    GroupKind::NonCapturing(flags) => self.switch(flags)?,
                }
                self.out.push_str("(?:");
                self.pattern(&group.ast)?;
                self.out.push(')');
                self.flags = outside;
            }
            Ast::Alternation(alternation) => {
                for (index, ast) in alternation.asts.iter().enumerate() {
                    self.out.push_str(if index == 0 { "" } else { "|" });
                    self.pattern(ast)?;
                }
            }
            Ast::Concat(concat) => {
                for ast in &concat.asts {
                    self.pattern(ast)?;
                }
            }
        }
        Ok(())
    }

    fn switch(&mut self, flags: &Flags) -> Written {
        let mut on = true;
        for item in &flags.items {
            match item.kind {
                FlagsItemKind::Negation => on = false,
                FlagsItemKind::Flag(Flag::CaseInsensitive) => self.flags.ignore_case = on,
                FlagsItemKind::Flag(Flag::DotMatchesNewLine) => self.flags.dot_all = on,
                FlagsItemKind::Flag(_) => return Err("a flag other than `i` and `s`"),
            }
        }
        Ok(())
    }

    /// A set in brackets.
    fn class(&mut self, negated: bool, set: &ClassSet) -> Written {
        self.out.push_str(if negated { "[^" } else { "[" });
        self.class_set(set)?;
        self.out.push(']');
        Ok(())
    }

    fn class_set(&mut self, set: &ClassSet) -> Written {
        match set {
            ClassSet::Item(item) => self.class_item(item),
            ClassSet::BinaryOp(operation) if operation.kind == ClassSetBinaryOpKind::Intersection => {
                self.class_set(&operation.lhs)?;
                self.out.push_str("&&");
                self.class_set(&operation.rhs)
            }
            ClassSet::BinaryOp(_) => Err("`--` or `~~` in brackets"),
        }
    }

    fn class_item(&mut self, item: &ClassSetItem) -> Written {
        match item {
            ClassSetItem::Empty(_) => {}
            ClassSetItem::Literal(literal) => {
                let character = character(literal)?;
                self.range(character, character);
            }
            ClassSetItem::Range(range) => self.range(character(&range.start)?, character(&range.end)?),
            ClassSetItem::Ascii(_) => return Err("`[:` in brackets"),
            ClassSetItem::Unicode(class) => self.unicode_class(class)?,
            ClassSetItem::Perl(class) => self.perl_class(class),
            ClassSetItem::Bracketed(class) => self.class(class.negated, &class.kind)?,
            ClassSetItem::Union(union) => {
                for item in &union.items {
                    self.class_item(item)?;
                }
            }
        }
        Ok(())
    }

    /// The characters from one to another, within brackets; where case doesn't count, ASCII letters in both cases.
    fn range(&mut self, from: char, to: char) {
        self.push(format_args!(r"\x{{{:x}}}-\x{{{:x}}}", u32::from(from), u32::from(to)));
        if self.flags.ignore_case {
            for (first, last, shift) in [('a', 'z', -32), ('A', 'Z', 32)] {
                let (from, to) = (from.max(first), to.min(last));
                let shifted = |c: char| (c as i32) + shift;
                if from <= to {
                    self.push(format_args!(r"\x{{{:x}}}-\x{{{:x}}}", shifted(from), shifted(to)));
                }
            }
        }
    }

    fn perl_class(&mut self, class: &ClassPerl) {
        let name = match class.kind {
            ClassPerlKind::Digit => "digit",
            ClassPerlKind::Space => "space",
            ClassPerlKind::Word => "word",
        };
        self.ascii_class(class.negated, name);
    }

    /// `\p{…}`: the general categories, and the names that mean ASCII in Java.
    fn unicode_class(&mut self, class: &ClassUnicode) -> Written {
        const CATEGORIES: &str =
            " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn ";
        const ASCII: [&str; 13] = [
            "Lower", "Upper", "ASCII", "Alpha", "Digit", "Alnum", "Punct", "Graph", "Print", "Blank", "Cntrl",
            "XDigit", "Space",
        ];
        let letter;
        let name = match &class.kind {
            ClassUnicodeKind::OneLetter(one) => {
                letter = one.to_string();
                letter.as_str()
            }
            ClassUnicodeKind::Named(name) => name.as_str(),
            ClassUnicodeKind::NamedValue { .. } => return Err("`=` in `\\p`"),
        };
        if self.flags.ignore_case {
            return Err("`\\p` where case doesn't count");
        }
        if ASCII.contains(&name) {
            self.ascii_class(class.negated, &name.to_ascii_lowercase());
        } else if CATEGORIES.contains(&format!(" {name} ")) {
            self.push(format_args!(r"\{}{{{name}}}", if class.negated { 'P' } else { 'p' }));
        } else {
            return Err("`\\p` of a script, a block or a property");
        }
        Ok(())
    }

    fn ascii_class(&mut self, negated: bool, name: &str) {
        self.push(format_args!("[[:{}{name}:]]", if negated { "^" } else { "" }));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing into a text can't fail.
        let _ = self.out.write_fmt(text);
    }
}

/// The character that a literal is; some escapes are none in Java, or others.
fn character(literal: &Literal) -> Result<char, &'static str> {
    match literal.kind {
        LiteralKind::Special(SpecialLiteralKind::VerticalTab) => Err("`\\v`"),
        LiteralKind::HexFixed(HexLiteralKind::UnicodeLong) => Err("`\\U`"),
        LiteralKind::HexBrace(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong) => Err("`\\u{`"),
        _ => Ok(literal.c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        for text in matching {
            assert_eq!(matches(pattern, text), Ok(true), "{pattern} {text:?}");
        }
        for text in others {
            assert_eq!(matches(pattern, text), Ok(false), "{pattern} {text:?}");
        }
    }

    #[test]
    fn patterns_match_as_in_java() {
        check("nat", &["nat"], &["natural", "a nat", ""]);
        check("a|ab", &["a", "ab"], &["b", "aab"]);
        check(r"\d+", &["12"], &["", "１２", "a"]);
        check(r"[^\d]", &["a", "１"], &["1"]);
        check("(?i)NATural", &["natURAL"], &["natura"]);
        check("(?i)[k-m]", &["K", "m"], &["\u{212a}", "j"]);
        check("(?i)ä", &["ä"], &["Ä"]);
        check("a(?i:b)c", &["abc", "aBc"], &["abC"]);
        check(".", &["a", "ä", "😀"], &["\n", "\r", "\u{2028}", ""]);
        check("(?s).", &["\n"], &["ab"]);
        check("[a-f&&[^b]]", &["a"], &["b", "g"]);
        check(r"a{2,3}?", &["aa", "aaa"], &["a", "aaaa"]);
        check(r"\p{L}\p{Lu}\p{Alpha}", &["äÄa"], &["ääa", "äÄä"]);
        check("^$", &[""], &["a"]);
        check(r"\.\u0041\x41\t", &[".AA\t"], &["xAA\t"]);
        check("(?<name>a)b", &["ab"], &["b"]);
    }

    #[test]
    fn what_cant_be_had_is_an_error_and_no_other_answer() {
        for pattern in [
            "[",
            "(",
            "a**",
            "a*+",
            "a++",
            "a?+",
            "a{2}+",
            "(?=a)a",
            "(?<!b)a",
            r"(a)\1",
            r"\bfoo",
            r"\Qa\E",
            "(?x)a",
            "(?m)a",
            "(?U)a",
            "(?u)a",
            "(?P<n>a)",
            "[[:alpha:]]",
            "[a--b]",
            r"\p{IsGreek}",
            r"\p{InGreek}",
            r"\v",
            r"\h",
            r"\R",
            r"\<a",
            r"\Z",
            "(a{1000}){1000}",
        ] {
            assert!(matches(pattern, "a").is_err(), "{pattern}");
        }
        let long = "a".repeat(MAX_TEXT + 1);
        assert!(matches("a*", &long).is_err() && matches(&long, "a").is_err());
        assert!(matches(&"(".repeat(500), "a").is_err());
    }
}
