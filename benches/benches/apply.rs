//! What folding costs: one event of a run, one record of the world, and a schedule's next instant.

use std::hint::black_box;

use chrono::DateTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use styx_benches::Runs;
use styx_core::{
    id::Epoch,
    record::{Fact, RunEvent},
    run::{Rules, Run},
    schedule::Schedule,
    world::World,
};

fn run_apply(c: &mut Criterion) {
    let (mut runs, _) = Runs::begin(Epoch(1));
    let events: Vec<_> = runs
        .one_run()
        .records
        .into_iter()
        .filter_map(|record| match record.fact {
            Fact::Run(_, RunEvent::Styx { event, .. }) => Some(event),
            _ => None,
        })
        .collect();
    let at = DateTime::UNIX_EPOCH;
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("Run::apply, the events of one run", |b| {
        b.iter(|| {
            let mut run = Run::new(None, at);
            for event in &events {
                run.apply(black_box(event), at, Rules::Ours).expect("a legal history");
            }
            run
        });
    });
    group.finish();
}

fn world_apply(c: &mut Criterion) {
    let (mut runs, first) = Runs::begin(Epoch(1));
    let mut records = first.records;
    for _ in 0..1_000 {
        records.extend(runs.one_run().records);
    }
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("World::apply, 1,000 runs", |b| {
        b.iter(|| {
            let mut world = World::default();
            for record in &records {
                world.apply(black_box(record)).expect("a legal history");
            }
            world
        });
    });
    group.finish();
}

fn schedule_next(c: &mut Criterion) {
    let from = DateTime::from_timestamp(1_774_742_431, 0).expect("a time");
    let mut group = c.benchmark_group("schedule");
    for text in ["hourly", "*/15 9-17 * * MON-FRI", "0 0 29 2 *"] {
        let schedule = Schedule::parse(text).expect("a schedule");
        group.bench_function(format!("next of {text}"), |b| b.iter(|| schedule.next(black_box(from))));
        group.bench_function(format!("parse {text}"), |b| b.iter(|| Schedule::parse(black_box(text))));
    }
    group.finish();
}

criterion_group!(benches, run_apply, world_apply, schedule_next);
criterion_main!(benches);
