//! What no template may have (decision 57).

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use styx_core::workflow::is_keys_path;

use super::error::{TemplateError, member};
use crate::pod::{KEEPALIVE_CONTAINER, MAIN_CONTAINER};

/// What Styx decides about the job's container: with other values it would run something else, or report its end otherwise.
const REFUSED_OF_MAIN: [(&str, &str); 7] = [
    ("image", "is the workflow's docker_image"),
    ("command", "is the workflow's docker_command"),
    ("args", "is the workflow's docker_args"),
    ("terminationMessagePath", "is where Styx reads the exit code that the job reports"),
    ("terminationMessagePolicy", "decides what Styx reads as the exit code that the job reports"),
    ("restartPolicy", "is always Never: Styx retries by itself"),
    ("restartPolicyRules", "would start the job again in the same pod: Styx retries by itself"),
];
/// All that may be set of the container that keeps the pod alive: what a policy of the cluster may ask for.
const ALLOWED_OF_KEEPALIVE: [&str; 4] = ["name", "image", "resources", "securityContext"];
/// What names of Styx's own labels and annotations begin with.
const RESERVED: [&str; 2] = [STYX_VARIABLE, "styx-"];
const STYX_VARIABLE: &str = "STYX_";

/// Finds nulls and directives of patches (`$patch`, `$retainKeys` and the like): both delete what was merged before, so that
/// what Styx relies on could disappear.
pub(super) fn directives(template: &Value) -> Vec<TemplateError> {
    let mut found = Found(Vec::new());
    found.directives(template, "");
    found.0
}

/// Finds all else that is refused.
pub(super) fn check(template: &Value) -> Vec<TemplateError> {
    let mut found = Found(Vec::new());
    found.metadata(template);
    let Some(Value::Object(spec)) = template.get("spec") else { return found.0 };
    if spec.contains_key("restartPolicy") {
        found.add("spec.restartPolicy", "is always Never in a pod of Styx, which retries by itself: leave it out");
    }
    if spec.contains_key("ephemeralContainers") {
        found.add("spec.ephemeralContainers", "can't be part of a new pod: Kubernetes adds them to running ones");
    }
    found.named(spec, "spec", "volumes", "name", &mut BTreeSet::new());
    // Kubernetes wants different names in both lists.
    let mut names = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        found.named(spec, "spec", list, "name", &mut names);
        for (path, container) in objects(spec, "spec", list) {
            found.container(&path, container, list == "initContainers");
        }
    }
    found.0
}

struct Found(Vec<TemplateError>);

impl Found {
    fn add(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.0.push(TemplateError::new(path, text));
    }

    fn directives(&mut self, value: &Value, path: &str) {
        match value {
            Value::Null => self.add(path, "is null, which would delete what was there before: leave it out"),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.directives(item, &format!("{path}[{at}]"));
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    let path = member(path, name);
                    if name.starts_with('$') {
                        self.add(path, "is a directive of a patch, and a template is merged without: leave it out");
                    } else {
                        self.directives(value, &path);
                    }
                }
            }
            _ => {}
        }
    }

    fn metadata(&mut self, template: &Value) {
        let Some(Value::Object(metadata)) = template.get("metadata") else { return };
        for (name, value) in metadata {
            let path = member("metadata", name);
            if !matches!(name.as_str(), "labels" | "annotations") {
                self.add(path, "isn't for templates: of metadata they have labels and annotations");
                continue;
            }
            for key in value.as_object().into_iter().flat_map(Map::keys) {
                if RESERVED.iter().any(|reserved| key.starts_with(reserved)) {
                    self.add(
                        member(&path, key),
                        "names that begin with STYX_ or styx- are Styx's own: choose another one",
                    );
                }
            }
        }
    }

    fn container(&mut self, path: &str, container: &Map<String, Value>, is_init: bool) {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
        match name {
            MAIN_CONTAINER | KEEPALIVE_CONTAINER if is_init => {
                self.add(member(path, "name"), format!("{name} is a container of Styx: choose another name"));
            }
            MAIN_CONTAINER => {
                for (field, why) in REFUSED_OF_MAIN.iter().filter(|(field, _)| container.contains_key(*field)) {
                    self.add(member(path, field), format!("{why}: leave it out"));
                }
            }
            KEEPALIVE_CONTAINER => {
                for field in container.keys().filter(|field| !ALLOWED_OF_KEEPALIVE.contains(&field.as_str())) {
                    let text =
                        "can't be set of keepalive, which only has to live: image, resources and securityContext can";
                    self.add(member(path, field), text);
                }
            }
            _ => {}
        }
        self.named(container, path, "env", "name", &mut BTreeSet::new());
        for (path, variable) in objects(container, path, "env") {
            if variable.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with(STYX_VARIABLE)) {
                self.add(member(&path, "name"), "variables that begin with STYX_ are Styx's own: choose another name");
            }
        }
        for (path, source) in objects(container, path, "envFrom") {
            if source.get("prefix").and_then(Value::as_str).is_some_and(|prefix| prefix.starts_with(STYX_VARIABLE)) {
                self.add(
                    member(&path, "prefix"),
                    "variables that begin with STYX_ are Styx's own: choose another prefix",
                );
            }
        }
        self.named(container, path, "volumeDevices", "devicePath", &mut BTreeSet::new());
        self.named(container, path, "volumeMounts", "mountPath", &mut BTreeSet::new());
        for (path, mount) in objects(container, path, "volumeMounts") {
            if mount.get("mountPath").and_then(Value::as_str).is_some_and(is_keys_path) {
                let text = "is where Styx mounts the keys of service accounts: choose another path";
                self.add(member(&path, "mountPath"), text);
            }
        }
    }

    /// Items that are merged by a name must have one, and each another.
    fn named<'a>(
        &mut self,
        object: &'a Map<String, Value>,
        path: &str,
        list: &str,
        name: &str,
        seen: &mut BTreeSet<&'a str>,
    ) {
        for (path, item) in objects(object, path, list) {
            match item.get(name).and_then(Value::as_str).filter(|name| !name.is_empty()) {
                None => self.add(member(&path, name), "is required: it says what is merged with what"),
                Some(text) if !seen.insert(text) => {
                    self.add(member(&path, name), format!("{text:?} is there twice: give each another {name}"));
                }
                Some(_) => {}
            }
        }
    }
}

/// The objects of a list, each with its path.
fn objects<'a>(
    object: &'a Map<String, Value>,
    path: &str,
    list: &str,
) -> impl Iterator<Item = (String, &'a Map<String, Value>)> {
    let path = member(path, list);
    let items = object.get(list).and_then(Value::as_array).into_iter().flatten().enumerate();
    items.filter_map(move |(at, item)| Some((format!("{path}[{at}]"), item.as_object()?)))
}
