//! What the world of a past moment costs: reading a log on disk and folding it, against a bare scan of the same log.
//!
//! The bare scan, of which a fold is to reach 60 %, is `LogReader::read` of all records and nothing more. It decodes them, as
//! every reader of records does. Beside it stands what RocksDB needs for the bytes alone, which nobody can fold.
//!
//! `cargo bench --workspace --all-features --profile dev --bench fold`

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use rocksdb::{DB, IteratorMode, Options};
use rustix::time::{ClockId, clock_gettime};
use styx_benches::{Runs, group};
use styx_core::{
    id::Position,
    log::{Log, LogReader},
};
use styx_store::{
    RocksLog, open_read_only,
    rocks::{Replay, RocksReader},
};

const RUNS: usize = 100_000;
const GROUP: usize = 100;
const WORKFLOWS: u64 = 200;
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    make(folder.path())?;
    for _ in 0..ROUNDS {
        let (records, bytes) = scan_of_bytes(folder.path())?;
        let reader = open_read_only(folder.path())?;
        let bare = timed(|| bare_scan(&reader))?;
        let folded = timed(|| fold(&reader))?;
        let rate = |took: Duration| records as f64 / took.as_secs_f64();
        let ratio =
            |floor: Took, of: fn(&Took) -> Duration| 100.0 * of(&floor).as_secs_f64() / of(&folded).as_secs_f64();
        println!(
            "fold from disk: {:.0} records/s, {:.0}/s a core; bare scan {:.0}/s, ratio {:.0} %, a core {:.0} %; bytes alone \
             {:.0}/s, ratio {:.0} %, a core {:.0} % ({records} records)",
            rate(folded.wall),
            rate(folded.cpu),
            rate(bare.wall),
            ratio(bare, |took| took.wall),
            ratio(bare, |took| took.cpu),
            rate(bytes.wall),
            ratio(bytes, |took| took.wall),
            ratio(bytes, |took| took.cpu),
        );
    }
    Ok(())
}

/// How long something took, by the clock and of all cores.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    cpu: Duration,
}

fn timed(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Took, Box<dyn Error>> {
    let cpu_before = cpu_time()?;
    let begin = Instant::now();
    work()?;
    Ok(Took { wall: begin.elapsed(), cpu: cpu_time()? - cpu_before })
}

fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}

fn make(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut log = RocksLog::open(folder)?;
    let epoch = log.begin_epoch()?;
    let (mut runs, first) = Runs::of_workflows(epoch, WORKFLOWS);
    let mut tail = log.append(epoch, Position(0), &first)?;
    for _ in 0..RUNS / GROUP {
        let batch = group((0..GROUP).map(|_| runs.one_run()));
        tail = log.append(epoch, tail, &batch)?;
    }
    Ok(())
}

/// Every record's bytes, looked at by nobody.
fn scan_of_bytes(folder: &Path) -> Result<(usize, Took), Box<dyn Error>> {
    let mut options = Options::default();
    // As the log was written: RocksDB would want to write that it tracks them no more, and crashes as a reader can't.
    options.set_track_and_verify_wals_in_manifest(true);
    let names = DB::list_cf(&options, folder)?;
    let db = DB::open_cf_for_read_only(&options, folder, names, false)?;
    let log = db.cf_handle("log").ok_or("no records")?;
    let (mut records, mut bytes) = (0, 0);
    let took = timed(|| {
        for entry in db.iterator_cf(&log, IteratorMode::Start) {
            let (key, value) = entry?;
            records += 1;
            bytes += key.len() + value.len();
        }
        Ok(())
    })?;
    std::hint::black_box(bytes);
    Ok((records, took))
}

fn bare_scan(reader: &RocksReader) -> Result<(), Box<dyn Error>> {
    let mut next = Position::FIRST;
    loop {
        let page = reader.read(next, 1024)?;
        let Some(last) = page.last() else { return Ok(()) };
        next = last.position.next();
    }
}

fn fold(reader: &RocksReader) -> Result<(), Box<dyn Error>> {
    let tail = reader.tail()?;
    let mut replay = Replay::new(reader);
    replay.advance(tail, &mut |_, _| {})?;
    assert_eq!(replay.world().tail(), tail, "all records were folded");
    Ok(())
}
