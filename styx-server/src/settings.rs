//! Settings: flags over environment over file, and the [`Config`] that decisions follow.

mod apart;
mod executors;
mod file;
mod values;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::bail;
use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, de::Error as _};
use styx_core::{
    config::{Config, FailureLimit},
    run::State,
    workflow::{MAX_TEXT_BYTES, Rules, variable_errors},
};
use styx_engine::clock::WallLimits;

/// The most that `max_body_bytes` may be: what a request asks for goes into one record, whose parts may repeat it.
const MAX_BODY_BYTES: usize = styx_store::codec::MAX_BODY / 4;

pub(crate) use self::executors::{ExecutorOptions, ExecutorSettings};
use self::file::File;
pub(crate) use self::values::{Iso, listen};
use crate::cli::{AuthMode, Flags, LogFormat, LogRuns};

/// All that a server is started with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Folder of all data.
    pub(crate) data: PathBuf,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Workflow folder.
    pub(crate) workflows: Option<PathBuf>,
    /// How the workflow folder is watched.
    pub(crate) folder: FolderSettings,
    /// What runs executions; the default first.
    pub(crate) executors: Vec<ExecutorSettings>,
    /// How the log looks.
    pub(crate) log_format: LogFormat,
    /// Which runs the log has lines about.
    pub(crate) log_runs: LogRuns,
    /// What decisions follow; becomes a record.
    pub(crate) config: Arc<Config>,
    /// Scheduling as a whole is turned on or off at start, if the file says so; else it stays as operators left it.
    pub(crate) scheduling: Option<bool>,
    /// Limits of the HTTP server.
    pub(crate) http: HttpSettings,
    /// Who may ask.
    pub(crate) auth: AuthSettings,
    /// With less free disk space than this, writes are refused.
    pub(crate) disk_reserve: u64,
    /// How far the wall clock is believed.
    pub(crate) wall_limits: WallLimits,
    /// How many checkpoints are kept; the oldest ones are removed when a new one is made.
    pub(crate) keep_checkpoints: usize,
}

/// Who may ask for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthSettings {
    /// How callers are told apart.
    pub(crate) mode: AuthMode,
    /// The file of tokens.
    pub(crate) tokens: PathBuf,
    /// Reads need no token.
    pub(crate) anonymous_reads: bool,
}

/// How the workflow folder is watched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section of its own, with keys and values")]
pub(crate) struct FolderSettings {
    /// How long a file must be gone until it counts as removed, which disables its workflows.
    pub(crate) removed_after: Iso,
    /// How often files are compared with what was read, since not every change is notified of.
    pub(crate) sweep_every: Iso,
}

impl Default for FolderSettings {
    fn default() -> Self {
        Self { removed_after: Iso(TimeDelta::seconds(30)), sweep_every: Iso(TimeDelta::seconds(30)) }
    }
}

impl FolderSettings {
    fn check(&self) -> anyhow::Result<()> {
        let Self { removed_after, sweep_every } = self;
        if !(TimeDelta::seconds(1)..=TimeDelta::minutes(1)).contains(&sweep_every.0) {
            bail!("workflow_folder: sweep_every ({sweep_every}) must be from PT1S to PT1M");
        }
        if removed_after.0 > TimeDelta::days(7) {
            bail!("workflow_folder: removed_after ({removed_after}) must be at most P7D");
        }
        Ok(())
    }
}

/// The local executor's settings; `None` is its own default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocalSettings {
    /// PATH of jobs, unless their workflow sets it.
    pub(crate) path: Option<String>,
    /// Value of STYX_ENVIRONMENT.
    pub(crate) environment: Option<String>,
    /// Variables of every job, for names that neither its workflow nor Styx has set; the values may be secrets.
    #[serde(default)]
    #[serde(deserialize_with = "texts")]
    pub(crate) execution_env: BTreeMap<String, String>,
    /// Of how many ended executions the output is kept.
    pub(crate) keep_runs: Option<usize>,
    /// The most output that is kept of an execution.
    pub(crate) max_output_bytes: Option<u64>,
    /// How long a job may take to end after it was asked to.
    pub(crate) stop_grace: Option<Iso>,
}

/// Names and texts. They may be secrets, so what is wrong with one is told without it.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let toml::Value::Table(table) = toml::Value::deserialize(deserializer)? else {
        return Err(D::Error::custom("execution_env must be a table of names and texts"));
    };
    let text = |(name, value)| match value {
        toml::Value::String(text) => Ok((name, text)),
        _ => Err(D::Error::custom(format!("execution_env.{name} must be a text in quotes"))),
    };
    table.into_iter().map(text).collect()
}

impl LocalSettings {
    /// Refuses what no job could be given.
    /// `key` is where they stand in the file.
    fn check(&self, key: &str) -> anyhow::Result<()> {
        if let Some(error) = variable_errors(&format!("{key}.execution_env"), &self.execution_env).first() {
            bail!("{error}");
        }
        for (name, value) in [("path", &self.path), ("environment", &self.environment)] {
            if value.as_ref().is_some_and(|value| value.contains('\0') || value.len() > MAX_TEXT_BYTES / 2) {
                bail!("{key}.{name}: holds a NUL character or takes more than {} bytes", MAX_TEXT_BYTES / 2);
            }
        }
        Ok(())
    }
}

/// Limits of the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section of its own, with keys and values")]
pub(crate) struct HttpSettings {
    /// The most bytes of a request's body.
    pub(crate) max_body_bytes: usize,
    /// The most bytes of a request's head.
    pub(crate) max_header_bytes: usize,
    /// The most connections at a time: for further ones those give way that have waited longest for a request. With the
    /// bodies it bounds what requests can take of the memory.
    pub(crate) max_connections: usize,
    /// The most requests that wait for the engine, further ones are turned away with 429; and the most observations, which wait
    /// with their executor then.
    pub(crate) max_waiting: usize,
    /// How long a request may take (C-13).
    pub(crate) request_timeout: Iso,
    /// How long a client may take to send a request's head, and to take in a piece of an answer.
    pub(crate) client_timeout: Iso,
    /// How long an answer may take that is made while it is sent: it is read from a snapshot of the log, and cut then.
    pub(crate) answer_timeout: Iso,
    /// Clients that are turned away, by their exact `User-Agent` (C-20).
    pub(crate) blocked_clients: Vec<String>,
    /// Host names under which the server may be addressed besides loopback names, such as that of a proxy in front of it.
    pub(crate) hosts: Vec<String>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            max_header_bytes: 64 * 1024,
            max_connections: 512,
            max_waiting: 1_024,
            request_timeout: Iso(TimeDelta::seconds(30)),
            client_timeout: Iso(TimeDelta::seconds(10)),
            answer_timeout: Iso(TimeDelta::minutes(10)),
            blocked_clients: Vec::new(),
            hosts: Vec::new(),
        }
    }
}

impl HttpSettings {
    /// How many connections may be kept by requests that wait for records: the others are for whoever asks for something.
    pub(crate) fn max_waits(&self) -> usize {
        (self.max_connections / 8).max(1)
    }
}

impl Settings {
    const DISK_RESERVE: u64 = 64 * 1024 * 1024;
    const KEEP_CHECKPOINTS: usize = 10;

    /// Puts flags, environment (which `flags` hold already) and file together.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or a value is not allowed; names file, line, key and value.
    pub(crate) fn load(flags: &Flags) -> anyhow::Result<Self> {
        let mut file = match &flags.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let runs_api_workflows = flags.run_api_workflows.or(file.run_api_workflows).unwrap_or(false);
        let insecure_listen = flags.insecure_listen.or(file.insecure_listen).unwrap_or(false);
        let listen = flags
            .listen
            .or(file.listen.map(|listen| listen.0))
            .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080));
        let data = file.data_folder(flags.data.clone());
        let auth = AuthSettings {
            mode: flags.auth.or(file.auth.mode).unwrap_or(AuthMode::Off),
            tokens: file.token_file(flags.auth_tokens.clone(), &data),
            anonymous_reads: flags.anonymous_reads.or(file.auth.anonymous_reads).unwrap_or(false),
        };
        if !listen.ip().is_loopback() && auth.mode == AuthMode::Off && !insecure_listen {
            bail!(
                "refusing to listen on {listen}: others could reach it and there is no authentication; listen on 127.0.0.1, \
                 turn it on with --auth tokens, or add --insecure-listen if the network is trusted"
            );
        }
        let HttpSettings { max_body_bytes, max_header_bytes, max_connections, max_waiting, .. } = file.http;
        if [max_body_bytes, max_connections, max_waiting].contains(&0) || max_header_bytes < 8_192 {
            bail!(
                "http: max_body_bytes ({max_body_bytes}), max_connections ({max_connections}) and max_waiting \
                 ({max_waiting}) must be at least 1, max_header_bytes ({max_header_bytes}) at least 8192"
            );
        }
        let keep_checkpoints = file.keep_checkpoints.unwrap_or(Self::KEEP_CHECKPOINTS);
        if keep_checkpoints == 0 {
            bail!("keep_checkpoints (0) must be at least 1: the checkpoint that was just made is kept");
        }
        if max_body_bytes > MAX_BODY_BYTES {
            bail!(
                "http: max_body_bytes ({max_body_bytes}) must be at most {MAX_BODY_BYTES}: a record of the log couldn't hold what \
                 a larger request asks for"
            );
        }
        file.check()?;
        let workflows = flags.workflows.clone().or(file.workflows.clone());
        workflows.iter().try_for_each(|workflows| apart::check(&data, workflows))?;
        file.workflow_folder.check()?;
        let executors = executors::executors(&file, flags.executor.or(file.executor), runs_api_workflows)?;
        if !flags.host_names.is_empty() {
            file.http.hosts.clone_from(&flags.host_names);
        }
        let wall_limits = file.wall_limits()?;
        Ok(Self {
            data,
            listen,
            workflows,
            folder: file.workflow_folder.clone(),
            config: Arc::new(file.config(&executors)?),
            executors,
            log_format: flags.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            log_runs: flags.log_runs.or(file.log_runs).unwrap_or(LogRuns::All),
            scheduling: file.scheduling,
            http: file.http,
            auth,
            disk_reserve: file.disk_reserve.unwrap_or(Self::DISK_RESERVE),
            wall_limits,
            keep_checkpoints,
        })
    }

    /// The file of tokens that a server with this configuration file, and what is said beside it, would use.
    ///
    /// # Errors
    ///
    /// When the configuration file can't be read.
    pub(crate) fn token_file(
        config: Option<&Path>,
        data: Option<PathBuf>,
        tokens: Option<PathBuf>,
    ) -> anyhow::Result<PathBuf> {
        let file = config.map(File::read).transpose()?.unwrap_or_default();
        Ok(file.token_file(tokens, &file.data_folder(data)))
    }

    /// What workflows must keep to.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            max_running_timeout: Some(self.max_running_timeout()),
            needs_program: self.executors.iter().all(|executor| executor.options.is_local()),
            pod_check: Some(styx_k8s::template::check),
            fires_after: None,
        }
    }

    /// Whether triggers may only set variables that the workflow declares: others could be code for a process of this machine.
    pub(crate) fn declared_env_only(&self) -> bool {
        self.executors.iter().any(|executor| executor.options.is_local())
    }

    /// The longest `running_timeout` of a workflow (V-26).
    pub(crate) fn max_running_timeout(&self) -> TimeDelta {
        self.config.timeouts.max_running()
    }
}

/// What counts, for `check-config`; values of variables may be secrets and are left out.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        let span = |delta: TimeDelta| Iso(delta).to_string();
        writeln!(f, "data                        {}", self.data.display())?;
        writeln!(f, "listen                      {}", self.listen)?;
        match &self.auth {
            AuthSettings { mode: AuthMode::Off, .. } => writeln!(f, "auth                        off")?,
            AuthSettings { mode: AuthMode::Tokens, tokens, anonymous_reads } => {
                let reads = if *anonymous_reads { "need none and hide values of env" } else { "need one" };
                writeln!(f, "auth                        tokens of {}; reads {reads}", tokens.display())?;
            }
        }
        match &self.workflows {
            Some(dir) => writeln!(f, "workflows                   {}", dir.display())?,
            None => writeln!(f, "workflows                   -")?,
        }
        writeln!(f, "  removed after             {}", self.folder.removed_after)?;
        writeln!(f, "  swept every               {}", self.folder.sweep_every)?;
        for (number, executor) in self.executors.iter().enumerate() {
            let name = if number == 0 { "executor" } else { "  also" };
            writeln!(f, "{name:<27} {executor}")?;
        }
        for route in config.executor_table().routes {
            writeln!(f, "  route                     {} to {}", route.component.as_str(), route.executor)?;
        }
        writeln!(f, "workflows of the API run    {}", config.executor.runs_api_workflows)?;
        writeln!(f, "disk_reserve                {} bytes", self.disk_reserve)?;
        writeln!(f, "keep_checkpoints            {}", self.keep_checkpoints)?;
        match self.scheduling {
            Some(on) => writeln!(f, "scheduling                  {on}")?,
            None => writeln!(f, "scheduling                  as operators left it")?,
        }
        match config.max_executions {
            Some(max) => writeln!(f, "max_executions              {max}")?,
            None => writeln!(f, "max_executions              no limit")?,
        }
        let rate = config.dequeue_rate.map_or_else(|| "no limit".to_owned(), |rate| rate.to_per_second().to_string());
        writeln!(f, "submission_rate_limit       {rate} a second")?;
        writeln!(f, "catch_up                    {}", config.catch_up)?;
        writeln!(f, "max_cost                    {:.1}", f64::from(config.max_cost_tenths) / 10.0)?;
        writeln!(f, "missing_dependencies_delay  {}", span(config.missing_dependencies_delay))?;
        for (name, backoff) in [("backoff", config.backoff), ("infrastructure_backoff", config.infrastructure_backoff)]
        {
            writeln!(f, "{name:<27} base {}, max_exponent {}", span(backoff.base), backoff.max_exponent)?;
        }
        let FailureLimit { count, span: longest } = config.infrastructure_limit;
        writeln!(f, "infrastructure_limit        over {count} failures in a row, over {}", span(longest))?;
        for state in [State::Submitting, State::Submitted, State::Running] {
            let name = format!("timeouts.{}", state.as_str().to_lowercase());
            writeln!(f, "{name:<27} {}", span(config.timeouts.of_state(state)))?;
        }
        writeln!(f, "timeouts.max_running        {}", span(config.timeouts.max_running()))?;
        writeln!(f, "clock.max_jump              {}", span(self.wall_limits.max_jump))?;
        write!(f, "clock.max_outage            {}", span(self.wall_limits.max_outage))
    }
}

/// What decisions would follow with a configuration file; executor, whether it runs workflows of the API, and the limit of
/// executions are those of `recorded` unless the file names them, since flags and the machine decide them as well.
///
/// # Errors
///
/// When the file can't be read, or a value is not allowed; names file, line, key and value.
pub(crate) fn config_of_file(path: &Path, recorded: &Config) -> anyhow::Result<Config> {
    let file = File::read(path)?;
    let executors = executors::executors(&file, file.executor, file.run_api_workflows.unwrap_or(false))?;
    let mut config = file.config(&executors)?;
    if file.executor.is_none() && file.executors.is_empty() {
        let named = file.run_api_workflows;
        config = config.with_executor_table(&recorded.executor_table())?;
        config.executor = recorded.executor.clone();
        config.executor.runs_api_workflows = named.unwrap_or(config.executor.runs_api_workflows);
    }
    if file.max_executions.is_none() {
        config.max_executions = recorded.max_executions;
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use styx_core::{
        config::{Backoff, Rate},
        id::WorkflowId,
    };

    use super::*;
    use crate::cli::ExecutorKind;

    fn config(file: &File, kind: ExecutorKind, run_api_workflows: bool) -> Config {
        file.config(&executors::executors(file, Some(kind), run_api_workflows).unwrap()).unwrap()
    }

    #[test]
    fn everything_of_the_configuration_can_be_set() {
        let file = File::parse(
            r#"
            scheduling = false
            max_executions = 3
            submission_rate_limit = 2.5
            catch_up = 2
            max_cost = 7.5
            missing_dependencies_delay = "PT1M"
            backoff = { base = "PT1S", max_exponent = 2 }
            infrastructure_backoff.base = "PT2S"
            infrastructure_limit = { failures = 7, span = "PT3H" }
            [timeouts]
            default = "P1D"
            running = "PT1H"
            submitting = "PT5M"
            max_running = "PT2H"
            [clock]
            max_jump = "PT6H"
            [local]
            path = "/bin"
            execution_env = { A = "b" }
            stop_grace = "PT9S"
            [http]
            blocked_clients = ["Styx Client 1"]
            "#,
        )
        .unwrap();
        let config = config(&file, ExecutorKind::Local, false);
        assert!(file.scheduling == Some(false) && !config.executor.runs_api_workflows);
        assert_eq!((config.max_executions, config.catch_up, config.max_cost_tenths), (Some(3), 2, 75));
        assert_eq!(config.dequeue_rate, Rate::per_second(2.5));
        assert!(File::parse("submission_rate_limit = 0").unwrap_err().contains("is not a rate"));
        assert_eq!(config.backoff, Backoff { base: TimeDelta::seconds(1), max_exponent: 2 });
        assert_eq!(config.infrastructure_backoff, Backoff { base: TimeDelta::seconds(2), max_exponent: 5 });
        assert_eq!(config.infrastructure_limit, FailureLimit { count: 7, span: TimeDelta::hours(3) });
        assert_eq!(config.timeouts.of_state(State::Running), TimeDelta::hours(1));
        assert_eq!(config.timeouts.max_running(), TimeDelta::hours(2));
        assert_eq!(config.timeouts.of_state(State::Queued), TimeDelta::days(1));
        assert_eq!(file.local.stop_grace, Some(Iso(TimeDelta::seconds(9))));
        let limits = file.wall_limits().unwrap();
        assert_eq!((limits.max_jump, limits.max_outage), (TimeDelta::hours(6), TimeDelta::days(366)));
        let small = File::parse("clock.max_outage = \"PT59S\"").unwrap().wall_limits().unwrap_err();
        assert_eq!(small.to_string(), "clock.max_outage: PT59S is less than PT1M");
    }

    #[test]
    fn what_can_t_be_done_is_refused() {
        let check = |text: &str| {
            let file = File::parse(text).unwrap();
            let checks =
                file.check().and_then(|()| file.workflow_folder.check()).and_then(|()| file.local.check("local"));
            checks.map_err(|error| error.to_string())
        };
        assert_eq!(check("[workflow_folder]\nremoved_after = \"PT0S\"\nsweep_every = \"PT1M\""), Ok(()));
        for (text, said) in [
            ("workflow_folder.sweep_every = \"PT61S\"", "sweep_every (PT1M1S) must be from PT1S to PT1M"),
            ("workflow_folder.removed_after = \"P8D\"", "removed_after"),
            ("local.execution_env = { \"A=B\" = \"c\" }", "local.execution_env: the name \"A=B\" holds a `=`"),
            ("local.execution_env = { A = \"\\u0000\" }", "local.execution_env.A: holds a NUL character"),
            ("local.path = \"/bin\\u0000\"", "local.path: holds a NUL"),
            ("timeouts.running = \"PT0S\"", "timeouts.running (PT0S) must be longer than nothing"),
            ("http.request_timeout = \"PT0S\"", "http.request_timeout (PT0S) must be longer"),
            ("data = \"\"", "data (\"\") must name a path"),
            ("auth.tokens = \"\"", "auth.tokens (\"\") must name a path"),
        ] {
            assert!(check(text).is_err_and(|error| error.contains(said)), "{text}");
        }
        let long = format!("local.execution_env = {{ A = {:?} }}", "x".repeat(200_000));
        assert!(check(&long).is_err_and(|error| error.contains("takes 200002 bytes")));
    }

    #[test]
    fn sizes_and_numbers_have_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("styx.toml");
        let load = |text: &str| {
            std::fs::write(&config, text).unwrap();
            let settings = Settings::load(&Flags { config: Some(config.clone()), ..Flags::default() });
            settings.map_err(|error| error.to_string())
        };
        for (taken, refused, said) in [
            ("http.max_body_bytes = 4194304", "http.max_body_bytes = 4194305", "(4194305) must be at most 4194304: "),
            ("http.max_body_bytes = 1", "http.max_body_bytes = 0", "max_body_bytes (0), "),
            ("http.max_connections = 1", "http.max_connections = 0", "max_connections (0) and "),
            ("http.max_waiting = 1", "http.max_waiting = 0", "max_waiting (0) must be at least 1"),
            ("http.max_header_bytes = 8192", "http.max_header_bytes = 8191", "max_header_bytes (8191) at least 8192"),
            ("keep_checkpoints = 1", "keep_checkpoints = 0", "keep_checkpoints (0) must be at least 1"),
        ] {
            assert_eq!(load(taken).err(), None, "{taken}");
            let error = load(refused).err().unwrap_or_default();
            assert!(error.contains(said), "{refused}: {error:?}");
        }
    }

    #[test]
    fn mistakes_are_named_with_line_key_and_value() {
        for (text, parts) in [
            ("\nlisen = \"x\"", &["2:1: ", "`lisen`", "listen"][..]),
            ("[timeouts]\nruning = \"PT1H\"", &["2:1: ", "`runing`"]),
            ("[timeouts]\nrunning = \"2h\"", &["2:", "`2h`", "PT10M"]),
            ("max_cost = 1.25", &["1:", "`1.25`"]),
            ("backoff.max_exponent = 31", &["1:", "`31`", "30"]),
            ("executor = \"kubernetes\"", &["1:", "`kubernetes`", "local"]),
            ("listen = \"localhost\"", &["1:", "`localhost`", "socket address", "127.0.0.1:8080"]),
            ("auth = \"tokens\"", &["1:", "\"tokens\"", "a section of its own"]),
            ("x", &["1:"]),
        ] {
            let error = File::parse(text).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
            assert!(!error.contains('\n'));
        }
    }

    const TWO: &str = "[executors.blue]\nkind = \"local\"\nkeep_runs = 3\n[executors.green]\nkind = \"fake\"\n";

    /// The executors that a file leads to, the default first, and which one runs two components.
    fn executors_of(text: &str, kind: Option<ExecutorKind>) -> Result<String, String> {
        let file = File::parse(text)?;
        let executors = executors::executors(&file, kind, false).map_err(|error| error.to_string())?;
        let config = file.config(&executors).map_err(|error| error.to_string())?;
        let names = executors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let run = |component| config.executor_for(&WorkflowId::new(component, "w")).runner;
        Ok(format!("{names}; sales on {}, ops on {}", run("sales"), run("ops")))
    }

    #[test]
    fn executors_have_names_and_one_is_the_default() {
        let local = Some(ExecutorKind::Local);
        for (text, kind, expected) in [
            ("", None, "local; sales on local, ops on local"),
            ("executor = \"fake\"", Some(ExecutorKind::Fake), "fake; sales on fake, ops on fake"),
            ("[executors.blue]\nkind = \"fake\"", None, "blue (fake); sales on blue, ops on blue"),
            (
                &format!("default_executor = \"green\"\n{TWO}"),
                None,
                "green (fake), blue (local); sales on green, ops on green",
            ),
            (
                &format!("default_executor = \"blue\"\n{TWO}[[route]]\ncomponent = \"sal*\"\nexecutor = \"green\""),
                None,
                "blue (local), green (fake); sales on green, ops on blue",
            ),
            // What the top level names is one more, and the default.
            (TWO, local, "local, blue (local), green (fake); sales on local, ops on local"),
            (
                &format!("default_executor = \"blue\"\n{TWO}"),
                local,
                "blue (local), green (fake), local; sales on blue, ops on blue",
            ),
        ] {
            assert_eq!(executors_of(text, kind).as_deref(), Ok(expected), "{text}");
        }
        let file = File::parse(&format!("run_api_workflows = true\ndefault_executor = \"blue\"\n{TWO}")).unwrap();
        let config = file.config(&executors::executors(&file, None, true).unwrap()).unwrap();
        let green = config.executor_by_name("green").unwrap();
        assert!(config.executor.runs_api_workflows && !config.executor.mounts_secrets);
        assert!(green.runs_api_workflows && green.mounts_secrets);
        assert!(config.max_executions >= Some(4), "one of them is this machine");
    }

    #[test]
    fn executors_that_contradict_each_other_are_refused() {
        for (text, kind, parts) in [
            ("[executors.blue]\nkind = \"docker\"", None, &["2:", "kind `docker` is unknown", "local"][..]),
            ("[executors.blue]\nkind = \"kubernetes\"", None, &["2:", "no executor for Kubernetes yet"]),
            ("[executors.blue]\npath = \"/bin\"", None, &["1:", "kind"]),
            ("[executors.Blue]\nkind = \"fake\"", None, &["1:", "`Blue`", "small letters"]),
            ("[executors.\"\"]\nkind = \"fake\"", None, &["1:", "``"]),
            ("[executors.a]\nkind = \"fake\"\n[executors.a]\nkind = \"fake\"", None, &["3:", "duplicate"]),
            ("[executors.a]\nkind = \"fake\"\nkeep_runs = 1", None, &["1:", "`keep_runs`", "`local`"]),
            ("[executors.a]\nkind = \"local\"\nkeep = 1", None, &["3:", "`keep`"]),
            ("default_executor = \"b\"\n[executors.a]\nkind = \"fake\"", None, &["1:20", "`b`"]),
            ("[[route]]\ncomponent = \"x\"\nexecutor = \"b\"", None, &["3:", "route.executor", "`b`"]),
            ("[[route]]\ncomponent = \"x*y\"\nexecutor = \"local\"", None, &["2:", "x*y"]),
            ("[[route]]\ncomponent = \"x\"\nexecutor = \"fake\"", None, &["no executor `fake`", "there are: local"]),
            (TWO, None, &["default_executor must name one", "blue, green"]),
            (
                "[executors.fake]\nkind = \"fake\"",
                Some(ExecutorKind::Fake),
                &["executors.fake", "second executor `fake`"],
            ),
            ("[local]\nkeep_runs = 1\n[executors.a]\nkind = \"fake\"", None, &["[local]", "[executors.NAME]"]),
            (
                "[executors.a]\nkind = \"local\"\nexecution_env = { \"A=B\" = \"c\" }",
                None,
                &["executors.a.execution_env", "\"A=B\""],
            ),
        ] {
            let error = executors_of(text, kind).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
    }

    #[test]
    fn the_local_executor_has_a_limit_and_the_fake_one_none() {
        let file = File::default();
        assert!(config(&file, ExecutorKind::Local, false).max_executions >= Some(4));
        let fake = config(&file, ExecutorKind::Fake, false);
        assert!(fake.max_executions.is_none() && fake.executor.runs_api_workflows);
        assert!(config(&file, ExecutorKind::Local, true).executor.runs_api_workflows);
    }

    #[test]
    fn without_authentication_only_loopback_is_listened_on() {
        let flags = |text: &str, insecure| Flags {
            listen: Some(text.parse().unwrap()),
            insecure_listen: insecure,
            ..Flags::default()
        };
        let error = Settings::load(&flags("0.0.0.0:80", None)).unwrap_err().to_string();
        assert!(error.contains("0.0.0.0:80") && error.contains("--insecure-listen"), "{error}");
        assert!(Settings::load(&flags("0.0.0.0:80", Some(true))).is_ok());
        assert!(Settings::load(&flags("[::1]:80", None)).is_ok());
        let with_tokens = Flags { auth: Some(AuthMode::Tokens), ..flags("0.0.0.0:80", None) };
        assert!(Settings::load(&with_tokens).is_ok());
    }
}
