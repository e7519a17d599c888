//! What an executor reports about itself, rather than about one execution.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// How an executor is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecutorEvent {
    /// It can't do what it was asked for now, and tries again.
    Degraded {
        /// Why.
        reason: String,
    },
    /// It can again.
    Recovered,
    /// All that it knows of what earlier processes have left is reported: its silence about an execution isn't for want of time.
    AllReported,
    /// It has ended although nobody stopped it: nothing more is run and nothing more is reported.
    Ended {
        /// Why.
        reason: String,
    },
}

/// Receives events on the executor's thread; must be quick.
pub type OnExecutorEvent = Arc<dyn Fn(ExecutorEvent) + Send + Sync>;

/// Runs the work of a thread; a panic becomes a reason like any other error.
pub fn run_to_end<E: ToString>(work: impl FnOnce() -> Result<(), E>) -> String {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => "its work has ended".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => format!("it panicked: {}", panic_text(panic.as_ref())),
    }
}

/// What a panic says.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn the_reason_of_an_end_is_its_error_or_its_panic() {
        assert_eq!(run_to_end(|| Ok::<_, Infallible>(())), "its work has ended");
        assert_eq!(run_to_end(|| Err("no descriptor is left")), "no descriptor is left");
        let panics = || -> Result<(), Infallible> { panic!("a {} one", "bad") };
        assert_eq!(run_to_end(panics), "it panicked: a bad one");
    }
}
