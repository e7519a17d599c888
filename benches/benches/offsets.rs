//! What an offset costs in the search for the next trigger, as a ratio: of `first_natural` and `following` with the offset to
//! the schedule's own `next`.
//!
//! The two are measured in turns, a thousand searches at a time, and the middle of the ratios is shown: load on the machine slows
//! both alike.

use std::{hint::black_box, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::schedule::{Offset, Schedule};

const SCHEDULES: [&str; 5] = ["hourly", "daily", "*/15 9-17 * * MON-FRI", "0 6,20 28-31 * *", "0 0 29 2 *"];
const OFFSETS: [&str; 4] = ["PT0S", "P1D", "P1M", "-P1Y2M3DT4H"];
const TURNS: usize = 41;
const SEARCHES: i64 = 1_000;

fn main() {
    // `cargo test --benches` only asks whether it runs.
    let turns = if std::env::args().any(|argument| argument == "--bench") { TURNS } else { 1 };
    println!("{:<24} {:<14} {:>10} {:>14} {:>10}", "schedule", "offset", "next", "first_natural", "following");
    for text in SCHEDULES {
        let schedule = Schedule::parse(text).expect("a schedule");
        for offset_text in OFFSETS {
            let offset = Offset::parse(offset_text).expect("an offset");
            let mut nexts = Vec::new();
            let (mut firsts, mut followings) = (Vec::new(), Vec::new());
            for _ in 0..turns {
                let next = seconds(|at| schedule.next(at));
                let first = seconds(|at| schedule.first_natural(&offset, at));
                let following = seconds(|at| schedule.following(&offset, at));
                nexts.push(next);
                firsts.push(first / next);
                followings.push(following / next);
            }
            let nanos = middle(nexts) * 1e9 / SEARCHES as f64;
            let (first, following) = (middle(firsts), middle(followings));
            println!("{text:<24} {offset_text:<14} {nanos:>7.0} ns {first:>13.1}x {following:>9.1}x");
        }
    }
}

/// How long the searches from different times take.
fn seconds<T>(search: impl Fn(DateTime<Utc>) -> T) -> f64 {
    let begin = DateTime::from_timestamp(1_774_742_400, 0).expect("a time");
    let began = Instant::now();
    for nth in 0..SEARCHES {
        black_box(search(black_box(begin + TimeDelta::minutes(nth * 997))));
    }
    began.elapsed().as_secs_f64()
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
