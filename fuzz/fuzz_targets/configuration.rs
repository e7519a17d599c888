//! A configuration that is read is written in a form that reads as the same configuration, and that serde_json takes.
//! Its rules say the same twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use styx_core::workflow::{Strictness, WorkflowConfiguration, validate};

fuzz_target!(|text: &str| {
    let Ok(configuration) = WorkflowConfiguration::from_json(text) else { return };
    let written = configuration.to_json();
    let again = WorkflowConfiguration::from_json(&written).expect("what is written can be read");
    assert_eq!(again, configuration, "{written}");
    assert_eq!(again.to_json(), written);

    let value = serde_json::from_str(&written).expect("what is written is JSON");
    let strictly = WorkflowConfiguration::from_value(value, Strictness::Strict).expect("every field is known");
    // A value has lost the digits of a duration that a float does not hold.
    assert_eq!(WorkflowConfiguration { running_timeout: configuration.running_timeout, ..strictly }, configuration);

    let errors = validate("component", &configuration.id, &configuration, None);
    assert_eq!(validate("component", &again.id, &again, None), errors);
    assert!(errors.iter().all(|error| !error.text.is_empty() && !error.rule.is_empty()));
});
