//! What the HTTP server reaches, against floors in the same run: durable triggers, a page of workflows, reads beside a burst
//! of triggers, and the memory that a long list takes.
//!
//! `cargo bench --workspace --all-features --profile dev --bench http`; `-- waiting` measures only a part, by its name in
//! `PARTS`.
//!
//! Each server is this program, started again: the real server on a folder of its own, or a bare route of axum.

mod client;
mod servers;
mod slow_disk;

use std::{
    env,
    error::Error,
    ffi::OsString,
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta};
use tempfile::TempDir;

use self::{
    client::{Client, Until, load, request},
    servers::{ROLE, Server, bare},
    slow_disk::SlowDisk,
};

/// What is measured, by its name on the command line: on a server whose runs start, on one where they wait, and on one where
/// they wait and whose disk is slow.
const PARTS: [&str; 6] = ["states", "page", "starting", "reads", "waiting", "slow"];
/// What a sync of a slow disk takes longer.
const SLOW: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(10)];

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
    let ram = PathBuf::from("/dev/shm");
    for (name, parent) in [("RAM disk", &ram), ("disk", &env::temp_dir())] {
        println!("{name}, {}:", parent.display());
        if ["states", "page", "starting", "reads"].into_iter().any(is_asked) {
            let folder = TempDir::new_in(parent)?;
            let server = Server::start(folder.path())?;
            make_workflows(&server)?;
            if is_asked("states") {
                active_states(&server)?;
            }
            if is_asked("page") {
                page_of_workflows(&server, folder.path())?;
            }
            if is_asked("starting") {
                triggers(&server, folder.path(), "triggers that start runs", Duration::ZERO)?;
            }
            if is_asked("reads") {
                reads_beside_triggers(&server)?;
            }
        }
        if is_asked("waiting") {
            waiting(parent, "triggers whose runs wait", &[], Duration::ZERO)?;
        }
    }
    if is_asked("slow") {
        println!("RAM disk whose syncs take longer:");
        let folder = TempDir::new()?;
        let disk = SlowDisk::compile(folder.path())?;
        for longer in SLOW {
            let what = format!("triggers whose runs wait, a sync {} ms longer", longer.as_millis());
            waiting(&ram, &what, &disk.environment(longer), longer)?;
        }
    }
    Ok(())
}

/// Triggers on a server of their own that starts nothing.
fn waiting(parent: &Path, what: &str, environment: &[(&str, OsString)], longer: Duration) -> Outcome<()> {
    let folder = TempDir::new_in(parent)?;
    let server = Server::start_with(folder.path(), environment)?;
    make_workflows(&server)?;
    keep_waiting(&server)?;
    triggers(&server, folder.path(), what, longer)
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

/// Durable triggers, in turns with a bare route that reads and writes as many bytes and keeps nothing; the server's syncs take
/// so much longer than those of this process.
fn triggers(server: &Server, folder: &Path, what: &str, longer: Duration) -> Outcome<()> {
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
    let sync = quantile(&mut sync, 0.5) + longer;
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
    fs::write(format!("/proc/{}/clear_refs", server.id()), "5")?;
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

fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    let index = (times.len() as f64 * part) as usize;
    times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
