//! What the HTTP server reaches, against floors in the same run: durable triggers, a page of workflows, reads beside a burst
//! of triggers, and the memory that a long list takes.
//!
//! `cargo bench --workspace --all-features --profile dev --bench http`; `-- waiting` measures only a part, by its name in
//! `PARTS`.
//!
//! Each server is this program, started again: the real server on a folder of its own, or a bare route of axum.

use std::{
    env,
    error::Error,
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, http::header};
use chrono::{DateTime, TimeDelta};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Says what this program is to be when it starts itself.
const ROLE: &str = "BENCH_HTTP_ROLE";
/// The body of the bare route, in bytes.
const BODY_BYTES: &str = "BENCH_HTTP_BODY_BYTES";
/// Where the bare route says what it listens on.
const ADDRESS_FILE: &str = "BENCH_HTTP_ADDRESS_FILE";

/// What is measured, by its name on the command line: on a server whose runs start, and on one where they wait.
const PARTS: [&str; 5] = ["states", "page", "starting", "reads", "waiting"];

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(2);
const COMPONENTS: usize = 100;
const WORKFLOWS_EACH: usize = 100;
const ACTIVE: u64 = 10_000;
/// Between two reads beside a burst.
const READ_PACE: Duration = Duration::from_millis(4);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let outcome = match env::var(ROLE).as_deref() {
        Ok("server") => return styx_server::main(),
        Ok(_) => bare(),
        Err(_) => measure(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Outcome<()> {
    // Cargo adds `--bench`.
    let asked: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(unknown) = asked.iter().find(|name| !PARTS.contains(&name.as_str())) {
        return Err(format!("there is no part {unknown}; there are {}", PARTS.join(", ")).into());
    }
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    for (name, parent) in [("RAM disk", PathBuf::from("/dev/shm")), ("disk", env::temp_dir())] {
        println!("{name}, {}:", parent.display());
        if PARTS.iter().any(|name| *name != "waiting" && is_asked(name)) {
            let folder = TempDir::new_in(&parent)?;
            let server = Server::start(folder.path())?;
            make_workflows(&server)?;
            if is_asked("states") {
                active_states(&server)?;
            }
            if is_asked("page") {
                page_of_workflows(&server, folder.path())?;
            }
            if is_asked("starting") {
                triggers(&server, folder.path(), "triggers that start runs")?;
            }
            if is_asked("reads") {
                reads_beside_triggers(&server)?;
            }
        }
        if is_asked("waiting") {
            let folder = TempDir::new_in(&parent)?;
            let server = Server::start(folder.path())?;
            make_workflows(&server)?;
            keep_waiting(&server)?;
            triggers(&server, folder.path(), "triggers whose runs wait")?;
        }
    }
    Ok(())
}

/// 10,000 workflows, 100 in each of 100 components.
fn make_workflows(server: &Server) -> Outcome<()> {
    let total = (COMPONENTS * WORKFLOWS_EACH) as u64;
    let make = |number: u64| {
        let (component, workflow) = name_of(number);
        let body = format!(
            r#"{{"id":"{workflow}","schedule":"* * * * *","docker_image":"sales/report:7","docker_args":["--day","{{}}"],"env":{{"STYX_FAKE_DURATION_MS":"36000000"}}}}"#
        );
        request("POST", &format!("/api/v3/workflows/{component}"), &body)
    };
    load(&server.address, &Arc::default(), Until::Count(total), make)?;
    Ok(())
}

fn name_of(number: u64) -> (String, String) {
    let number = number % (COMPONENTS * WORKFLOWS_EACH) as u64;
    (format!("component-{}", number % COMPONENTS as u64), format!("report-{}", number / COMPONENTS as u64))
}

/// A trigger of its own for each number; the runs it begins outlast the measurement.
fn trigger(number: u64) -> Vec<u8> {
    const SPREAD: u64 = 1_000;
    let (component, workflow) = name_of(number % SPREAD);
    let minutes = i64::try_from(number / SPREAD).unwrap_or_default();
    let instant = DateTime::from_timestamp(1_774_742_400, 0).unwrap_or_default() - TimeDelta::minutes(minutes);
    let parameter = instant.format("%Y-%m-%dT%H:%M");
    let body = format!(
        r#"{{"workflow_id":{{"component_id":"{component}","id":"{workflow}"}},"parameter":"{parameter}","trigger_parameters":null}}"#
    );
    request("POST", "/api/v3/scheduler/trigger", &body)
}

/// Durable triggers, in turns with a bare route that reads and writes as many bytes and keeps nothing.
fn triggers(server: &Server, folder: &Path, what: &str) -> Outcome<()> {
    let first = trigger(server.triggered.fetch_add(1, Ordering::Relaxed));
    let bytes = Client::connect(&server.address)?.ask(&first)?;
    let bare = Server::bare(&folder.join("bare"), bytes)?;
    let (mut ours, mut floor, mut sync) = (0.0, 0.0, Vec::new());
    let begin = [server.work()?, bare.work()?];
    for _ in 0..ROUNDS {
        sync.append(&mut syncs(folder)?);
        floor += load(&bare.address, &bare.triggered, Until::Passed(ROUND), trigger)?;
        ours += load(&server.address, &server.triggered, Until::Passed(ROUND), trigger)?;
    }
    sync.append(&mut syncs(folder)?);
    let [our_cost, floor_cost] = [server.work()?.cost_since(begin[0]), bare.work()?.cost_since(begin[1])];
    let (ours, floor) = (ours / ROUNDS as f64, floor / ROUNDS as f64);
    let sync = quantile(&mut sync, 0.5);
    let allowed = CONNECTIONS as f64 / sync.as_secs_f64();
    println!(
        "  {what}, {CONNECTIONS} connections: {ours:.0}/s; bare route: {floor:.0}/s; ratio {:.0} %; \
         {CONNECTIONS} / sync of {} us: {allowed:.0}/s; ratio {:.0} %; CPU time {our_cost:.0} us each, bare {floor_cost:.0} us",
        100.0 * ours / floor,
        sync.as_micros(),
        100.0 * ours / allowed
    );
    Ok(())
}

/// Scheduling off: what is triggered only waits.
fn keep_waiting(server: &Server) -> Outcome<()> {
    Client::connect(&server.address)?.ask(&request("PATCH", "/api/v4/config", r#"{"enabled":false}"#))?;
    Ok(())
}

/// How long it takes to append as much as a group of triggers, and sync it.
fn syncs(folder: &Path) -> Outcome<Vec<Duration>> {
    static GROUP: [u8; 32 * 1024] = [7; 32 * 1024];
    let file = fs::File::create(folder.join("sync"))?;
    let once = |number: u64| {
        let begin = Instant::now();
        file.write_all_at(&GROUP, number * GROUP.len() as u64)?;
        file.sync_data()?;
        Ok(begin.elapsed())
    };
    (0..100).map(once).collect()
}

/// A component's 100 workflows out of 10,000, in turns with a bare route that sends as many bytes.
fn page_of_workflows(server: &Server, folder: &Path) -> Outcome<()> {
    let page = request("GET", "/api/v3/workflows/component-7", "");
    let bytes = Client::connect(&server.address)?.ask(&page)?;
    let bare = Server::bare(&folder.join("bare-page"), bytes)?;
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    let (mut our_client, mut bare_client) = (Client::connect(&server.address)?, Client::connect(&bare.address)?);
    for _ in 0..2_000 {
        ours.push(our_client.time(&page)?);
        floor.push(bare_client.time(&page)?);
    }
    let (ours, floor) = (quantile(&mut ours, 0.5), quantile(&mut floor, 0.5));
    println!(
        "  a page of {WORKFLOWS_EACH} workflows ({bytes} bytes), alone: {} us; bare route: {} us; {:.1} times",
        ours.as_micros(),
        floor.as_micros(),
        ours.as_secs_f64() / floor.as_secs_f64()
    );
    let page_of = move |_| page.clone();
    let (mut ours, mut floor) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        floor += load(&bare.address, &Arc::default(), Until::Passed(ROUND), page_of.clone())?;
        ours += load(&server.address, &Arc::default(), Until::Passed(ROUND), page_of.clone())?;
    }
    let rounds = ROUNDS as f64;
    println!(
        "  the same, {CONNECTIONS} connections: {:.0}/s; bare route: {:.0}/s; {:.1} times",
        ours / rounds,
        floor / rounds,
        floor / ours
    );
    Ok(())
}

/// Reads at a steady pace while triggers come as fast as they can.
fn reads_beside_triggers(server: &Server) -> Outcome<()> {
    let workflow = request("GET", "/api/v3/workflows/component-7/report-50", "");
    let states = request("GET", "/api/v3/status/activeStates?component=small", "");
    small_component(server)?;
    let over = Arc::new(AtomicBool::new(false));
    let readers = [("E-04", workflow), ("E-25", states)].map(|(name, read)| {
        let (over, address) = (Arc::clone(&over), server.address.clone());
        thread::spawn(move || -> Outcome<_> {
            let mut client = Client::connect(&address)?;
            let mut times = Vec::new();
            let mut due = Instant::now();
            while !over.load(Ordering::Relaxed) {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                client.ask(&read)?;
                // From when it was due: what waits behind a slow answer counts as late.
                times.push(due.elapsed());
                due += READ_PACE;
            }
            Ok((name, times))
        })
    });
    let rate = load(&server.address, &server.triggered, Until::Passed(ROUND * 2), trigger);
    over.store(true, Ordering::Relaxed);
    let rate = rate?;
    for reader in readers {
        let (name, mut times) = reader.join().map_err(|_| "a reader panicked")??;
        println!(
            "  {name} beside {rate:.0} triggers/s: p50 {:.1} ms, p99 {:.1} ms, of {} reads",
            quantile(&mut times, 0.5).as_secs_f64() * 1e3,
            quantile(&mut times, 0.99).as_secs_f64() * 1e3,
            times.len()
        );
    }
    Ok(())
}

/// A component of one workflow and ten active runs.
fn small_component(server: &Server) -> Outcome<()> {
    let mut client = Client::connect(&server.address)?;
    let workflow = r#"{"id":"one","schedule":"* * * * *","docker_image":"sales/report:7","env":{"STYX_FAKE_DURATION_MS":"36000000"}}"#;
    client.ask(&request("POST", "/api/v3/workflows/small", workflow))?;
    for minute in 10..20 {
        let body =
            format!(r#"{{"workflow_id":{{"component_id":"small","id":"one"}},"parameter":"2026-01-01T00:{minute}"}}"#);
        client.ask(&request("POST", "/api/v3/scheduler/trigger", &body))?;
    }
    Ok(())
}

/// What listing many active runs adds to the memory of the server.
fn active_states(server: &Server) -> Outcome<()> {
    load(&server.address, &server.triggered, Until::Count(ACTIVE), trigger)?;
    // What the runs do at their begin is over.
    thread::sleep(Duration::from_secs(2));
    let list = request("GET", "/api/v3/status/activeStates", "");
    let mut client = Client::connect(&server.address)?;
    client.ask(&request("GET", "/api/v3/status/activeStates?component=component-7", ""))?;
    let before = server.memory("VmRSS:")?;
    fs::write(format!("/proc/{}/clear_refs", server.child.id()), "5")?;
    let begin = Instant::now();
    let bytes = client.ask(&list)?;
    let took = begin.elapsed();
    let peak = server.memory("VmHWM:")?;
    println!(
        "  {ACTIVE} active states ({} KiB of JSON) in {} ms: resident {before} KiB before, at most {peak} KiB during",
        bytes / 1024,
        took.as_millis()
    );
    Ok(())
}

/// A server in a process of its own, which ends when this value is dropped.
struct Server {
    child: Child,
    address: String,
    /// The number of the next trigger.
    triggered: Arc<AtomicU64>,
}

impl Server {
    /// The real one, with all its data in a folder.
    fn start(folder: &Path) -> Outcome<Self> {
        let data = folder.join("data");
        let log = fs::File::create(folder.join("server.log"))?;
        let mut command = Command::new(env::current_exe()?);
        command.env(ROLE, "server").args(["--executor", "fake", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        let child = command.stdout(Stdio::null()).stderr(log).spawn()?;
        Self::attach(child, &data.join("address"))
    }

    /// A route that reads a body and sends one of this size.
    fn bare(address_file: &Path, bytes: usize) -> Outcome<Self> {
        // Of an earlier one.
        let _ = fs::remove_file(address_file);
        let mut command = Command::new(env::current_exe()?);
        command.env(ROLE, "bare").env(BODY_BYTES, bytes.to_string()).env(ADDRESS_FILE, address_file);
        Self::attach(command.spawn()?, address_file)
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
    fn work(&self) -> Outcome<Work> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name of the program, which may hold blanks: the state is field 3.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| Outcome::Ok(fields.get(field - 3).ok_or("too few fields")?.parse::<u64>()?);
        Ok(Work { ticks: ticks(14)? + ticks(15)?, requests: self.triggered.load(Ordering::Relaxed) })
    }

    fn memory(&self, name: &str) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
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
struct Work {
    ticks: u64,
    requests: u64,
}

impl Work {
    /// Microseconds a request.
    fn cost_since(self, begin: Self) -> f64 {
        const TICK_US: f64 = 10_000.0;
        (self.ticks - begin.ticks) as f64 * TICK_US / (self.requests - begin.requests) as f64
    }
}

/// What the bare process does.
fn bare() -> Outcome<()> {
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

/// When a load ends.
#[derive(Clone, Copy)]
enum Until {
    Count(u64),
    Passed(Duration),
}

impl Until {
    fn is_over(self, asked: u64, begin: Instant) -> bool {
        match self {
            Self::Count(count) => asked >= count,
            Self::Passed(time) => begin.elapsed() >= time,
        }
    }
}

/// Requests over so many connections, one at a time on each; gives how many were answered a second.
fn load(
    address: &str,
    next: &Arc<AtomicU64>,
    until: Until,
    make: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> Outcome<f64> {
    let begin = Instant::now();
    let first = next.load(Ordering::Relaxed);
    let make = Arc::new(make);
    let mut answered = 0;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut connections = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (address, next, make) = (address.to_owned(), Arc::clone(next), Arc::clone(&make));
            connections.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let (mut buffer, mut answered) = (Vec::new(), 0_u64);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if until.is_over(number - first, begin) {
                        return Outcome::Ok(answered);
                    }
                    stream.write_all(&make(number)).await?;
                    buffer.clear();
                    while Answer::parse(&buffer)?.is_none() {
                        if stream.read_buf(&mut buffer).await? == 0 {
                            return Err("the server closed a connection".into());
                        }
                    }
                    answered += 1;
                }
            });
        }
        while let Some(connection) = connections.join_next().await {
            answered += connection??;
        }
        Outcome::Ok(())
    })?;
    Ok(answered as f64 / begin.elapsed().as_secs_f64())
}

fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// One connection, for one request after the other.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Asks, and gives the length of the answer's body.
    fn ask(&mut self, request: &[u8]) -> Outcome<usize> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let mut part = vec![0; 64 * 1024];
        loop {
            if let Some(answer) = Answer::parse(&self.buffer)? {
                return Ok(answer.body_bytes);
            }
            match self.stream.read(&mut part)? {
                0 => return Err("the server closed a connection".into()),
                bytes => self.buffer.extend_from_slice(&part[..bytes]),
            }
        }
    }

    fn time(&mut self, request: &[u8]) -> Outcome<Duration> {
        let begin = Instant::now();
        self.ask(request)?;
        Ok(begin.elapsed())
    }
}

/// An answer that has come as a whole.
struct Answer {
    body_bytes: usize,
}

impl Answer {
    /// `None` while some of it is missing; an error when it isn't a success.
    fn parse(bytes: &[u8]) -> Outcome<Option<Self>> {
        let Some(head_bytes) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, body) = (std::str::from_utf8(&bytes[..head_bytes])?, &bytes[head_bytes + 4..]);
        if !head.starts_with("HTTP/1.1 2") {
            return Err(format!("the server refuses: {head} {}", String::from_utf8_lossy(body)).into());
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        let is_whole = match length.transpose()? {
            Some(length) => body.len() >= length,
            None => body.ends_with(b"\r\n0\r\n\r\n"),
        };
        Ok(is_whole.then_some(Self { body_bytes: body.len() }))
    }
}

fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    let index = (times.len() as f64 * part) as usize;
    times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
