//! A server in the tests' own process: its clock stands still until a test sets it.

use std::{
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
    executor::{Effect, Executor, Launch, Observation},
    id::Position,
    workflow::Rules,
    world::World,
};
use styx_engine::{
    clock::Clock,
    engine::{self, EngineHandle, EngineThread, Inbox, Observer},
    fake::Fakes,
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

/// A clock that shows what it was set to; time elapses with it.
pub(super) struct ScriptedClock(Mutex<DateTime<Utc>>);

impl ScriptedClock {
    fn at(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    fn set(&self, now: DateTime<Utc>) {
        *lock(&self.0) = now;
    }
}

impl Clock for ScriptedClock {
    fn now(&self) -> DateTime<Utc> {
        *lock(&self.0)
    }

    fn elapsed(&self) -> Duration {
        since_epoch(self.now())
    }
}

/// Puts the script of an execution into its environment, where the records don't see it.
pub(super) type Director = Box<dyn Fn(&mut Launch, DateTime<Utc>) + Send + Sync>;

/// The fake executor on a scripted clock: what it reports at once is with the engine before whoever asked has an answer.
struct ScriptedFakes {
    fakes: Mutex<Fakes>,
    clock: Arc<ScriptedClock>,
    observer: Observer,
    direct: Director,
}

impl ScriptedFakes {
    fn end_due(&self) {
        let ended = lock(&self.fakes).end_due(since_epoch(self.clock.now()));
        self.report(ended);
    }

    fn next_end(&self) -> Option<DateTime<Utc>> {
        lock(&self.fakes).next_end().map(|at| DateTime::UNIX_EPOCH + at)
    }

    fn report(&self, observations: Vec<Observation>) {
        for observation in observations {
            self.observer.observe(observation);
        }
    }
}

impl Executor for ScriptedFakes {
    fn perform(&self, mut effect: Effect) {
        let now = self.clock.now();
        if let Effect::Launch(launch) = &mut effect {
            (self.direct)(launch, now);
        }
        let observations = lock(&self.fakes).perform(effect, since_epoch(now));
        self.report(observations);
        self.end_due();
    }
}

/// All of a server but its process: engine, log, fake executor and routes. Nothing happens in it unless it is asked or its
/// clock is set, and what happens has happened when [`settle`](Self::settle) returns.
pub(super) struct ScriptedServer {
    pub(super) engine: EngineHandle,
    pub(super) app: Arc<App>,
    clock: Arc<ScriptedClock>,
    fakes: Arc<ScriptedFakes>,
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
        let fakes = Arc::new(ScriptedFakes {
            fakes: Mutex::default(),
            clock: Arc::clone(&clock),
            observer: inbox.observer(),
            direct,
        });
        let executor = Arc::clone(&fakes);
        let (engine, engine_thread) =
            engine::start(machine, inbox, executor, clock.clone(), vec![start], |_| ()).unwrap();
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
            rules: Rules { max_running_timeout: Some(TimeDelta::days(1)), ..Rules::default() },
            runs_api_workflows: true,
            declared_env_only: false,
            checkpoints,
            watched,
            metrics: Arc::new(Metrics::new(World::default(), &LogMetrics::default(), HttpMetrics::new())),
            health,
            stopping,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { engine, app: Arc::new(app), clock, fakes, runtime, _engine_thread: engine_thread, _stopping: stop }
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
            let next = [due, self.fakes.next_end()].into_iter().flatten().min().filter(|next| *next <= to);
            let Some(next) = next else { break };
            assert!(next > self.now(), "what is due at {next} doesn't happen");
            self.clock.set(next);
            self.fakes.end_due();
        }
        self.clock.set(to.max(self.now()));
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
    use styx_engine::fake::DURATION_MS;

    use super::*;
    use crate::{cli::LogRuns, follow::Follower, health::tests::counting, run_log::RunLog};

    #[test]
    fn what_is_due_happens_at_its_time() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let ten_minutes: Director = Box::new(|launch, _| {
            launch.env.insert(DURATION_MS.to_owned(), "600000".to_owned());
        });
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
        let server = ScriptedServer::start(&dir.path().join("data"), Access::Open, now, Box::new(|_, _| ()));
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
