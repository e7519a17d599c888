//! Retry conditions: the reference table of the specification (SM-87 to SM-91), and laws over random texts.

use std::thread;

use proptest::prelude::*;
use styx_core::condition::{Condition, MAX_LENGTH, Variables};

const KNOWN: Variables<'_> =
    Variables { exit_code: Some(1), tries: 1, consecutive_failures: 1, trigger_type: Some("natural") };
const NULLS: Variables<'_> = Variables { exit_code: None, tries: 1, consecutive_failures: 1, trigger_type: None };

/// What a text says: `true`, `false`, `null`, `error` or `parse error`.
fn said(text: &str, variables: &Variables<'_>) -> &'static str {
    match Condition::parse(text).map(|condition| condition.evaluate(variables)) {
        Ok(Ok(Some(true))) => "true",
        Ok(Ok(Some(false))) => "false",
        Ok(Ok(None)) => "null",
        Ok(Err(_)) => "error",
        Err(_) => "parse error",
    }
}

#[track_caller]
fn check(texts: &[&str], known: &str, nulls: &str) {
    for text in texts {
        assert_eq!((said(text, &KNOWN), said(text, &NULLS)), (known, nulls), "{text}");
    }
}

/// SM-87.
#[test]
fn the_reference_table_holds() {
    check(&["#exitCode == 1"], "true", "false");
    check(&["#exitCode < 2"], "true", "true");
    check(&["#exitCode > 2"], "false", "false");
    check(&["#exitCode != 1", "!(#exitCode == 1)", "#exitCode == null"], "false", "true");
    check(&["#exitCode >= 0", "#exitCode between {1,5}", "#triggerType == 'natural'"], "true", "false");
    check(&["#exitCode == '1'"], "false", "false");
    check(&["#tries == 1.0", "#tries == 1L", "#tries % 2 == 1", "#tries + 1 == 2", "2 ^ 3 == 8"], "true", "true");
    check(&["#triggerType matches 'nat.*'"], "true", "error");
    check(&["(#tries < 2 && #triggerType == 'backfill') || (#triggerType != 'backfill')"], "true", "true");
    check(&["#tries < 3 or #foo", "true", "TRUE", "'true'", "'yes'", "'on'", "'1'"], "true", "true");
    check(&["'foo'", "1", "0", "21 * 2"], "error", "error");
    check(&["null", "#nope"], "null", "null");
    check(&["#nope == null"], "true", "true");
    let errors = ["tries < 3", "!#exitCode == 1", "#nope || true", "!null", "#tries < 'a'", "(#tries)"];
    check(&errors, "error", "error");
    check(&["#exitCode < 'a'"], "error", "true");
    check(&["#exitCode + 1 > 0"], "true", "error");
    check(&["false && #tries / 0 == 1"], "false", "false");
    check(&["true || #tries / 0 == 1"], "true", "true");
    let true_texts = ["7 / 2 == 3", "7 mod 4 == 3", "-2 ^ 2 == 4", "1 + 2 * 3 == 7", "#tries GE 1", "NOT false"];
    check(&true_texts, "true", "true");
    check(&["#exitCode == 1 ? 'yes' : 'no'"], "true", "false");
    let not_ours =
        ["#triggerType.length() > 3", "{1,2}.contains(#exitCode)", "T(java.lang.Math).abs(1) == 1", "#tries = 5"];
    check(&not_ours, "error", "error");
    let unparsable = [
        "#exitCode in {1,2}",
        "foo -> bar",
        "1 < 2 < 3",
        "1 < 2 == true",
        "2 ^ 3 ^ 2 == 64",
        "",
        " \t",
        "(#tries",
        "a b",
    ];
    check(&unparsable, "parse error", "parse error");
    check(&["#tries / 0 == 1", "#tries % 0 == 1"], "error", "error");
}

/// SM-88 and SM-91: the same text says the same, however often and from however many threads.
#[test]
fn many_threads_get_the_same_answer() {
    let text = r#"#exitCode == 1 && (#tries < 3 || #consecutiveFailures < 4) && #triggerType == "natural""#;
    let met = Variables { exit_code: Some(1), tries: 3, consecutive_failures: 2, trigger_type: Some("natural") };
    assert_eq!(said(text, &Variables { trigger_type: None, ..met }), "false");
    let condition = Condition::parse(text).unwrap();
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| (0..313).for_each(|_| assert_eq!(condition.evaluate(&met), Ok(Some(true)))));
        }
    });
    let answers = [Some(1), Some(1), None, Some(2), Some(1)]
        .map(|exit_code| said("#exitCode == 1", &Variables { exit_code, ..KNOWN }));
    assert_eq!(answers, ["true", "true", "false", "false", "true"]);
}

/// SM-90.
#[test]
fn an_error_says_where_and_what() {
    let parsing = |text: &str| Condition::parse(text).unwrap_err().to_string();
    assert_eq!(parsing("#tries <"), "column 9: expected an operand, found the end");
    assert_eq!(parsing("#tries < 3; true"), "column 11: `;` doesn't belong to an expression");
    assert_eq!(parsing("'ä' == #träs"), "column 11: `ä` doesn't belong to an expression");
    assert_eq!(parsing("(#tries < 3"), "column 12: expected `)`, found the end");
    assert_eq!(parsing("#tries in {1}"), "column 8: expected an operator or the end, found `in`");
    assert_eq!(parsing("#tries < 99999999999"), "column 10: the number `99999999999` can't be read");
    assert_eq!(parsing("'open"), "column 1: the text that begins here has no closing '");
    assert_eq!(parsing(&"1".repeat(MAX_LENGTH + 1)), "column 1: 257 characters are more than 256");
    let evaluating = |text: &str| Condition::parse(text).unwrap().evaluate(&NULLS).unwrap_err().to_string();
    assert_eq!(evaluating("true && #tries / 0 == 1"), "column 16: a whole number is divided by zero");
    assert_eq!(evaluating("tries < 3"), "column 1: `tries` has no value here: variables are written with `#`");
    assert_eq!(evaluating("#exitCode + 1 > 0"), "column 11: `+` can't be applied to null and a whole number");
    assert_eq!(evaluating("1 > 0 and #tries"), "column 11: a whole number is neither true nor false");
    assert_eq!(evaluating("'maybe'"), "column 1: the text `maybe` is neither true nor false");
    assert_eq!(evaluating("#triggerType.length() > 3"), "column 13: a method can't be evaluated");
    assert_eq!(
        evaluating("'a' matches '(?=a)'"),
        "column 5: the pattern can't be used: look-around, including look-ahead and look-behind, is not supported"
    );
}

/// As deep as a text can be, on a small stack; and texts that ask for much.
#[test]
fn nothing_takes_long_or_overflows() {
    let deep = ["(", "{", "!", "-", "+", "#a[", "a(", "{1}.?[", "1+", "true?1:", "#a?:", "new a[", "'a'."];
    let mut texts: Vec<String> = deep.iter().map(|part| part.repeat(MAX_LENGTH / part.len())).collect();
    texts.extend(["(", "!", "{", "-"].map(|part| {
        let close = match part {
            "(" => ")",
            "{" => "}",
            _ => "",
        };
        let depth = if close.is_empty() { 252 } else { 126 };
        format!("{}true{}", part.repeat(depth), close.repeat(depth))
    }));
    texts.push(format!("true{}", "||true".repeat(42)));
    texts.push(format!("1{} == 1", "+1".repeat(120)));
    texts.push("('a' * 2147483647) == ''".to_owned());
    texts.push(format!("{} == ''", "'a' * 9999 * 9999 * 9999"));
    texts.push(format!("{{'a'*60000}}{}.empty", ".![{#this,#this,#this,#this,#this}]".repeat(6)));
    texts.push(format!("{{'a'*9999}}{} + 'a' == ''", ".![{#this,#this,#this,#this}]".repeat(7)));
    texts.push(format!("{{1}}{0} == {{1}}{0}", ".![{#this,#this,#this}]".repeat(4)));
    let list = "{1,2,3,4,5,6,7,8,9}";
    texts.push(format!(
        "{list}.?[{list}.?[{list}.?[{list}.?[{list}.?[{list}.?[true].empty].empty].empty].empty].empty].empty"
    ));
    texts.push(format!(
        "{list}.?[{list}.?[{list}.?['aaaaaaaaaaaaaaaaaaaaaaaaaaaaab' matches '(a|a|aa)*(a*)*c'].empty].empty].empty"
    ));
    texts.push("'aaaaaaaaaaaaaaaaaaaaaaaa' matches '((a{1,99}){1,99}){1,99}'".to_owned());
    let small = thread::Builder::new().stack_size(512 * 1024);
    let run = move || {
        for text in texts {
            assert!(text.encode_utf16().count() <= MAX_LENGTH, "{text}");
            let outcome = said(&text, &KNOWN);
            let deeper = Condition::parse(&format!("({text})"));
            assert!(deeper.is_err() || outcome != "parse error", "{text}");
        }
    };
    small.spawn(run).unwrap().join().unwrap();
}

/// What a condition may be made of.
#[rustfmt::skip]
const PARTS: &[&str] = &[
    "#tries", "#exitCode", "#triggerType", "#this", "tries", "true", "null", "1", "2L", "0x1F", "1.5", "1e3f",
    "'a'", "\"b\"", "(", ")", "{", "}", "[", "]", ".", "?.", ".?[", ".^[", ".$[", ".![", ",", ":", "?", "?:", "+",
    "-", "*", "/", "%", "^", "++", "--", "!", "not", "==", "!=", "<", "<=", ">", ">=", "eq", "LT", "&&", "||",
    "and", "or", "matches", "between", "instanceof", "T(", "new ", "@", "&", "=", "length", "empty", "size", " ",
    "ä", "\\", "'", "\u{0}",
];

/// Parts put together at random: most of it is nearly an expression.
fn nearly() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PARTS), 0..24).prop_map(|parts| parts.join(" "))
}

/// Expressions of numbers that are right by construction, with what they come to.
fn sum() -> impl Strategy<Value = (String, i32)> {
    let leaf = (0..50_i32).prop_map(|number| (number.to_string(), number));
    leaf.prop_recursive(4, 32, 2, |inner| {
        (inner.clone(), inner, 0..4_u8).prop_map(|((a, x), (b, y), operator)| match operator {
            0 => (format!("({a} + {b})"), x.wrapping_add(y)),
            1 => (format!("({a}- {b})"), x.wrapping_sub(y)),
            2 => (format!("({a}*{b})"), x.wrapping_mul(y)),
            _ => (format!("-({a} - {b})"), x.wrapping_sub(y).wrapping_neg()),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_and_the_same_text_says_the_same(
        text in prop_oneof![nearly(), ".{0,40}"],
        exit_code in any::<Option<i32>>(),
        tries in any::<u32>(),
    ) {
        let variables = Variables { exit_code, tries, ..KNOWN };
        let parsed = Condition::parse(&text);
        prop_assert_eq!(&parsed, &Condition::parse(&text));
        if let Ok(condition) = parsed {
            let answer = condition.evaluate(&variables);
            prop_assert_eq!(&answer, &condition.evaluate(&variables));
            let column = answer.map_or_else(|error| error.column, |_| 1);
            prop_assert!((1..=text.chars().count()).contains(&column), "column {} of {:?}", column, text);
        }
    }

    #[test]
    fn an_error_names_a_place_in_the_text(text in prop_oneof![nearly(), ".{0,40}"]) {
        if let Err(error) = Condition::parse(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{} in {:?}", error, text);
        }
    }

    #[test]
    fn blanks_between_tokens_and_brackets_around_an_expression_change_nothing((text, value) in sum()) {
        prop_assume!(text.len() < 200);
        for text in [format!("{text} == {value}"), format!(" ( {text} )  == ({value})"), format!("{text}=={value}")] {
            // The smallest number has no literal.
            let expected = if value == i32::MIN { "parse error" } else { "true" };
            prop_assert_eq!(said(&text, &KNOWN), expected, "{}", text);
        }
    }

    #[test]
    fn comparisons_are_those_of_numbers(exit in -5..6_i32, other in -5..6_i32) {
        let variables = Variables { exit_code: Some(exit), ..KNOWN };
        for (operator, word, holds) in [
            ("==", "eq", exit == other), ("!=", "ne", exit != other), ("<", "lt", exit < other),
            ("<=", "Le", exit <= other), (">", "GT", exit > other), (">=", "gE", exit >= other),
        ] {
            for operator in [operator, word] {
                for other in [format!("{other}"), format!("{other}L"), format!("{other}.0"), format!("{other}f")] {
                    let text = format!("#exitCode {operator} {other}");
                    prop_assert_eq!(said(&text, &variables), if holds { "true" } else { "false" }, "{}", text);
                }
            }
        }
    }
}
