//! Signals that ask a tool to end.

use tokio::{
    runtime, select,
    signal::unix::{SignalKind, signal},
};

/// Waits until somebody wants this process to end (Ctrl-C, `kill`, a closed terminal) and gives the signal's number; nothing
/// when the system doesn't let it wait.
pub(super) fn wait() -> Option<i32> {
    let [interrupt, terminate, hangup] = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let runtime = runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let kind = runtime.block_on(async {
        let (mut interrupts, mut terminates, mut hangups) =
            (signal(interrupt).ok()?, signal(terminate).ok()?, signal(hangup).ok()?);
        Some(select! {
            _ = interrupts.recv() => interrupt,
            _ = terminates.recv() => terminate,
            _ = hangups.recv() => hangup,
        })
    })?;
    Some(kind.as_raw_value())
}
