//! Kill -9 and losses of power at random moments: what was answered is there once, no instant is skipped or fires twice, nothing
//! starts twice.

#[path = "kill/client.rs"]
mod client;
#[path = "kill/server.rs"]
mod server;
#[path = "kill/truth.rs"]
mod truth;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use client::Client;
use power_loss::{Disk, Loss};
use server::{Running, Server};
use truth::Truth;

/// `STYX_KILLS` asks for another number.
const KILLS: u32 = 50;
const LOSSES: u32 = 6;
/// The longest that a server lives.
const LONGEST_MILLIS: u64 = 1_200;

#[test]
fn killed_at_random_moments_nothing_is_lost_and_nothing_runs_twice() {
    let kills = std::env::var("STYX_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::prepare(folder.path());
    let truth = lives_through(&server, kills, |running, _| running.kill());
    truth.has_every_workflow();
}

/// The jobs leave their marks where no power is lost.
#[test]
fn without_power_at_random_moments_nothing_is_lost_and_nothing_runs_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::prepare(folder.path());
    let disk = Disk::new(server.disk());
    server.environment = disk.environment().into();
    lives_through(&server, LOSSES, |running, random| {
        disk.lose_power(match random.below(3) {
            0 => Loss::AllUnsynced,
            1 => Loss::Contents,
            _ => Loss::PartOfAppends(u16::try_from(random.below(1000)).expect("a small number")),
        });
        running.kill();
    });
}

/// A server that ends so often, and a client that goes on asking; all that must hold after it.
fn lives_through(server: &Server, ends: u32, end: impl Fn(Running, &mut Random)) -> Truth {
    let mut random = Random::new();
    let stop = Arc::new(AtomicBool::new(false));
    let client = {
        let (client, stop) = (Client::new(server.address()), Arc::clone(&stop));
        thread::spawn(move || client.trigger_until(&stop))
    };
    for _ in 0..ends {
        let mut running = server.start();
        thread::sleep(Duration::from_millis(random.below(LONGEST_MILLIS)));
        // The moments that matter most are those of a start: half of the ends come before the server answers.
        if random.below(2) == 0 {
            running.wait_until_it_answers();
            thread::sleep(Duration::from_millis(random.below(LONGEST_MILLIS)));
        }
        end(running, &mut random);
    }
    stop.store(true, Ordering::Relaxed);
    let mut running = server.start();
    running.wait_until_it_answers();
    let acknowledged = client.join().expect("the client");
    assert!(acknowledged.len() > ends as usize / 5, "the client was answered only {} times", acknowledged.len());
    wait_until_idle(&Client::new(server.address()));
    running.stop();

    let verified = server.verify();
    assert!(verified.status.success(), "log verify: {}", String::from_utf8_lossy(&verified.stdout));
    let truth = Truth::of(&server.data());
    truth.has_each_once(&acknowledged);
    truth.has_no_gap_between_instants();
    truth.agrees_with_what_started(&server.starts());
    truth
}

/// Waits until no run that was asked for is active: those by schedule never end.
fn wait_until_idle(client: &Client) {
    let begin = Instant::now();
    while client.has_active("by-hand") {
        assert!(begin.elapsed() < Duration::from_secs(180), "runs are still active after three minutes");
        thread::sleep(Duration::from_millis(200));
    }
}

/// Small and seeded from the clock: the seed is printed.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seed = since.as_nanos() as u64 | 1;
        println!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
