//! A server that finds many living executions at its start goes on answering, while its executor reports about each of them.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use common::{Server, data};
use styx_core::{
    config::Config,
    decide::{Input, Request},
    event::TriggerParameters,
    executor::{Effect, Observation, Observed},
    extensions::Extensions,
    id::WorkflowId,
    record::{Operator, Origin, StoredWorkflow},
    workflow::WorkflowConfiguration,
};
use styx_engine::machine::{Machine, MachineOptions};
use styx_store::RocksLog;
use uuid::Uuid;

/// How many executions live, for the fake executor and for the local one, which notes durably for each that it is lost. The variable
/// `STYX_TEST_LIVING` sets another number.
const LIVING: [usize; 2] = [3_000, 200];
/// How many clients ask at a time, each for one thing after the other.
const CLIENTS: usize = 8;
/// How many requests may wait, and how many observations: few, so that either kind would soon keep out the other.
const PLACES: usize = 16;

/// Writes a log in which so many executions live; returns where it ends.
fn write_log(data: &Path, runner: &str, living: usize) -> u64 {
    const AT_A_TIME: usize = 1_000;
    let mut machine = Machine::open(Box::new(RocksLog::open(data).unwrap()), MachineOptions::default()).unwrap();
    let now: DateTime<Utc> = Utc::now() - TimeDelta::hours(1);
    let mut config = Config { dequeue_rate: None, ..Config::default() };
    config.executor.runner = runner.into();
    config.executor.runs_api_workflows = true;
    let mut effects = Vec::new();
    let mut step = |inputs: Vec<Input>| {
        let mut inputs: Vec<_> = inputs.into_iter().map(|input| (1, input)).collect();
        while !inputs.is_empty() {
            let outputs = machine.step(now, inputs).unwrap();
            effects.extend(outputs.effects);
            inputs = outputs.left;
        }
        std::mem::take(&mut effects)
    };
    step(vec![Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config: Arc::new(config) }]);
    let ann = Arc::new(Operator { actor: "ann".into(), request_id: "1".into(), request: "{}".into() });
    let workflow = |id: &str| {
        let mut configuration = WorkflowConfiguration::new(id, "hours");
        configuration.docker_image = Some("busybox:1.36".to_owned());
        configuration.docker_args = Some(vec!["sleep".to_owned(), "600".to_owned()]);
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        Input::Asked(Request::StoreWorkflow { id: WorkflowId::new("c", id), workflow }, Arc::clone(&ann))
    };
    step(vec![workflow("w")]);
    let first: DateTime<Utc> = "2020-01-01T00:00:00Z".parse().unwrap();
    let mut lived = 0;
    for numbers in (0..living).collect::<Vec<_>>().chunks(AT_A_TIME) {
        let triggers = numbers.iter().map(|number| {
            let hour = first + TimeDelta::hours(*number as i64);
            let request = Request::Trigger {
                workflow: WorkflowId::new("c", "w"),
                parameter: hour.format("%Y-%m-%dT%H").to_string().into(),
                parameters: TriggerParameters::default(),
                allow_future: true,
            };
            Input::Asked(request, Arc::clone(&ann))
        });
        let launched = step(triggers.collect()).into_iter().filter_map(|effect| match effect {
            Effect::Launch(launch) => Some(launch.execution),
            _ => None,
        });
        let seen = launched.flat_map(|execution| {
            [Observed::Launched, Observed::Started].map(|what| {
                Input::Observed(Observation {
                    execution: execution.clone(),
                    runner: runner.into(),
                    what,
                    observed_at: None,
                    evidence: Arc::from(&b"{}"[..]),
                    extensions: Extensions::default(),
                })
            })
        });
        let seen: Vec<_> = seen.collect();
        lived += seen.len() / 2;
        step(seen);
    }
    assert_eq!(lived, living);
    machine.world().tail().0
}

/// What a client saw: how many answers it got, the longest it waited for one, and what wasn't 200.
#[derive(Debug, Default)]
struct Seen {
    answers: usize,
    longest: Duration,
    other: Vec<(u16, String)>,
}

fn ask_until(server: &Server, client: usize, is_over: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    loop {
        let begin = Instant::now();
        let number = seen.answers;
        let answer = match number % 3 {
            0 => server.trigger(
                "c",
                "v",
                &format!("{}-{:02}-{:02}", 1980 + client, 1 + number / 28 % 12, 1 + number % 28),
            ),
            1 => server.ask("PATCH", "/api/v3/workflows/c/v/state", &[], Some(r#"{"enabled":false}"#)),
            _ => server.get("/api/v3/workflows/c/v/state"),
        };
        seen.longest = seen.longest.max(begin.elapsed());
        seen.answers += 1;
        // What is triggered again while it runs is refused with 409, not for want of a place.
        if ![200, 409].contains(&answer.status) {
            seen.other.push((answer.status, answer.reason));
        }
        if is_over.load(Ordering::Relaxed) {
            return seen;
        }
    }
}

fn tail(server: &Server) -> u64 {
    server.get("/api/v4/records?limit=0").header("x-styx-tail").unwrap().parse().unwrap()
}

/// Tries with more of them on a machine that has adopted all before anybody can ask.
fn answers_while_all_are_adopted(executor: &str, living: usize, args: &[&str]) {
    let living = std::env::var("STYX_TEST_LIVING").map_or(living, |count| count.parse().unwrap());
    let mut tries = (0..5).map(|round| living << (2 * round));
    assert!(
        tries.any(|living| is_answered_meanwhile(executor, living, args)),
        "all were adopted before anybody could ask"
    );
}

/// Returns whether anybody could ask before all were adopted; checks the answers of those who did.
fn is_answered_meanwhile(executor: &str, living: usize, args: &[&str]) -> bool {
    let (dir, data) = data();
    let begin = Instant::now();
    let written = write_log(&data, executor, living);
    let wrote = begin.elapsed();
    let config = dir.path().join("styx.toml");
    std::fs::write(&config, format!("[http]\nmax_waiting = {PLACES}\n")).unwrap();
    let begin = Instant::now();
    let args = [&["--executor", executor, "--config", config.to_str().unwrap()], args].concat();
    let server = Server::start_with(&data, &args);
    let started = begin.elapsed();
    // Of each execution: that it is lost, what that means for its run, and when that is tried again.
    let adopted = written + 3 * living as u64;
    let begins_at = tail(&server);
    if begins_at >= adopted {
        return false;
    }
    server.store("c", "v", "days", "{}");
    let is_over = AtomicBool::new(false);
    let begin = Instant::now();
    let seen: Vec<Seen> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (server, is_over) = (&server, &is_over);
                scope.spawn(move || ask_until(server, client, is_over))
            })
            .collect();
        let mut before = (begins_at, Instant::now());
        loop {
            let now = tail(&server);
            if now >= adopted {
                break;
            }
            if now > before.0 {
                before = (now, Instant::now());
            }
            if before.1.elapsed() > Duration::from_secs(60) {
                is_over.store(true, Ordering::Relaxed);
                panic!("nothing goes on at {now} of {adopted}\n{}", server.log());
            }
            thread::sleep(Duration::from_millis(20));
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let took = begin.elapsed();
    let log = server.log();
    assert!(log.contains(&format!("adopted the executions that an earlier server has started: {living}")), "{log}");
    let answers: usize = seen.iter().map(|seen| seen.answers).sum();
    let longest = seen.iter().map(|seen| seen.longest).max().unwrap();
    println!(
        "{executor}: {living} living executions (a log of {written} records, written in {wrote:.1?}); listening after \
         {started:.1?}, all adopted {took:.1?} later; {CLIENTS} clients had {answers} answers meanwhile, the slowest after \
         {longest:.1?}"
    );
    for seen in seen {
        assert!(seen.other.is_empty(), "{seen:?}");
    }
    true
}

#[test]
fn clients_are_answered_while_observations_of_all_executions_come_in() {
    answers_while_all_are_adopted("fake", LIVING[0], &[]);
}

#[test]
fn clients_are_answered_while_the_local_executor_looks_for_all_jobs() {
    answers_while_all_are_adopted("local", LIVING[1], &["--run-api-workflows"]);
}
