//! The servers that are measured: this program, started again.

use std::{
    env,
    ffi::OsString,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, http::header};

use crate::Outcome;

/// Says what this program is to be when it starts itself.
pub(crate) const ROLE: &str = "BENCH_HTTP_ROLE";
/// The body of the bare route, in bytes.
const BODY_BYTES: &str = "BENCH_HTTP_BODY_BYTES";
/// Where the bare route says what it listens on.
const ADDRESS_FILE: &str = "BENCH_HTTP_ADDRESS_FILE";

/// A server in a process of its own, which ends when this value is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    /// The number of the next trigger.
    pub(crate) triggered: Arc<AtomicU64>,
}

impl Server {
    /// The real one, with all its data in a folder.
    pub(crate) fn start(folder: &Path) -> Outcome<Self> {
        Self::start_with(folder, &[])
    }

    /// The real one, with additions to its environment.
    pub(crate) fn start_with(folder: &Path, environment: &[(&str, OsString)]) -> Outcome<Self> {
        let data = folder.join("data");
        let log = fs::File::create(folder.join("server.log"))?;
        let mut command = Command::new(env::current_exe()?);
        command.env(ROLE, "server").args(["--executor", "fake", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        command.envs(environment.iter().cloned());
        let child = command.stdout(Stdio::null()).stderr(log).spawn()?;
        Self::attach(child, &data.join("address"))
    }

    /// A route that reads a body and sends one of this size.
    pub(crate) fn bare(address_file: &Path, bytes: usize) -> Outcome<Self> {
        // Of an earlier one.
        let _ = fs::remove_file(address_file);
        let mut command = Command::new(env::current_exe()?);
        command.env(ROLE, "bare").env(BODY_BYTES, bytes.to_string()).env(ADDRESS_FILE, address_file);
        Self::attach(command.spawn()?, address_file)
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn attach(child: Child, address_file: &Path) -> Outcome<Self> {
        let mut server = Self { child, address: String::new(), triggered: Arc::default() };
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            let text = fs::read_to_string(address_file).unwrap_or_default();
            if let Some(address) = text.strip_suffix('\n') {
                server.address = address.to_owned();
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err("a server doesn't say where it listens".into())
    }

    /// What it has done so far.
    pub(crate) fn work(&self) -> Outcome<Work> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // Behind the name of the program, which may hold blanks: the state is field 3.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| Outcome::Ok(fields.get(field - 3).ok_or("too few fields")?.parse::<u64>()?);
        Ok(Work { ticks: ticks(14)? + ticks(15)?, requests: self.triggered.load(Ordering::Relaxed) })
    }

    pub(crate) fn memory(&self, name: &str) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The CPU time that a server has taken, and the requests that it was sent.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    ticks: u64,
    requests: u64,
}

impl Work {
    /// Microseconds a request.
    pub(crate) fn cost_since(self, begin: Self) -> f64 {
        const TICK_US: f64 = 10_000.0;
        (self.ticks - begin.ticks) as f64 * TICK_US / (self.requests - begin.requests) as f64
    }
}

/// What the bare process does.
pub(crate) fn bare() -> Outcome<()> {
    let body = Bytes::from(vec![b'x'; env::var(BODY_BYTES)?.parse()?]);
    let route = move |sent: Bytes| async move {
        drop(sent);
        ([(header::CONTENT_TYPE, "application/json")], body)
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        fs::write(env::var(ADDRESS_FILE)?, format!("{}\n", listener.local_addr()?))?;
        Ok(axum::serve(listener, Router::new().fallback(route)).await?)
    })
}
