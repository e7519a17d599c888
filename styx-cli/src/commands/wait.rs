//! Waits for a backfill.

use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use styx_client::{BackfillItem, BackfillPage, Client};

use crate::aside::tell;
use crate::failure::Failure;
use crate::output::Printer;
use crate::progress;

/// How long is waited at least, and at most, before the server is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// For how long the server may be away.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many instances of a backfill are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    all: usize,
    succeeded: usize,
    failed: usize,
    /// Nobody knows of a run: somebody else had the instance when its turn came.
    untold: usize,
    waiting: usize,
}

/// Waits until all instances of a backfill have ended, and shows on the way how far it is.
pub(crate) fn wait(client: &Client, id: &str, printer: &mut Printer) -> Result<(), Failure> {
    let mut bar: Option<ProgressBar> = None;
    let mut told = None;
    let mut heard = Instant::now();
    loop {
        let began = Instant::now();
        let (count, halted) = match look(client, id) {
            Ok(seen) => seen,
            Err(failure) if failure.is_passing() && heard.elapsed() < PATIENCE => {
                tell(failure);
                thread::sleep(PAUSES.0);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        heard = Instant::now();
        let took = began.elapsed();
        let bar = bar.get_or_insert_with(|| progress::bar(id.to_owned(), count.all.max(2)));
        bar.set_position(count.ended() as u64);
        if bar.is_hidden() && told != Some(count) {
            tell(format_args!("{id}: {} of {} ended, {} waiting", count.ended(), count.all, count.waiting));
            told = Some(count);
        }
        if count.is_over(halted) {
            bar.finish_and_clear();
            return report(id, count, halted, printer);
        }
        // A backfill of many instances takes the server long to tell of.
        thread::sleep((took * 5).clamp(PAUSES.0, PAUSES.1));
    }
}

/// Counts where the instances are, and whether the backfill was halted.
fn look(client: &Client, id: &str) -> Result<(Count, bool), Failure> {
    let (mut count, mut halted) = (Count::default(), false);
    // None need be sent by a server that counts them.
    let page = BackfillPage { from: None, limit: Some(0) };
    client.visit_backfill::<Failure>(id, &page, |item| {
        match item {
            BackfillItem::Backfill(backfill) => halted = backfill.halted,
            BackfillItem::Instance(run) => count.add(&run.state, 1),
            BackfillItem::Counts(counts) => {
                count = Count::default();
                counts
                    .iter()
                    .for_each(|(state, number)| count.add(state, usize::try_from(*number).unwrap_or(usize::MAX)));
            }
            BackfillItem::Next(_) => {}
        }
        Ok(())
    })?;
    Ok((count, halted))
}

impl Count {
    fn add(&mut self, state: &str, number: usize) {
        self.all += number;
        match state {
            "DONE" => self.succeeded += number,
            "ERROR" => self.failed += number,
            "UNKNOWN" => self.untold += number,
            "WAITING" => self.waiting += number,
            _ => {}
        }
    }

    fn ended(&self) -> usize {
        self.succeeded + self.failed + self.untold
    }

    /// Whether nothing more will happen: what waits in a halted backfill waits for ever.
    fn is_over(&self, halted: bool) -> bool {
        let left = self.all - self.ended();
        left == 0 || (halted && left == self.waiting)
    }
}

fn report(id: &str, count: Count, halted: bool, printer: &mut Printer) -> Result<(), Failure> {
    let Count { all, succeeded, failed, untold, waiting } = count;
    let mut text = format!("Backfill {id} ended: {succeeded} of {all} succeeded");
    for (number, what) in [(failed, "failed"), (untold, "left no trace"), (waiting, "never began")] {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    }
    printer.message(&format!("{text}."))?;
    if succeeded == all && !halted { Ok(()) } else { Err(Failure::Denied) }
}
