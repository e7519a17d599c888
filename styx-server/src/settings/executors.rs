//! Executors by name, as the configuration file has them (ADR 13).

use std::{collections::BTreeMap, fmt, ops::Range};

use anyhow::bail;
use clap::ValueEnum as _;
use serde::{Deserialize, Deserializer, de::Error as _};
use styx_core::config::{ComponentPattern, Config, ExecutorCapabilities, ExecutorName, ExecutorTable, Route};
use toml::Spanned;

use super::{LocalSettings, file::File, values::Iso};
use crate::cli::ExecutorKind;

/// An executor that a server runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecutorSettings {
    /// Its name, which `submit`s carry.
    pub(crate) name: ExecutorName,
    /// What it is, with its options.
    pub(crate) options: ExecutorOptions,
    /// Whether workflows made through the API run there.
    pub(crate) runs_api_workflows: bool,
}

/// The options of an executor, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExecutorOptions {
    /// Processes of this machine.
    Local(LocalSettings),
    /// Nothing is run.
    Fake,
}

impl ExecutorSettings {
    /// An executor of this kind; `local` are its options if that is `local`.
    fn new(name: ExecutorName, kind: ExecutorKind, local: LocalSettings, run_api_workflows: bool) -> Self {
        let options = match kind {
            ExecutorKind::Local => ExecutorOptions::Local(local),
            ExecutorKind::Fake => ExecutorOptions::Fake,
        };
        Self { name, runs_api_workflows: run_api_workflows || !options.is_local(), options }
    }

    fn capabilities(&self) -> ExecutorCapabilities {
        ExecutorCapabilities {
            runner: self.name.as_str().clone(),
            runs_api_workflows: self.runs_api_workflows,
            mounts_secrets: !self.options.is_local(),
        }
    }
}

impl ExecutorOptions {
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    fn kind(&self) -> ExecutorKind {
        match self {
            Self::Local(_) => ExecutorKind::Local,
            Self::Fake => ExecutorKind::Fake,
        }
    }
}

/// Its name, and its kind where that is another text.
impl fmt::Display for ExecutorSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, kind) = (self.name.as_str(), self.options.kind().name());
        if **name == *kind { f.write_str(name) } else { write!(f, "{name} ({kind})") }
    }
}

/// The name of an executor in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(ExecutorName);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        ExecutorName::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ExecutorKind, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "local" => Ok(ExecutorKind::Local),
        "fake" => Ok(ExecutorKind::Fake),
        "kubernetes" => Err(D::Error::custom(
            "kind `kubernetes`: this version has no executor for Kubernetes yet, expected `local` or `fake`",
        )),
        other => Err(D::Error::custom(format!("kind `{other}` is unknown, expected `local` or `fake`"))),
    }
}

/// `[executors.NAME]`: its kind, and the options of all kinds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section of its own, with keys and values")]
pub(super) struct FileExecutor {
    #[serde(deserialize_with = "kind")]
    kind: ExecutorKind,
    run_api_workflows: Option<bool>,
    path: Option<String>,
    environment: Option<String>,
    #[serde(default, deserialize_with = "super::texts")]
    execution_env: BTreeMap<String, String>,
    keep_runs: Option<usize>,
    max_output_bytes: Option<u64>,
    stop_grace: Option<Iso>,
}

impl FileExecutor {
    /// An option that is set and that only the local executor has.
    fn local_option(&self) -> Option<&'static str> {
        let Self {
            kind: _,
            run_api_workflows,
            path,
            environment,
            execution_env,
            keep_runs,
            max_output_bytes,
            stop_grace,
        } = self;
        let set = [
            ("run_api_workflows", run_api_workflows.is_some()),
            ("path", path.is_some()),
            ("environment", environment.is_some()),
            ("execution_env", !execution_env.is_empty()),
            ("keep_runs", keep_runs.is_some()),
            ("max_output_bytes", max_output_bytes.is_some()),
            ("stop_grace", stop_grace.is_some()),
        ];
        set.into_iter().find_map(|(name, is_set)| is_set.then_some(name))
    }

    fn local(&self) -> LocalSettings {
        LocalSettings {
            path: self.path.clone(),
            environment: self.environment.clone(),
            execution_env: self.execution_env.clone(),
            keep_runs: self.keep_runs,
            max_output_bytes: self.max_output_bytes,
            stop_grace: self.stop_grace,
        }
    }
}

/// `[[route]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section of its own, with keys and values")]
pub(super) struct FileRoute {
    #[serde(deserialize_with = "component")]
    component: ComponentPattern,
    executor: Spanned<Name>,
}

fn component<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ComponentPattern, D::Error> {
    ComponentPattern::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Sections by name.
pub(super) type Sections = BTreeMap<Name, Spanned<FileExecutor>>;

/// Refuses what is wrong with executors, whatever flags say; where it stands in the file, and what it is.
pub(super) fn check(file: &File) -> Result<(), (Range<usize>, String)> {
    for (Name(name), section) in &file.executors {
        let executor = section.get_ref();
        if let Some(option) = executor.local_option().filter(|_| executor.kind != ExecutorKind::Local) {
            return Err((section.span(), format!("executors.{name}: `{option}` is an option of the kind `local`")));
        }
    }
    let has = |name: &Name| {
        // A flag may add the executor of the top level.
        file.executors.contains_key(name)
            || ExecutorKind::value_variants().iter().any(|kind| *kind.name() == **name.0.as_str())
    };
    let routed = file.route.iter().map(|route| ("route.executor", &route.executor));
    for (key, name) in file.default_executor.iter().map(|name| ("default_executor", name)).chain(routed) {
        if !has(name.get_ref()) {
            return Err((name.span(), format!("{key}: no executor `{}` is defined", name.get_ref().0)));
        }
    }
    Ok(())
}

/// The executors of a server, the default first.
///
/// # Errors
///
/// When the keys of the top level (`kind` is what they or a flag name) and the sections contradict each other, or don't say which one
/// is the default.
pub(super) fn executors(
    file: &File,
    kind: Option<ExecutorKind>,
    run_api_workflows: bool,
) -> anyhow::Result<Vec<ExecutorSettings>> {
    let mut executors: Vec<_> = file
        .executors
        .iter()
        .map(|(Name(name), section)| {
            let section = section.get_ref();
            let run_api_workflows = section.run_api_workflows.unwrap_or(run_api_workflows);
            ExecutorSettings::new(name.clone(), section.kind, section.local(), run_api_workflows)
        })
        .collect();
    let top = if executors.is_empty() { Some(kind.unwrap_or(ExecutorKind::Local)) } else { kind };
    let top = top.map(|kind| {
        let name = ExecutorName::parse(kind.name()).expect("the name of a kind is one of an executor");
        ExecutorSettings::new(name, kind, file.local.clone(), run_api_workflows)
    });
    if !executors.is_empty()
        && file.local != LocalSettings::default()
        && top.as_ref().is_none_or(|top| !top.options.is_local())
    {
        bail!(
            "[local]: its options are those of `executor = \"local\"`, which isn't there; put them into [executors.NAME]"
        );
    }
    if let Some(top) = &top {
        if executors.iter().any(|executor| executor.name == top.name) {
            bail!(
                "executors.{0}: `executor = \"{0}\"` (or --executor {0}) names a second executor `{0}`; leave one of them out, and say \
                 default_executor = \"{0}\" if it is to be the default",
                top.name
            );
        }
        executors.push(top.clone());
    }
    let names = || executors.iter().map(|executor| executor.name.to_string()).collect::<Vec<_>>().join(", ");
    let default = match (&file.default_executor, &top, executors.as_slice()) {
        (Some(name), ..) => name.get_ref().0.clone(),
        (None, Some(top), _) => top.name.clone(),
        (None, None, [only]) => only.name.clone(),
        (None, None, _) => bail!("default_executor must name one of the executors: {}", names()),
    };
    let routed = file.route.iter().map(|route| &route.executor.get_ref().0);
    if let Some(name) = [&default].into_iter().chain(routed).find(|name| executors.iter().all(|it| it.name != **name)) {
        bail!("no executor `{name}` is defined, which default_executor or a route names; there are: {}", names());
    }
    for ExecutorSettings { name, options, .. } in &executors {
        if let ExecutorOptions::Local(local) = options {
            let is_top = top.as_ref().is_some_and(|top| top.name == *name);
            local.check(&if is_top { "local".to_owned() } else { format!("executors.{name}") })?;
        }
    }
    executors.sort_by_key(|executor| executor.name != default);
    Ok(executors)
}

/// Puts executors and routes into what decisions follow.
///
/// # Errors
///
/// When they are too many for a record.
pub(super) fn record(file: &File, executors: &[ExecutorSettings], config: Config) -> anyhow::Result<Config> {
    let routes = file.route.iter().map(|FileRoute { component, executor }| Route {
        component: component.clone(),
        executor: executor.get_ref().0.clone(),
    });
    let mut capabilities = executors.iter().map(ExecutorSettings::capabilities);
    let executor = capabilities.next().unwrap_or_else(|| config.executor.clone());
    let table = ExecutorTable { others: capabilities.collect(), routes: routes.collect() };
    let config = Config { executor, ..config }.with_executor_table(&table);
    config.map_err(|error| anyhow::anyhow!("executors and routes take more room than a record has: {error}"))
}
