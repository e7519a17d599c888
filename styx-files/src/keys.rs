//! The keys that a workflow may have, and what was probably meant by another one.

use styx_core::text::nearest;

use crate::{
    error::Problem,
    tree::{Tree, Value},
};

/// The keys at each level, under the path that leads there.
const KEYS: [(&str, &[&str]); 5] = [
    (
        "",
        &[
            "id",
            "enabled",
            "schedule",
            "offset",
            "commit_sha",
            "docker_image",
            "docker_command",
            "docker_args",
            "docker_termination_logging",
            "service_account",
            "resources",
            "env",
            "running_timeout",
            "retry_condition",
            "flyte_exec_conf",
            "deployment_source",
            "deployment_time",
            "secret",
            "pod",
        ],
    ),
    ("flyte_exec_conf", &["reference_id", "input_fields"]),
    ("flyte_exec_conf.reference_id", &["resource_type", "project", "domain", "name", "version"]),
    ("deployment_source", &["repository", "source"]),
    ("secret", &["name", "mount_path"]),
];

/// Whether there is a key of this name under the path.
pub(super) fn is_known(path: &str, name: &str) -> bool {
    KEYS.iter().any(|(of, keys)| *of == path && keys.contains(&name))
}

/// Finds the keys that there are not. With each comes the key that was probably meant, as a path.
pub(super) fn unknown(tree: &Tree) -> Vec<(Problem, Option<String>)> {
    let mut found = Vec::new();
    unknown_below(tree, "", &mut found);
    found
}

fn unknown_below(tree: &Tree, path: &str, found: &mut Vec<(Problem, Option<String>)>) {
    let Some((_, keys)) = KEYS.iter().find(|(of, _)| *of == path) else { return };
    let Value::Map(members) = &tree.value else { return };
    for member in members {
        let below = join(path, &member.name);
        if keys.contains(&member.name.as_str()) {
            unknown_below(&member.tree, &below, found);
            continue;
        }
        let meant = nearest(&member.name, keys);
        let text = match (meant, member.name.as_str()) {
            (_, "component" | "component_id") if path.is_empty() => {
                "unknown key; the component is the file's name without extension".into()
            }
            (Some(meant), _) => format!("unknown key, did you mean `{meant}`?"),
            (None, _) if path.is_empty() && holds_workflows(&member.tree) => {
                "unknown key; a file is a workflow or a list of workflows, without a key above them".into()
            }
            (None, _) => "unknown key".into(),
        };
        let problem = Problem { place: Some(member.place), field: Some(below), text, rule: None };
        found.push((problem, meant.map(|meant| join(path, meant))));
    }
}

/// Whether a value looks like what should stand at the top.
fn holds_workflows(tree: &Tree) -> bool {
    match &tree.value {
        Value::List(items) => items.iter().any(holds_workflows),
        Value::Map(_) => tree.member("schedule").is_some(),
        _ => false,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses() {
        let keys = KEYS[0].1;
        for (name, meant) in [
            ("docker_imgae", Some("docker_image")),
            ("dockerImage", Some("docker_image")),
            ("docker-args", Some("docker_args")),
            ("Schedule", Some("schedule")),
            ("shedule", Some("schedule")),
            ("enable", Some("enabled")),
            ("timeout", None),
            ("running_time_out", Some("running_timeout")),
            ("image", None),
            ("xy", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, keys), meant, "{name}");
        }
    }
}
