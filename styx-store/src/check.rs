//! What both logs check before they write, in the same words.

use styx_core::{
    id::{Epoch, Position},
    log::{Batch, LogError},
};

/// Whether a batch may follow: the epoch is the present one, the tail is the expected one, and the records are
/// consecutive and carry the epoch.
pub(crate) fn check_append(
    present: Epoch,
    epoch: Epoch,
    tail: Position,
    expected_tail: Position,
    batch: &Batch,
) -> Result<(), LogError> {
    if epoch < present {
        return Err(LogError::Fenced { mine: epoch, newer: present });
    }
    if epoch > present {
        return Err(failed("appending", format!("epoch {epoch} has not begun; the present one is {present}")));
    }
    if tail != expected_tail {
        return Err(LogError::Conflict { expected: expected_tail, found: tail });
    }
    let mut last = tail;
    for record in &batch.records {
        if record.position != last.next() {
            let reason = format!("record {} stands where {} belongs", record.position, last.next());
            return Err(failed("appending", reason));
        }
        if record.epoch != epoch {
            let reason = format!("record {} carries epoch {}, not {epoch}", record.position, record.epoch);
            return Err(failed("appending", reason));
        }
        last = record.position;
    }
    if batch.records.is_empty() && !batch.rows.is_empty() {
        return Err(failed("appending", "rows without a record".into()));
    }
    Ok(())
}

/// The answer of a writer that has failed before.
pub(crate) fn ended(by: &LogError) -> LogError {
    failed("appending", format!("this writer has ended before: {by}"))
}

pub(crate) fn failed(doing: impl Into<String>, reason: String) -> LogError {
    LogError::Failed { doing: doing.into(), reason }
}
