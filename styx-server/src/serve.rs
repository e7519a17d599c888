//! A server's life: open, load, listen, and stop so that nothing is lost.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, anyhow};
use axum::Router;
use chrono::{DateTime, Utc};
use styx_core::{config::Config, scheduler::SchedulerOptions, workflow::Rules};
use styx_engine::{
    clock::{Clock, SystemClock},
    engine::{self, EngineError, EngineHandle, EngineThread, Inbox},
    machine::{Machine, MachineOptions},
};
use styx_host::file::write_internal;
use styx_store::{OpenError, RocksLog, rocks::Notice};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::{
    auth::{Access, StaticTokens},
    checkpoints::Checkpoints,
    cli::AuthMode,
    deploy::{Loaded, deploy},
    disk::Disk,
    executors::Runners,
    folder::{Keeper, Surroundings},
    follow::Follower,
    health::{Health, Watchdog},
    http::{self, App, AppParts, Aside, Guard, Limits},
    logging,
    metrics::{HttpMetrics, LogMetrics, Metrics},
    run_log::RunLog,
    settings::Settings,
    tail::WatchedLog,
};

/// How many connections the system keeps until they are accepted; a client behind them waits a second before it tries again.
const BACKLOG: u32 = 4_096;
/// How long reads for requests that were given up may go on after that.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// How long requests may go on after the server was told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The file of the data folder that names the address listened on.
pub(crate) const ADDRESS_FILE: &str = "address";

/// Serves until it is told to stop.
///
/// # Errors
///
/// One line that says why it can't start, or why it had to end.
pub(crate) fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    logging::start(settings.log_format).context("starting the thread of the log on standard error")?;
    logging::log_panics();
    let done = serve(settings);
    logging::flush();
    done
}

fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(Aside::THREADS)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let signals = runtime.block_on(async { Signals::listen() })?;
    let stopping = Stopping::listen(&runtime, signals);
    let log = open(&settings.data)?;
    // Whoever asks before all is loaded waits; nobody is told that the port is free.
    let listener = runtime.block_on(async { listen(settings.listen) });
    let listener = listener.map_err(|error| anyhow!("can't listen on {}: {error}", settings.listen))?;
    let address = listener.local_addr().context("asking for the address listened on")?;
    let health = Arc::new(Health::default());
    let watchdog = Watchdog::new(Arc::clone(&health));
    logging::watch(&watchdog);
    let (http_metrics, guard) = (HttpMetrics::new(), guard(&settings));
    let (load, loaded) = watch::channel(None);
    let router = http::router(guard.clone(), Arc::clone(&health), loaded);
    let served = Served::start(&runtime, &settings, listener, router, http_metrics.clone());

    let declared_env_only = settings.declared_env_only();
    let scheduler = SchedulerOptions::default().declared_env_only(declared_env_only);
    let options = MachineOptions::default().scheduler(scheduler).wall_limits(settings.wall_limits);
    let checkpoints = Arc::new(Checkpoints::new(log.rocks_reader(), settings.data.clone(), settings.keep_checkpoints));
    let log_metrics = LogMetrics::default();
    let (log, watched) = WatchedLog::new(log, log_metrics.clone()).context("reading the log")?;
    let mut machine = Machine::open(Box::new(log), options).context("reading the log")?;
    let metrics = Arc::new(Metrics::new(machine.world().clone(), &log_metrics, http_metrics));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let inbox = Inbox::new(settings.http.max_waiting);
    let runners = Runners::start(&settings, &inbox.observer(), &health, &watchdog, Arc::clone(&metrics))?;
    let mut folder = watched_folder(&settings, clock.now())?;
    let loader = folder.as_mut().map(|folder| &mut folder.loader);
    let executor = Arc::new(runners.clone());
    let loaded =
        deploy(&mut machine, executor.as_ref(), clock.as_ref(), &settings.config, settings.scheduling, loader)?;
    warn_of_unconfigured_choice(machine.world().config());
    let follower = Follower {
        metrics: Arc::clone(&metrics),
        run_log: RunLog::new(settings.log_runs, metrics.run_lines_left_out.clone()),
        reader: machine.reader(),
        tail: watched.tail.clone(),
        health: Arc::clone(&health),
    };
    let follower = follower.start(&watchdog, runtime.handle().clone()).context("starting the log's follower")?;
    let ended = end_process(watchdog.clone());
    let (engine, thread) = engine::start(machine, inbox, executor, Arc::clone(&clock), Vec::new(), ended)?;

    let address_file = settings.data.join(ADDRESS_FILE);
    write_internal(address_file, format!("{address}\n").as_bytes()).context("writing the address file")?;
    greet(&settings, address, &loaded, &runners, metrics.adopted());
    let (stop_waiting, told_to_stop) = watch::channel(false);
    let disk = Arc::new(Disk::new(settings.data.clone(), settings.disk_reserve));
    let folder = folder.map(|folder| {
        let surroundings = Surroundings { engine: engine.clone(), clock: Arc::clone(&clock), disk: Arc::clone(&disk) };
        folder.start(surroundings, &watchdog).context("watching the workflow folder")
    });
    let folder = folder.transpose()?;
    let app = App::new(AppParts {
        engine: engine.clone(),
        clock,
        guard,
        access: access(&settings),
        http: settings.http.clone(),
        disk,
        rules: settings.rules(),
        runs_api_workflows: settings.executors.iter().any(|executor| executor.runs_api_workflows),
        declared_env_only,
        checkpoints,
        watched,
        metrics,
        health: Arc::clone(&health),
        stopping: told_to_stop,
    });
    health.start();
    stopping.started();
    load.send_replace(Some(Arc::new(app)));
    let answered = served.until_told_to_stop(&runtime, stopping, stop_waiting);
    health.stop();
    // Connections that were cut may still hold the router, and it what requests were answered with.
    load.send_replace(None);
    if let Some(folder) = folder {
        folder.stop();
    }
    stop(&settings, engine, thread, &runners)?;
    answered?;
    // Whoever still reads the log ends before the process does: RocksDB must not be closed under a reader. The follower ends
    // with the log's writer; that it panicked is in the log.
    let _ = follower.join();
    runtime.shutdown_timeout(READ_TIMEOUT);
    Ok(ExitCode::SUCCESS)
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn access(settings: &Settings) -> Access {
    let auth = &settings.auth;
    match auth.mode {
        AuthMode::Off => Access::Open,
        AuthMode::Tokens => {
            let tokens = StaticTokens::new(auth.tokens.clone());
            if tokens.count() == 0 {
                let path = auth.tokens.display();
                tracing::warn!(
                    "no token is in {path}: make one with styx-server token create --name NAME --auth-tokens {path}"
                );
            }
            Access::Tokens { verifier: Box::new(tokens), anonymous_reads: auth.anonymous_reads }
        }
    }
}

fn watched_folder(settings: &Settings, now: DateTime<Utc>) -> anyhow::Result<Option<Keeper>> {
    let rules = Rules { fires_after: Some(now), ..settings.rules() };
    let open = |dir: &PathBuf| {
        let folder = Keeper::open(dir, rules, &settings.folder);
        folder.with_context(|| format!("reading the workflow folder {}", dir.display()))
    };
    settings.workflows.as_ref().map(open).transpose()
}

fn open(data: &Path) -> anyhow::Result<RocksLog> {
    let log = RocksLog::open_with(data, &styx_store::rocks::OpenOptions::default(), &mut |notice| match notice {
        Notice::MadePrivate { .. } => tracing::warn!("{notice}"),
        _ => tracing::info!("{notice}"),
    });
    log.map_err(|error| match error {
        OpenError::InUse { .. } => anyhow!("{error}: stop it, or choose another folder with --data"),
        error => anyhow!(error),
    })
}

/// Ends the process when its engine ends by itself: what it decided last may or may not be in the log, so nothing more may
/// be answered.
fn end_process(watchdog: Watchdog) -> impl FnOnce(Option<&EngineError>) + Send + 'static {
    move |error| match error {
        Some(error) => watchdog.end(&format!("the engine can't go on, the server ends: {error}")),
        None => watchdog.ended("of the engine", "its work has ended"),
    }
}

/// What requests may be for.
fn guard(settings: &Settings) -> Guard {
    Guard {
        reachable: !settings.listen.ip().is_loopback(),
        hosts: settings.http.hosts.iter().map(|host| host.to_lowercase()).collect(),
    }
}

/// Warns that the executor that operators chose isn't configured: it runs nothing, and would again once it is.
fn warn_of_unconfigured_choice(config: &Config) {
    if let Some(chosen) = config.chosen_executor().filter(|name| !config.has_executor(name)) {
        let default = config.default_executor().runner;
        tracing::warn!(
            "operators chose the executor `{chosen}`, which isn't configured: `{default}` runs what no route is for; \
             configure it again, or take the choice back with `styx config unset executor`"
        );
    }
}

/// Says what there is, and what to type next.
fn greet(settings: &Settings, address: SocketAddr, loaded: &Loaded, runners: &Runners, adopted: u64) {
    match &settings.workflows {
        Some(dir) => tracing::info!(
            "loaded {} workflows from {}, {} of them new or changed, {} that their files define no more disabled",
            loaded.workflows,
            dir.display(),
            loaded.changed,
            loaded.removed
        ),
        None => tracing::info!("no workflow folder: name one with --workflows, or make workflows through the API"),
    }
    if loaded.errors > 0 {
        tracing::warn!("{} errors above: what is corrected is taken at once; all else is loaded", loaded.errors);
    }
    runners.describe().for_each(|line| tracing::info!("{line}"));
    if let [default, _, ..] = settings.executors.as_slice() {
        tracing::info!("the default executor of the configuration: {default}");
    }
    if adopted > 0 {
        tracing::info!(adopted, "adopted the executions that an earlier server has started: {adopted}");
    }
    match settings.auth.mode {
        AuthMode::Off if !settings.listen.ip().is_loopback() => {
            tracing::warn!("without authentication on {address}: whoever reaches it can run what the workflows allow");
        }
        AuthMode::Tokens if !settings.listen.ip().is_loopback() => {
            tracing::warn!(
                "tokens travel as they are on {address}: let a proxy with TLS stand between others and this server"
            );
        }
        AuthMode::Off | AuthMode::Tokens => {}
    }
    tracing::info!(%address, "data in {}, listening on http://{address}", settings.data.display());
    tracing::info!("next: export STYX_CLI_HOST=http://{address}; styx ls; or curl http://{address}/");
}

/// The connections, from before the log is read until the server was told to stop.
struct Served {
    stop: oneshot::Sender<()>,
    connections: JoinHandle<()>,
}

impl Served {
    fn start(
        runtime: &Runtime,
        settings: &Settings,
        listener: TcpListener,
        router: Router,
        metrics: HttpMetrics,
    ) -> Self {
        let limits = Limits {
            connections: settings.http.max_connections,
            header_bytes: settings.http.max_header_bytes,
            client_timeout: settings.http.client_timeout.std(),
            stop_timeout: STOP_TIMEOUT,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let connections = runtime.spawn(http::serve(listener, router, limits, metrics, async {
            let _ = stopped.await;
        }));
        Self { stop, connections }
    }

    /// Answers requests until a signal comes. A second signal ends the process at once.
    fn until_told_to_stop(
        self,
        runtime: &Runtime,
        stopping: Stopping,
        stop_waiting: watch::Sender<bool>,
    ) -> anyhow::Result<()> {
        let Self { stop, connections } = self;
        runtime.spawn(async move {
            if stopping.told.await.is_ok() {
                stop_waiting.send_replace(true);
                drop(stop);
            }
        });
        runtime.block_on(connections).context("answering requests")
    }
}

/// Ends the engine; executions go on.
fn stop(settings: &Settings, engine: EngineHandle, thread: EngineThread, runners: &Runners) -> anyhow::Result<()> {
    thread.stop().context("stopping the engine")?;
    let tail = engine.reader().tail().context("reading the end of the log")?;
    let jobs = runners.jobs(engine.reader());
    drop(engine);
    // A file that names an address which nobody listens on would mislead; a leftover is harmless.
    let _ = fs::remove_file(settings.data.join(ADDRESS_FILE));
    if !jobs.is_empty() {
        tracing::info!("jobs that go on without the server until the next start takes them up again: {}", jobs.len());
        for job in jobs {
            tracing::info!("  {job}");
        }
    }
    tracing::info!("stopped; the log ends at {tail}");
    Ok(())
}

/// What becomes of the signals that ask the server to stop. A start may take long, or wait for something that never comes: a signal
/// ends the process at once then, which is as good as a kill.
struct Stopping {
    has_started: Arc<AtomicBool>,
    told: oneshot::Receiver<()>,
}

impl Stopping {
    fn listen(runtime: &Runtime, mut signals: Signals) -> Self {
        let (tell, told) = oneshot::channel();
        let has_started = Arc::new(AtomicBool::new(false));
        let started = Arc::clone(&has_started);
        runtime.spawn(async move {
            let name = signals.next().await;
            if !started.load(Ordering::SeqCst) {
                tracing::info!("{name} while starting: ended at once; what was acknowledged is in the log");
                logging::flush();
                std::process::exit(0);
            }
            tracing::info!("{name}: stopping; once more ends at once");
            let _ = tell.send(());
            signals.next().await;
            tracing::warn!("ended at once; what was acknowledged is in the log");
            logging::flush();
            std::process::exit(130);
        });
        Self { has_started, told }
    }

    fn started(&self) {
        self.has_started.store(true, Ordering::SeqCst);
    }
}

/// The signals that ask the server to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }
}
