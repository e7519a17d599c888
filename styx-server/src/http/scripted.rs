//! A server in the tests' own process: its clock stands still until a test sets it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, BodyDataStream, Bytes},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use hyper::{Request, StatusCode};
use styx_core::{
    config::Config,
    decide::Input,
    executor::{Effect, Executor, Launch, Observation, Observed},
    extensions::Extensions,
    id::{ExecutionId, Position},
    workflow::Rules,
    world::World,
};
use styx_engine::{
    clock::{Clock, Reading},
    engine::{self, EngineHandle, EngineThread, Inbox, Observer},
    machine::{Machine, MachineOptions},
};
use styx_store::RocksLog;
use tokio::{runtime::Runtime, sync::watch};
use tower::ServiceExt;
use uuid::Uuid;

use super::{App, AppParts, Guard, router};
use crate::{
    auth::Access,
    checkpoints::Checkpoints,
    disk::Disk,
    health::Health,
    metrics::{HttpMetrics, LogMetrics, Metrics},
    settings::HttpSettings,
    tail::WatchedLog,
};

/// A clock that shows what it was set to; time elapses with it, except when it jumps.
pub(super) struct ScriptedClock(Mutex<Time>);

struct Time {
    wall: DateTime<Utc>,
    /// What has elapsed since 1970, as if the wall clock had never jumped.
    elapsed: Duration,
}

impl ScriptedClock {
    fn at(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(Time { wall: now, elapsed: since_epoch(now) }))
    }

    fn set(&self, now: DateTime<Utc>) {
        let mut time = lock(&self.0);
        let passed = (now - time.wall).to_std().unwrap();
        time.elapsed += passed;
        time.wall = now;
    }

    fn jump(&self, by: TimeDelta) {
        lock(&self.0).wall += by;
    }
}

impl Clock for ScriptedClock {
    fn now(&self) -> DateTime<Utc> {
        lock(&self.0).wall
    }

    fn elapsed(&self) -> Duration {
        lock(&self.0).elapsed
    }

    /// Both of the same moment: a clock that is set between them would seem to jump.
    fn read(&self) -> Reading {
        let time = lock(&self.0);
        Reading { wall: time.wall, elapsed: time.elapsed }
    }
}

/// What an execution is to be seen doing, and when, in this order; nothing is seen before it is launched.
pub(super) type Script = Vec<(DateTime<Utc>, Observed)>;

/// Makes the script of an execution that is launched now.
pub(super) type Director = Box<dyn Fn(&Launch, DateTime<Utc>) -> Script + Send + Sync>;

/// Every execution starts at once and ends well after so long.
pub(super) fn lasting(duration: TimeDelta) -> Director {
    Box::new(move |_, now| {
        vec![(now, Observed::Launched), (now, Observed::Started), (now + duration, Observed::Exited { code: Some(0) })]
    })
}

/// An executor on a scripted clock, which runs nothing: what is seen at once is with the engine before whoever asked has an
/// answer.
struct ScriptedExecutor {
    executions: Mutex<Executions>,
    clock: Arc<ScriptedClock>,
    observer: Observer,
    direct: Director,
}

#[derive(Default)]
struct Executions {
    /// What is still to be seen, with a number that keeps what is seen at one moment in order.
    due: BTreeMap<(DateTime<Utc>, u64), (ExecutionId, Observed)>,
    /// What was seen last of each.
    seen: BTreeMap<ExecutionId, Option<Observed>>,
    next: u64,
}

impl ScriptedExecutor {
    fn show_due(&self) {
        loop {
            let mut executions = lock(&self.executions);
            let Some(first) = executions.due.first_entry().filter(|first| first.key().0 <= self.clock.now()) else {
                return;
            };
            let (execution, what) = first.remove();
            executions.seen.insert(execution.clone(), Some(what.clone()));
            drop(executions);
            self.report(&execution, what);
        }
    }

    fn next_due(&self) -> Option<DateTime<Utc>> {
        lock(&self.executions).due.first_key_value().map(|((at, _), _)| *at)
    }

    fn report(&self, execution: &ExecutionId, what: Observed) {
        self.observer.observe(Observation {
            execution: execution.clone(),
            runner: "default".into(),
            what,
            observed_at: None,
            evidence: Arc::from(&b"{}"[..]),
            extensions: Extensions::default(),
        });
    }
}

impl Executor for ScriptedExecutor {
    fn all_requested(&self) {
        self.observer.all_reported();
    }

    fn perform(&self, effect: Effect) {
        let now = self.clock.now();
        match effect {
            Effect::Launch(launch) => {
                let script = (self.direct)(&launch, now);
                let mut executions = lock(&self.executions);
                if !executions.seen.contains_key(&launch.execution) {
                    executions.seen.insert(launch.execution.clone(), None);
                    let mut at = now;
                    for (planned, what) in script {
                        at = at.max(planned);
                        let number = executions.next;
                        executions.next += 1;
                        executions.due.insert((at, number), (launch.execution.clone(), what));
                    }
                }
            }
            Effect::Adopt { execution, .. } => {
                let seen = lock(&self.executions).seen.get(&execution).cloned().flatten();
                let lost = || Observed::Lost { reason: "scripted executions end with their server".into() };
                self.report(&execution, seen.unwrap_or_else(lost));
            }
            Effect::Stop { execution, .. } => {
                let mut executions = lock(&self.executions);
                executions.due.retain(|_, (other, _)| *other != execution);
                let over = match executions.seen.get(&execution).cloned().flatten() {
                    Some(ended @ (Observed::Exited { .. } | Observed::NotLaunchable { .. })) => ended,
                    Some(_) => Observed::Exited { code: Some(143) },
                    None => Observed::NeverStarted,
                };
                executions.seen.insert(execution.clone(), Some(over.clone()));
                drop(executions);
                self.report(&execution, over);
            }
            Effect::CleanUp { execution, .. } => {
                lock(&self.executions).seen.remove(&execution);
                self.report(&execution, Observed::Cleaned);
            }
        }
        self.show_due();
    }
}

/// All of a server but its process: engine, log, scripted executor and routes. Nothing happens in it unless it is asked or its
/// clock is set, and what happens has happened when [`settle`](Self::settle) returns.
pub(super) struct ScriptedServer {
    pub(super) engine: EngineHandle,
    pub(super) app: Arc<App>,
    clock: Arc<ScriptedClock>,
    executor: Arc<ScriptedExecutor>,
    runtime: Runtime,
    _engine_thread: EngineThread,
    _stopping: watch::Sender<bool>,
}

impl ScriptedServer {
    /// What may wait for the engine: it hears its executor while it works, so all that a step brings about must have room.
    const MAX_WAITING: usize = 10_000;

    /// A new server on `data`, at `now`.
    pub(super) fn start(data: &Path, access: Access, now: DateTime<Utc>, direct: Director) -> Self {
        let log = RocksLog::open(data).unwrap();
        let checkpoints = Arc::new(Checkpoints::new(log.rocks_reader(), data.to_owned(), 10));
        let (log, watched) = WatchedLog::new(log, LogMetrics::default()).unwrap();
        let machine = Machine::open(Box::new(log), MachineOptions::default()).unwrap();
        let start = Input::Start {
            log_id: Uuid::from_u128(1),
            root_seed: Uuid::from_u128(2),
            config: Arc::new(Config::default()),
        };
        let (clock, inbox) = (Arc::new(ScriptedClock::at(now)), Inbox::new(Self::MAX_WAITING));
        let executor = Arc::new(ScriptedExecutor {
            executions: Mutex::default(),
            clock: Arc::clone(&clock),
            observer: inbox.observer(),
            direct,
        });
        let (engine, engine_thread) =
            engine::start(machine, inbox, executor.clone(), clock.clone(), vec![start], |_| ()).unwrap();
        let (stop, stopping) = watch::channel(false);
        let health = Arc::new(Health::default());
        health.start();
        let app = App::new(AppParts {
            engine: engine.clone(),
            clock: clock.clone(),
            guard: Guard::default(),
            access,
            http: HttpSettings::default(),
            disk: Arc::new(Disk::new(data.to_owned(), 0)),
            rules: Rules {
                max_running_timeout: Some(TimeDelta::days(1)),
                pod_check: Some(styx_k8s::template::check),
                ..Rules::default()
            },
            runs_api_workflows: true,
            declared_env_only: false,
            checkpoints,
            watched,
            metrics: Arc::new(Metrics::new(World::default(), &LogMetrics::default(), HttpMetrics::new())),
            health,
            stopping,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { engine, app: Arc::new(app), clock, executor, runtime, _engine_thread: engine_thread, _stopping: stop }
    }

    pub(super) fn router(&self) -> Router {
        let (_, loaded) = watch::channel(Some(Arc::clone(&self.app)));
        router(Guard::default(), Arc::clone(&self.app.health), loaded)
    }

    /// The body of the answer to a request.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> Bytes {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        self.send(request.header("content-length", body.len()).body(Body::from(body.to_owned())).unwrap()).1
    }

    /// Status and body of the answer to a request.
    pub(super) fn send(&self, request: Request<Body>) -> (StatusCode, Bytes) {
        self.runtime.block_on(async {
            let answer = self.router().oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = answer.status();
            (status, axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap())
        })
    }

    /// The answer to a `GET`, to be read piece by piece.
    pub(super) fn open(&self, path: &str) -> OpenAnswer<'_> {
        let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
        let answer = self.runtime.block_on(self.router().oneshot(request)).unwrap_or_else(|never| match never {});
        OpenAnswer { server: self, pieces: answer.into_body().into_data_stream() }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Where the log ends.
    pub(super) fn tail(&self) -> Position {
        self.engine.reader().tail().unwrap()
    }

    /// Where the log ends once nothing follows any more from what was asked before.
    pub(super) fn settle(&self) -> Position {
        loop {
            // The first look is in a step with all that was sent before; the second in a later step than that.
            let (first, _) = self.look();
            let (second, _) = self.look();
            if first == second {
                return second;
            }
        }
    }

    /// Lets time go by until `to`: what is due on the way happens when it is due, one moment after the other.
    pub(super) fn advance(&self, to: DateTime<Utc>) {
        loop {
            self.settle();
            let (_, due) = self.look();
            let next = [due, self.executor.next_due()].into_iter().flatten().min().filter(|next| *next <= to);
            let Some(next) = next else { break };
            assert!(next > self.now(), "what is due at {next} doesn't happen");
            self.clock.set(next);
            self.executor.show_due();
        }
        self.clock.set(to.max(self.now()));
        self.settle();
    }

    /// Sets the wall clock ahead, or back, in no time; the engine has seen it on return.
    pub(super) fn jump(&self, by: TimeDelta) {
        self.clock.jump(by);
        self.settle();
    }

    /// Where the world ends between two steps, and when something is due in it.
    fn look(&self) -> (Position, Option<DateTime<Utc>>) {
        let (sender, receiver) = mpsc::channel();
        self.engine.look(move |world, _| sender.send((world.tail(), world.next_due())).unwrap()).unwrap();
        receiver.recv().unwrap()
    }
}

/// An answer that is made as it is read.
pub(super) struct OpenAnswer<'a> {
    server: &'a ScriptedServer,
    pieces: BodyDataStream,
}

impl OpenAnswer<'_> {
    /// The next piece; `None` after the last.
    pub(super) fn next_piece(&mut self) -> Option<Result<Bytes, axum::Error>> {
        self.server.runtime.block_on(self.pieces.next())
    }
}

fn since_epoch(at: DateTime<Utc>) -> Duration {
    (at - DateTime::UNIX_EPOCH).to_std().unwrap()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{cli::LogRuns, follow::Follower, health::tests::counting, run_log::RunLog};

    #[test]
    fn what_is_due_happens_at_its_time() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let ten_minutes = lasting(TimeDelta::minutes(10));
        let begin = time("2026-01-01T00:30:00Z");
        let server = ScriptedServer::start(&dir.path().join("data"), Access::Open, begin, ten_minutes);
        server.ask("POST", "/api/v3/workflows/c", r#"{"id":"w","schedule":"hours","docker_image":"busybox"}"#);
        server.ask("PATCH", "/api/v3/workflows/c/w/state", r#"{"enabled":true}"#);
        server.advance(time("2026-01-01T04:30:00Z"));
        for (parameter, triggered, ended) in [
            ("2026-01-01T00", "2026-01-01T01:00:00Z", "2026-01-01T01:10:00Z"),
            ("2026-01-01T02", "2026-01-01T03:00:00Z", "2026-01-01T03:10:00Z"),
        ] {
            let history = server.ask("GET", &format!("/api/v3/status/events/c/w/{parameter}"), "");
            let history: Value = serde_json::from_slice(&history).unwrap();
            let events = history["events"].as_array().unwrap();
            let at = |event: Option<&Value>| event.unwrap()["timestamp"].as_i64();
            let expected = (Some(time(triggered).timestamp_millis()), Some(time(ended).timestamp_millis()));
            assert_eq!((at(events.first()), at(events.last())), expected, "{history}");
        }
        assert_eq!(server.now(), time("2026-01-01T04:30:00Z"));
    }

    /// The reader ends where the log is now; its writer goes on.
    #[test]
    fn when_the_metrics_cannot_go_on_a_scrape_is_refused_and_the_server_is_degraded() {
        let dir = tempfile::tempdir().unwrap();
        let now = "2026-01-01T00:30:00Z".parse().unwrap();
        let server = ScriptedServer::start(&dir.path().join("data"), Access::Open, now, lasting(TimeDelta::zero()));
        let get = |path: &str| server.send(Request::get(path).header("host", "localhost").body(Body::empty()).unwrap());
        let ready = || serde_json::from_slice::<Value>(&get("/ready").1).unwrap();
        let reader = server.engine.reader().snapshot();
        let app = &server.app;
        let (metrics, tail) = (Arc::clone(&app.metrics), app.watched.tail.clone());
        let run_log = RunLog::new(LogRuns::All, metrics.run_lines_left_out.clone());
        let (watchdog, ends) = counting(&app.health);
        let follower = Follower { metrics, run_log, reader, tail, health: Arc::clone(&app.health) };
        let thread = follower.start(&watchdog, server.runtime.handle().clone()).unwrap();
        let (status, text) = get("/metrics");
        assert!(status == 200 && text.starts_with(b"# HELP "), "{status}");
        assert_eq!(ready()["status"], "ready");

        server.ask("POST", "/api/v3/workflows/c", r#"{"id":"w","schedule":"hours","docker_image":"busybox"}"#);
        while app.metrics.stopped().is_none() || ready()["status"] == "ready" {
            std::thread::yield_now();
        }
        let (status, text) = get("/metrics");
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            text.contains("the metrics of the log and its lines about runs stand still: the log ends before"),
            "{text}"
        );
        let (status, _) = get("/ready");
        let readiness = ready();
        assert_eq!((status.as_u16(), &readiness["status"]), (200, &"degraded".into()), "{readiness}");
        assert_eq!(readiness["reasons"][0]["part"], "metrics", "{readiness}");
        assert!(text.contains(readiness["reasons"][0]["reason"].as_str().unwrap()), "{readiness}");
        // All else goes on.
        assert_eq!(get("/api/v3/workflows/c/w").0, 200);
        assert!(!thread.is_finished());
        assert_eq!(ends.load(std::sync::atomic::Ordering::SeqCst), 0);
    }
}
