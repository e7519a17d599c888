//! What is taken as it is written, though it may mean something else than its author thinks: warnings, not errors, since it may
//! also be meant.

use crate::{
    FileWarning, seeming,
    tree::{Tree, Value},
};

/// The most of an argument that a warning shows.
const SHOWN: usize = 60;

/// Finds it in a workflow; `text` is the one that it stands in.
pub(super) fn doubts(tree: &Tree, text: &str) -> Vec<FileWarning> {
    let mut found = Vec::new();
    let lists = ["docker_command", "docker_args"].map(|name| match tree.member(name) {
        Some(Tree { value: Value::List(items), .. }) => (name, items.as_slice()),
        _ => (name, &[][..]),
    });
    let is_alone = lists.iter().map(|(_, items)| items.len()).sum::<usize>() == 1;
    for (name, items) in lists {
        for (at, item) in items.iter().enumerate() {
            let field = format!("{name}[{at}]");
            cut_off(item, &field, text, &mut found);
            if !(is_alone && command_line(item, &field, &mut found)) {
                placeholder(item, &field, name == "docker_args", &mut found);
            }
        }
    }
    if let Some(Tree { value: Value::Map(variables), .. }) = tree.member("env") {
        for variable in variables {
            cut_off(&variable.tree, &format!("env.{}", variable.name), text, &mut found);
        }
    }
    found
}

/// A text without quotes behind which a `#` begins a comment, but looks as if it were a part of the text.
fn cut_off(tree: &Tree, field: &str, text: &str, found: &mut Vec<FileWarning>) {
    if !matches!(tree.value, Value::Text(_) | Value::Number(_) | Value::Bool(_)) || !seeming::is_plain(tree, text) {
        return;
    }
    let comment = seeming::after(tree, text).strip_prefix('#');
    let begins = |rest: &str| rest.chars().next().is_some_and(|first| !first.is_whitespace() && !"#!".contains(first));
    if comment.is_some_and(begins) {
        let text = "ends before the #, which begins a comment: put the text into quotes if what follows belongs to it, or a \
                    blank behind the # if not";
        found.push(FileWarning::new(tree, field, text));
    }
}

/// Whether the only text is a whole command line: it would be the program's name.
fn command_line(tree: &Tree, field: &str, found: &mut Vec<FileWarning>) -> bool {
    let Value::Text(text) = &tree.value else { return false };
    let is_command_line = text.contains(char::is_whitespace) && !text.contains('\n');
    if is_command_line {
        let text = format!(
            "the program's name would be {:?}: no shell takes a command line apart, so write each argument as an item",
            shortened(text, SHOWN)
        );
        found.push(FileWarning::new(tree, field, text));
    }
    is_command_line
}

/// A placeholder that isn't replaced: within an argument, or in the entry point.
fn placeholder(tree: &Tree, field: &str, is_argument: bool, found: &mut Vec<FileWarning>) {
    let Value::Text(item) = &tree.value else { return };
    if item.contains("{}") && !(is_argument && item == "{}") {
        let rule = match is_argument {
            true => "only an argument that is {} and nothing else becomes the partition",
            false => "{} becomes the partition in docker_args only",
        };
        let shown = shortened(item, SHOWN);
        let text = format!("{shown:?} stays as it is: {rule}; a program finds it in STYX_PARAMETER as well");
        found.push(FileWarning::new(tree, field, text));
    }
}

/// A text of at most so many characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::read_text;

    /// The warnings of a workflow with these lines, as `FIELD: TEXT`.
    fn warnings(lines: &str) -> Vec<String> {
        let text = format!("- id: x\n  schedule: daily\n  docker_image: a\n{lines}");
        let workflows = read_text("c.yaml", &text, &Default::default()).unwrap();
        let warnings = workflows[0].warnings.iter();
        warnings.map(|warning| format!("{}:{} {}", warning.place.0, warning.place.1, warning.field)).collect()
    }

    #[test]
    fn what_a_comment_may_have_cut_off_is_doubtful() {
        assert_eq!(
            warnings("  docker_args:\n  - ./r\n  - a #b\n  - --color #ff0000\n"),
            ["6:5 docker_args[1]", "7:5 docker_args[2]"]
        );
        assert_eq!(warnings("  env:\n    PW: pass #word\n    N: 5 #6\n"), ["5:9 env.PW", "6:8 env.N"]);
        for sound in [
            "  docker_args:\n  - ./r # the program\n  - 'a #b'\n  - a#b\n  - c ## d\n",
            "  docker_args: [./r, a] #both\n",
            "  env:\n    PW: \"pass #word\"\n    A: b #\n",
        ] {
            assert!(warnings(sound).is_empty(), "{sound}: {:?}", warnings(sound));
        }
    }

    #[test]
    fn a_placeholder_within_an_argument_and_a_command_line_are_doubtful() {
        assert_eq!(
            warnings("  docker_args: [./r, '--date={}', '{}', 'x{}y']\n"),
            ["4:22 docker_args[1]", "4:41 docker_args[3]"]
        );
        assert_eq!(warnings("  docker_args: ['./r.sh {}']\n"), ["4:17 docker_args[0]"]);
        assert_eq!(warnings("  docker_args: [./r.sh --all]\n"), ["4:17 docker_args[0]"]);
        assert_eq!(warnings("  docker_command: [./r.sh --all]\n"), ["4:20 docker_command[0]"]);
        assert_eq!(warnings("  docker_command: [./r, '{}']\n  docker_args: [a]\n"), ["4:25 docker_command[1]"]);
        assert_eq!(warnings("  docker_command:\n  - ./r\n  - a #b\n"), ["6:5 docker_command[1]"]);
        for sound in [
            "  docker_args: [./r, '{}']\n",
            "  docker_args: [sh, -c, 'echo a b']\n",
            "  docker_args: ['{}']\n",
            // The program is the command's: what follows may be a whole command line.
            "  docker_command: [sh, -c]\n  docker_args: ['echo a b']\n",
            "  docker_command: [./r]\n  docker_args: ['{}']\n",
        ] {
            assert!(warnings(sound).is_empty(), "{sound}: {:?}", warnings(sound));
        }
    }
}
