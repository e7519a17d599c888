//! What could never be launched is found when a workflow is read.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use styx_core::workflow::{
    MAX_LAUNCH_BYTES, MAX_TEXT_BYTES, Rules, WorkflowConfiguration, check, launch_errors, variable_errors,
};

fn workflow(args: &[&str], env: &[(&str, &str)]) -> WorkflowConfiguration {
    let mut workflow = WorkflowConfiguration::new("w", "daily");
    workflow.docker_image = Some("busybox".into());
    workflow.docker_args = Some(args.iter().map(|arg| (*arg).into()).collect());
    workflow.env = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    workflow
}

#[track_caller]
fn refuse(workflow: &WorkflowConfiguration, expected: &[(&str, &str)]) {
    let found = launch_errors("c", workflow, true);
    let is: Vec<_> = found.iter().map(|finding| (finding.rule.unwrap(), finding.field.as_str())).collect();
    assert_eq!(is, expected, "{found:?}");
}

#[test]
fn what_no_program_can_be_given() {
    refuse(&workflow(&["a", "b\0"], &[]), &[("L-1", "docker_args[1]")]);
    refuse(&workflow(&["a"], &[("A", "b\0c")]), &[("L-1", "env.A")]);
    refuse(&workflow(&["a"], &[("A\0", "b")]), &[("L-1", "env")]);
    refuse(
        &workflow(&["a"], &[("", "b"), ("A=B", "c"), ("=", "d")]),
        &[("L-2", "env"), ("L-2", "env"), ("L-2", "env")],
    );
    // They become variables as well.
    let mut nul = workflow(&["a"], &[]);
    (nul.id, nul.commit_sha, nul.service_account) = ("w\0".into(), Some("\0".into()), Some("\0".into()));
    refuse(&nul, &[("L-1", "id"), ("L-1", "commit_sha"), ("L-1", "service_account")]);
    assert_eq!(launch_errors("c\0", &workflow(&["a"], &[]), false)[0].field, "component_id");
    // What is odd and can be given.
    refuse(&workflow(&["{}", "", "\u{1}\n"], &[("1 BAD NAME", "="), ("my.name", "\u{7f}"), ("É", "")]), &[]);
}

#[test]
fn a_program_is_needed_where_the_image_is_not_run() {
    for args in [&[][..], &[""], &["", "a"]] {
        let workflow = workflow(args, &[]);
        refuse(&workflow, &[("L-4", "docker_args")]);
        assert_eq!(launch_errors("c", &workflow, false), []);
    }
    let mut command = workflow(&[], &[]);
    command.docker_command = Some(vec!["echo".into()]);
    refuse(&command, &[]);
    command.docker_command = Some(vec!["".into(), "b\0".into()]);
    refuse(&command, &[("L-1", "docker_command[1]"), ("L-4", "docker_args")]);
    let mut nothing = workflow(&[], &[]);
    (nothing.docker_args, nothing.docker_image) = (None, None);
    refuse(&nothing, &[]);
    let rules = Rules { needs_program: true, ..Rules::default() };
    let findings = check("c", "w", &workflow(&[], &[]), &rules);
    assert!(findings[0].to_string().starts_with("docker_args: is missing"), "{findings:?}");
}

#[test]
fn values_are_not_shown() {
    let secret = "s3cret\0";
    let mut workflow = workflow(&["a", secret], &[("A", secret)]);
    workflow.commit_sha = Some(secret.into());
    let all: String = launch_errors("c", &workflow, true).iter().map(ToString::to_string).collect();
    assert!(all.contains("NUL") && !all.contains("s3cret"), "{all}");
}

#[test]
fn what_linux_takes_no_more() {
    let long = |bytes: usize| "x".repeat(bytes);
    // As an argument it could be one byte longer than as a part of STYX_DOCKER_ARGS.
    let name = "STYX_DOCKER_ARGS=".len();
    refuse(&workflow(&[&long(MAX_TEXT_BYTES - name)], &[]), &[]);
    refuse(&workflow(&[&long(MAX_TEXT_BYTES - name + 1)], &[]), &[("L-3", "docker_args")]);
    refuse(&workflow(&[&long(MAX_TEXT_BYTES)], &[]), &[("L-3", "docker_args")]);
    refuse(&workflow(&["a", &long(MAX_TEXT_BYTES + 1)], &[]), &[("L-3", "docker_args[1]")]);
    refuse(&workflow(&[&long(70_000), &long(70_000)], &[]), &[("L-3", "docker_args")]);
    refuse(&workflow(&["a"], &[("A", &long(MAX_TEXT_BYTES - 2))]), &[]);
    refuse(&workflow(&["a"], &[("A", &long(MAX_TEXT_BYTES - 1))]), &[("L-3", "env.A")]);
    // Nothing of it is long.
    let many = vec![""; MAX_TEXT_BYTES - 1_000];
    let mut workflow = workflow(&many, &[]);
    workflow.docker_args.as_mut().unwrap()[0] = "a".into();
    refuse(&workflow, &[("L-3", "docker_args")]);
    let text = launch_errors("c", &workflow, true)[0].to_string();
    assert!(text.contains(&MAX_LAUNCH_BYTES.to_string()), "{text}");
}

#[test]
fn what_a_trigger_sets_is_a_variable_too() {
    let found = |name: &str, value: &str| variable_errors("env", &BTreeMap::from([(name.into(), value.into())]));
    assert_eq!(found("A", "b"), []);
    for (name, value, field) in
        [("A", "\0", "env.A"), ("", "b", "env"), ("A=", "b", "env"), ("A", &"x".repeat(131_070), "env.A")]
    {
        assert_eq!(found(name, value)[0].field, field, "{name}");
    }
    let many: BTreeMap<_, _> = (0..4).map(|n| (n.to_string(), "x".repeat(50_000))).collect();
    assert_eq!(variable_errors("env", &many)[0].field, "env");
}

proptest! {
    /// Exactly what can't be the text of a C program is found.
    #[test]
    fn texts_are_refused_for_a_nul_and_names_for_an_equals_sign_too(
        args in proptest::collection::vec("[a\\x00={} é]{0,4}", 1..4),
        env in proptest::collection::btree_map("[A\\x00= é]{0,3}", "[a\\x00=é]{0,3}", 0..3),
    ) {
        let texts: Vec<&str> = args.iter().map(String::as_str).collect();
        let pairs: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let is_bad = args.iter().any(|arg| arg.contains('\0'))
            || env.iter().any(|(name, value)| name.is_empty() || name.contains(['\0', '=']) || value.contains('\0'));
        prop_assert_eq!(launch_errors("c", &workflow(&texts, &pairs), false).is_empty(), !is_bad);
    }
}
