//! One workflow of a file: all that is wrong with it, or the workflow.

use styx_core::{
    id::WorkflowId,
    schedule::Schedule,
    workflow::{Finding, JsonError, Rules, WorkflowConfiguration, check},
};

use crate::{
    FileWorkflow, doubtful,
    error::{Problem, TriggerPlaces},
    keys, kubernetes, seeming,
    tree::{Member, Tree, Value},
};

/// The most characters of a reason that repeats a text of the file.
const MAX_REASON: usize = 300;

/// Reads a workflow of the component; `text` is the one that it stands in.
pub(super) fn read(component: &str, mut tree: Tree, text: &str, rules: &Rules) -> Result<FileWorkflow, Vec<Problem>> {
    if let Some(pod) = tree.member_mut("pod") {
        kubernetes::read_again(pod, text);
    }
    let mut reader = Reader { text, tree, problems: Vec::new(), broken: Vec::new() };
    if !matches!(reader.tree.value, Value::Map(_)) {
        let mut text = "expected a workflow, that is keys and values, or a list of workflows".to_owned();
        text.push_str(seeming::joined_hint(&reader.tree));
        let place = Some(reader.tree.place);
        return Err(vec![Problem { place, field: None, text, rule: None }]);
    }
    reader.refuse_unknown_keys();
    reader.refuse_what_seems_otherwise();
    let enabled = reader.enabled();
    let configuration = reader.configuration();
    if let Some(configuration) = &configuration {
        for finding in check(component, &configuration.id, configuration, rules) {
            reader.broken_rule(finding, configuration);
        }
    }
    let [place, schedule] = ["id", "schedule"].map(|field| reader.tree.find(field).place.into());
    let offset = reader.tree.member("offset").map(|offset| offset.place.into());
    let trigger_places = TriggerPlaces { schedule, offset };
    match configuration {
        Some(configuration) if reader.problems.is_empty() => {
            let id = WorkflowId::new(component, configuration.id.as_str());
            let warnings = doubtful::doubts(&reader.tree, text);
            Ok(FileWorkflow { id, configuration, enabled, place, trigger_places, warnings })
        }
        _ => Err(reader.problems),
    }
}

/// A workflow on the way from text to configuration.
struct Reader<'a> {
    /// All of the file's.
    text: &'a str,
    tree: Tree,
    problems: Vec<Problem>,
    /// Top-level fields that have an error already: no rule is told about what stands in for them.
    broken: Vec<String>,
}

impl Reader<'_> {
    /// Unknown keys are mistakes: a file was written by somebody, and what it says is wanted.
    fn refuse_unknown_keys(&mut self) {
        for (problem, meant) in keys::unknown(&self.tree) {
            self.problems.push(problem);
            self.broken.extend(meant.as_deref().map(top_level));
        }
    }

    /// What isn't what it seems can't be taken as it is.
    fn refuse_what_seems_otherwise(&mut self) {
        for problem in seeming::otherwise(&self.tree, self.text) {
            self.broken.extend(problem.field.as_deref().map(top_level));
            self.problems.push(problem);
        }
    }

    fn enabled(&mut self) -> bool {
        let is_broken = self.broken.iter().any(|broken| broken == "enabled");
        let Some(tree) = self.tree.member("enabled").filter(|_| !is_broken) else { return true };
        let enabled = match &tree.value {
            Value::Bool(enabled) => Some(*enabled),
            Value::Text(text) if ["True", "TRUE"].contains(&text.as_str()) => Some(true),
            Value::Text(text) if ["False", "FALSE"].contains(&text.as_str()) => Some(false),
            _ => None,
        };
        if let Some(enabled) = enabled {
            return enabled;
        }
        let found = match &tree.value {
            Value::Text(text) => format!(", found the text {text:?}"),
            Value::Number(number) => format!(", found the number {number}"),
            Value::Null => ", found no value".into(),
            Value::Bool(_) | Value::List(_) | Value::Map(_) => String::new(),
        };
        let (place, text) = (Some(tree.place), format!("expected true or false{found}"));
        self.problems.push(Problem { place, field: Some("enabled".into()), text, rule: None });
        true
    }

    /// Reads the configuration. A field that can't be read is told about and left out, so that one reading finds all.
    fn configuration(&mut self) -> Option<WorkflowConfiguration> {
        let mut members = match &self.tree.value {
            Value::Map(members) => members.clone(),
            _ => Vec::new(),
        };
        members.retain(|member| member.name != "enabled");
        let place = self.tree.place;
        let stand_in = |field: &str| {
            let tree = Tree::text(place, stand_in(field)?);
            Some(Member { place, name: field.into(), range: None, tree })
        };
        let is_there = |member: &Member| !self.broken.contains(&member.name);
        let (mut members, broken): (Vec<_>, Vec<_>) = members.into_iter().partition(is_there);
        members.extend(broken.iter().filter_map(|member| stand_in(&member.name)));
        // Each round takes a field out or puts a stand-in for one of the two that have to be there.
        for _ in 0..members.len() + 3 {
            let tree = Tree { place, value: Value::Map(members.clone()), range: None };
            let error = match WorkflowConfiguration::from_json(&tree.to_json()) {
                Ok(configuration) => return Some(configuration),
                Err(error) => error,
            };
            let field = top_level(error.path().unwrap_or_default());
            self.unreadable(&error, &field);
            members.retain(|member| member.name != field);
            members.extend(stand_in(&field));
            self.broken.push(field);
        }
        None
    }

    fn unreadable(&mut self, error: &JsonError, field: &str) {
        let is_meant = self.broken.iter().any(|broken| broken == field);
        let path = error.path().unwrap_or_default();
        let (path, text) = match error {
            JsonError::Missing { .. } if is_meant => return,
            JsonError::Missing { path } => {
                let text = match self.tree.member(path).map(|tree| (&tree.value, seeming::null_hint(tree, self.text))) {
                    Some((Value::Null, hint)) => format!("is required, and has no value{hint}"),
                    _ => "is required".into(),
                };
                (path.clone(), text)
            }
            JsonError::Unexpected { expected, found, .. } => {
                let mut text = format!("expected {expected}, found {found}");
                text.push_str(&seeming::kind_hint(path, self.tree.find(path), self.text));
                (path.into(), text)
            }
            JsonError::NullElement { path, key } => {
                let is_list = matches!(self.tree.find(path).value, Value::List(_));
                let path = if is_list { format!("{path}[{key}]") } else { format!("{path}.{key}") };
                let hint = seeming::element_hint(key, self.tree.find(&path), self.text);
                (path, format!("value cannot be null{hint}"))
            }
            error => (path.into(), error.to_string()),
        };
        let place = Some(self.tree.find(&path).place);
        self.problems.push(Problem { place, field: Some(path), text, rule: None });
    }

    fn broken_rule(&mut self, finding: Finding, configuration: &WorkflowConfiguration) {
        let Finding { rule, field, mut text } = finding;
        if self.broken.iter().any(|broken| *broken == top_level(&field)) {
            return;
        }
        if rule == Some("V-14")
            && let Err(reason) = Schedule::parse(configuration.schedule.as_str())
        {
            text = format!("{text}: {}", doubtful::shortened(&reason.to_string(), MAX_REASON));
        }
        // The component is the file's name, which stands nowhere in it.
        let place = (field != "component_id").then(|| self.tree.find(&field).place);
        self.problems.push(Problem { place, field: Some(field), text, rule });
    }
}

/// The field of the workflow that a path leads into.
fn top_level(path: &str) -> String {
    path.split(['.', '[']).next().unwrap_or_default().into()
}

/// What keeps the rules in the place of a field that has to be there.
fn stand_in(field: &str) -> Option<&'static str> {
    match field {
        "id" => Some("id"),
        "schedule" => Some("hours"),
        _ => None,
    }
}
