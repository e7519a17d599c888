//! Folding a log up to a moment, behind a bar that shows only on a terminal.

use std::io::{self, Write};

use styx_core::{id::Position, record::Record, world::Changes};
use styx_store::rocks::Replay;

use super::{
    DataArgs, UNUSABLE,
    about::Stopped,
    moment::{Found, Missed},
    progress, stopped,
};

/// How many records the bar waits for.
const STEP: u64 = 8192;

/// Folds on up to `to`.
pub(super) fn advance(
    replay: &mut Replay<'_>,
    to: Position,
    visit: &mut dyn FnMut(&Record, &Changes),
) -> Result<(), Stopped> {
    let bar = progress::bar("folding", to.0);
    let folded = replay.advance(to, &mut |record, changes| {
        if record.position.0 % STEP == 0 {
            bar.set_position(record.position.0);
        }
        visit(record, changes);
    });
    bar.finish_and_clear();
    folded.map_err(|error| Stopped::Log(replay.world().tail().next(), error))
}

/// A moment that was found, or the exit code after saying why it wasn't.
pub(super) fn moment(
    found: Result<Found, Missed>,
    data: &DataArgs,
    notes: &mut dyn Write,
) -> io::Result<Result<Found, u8>> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(Missed::OutOfRange(text)) => {
            writeln!(notes, "styx-server: {text}")?;
            Ok(Err(UNUSABLE))
        }
        Err(Missed::Log(position, error)) => stopped(Stopped::Log(position, error), data, notes).map(Err),
    }
}
