//! A retry condition says the same twice, names places that are in its text, and ends: whatever text it is.
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
    let known = Variables { exit_code: Some(1), tries: 2, consecutive_failures: 1, trigger_type: Some("natural") };
    let nulls = Variables { exit_code: None, tries: 0, consecutive_failures: u32::MAX, trigger_type: None };
    for variables in [known, nulls] {
        let answer = condition.evaluate(&variables);
        assert_eq!(condition.evaluate(&variables), answer);
        if let Err(error) = answer {
            assert!(columns.contains(&error.column), "{error}");
        }
    }
});
