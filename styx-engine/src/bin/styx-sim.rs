//! Runs simulations by seed, and tells the story of one that fails.

use std::{ops::Range, process::ExitCode, time::Instant};

use clap::Parser;
use styx_engine::sim::{Coverage, Options, simulate};

/// Simulates the engine: one seed decides everything that happens.
#[derive(Parser)]
#[command(name = "styx-sim", version)]
struct Arguments {
    /// The seed of one simulation
    #[arg(long, value_name = "N", conflicts_with = "seeds", required_unless_present = "seeds")]
    seed: Option<u64>,
    /// Many simulations, the last seed excluded
    #[arg(long, value_name = "FROM..TO", value_parser = range)]
    seeds: Option<Range<u64>>,
    /// How many steps the machine makes while faults happen
    #[arg(long, value_name = "N", default_value_t = Options::STEPS)]
    steps: u32,
    /// Tell the whole story, also of what succeeds
    #[arg(long)]
    verbose: bool,
}

/// After how many seeds progress is told.
const PROGRESS: u64 = 1_000;

fn main() -> ExitCode {
    let Arguments { seed, seeds, steps, verbose } = Arguments::parse();
    let seeds = seeds.or(seed.map(|seed| seed..seed.saturating_add(1))).unwrap_or_default();
    let options = Options { steps, ..Options::default() };
    let told = Options { story: if verbose { usize::MAX } else { Options::STORY }, ..options.clone() };
    let (begun, mut records) = (Instant::now(), 0);
    let mut coverage = Coverage::default();
    for seed in seeds.clone() {
        let outcome = simulate(seed, if verbose { &told } else { &options });
        if outcome.violation.is_some() {
            // The same seed again, and this time somebody writes it down.
            print!("{}", simulate(seed, &told).text(seed));
            let steps = if steps == Options::STEPS { String::new() } else { format!(" --steps {steps}") };
            println!(
                "  to see it again: cargo run -p styx-engine --features sim --bin styx-sim -- --seed {seed}{steps}"
            );
            return ExitCode::FAILURE;
        }
        if verbose {
            print!("{}", outcome.text(seed));
        }
        records += outcome.records;
        coverage.merge(outcome.coverage);
        let done = seed - seeds.start + 1;
        if done.is_multiple_of(PROGRESS) {
            eprintln!("{done} seeds, {:.0} a second", done as f64 / begun.elapsed().as_secs_f64());
        }
    }
    let count = seeds.end.saturating_sub(seeds.start);
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{count} seeds hold all invariants: {records} records in {seconds:.1} s, {:.0} seeds/s",
        count as f64 / seconds
    );
    if count > 1 {
        coverage.missing().for_each(|situation| println!("never reached: {}", situation.text()));
    }
    ExitCode::SUCCESS
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let bounds = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    bounds.filter(|range: &Range<u64>| !range.is_empty()).ok_or_else(|| "expected a range such as 0..1000".to_owned())
}
