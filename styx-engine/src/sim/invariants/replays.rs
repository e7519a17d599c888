//! The inputs that the log tells of lead to its records again: nothing was decided from what isn't in the log.

use styx_core::id::Position;

use super::{Check, End, Invariant};
use crate::replay::{Difference, Options, Replay};

#[derive(Default)]
pub(super) struct Replays;

impl Invariant for Replays {
    fn name(&self) -> &'static str {
        "replays"
    }

    fn sentence(&self) -> &'static str {
        "asked again, every decision comes out as it is in the log"
    }

    fn ended(&mut self, end: &End<'_>) -> Check {
        let mut replay = Replay::new(Options::default());
        let mut found = Vec::new();
        for record in end.log.records_after(Position(0)) {
            found.extend(replay.add(record).map_err(|refused| refused.to_string())?);
        }
        found.extend(replay.finish().map_err(|refused| refused.to_string())?);
        if let Some(Difference { position, kind, recorded, decided, reason, .. }) = found.first() {
            return Err(format!("at {position}: {kind:?} {reason:?}: the log has {recorded:?}, now {decided:?}"));
        }
        let summary = replay.summary();
        let (all, unknown) = (summary.records, summary.unknown);
        if all != end.world.tail().0 || unknown > 0 {
            return Err(format!("of {all} records up to {} {unknown} can't be asked again", end.world.tail()));
        }
        Ok(())
    }
}
