//! What no executor could ever launch: found when a workflow is read, not when its first run fails.

use std::collections::BTreeMap;

use super::{Finding, WorkflowConfiguration};

/// The most bytes of one argument, or of one variable with its name and `=`: Linux takes no longer text (`MAX_ARG_STRLEN`,
/// 32 pages, with the NUL at its end).
pub const MAX_TEXT_BYTES: usize = 128 * 1024 - 1;
/// The most bytes of all that a workflow gives a program, each text with its NUL and its pointer. Linux takes a quarter of
/// the limit of the stack, which is 2 MiB as a rule; the rest is for the variables of Styx, of a trigger and of the server.
pub const MAX_LAUNCH_BYTES: usize = 1024 * 1024;
/// What a parameter has at most, and more.
const PARAMETER: usize = 64;
/// What a text takes beside its bytes.
const OVERHEAD: usize = 1 + size_of::<u64>();

/// Finds what in a workflow no program could be given (L-1 to L-3), and whether the program is missing (L-4), which there
/// has to be where `docker_command` and `docker_args` are run without the image.
pub fn launch_errors(component_id: &str, workflow: &WorkflowConfiguration, needs_program: bool) -> Vec<Finding> {
    let mut found = Found(Vec::new());
    // Each of them is the value of a variable.
    let texts = [
        ("component_id", Some(component_id)),
        ("id", Some(workflow.id.as_str())),
        ("commit_sha", workflow.commit_sha.as_deref()),
        ("docker_image", workflow.docker_image.as_deref()),
        ("service_account", workflow.service_account.as_deref()),
    ];
    for (field, text) in texts {
        found.text(|| field.into(), text.unwrap_or_default(), 0);
    }
    let command = workflow.docker_command.as_deref().unwrap_or_default();
    for (at, text) in command.iter().enumerate() {
        found.text(|| format!("docker_command[{at}]"), text, 0);
    }
    let args = workflow.docker_args.as_deref().unwrap_or_default();
    found.args(args);
    found.variables("env", &workflow.env);
    let joined = joined_bytes(args);
    let texts = args
        .iter()
        .map(|arg| with_parameter(arg))
        .chain(command.iter().map(String::len))
        .chain(workflow.env.iter().map(|(name, value)| name.len() + 1 + value.len()));
    let total: usize = texts.chain([joined]).map(|bytes| bytes + OVERHEAD).sum();
    if found.0.is_empty() && total > MAX_LAUNCH_BYTES {
        let text = format!(
            "with env it takes {total} bytes to hand over, more than {MAX_LAUNCH_BYTES}: put the text into a file"
        );
        found.add("L-3", "docker_args".into(), text);
    }
    let has_program = command.iter().chain(args).next().is_some_and(|program| !program.is_empty());
    if needs_program && workflow.docker_image.is_some() && !has_program {
        let text = "is missing or begins with an empty text: the local executor runs it as program and arguments, not the image";
        found.add("L-4", "docker_args".into(), text.into());
    }
    found.0
}

/// Finds what in the variables that a trigger sets no program could be given.
///
/// ```
/// use std::collections::BTreeMap;
/// use styx_core::workflow::variable_errors;
///
/// let found = variable_errors("env", &BTreeMap::from([("A=B".to_owned(), "c".to_owned())]));
/// assert_eq!(found[0].to_string(), "env: the name \"A=B\" holds a `=`, so no program can be given it");
/// ```
pub fn variable_errors(field: &str, env: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut found = Found(Vec::new());
    found.variables(field, env);
    let total: usize = env.iter().map(|(name, value)| name.len() + 1 + value.len() + OVERHEAD).sum();
    if found.0.is_empty() && total > MAX_TEXT_BYTES {
        found.add("L-3", field.into(), format!("takes {total} bytes to hand over, more than {MAX_TEXT_BYTES}"));
    }
    found.0
}

struct Found(Vec<Finding>);

impl Found {
    fn add(&mut self, rule: &'static str, field: String, text: String) {
        self.0.push(Finding { rule: Some(rule), field, text });
    }

    /// A text of which a program is given so many bytes more. It may be a secret, so that it isn't shown.
    fn text(&mut self, field: impl Fn() -> String, text: &str, more: usize) {
        if let Some(at) = text.find('\0') {
            let text = format!("holds a NUL character (at byte {at}), so no program can be given it");
            self.add("L-1", field(), text);
        }
        let bytes = text.len().saturating_add(more);
        if bytes > MAX_TEXT_BYTES {
            let text = format!(
                "takes {bytes} bytes to hand over, more than {MAX_TEXT_BYTES}, which is the most that Linux takes of one text"
            );
            self.add("L-3", field(), text);
        }
    }

    fn args(&mut self, args: &[String]) {
        let before = self.0.len();
        for (at, arg) in args.iter().enumerate() {
            self.text(|| format!("docker_args[{at}]"), arg, 0);
        }
        let joined = joined_bytes(args);
        if self.0.len() == before && joined > MAX_TEXT_BYTES {
            let text = format!(
                "all together take {joined} bytes as the variable STYX_DOCKER_ARGS, more than {MAX_TEXT_BYTES}, which is the \
                 most that Linux takes of one text: put the text into a file"
            );
            self.add("L-3", "docker_args".into(), text);
        }
    }

    fn variables(&mut self, field: &str, env: &BTreeMap<String, String>) {
        for (name, value) in env {
            let wrong = match name {
                name if name.is_empty() => Some("is empty"),
                name if name.contains('=') => Some("holds a `=`"),
                name if name.contains('\0') => Some("holds a NUL character"),
                _ => None,
            };
            if let Some(wrong) = wrong {
                let rule = if name.contains('\0') { "L-1" } else { "L-2" };
                self.add(rule, field.into(), format!("the name {name:?} {wrong}, so no program can be given it"));
            }
            self.text(|| format!("{field}.{name}"), value, name.len() + 1);
        }
    }
}

/// The bytes of the variable STYX_DOCKER_ARGS.
fn joined_bytes(args: &[String]) -> usize {
    let blanks = args.len().saturating_sub(1);
    "STYX_DOCKER_ARGS=".len() + blanks + args.iter().map(|arg| with_parameter(arg)).sum::<usize>()
}

fn with_parameter(arg: &str) -> usize {
    if arg == "{}" { PARAMETER } else { arg.len() }
}
