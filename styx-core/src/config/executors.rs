//! Executors by name: which there are, and which of them a workflow's new executions are given to (ADR 13).

use std::{fmt, sync::Arc};

use super::{Config, ExecutorCapabilities};
use crate::{
    extensions::{Extensions, InvalidExtensions},
    id::WorkflowId,
};

/// The tag of a configuration's extension with the executors beside its own, and the routes.
const TABLE: u32 = 1;
/// The tag of a configuration's extension with the default executor that operators chose.
const CHOSEN: u32 = 2;

/// The name of an executor: 1 to 63 small letters, digits and `-`, with a letter or digit at both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExecutorName(Arc<str>);

/// A text that is no [`ExecutorName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the name of an executor: 1 to 63 small letters, digits and `-`, with a letter or digit at both ends"
)]
pub struct InvalidExecutorName(String);

impl ExecutorName {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// When the text breaks the rule.
    pub fn parse(text: &str) -> Result<Self, InvalidExecutorName> {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=63).contains(&text.len())
            && text.bytes().all(is_inner)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if is_name { Ok(Self(text.into())) } else { Err(InvalidExecutorName(text.to_owned())) }
    }

    /// The name as records have it.
    pub fn as_str(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Display for ExecutorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which components a route is for: one by its name, or all whose name begins with the text before a final `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentPattern(Arc<str>);

/// A text that is no [`ComponentPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a component: expected its name, or the beginning of names with a `*` at the end")]
pub struct InvalidComponentPattern(String);

impl ComponentPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// When the text is empty, holds a control character, or a `*` anywhere but at the end.
    pub fn parse(text: &str) -> Result<Self, InvalidComponentPattern> {
        let name = text.strip_suffix('*').unwrap_or(text);
        let is_pattern = !text.is_empty() && !name.contains('*') && !text.contains(char::is_control);
        if is_pattern { Ok(Self(text.into())) } else { Err(InvalidComponentPattern(text.to_owned())) }
    }

    /// Whether the route is for this component.
    pub fn matches(&self, component: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => component.starts_with(beginning),
            None => *self.0 == *component,
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A rule: the executions of these components are given to this executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which components.
    pub component: ComponentPattern,
    /// The executor.
    pub executor: ExecutorName,
}

/// What a configuration says of executors beside [`Config::executor`], which is the default one.
///
/// Its text, a line each, is an extension of the configuration: `executor NAME API SECRETS` (`0` or `1` each: whether it runs
/// workflows made over the API, whether it mounts secrets) and `route EXECUTOR COMPONENT`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutorTable {
    /// The other executors.
    pub others: Vec<ExecutorCapabilities>,
    /// The routes; the first that matches counts.
    pub routes: Vec<Route>,
}

impl ExecutorTable {
    /// Reads the text; lines that a later version has added are passed over.
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut table = Self::default();
        for line in std::str::from_utf8(bytes).unwrap_or_default().lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(kind), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            match kind {
                "executor" => {
                    let mut flags = rest.split(' ').map(|flag| flag == "1");
                    table.others.push(ExecutorCapabilities {
                        runner: name.into(),
                        runs_api_workflows: flags.next().unwrap_or_default(),
                        mounts_secrets: flags.next().unwrap_or_default(),
                    });
                }
                "route" => {
                    let parts = ComponentPattern::parse(rest).ok().zip(ExecutorName::parse(name).ok());
                    table.routes.extend(parts.map(|(component, executor)| Route { component, executor }));
                }
                _ => {}
            }
        }
        table
    }

    fn to_text(&self) -> String {
        let flag = u8::from;
        let executors =
            self.others.iter().map(|ExecutorCapabilities { runner, runs_api_workflows, mounts_secrets }| {
                format!("executor {runner} {} {}\n", flag(*runs_api_workflows), flag(*mounts_secrets))
            });
        let routes = self.routes.iter().map(|route| format!("route {} {}\n", route.executor, route.component.as_str()));
        executors.chain(routes).collect()
    }
}

impl Config {
    /// The executors beside the default of the configuration, and the routes.
    pub fn executor_table(&self) -> ExecutorTable {
        self.extensions.get(TABLE).map(ExecutorTable::from_bytes).unwrap_or_default()
    }

    /// This configuration with these executors beside its own.
    ///
    /// # Errors
    ///
    /// When they take more room than [`Extensions`] have.
    pub fn with_executor_table(&self, table: &ExecutorTable) -> Result<Self, InvalidExtensions> {
        let text = table.to_text();
        let extensions = with(&self.extensions, TABLE, (!text.is_empty()).then_some(text.as_bytes()))?;
        Ok(Self { extensions, ..self.clone() })
    }

    /// The default executor that operators chose, whether it is configured or not.
    pub fn chosen_executor(&self) -> Option<&str> {
        self.extensions.get(CHOSEN).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// This configuration with another choice of operators.
    ///
    /// # Errors
    ///
    /// When the extensions have no room for it.
    pub fn with_chosen_executor(&self, name: Option<&str>) -> Result<Self, InvalidExtensions> {
        let extensions = with(&self.extensions, CHOSEN, name.map(str::as_bytes))?;
        Ok(Self { extensions, ..self.clone() })
    }

    /// An executor by its name; `None` when no such one is configured.
    pub fn executor_by_name(&self, name: &str) -> Option<ExecutorCapabilities> {
        // The table needn't be read for the one that most logs have.
        if *self.executor.runner == *name {
            return Some(self.executor.clone());
        }
        self.executor_in(&self.executor_table(), name)
    }

    /// The same where the table has been read.
    fn executor_in(&self, table: &ExecutorTable, name: &str) -> Option<ExecutorCapabilities> {
        std::iter::once(&self.executor).chain(&table.others).find(|executor| *executor.runner == *name).cloned()
    }

    /// Whether an executor of this name is configured.
    pub fn has_executor(&self, name: &str) -> bool {
        self.executor_by_name(name).is_some()
    }

    /// The executor of all that no route is for: the one that operators chose, while it is configured, else the configuration's.
    pub fn default_executor(&self) -> ExecutorCapabilities {
        self.default_in(&self.executor_table())
    }

    fn default_in(&self, table: &ExecutorTable) -> ExecutorCapabilities {
        let chosen = self.chosen_executor().and_then(|name| self.executor_in(table, name));
        chosen.unwrap_or_else(|| self.executor.clone())
    }

    /// The executor that new executions of a workflow are given to: that of the first route for its component, else the default.
    pub fn executor_for(&self, workflow: &WorkflowId) -> ExecutorCapabilities {
        if self.extensions.is_empty() {
            return self.executor.clone();
        }
        let table = self.executor_table();
        let route = table.routes.iter().find(|route| route.component.matches(workflow.component()));
        let routed = route.and_then(|route| self.executor_in(&table, route.executor.as_str()));
        routed.unwrap_or_else(|| self.default_in(&table))
    }

    /// The names of all executors, the configuration's default first.
    pub fn executor_names(&self) -> Vec<Arc<str>> {
        let others = self.executor_table().others.into_iter().map(|executor| executor.runner);
        std::iter::once(Arc::clone(&self.executor.runner)).chain(others).collect()
    }
}

/// These extensions with other bytes for one tag.
fn with(extensions: &Extensions, tag: u32, bytes: Option<&[u8]>) -> Result<Extensions, InvalidExtensions> {
    let mut fields: Vec<_> = extensions.iter().filter(|(other, _)| *other != tag).collect();
    fields.extend(bytes.map(|bytes| (tag, bytes)));
    fields.sort_unstable_by_key(|(tag, _)| *tag);
    Extensions::new(fields)
}
