//! Folding an event of a run allocates nothing.

use styx_benches::Runs;
use styx_core::{
    id::Epoch,
    record::{Fact, RunEvent},
    run::{Rules, Run},
};

#[test]
fn run_apply_allocates_nothing() {
    let (mut runs, _) = Runs::begin(Epoch(1));
    let records = runs.one_run().records;
    let mut run = Run::new(None, records[0].at);
    let mut folded = 0;
    let info = allocation_counter::measure(|| {
        for record in &records {
            if let Fact::Run(_, RunEvent::Styx { event, .. }) = &record.fact {
                run.apply(event, record.at, Rules::Ours).expect("a legal history");
                folded += 1;
            }
        }
    });
    assert_eq!((folded, info.count_total), (7, 0));
}
