//! A file that is read defines valid workflows of its component, each once; the same in JSON reads as the same. One that is
//! not says why, at places that it has.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use styx_core::workflow::{Rules, check};
use styx_files::{FileWorkflow, read_text};

fuzz_target!(|text: &str| {
    match read_text("sales.yaml", text, &Default::default()) {
        Ok(workflows) => check_workflows(&workflows),
        Err(errors) => {
            assert!(!errors.is_empty(), "it is refused without a reason");
            let lines = text.matches(['\n', '\r']).count() as u64 + 1;
            for error in errors {
                assert!(error.place.is_none_or(|(line, _)| (1..=lines).contains(&line)), "{error} of {lines} lines");
                assert!(error.to_string().starts_with("sales.yaml"), "{error}");
            }
        }
    }
});

fn check_workflows(workflows: &[FileWorkflow]) {
    let mut ids = BTreeSet::new();
    for FileWorkflow { id, configuration, .. } in workflows {
        assert_eq!((id.component(), id.workflow()), ("sales", configuration.id.as_str()));
        assert!(ids.insert(id), "{id} is there twice");
        assert_eq!(check("sales", id.workflow(), configuration, &Rules::default()), []);
    }
    let members = workflows.iter().map(|workflow| {
        let json = workflow.configuration.to_json();
        json.replacen('{', &format!("{{\"enabled\":{},", workflow.enabled), 1)
    });
    let json = format!("[{}]", members.collect::<Vec<_>>().join(","));
    let again =
        read_text("sales.yaml", &json, &Default::default()).unwrap_or_else(|errors| panic!("{json}: {errors:?}"));
    let what = |workflow: &FileWorkflow| (workflow.configuration.clone(), workflow.enabled);
    assert!(again.iter().map(what).eq(workflows.iter().map(what)), "{json}");
}
