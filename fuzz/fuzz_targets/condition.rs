//! A retry condition says the same twice and within brackets, and the contrary when negated; it names places that are in its
//! text, and ends: whatever text it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use styx_core::condition::{Condition, Variables};

fuzz_target!(|text: &str| {
    let columns = 1..=text.chars().count() + 1;
    let condition = match Condition::parse(text) {
        Ok(condition) => condition,
        Err(error) => return assert!(columns.contains(&error.column), "{error}"),
    };
    assert_eq!(Condition::parse(text).as_ref(), Ok(&condition));
    // Both are refused where they get too long or too deep.
    let bracketed = Condition::parse(&format!("({text})")).ok();
    let negated = Condition::parse(&format!("!({text})")).ok();
    let known = Variables { exit_code: Some(1), tries: 2, consecutive_failures: 1, trigger_type: Some("natural") };
    let nulls = Variables { exit_code: None, tries: 0, consecutive_failures: u32::MAX, trigger_type: None };
    for variables in [known, nulls] {
        let answer = condition.evaluate(&variables);
        assert_eq!(condition.evaluate(&variables), answer);
        if let Err(error) = &answer {
            assert!(columns.contains(&error.column), "{error}");
        }
        if let Some(bracketed) = &bracketed {
            assert_eq!(bracketed.evaluate(&variables).ok(), answer.clone().ok(), "brackets change it");
        }
        if let (Some(negated), Ok(Some(value))) = (&negated, answer) {
            assert_eq!(negated.evaluate(&variables), Ok(Some(!value)), "its negation isn't the contrary");
        }
    }
});
