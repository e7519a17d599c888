//! Texts that are sent to a server, as `styx workflow create` does: the server says what is valid.

use std::fmt;

use styx_core::workflow::{JsonError, WorkflowConfiguration};

use crate::{
    error::Problem,
    seeming,
    tree::{self, Place},
};

/// Why a text doesn't hold configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    text: String,
    place: Option<Place>,
    /// Which document it is, if there are several, and how many there are.
    document: Option<(usize, usize)>,
}

/// Reads a configuration from each document of a text. Unknown fields are ignored, as Styx does, and no rule is checked;
/// but what seems to mean something else than it does is refused, as in a workflow file.
///
/// # Errors
///
/// What is wrong with the first document that isn't a configuration, and where.
pub fn configurations(text: &str) -> Result<Vec<WorkflowConfiguration>, Unreadable> {
    let text = tree::without_mark(text);
    let documents =
        tree::parse(text).map_err(|Problem { place, text, .. }| Unreadable { text, place, document: None })?;
    let count = documents.len();
    let read = |(at, tree): (usize, &tree::Tree)| {
        let document = (count > 1).then_some((at + 1, count));
        if let Some(Problem { place, field, text, .. }) = seeming::otherwise(tree, text).into_iter().next() {
            return Err(Unreadable { text: format!("{}: {text}", field.unwrap_or_default()), place, document });
        }
        WorkflowConfiguration::from_json(&tree.to_json()).map_err(|error| {
            let place = match &error {
                // What isn't there stands nowhere.
                JsonError::Missing { .. } => None,
                error => Some(tree.find(error.path().unwrap_or_default()).place),
            };
            Unreadable { text: error.to_string(), place, document }
        })
    };
    documents.iter().enumerate().map(read).collect()
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, " at line {line}, column {column}")?;
        }
        match self.document {
            Some((document, of)) => write!(f, " (in document {document} of {of})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(text: &str) -> WorkflowConfiguration {
        let mut configurations = configurations(text).unwrap();
        assert_eq!(configurations.len(), 1, "{text}");
        configurations.remove(0)
    }

    #[test]
    fn texts_stay_as_they_were_written() {
        let text = "id: 007\nschedule: days\ncommit_sha: 12345e7\nenv: {V: 1.10, YES: yes, N: 1_000, E: \"\"}\n\
                    docker_args: [1.0, 0x10, true, True, '~']\nenabled: maybe\nwhatever: {is: [unknown]}\n";
        let read = read_one(text);
        assert_eq!((read.id.as_str(), read.commit_sha.as_deref()), ("007", Some("12345e7")));
        assert_eq!(read.docker_args.unwrap(), ["1.0", "0x10", "true", "True", "~"]);
        let env: Vec<_> = read.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(env, [("E", ""), ("N", "1_000"), ("V", "1.10"), ("YES", "yes")]);
    }

    #[test]
    fn numbers_booleans_and_nulls_stay_what_they_are() {
        let text =
            "{id: a, schedule: hours, \"offset\": null, running_timeout: 90.5, docker_termination_logging: true}\n";
        let read = read_one(text);
        assert_eq!((read.offset, read.docker_termination_logging), (None, true));
        assert_eq!(read.running_timeout.unwrap().to_string(), "PT1M30.5S");
        let timeout = |text: &str| {
            let read = read_one(&format!("id: a\nschedule: hours\nrunning_timeout: {text}\n"));
            read.running_timeout.unwrap().to_string()
        };
        assert_eq!((timeout("PT2H"), timeout("7200")), ("PT2H".into(), "PT2H".into()));
    }

    #[test]
    fn several_documents_are_read_and_empty_ones_left_out() {
        let text = "---\nid: a\nschedule: hours\n---\n# nothing\n---\nid: b\nschedule: hours\n...\n";
        let ids: Vec<_> = configurations(text).unwrap().into_iter().map(|read| read.id).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(configurations(""), Ok(Vec::new()));
    }

    #[test]
    fn json_is_read_too() {
        let text = "{\n\t\"id\": \"a\",\n\t\"schedule\": \"hours\",\n\t\"docker_args\": [\"x\", \"{}\"]\n}\n";
        assert_eq!(read_one(text).docker_args.unwrap(), ["x", "{}"]);
    }

    #[test]
    fn errors_say_where() {
        for (text, expected) in [
            ("id: a\nschedule: hours\nenv: [x]\n", "env: expected a map of texts, found a list at line 3, column 6"),
            ("id: a\nenv:\n- x: [y\n", "line 3"),
            ("id: a\nid: b\n", "line 2"),
            ("id: a\nschedule: hours\ndocker_args: [{x: y}]\n", "line 3, column 15"),
            ("id: a\nschedule: hours\nenv: {A: null}\n", "env value cannot be null: A"),
            ("id: a\nschedule: hours\noffset:\n", "offset: has no value: give it one, or leave the line out at line 3"),
            (
                "id: a\nschedule: hours\nresources: one\n",
                "expected a list of texts, found one text; write [\"one\"] at",
            ),
            ("id: a\n---\nid: b\nschedule: days\n", "schedule is required (in document 1 of 2)"),
        ] {
            let error = configurations(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
