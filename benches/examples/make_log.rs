//! Makes a large log of finished runs, to try the log tools on.
//!
//! `cargo run --workspace --all-features --example make_log -- DIR RECORDS [WORKFLOWS]`

use std::{env, error::Error, time::Instant};

use styx_benches::{Runs, group};
use styx_core::{
    id::Position,
    log::{Batch, Log},
};
use styx_store::RocksLog;

/// How many runs go into one batch.
const GROUP: usize = 100;

const USAGE: &str = "usage: make_log DIR RECORDS [WORKFLOWS]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let dir = args.next().ok_or(USAGE)?;
    let records: u64 = args.next().ok_or(USAGE)?.parse()?;
    let workflows: u64 = args.next().map_or(Ok(1_000), |count| count.parse())?;
    let begin = Instant::now();
    let mut log = RocksLog::open(&dir)?;
    let epoch = log.begin_epoch()?;
    let (mut runs, first) = Runs::of_workflows(epoch, workflows);
    let mut tail = log.append(epoch, Position(0), &first)?;
    while tail.0 < records {
        let batch: Batch = group((0..GROUP).map(|_| runs.one_run()));
        tail = log.append(epoch, tail, &batch)?;
    }
    println!("{dir}: {tail} records of {workflows} workflows in {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}
